"""A recording of lines as a pcap file, as a sniffer between the two ends would have made it.

Each line over a network becomes a TCP conversation with a handshake and an end; a line without one,
such as a serial port, becomes what :mod:`.direct` has for it. Each piece of bytes becomes one
packet, at the nanosecond at which it went. Packets are written whole and at once, so that the file
can be read at any moment, whatever becomes of the recorder.

Sources: libpcap's savefile format (link type 101, raw IP; magic of the variant with
nanoseconds); RFC 791, RFC 8200, RFC 9293.
"""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Generic, Protocol, TypeVar

from rct_collector.capture.direct import Direction, packed
from rct_collector.transport.base import Ends

_MAGIC_NANOSECONDS = 0xA1B23C4D
RAW_IP = 101
_LARGEST_PACKET = 0x40000
_LATEST_NS = (1 << 32) * 10**9 - 1

_FIN, _SYN, _PUSH, _ACK = 0x01, 0x02, 0x08, 0x10
_TCP, _HOPS, _WINDOW = 6, 64, 0xFFFF

#: Bytes in one packet; what is received in one piece is shown in one piece as far as IP can.
_LARGEST_SEGMENT = 65_000

#: After so many bytes without a word from the other end, it acknowledges them.
_UNACKNOWLEDGED = _WINDOW // 2

#: Ends of a line that has none, or of one whose ends are nobody's business (RFC 5737).
NOWHERE = Ends(("192.0.2.1", 49152), ("192.0.2.10", 8899))


class Filter(Protocol):
    """Changes bytes on their way into the recording, one for one."""

    def feed(self, data: bytes) -> bytes:
        """Take bytes; give those that are settled, in order. The others come later."""

    def flush(self) -> bytes:
        """Give what is left."""


class Unchanged:
    """The filter that changes nothing."""

    def feed(self, data: bytes) -> bytes:
        """All of it, at once."""
        return data

    def flush(self) -> bytes:
        """Nothing is ever left."""
        return b""


class PcapFile:
    """A pcap file that grows."""

    def __init__(self, write: Callable[[bytes], object], link: int = RAW_IP) -> None:
        """Write the header.

        Args:
            write: Writes bytes, all at once, behind those before.
            link: Link type of its packets.
        """
        self._write = write
        self._write(struct.pack("<IHHiIII", _MAGIC_NANOSECONDS, 2, 4, 0, 0, _LARGEST_PACKET, link))

    def write(self, time_ns: int, packet: bytes) -> None:
        """Add a packet.

        Args:
            time_ns: Nanoseconds since 1970.
            packet: From the header of the link on.
        """
        # The format has no other dates: a clock may stand where it likes.
        seconds, rest = divmod(min(max(time_ns, 0), _LATEST_NS), 10**9)
        size = len(packet)
        self._write(struct.pack("<IIII", seconds, rest, size, size) + packet)


@dataclass(slots=True)
class _Side:
    """One of the two who speak over a line."""

    filter: Filter
    unsettled: deque[_Piece] = field(default_factory=deque)


@dataclass(slots=True, kw_only=True)
class _End(_Side):
    """One end of a conversation."""

    address: IPv4Address | IPv6Address
    port: int
    sequence: int = 0
    unacknowledged: int = 0


@dataclass(slots=True)
class _Piece:
    """Bytes that went over the line at once; they are settled when ``data`` has its size."""

    time_ns: int
    sender: _Side
    size: int
    data: bytearray = field(default_factory=bytearray)


#: What a kind of recording knows of each of the two.
S = TypeVar("S", bound=_Side)


class RecordedBytes(ABC, Generic[S]):
    """What goes over one line; see :class:`rct_collector.lines.tap.Observer`.

    Bytes that a filter keeps back hold back what follows them, in both directions: so all is
    written in the order in which it went.
    """

    def __init__(self, us: S, device: S) -> None:
        """Nothing has gone yet.

        Args:
            us: We.
            device: The other one.
        """
        self._us, self._device = us, device
        self._waiting: deque[_Piece] = deque()

    def sent(self, time_ns: int, data: bytes) -> None:
        """Bytes went to the device."""
        self._piece(time_ns, self._us, data)

    def received(self, time_ns: int, data: bytes) -> None:
        """Bytes came from the device."""
        self._piece(time_ns, self._device, data)

    def closed(self, time_ns: int, *, by_us: bool) -> None:
        """Write what is left, and the end."""
        for side in (self._us, self._device):
            self._settle(side, side.filter.flush())
        self._end(time_ns, by_us=by_us)

    @abstractmethod
    def _write(self, time_ns: int, sender: _Side, data: bytes) -> None:
        """Write bytes that went at once."""

    @abstractmethod
    def _end(self, time_ns: int, *, by_us: bool) -> None:
        """Write the end."""

    def _piece(self, time_ns: int, sender: _Side, data: bytes) -> None:
        for start in range(0, len(data), _LARGEST_SEGMENT):
            size = min(_LARGEST_SEGMENT, len(data) - start)
            piece = _Piece(time_ns, sender, size)
            self._waiting.append(piece)
            sender.unsettled.append(piece)
        self._settle(sender, sender.filter.feed(data))

    def _settle(self, sender: _Side, data: bytes) -> None:
        """Fill the pieces of one side in order, and write those before which all is settled."""
        place = 0
        while place < len(data):
            piece = sender.unsettled[0]
            part = data[place : place + piece.size - len(piece.data)]
            piece.data += part
            place += len(part)
            if len(piece.data) == piece.size:
                sender.unsettled.popleft()
        while self._waiting and len(self._waiting[0].data) == self._waiting[0].size:
            piece = self._waiting.popleft()
            self._write(piece.time_ns, piece.sender, bytes(piece.data))


