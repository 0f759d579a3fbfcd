"""What was really sent: which payloads left in a good frame, and which answers were damaged.

A collector is true if whatever it publishes is in this record.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rct_collector.drivers.rct.frame import ESCAPE
from rct_collector.drivers.rct.simulator.faults import Response, Segment


class Sent(NamedTuple):
    """One answer that left the line, or a part of it.

    Attributes:
        reply: What the unit said, to whom and to a request of when.
        at: When the last byte had left, in seconds of the bridge's clock.
        good: The whole frame left, and nothing in between.
        data: What left instead; empty of a good one.
    """

    reply: Response
    at: float
    good: bool
    data: bytes = b""


#: Told of every answer that leaves; must not raise.
Observer = Callable[[Sent], None]


#: Bytes next to an answer that may complete it by chance, such as a lead-in of the next one,
#: where just a zero is missing. Anything longer is no chance any more.
_NEAR = 16


@dataclass(slots=True)
class _Run:
    """Bytes of one answer that have left in one row.

    Attributes:
        reply: The answer.
        search: Where in the stream its frame may begin.
        end: Where in the stream they end.
        at: When the last of them left.
        data: The bytes.
        good: The frame is complete.
    """

    reply: Response
    search: int
    end: int
    at: float = 0.0
    data: bytes = b""
    good: bool = False


class Tracker:
    """Follows the bytes as they leave, and tells good answers from others.

    Good is an answer whose frame is in the stream with nothing in between, however many pieces
    it came in, and even if a byte next to it happened to be what was missing. A damaged one is
    told when some more bytes have left.
    """

    def __init__(self, tell: Observer) -> None:
        """Start with an empty line."""
        self._tell = tell
        self._stream = bytearray()
        self._before = 0  # bytes of the stream that are not kept any more
        self._runs: list[_Run] = []

    def left(self, segment: Segment) -> None:
        """A segment has left the line."""
        if segment.data:
            self._append(segment)
            for run in self._runs:
                if run.search < run.end:
                    self._look_for(run, segment.due)
        self._settle(0 if segment.cut else _NEAR)

    def _append(self, segment: Segment) -> None:
        begin = self._before + len(self._stream)
        self._stream += segment.data
        reply = segment.reply
        if reply is None:
            return
        run = self._runs[-1] if self._runs else None
        if run is None or run.reply is not reply or run.end != begin:
            run = _Run(reply, begin - min(_NEAR, len(reply.frame) - 1), begin)
            self._runs.append(run)
        run.data += segment.data
        run.end, run.at = run.end + len(segment.data), segment.due

    def _look_for(self, run: _Run, at: float) -> None:
        """Tell of every frame that is complete, and made of bytes of the run at least in part."""
        begin = max(run.search, self._before) - self._before
        end = run.end - self._before
        last = end + len(run.reply.frame) - 1
        while begin < end:
            found = _find(run.reply.frame, self._stream, begin, last)
            if found is None:
                break
            begin = found
            run.good = True
            self._tell(Sent(run.reply, at, good=True))
        run.search = begin + self._before

    def _settle(self, distance: int) -> None:
        """Judge the runs whose end is that far away, and forget the stream before the others."""
        position = self._before + len(self._stream)
        while self._runs and self._runs[0].end + distance <= position:
            self._judge(self._runs.pop(0))
        keep = min([position - _NEAR, *(run.search for run in self._runs)])
        if keep > self._before:
            del self._stream[: keep - self._before]
            self._before = keep

    def _judge(self, run: _Run) -> None:
        reply = run.reply
        if not run.good and run.data.strip(b"\0") and not reply.damaged:
            reply.damaged = True
            self._tell(Sent(reply, run.at, good=False, data=run.data))


def _find(frame: bytes, stream: bytearray, begin: int, end: int) -> int | None:
    """Where the first frame within a part of a stream ends; None if there is none.

    An escape that is not needed changes nothing: one that stood next to a torn frame may have
    come to stand in it.
    """
    found = stream.find(frame, begin, end)
    if found >= 0:
        return found + len(frame)
    end = min(end, len(stream))
    if end - begin <= len(frame) or stream.count(ESCAPE, begin, end) <= frame.count(ESCAPE):
        return None  # no room for an escape more, or none there
    tokens = re.findall(rb"-.|[^-]", frame[1:], re.DOTALL)
    bare = (b"-?" * (len(token) == 1) + re.escape(token) for token in tokens)
    match = re.compile(re.escape(frame[:1]) + b"".join(bare), re.DOTALL).search(stream, begin, end)
    return match.end() if match else None


class Witness:
    """Keeps the record of a run, for tests and benchmarks; it grows with the run.

    Attributes:
        good: Good answers, in the order in which they left.
        damaged: Answers that left damaged.
    """

    def __init__(self) -> None:
        """Start with an empty record."""
        self.good: list[Sent] = []
        self.damaged: list[Sent] = []
        self._by_oid: dict[int, list[Sent]] = {}

    def __call__(self, sent: Sent) -> None:
        """Take one answer."""
        if sent.good:
            self.good.append(sent)
            self._by_oid.setdefault(sent.reply.oid, []).append(sent)
        else:
            self.damaged.append(sent)

    def of(self, oid: int) -> list[Sent]:
        """Good answers for one object."""
        return self._by_oid.get(oid, [])
