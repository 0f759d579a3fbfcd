"""TCP segments of a capture, in whatever order and how often they came → bytes in order.

What a capture lacks stays a hole between chunks: a jump of the sequence number costs nothing.
Work and memory grow with the segments that came, and both have an end.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import accumulate
from typing import NamedTuple

from rct_collector.transport.base import Ends

#: A sequence number so far from the last one belongs to another connection: more than any
#: window.
FARTHEST = 1 << 20

_WRAP = 1 << 32

#: What is kept of one capture, at most: connections, segments with data, and bytes of them. A
#: line that is asked five times a second makes less than a million segments in a day.
MOST_CONNECTIONS = 1 << 16
MOST_SEGMENTS = 1_000_000
MOST_BYTES = 64 << 20


class TcpSegment(NamedTuple):
    """One TCP segment.

    Attributes:
        time_ns: Nanoseconds since 1970; in a capture without times the number of the packet.
        ends: The sender is local, the receiver remote.
        sequence: Sequence number.
        opens: Whether it has the flag SYN.
        answers: Whether it has the flag ACK.
        data: Its payload.
        closes: Whether it has the flag FIN.
        resets: Whether it has the flag RST.
    """

    time_ns: int
    ends: Ends
    sequence: int
    opens: bool = False
    answers: bool = True
    data: bytes = b""
    closes: bool = False
    resets: bool = False


class Chunk(NamedTuple):
    """Bytes of a stream without a hole.

    Attributes:
        offset: Where they begin in the stream.
        data: The bytes.
    """

    offset: int
    data: bytes


@dataclass(slots=True)
class TcpStream:
    """One direction of a conversation.

    Attributes:
        chunks: Its bytes, in order; between two of them something is missing.
        missing: Number of bytes that the capture lacks.
    """

    chunks: list[Chunk] = field(default_factory=list)
    missing: int = 0
    _ends: list[int] = field(default_factory=list)
    _times: list[int] = field(default_factory=list)

    def time_ns(self, offset: int) -> int:
        """When the receiver had everything up to the byte at ``offset``, this one included."""
        return self._times[bisect_left(self._ends, offset + 1)]


class TcpConversation(NamedTuple):
    """One TCP connection, or one line that goes over no network.

    Attributes:
        ends: The client is local, the server remote; None for a line without a network.
        to_server: What the client sent, or went to the device.
        from_server: What the server sent, or came from the device.
        place: Where a line without a network leads.
    """

    ends: Ends | None
    to_server: TcpStream
    from_server: TcpStream
    place: str = ""


class Conversations:
    """Sorts segments into connections, until it has as many as it keeps.

    Attributes:
        full: Of what there is too much; "" while there is room.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.full = ""
        self._all: list[_Connection] = []
        self._current: dict[Ends, _Connection] = {}
        self._segments = self._bytes = 0

    def add(self, segment: TcpSegment) -> None:
        """Take a segment, unless it is full."""
        ends = segment.ends
        connection = self._current.get(ends)
        if connection is None or not connection.fits(segment):
            if len(self._all) >= MOST_CONNECTIONS:
                self.full = f"{MOST_CONNECTIONS} connections"
                return
            connection = _Connection(_client_first(segment))
            self._all.append(connection)
            self._current[ends] = self._current[Ends(ends.remote, ends.local)] = connection
        if segment.data:
            self._segments += 1
            self._bytes += len(segment.data)
            if self._segments > MOST_SEGMENTS:
                self.full = f"{MOST_SEGMENTS} packets with data"
            elif self._bytes > MOST_BYTES:
                self.full = f"{MOST_BYTES >> 20} MiB of data"
            if self.full:
                return
        connection.directions[ends].add(segment)

    def results(self) -> list[TcpConversation]:
        """The connections in order of their begin."""
        return [connection.result() for connection in self._all]


def _client_first(segment: TcpSegment) -> Ends:
    """Which end has opened the connection; without its begin, the one with the higher port."""
    ends = segment.ends
    by_sender = not segment.answers if segment.opens else ends.local[1] >= ends.remote[1]
    return ends if by_sender else Ends(ends.remote, ends.local)


