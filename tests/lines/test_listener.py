"""Units that dial in: who they are, what becomes of strangers, and of connections half open."""

from __future__ import annotations

import asyncio
import logging

import pytest

from rct_collector.drivers.base import Ask, Fault
from rct_collector.errors import TransportError
from rct_collector.lines import listener
from rct_collector.lines.callers import MOST_TOLD, MOST_UNPROVEN_BYTES, PROOF_S
from rct_collector.lines.conversation import WATCHDOG_S, Conversation
from rct_collector.lines.listener import MOST_UNKNOWN, ListeningLine
from rct_collector.transport import parse_address
from tests.dialling import Doors
from tests.lines.words import POWER, Attached, Lock, Words
from tests.virtual import run
from tests.work import calls

STATION = parse_address("listen://0.0.0.0:7777", {"listen": {}})


class Bench:
    def __init__(self, *units, lock=None):
        self.doors, self.sessions = Doors(), []
        self.line = ListeningLine(
            "roof", STATION, self.doors, self._session, wall_ns=lambda: 7, lock=lock
        )
        self.devices = [Attached(self.line, unit) for unit in units]

    def _session(self):
        self.sessions.append(Words())
        return self.sessions[-1]

    def call(self, text=""):
        """Somebody calls, and says something."""
        call = self.doors.call()
        if text:
            call.say(text.encode())
        return call

    async def __aenter__(self):
        self._stack = [device.open(0.01) for device in self.devices]
        for item in self._stack:
            await item.__aenter__()
        return self

    async def __aexit__(self, *rest):
        for item in self._stack:
            await item.__aexit__(None, None, None)


@pytest.fixture
def with_bench(caplog):
    """Run a test's coroutine function with a line that has devices for these units."""
    caplog.set_level(logging.INFO)

    def runs(test, *units):
        async def main(_loop):
            async with Bench(*units) as bench:
                await test(bench)

        run(main)
        return [r.getMessage() for r in caplog.records]

    return runs


# -- who has called ----------------------------------------------------------------------------


def test_who_calls_is_known_by_what_it_says(with_bench):
    async def test(bench):
        one, two = bench.devices
        second = bench.call("2=20\n")
        first = bench.call("noise\n1=10\n")
        assert (one.told, two.told) == (["opened", [Fault.NOISE, 10]], ["opened", [20]])
        one.port.ask(Ask(POWER, "1"), asyncio.get_running_loop().time())
        two.port.send(b"probe")
        assert (first.sent, second.sent) == ([b"1?\n"], [b"probe"])
        first.say(b"1=1")
        second.say(b"2=2")
        first.say(b"1\n")
        second.say(b"2\n")
        assert (one.heard()[-1], two.heard()[-1]) == (11, 22), "each call has its own session"

    assert with_bench(test, "1", "2") == []


def test_a_call_may_bring_a_whole_bus(with_bench):
    async def test(bench):
        one, two = bench.devices
        call = bench.call("1=10\n2=20\n")
        assert one.port.take_turn()
        assert not two.port.take_turn(), "it is one line"
        call.say(b"2=21\n")
        assert two.heard() == [20, 21]
        call.hang_up()
        assert (one.told[-1], two.told[-1]) == ("lost", "lost")

    with_bench(test, "1", "2")


def test_looking_after_the_line_costs_each_unit_alike_however_many_there_are(
    with_bench, monkeypatch
):
    """Each device has it done at the end of its round."""
    units = [str(number) for number in range(20)]
    waits, tended = [], []

    class Wait(listener._Wait):
        def __init__(self, name):
            super().__init__(name)
            waits.append(name)

    async def test(bench):
        for unit in units:
            bench.call(f"{unit}=1\n")
        for _ in range(3):
            tended.clear()
            for _ in bench.devices:
                bench.line.tend()
            assert tended == [device.port.conversation for device in bench.devices]
            await asyncio.sleep(10)

    monkeypatch.setattr(listener, "_Wait", Wait)
    monkeypatch.setattr(Conversation, "tend", lambda self, _now: tended.append(self))
    with_bench(test, *units)
    assert len(waits) == len(units)


def test_a_call_is_taken_with_the_same_work_however_many_have_called(with_bench):
    units = [str(number) for number in range(80)]
    effort = []

    async def test(bench):
        for unit in units:
            effort.append(calls(bench.call))
            bench.doors.calls[-1].say(f"{unit}=1\n".encode())

    with_bench(test, *units)
    # At its least, since what is collected meanwhile as garbage is work, too.
    assert min(effort[-10:]) == min(effort[10:20])


