"""Reads pcap and pcapng files: the bytes of each TCP conversation, in order, with times.

dpkt reads the files and takes the headers apart; :mod:`.streams` puts the segments in order.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, BinaryIO

from rct_collector.errors import CaptureError
from rct_collector.transport.base import Ends
from rct_collector.transport.streams import INSTALL, Conversations, Segment, TcpConversation

#: First bytes of the files that can be read: pcap in both byte orders, with microseconds and
#: with nanoseconds, and pcapng.
MAGICS = tuple(map(bytes.fromhex, ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a")))

#: Link type → dpkt's module and class for it; "" for IP without anything before it.
_LINKS = {
    0: "loopback.Loopback",
    1: "ethernet.Ethernet",
    12: "",
    14: "",
    101: "",
    108: "loopback.Loopback",
    113: "sll.SLL",
    228: "",
    229: "",
    276: "sll2.SLL2",
}

_SYN, _ACK = 0x02, 0x10


class _CutShort(Exception):
    """The file ends within a packet, or is damaged from here on."""


class _Whole:
    """A file that does not give half of what was asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if size < 0:
            raise ValueError("a length is negative")
        data = self._file.read(size)
        if 0 < len(data) < size:
            raise _CutShort
        return data

    def seek(self, position: int) -> int:
        return self._file.seek(position)


@dataclass(frozen=True, slots=True)
class Capture:
    """What is in a file.

    Attributes:
        conversations: In order of their begin.
        trouble: Why the file could not be read to its end; "" if it could.
    """

    conversations: list[TcpConversation]
    trouble: str = ""


def read_capture(file: BinaryIO, name: str) -> Capture:
    """Read a whole file.

    Args:
        file: Open for reading bytes, at its begin.
        name: For messages.

    Raises:
        CaptureError: A library is missing, or it is no such file, or of a link that carries no
            IP. A file that ends early is read as far as it goes.
    """
    found = Conversations()
    packets, trouble = 0, ""
    try:
        for segment in _segments(file, name):
            found.add(segment)
            packets += 1
    except _CutShort:
        trouble = f"{name} is cut short behind TCP packet {packets}; what came before was read"
    return Capture(found.results(), trouble)


def _segments(file: BinaryIO, name: str) -> Iterator[Segment]:
    dpkt = _dpkt()
    damaged = (ValueError, IndexError, struct.error, dpkt.Error)
    try:
        reader = dpkt.pcap.UniversalReader(_Whole(file))
    except damaged as error:
        raise CaptureError(f"{name} is no pcap file that can be read: {error}") from error
    kind = reader.datalink()
    if kind not in _LINKS:
        known = ", ".join(map(str, _LINKS))
        raise CaptureError(f"{name} has link type {kind}; those that can be read are {known}")
    to_ip = _to_ip(dpkt, _LINKS[kind])
    packets = iter(reader)
    while True:
        try:
            seconds, data = next(packets)
        except StopIteration:
            return
        except damaged as error:
            raise _CutShort from error
        if not data:
            raise _CutShort
        try:
            packet = to_ip(data)
        except damaged:
            continue  # of other protocols, or too short: no bytes of ours
        if isinstance(getattr(packet, "data", None), dpkt.tcp.TCP):
            yield _segment(round(seconds * 10**9), packet)


def _segment(time_ns: int, packet: Any) -> Segment:  # noqa: ANN401 - dpkt has no types
    sender, receiver = (str(ip_address(address)) for address in (packet.src, packet.dst))
    tcp = packet.data
    return Segment(
        time_ns,
        Ends((sender, tcp.sport), (receiver, tcp.dport)),
        sequence=tcp.seq,
        opens=bool(tcp.flags & _SYN),
        answers=bool(tcp.flags & _ACK),
        data=bytes(tcp.data),
    )


def _to_ip(dpkt: Any, name: str) -> Callable[[bytes], Any]:  # noqa: ANN401
    """What takes the link's header off."""
    if not name:
        return lambda data: dpkt.ip6.IP6(data) if data[0] >> 4 == 6 else dpkt.ip.IP(data)
    module, _, kind = name.partition(".")
    frame = getattr(getattr(dpkt, module), kind)
    return lambda data: frame(data).data


def _dpkt() -> Any:  # noqa: ANN401
    try:
        import dpkt
    except ImportError as error:
        raise CaptureError(INSTALL) from error
    return dpkt
