"""Lines that go over no network, as packets of a pcap file: serial ports and USB devices.

The link type is one that is free for private use (LINKTYPE_USER0, 147). Each packet begins with a
header of 20 bytes, the most significant byte of each number first::

    0   4  the letters "RCTC", since anybody may use this link type
    4   1  version of this layout: 1
    5   1  what it is: 1 to the device, 2 from the device, 3 the line was opened, 4 closed by us,
           5 lost
    6   2  nothing
    8   4  number of the line in the file, from 1 on; one that is opened again has another
    12  8  time in nanoseconds since 1970

Behind it stand the bytes that went over the line at once; of one that was opened its address in
UTF-8. The time of the packet in the file is the same, as far as that can tell it.

Source: tcpdump.org's list of link types.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from rct_collector.capture.streams import MOST_BYTES, MOST_CONNECTIONS, Chunk, TcpStream
from rct_collector.capture.streams import TcpConversation as Conversation

LINK = 147

_HEADER = struct.Struct("!4sBB2xIQ")
_MAGIC, _VERSION = b"RCTC", 1
_LATEST_NS = (1 << 64) - 1


class Direction(IntEnum):
    """What a packet is."""

    TO_DEVICE = 1
    FROM_DEVICE = 2
    OPENED = 3
    CLOSED = 4
    LOST = 5


def packed(time_ns: int, number: int, direction: Direction, data: bytes) -> bytes:
    """A packet.

    Args:
        time_ns: Nanoseconds since 1970.
        number: Of the line.
        direction: What it is.
        data: What went over the line.
    """
    time_ns = min(max(time_ns, 0), _LATEST_NS)
    return _HEADER.pack(_MAGIC, _VERSION, direction, number, time_ns) + data


class Unpacked(NamedTuple):
    """What a packet says.

    Attributes:
        time_ns: Nanoseconds since 1970.
        number: Of the line.
        direction: What it is.
        data: What went over the line.
    """

    time_ns: int
    number: int
    direction: Direction
    data: bytes


def unpacked(packet: bytes) -> Unpacked | None:
    """Take a packet apart; None for one that is none of these, or of a layout that is not known."""
    if len(packet) < _HEADER.size:
        return None
    magic, version, kind, number, time_ns = _HEADER.unpack_from(packet)
    if (magic, version) != (_MAGIC, _VERSION) or kind not in list(Direction):
        return None
    return Unpacked(time_ns, number, Direction(kind), packet[_HEADER.size :])


@dataclass(slots=True)
class _Way:
    """One direction of a line."""

    data: bytearray = field(default_factory=bytearray)
    ends: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def add(self, time_ns: int, data: bytes) -> None:
        self.data += data
        self.ends.append(len(self.data))
        self.times.append(max(time_ns, self.times[-1]) if self.times else time_ns)

    def stream(self) -> TcpStream:
        chunks = [Chunk(0, bytes(self.data))] if self.data else []
        return TcpStream(chunks, 0, self.ends, self.times)


@dataclass(slots=True)
class _Open:
    """One line."""

    place: str = ""
    to_device: _Way = field(default_factory=_Way)
    from_device: _Way = field(default_factory=_Way)


class DirectLines:
    """Puts packets of lines together, until it has as many as it keeps.

    Attributes:
        full: Of what there is too much; "" while there is room.
        size: Bytes of all packets that were taken.
    """

    def __init__(self) -> None:
        """Start without any."""
        self.full = ""
        self.size = 0
        self._all: dict[int, _Open] = {}

    def add(self, packet: bytes) -> bool:
        """Take a packet, unless it is full.

        Returns:
            Whether it is one of such a line, in the layout that is known.
        """
        found = unpacked(packet)
        if found is None:
            return False
        time_ns, number, kind, data = found
        self.size += len(packet)
        if number not in self._all and len(self._all) >= MOST_CONNECTIONS:
            self.full = f"{MOST_CONNECTIONS} lines"
        elif self.size > MOST_BYTES:
            self.full = f"{MOST_BYTES >> 20} MiB of data"
        else:
            self._take(self._all.setdefault(number, _Open()), kind, time_ns, data)
        return True

    def _take(self, line: _Open, kind: int, time_ns: int, data: bytes) -> None:
        if kind == Direction.OPENED:
            line.place = data.decode(errors="replace")
        elif data and kind in (Direction.TO_DEVICE, Direction.FROM_DEVICE):
            way = line.to_device if kind == Direction.TO_DEVICE else line.from_device
            way.add(time_ns, data)

    def results(self) -> list[Conversation]:
        """The lines in order of their begin."""
        return [
            Conversation(None, line.to_device.stream(), line.from_device.stream(), line.place)
            for line in self._all.values()
        ]
