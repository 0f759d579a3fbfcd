"""TCP segments of a capture, in whatever order and how often they came → bytes in order.

PyPCAPKit's reassembly puts the bytes of each direction where they belong. It fills what is
missing with zeros and knows no times; both are kept account of here.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rct_collector.errors import CaptureError
from rct_collector.transport.base import Ends

INSTALL = (
    "to read pcap files, install two libraries: pip install 'rct-collector[pcap]',"
    " in the environment of rct-collector"
)

#: A sequence number so far from the last one belongs to another connection: more than any
#: window, and less than what would fill the memory with zeros.
_FARTHEST = 1 << 20

_WRAP = 1 << 32


class Segment(NamedTuple):
    """One TCP segment.

    Attributes:
        time_ns: Nanoseconds since 1970.
        ends: The sender is local, the receiver remote.
        sequence: Sequence number.
        opens: Whether it has the flag SYN.
        answers: Whether it has the flag ACK.
        data: Its payload.
    """

    time_ns: int
    ends: Ends
    sequence: int
    opens: bool = False
    answers: bool = True
    data: bytes = b""


@dataclass(slots=True)
class Stream:
    """One direction of a conversation.

    Attributes:
        data: Its bytes; what the capture lacks is zero.
        missing: Number of bytes that the capture lacks.
    """

    data: bytes = b""
    missing: int = 0
    _ends: list[int] = field(default_factory=list)
    _times: list[int] = field(default_factory=list)

    def time_ns(self, offset: int) -> int:
        """When the receiver had everything up to the byte at ``offset``, this one included."""
        return self._times[bisect_left(self._ends, offset + 1)]


class TcpConversation(NamedTuple):
    """One TCP connection.

    Attributes:
        ends: The client is local, the server remote.
        to_server: What the client sent.
        from_server: What the server sent.
    """

    ends: Ends
    to_server: Stream
    from_server: Stream


class Conversations:
    """Sorts segments into connections."""

    def __init__(self) -> None:
        """Start without any."""
        self._all: list[_Connection] = []
        self._current: dict[Ends, _Connection] = {}

    def add(self, segment: Segment) -> None:
        """Take a segment.

        Raises:
            CaptureError: The library is not installed.
        """
        ends = segment.ends
        connection = self._current.get(ends)
        if connection is None or not connection.fits(segment):
            connection = _Connection(_client_first(segment))
            self._all.append(connection)
            self._current[ends] = self._current[Ends(ends.remote, ends.local)] = connection
        connection.directions[ends].add(segment)

    def results(self) -> list[TcpConversation]:
        """The connections in order of their begin."""
        return [connection.result() for connection in self._all]


def _client_first(segment: Segment) -> Ends:
    """Which end has opened the connection; without its begin, the one with the higher port."""
    ends = segment.ends
    by_sender = not segment.answers if segment.opens else ends.local[1] >= ends.remote[1]
    return ends if by_sender else Ends(ends.remote, ends.local)


class _Connection:
    """Both directions of a connection."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._back = Ends(ends.remote, ends.local)
        self.directions = {ends: _Direction(), self._back: _Direction()}

    def fits(self, segment: Segment) -> bool:
        """Whether a segment of the same ends belongs to it, and not to its successor."""
        return self.directions[segment.ends].fits(segment)

    def result(self) -> TcpConversation:
        there, back = self.directions[self._ends], self.directions[self._back]
        return TcpConversation(self._ends, there.stream(), back.stream())


class _Direction:
    """The segments of one sender, which PyPCAPKit puts in order."""

    def __init__(self) -> None:
        self._reassembly, self._packet = _library()
        self._first: int | None = None
        #: Offset behind the last byte seen.
        self._next = 0
        #: Begin, end, time of all that was seen, in order, none overlapping another.
        self._parts: list[tuple[int, int, int]] = []

    def fits(self, segment: Segment) -> bool:
        if self._first is None:
            return True
        offset = self._offset(segment)
        if segment.opens:  # the same number again is a repetition
            return offset == 0 and not self._parts
        return abs(offset - self._next) <= _FARTHEST

    def add(self, segment: Segment) -> None:
        if self._first is None:
            self._first = (segment.sequence + segment.opens) % _WRAP
        start, data = self._offset(segment), segment.data
        # A keep-alive repeats the last byte, or makes one up.
        if not data or (len(data) == 1 and start == self._next - 1):
            return
        self._next = max(self._next, start + len(data))
        if self._note(start, start + len(data), segment.time_ns):
            self._reassembly(self._as_packet(start, data))

    def stream(self) -> Stream:
        if not self._parts:
            return Stream()
        (found,) = self._reassembly.datagram
        stream, first = Stream(data=found.payload), self._parts[0][0]
        seen = latest = 0
        for start, end, time_ns in self._parts:
            stream.missing += start - first - seen
            seen, latest = end - first, max(latest, time_ns)
            stream._ends.append(seen)
            stream._times.append(latest)
        return stream

    def _offset(self, segment: Segment) -> int:
        """Where it belongs, seen from the first byte; sequence numbers begin anew at 2³²."""
        assert self._first is not None  # noqa: S101 - set before
        ahead = (segment.sequence + segment.opens - self._first - self._next) % _WRAP
        return self._next + (ahead if ahead < _WRAP // 2 else ahead - _WRAP)

    def _note(self, start: int, end: int, time_ns: int) -> bool:
        """Keep what of a segment is new; whether anything is."""
        news = []
        index = max(0, bisect_right(self._parts, (start, start, time_ns)) - 1)
        while index < len(self._parts) and self._parts[index][0] < end:
            begin, stop, _ = self._parts[index]
            if start < begin:
                news.append((start, begin, time_ns))
            start, index = max(start, stop), index + 1
        if start < end:
            news.append((start, end, time_ns))
        for part in news:
            insort(self._parts, part)
        return bool(news)

    def _as_packet(self, start: int, data: bytes) -> Any:  # noqa: ANN401
        """A segment as the library takes it.

        It keeps a buffer for each acknowledgement number, for protocols of question and answer;
        here both ends talk at once, so all get the same. Without ports it does not try to make
        sense of the bytes.
        """
        return self._packet(
            bufid=("", 0, "", 0),
            dsn=start,
            ack=0,
            num=len(self._parts),
            syn=False,
            fin=False,
            rst=False,
            len=len(data),
            first=start,
            last=start + len(data) - 1,
            header=b"",
            payload=bytearray(data),
        )


def _library() -> tuple[Any, Any]:
    """A reassembly, and the class of what it takes."""
    try:
        # It warns of a part of it that is not used here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pcapkit.foundation.reassembly.data.tcp import Packet
            from pcapkit.foundation.reassembly.tcp import TCP
    except ImportError as error:
        raise CaptureError(INSTALL) from error
    # Its account of holes is not needed, and takes each segment for one within a single hole.
    return TCP(strict=False), Packet
