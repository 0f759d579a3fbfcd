"""TCP segments → the bytes of each direction, in order, while they come.

:mod:`.streams` has a whole capture in memory and loses nothing; this one takes captures of any
size, and those that still grow. So it settles things as it goes: a gap is waited for so long in the
time of the capture, and then given up; a connection that was reset, or silent for long, is over.

Only the connections of a server that is looked for are taken, others cost nothing.

Sources: RFC 9293; the limits are those of se-logger, which has read such captures for years.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

from rct_collector.capture.streams import FARTHEST, TcpSegment
from rct_collector.drivers.tools import Run
from rct_collector.transport.base import Ends

#: What is missing for so long, of the time of the capture, does not come any more.
GAP_NS = 60 * 10**9

#: A connection is over when nothing was said for so long.
SILENCE_NS = 3600 * 10**9

#: What may be held behind a gap, in bytes and segments: more than any window of such a unit.
MOST_HELD = 1 << 18
MOST_WAITING = 1024

#: Directions that are followed at a time; the one that was silent for longest gives way.
MOST_FLOWS = 4096

_WRAP = 1 << 32


class Wanted(NamedTuple):
    """Which connections are taken.

    Attributes:
        ports: Of the server; none for all there are.
        magic: With which a segment of any other connection begins that is taken, too.
        servers: Addresses: only what goes there is taken, where there are any.
    """

    ports: frozenset[int] = frozenset()
    magic: bytes = b""
    servers: frozenset[str] = frozenset()

    def to_server(self, segment: TcpSegment) -> bool | None:
        """Whether a segment goes to the server; None for one of a connection that is not taken."""
        ends = segment.ends
        if ends.remote[1] in self.ports:
            return True
        if ends.local[1] in self.ports:
            return False
        if self.ports and not (self.magic and segment.data.startswith(self.magic)):
            return None
        return ends.local[1] >= ends.remote[1]  # without its begin: servers have the lower ports


@dataclass(slots=True, eq=False)
class _Flow:
    """One direction of a connection."""

    number: int
    to_server: bool
    #: Sequence number of the next byte; None before the first segment.
    next: int | None = None
    #: When it was heard last.
    at: int = 0
    #: Its begin was seen, and no byte since.
    fresh: bool = False
    #: Sequence number behind the last byte that is to come.
    end: int | None = None
    over: bool = False
    #: Since when something is missing.
    gap_since: int = 0
    #: What is behind a gap: distance of its begin from the first byte, order of coming, bytes.
    waiting: list[tuple[int, int, bytes]] = field(default_factory=list)
    held: int = 0
    #: Bytes and gaps so far, so that what waits can be put in order though numbers begin anew.
    place: int = 0


class Reassembly:
    """All connections of a capture.

    Attributes:
        segments: TCP segments that came.
        taken: Those of them that are of a connection that is taken.
        lost: Bytes that the capture lacks.
    """

    def __init__(self, wanted: Wanted) -> None:
        """Start without any.

        Args:
            wanted: Which connections are taken.
        """
        self.segments = self.taken = self.lost = 0
        self._wanted = wanted
        self._now = 0
        self._number = 0
        #: Those with a gap, in the order in which those began.
        self._gaps: dict[_Flow, None] = {}
        #: In the order in which they were heard last.
        self._flows: OrderedDict[Ends, _Flow] = OrderedDict()

    def add(self, segment: TcpSegment) -> list[Run]:
        """Take a segment.

        Returns:
            What can be said of any connection now.
        """
        self.segments += 1
        runs: list[Run] = []
        self._now = max(self._now, segment.time_ns)
        while self._gaps:
            flow = next(iter(self._gaps))
            if self._now - flow.gap_since < GAP_NS:
                break
            self._give_up(flow, runs)
        flow_or_none = self._flow(segment, runs)
        if flow_or_none is not None:
            self.taken += 1
            self._take(flow_or_none, segment, runs)
        return runs

    def finish(self) -> list[Run]:
        """No segment follows: what is behind gaps is given."""
        runs: list[Run] = []
        for flow in list(self._flows.values()):
            self._end(flow, runs)
        self._flows.clear()
        return runs

    # -- which direction of which connection -----------------------------------------------

    def _flow(self, segment: TcpSegment, runs: list[Run]) -> _Flow | None:
        flow = self._flows.get(segment.ends)
        if flow is not None:
            if self._continues(flow, segment):
                self._flows.move_to_end(segment.ends)
                return flow
            self._end(flow, runs)
            del self._flows[segment.ends]
        to_server = self._direction(segment)
        if to_server is None or not (segment.opens or segment.data):
            return None
        if len(self._flows) >= MOST_FLOWS:
            _, oldest = self._flows.popitem(last=False)
            self._end(oldest, runs)
        flow = self._flows[segment.ends] = _Flow(self._number, to_server)
        self._number += 1
        return flow

    def _direction(self, segment: TcpSegment) -> bool | None:
        """Where it goes, as far as its connection is taken; its other direction tells as well."""
        ends = segment.ends
        if self._wanted.servers and ends.remote[0] not in self._wanted.servers:
            return None
        other = self._flows.get(Ends(ends.remote, ends.local))
        return not other.to_server if other else self._wanted.to_server(segment)

    def _continues(self, flow: _Flow, segment: TcpSegment) -> bool:
        """Whether a segment belongs to a connection, and not to the next one of the same ends."""
        if segment.time_ns - flow.at > SILENCE_NS:
            return False
        if flow.next is None:
            return True
        offset = _distance(segment.sequence + segment.opens, flow.next)
        if segment.opens:  # the same number again is a repetition
            return flow.fresh and offset == 0
        return abs(offset) <= FARTHEST

    # -- bytes in order --------------------------------------------------------------------

    def _take(self, flow: _Flow, segment: TcpSegment, runs: list[Run]) -> None:
        flow.at = max(flow.at, segment.time_ns)
        start = (segment.sequence + segment.opens) % _WRAP
        if flow.next is None:
            flow.next, flow.fresh = start, segment.opens
        if flow.over:
            return
        if segment.closes:
            flow.end = (start + len(segment.data)) % _WRAP
        if segment.data:
            offset = _distance(start, flow.next)
            if offset > 0:
                self._hold(flow, offset, segment, runs)
            elif offset + len(segment.data) > 0:
                self._say(flow, segment.data[-offset:] if offset else segment.data, runs)
                self._say_waiting(flow, runs)
        if segment.resets or flow.end == flow.next:
            self._end(flow, runs)

    def _hold(self, flow: _Flow, offset: int, segment: TcpSegment, runs: list[Run]) -> None:
        if not flow.waiting:
            flow.gap_since = self._now
            self._gaps[flow] = None
        heappush(flow.waiting, (flow.place + offset, self.segments, segment.data))
        flow.held += len(segment.data)
        if flow.held > MOST_HELD or len(flow.waiting) > MOST_WAITING:
            self._give_up(flow, runs)

    def _say(self, flow: _Flow, data: bytes, runs: list[Run], lost: int = 0) -> None:
        assert flow.next is not None  # noqa: S101 - it has begun
        flow.fresh = False
        flow.next = (flow.next + lost + len(data)) % _WRAP
        flow.place += lost + len(data)
        self.lost += lost
        runs.append(Run(flow.number, flow.at, data, flow.to_server, lost))

    def _say_waiting(self, flow: _Flow, runs: list[Run]) -> None:
        """Give what waits, as far as nothing is missing before it."""
        waiting = flow.waiting
        while waiting and waiting[0][0] <= flow.place:
            start, _, data = heappop(waiting)
            flow.held -= len(data)
            if start + len(data) > flow.place:
                self._say(flow, data[flow.place - start :], runs)
        if waiting and flow in self._gaps:
            return
        self._gaps.pop(flow, None)

    def _give_up(self, flow: _Flow, runs: list[Run]) -> None:
        """What is missing first does not come any more; what comes behind it may wait anew."""
        self._gaps.pop(flow, None)
        start, _, data = heappop(flow.waiting)
        flow.held -= len(data)
        self._say(flow, data, runs, lost=start - flow.place)
        if flow.waiting:
            flow.gap_since = self._now
            self._gaps[flow] = None
        self._say_waiting(flow, runs)

    def _end(self, flow: _Flow, runs: list[Run]) -> None:
        """Nothing follows, but repetitions of what was said."""
        if flow.over:
            return
        while flow.waiting:
            self._give_up(flow, runs)
        flow.over = True
        runs.append(Run(flow.number, flow.at or None, b"", flow.to_server, over=True))


def _distance(sequence: int, reference: int) -> int:
    """How far a sequence number is ahead of another one; they begin anew at 2³²."""
    ahead = (sequence - reference) % _WRAP
    return ahead if ahead < _WRAP // 2 else ahead - _WRAP
