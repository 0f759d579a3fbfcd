"""A line that is not trusted: silent, drained, probed, and nobody's turn meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.drivers.base import Answer, Ask, Fault, Garbled, Query, Refused, Reply, Resync
from rct_collector.lines.recovery import Recovery
from rct_collector.lines.turns import Party, Turns
from tests.virtual import run

PROBE, OTHER = Query("probe", "always"), Query("other", "always")
RESYNC = Resync(1.0, Ask(PROBE), wait_s=2.0)
LATE = RESYNC._replace(late=Ask(OTHER))
ANSWERS = {
    b"probe": Answer(PROBE, 1),
    b"other": Answer(OTHER, 2),
    b"no": Refused(PROBE),
    b"never": Refused(OTHER),
    b"junk": Garbled(Fault.NOISE),
    b"reply": Reply(b"ack"),
}


class Line:
    """The dialogue, and a port that wants its turn on it."""

    def __init__(self, loop):
        self.loop, self.session, self.turns = loop, self, Turns()
        self.asked_at = self.heard_at = loop.time()
        self.sent, self.came, self.resets, self.valid, self.abandoned = [], [], 0, 0, []
        self.again = RESYNC
        self.looked = []
        self.port = Party("port", lambda: self.came.append(self.since))
        self.recovery = Recovery(self)
        self._begun = loop.time()

    @property
    def since(self):
        return round(self.loop.time() - self._begun, 6)

    # what is needed of a dialogue, and of its session
    def asked(self, data, now):
        self.asked_at = now
        self.sent.append((self.since, data))

    def answered(self):
        self.valid += 1

    def drop_if_deaf(self, now):
        self.looked.append(self.since)
        return False

    def request(self, ask):
        return ask.query.name.encode()

    def receive(self, data, _wall_ns):
        return [ANSWERS[word] for word in data.split()]

    def abandon(self, ask):
        self.abandoned.append(ask.query)
        return self.again

    def reset(self):
        self.resets += 1

    def hear(self, data):
        self.heard_at = self.loop.time()
        return self.recovery.receive(data, 0)


def on_a_line(test):
    def wrapped():
        run(lambda loop: test(Line(loop)))

    return wrapped


@on_a_line
async def test_silence_then_the_probe_then_the_others(line):
    assert line.turns.take(line.port)
    line.recovery.begin(RESYNC)
    assert not line.turns.take(line.port), "not even who had the turn goes on"
    await asyncio.sleep(1.5)
    assert line.sent == [(1.0, b"probe")]
    assert line.resets == 1
    assert line.came == []
    assert line.hear(b"probe") == []
    await asyncio.sleep(0)
    assert line.came == [1.5]
    assert line.valid == 1
    assert not line.recovery.active


@on_a_line
async def test_what_comes_in_the_silence_is_dropped_and_prolongs_it(line):
    line.recovery.begin(RESYNC)
    for _ in range(3):
        await asyncio.sleep(0.75)
        assert line.hear(b"probe other") == []
    await asyncio.sleep(1.5)
    assert line.sent == [(3.25, b"probe")]


@on_a_line
async def test_no_answer_is_believed_before_that_to_the_probe(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(1.5)
    assert line.hear(b"other never junk reply") == [ANSWERS[b"junk"], ANSWERS[b"reply"]]
    assert line.recovery.active
    assert line.hear(b"other probe") == []
    assert not line.recovery.active


@on_a_line
async def test_probe_that_is_refused_is_given_up_at_once(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(1.5)
    assert line.hear(b"no") == []
    assert line.abandoned == [PROBE]
    assert line.hear(b"probe") == [], "it is silent again, and drains"
    assert line.recovery.active
    await asyncio.sleep(1.5)
    assert [at for at, _ in line.sent] == [1.0, 2.5]
    line.hear(b"probe")
    assert not line.recovery.active


@on_a_line
async def test_probe_that_is_not_answered_is_given_up_too(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(7.5)
    assert [at for at, _ in line.sent] == [1.0, 4.0, 7.0]
    assert line.abandoned == [PROBE, PROBE]
    line.hear(b"probe")
    await asyncio.sleep(10)
    assert len(line.sent) == 3


@on_a_line
async def test_line_that_answers_no_probe_is_looked_at_whether_it_is_dead(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(2.5 * (RESYNC.silence_s + RESYNC.wait_s))
    each = RESYNC.silence_s + RESYNC.wait_s
    assert line.looked == pytest.approx([each, 2 * each])
    assert len(line.abandoned) == 2, "the session knows"


@on_a_line
async def test_answer_that_nothing_else_looks_like_is_taken_late(line):
    line.recovery.begin(LATE)
    await asyncio.sleep(0.5)
    assert line.hear(b"probe never junk other") == [ANSWERS[b"other"]], "in the silence"
    await asyncio.sleep(1.2)
    assert line.sent == [(1.5, b"probe")]
    assert line.hear(b"never other junk") == [ANSWERS[b"other"], ANSWERS[b"junk"]]
    assert line.recovery.active, "the probe is outstanding still"
    assert line.hear(b"probe") == []
    assert not line.recovery.active


@on_a_line
async def test_wait_for_what_is_told_apart_counts_as_silence(line):
    await asyncio.sleep(0.6)
    line.recovery.begin(LATE)
    await asyncio.sleep(2.2)
    assert line.sent == [(1.0, b"probe")]
    await asyncio.sleep(2.4)
    assert [at for at, _ in line.sent] == [1.0, 3.0, 5.0], "so does that for a probe"
    assert line.hear(b"other") == [ANSWERS[b"other"]]


@on_a_line
async def test_answer_that_goes_on_coming_is_waited_for(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(2.75)
    for _ in range(3):
        assert line.hear(b"junk") == [ANSWERS[b"junk"]]
        await asyncio.sleep(0.75)
    assert line.abandoned == []
    line.hear(b"probe")
    assert not line.recovery.active


@on_a_line
async def test_answer_that_ends_midway_is_given_up_when_it_was_silent(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(1.25)
    line.hear(b"")
    await asyncio.sleep(0.9)
    assert line.abandoned == []
    await asyncio.sleep(0.2)
    assert line.abandoned == [PROBE]


@on_a_line
async def test_line_that_never_ceases_is_probed_anew(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(1.25)
    for _ in range(25):
        line.hear(b"junk")
        await asyncio.sleep(0.25)
    assert line.abandoned == [PROBE], "after three times the wait"


@on_a_line
async def test_session_that_needs_no_more_ends_it(line):
    line.again = None
    line.recovery.begin(RESYNC)
    await asyncio.sleep(5)
    assert not line.recovery.active
    assert line.turns.take(line.port)


@pytest.mark.parametrize(("probe", "sent"), [(None, []), (b"\r", [(1.0, b"\r")])])
def test_probe_may_be_bytes_without_an_answer_or_nothing(probe, sent):
    @on_a_line
    async def test(line):
        line.recovery.begin(Resync(1.0, probe))
        assert not line.turns.take(line.port)
        await asyncio.sleep(2)
        assert line.sent == sent
        assert line.came == [1.0]

    test()


@on_a_line
async def test_second_reason_meanwhile_changes_nothing(line):
    line.recovery.begin(RESYNC)
    await asyncio.sleep(0.5)
    line.recovery.begin(RESYNC)
    await asyncio.sleep(1)
    assert line.sent == [(1.0, b"probe")]
    assert line.recovery.count == 1


@on_a_line
async def test_lost_line_needs_no_recovery(line):
    line.recovery.begin(RESYNC)
    assert not line.turns.take(line.port)
    line.recovery.cancel()
    await asyncio.sleep(5)
    assert line.sent == []
    assert line.came == [0.0]


@on_a_line
async def test_bug_of_the_driver_does_not_keep_the_line_from_others(line):
    told = []
    line.loop.set_exception_handler(lambda _loop, context: told.append(context["exception"]))
    line.request = lambda ask: 1 / 0
    line.recovery.begin(RESYNC)
    await asyncio.sleep(2)
    assert isinstance(told[0], ZeroDivisionError)
    assert line.turns.take(line.port)
