"""Counts answers, whole and broken."""

from __future__ import annotations

from rct_collector.drivers.base import Fault
from rct_collector.drivers.tools import Frames
from rct_collector.drivers.voltronic.frame import Bad, FrameReader


class VoltronicFrameCounter:
    """Counts what a unit says; see :class:`~rct_collector.drivers.tools.FrameCounter`."""

    def __init__(self) -> None:
        """Start between lines."""
        self._reader = FrameReader()

    def feed(self, data: bytes) -> Frames:
        """Take bytes, cut anywhere."""
        whole = bad = 0
        for item in self._reader.feed(data):
            if not isinstance(item, Bad):
                whole += 1
            elif item.kind not in (Fault.NOISE, Fault.ECHO):
                bad += 1
        return Frames(whole, bad)
