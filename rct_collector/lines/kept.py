"""What all lines have in common: they are kept while anybody takes part, under one lock."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rct_collector.errors import BusyError
from rct_collector.lines.lock import DeviceLock
from rct_collector.lines.port import Port, Ports
from rct_collector.lines.reconnect import Link
from rct_collector.reports import Reports


class KeptLine:
    """Base of the lines; see :class:`rct_collector.lines.port.Keeper`.

    Attributes:
        link: What keeps the line open.
        ports: Those who take part.
    """

    link: Link

    def __init__(self, name: str, lock: DeviceLock | None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            name: For messages, until somebody is attached.
            lock: Keeps other processes on this host off the line; None for none.
        """
        self.ports = Ports(Reports(name))
        self._lock = lock
        self._keeping: asyncio.Task[None] | None = None

    @property
    def refusal(self) -> BusyError | None:
        """Why the line could not be opened the last time, where another process has it."""
        return self._lock.refusal if self._lock else None

    @asynccontextmanager
    async def open(self, port: Port, patience: float) -> AsyncIterator[None]:
        """Let a port take part while the block runs; see the protocol."""
        while self._keeping is not None and not self.ports:  # the last one is about to leave
            await asyncio.wait([self._keeping])
            await asyncio.sleep(0)
        self.ports.join(port)
        try:
            if self._keeping is None:
                self.link.attempted.clear()
                name = f"line of {port.attached.name}"
                self._keeping = asyncio.create_task(self.link.run(), name=name)
            else:
                self._joined(port)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._attempted(port)
            yield
        finally:
            self.ports.leave(port)
            if not self.ports:
                await self._end()

    def claim(self) -> None:
        """Take the lock of the line; see the protocol."""
        if self._lock:
            self._lock.acquire()

    def tend(self) -> None:
        """Give way to somebody who came by the lock while a stranger was in front of it."""
        self.ports.reports.sum_up()
        if self._lock and self.link.is_open:
            try:
                self._lock.tend()
            except BusyError as error:
                self.link.drop(str(error))

    def close(self) -> None:
        """Close the line for all."""
        self.link.close()

    def _joined(self, port: Port) -> None:
        """A port takes part in a line that is kept already."""

    async def _attempted(self, _port: Port) -> None:
        """Wait for what a first round has to wait for."""
        await self.link.attempted.wait()

    async def _end(self) -> None:
        """Nobody takes part any more."""
        keeping = self._keeping
        try:
            if keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
        finally:
            self.close()
            self._keeping = None
            if self._lock:
                self._lock.release()
