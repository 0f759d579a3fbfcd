"""The serial line between the unit and its bridge: bytes in one row, at the speed of the line.

Answers that follow each other closely leave the bridge in one piece, as measured with real
units: 36 answers of a batch came in one segment of 505 bytes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from math import inf

from rct_collector.drivers.rct.simulator.faults import Segment

#: Most bytes that the bridge sends in one piece.
LARGEST_SEGMENT = 512


class SerialLine:
    """What is on its way from the unit to the clients.

    Attributes:
        rate: Bytes per second.
        free: When the last byte that was laid on it has left, in seconds of the bridge's clock.
    """

    def __init__(self, rate: float, coalesce: float) -> None:
        """Start empty.

        Args:
            rate: Bytes per second.
            coalesce: What follows within so many seconds is sent in the same piece.
        """
        self.rate = rate
        self.free = -inf
        self._coalesce = coalesce
        self._pending: list[Segment] = []

    @property
    def outstanding(self) -> int:
        """Requests whose answers are on their way."""
        return len({id(segment.reply) for segment in self._pending if segment.reply})

    def has_more_than(self, count: int) -> bool:
        """Whether more requests than that are outstanding; counts them only if they may be."""
        return len(self._pending) > count and self.outstanding > count

    def lay(self, segments: Iterable[Segment], begins: float) -> list[Segment]:
        """Give segments their times: one behind the other, none larger than the bridge sends."""
        laid = []
        time = begins
        for segment in segments:
            size = len(segment.data)
            for position in range(0, max(size, 1), LARGEST_SEGMENT):
                piece = segment.data[position : position + LARGEST_SEGMENT]
                time += len(piece) / self.rate
                last = position + LARGEST_SEGMENT >= size
                cut = segment.cut if last else None
                laid.append(Segment(time, piece, segment.reply, cut))
        self.free = max(time, begins)
        return laid

    def append(self, segments: Iterable[Segment], now: float) -> list[Segment]:
        """The same behind all that was laid before, and not before ``now``."""
        return self.lay(segments, max(now, self.free))

    def occupy(self, until: float) -> None:
        """Let nothing else begin before ``until``."""
        self.free = max(self.free, until)

    def put(self, segments: Iterable[Segment]) -> None:
        """Send segments at their times."""
        for segment in segments:
            insort(self._pending, segment, key=_by_time)

    def next_due(self) -> float | None:
        """When the next piece is complete; None while there is none."""
        return self._first_piece()[1] if self._pending else None

    def pull(self, now: float) -> Iterator[list[Segment]]:
        """The pieces that are due, each made of segments that go together."""
        while self._pending:
            count, due = self._first_piece()
            if due > now:
                break
            piece = self._pending[:count]
            del self._pending[:count]
            yield piece

    def _first_piece(self) -> tuple[int, float]:
        """How many pending segments go together next, and when."""
        first = self._pending[0]
        count, due, size = 1, first.due, len(first.data)
        while count < len(self._pending) and self._pending[count - 1].cut is None:
            segment = self._pending[count]
            size += len(segment.data)
            began = segment.due - len(segment.data) / self.rate
            if began - due > self._coalesce or size > LARGEST_SEGMENT:
                break
            count, due = count + 1, segment.due
        return count, due


def _by_time(segment: Segment) -> float:
    return segment.due
