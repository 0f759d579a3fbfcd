"""What all lines have in common: they are kept while anybody takes part, under one lock."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from rct_collector.errors import BusyError
from rct_collector.lines.lock import DeviceLock
from rct_collector.lines.port import Attached, Port, Ports
from rct_collector.lines.reconnect import Link
from rct_collector.reports import Reports


class Calls(NamedTuple):
    """Those who dial in to a device that takes any number of them.

    Attributes:
        open: Calls at present.
        rejected: Calls so far that were hung up on, or not taken, since they were of no use.
    """

    open: int
    rejected: int


class KeptLine(ABC):
    """The line behind a port: keeps it open, for all who are attached.

    Attributes:
        link: What keeps the line open.
        ports: Those who take part.
        ended: Set when nothing more will come over it; None where it has no end.
    """

    link: Link[Any]
    ended: asyncio.Event | None = None

    @property
    def calls(self) -> Calls | None:
        """Who dials in; None where that is not to be told."""
        return None

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

    @abstractmethod
    def attach(self, unit: str, attached: Attached, *, many: bool = False) -> Port:
        """Make a port, which hears nothing before it is opened.

        Args:
            unit: Which of the units on the line; "" where there is one.
            attached: Is told what happens.
            many: It stands for all units of the line that nobody else stands for.
        """

    @abstractmethod
    def why_silent(self, port: Port) -> str:
        """Why a port is not open, or was lost the last time; "" while all is well."""

    @asynccontextmanager
    async def open(self, port: Port, timeout: float) -> AsyncIterator[None]:
        """Let a port take part in the line while the block runs; the last one closes it.

        Args:
            port: It is told what happens.
            timeout: Seconds that the first attempt to open the line is waited for.

        Raises:
            ValueError: Another port has the same unit.
        """
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
                async with asyncio.timeout(timeout):
                    await self._attempted(port)
            yield
        finally:
            self.ports.leave(port)
            if not self.ports:
                await self._end()

    def claim(self) -> None:
        """Take the lock of the line on this host ahead of opening it.

        Raises:
            BusyError: Another process has it.
        """
        if self._lock:
            self._lock.acquire()

    def tend(self) -> None:
        """Look after the lock and the messages; to be called now and then.

        Whoever came by the lock while a stranger was in front of it is given way to.
        """
        self.ports.reports.sum_up()
        if self._lock and self.link.is_open:
            try:
                self._lock.tend()
            except BusyError as error:
                self.link.drop(str(error))

    def close(self) -> None:
        """Close the line for all, at the end of the process."""
        self.link.close()

    @abstractmethod
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
