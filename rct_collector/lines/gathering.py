"""A line that any number of units dial in to, all of one device: nobody has to be configured.

A unit is known by what it says, and one caller may bring several. A unit that calls anew takes the
place of its own former connection, and of no other. Calls are bounded by a number, and by the files
that the process may open; a stranger makes room for the next who calls, and who says nothing that
means anything for long is hung up on, whoever it was.
"""

from __future__ import annotations

import logging
from functools import cached_property

from rct_collector.drivers.base import Event, Fault, Garbled, Record, Reply, Unfit
from rct_collector.lines.callers import CalledLine, Caller
from rct_collector.lines.kept import Calls
from rct_collector.lines.port import Attached, Port
from rct_collector.process import descriptors
from rct_collector.transport import Address, Line, ListeningServer
from rct_collector.transport.base import Lost, Receive

log = logging.getLogger(__name__)

#: Calls at a time: a large plant, and half as many again.
MOST_CALLS = 1536

#: File descriptors that are left to the rest of the process.
RESERVE = 32

#: Units that one caller may speak for: those on the buses behind a gateway, and not any that
#: somebody invents.
MOST_BEHIND = 128

#: Without anything valid for so many seconds a caller is hung up on: it calls again when it has
#: something to say.
MOST_IDLE_S = 1800.0


class GatheringLine(CalledLine):
    """All units that dial in to one address, for one device; see :class:`.kept.KeptLine`."""

    _most = MOST_CALLS
    _rejected = 0
    _reason = "nobody has called yet"

    @property
    def calls(self) -> Calls:
        """Who dials in."""
        return Calls(len(self._callers), self._rejected)

    def attach(self, unit: str, attached: Attached, *, many: bool = False) -> Port:
        """Make a port for all who call; see :class:`.kept.KeptLine`."""
        return Port(self, unit, attached, many=many)

    def why_silent(self, _port: Port) -> str:
        """Why nobody is there, or "" while anybody is."""
        return self.link.last_error or self._reason

    def close(self) -> None:
        """Hang up, and take no calls any more."""
        super().close()
        self._unknown.clear()
        self._by_unit.clear()

    @cached_property
    def _unknown(self) -> dict[Caller, None]:
        """Callers that have said nothing that means anything, in the order of their calls."""
        return {}

    @cached_property
    def _by_unit(self) -> dict[str, Caller]:
        """Unit → where it has called last."""
        return {}

    async def _serve(
        self, address: Address, receive: Receive, lost: Lost, timeout: float
    ) -> ListeningServer:
        server = await super()._serve(address, receive, lost, timeout)
        used, limit = descriptors()
        self._most = int(min(MOST_CALLS, max(limit - used - RESERVE, 1)))
        return server

    def _joined(self, port: Port) -> None:
        self._connect(port)

    def _away(self, port: Port, reason: str) -> None:
        self._reason = reason
        port.line_lost()
        port.conversation = None

    def _tend(self, now: float) -> None:
        for caller in list(self._callers.values()):
            if caller.unproven is None and now - caller.conversation.answered_at > MOST_IDLE_S:
                caller.drop(f"nothing within {MOST_IDLE_S / 60:.0f} min that means anything")

    # -- callers ---------------------------------------------------------------------------

    def _accept(self, line: Line) -> tuple[Receive, Lost]:
        if len(self._callers) >= self._most:
            stranger = next(iter(self._unknown), None)
            if stranger is None:
                line.close()
                self._refuse("one more", f"there are {self._most} already; {self._remedy()}")
                return _nobody, _nobody
            stranger.drop("nothing that means anything before many others have called")
        caller = self._take_call(line)
        self._unknown[caller] = None
        return caller.conversation.received, caller.lost

    def _remedy(self) -> str:
        """What would let more units call."""
        if self._most == MOST_CALLS:
            return "let the rest call another address, of another device"
        return "raise the limit of open files, with LimitNOFILE in its systemd service or ulimit -n"

    def _admitted(self, caller: Caller, events: list[Event]) -> list[Event]:
        """Leave out what is said of more units than a caller may speak for."""
        named = {event.unit for event in events if type(event) not in (Garbled, Unfit)}
        if named <= caller.named:
            return events
        for event in events:
            if event.unit in named and len(caller.named) < MOST_BEHIND:
                caller.named.add(event.unit)
        excess = named - caller.named - {""}
        return _without(events, excess, str(caller)) if excess else events

    def _heard(self, caller: Caller, valid: list[Event]) -> None:
        self._unknown.pop(caller, None)
        for unit in _speakers(valid):
            if self._by_unit.get(unit) is not caller:
                self._has_called(unit, caller)

    def _has_called(self, unit: str, caller: Caller) -> None:
        """A unit is at the other end of a call, for the first time over this one."""
        former = self._by_unit.get(unit)
        caller.units.add(unit)
        self._by_unit[unit] = caller
        self._reason = ""
        for port in self.ports:
            port.opened += port.is_open
            self._connect(port)
        if former is not None:
            former.units.discard(unit)
            if not former.units:
                former.drop("the unit has called anew")

    def _connect(self, port: Port) -> None:
        """Have a port at one of the calls, if there are any: it is open as long as there are."""
        caller = next(iter(self._by_unit.values()), None)
        if caller is not None and not port.is_open:
            port.conversation = caller.conversation
            port.line_opened()
            self._called.set()

    def _lost(self, caller: Caller, reason: str, *, by_us: bool) -> None:
        if self._callers.pop(caller.conversation, None) is None:  # all is over
            return
        self._unknown.pop(caller, None)
        for unit in caller.units:
            if self._by_unit.get(unit) is caller:
                del self._by_unit[unit]
        heir = next(iter(self._by_unit.values()), None)
        for port in self.ports:
            if port.conversation is caller.conversation:
                if heir is None:
                    self._away(port, reason)
                else:
                    port.conversation = heir.conversation
        if by_us and caller.unproven is not None:
            self._refuse(caller, reason)

    def _refuse(self, who: object, reason: str) -> None:
        self._rejected += 1
        self._turned_away(who, reason)


def _speakers(events: list[Event]) -> set[str]:
    """Who is at the other end, of what was said: what one unit tells of another one is no call."""
    asking = {event.unit for event in events if type(event) is Reply}
    return (asking - {""}) or {event.unit for event in events} - {""}


def _without(events: list[Event], excess: set[str], caller: str) -> list[Event]:
    """Events without those of some units, and without replies that would acknowledge them."""
    reason = f"{caller} speaks for more than {MOST_BEHIND} units: the rest is left out"
    left: list[Event] = []
    is_withheld = False
    for event in events:
        if event.unit in excess:
            is_withheld = type(event) is Record or is_withheld
            left.append(Garbled(Fault.FOREIGN, reason=reason))
        elif type(event) is not Reply or not is_withheld:
            left.append(event)
        if type(event) is Reply:
            is_withheld = False
    return left


def _nobody(_said: object) -> None:
    """Nobody listens to who was refused."""
