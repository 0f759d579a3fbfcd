"""Captures made by hand, block by block: pcapng, and the pcap of FRITZ!Box."""

from __future__ import annotations

import gzip
import struct
from functools import partial

#: The same bytes at any time: they are parts of the names of tests.
gzipped = partial(gzip.compress, mtime=0)


def ethernet(packet, kind=0x0800):
    return struct.pack("!6s6sH", b"\2" * 6, b"\4" * 6, kind) + bytes(packet)


def block(kind, body, order="<"):
    body = body.ljust(len(body) + -len(body) % 4, b"\0")
    size = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + size + body + size


def section(order="<"):
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link=101, resolution=None, offset=None, longest=0, order="<"):
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHB3x", 9, 1, resolution)
    if offset is not None:
        options += struct.pack(order + "HHq", 14, 8, offset)
    return block(1, struct.pack(order + "HHI", link, 0, longest) + options + bytes(4), order)


def enhanced(packet, ticks, number=0, order="<"):
    data = bytes(packet)
    head = struct.pack(order + "5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
    return block(6, head + data, order)


def patched(packets, order, gap=8):
    """As FRITZ!Box writes it."""
    result = struct.pack(order + "IHHiIII", 0xA1B2CD34, 2, 4, 0, 0, 65535, 1)
    for n, packet in enumerate(packets):
        data = ethernet(packet)
        result += struct.pack(order + "IIII", 1000, n * 1000, len(data), len(data))
        result += struct.pack(order + "IHBB", 3, 0x0800, 4, 0).ljust(gap, b"\0") + data
    return result


def simple(packet, order="<"):
    """A packet without a time."""
    data = bytes(packet)
    return block(3, struct.pack(order + "I", len(data)) + data, order)
