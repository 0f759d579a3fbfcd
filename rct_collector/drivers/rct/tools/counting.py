"""Counts frames, whole and broken."""

from __future__ import annotations

from rct_collector.drivers.base import Fault
from rct_collector.drivers.rct.frame import Bad, FrameReader
from rct_collector.drivers.tools import Frames


class RctFrameCounter:
    """Counts the frames of one direction of a line; see :class:`~.drivers.tools.FrameCounter`."""

    def __init__(self) -> None:
        """Start between frames."""
        self._reader = FrameReader()

    def feed(self, data: bytes) -> Frames:
        """Take bytes, cut anywhere."""
        whole = bad = 0
        for item in self._reader.feed(data):
            if not isinstance(item, Bad):
                whole += 1
            elif item.kind is not Fault.NOISE:
                bad += 1
        return Frames(whole, bad)
