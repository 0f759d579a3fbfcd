"""Somebody who opens a line to ask one unit a few things, and does no rounds.

The line is one like those that are collected from, with its lock and its recovery: so a device that
a collector on this host holds is left alone, and where answers do not tell what they answer the
family's detection goes ahead of everything else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from rct_collector.config import DeviceConfig
from rct_collector.device.inquiry import Inquiry
from rct_collector.device.options import Options
from rct_collector.drivers.base import Answer, Event, Garbled, Query, Refused
from rct_collector.errors import TransportError
from rct_collector.lines.port import Port
from rct_collector.receipt import Receipt


class Asker:
    """The one who asks; see :class:`rct_collector.lines.port.Attached`.

    Attributes:
        name: Name of the device.
        port: The unit's end of the line.
        inquiry: Asks.
    """

    def __init__(self, config: DeviceConfig, options: Options, *, gap: float = 0.0) -> None:
        """Open nothing yet.

        Args:
            config: A device as it is configured, or would be.
            options: Transports, clock and lock.
            gap: Least seconds between what was heard last and a question.
        """
        self.name = config.name
        self._config = config
        self._options = options
        self.port: Port = options.line(config).attach(config.unit, self)
        self.inquiry = Inquiry(self.port, config.requests.timeout, gap=gap)

    @asynccontextmanager
    async def open(self, seconds: float) -> AsyncIterator[None]:
        """Take part in the line while the block runs; whether it is open, its port tells.

        Args:
            seconds: That opening may take.
        """
        try:
            async with self.port.line.open(self.port, seconds):
                yield
        finally:
            self._options.leave(self._config)

    @asynccontextmanager
    async def connected(self, seconds: float) -> AsyncIterator[None]:
        """Take part in the line while the block runs; it is open when that begins.

        Args:
            seconds: That opening may take.

        Raises:
            BusyError: Another process on this host collects from the device.
            TransportError: It cannot be opened.
        """
        line = self.port.line
        line.claim()
        async with self.open(seconds):
            if not self.port.is_open:
                reason = self.port.last_error or "no connection in time"
                raise line.refusal or TransportError(reason)
            yield

    async def ask(
        self, query: Query, argument: object = None, *, attempts: int = 1
    ) -> Answer | Refused:
        """Ask, and again while what comes is no answer.

        Args:
            query: What is asked.
            argument: What goes with it; see :class:`rct_collector.drivers.base.Ask`.
            attempts: Times that nothing at all may come.

        Raises:
            TransportError: There is no answer, or the line was lost.
            RefusedFrameError: The driver does not send such a frame.
        """
        return await self.inquiry.insist(query, argument, attempts)

    # -- what the line tells ---------------------------------------------------------------

    def line_opened(self) -> None:
        """Nothing is done before it is asked for."""

    def line_lost(self) -> None:
        """Nothing will be answered any more."""
        self.inquiry.line_lost(self.port.last_error)

    def hear(
        self, events: Sequence[Event], now: float, *, stale: bool, receipt: Receipt | None = None
    ) -> None:
        """Take what was asked for; all else is for others."""
        for event in events:
            if isinstance(event, Answer | Refused):
                self.inquiry.take(event)
            elif isinstance(event, Garbled):
                self.inquiry.spoilt(event)

    def turn_came(self) -> None:
        """An inquiry waits for its own turn."""

    def failed(self, error: Exception) -> None:
        """What came has met a bug."""
        self.inquiry.line_lost(f"bug: {error!r}")
