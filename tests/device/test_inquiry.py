"""One request beside the rounds: sent once, answered, or told why not."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.device.inquiry import Inquiry
from rct_collector.drivers.base import Answer, Fault, Garbled, Query, Refused
from rct_collector.errors import RefusedFrameError, TransportError
from tests import virtual
from tests.answering import REFUSES, Answering

PAST, OTHER = Query("past", "always"), Query("other", "always")


def ask(port, *, argument=None):
    async def main(_loop):
        return await port.inquiry.ask(PAST, argument)

    return virtual.run(main)


def test_answer_is_handed_to_whoever_asked():
    port = Answering(lambda _query, argument: argument + 1)
    assert ask(port, argument=41) == Answer(PAST, 42)
    assert [(name, argument) for _, name, argument in port.asked] == [("past", 41)]
    assert port.abandoned == []


def test_refusal_is_an_answer():
    assert ask(Answering(lambda *_: REFUSES)) == Refused(PAST)


def test_silence_is_told_and_nothing_is_repeated():
    port = Answering(lambda *_: None)
    with pytest.raises(TransportError, match=r"past was not answered within 2 s") as caught:
        ask(port)
    assert caught.value.kind == "timeout"
    assert len(port.asked) == 1
    assert port.abandoned == ["past"]


def test_late_answer_is_not_taken():
    port = Answering(lambda *_: 1, latency=3.0)

    async def main(_loop):
        with pytest.raises(TransportError):
            await port.inquiry.ask(PAST)
        await asyncio.sleep(5)

        return [port.inquiry.was_late(Answer(query, 1)) for query in (OTHER, PAST, PAST)]

    found = virtual.run(main)
    assert port.late == [Answer(PAST, 1)]
    assert found == [False, True, False], "it is known once for what it is"


def test_an_answer_that_comes_in_the_same_look_as_the_end_of_the_time_counts():
    port = Answering(lambda *_: 1, latency=2.0)
    assert ask(port) == Answer(PAST, 1)
    assert port.abandoned == []


def test_answer_to_something_else_is_left_to_others():
    port = Answering(lambda *_: 1)

    async def main(_loop):
        asking = asyncio.create_task(port.inquiry.ask(PAST))
        await asyncio.sleep(0)
        taken = [port.inquiry.take(Answer(OTHER, 1)), port.inquiry.take(Answer(PAST, 2))]
        taken.append(port.inquiry.take(Answer(PAST, 3)))
        return taken, await asking

    assert virtual.run(main) == ([False, True, False], Answer(PAST, 2))


class Dated(Query):
    """Its answers begin with what they were asked with."""

    def is_answer(self, argument, value):
        return value[0] == argument


def test_answer_to_the_same_question_of_somebody_else_is_left():
    past = Dated("past", "always")
    port = Answering(lambda _query, argument: (argument, "ours"))

    async def main(_loop):
        asking = asyncio.create_task(port.inquiry.ask(past, 7))
        await asyncio.sleep(0)
        taken = port.inquiry.take(Answer(past, (8, "theirs")))
        return taken, await asking

    assert virtual.run(main) == (False, Answer(past, (7, "ours")))
    assert not past.is_answer(7, (8,))
    assert PAST.is_answer(7, (8,)), "most families' answers do not tell"


def test_what_came_and_is_no_answer_ends_the_wait_and_the_line_hears_of_it():
    port = Answering(lambda *_: None)

    async def main(loop):
        asking = asyncio.create_task(port.inquiry.ask(PAST))
        await asyncio.sleep(0.5)
        for other in (Garbled(Fault.CRC), Garbled(Fault.LENGTH, OTHER)):
            port.inquiry.spoilt(other)
        assert not asking.done()
        port.inquiry.spoilt(Garbled(Fault.LENGTH, PAST))
        port.inquiry.spoilt(Garbled(Fault.LENGTH, PAST))
        with pytest.raises(TransportError, match="what came for past is no answer: wrong length"):
            await asking
        return loop.time()

    assert virtual.run(main) == pytest.approx(1000.5)
    assert port.abandoned == ["past"]
    assert not port.busy


def test_lost_line_ends_the_wait():
    port = Answering(lambda *_: None)

    async def main(loop):
        asking = asyncio.create_task(port.inquiry.ask(PAST))
        await asyncio.sleep(0.5)
        port.inquiry.line_lost("the device closed the connection")
        with pytest.raises(TransportError, match="the device closed"):
            await asking
        return loop.time()

    assert virtual.run(main) == pytest.approx(1000.5)
    assert not port.busy


def test_frame_that_the_driver_refuses_was_never_sent():
    def refuse(*_):
        raise RefusedFrameError("not in the table")

    port = Answering(refuse)
    with pytest.raises(RefusedFrameError):
        ask(port)
    assert port.abandoned == []
    assert (port.busy, port.inquiry.query) == (False, None)


def test_cancelled_wait_gives_the_line_back():
    port = Answering(lambda *_: None)

    async def main(_loop):
        asking = asyncio.create_task(port.inquiry.ask(PAST))
        await asyncio.sleep(0.5)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    virtual.run(main)
    assert port.abandoned == ["past"]
    assert not port.busy


def test_it_waits_until_the_gap_after_what_was_heard_is_over():
    """Where answers do not tell what they answer, what comes too soon would be taken for one."""
    port = Answering(lambda *_: 1)
    port.inquiry = Inquiry(port, 2.0, gap=0.5)

    async def main(loop):
        begun = loop.time()
        port.heard_at = begun - 0.2
        loop.call_later(0.1, setattr, port, "heard_at", begun + 0.1)
        await port.inquiry.ask(PAST)
        assert [at - begun for at, *_ in port.asked] == [pytest.approx(0.6)]

    virtual.run(main)


def test_a_line_that_is_lost_in_the_gap_is_told():
    port = Answering(lambda *_: 1)
    port.inquiry = Inquiry(port, 2.0, gap=0.5)

    async def main(loop):
        port.heard_at = loop.time()
        loop.call_later(0.1, setattr, port, "lost", "unplugged")
        with pytest.raises(TransportError, match="unplugged"):
            await port.inquiry.ask(PAST)
        assert port.asked == []

    virtual.run(main)
