"""Segments of a TCP connection between a unit and the server that it calls."""

from __future__ import annotations

from rct_collector.capture.streams import TcpSegment
from rct_collector.transport.base import Ends

SERVER = ("192.0.2.10", 22222)
UNIT = ("192.0.2.1", 49152)
ENDS = Ends(UNIT, SERVER)
WRAP = 1 << 32
SECOND = 10**9


def said(data, start=1, *, at=0.0, back=False, ends=ENDS, **flags):
    """A segment at so many seconds."""
    if back:
        ends = Ends(ends.remote, ends.local)
    return TcpSegment(round((1000 + at) * SECOND), ends, start % WRAP, data=data, **flags)


def syn(start=0, **more):
    return said(b"", start, opens=True, answers=False, **more)
