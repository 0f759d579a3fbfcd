"""What was really sent: which payloads left in a good frame, and which answers were damaged.

A collector is true if whatever it publishes is in this record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rct_collector.drivers.rct.simulator.faults import Reply, Segment


class Sent(NamedTuple):
    """One answer that left the line, or a part of it.

    Attributes:
        reply: What the unit said, to whom and to a request of when.
        at: When the last byte had left, in seconds of the bridge's clock.
        good: The whole frame left, and nothing in between.
        data: What left instead; empty of a good one.
    """

    reply: Reply
    at: float
    good: bool
    data: bytes = b""


#: Told of every answer that leaves; must not raise.
Observer = Callable[[Sent], None]


class Tracker:
    """Follows the bytes as they leave, and tells good answers from others.

    Good is an answer whose frame left with nothing in between, however many pieces it came in
    and whatever stood before or behind it. A damaged one is told when something else follows;
    the zero that leads it in may be just what was missing.
    """

    def __init__(self, tell: Observer) -> None:
        """Start with an empty line."""
        self._tell = tell
        self._reply: Reply | None = None
        self._data = b""
        self._at = 0.0

    def left(self, segment: Segment) -> None:
        """A segment has left the line."""
        if segment.data and segment.reply is not self._reply:
            self._end(segment.data[:1], segment.due)
            self._reply = segment.reply
        reply = self._reply
        if reply is not None and segment.reply is reply:
            self._data += segment.data
            self._at = segment.due
            while reply.frame in self._data:
                self._tell(Sent(reply, segment.due, good=True))
                self._data = self._data.partition(reply.frame)[2]
        if segment.cut is not None:
            self._end(b"", segment.due)

    def _end(self, follows: bytes, at: float) -> None:
        """Something else follows: what is left over was no frame, unless that completes it."""
        reply, rest = self._reply, self._data
        self._reply, self._data = None, b""
        if reply is None or not rest.strip(b"\0"):
            return
        if reply.frame in rest + follows:
            self._tell(Sent(reply, at, good=True))
        elif not reply.damaged:
            reply.damaged = True
            self._tell(Sent(reply, self._at, good=False, data=rest))


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