class _Connection:
    """Both directions of a connection."""

    __slots__ = ("_back", "_ends", "directions")

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._back = Ends(ends.remote, ends.local)
        self.directions = {ends: _Direction(), self._back: _Direction()}

    def fits(self, segment: TcpSegment) -> bool:
        """Whether a segment of the same ends belongs to it, and not to its successor."""
        return self.directions[segment.ends].fits(segment)

    def result(self) -> TcpConversation:
        there, back = self.directions[self._ends], self.directions[self._back]
        answers = TcpStream() if back is there else back.stream()  # who talks to itself is one end
        return TcpConversation(self._ends, there.stream(), answers)


class _Part(NamedTuple):
    """Bytes that came at once, and where they belong."""

    start: int
    end: int
    time_ns: int
    data: bytes


class _Direction:
    """The segments of one sender."""

    __slots__ = ("_first", "_next", "_parts")

    def __init__(self) -> None:
        self._first: int | None = None
        #: Offset behind the last byte seen.
        self._next = 0
        #: As they came.
        self._parts: list[_Part] = []

    def fits(self, segment: TcpSegment) -> bool:
        if self._first is None:
            return True
        offset = self._offset(segment)
        if segment.opens:  # the same number again is a repetition
            return offset == 0 and not self._parts
        return abs(offset - self._next) <= FARTHEST

    def add(self, segment: TcpSegment) -> None:
        if self._first is None:
            self._first = (segment.sequence + segment.opens) % _WRAP
        start, data = self._offset(segment), segment.data
        # A keep-alive repeats the last byte, or makes one up.
        if not data or (len(data) == 1 and start == self._next - 1):
            return
        end = start + len(data)
        self._next = max(self._next, end)
        self._parts.append(_Part(start, end, segment.time_ns, data))

    def stream(self) -> TcpStream:
        parts = list(_first_come(self._parts))
        if not parts:
            return TcpStream()
        first = parts[0].start
        runs: list[list[_Part]] = []
        for part in parts:
            if not runs or runs[-1][-1].end < part.start:
                runs.append([])
            runs[-1].append(part)
        return TcpStream(
            [Chunk(run[0].start - first, b"".join(part.data for part in run)) for run in runs],
            parts[-1].end - first - sum(len(part.data) for part in parts),
            [part.end - first for part in parts],
            list(accumulate((part.time_ns for part in parts), max)),
        )

    def _offset(self, segment: TcpSegment) -> int:
        """Where it belongs, seen from the first byte; sequence numbers begin anew at 2³²."""
        assert self._first is not None  # noqa: S101 - set before
        ahead = (segment.sequence + segment.opens - self._first - self._next) % _WRAP
        return self._next + (ahead if ahead < _WRAP // 2 else ahead - _WRAP)


def _first_come(parts: Sequence[_Part]) -> Iterator[_Part]:
    """The same bytes in order, each of them once: as it came first.

    The parts are gone through by their begin. Of those that cover a place, the one that came
    first gives its bytes, until it ends or the next one begins.
    """
    covering: list[int] = []  # a heap of numbers in ``parts``
    place = 0
    for number in sorted(range(len(parts)), key=lambda number: parts[number].start):
        start = parts[number].start
        yield from _bytes_until(start, place, covering, parts)
        place = start
        heappush(covering, number)
    if covering:
        yield from _bytes_until(max(part.end for part in parts), place, covering, parts)


def _bytes_until(
    limit: int, place: int, covering: list[int], parts: Sequence[_Part]
) -> Iterator[_Part]:
    """What the parts have between two places; parts that end before are taken off the heap."""
    while covering and place < limit:
        part = parts[covering[0]]
        end = min(part.end, limit)
        if end > place:
            data = part.data[place - part.start : end - part.start]
            yield _Part(place, end, part.time_ns, data)
            place = end
        if part.end <= place:
            heappop(covering)
