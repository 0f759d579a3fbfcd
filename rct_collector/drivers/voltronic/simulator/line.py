"""The unit's one line, at the level of bytes: RS232 or USB, both at 2400 baud inside.

A request is read up to its CR, at the speed of the line; after some time the answer begins, and
leaves at that speed, eight bytes at a time, as USB reports and small buffers have it. Answers
leave in the order of the requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from rct_collector.drivers.chance import Range, between, key
from rct_collector.drivers.tools import Access, Cut
from rct_collector.drivers.voltronic.simulator import framing
from rct_collector.drivers.voltronic.simulator.answer import Saying
from rct_collector.drivers.voltronic.simulator.faults import FaultChain, LineFaults, Outgoing
from rct_collector.drivers.voltronic.simulator.unit import VoltronicUnit
from rct_collector.drivers.voltronic.simulator.witness import (
    ObservedLine,
    Observer,
    Replied,
    SentAnswer,
)

#: Bytes per second at 2400 baud: start bit, eight bits, stop bit.
RATE = 240.0
#: Data bytes of a USB report.
REPORT = 8
#: Longest line that a unit keeps, and most requests that wait; it forgets what comes on top.
_LONGEST, _MOST_WAITING = 256, 16


class Leaving(NamedTuple):
    """Bytes on their way to all clients.

    Attributes:
        due: When the last of them has left the line, in seconds of the line's clock.
        data: The bytes.
        ends: The answer that ends with them.
        reply: The answer that they are a part of.
    """

    due: float
    data: bytes
    ends: bool = False
    reply: Replied | None = None


class VoltronicLine:
    """A unit and its line. No I/O: bytes and times go in, bytes and times come out.

    Attributes:
        unit: The unit.
        observed: What has been seen so far.
        rate: Bytes per second.
    """

    def __init__(
        self,
        unit: VoltronicUnit,
        *,
        seed: int = 0,
        now0: float | None = None,
        speed: float = 1.0,
        latency: Range = Range(0.020, 0.060),
        rate: float = RATE,
        report: int = REPORT,
        faults: Sequence[LineFaults] = (),
        witness: Observer | None = None,
    ) -> None:
        """Connect a unit.

        Args:
            unit: The unit.
            seed: The latencies follow from it.
            now0: Time of the line's clock that is the unit's start; None for the first time that
                is heard of.
            speed: How many times faster the unit's world goes. The line does not.
            latency: Shortest and longest time until an answer begins, in seconds.
            rate: Bytes per second.
            report: Bytes that leave together.
            faults: What goes wrong on the line, in order.
            witness: Told of every answer that leaves, good or damaged.
        """
        self.unit = unit
        self.observed = ObservedLine()
        self.rate = rate
        self._now0, self._speed, self._started = now0, speed, False
        self._latency, self._report = latency, report
        self._key = key(seed, "latency")
        self._faults = FaultChain(faults)
        self._witness = witness
        self._heard = bytearray()
        self._heard_until = -inf  # when the last byte of the clients has come
        self._free = -inf  # when the last byte that was laid on the line has left
        self._pieces: deque[Leaving] = deque()
        self._broken: set[int] = set()
        self._cut: Cut | None = None
        self._clients = self._number = self._outstanding = 0

    @property
    def request_count(self) -> int:
        """Requests that have come so far."""
        return self.observed.requests.total()

    def start(self, now: float) -> None:
        """Put the line into operation; the first bytes do it too."""
        if not self._started:
            self._started = True
            self.unit_time(now)
            self._faults.on_start(self, now)

    def unit_time(self, now: float) -> float:
        """Unix time in the unit's world."""
        if self._now0 is None:
            self._now0 = now
        return self.unit.start + (now - self._now0) * self._speed

    def line_time(self, unix: float) -> float:
        """When it is, or was, that time in the unit's world; the line must have started."""
        return (self._now0 or 0.0) + (unix - self.unit.start) / self._speed

    def hour(self, unix: float) -> float:
        """Hour of day by the unit's clock."""
        shown = self.unit.world.clock.at(unix)
        return shown.hour + shown.minute / 60.0 + shown.second / 3600.0

    def connect(self) -> int:
        """A client comes; returns its number."""
        self._clients += 1
        return self._clients

    def disconnect(self, client: int) -> None:
        """A client goes. What was asked is answered all the same."""

    def access(self, now: float) -> Access:
        """What happens at present to those who want something."""
        return self._faults.access(now)

    def take_cut(self) -> Cut | None:
        """How all connections end behind what was pulled last; None if they do not."""
        cut, self._cut = self._cut, None
        return cut

    # -- requests ------------------------------------------------------------------------------

    def receive(self, client: int, data: bytes, now: float) -> None:  # noqa: ARG002 - one line
        """Take bytes of a client, cut anywhere."""
        self.start(now)
        if self.access(now) is not Access.OPEN:
            return
        self.observed.bytes_in += len(data)
        if self._free > -inf and not self._heard:
            self.observed.least_gap = min(self.observed.least_gap, now - self._free)
        self._heard_until = max(self._heard_until, now) + len(data) / self.rate
        self._heard += self._faults.on_bytes(data, now).replace(b"\0", b"")
        while (end := self._heard.find(framing.CR)) >= 0:
            line = bytes(self._heard[:end])
            del self._heard[: end + 1]
            self._request(line, now)
        del self._heard[:-_LONGEST]

    def _request(self, line: bytes, now: float) -> None:
        """Count a request, and lay its answer on the line."""
        self._number += 1
        delay = between(*self._latency, self._key, self._number) + self._faults.delay(now)
        begins = max(self._heard_until + delay, self._free)
        taken = self._faults.on_request(line, now)
        heard = self.unit.hear(line if taken is None else taken, self.unit_time(begins))
        seen = self.observed
        seen.requests[heard.text] += 1
        seen.refused += heard.answer.refused
        if heard.offends:
            seen.offences[line.decode("ascii", "replace")] += 1
        if heard.writes:
            seen.writes[heard.text] += 1
        answer = None if taken is None else self._faults.on_answer(heard.answer, now)
        if answer is None or self._outstanding >= _MOST_WAITING:
            seen.dropped += 1
            return
        seen.answers += 1
        frame = self._faults.on_frame(_frame(answer, line + framing.CR), now)
        if frame.data:
            self._outstanding += 1
            seen.most_outstanding = max(seen.most_outstanding, self._outstanding)
            asked = self._heard_until
            whole = _whole(frame)
            reply = Replied(heard.text, frame.answer, asked, whole is not None)
            self._lay(frame.data, begins, reply, whole)
        else:
            seen.dropped += 1

    def _lay(
        self,
        data: bytes,
        begins: float,
        reply: Replied | None = None,
        whole: int | None = None,
    ) -> None:
        """Put bytes behind what is on the line, and not before a time.

        Args:
            data: The bytes.
            begins: When the first of them may leave.
            reply: The answer that they are.
            whole: How many of them make it whole; None for all.
        """
        until = len(data) if whole is None else whole
        time = max(begins, self._free)
        for position in range(0, len(data), self._report):
            piece = data[position : position + self._report]
            time += len(piece) / self.rate
            ends = position < until <= position + self._report
            self._pieces.append(Leaving(time, piece, ends, reply if position < until else None))
        self._free = time

    # -- answers -------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When :meth:`pull` will have something; None for not before somebody asks."""
        times = [self._faults.next_due(), self._pieces[0].due if self._pieces else None]
        return min((time for time in times if time is not None), default=None)

    def pull(self, now: float) -> list[bytes]:
        """The pieces that are due, each to be sent to every client."""
        self.start(now)
        self._lay(self._faults.unasked(now), now)
        found = []
        while self._pieces and self._pieces[0].due <= now:
            piece = self._pieces.popleft()
            passes = self.access(piece.due) is Access.OPEN
            if passes:
                found.append(piece.data)
                self.observed.bytes_out += len(piece.data)
            if piece.reply is not None:
                self._left(piece, piece.reply, passes=passes)
        self._cut = self._faults.cut(now) or self._cut
        return found

    def _left(self, piece: Leaving, reply: Replied, *, passes: bool) -> None:
        """A piece of an answer has left the line, or vanished."""
        if not passes:
            self._broken.add(id(reply))
        if not piece.ends:
            return
        self._outstanding -= 1
        good = reply.valid and id(reply) not in self._broken
        self._broken.discard(id(reply))
        if self._witness is not None:
            self._witness(SentAnswer(reply, piece.due, good))


def _frame(answer: Saying, request: bytes) -> Outgoing:
    """The bytes of an answer: refusals and answers look alike."""
    end = framing.LF if answer.ends_with_lf else framing.CR
    data = framing.frame(answer.text, framing.Spelling.THREE, end)
    return Outgoing(data, answer=answer, request=request)


def _whole(frame: Outgoing) -> int | None:
    """How many bytes there are up to the end of the first whole answer; None where there is none.

    Whole is an answer with any spelling of its checksum, and either end.
    """
    text = frame.answer.text
    ends = (
        at + len(sent)
        for spelling in framing.Spelling
        for end in (framing.CR, framing.LF)
        if (at := frame.data.find(sent := framing.frame(text, spelling, end))) >= 0
    )
    return min(ends, default=None)
