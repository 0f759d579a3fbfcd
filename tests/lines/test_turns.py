"""Who may ask next on a line that several share."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.lines.turns import Party, Turns
from tests.virtual import run


class Table:
    """A line and those who want turns on it; each notes when its turn came."""

    def __init__(self, *names):
        self.turns = Turns()
        self.came = []
        self.of = {name: Party(name, lambda name=name: self.came.append(name)) for name in names}

    def take(self, name):
        return self.turns.take(self.of[name])

    def end(self, name):
        self.turns.end(self.of[name])

    def leave(self, name):
        self.turns.leave(self.of[name])


def at_a(*names):
    """A test gets a table, on a loop."""

    def decorate(test):
        def wrapped():
            async def main(_loop):
                await test(Table(*names))

            run(main)

        return wrapped

    return decorate


@at_a("a")
async def test_who_is_alone_never_waits(table):
    assert all(table.take("a") for _ in range(10))
    table.end("a")
    assert table.take("a")
    await asyncio.sleep(0)
    assert table.came == []


@at_a("a", "b")
async def test_who_has_something_outstanding_keeps_the_others_waiting(table):
    assert table.take("a")
    assert not table.take("b")
    await asyncio.sleep(1)
    assert table.came == []
    table.end("a")
    await asyncio.sleep(0)
    assert table.came == ["b"]
    assert table.take("b")


@at_a("a", "b")
async def test_nobody_asks_twice_while_another_waits(table):
    assert table.take("a")
    assert not table.take("b")
    assert not table.take("a"), "b has waited since"
    table.end("a")
    assert table.take("b")
    assert not table.take("b"), "and so has a"
    table.end("b")
    assert table.take("a")


@at_a("a", "b")
async def test_a_turn_that_is_not_used_goes_on_to_the_next(table):
    table.take("a")
    table.take("b")
    table.end("a")
    table.end("b")
    await asyncio.sleep(0)
    assert table.came == [], "the news of its turn came too late"
    assert table.take("a")


@at_a("a", "b", "c")
async def test_who_leaves_is_passed_over_and_gives_its_turn_back(table):
    for name in "abc":
        table.take(name)
    table.leave("b")
    table.leave("a")
    await asyncio.sleep(0)
    assert table.came == ["c"]


@at_a("a", "b")
async def test_to_end_what_one_does_not_have_does_nothing(table):
    table.take("a")
    table.end("b")
    table.leave("b")
    assert not table.take("b")


@at_a("a")
async def test_a_block_has_the_line_to_itself(table):
    table.take("a")
    order = []

    async def block(name):
        async with table.turns.turn(name):
            order.append(name)
            await asyncio.sleep(1)
            order.append(name)

    tasks = [asyncio.create_task(block(name)) for name in ("x", "y")]
    await asyncio.sleep(1)
    assert order == []
    table.end("a")
    await asyncio.sleep(0.5)
    assert not table.take("a")
    await asyncio.gather(*tasks)
    assert order == ["x", "x", "y", "y"]
    assert table.came == ["a"]


@pytest.mark.parametrize("when", [0.5, 1.5])
def test_a_block_may_be_cancelled_before_and_in_its_turn(when):
    async def main(_loop):
        table = Table("a")
        table.take("a")

        async def block():
            async with table.turns.turn("x"):
                await asyncio.sleep(10)

        task = asyncio.create_task(block())
        asyncio.get_running_loop().call_later(1, table.end, "a")
        await asyncio.sleep(when)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(2)
        assert table.turns.holder is None
        assert table.take("a")

    run(main)


STEPS = ["take", "take", "take", "end", "end", "leave"]


def owner(table):
    holder = table.turns.holder
    return holder.owner if holder else None


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(STEPS)), max_size=60))
def test_one_at_a_time_and_nobody_is_forgotten(steps):
    """Whatever they do: one has the turn, and who was told to wait gets it, in order."""

    async def main(_loop):
        table = Table(*"abcd")
        waiting, fresh = [], False
        for name, step in steps:
            before = owner(table)
            taken = getattr(table, step)(name)
            if step == "take":
                assert taken == (before is None or (before == name and (fresh or not waiting)))
                fresh = fresh and not taken
                if not taken and name not in waiting:
                    waiting.append(name)
                continue
            if step == "leave" and name in waiting:
                waiting.remove(name)
            heir = before
            if before == name:
                heir = waiting.pop(0) if waiting else None
                fresh = heir is not None
            assert owner(table) == heir
        for _ in range(len(waiting)):
            table.end(owner(table))
            assert owner(table) == waiting.pop(0)

    run(main)


def test_all_get_the_same_number_of_turns():
    asked = Counter()

    async def main(loop):
        turns = Turns()

        class Greedy:
            """Asks as soon as it may, and has its answer after a time of its own."""

            def __init__(self, name, seconds):
                self.name, self.seconds = name, seconds
                self.party = Party(self, self.ask)

            def ask(self):
                while turns.take(self.party):
                    asked[self.name] += 1
                    loop.call_later(self.seconds, self.answered)
                    if asked[self.name] % 3:  # up to three at a time, as long as nobody waits
                        break

            def answered(self):
                turns.end(self.party)
                self.ask()

        for name, seconds in {"quick": 0.01, "slow": 1.0, "silent": 5.0}.items():
            Greedy(name, seconds).ask()
        await asyncio.sleep(600)

    run(main)
    assert min(asked.values()) >= 90
    assert max(asked.values()) - min(asked.values()) <= 3


def test_whose_turn_was_about_to_come_keeps_it_when_the_line_is_taken_from_all():
    """A round ends with a request open: its turn goes on, and at once the line is drained."""

    async def main(_loop):
        turns = Turns()
        came = []
        first, drain = Party("first", lambda: None), Party(None, lambda: None)
        second = Party("second", lambda: came.append("second"))

        async def inquire():
            async with turns.turn("third"):
                came.append("third")

        assert turns.take(first)
        inquiring = asyncio.create_task(inquire())
        await asyncio.sleep(0)
        assert not turns.take(second)
        turns.end(first)
        turns.seize(drain)
        await asyncio.sleep(0.01)
        assert came == []
        turns.leave(drain)
        await asyncio.wait_for(inquiring, 1.0)
        await asyncio.sleep(0.01)
        assert came == ["third", "second"]

    run(main)