class RecordedLine(RecordedBytes[_Side]):
    """A line that goes over no network; see :mod:`.direct`."""

    def __init__(
        self,
        file: PcapFile,
        number: int,
        opened_ns: int,
        place: str,
        to_device: Filter | None = None,
        from_device: Filter | None = None,
    ) -> None:
        """Write that it is open.

        Args:
            file: Where it goes, of the link :data:`.direct.LINK`.
            number: Which of the lines in the file, from 1 on.
            opened_ns: When the line was open, nanoseconds since 1970.
            place: Where it leads.
            to_device: What becomes of the bytes to the device; they are kept by default.
            from_device: The same for those from it.
        """
        super().__init__(_Side(to_device or Unchanged()), _Side(from_device or Unchanged()))
        self._file, self._number = file, number
        self._add(opened_ns, Direction.OPENED, place.encode(errors="replace"))

    def _write(self, time_ns: int, sender: _Side, data: bytes) -> None:
        to_device = sender is self._us
        self._add(time_ns, Direction.TO_DEVICE if to_device else Direction.FROM_DEVICE, data)

    def _end(self, time_ns: int, *, by_us: bool) -> None:
        self._add(time_ns, Direction.CLOSED if by_us else Direction.LOST, b"")

    def _add(self, time_ns: int, direction: Direction, data: bytes) -> None:
        self._file.write(time_ns, packed(time_ns, self._number, direction, data))


class RecordedConversation(RecordedBytes[_End]):
    """One line as a TCP conversation."""

    def __init__(
        self,
        file: PcapFile,
        began_ns: int,
        opened_ns: int,
        ends: Ends,
        to_device: Filter | None = None,
        from_device: Filter | None = None,
    ) -> None:
        """Write the handshake.

        Args:
            file: Where it goes.
            began_ns: When connecting began, nanoseconds since 1970.
            opened_ns: When the line was open.
            ends: Addresses and ports.
            to_device: What becomes of the bytes to the device; they are kept by default.
            from_device: The same for those from it.
        """
        self._file = file
        sides = (
            _End(change or Unchanged(), address=ip_address(host), port=port)
            for change, (host, port) in zip((to_device, from_device), ends, strict=True)
        )
        super().__init__(*sides)
        self._packet(began_ns, self._us, _SYN)
        self._packet(opened_ns, self._device, _SYN | _ACK)
        self._packet(opened_ns, self._us, _ACK)

    def _write(self, time_ns: int, sender: _Side, data: bytes) -> None:
        end = self._us if sender is self._us else self._device
        self._packet(time_ns, end, _PUSH | _ACK, data)

    def _end(self, time_ns: int, *, by_us: bool) -> None:
        first, second = (self._us, self._device) if by_us else (self._device, self._us)
        self._packet(time_ns, first, _FIN | _ACK)
        self._packet(time_ns, second, _FIN | _ACK)
        self._packet(time_ns, first, _ACK)

    def _packet(self, time_ns: int, sender: _End, flags: int, data: bytes = b"") -> None:
        receiver = self._device if sender is self._us else self._us
        segment = _segment(sender, receiver, flags, data)
        self._file.write(time_ns, _ip_header(sender, receiver, len(segment)) + segment)
        sender.sequence += len(data) + bool(flags & (_SYN | _FIN))
        sender.unacknowledged += len(data)
        receiver.unacknowledged = 0
        if sender.unacknowledged > _UNACKNOWLEDGED:
            self._packet(time_ns, receiver, _ACK)


def _segment(sender: _End, receiver: _End, flags: int, data: bytes) -> bytes:
    acknowledged = receiver.sequence if flags & _ACK else 0
    header = [sender.port, receiver.port, _32(sender.sequence), _32(acknowledged)]
    rest = [5 << 4, flags, _WINDOW]
    draft = struct.pack("!HHIIBBHHH", *header, *rest, 0, 0) + data
    pseudo = sender.address.packed + receiver.address.packed + struct.pack("!II", len(draft), _TCP)
    return struct.pack("!HHIIBBHHH", *header, *rest, _checksum(pseudo + draft), 0) + data


def _ip_header(sender: _End, receiver: _End, size: int) -> bytes:
    ends = sender.address.packed + receiver.address.packed
    if sender.address.version == 6:
        return struct.pack("!IHBB", 6 << 28, size, _TCP, _HOPS) + ends
    head = struct.pack("!BBHHHBB", 0x45, 0, 20 + size, 0, 0x4000, _HOPS, _TCP)
    return head + struct.pack("!H", _checksum(head + b"\0\0" + ends)) + ends


def _32(number: int) -> int:
    return number & 0xFFFF_FFFF


def _checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) & 1)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
