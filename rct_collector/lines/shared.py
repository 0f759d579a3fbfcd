"""One line that we open, and all units behind it: an inverter's own connection, or a whole bus.

The line is kept open while anybody takes part. What comes over it finds its device by the unit
that the session names; what is said of the line is said once, for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rct_collector.drivers.base import Resync, Session
from rct_collector.lines.conversation import Conversation
from rct_collector.lines.kept import KeptLine
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.lines.port import Attached, Port
from rct_collector.lines.reconnect import Link
from rct_collector.transport import Address, Opener


class SharedLine(KeptLine):
    """A line that we open; see :class:`.kept.KeptLine`."""

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
        super().__init__(name, lock)
        self._resync = resync
        reports = self.ports.reports
        self._conversation = talk = Conversation(
            session, self.ports.deliver, wall_ns=wall_ns, reports=reports, sent=self.ports.sent
        )
        opener = locked(opener, lock) if lock else opener
        self.link = Link(reports, opener, address, talk.received, self._changed)
        talk.wire = self.link

    def attach(self, unit: str, attached: Attached, *, many: bool = False) -> Port:
        """Make a port, which hears nothing before it is opened; see :class:`.kept.KeptLine`."""
        return Port(self, unit, attached, self._conversation, many=many)

    def why_silent(self, _port: Port) -> str:
        """Why the line is not open, or was lost the last time; "" while all is well."""
        return self.link.last_error

    def tend(self) -> None:
        """Look after the meter as well; see :class:`.kept.KeptLine`."""
        self._conversation.tend(asyncio.get_running_loop().time())
        super().tend()

    async def _attempted(self, port: Port) -> None:
        """Where the line is probed, also for what is of no use: the next one may be what is meant.

        An address may lead to one of several, each time to another one; until it comes to one that
        was there before.
        """
        await super()._attempted(port)
        seen: set[str] = set()
        while self._resync is not None:
            await self.link.judged.wait()
            reason = self.link.last_error
            if self.link.is_open or reason in seen:
                return
            seen.add(reason)
            self.link.judged.clear()

    def _joined(self, port: Port) -> None:
        if self.link.is_open:
            port.line_opened()

    async def _end(self) -> None:
        await super()._end()
        self._conversation.reset()

    def _changed(self, is_open: bool) -> None:  # noqa: FBT001 - a callback
        if is_open:
            self._conversation.opened(self._resync)
        else:
            self._conversation.reset()
            if self._lock and not self.link.is_proven:
                self._lock.confirm(None)  # it led nowhere useful, and may lead elsewhere next time
        for port in self.ports:
            if is_open:
                port.line_opened()
            else:
                port.line_lost()
