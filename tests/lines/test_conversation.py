"""An answer that is expected goes to who expects it without a detour, and nothing else does."""

from __future__ import annotations

import pytest

from rct_collector.drivers import driver
from rct_collector.drivers.base import Answer, Garbled
from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.session import RctSession
from rct_collector.lines.conversation import Conversation
from rct_collector.reports import Reports
from rct_collector.transport import READ_BYTES
from tests.virtual import run

SOC = driver("rct").query("battery.soc")
ANSWER = b"\0" + frame.assemble(frame.RESPONSE, SOC.oid, b"\x3f\x00\x00\x00")


class Wire:
    """Takes what is sent."""

    is_open, excused = True, False

    def __init__(self):
        self.paused = False

    def send(self, data):
        """Nobody is there."""

    def pause(self):
        self.paused = True

    def resume(self):
        self.paused = False

    def proven(self):
        """It is."""


class Bench:
    """A conversation with an RCT unit.

    Attributes:
        delivered: What came by the usual way.
        expected: What came to who expects it.
        is_mine: What that one says of it.
    """

    def __init__(self):
        self.delivered, self.expected, self.is_mine = [], [], True
        reports = Reports("roof")
        self.talk = Conversation(RctSession(), self.deliver, wall_ns=lambda: 7, reports=reports)
        self.talk.wire = Wire()
        self.talk.opened(None)

    def deliver(self, talk, events, size, now):
        talk.answered()
        self.delivered += events

    def expect(self, answer, size, now):
        if self.is_mine:
            self.expected.append((answer, size))
        return self.is_mine

    def ask(self):
        self.talk.asks(self.talk._time(), self.expect)


@pytest.fixture
def bench():
    """Runs a test with a bench on whose line something has proved useful already."""

    def bench(test):
        async def main(_loop):
            made = Bench()
            made.talk.received(ANSWER)
            made.delivered.clear()
            test(made)

        run(main)

    return bench


@pytest.mark.parametrize("data", [ANSWER, ANSWER[1:]])
def test_an_expected_answer_goes_to_who_expects_it(bench, data):
    def test(made):
        for _ in range(3):
            made.ask()
            made.talk.received(data)
        assert made.expected == [(Answer(SOC, 0.5), len(data))] * 3
        assert not made.delivered

    bench(test)


def test_the_next_one_is_not_expected(bench):
    def test(made):
        made.ask()
        made.talk.received(ANSWER)
        made.talk.received(ANSWER)
        assert (len(made.expected), made.delivered) == (1, [Answer(SOC, 0.5)])

    bench(test)


def test_what_is_not_that_goes_the_usual_way(bench):
    def test(made):
        made.is_mine = False
        made.ask()
        made.talk.received(ANSWER)
        assert made.delivered == [Answer(SOC, 0.5)]

    bench(test)


@pytest.mark.parametrize(
    "data",
    [ANSWER[:5], ANSWER + ANSWER, ANSWER[:-1] + bytes([ANSWER[-1] ^ 1]), b"\x2b\x2b", b"\0"],
    ids=["half", "two", "garbled", "starts", "nothing"],
)
def test_after_anything_else_all_is_looked_at(bench, data):
    def test(made):
        made.ask()
        made.talk.received(data)
        made.talk.received(ANSWER)
        assert not made.expected
        assert Answer(SOC, 0.5) in made.delivered or type(made.delivered[0]) is Garbled

    bench(test)


def test_what_follows_on_half_a_frame_is_looked_at(bench):
    """Though it looks whole by itself: it may be the rest of something."""

    def test(made):
        made.talk.received(ANSWER[:5])
        made.ask()
        made.talk.received(ANSWER)
        assert not made.expected

    bench(test)


def test_a_line_that_was_not_proven_yet_expects_nothing():
    async def main(_loop):
        made = Bench()
        made.ask()
        made.talk.received(ANSWER)
        assert (made.expected, made.delivered) == ([], [Answer(SOC, 0.5)])

    run(main)


def test_another_line_expects_nothing(bench):
    def test(made):
        made.ask()
        made.talk.reset()
        made.talk.received(ANSWER)
        assert not made.expected

    bench(test)


def test_while_more_waits_than_is_read_all_is_looked_at(bench):
    """It may be too old to be believed."""

    def test(made):
        made.talk.received(bytes(READ_BYTES))
        made.ask()
        made.talk.received(ANSWER)
        assert not made.expected

    bench(test)


def test_answers_that_are_expected_count_as_what_is_read(bench):
    """Else a unit could flood with them."""

    def test(made):
        for _ in range(10_000):
            made.ask()
            made.talk.received(ANSWER)
        assert made.talk.wire.paused

    bench(test)
