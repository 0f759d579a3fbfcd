"""Headers of a packet: link, IP, TCP → what one end said to the other.

Sources: tcpdump.org's list of link types; IEEE 802.1Q; RFC 791, RFC 8200, RFC 9293, RFC 2516
(PPPoE), RFC 1661 (PPP).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from rct_collector.capture.streams import TcpSegment
from rct_collector.transport.base import Ends

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_TCP = 6

_IPV4, _IPV6, _PPPOE = 0x0800, 0x86DD, 0x8864
_TAGS = (0x8100, 0x88A8, 0x9100)
_PPP_IP = (0x0021, 0x0057)

#: IPv6 headers before TCP whose length is told in units of eight bytes: hop-by-hop options,
#: routing, destination options.
_OPTIONS = (0, 43, 60)
_FRAGMENT, _AUTHENTICATION = 44, 51
_MOST_HEADERS = 8


def _ip(data: bytes) -> bytes:
    return data


def _ethernet(data: bytes, start: int = 12) -> bytes:
    """Behind the addresses: perhaps tags of virtual networks, then what is carried."""
    for _ in range(3):
        kind = int.from_bytes(data[start : start + 2], "big")
        if kind not in _TAGS:
            break
        start += 4
    if kind == _PPPOE:
        return _ppp(data[start + 8 :])
    return data[start + 2 :] if kind in (_IPV4, _IPV6) else b""


def _ppp(data: bytes) -> bytes:
    data = data.removeprefix(b"\xff\x03")
    return data[2:] if int.from_bytes(data[:2], "big") in _PPP_IP else b""


def _pppoe(data: bytes) -> bytes:
    return _ppp(data[6:])


def _loopback(data: bytes) -> bytes:
    """Behind the address family, in the byte order of whatever machine; IP tells its version."""
    return data[4:]


def _cooked(data: bytes) -> bytes:
    return _ethernet(data, 14)


def _cooked_2(data: bytes) -> bytes:
    return data[20:] if int.from_bytes(data[:2], "big") in (_IPV4, _IPV6) else b""


#: Link type → what takes its header off; no bytes are left of what carries no IP.
LINKS: dict[int, Callable[[bytes], bytes]] = {
    0: _loopback,
    1: _ethernet,
    9: _ppp,
    12: _ip,
    14: _ip,
    50: _ppp,
    51: _pppoe,
    101: _ip,
    108: _loopback,
    113: _cooked,
    228: _ip,
    229: _ip,
    276: _cooked_2,
}

#: The links that a packet without a file around it is tried for, the unmistakable ones first.
_GUESSES = (1, 101, 113, 276)


class _Carried(NamedTuple):
    """What an IP packet carries.

    Attributes:
        sender: Address.
        receiver: Address.
        protocol: Its number.
        data: As far as it was captured.
    """

    sender: bytes
    receiver: bytes
    protocol: int
    data: bytes


def segment(time_ns: int, link: int, data: bytes) -> TcpSegment | None:
    """Find the TCP segment in a packet.

    Args:
        time_ns: Nanoseconds since 1970.
        link: Link type, one of :data:`LINKS`.
        data: From the header of the link on.

    Returns:
        The segment; None for packets of other protocols, later fragments, and what is too short.
    """
    carried = _carried(LINKS[link](data))
    if carried is None or carried.protocol != _TCP or len(carried.data) < 20:
        return None
    tcp = carried.data
    source, target, sequence, offset, flags = struct.unpack_from("!HHI4xBB", tcp)
    start = (offset >> 4) * 4
    if start < 20:
        return None
    return TcpSegment(
        time_ns,
        Ends((_address(carried.sender), source), (_address(carried.receiver), target)),
        sequence,
        opens=bool(flags & _SYN),
        answers=bool(flags & _ACK),
        data=tcp[start:],
        closes=bool(flags & _FIN),
        resets=bool(flags & _RST),
    )


def guess_link(data: bytes) -> int | None:
    """Find out of which link a packet is, by what it has to hold.

    Args:
        data: Bytes that may be a packet, or anything else.

    Returns:
        Link type, if behind its header there is an IP packet with TCP whose lengths and
        checksum are right; else None.
    """
    for link in _GUESSES:
        if _is_sound(LINKS[link](data)) and segment(0, link, data):
            return link
    return None


def _is_sound(packet: bytes) -> bool:
    """Whether an IP packet has the length and the checksum that its header tells."""
    if packet[:1] and packet[0] >> 4 == 6:
        return len(packet) >= 40 + int.from_bytes(packet[4:6], "big") > 40
    size = (packet[0] & 15) * 4 if packet else 0
    if not 20 <= size <= int.from_bytes(packet[2:4], "big") <= len(packet):
        return False
    total: int = sum(struct.unpack_from(f"!{size // 2}H", packet))
    return total % 0xFFFF == 0 or packet[10:12] == b"\0\0"  # of one's own, not yet computed


def _carried(packet: bytes) -> _Carried | None:
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20:
        return _carried_by_4(packet)
    return _carried_by_6(packet) if version == 6 and len(packet) >= 40 else None


def _carried_by_4(packet: bytes) -> _Carried | None:
    start = (packet[0] & 15) * 4
    size = int.from_bytes(packet[2:4], "big") or len(packet)  # 0: to be cut by the network card
    if start < 20 or int.from_bytes(packet[6:8], "big") & 0x1FFF:
        return None
    return _Carried(packet[12:16], packet[16:20], packet[9], packet[start:size])


def _carried_by_6(packet: bytes) -> _Carried | None:
    size = int.from_bytes(packet[4:6], "big")
    end = 40 + size if size else len(packet)
    kind, start = packet[6], 40
    for _ in range(_MOST_HEADERS):
        head = packet[start : min(start + 8, end)]
        if kind == _TCP or len(head) < 8:
            break
        if kind in _OPTIONS:
            start += 8 + head[1] * 8
        elif kind == _AUTHENTICATION:
            start += 8 + head[1] * 4
        elif kind == _FRAGMENT and not int.from_bytes(head[2:4], "big") >> 3:
            start += 8
        else:
            return None
        kind = head[0]
    return _Carried(packet[8:24], packet[24:40], kind, packet[start:end])


@lru_cache(maxsize=4096)
def _address(packed: bytes) -> str:
    return str(ip_address(packed))
