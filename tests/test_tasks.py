"""What runs beside something else: it does not end unnoticed."""

from __future__ import annotations

import asyncio
import logging

import pytest

from rct_collector.tasks import Flag, first_of, keep_running
from tests.virtual import run


async def cancelled_by_nobody():
    """What a future that somebody else cancels does to whoever waits for it."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def broken():
    raise ZeroDivisionError


async def ended():
    pass


@pytest.mark.parametrize("end", [cancelled_by_nobody, broken, ended])
def test_what_is_not_to_end_begins_anew_and_that_is_logged(end, caplog):
    begun = []

    async def job():
        begun.append(loop.time())
        await end()

    async def main(loop_):
        nonlocal loop
        loop = loop_
        task = asyncio.create_task(keep_running(job, "roof", pause=60))
        await asyncio.sleep(150)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    loop = None
    with caplog.at_level(logging.ERROR):
        assert run(main), "an order to end is obeyed"
    assert begun == [1000, 1060, 1120]
    assert {r.getMessage() for r in caplog.records} == {
        "roof: bug; its collection begins anew",
    }
    assert len(caplog.records) == 3


def test_the_first_that_ends_ends_the_others():
    async def main(loop):
        other = asyncio.Event()

        async def long():
            try:
                await asyncio.sleep(100)
            finally:
                other.set()

        async def short():
            await asyncio.sleep(1)
            return "short"

        return await first_of(long(), short()), other.is_set(), loop.time()

    assert run(main) == ("short", True, 1001)


def test_one_that_fails_is_noticed():
    async def main(_loop):
        with pytest.raises(ZeroDivisionError):
            await first_of(asyncio.Event().wait(), broken())

    run(main)


def test_all_who_wait_for_an_event_go_on_when_it_happens_whatever_comes_after():
    async def main(_loop):
        event, woken = Flag(), []

        async def wait(name):
            await event.wait()
            woken.append(name)

        tasks = [asyncio.create_task(wait(name)) for name in "abc"]
        await asyncio.sleep(1)
        tasks[1].cancel()
        event.set()
        event.clear()  # happened all the same
        await asyncio.gather(*tasks, return_exceptions=True)
        assert woken == ["a", "c"]
        assert not event.is_set()

        event.set()
        await event.wait()
        assert event.is_set()
        event.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(event.wait(), 5)
        assert event._waiting == ()

    run(main)
