"""Who has called a line that is dialled in to, and what all such lines have in common.

Each caller is a line of its own, with a session of its own. Who says nothing that means anything is
a stranger, and bounded in number, in bytes and in time.
"""

from __future__ import annotations

import asyncio
import logging
import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

from rct_collector.drivers.base import Event, Garbled, Resync, Session, Unfit
from rct_collector.lines.conversation import Conversation, Deliver
from rct_collector.lines.kept import KeptLine
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.lines.port import Port
from rct_collector.lines.reconnect import Link
from rct_collector.reports import Reports
from rct_collector.transport import Address, Line, Listen, ListeningServer
from rct_collector.transport.base import Lost, Receive

log = logging.getLogger(__name__)

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
        units: Those that have called by it, where a device takes many.
        named: Those that it has spoken for, itself or others, where a device takes many.
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
        sent: Callable[[str, int], object],
    ) -> None:
        """Take a call.

        Args:
            line: The connection.
            session: Its own.
            deliver: Takes what comes.
            lost: Called once when it is at its end.
            wall_ns: Tells the time, in nanoseconds since the epoch.
            reports: Where what is worth a message goes.
            sent: See :class:`.conversation.Conversation`.
        """
        self.is_open = True
        self.excused = False
        self.unproven: int | None = 0
        self.units: set[str] = set()
        self.named: set[str] = set()
        self.conversation = Conversation(
            session, deliver, wall_ns=wall_ns, reports=reports, sent=sent
        )
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


class CalledLine(KeptLine):
    """A line that others dial in to; see :class:`.kept.KeptLine`."""

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
        opener = locked(self._serve, lock) if lock else self._serve
        again = "can be listened at again"
        self.link = Link(self.ports.reports, opener, address, _nothing, self._changed, again=again)

    def tend(self) -> None:
        """Look after the callers as well; see :class:`.kept.KeptLine`."""
        now = asyncio.get_running_loop().time()
        if now - self._tended_at >= TEND_S:
            self._tended_at = now
            for conversation in list(self._callers):
                conversation.tend(now)
            self._tend(now)
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
            self._away(port, "it has not called again yet")

    async def _attempted(self, port: Port) -> None:
        while not port.is_open:
            self._called.clear()
            await self._called.wait()

    def _take_call(self, line: Line) -> Caller:
        """Somebody calls, and is listened to."""
        caller = Caller(
            line,
            self._session(),
            self._deliver,
            self._lost,
            wall_ns=self._wall_ns,
            reports=self.ports.reports,
            sent=self.ports.sent,
        )
        self._callers[caller.conversation] = caller
        caller.conversation.opened(self._resync)
        return caller

    def _turned_away(self, who: object, reason: str) -> None:
        """Somebody was hung up on who is none of ours, as far as is known."""
        text = "%s has called, and is hung up on: %s"
        self.ports.reports.say(log, logging.WARNING, "caller", text, who, reason, most=MOST_TOLD)

    @abstractmethod
    def _accept(self, line: Line) -> tuple[Receive, Lost]:
        """Somebody calls."""

    def _deliver(
        self, conversation: Conversation, events: list[Event], size: int, now: float
    ) -> None:
        """A caller has said something."""
        caller = self._callers.get(conversation)
        if caller is None:  # it was hung up on
            return
        events = self._admitted(caller, events)
        valid = [event for event in events if type(event) not in (Garbled, Unfit)]
        if valid:
            self._heard(caller, valid)
        else:
            caller.noise(size)
        self.ports.deliver(conversation, events, size, now)

    def _admitted(self, _caller: Caller, events: list[Event]) -> list[Event]:
        """What of all that a caller says is listened to."""
        return events

    @abstractmethod
    def _heard(self, caller: Caller, valid: list[Event]) -> None:
        """A caller has said something that means anything: who is it?"""

    @abstractmethod
    def _lost(self, caller: Caller, reason: str, *, by_us: bool) -> None:
        """A call is over."""

    @abstractmethod
    def _away(self, port: Port, reason: str) -> None:
        """Nobody whom a port stands for is on the line any more."""

    def _tend(self, _now: float) -> None:
        """Look after what else there is."""


def _nothing(_data: bytes) -> None:
    """Nothing comes over what listens."""
