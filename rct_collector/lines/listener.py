"""A line that units dial in to: whoever calls is known by what it says.

Nothing can be done about a unit that does not call but to wait. Each caller is a line of its own,
with a session of its own; it is told which unit it is by the first event that names one. A unit
that calls again takes the place of its old connection, which is half-open most of the time. Who
says nothing that means anything is a stranger, and bounded in number, in bytes and in time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Protocol
from weakref import WeakKeyDictionary

from rct_collector.drivers.base import Event, Garbled, Resync, Session, Unfit
from rct_collector.lines.conversation import Conversation, Deliver
from rct_collector.lines.kept import KeptLine
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.lines.port import Attached, Port
from rct_collector.lines.reconnect import Link
from rct_collector.reports import Reports
from rct_collector.transport import Address, Line, Listen, ListeningServer
from rct_collector.transport.base import Lost, Receive

log = logging.getLogger(__name__)

#: Callers that may be unknown at a time; one more takes the place of the oldest.
MOST_UNKNOWN = 8

#: An unknown caller may send so many bytes, and stay so many seconds, without a valid event.
MOST_UNPROVEN_BYTES = 4096
PROOF_S = 60.0

#: All callers are looked after once in so many seconds, though each device has it done.
TEND_S = 1.0

#: Strangers, and lost units, that are told of in an hour.
MOST_TOLD = 3


class Over(Protocol):
    """Is told once that a caller is at its end."""

    def __call__(self, caller: Caller, reason: str, /, *, by_us: bool) -> None:
        """Words for people say why."""


class Caller:
    """One open connection that somebody else has made; a :class:`lines.conversation.Wire`.

    Attributes:
        conversation: What goes over it.
        is_open: Whether bytes can be sent.
        excused: It floods, which is told of; that it hangs up is not told of as well.
        unproven: Bytes that came before anything valid; None once that has come.
    """

    def __init__(
        self,
        line: Line,
        session: Session,
        deliver: Deliver,
        lost: Over,
        *,
        wall_ns: Callable[[], int],
        reports: Reports,
    ) -> None:
        """Take a call.

        Args:
            line: The connection.
            session: Its own.
            deliver: Takes what comes.
            lost: Called once when it is at its end.
            wall_ns: Tells the time, in nanoseconds since the epoch.
            reports: Where what is worth a message goes.
        """
        self.is_open = True
        self.excused = False
        self.unproven: int | None = 0
        self.conversation = Conversation(session, deliver, wall_ns=wall_ns, reports=reports)
        self.conversation.wire = self
        self._line = line
        self._lost = lost
        self._deadline = asyncio.get_running_loop().call_later(PROOF_S, self._check)

    def __str__(self) -> str:
        """Where it calls from."""
        ends = getattr(self._line, "ends", None)
        return "{}:{}".format(*ends.remote) if ends else "somebody"

    def send(self, data: bytes) -> None:
        """Send bytes."""
        if self.is_open:
            self._line.send(data)

    def pause(self) -> None:
        """Read nothing for now."""
        self._line.pause()

    def resume(self) -> None:
        """Read again."""
        if self.is_open:
            self._line.resume()

    def proven(self) -> None:
        """Something valid came."""
        self.unproven = None
        self._deadline.cancel()

    def noise(self, size: int) -> None:
        """Bytes came that meant nothing."""
        if self.unproven is not None:
            self.unproven += size
            if self.unproven > MOST_UNPROVEN_BYTES:
                self.drop(f"{self.unproven} bytes that mean nothing")

    def drop(self, reason: str) -> None:
        """Hang up."""
        if self.is_open:
            self._line.close()
            self._end(reason, by_us=True)

    def reject(self, reason: str) -> None:
        """Hang up on whoever is of no use."""
        self.drop(reason)

    def lost(self, reason: str) -> None:
        """The other end has hung up."""
        self._end(reason, by_us=False)

    def _end(self, reason: str, *, by_us: bool) -> None:
        if self.is_open:
            self.is_open = False
            self._deadline.cancel()
            self.conversation.reset()
            self._lost(self, reason, by_us=by_us)

    def _check(self) -> None:
        self.drop(f"nothing within {PROOF_S:.0f} s that means anything")


class ListeningLine(KeptLine):
    """All units that dial in to one address; see :class:`.kept.KeptLine`."""

    def __init__(
        self,
        name: str,
        address: Address,
        listen: Listen,
        session: Callable[[], Session],
        *,
        wall_ns: Callable[[], int],
        resync: Resync | None = None,
        lock: DeviceLock | None = None,
    ) -> None:
        """Prepare; nobody is listened to yet.

        Args:
            name: For messages, until somebody is attached.
            address: Where units dial in.
            listen: Transport.
            session: Makes a session for each caller.
            wall_ns: Tells the time, in nanoseconds since the epoch.
            resync: What a call needs before anything is asked.
            lock: Keeps other processes on this host off the address; None for none.
        """
        super().__init__(name, lock)
        self._listen = listen
        self._session = session
        self._wall_ns = wall_ns
        self._resync = resync
        #: In the order of their calls.
        self._callers: dict[Conversation, Caller] = {}
        self._called = asyncio.Event()
        self._tended_at = -math.inf
        self._waits: WeakKeyDictionary[Port, _Wait] = WeakKeyDictionary()
        opener = locked(self._serve, lock) if lock else self._serve
        again = "can be listened at again"
        self.link = Link(self.ports.reports, opener, address, _nothing, self._changed, again=again)

    def attach(self, unit: str, attached: Attached, *, many: bool = False) -> Port:
        """Make a port, whose unit is waited for once it is opened; see :class:`.kept.KeptLine`."""
        return Port(self, unit, attached, many=many)

    def why_silent(self, port: Port) -> str:
        """Why a port is not open, or was lost the last time; "" while all is well."""
        return self.link.last_error or self._wait(port).reason

    def tend(self) -> None:
        """Look after the callers as well; see :class:`.kept.KeptLine`."""
        now = asyncio.get_running_loop().time()
        if now - self._tended_at >= TEND_S:
            self._tended_at = now
            for conversation in list(self._callers):
                conversation.tend(now)
            for port in self.ports:
                self._wait(port).reports.sum_up()
        super().tend()

    def close(self) -> None:
        """Hang up, and take no calls any more."""
        super().close()
        callers, self._callers = self._callers, {}
        for caller in callers.values():
            caller.drop("the end")

    async def _serve(
        self, address: Address, _receive: Receive, _lost: Lost, _timeout: float
    ) -> ListeningServer:
        """Begin to listen; what comes, comes from those who call."""
        return await self._listen(address, self._accept)

    def _changed(self, is_open: bool) -> None:  # noqa: FBT001 - a callback
        if is_open:
            self.link.proven()
            return
        # Somebody else is to have the address, with all who call there.
        served = [port for port in self.ports if port.is_open]
        self.close()
        for port in served:
            self._wait(port).reason = "it has not called again yet"
            port.line_lost()
            port.conversation = None

    def _joined(self, port: Port) -> None:
        if port.is_open:  # it was away for a while only
            port.line_opened()
        else:
            self._offer()

    async def _attempted(self, port: Port) -> None:
        while not port.is_open:
            self._called.clear()
            await self._called.wait()

    # -- callers ---------------------------------------------------------------------------

    def _accept(self, line: Line) -> tuple[Receive, Lost]:
        """Somebody calls."""
        served = {port.conversation for port in self.ports}
        unknown = [caller for talk, caller in self._callers.items() if talk not in served]
        if len(unknown) >= MOST_UNKNOWN:
            unknown[0].drop("nothing that means anything before many others have called")
        caller = Caller(
            line,
            self._session(),
            self._deliver,
            self._lost,
            wall_ns=self._wall_ns,
            reports=self.ports.reports,
        )
        self._callers[caller.conversation] = caller
        caller.conversation.opened(self._resync)
        self._offer()
        return caller.conversation.received, caller.lost

    def _deliver(
        self, conversation: Conversation, events: list[Event], size: int, now: float
    ) -> None:
        caller = self._callers.get(conversation)
        if caller is None:  # it was hung up on
            return
        valid = [event for event in events if type(event) not in (Garbled, Unfit)]
        for event in valid:
            port = self.ports.of(event.unit)
            if port is not None and port.conversation is not conversation:
                self._connect(port, caller)
        if not valid:
            caller.noise(size)
        self.ports.deliver(conversation, events, size, now)

    def _connect(self, port: Port, caller: Caller) -> None:
        """The unit of a port is at the other end of a call."""
        former = self._callers.get(port.conversation) if port.conversation else None
        if former is not None:
            port.line_lost()
        port.conversation = caller.conversation
        self._wait(port).over()
        port.line_opened()
        self._called.set()
        if former is not None and not self._served(former):
            former.drop("the unit has called anew")

    def _lost(self, caller: Caller, reason: str, *, by_us: bool) -> None:
        """A call is over."""
        if self._callers.pop(caller.conversation, None) is None:  # all is over
            return
        served = self._served(caller)
        for port in served:
            self._wait(port).begin(reason, tell=not caller.excused)
            port.line_lost()
            port.conversation = None
        if by_us and caller.unproven is not None and not served:
            text = "%s has called, and is hung up on: %s"
            self.ports.reports.say(
                log, logging.WARNING, "caller", text, caller, reason, most=MOST_TOLD
            )
        self._offer()

    def _offer(self) -> None:
        """Who is the only one to be called takes the latest caller, before that says a word."""
        ports = list(self.ports)
        if len(ports) == 1 and not ports[0].is_open and self._callers:
            self._connect(ports[0], list(self._callers.values())[-1])

    def _served(self, caller: Caller) -> list[Port]:
        """The ports whose units have called by it."""
        return [port for port in self.ports if port.conversation is caller.conversation]

    def _wait(self, port: Port) -> _Wait:
        wait = self._waits.get(port)
        if wait is None:
            wait = self._waits[port] = _Wait(port.attached.name)
        return wait


class _Wait:
    """That a unit is waited for: why, and whether it was told.

    Attributes:
        reason: Why it cannot be asked; "" while it can.
        reports: Where what is worth a message goes.
    """

    def __init__(self, name: str) -> None:
        self.reason = "it has not called yet"
        self.reports = Reports(name)
        self._told = False

    def begin(self, reason: str, *, tell: bool) -> None:
        self.reason = reason
        if not tell:
            return
        text = "%s; waiting until it calls again"
        self._told |= self.reports.say(log, logging.WARNING, "loss", text, reason, most=MOST_TOLD)

    def over(self) -> None:
        self.reason = ""
        if self._told:
            self._told = False
            log.info("%s: calls again", self.reports.name)


def _nothing(_data: bytes) -> None:
    """Nothing comes over what listens."""