def test_before_it_has_called_nothing_can_be_asked(with_bench):
    async def test(bench):
        one, _ = bench.devices
        assert not one.port.is_open
        assert not one.port.take_turn()
        one.port.ask(Ask(POWER, "1"), asyncio.get_running_loop().time())
        one.port.send(b"probe")
        one.port.abandon(Ask(POWER, "1"))
        assert not one.port.drop_if_deaf(1e9)
        assert one.port.last_error == "it has not called yet"
        with pytest.raises(TransportError, match="has not called yet"):
            async with one.port.turn():
                pass
        assert one.port.sent_bytes == 0

    with_bench(test, "1", "2")


def test_a_reply_is_sent_before_it_is_known_who_calls(with_bench):
    async def test(bench):
        assert bench.call("?\n").sent == [b"ack\n"]

    with_bench(test, "1", "2")


def test_a_unit_alone_gets_the_call_at_once(with_bench):
    async def test(bench):
        (one,) = bench.devices
        call = bench.call()
        assert one.told == ["opened"]
        one.port.ask(Ask(POWER, "1"), asyncio.get_running_loop().time())
        assert call.sent == [b"1?\n"]

    with_bench(test, "1")


# -- calls that end, or should ------------------------------------------------------------------


def test_a_newer_call_of_the_same_unit_takes_the_place_of_the_older(with_bench):
    async def test(bench):
        one, _ = bench.devices
        old = bench.call("1=1\n")
        assert one.port.take_turn()
        new = bench.call("1=2\n")
        assert one.told == ["opened", [1], "lost", "opened", [2]]
        assert (old.is_open, new.is_open) == (False, True)
        assert one.port.opened == 2
        assert one.port.take_turn()

    assert with_bench(test, "1", "2") == []


def test_a_newer_call_that_says_nothing_takes_nobody_s_place(with_bench):
    async def test(bench):
        (one,) = bench.devices
        old = bench.call("1=1\n")
        bench.call()
        bench.call("GET / HTTP/1.0\n")
        assert one.told == ["opened", [1]]
        assert old.is_open

    with_bench(test, "1")


def test_where_one_is_dead_the_next_is_asked(with_bench):
    """It has lost its power and has called again; it says nothing unless it is asked."""

    async def test(bench):
        (one,) = bench.devices
        bench.call("1=1\n")
        loop = asyncio.get_running_loop()
        one.port.ask(Ask(POWER, "1"), loop.time())
        await asyncio.sleep(WATCHDOG_S - 5)
        new = bench.call()
        await asyncio.sleep(6)
        assert one.port.drop_if_deaf(loop.time())
        one.port.ask(Ask(POWER, "1"), loop.time())
        assert new.sent == [b"1?\n"]
        new.say(b"1=2\n")
        assert one.heard() == [1, 2]

    assert with_bench(test, "1") == [
        "device 1: no valid answer for 30 s; waiting until it calls again",
        "device 1: calls again",
    ]


def test_a_loss_is_told_a_few_times_an_hour(with_bench):
    async def test(bench):
        for n in range(20):
            bench.call(f"1={n}\n").hang_up()
        assert bench.devices[0].port.last_error == "the device closed the connection"
        await asyncio.sleep(3700)
        bench.line.tend()

    told = with_bench(test, "1", "2")
    assert len([line for line in told if "waiting" in line]) == MOST_TOLD + 1
    assert told[-1].endswith(f"… and {20 - MOST_TOLD} more in the last hour")


# -- strangers ---------------------------------------------------------------------------------


def test_who_sends_nonsense_is_hung_up_on(with_bench):
    async def test(bench):
        calls = [bench.call() for _ in range(5)]
        for call in calls:
            while call.is_open:
                call.say(b"x" * 512 + b"\n")
                assert bench.sessions[-1].received <= MOST_UNPROVEN_BYTES + 513
        assert [device.told for device in bench.devices] == [[], []]
        assert bench.doors.held == 0

    told = with_bench(test, "1", "2")
    assert len(told) == MOST_TOLD
    assert told[0] == (
        "device 1, device 2: 198.51.100.0:40000 has called, and is hung up on: 4104 bytes that mean"
        " nothing"
    )


