"""The line of a device: whatever goes wrong with it, it is tried again."""

from __future__ import annotations

import asyncio
import logging

import pytest

from rct_collector.errors import TransportError
from rct_collector.lines.reconnect import Link
from rct_collector.reports import Reports
from tests.addresses import tcp
from tests.virtual import run


class Line:
    """An open line."""

    def __init__(self):
        self.closed = False

    def send(self, data):
        pass

    def close(self):
        self.closed = True


class Opener:
    """Opens a line, once it has done all that it is to do before."""

    def __init__(self, *before):
        self.before = list(before)
        self.lines = []

    async def __call__(self, address, receive, lost, timeout):
        if self.before:
            await self.before.pop(0)()
        self.lines.append(Line())
        return self.lines[-1]


def raising(error):
    async def fail():
        raise error

    return fail


async def cancelled_by_nobody():
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


def hold(opener, seconds, changed=lambda is_open: None):
    """Keep a line open for a while; the link."""

    async def main(_loop):
        reports = Reports("roof")
        link = Link(reports, opener, tcp("unit"), lambda data: None, changed)
        task = asyncio.create_task(link.run())
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, 10.0))
            reports.sum_up()  # as at the end of a round
        assert not task.done(), "the task of the line has died alone"
        opened, is_open = link.opened, link.is_open
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return opened, is_open

    return run(main)


@pytest.mark.parametrize(
    ("end", "level", "words"),
    [
        (raising(TransportError("refused")), logging.WARNING, "refused; trying again"),
        (raising(RuntimeError("can't start new thread")), logging.ERROR, "bug; trying again"),
        (raising(MemoryError()), logging.ERROR, "bug; trying again"),
        (raising(KeyError("a defect")), logging.ERROR, "bug; trying again"),
        (cancelled_by_nobody, logging.WARNING, "was cancelled; trying again"),
    ],
)
def test_whatever_opening_fails_by_it_is_logged_and_tried_again(end, level, words, caplog):
    opener = Opener(end, end)
    with caplog.at_level(logging.WARNING):
        assert hold(opener, 10) == (1, True)
    (record,) = caplog.records
    assert record.levelno == level
    assert record.getMessage().startswith("roof: ")
    assert words in record.getMessage()
    assert bool(record.exc_info) == (level == logging.ERROR), "tracebacks are for bugs"
    assert opener.lines[0].closed, "and closed at the end"


def test_who_cannot_bear_the_news_of_the_line_does_not_leave_it_open(caplog):
    told = []

    def changed(is_open):
        told.append(is_open)
        if len(told) == 1:
            raise ZeroDivisionError("a defect")

    opener = Opener()
    assert hold(opener, 10, changed) == (2, True)
    assert told == [True, False, True]
    assert [line.closed for line in opener.lines] == [True, True]
    assert "roof: bug; trying again until it works" in caplog.text


@pytest.mark.slow
def test_a_bug_that_stays_is_told_once_an_hour(caplog):
    opener = Opener(*[raising(KeyError("a defect"))] * 10_000)
    with caplog.at_level(logging.WARNING):
        hold(opener, 3 * 3600 + 60)
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) in {3, 4}
    assert len(caplog.records) - len(tracebacks) <= 3, "how often, once an hour"
    assert len(opener.before) < 10_000 - 200
