"""One line that we open, and all units behind it: an inverter's own connection, or a whole bus.

The line is kept open while anybody takes part. What comes over it finds its device by the unit
that the session names; what is said of the line is said once, for all.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rct_collector.drivers.base import Resync, Session
from rct_collector.errors import BusyError
from rct_collector.lines.conversation import Conversation
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.lines.port import Attached, Port, Ports
from rct_collector.lines.reconnect import Link
from rct_collector.reports import Reports
from rct_collector.transport import Address, Opener


class SharedLine:
    """See :class:`rct_collector.lines.port.Keeper`.

    Attributes:
        link: What keeps the line open.
        ports: Those who take part.
    """

    def __init__(
        self,
        name: str,
        opener: Opener,
        address: Address,
        session: Session,
        *,
        wall_ns: Callable[[], int],
        resync: Resync | None = None,
        lock: DeviceLock | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            name: For messages, until somebody is attached.
            opener: Transport.
            address: Where it leads.
            session: Of the family whose units are on the line.
            wall_ns: Tells the time, in nanoseconds since the epoch.
            resync: What the line needs when it is open, before anything is asked.
            lock: Keeps other processes on this host off the line; None for none.
        """
        self._lock = lock
        self._resync = resync
        self._reports = Reports(name)
        self.ports = Ports(self._reports)
        opener = locked(opener, lock) if lock else opener
        self._conversation = talk = Conversation(
            session, self.ports.deliver, wall_ns=wall_ns, reports=self._reports
        )
        self.link = Link(name, opener, address, talk.received, self._changed, self._reports)
        talk.wire = self.link
        self._name = name
        self._keeping: asyncio.Task[None] | None = None

    def attach(self, unit: str, attached: Attached) -> Port:
        """Make a port, which hears nothing before :meth:`open`.

        Args:
            unit: Which of the units on the line; "" where there is one.
            attached: Is told what happens.
        """
        return Port(self, unit, attached, self._conversation)

    @property
    def opened(self) -> int:
        """Times that the line was opened."""
        return self.link.opened

    @property
    def last_error(self) -> str:
        """Why the line is not open, or was lost the last time; "" while all is well."""
        return self.link.last_error

    @property
    def refusal(self) -> BusyError | None:
        """Why the line could not be opened the last time, where another process has it."""
        return self._lock.refusal if self._lock else None

    @asynccontextmanager
    async def open(self, port: Port, patience: float) -> AsyncIterator[None]:
        """Let a port take part while the block runs; see the base class."""
        while self._keeping is not None and not self.ports:  # the last one is about to leave
            await asyncio.wait([self._keeping])
            await asyncio.sleep(0)
        self.ports.join(port)
        try:
            if self._keeping is None:
                self.link.attempted.clear()
                self._keeping = asyncio.create_task(self.link.run(), name=f"line of {self._name}")
            elif self.link.is_open:
                port.opened()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.link.attempted.wait()
            yield
        finally:
            self.ports.leave(port)
            if not self.ports:
                await self._end()

    def claim(self) -> None:
        """Take the lock of the line; see the base class."""
        if self._lock:
            self._lock.acquire()

    def tend(self) -> None:
        """Give way to somebody who came by the lock while a stranger was in front of it."""
        self._conversation.tend(asyncio.get_running_loop().time())
        self._reports.sum_up()
        if self._lock and self.link.is_open:
            try:
                self._lock.tend()
            except BusyError as error:
                self.link.drop(str(error))

    def close(self) -> None:
        """Close the line for all."""
        self.link.close()

    async def _end(self) -> None:
        """Nobody takes part any more."""
        keeping = self._keeping
        try:
            if keeping is not None:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
        finally:
            self._keeping = None
            self._conversation.reset()
            if self._lock:
                self._lock.release()

    def _changed(self, is_open: bool) -> None:  # noqa: FBT001 - a callback
        if is_open:
            self._conversation.opened(self._resync)
        else:
            self._conversation.reset()
        for port in self.ports:
            if is_open:
                port.opened()
            else:
                port.lost()