def test_who_does_not_belong_here_is_hung_up_on_and_disturbs_nobody(with_bench):
    async def test(bench):
        known, other = bench.call("1=1\n"), bench.call("UPS\n")
        assert (known.is_open, other.is_open) == (True, False)
        assert bench.devices[0].heard() == [1]
        known.say(b"1=2\nUPS\n")
        assert not known.is_open
        assert bench.devices[0].told[-1] == "lost"
        assert bench.devices[0].port.last_error == "a UPS, which is none of ours"

    told = with_bench(test, "1", "2")
    assert "has called, and is hung up on: a UPS, which is none of ours" in told[0]


def test_a_unit_may_send_any_amount_once_it_is_known(with_bench):
    async def test(bench):
        call = bench.call("1=1\n")
        for _ in range(100):
            call.say(b"x" * 512 + b"\n")
        assert call.is_open

    with_bench(test, "1", "2")


def test_who_says_nothing_is_hung_up_on(with_bench):
    async def test(bench):
        call, known = bench.call(), bench.call("1=1\n")
        await asyncio.sleep(PROOF_S + 1)
        assert (call.is_open, known.is_open) == (False, True)

    assert with_bench(test, "1", "2") == [
        "device 1, device 2: 198.51.100.0:40000 has called, and is hung up on: nothing within 60 s"
        " that means anything"
    ]


def test_strangers_are_bounded_in_number_and_keep_no_unit_out(with_bench):
    async def test(bench):
        one = bench.call("1=1\n")
        for _ in range(100):
            bench.call()
            assert bench.doors.held <= MOST_UNKNOWN + 1
        two = bench.call("2=2\n")
        assert one.is_open
        assert two.is_open
        assert bench.devices[1].heard() == [2]

    with_bench(test, "1", "2")


def test_a_unit_of_its_family_that_nobody_has_is_told_of(with_bench):
    async def test(bench):
        bench.call("9=1\n9=2\n")
        assert bench.line.ports.strangers == {"9": 2}

    assert with_bench(test, "1", "2") == [
        "device 1, device 2: the unit '9' is on the line, too, and no device of the configuration"
        " is it"
    ]


# -- coming and going --------------------------------------------------------------------------


def test_it_listens_while_anybody_takes_part():
    async def main(_loop):
        bench = Bench("1", "2")
        one, two = bench.devices
        assert not bench.doors.is_open
        async with one.open(0.01):
            async with two.open(0.01):
                call = bench.call("2=2\n")
            assert call.is_open, "it may come back"
            async with two.open(0.01):
                assert two.told == ["opened", [2], "lost", "opened"]
            call.hang_up()
            async with two.open(0.01):
                assert not two.port.is_open
            last = bench.call("1=1\n")
        assert not last.is_open
        assert not bench.doors.is_open
        assert bench.doors.held == 0

    run(main)


def test_a_first_round_waits_for_a_call_with_patience():
    async def main(loop):
        bench = Bench("1")
        (one,) = bench.devices
        begun = loop.time()
        loop.call_later(2.0, bench.call)
        async with one.open(30.0):
            assert loop.time() - begun == pytest.approx(2.0)
            assert one.port.is_open

    run(main)


def test_at_the_end_all_are_hung_up_on():
    async def main(_loop):
        async with Bench("1", "2") as bench:
            calls = [bench.call("1=1\n"), bench.call()]
            bench.line.close()
            assert not any(call.is_open for call in calls)
            assert not bench.doors.is_open
            assert not bench.devices[0].port.is_open

    run(main)


def test_who_gives_way_to_another_process_hangs_up():
    """Else it would go on collecting from all who have called by then."""

    async def main(_loop):
        bench = Bench("1", "2", lock=(lock := Lock()))
        async with bench:
            calls = [bench.call("1=1\n"), bench.call()]
            lock.busy = True
            bench.line.tend()
            assert not bench.doors.is_open
            assert [call.is_open for call in calls] == [False, False]
            one, two = bench.devices
            assert one.told == ["opened", [1], "lost"]
            assert two.told == []
            assert not one.port.is_open
            assert "already collected" in one.port.last_error
            lock.busy = False
            await asyncio.sleep(300)
            bench.call("1=2\n")
            assert one.heard() == [1, 2]

    run(main)


def test_a_unit_is_waited_for_in_the_name_of_its_device_at_present(with_bench):
    """Another device may be the unit when a configuration has changed."""

    async def test(bench):
        (old,) = bench.devices
        bench.call("1=1\n")
        await bench._stack.pop().__aexit__(None, None, None)
        new = Attached(bench.line, "1", name="new")
        async with new.open(0.01):
            bench.call("1=2\n").hang_up("gone")
        assert (old.heard(), new.heard()) == ([1], [2])

    assert with_bench(test, "1") == ["new: gone; waiting until it calls again"]
