"""Packets of pcap and pcapng files, each with its own link type and time.

Nothing is believed that a file claims: lengths are bounded, and the time of a packet may be any
number. Packets are given one by one, so that no file is too large.

Sources: the Internet drafts of pcap and pcapng (draft-ietf-opsawg-pcap, -pcapng); libpcap and
Wireshark for the variant of Kuznetzov's patch, which FRITZ!Box writes: its records have the
number of the interface, a protocol and a packet type behind their lengths.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from rct_collector.capture.source import Ended, Readable, Short
from rct_collector.errors import CaptureError

_SECOND_NS = 10**9

#: Largest packet that is believed, in bytes: libpcap takes no larger ones either.
_LARGEST_PACKET = 0x40000

#: Bytes between the lengths and the packet in records of Kuznetzov's patch; one version of it
#: has more.
_PATCHED = (8, 12)

#: First bytes of a pcap file with the most significant byte first → ticks per second, and what
#: a record may have between its lengths and the packet.
_PCAP: dict[int, tuple[int, tuple[int, ...]]] = {
    0xA1B2C3D4: (10**6, (0,)),
    0xA1B23C4D: (10**9, (0,)),
    0xA1B2CD34: (10**6, _PATCHED),
}

_SECTION = bytes.fromhex("0a0d0d0a")
_ORDERS = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}
_INTERFACE, _PACKET, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_OPTION_END, _OPTION_RESOLUTION, _OPTION_OFFSET = 0, 9, 14

#: Largest block that is believed; larger ones are known only of secrets and comments.
_LARGEST_BLOCK = 16 << 20

#: First bytes of the files that can be read.
MAGICS = (
    *(struct.pack(order + "I", magic) for magic in _PCAP for order in "><"),
    _SECTION,
)


class Packet(NamedTuple):
    """One packet.

    Attributes:
        time_ns: Nanoseconds since 1970, any number; None in a record without a time.
        link: Link type, as tcpdump.org numbers them.
        data: From the header of the link on.
    """

    time_ns: int | None
    link: int
    data: bytes


class PacketReader:
    """Reads one file, packet by packet.

    Attributes:
        links: Link types of all interfaces that the file has named by now.
    """

    def __init__(self, source: Readable) -> None:
        """Read nothing yet.

        Args:
            source: At its begin.
        """
        self.links: set[int] = set()
        self._source = source
        self._order = ""
        self._ticks = 0  # of pcap, per second
        self._gap = 0
        self._link = 0
        self._interfaces: list[_Interface] = []
        self._next: Callable[[], Packet | None] = self._begun

    def __iter__(self) -> Iterator[Packet]:
        """Read on to the end.

        Raises:
            CaptureError: It is no such file.
            Ended: It ends early, or is damaged.
        """
        if not self._source.head.startswith(MAGICS):
            raise CaptureError(f"{self._source.name} is no pcap or pcapng file")
        return iter(self.read, None)

    def read(self) -> Packet | None:
        """Read the next packet.

        What is missing may be read on from the same place, where the source can be rewound.

        Returns:
            None at the end.

        Raises:
            CaptureError: It is no such file.
            Ended: It ends early, or is damaged.
        """
        return self._next()

    def _begun(self) -> Packet | None:
        """Find out what it is."""
        head = self._source.head
        if head.startswith(_SECTION):
            self._next = self._pcapng
            return self._pcapng()
        for order in "><" if head.startswith(MAGICS) else "":
            (magic,) = struct.unpack(order + "I", head[:4])
            if magic in _PCAP:
                return self._begin_pcap(order, *_PCAP[magic])
        raise CaptureError(f"{self._source.name} is no pcap or pcapng file")

    # -- pcap ------------------------------------------------------------------------------

    def _begin_pcap(self, order: str, ticks: int, gaps: tuple[int, ...]) -> Packet | None:
        source = self._source
        if len(gaps) > 1 and not source.has_head:
            raise Short
        (link,) = struct.unpack(order + "20xI", source.rest(24))
        source.settle()
        self._record = struct.Struct(order + "IIII")
        first = source.head[24:]
        self._gap = next((gap for gap in gaps if _fits(first, self._record, gap)), gaps[0])
        self._link = link & 0xFFFF  # above it is told whether packets end with a checksum
        self._ticks = ticks
        self.links.add(self._link)
        self._next = self._pcap
        return self._pcap()

    def _pcap(self) -> Packet | None:
        source = self._source
        head = source.whole(16)
        if not head:
            return None
        seconds, part, size, _ = self._record.unpack(head)
        if size > _LARGEST_PACKET:
            raise Ended(f"is damaged (a packet of {size} bytes)")
        if self._gap:
            source.skip(self._gap)
        data = source.rest(size)
        source.settle()
        return Packet(seconds * _SECOND_NS + part * _SECOND_NS // self._ticks, self._link, data)

    # -- pcapng ----------------------------------------------------------------------------

    def _pcapng(self) -> Packet | None:
        source = self._source
        while head := source.whole(8):
            begun, order = b"", self._order
            if head[:4] == _SECTION:
                begun = source.rest(4)
                order = _ORDERS.get(begun, "")
            if not order:
                raise CaptureError(
                    f"{source.name} is no pcap file that can be read: it begins as pcapng does,"
                    f" but its byte order is told as {begun.hex()}"
                )
            kind, size = struct.unpack(order + "II", head)
            if not 12 + len(begun) <= size <= _LARGEST_BLOCK:
                raise Ended(f"is damaged (a block of {size} bytes)")
            size -= 12 + len(begun)
            if kind not in (_INTERFACE, _PACKET, _SIMPLE, _ENHANCED):
                source.skip(size + 4)
                if begun:
                    self._order, self._interfaces = order, []
                source.settle()
                continue
            body = source.rest(size)
            if source.rest(4) != head[4:]:
                raise Ended("is damaged (a block whose two lengths differ)")
            source.settle()
            if kind != _INTERFACE:
                return _packet(order, kind, body, self._interfaces)
            self._interfaces.append(_interface(order, body))
            self.links.add(self._interfaces[-1].link)
        return None


class _Interface(NamedTuple):
    """What a section says of one interface."""

    link: int
    longest: int
    ticks: int = 10**6
    offset_s: int = 0

    def time_ns(self, high: int, low: int) -> int:
        return self.offset_s * _SECOND_NS + (high << 32 | low) * _SECOND_NS // self.ticks


def _fits(content: bytes, record: struct.Struct, gap: int) -> bool:
    """Whether the first records, with such a gap in them, follow one behind the other."""
    position = found = 0
    while position + record.size <= len(content) and found < 4:
        _, part, size, whole = record.unpack_from(content, position)
        if part >= 10**6 or size > min(whole, _LARGEST_PACKET):
            return False
        position += record.size + gap + size
        found += 1
    return True


def _interface(order: str, body: bytes) -> _Interface:
    if len(body) < 8:
        raise Ended("is damaged (an interface of too few bytes)")
    link, longest = struct.unpack_from(order + "HxxI", body)
    ticks, offset_s, position = 10**6, 0, 8
    while position + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, position)
        value = body[position + 4 : position + 4 + size]
        if code == _OPTION_END:
            break
        if code == _OPTION_RESOLUTION and len(value) == 1:
            # The uppermost bit chooses between powers of two and of ten.
            ticks = 2 ** (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
        elif code == _OPTION_OFFSET and len(value) == 8:
            (offset_s,) = struct.unpack(order + "q", value)
        position += 4 + size + -size % 4
    return _Interface(link, longest or _LARGEST_PACKET, ticks, offset_s)


def _packet(order: str, kind: int, body: bytes, interfaces: list[_Interface]) -> Packet:
    """Take the body of a block with a packet apart."""
    number = high = low = 0
    try:
        if kind == _SIMPLE:
            (size,) = struct.unpack_from(order + "I", body)
            start = 4
        else:
            form = "IIIII" if kind == _ENHANCED else "HxxIIII"
            number, high, low, size, _ = struct.unpack_from(order + form, body)
            start = 20
        interface = interfaces[number]
    except struct.error as error:
        raise Ended("is damaged (a block of too few bytes)") from error
    except IndexError as error:
        raise Ended(f"is damaged (a packet of interface {number}, which it lacks)") from error
    if kind == _SIMPLE:
        size = min(size, interface.longest)
        return Packet(None, interface.link, body[start : start + size])
    if size > len(body) - start:
        raise Ended(f"is damaged (a packet of {size} bytes in a block of {len(body)})")
    return Packet(interface.time_ns(high, low), interface.link, body[start : start + size])
