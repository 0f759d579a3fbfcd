"""Listens at one place for units that talk by themselves, and says nothing there.

The line is one like those that are collected from, with its lock: a device that a collector on
this host holds is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rct_collector.config import DeviceConfig
from rct_collector.device.options import Options
from rct_collector.drivers.base import Event, Garbled
from rct_collector.finder.probe import LATE, Identification
from rct_collector.receipt import Receipt

#: Units that are named: a bus has fewer.
MOST_UNITS = 32

#: The one fact that listening brings.
UNITS = "units"


class _Ear:
    """Hears who says anything that is understood; see :class:`rct_collector.lines.port.Attached`.

    Attributes:
        name: Name of the device.
        units: Who was heard, in the order in which they spoke.
        pieces: Frames that came damaged or mean nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.units: dict[str, None] = {}
        self.pieces = 0
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def line_opened(self) -> None:
        """It is time to listen."""

    def line_lost(self) -> None:
        """It may be opened again."""

    def turn_came(self) -> None:
        """No turn was wanted."""

    def hear(
        self, events: Sequence[Event], _now: float, *, stale: bool, receipt: Receipt | None = None
    ) -> None:
        """Something came."""
        for event in events:
            if isinstance(event, Garbled):
                self.pieces += 1
            elif event.unit and len(self.units) < MOST_UNITS:
                self.units[event.unit] = None
        if receipt is not None:
            receipt.lose()  # nothing is taken over

    def failed(self, error: Exception) -> None:
        """A bug; it ends the listening."""
        if not self._failure.done():
            self._failure.set_exception(error)

    async def listen(self, seconds: float) -> None:
        """Hear what there is for so many seconds."""
        await asyncio.wait([self._failure], timeout=seconds)
        if self._failure.done():
            self._failure.result()


async def overhear(
    config: DeviceConfig, options: Options, *, open_s: float, seconds: float
) -> Identification:
    """Open the line to a place, listen, and close it.

    Args:
        config: A device as it would be configured there; its address makes nobody speak.
        options: Transports, clock and lock.
        open_s: Seconds that opening may take.
        seconds: How long to listen.
    """
    ear = _Ear(config.name)
    port = options.line(config).attach("", ear, many=True)
    try:
        async with port.line.open(port, open_s):
            if not port.is_open:
                held = port.line.refusal is not None
                return Identification({}, port.opened > 0, port.last_error or LATE, is_held=held)
            await ear.listen(seconds)
    finally:
        options.leave(config)
    if ear.units:
        return Identification({UNITS: ", ".join(ear.units)}, opened=True)
    strange = f", but {ear.pieces} times something that means nothing" if ear.pieces else ""
    return Identification({}, opened=True, trouble=f"nobody heard within {seconds:g} s{strange}")
