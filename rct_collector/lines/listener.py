"""A line that units dial in to, each a device of its own: whoever calls is known by what it says.

Nothing can be done about a unit that does not call but to wait. A caller is told which unit it is
by the first event that names one. A unit that calls again takes the place of its old connection,
which is half-open most of the time.
"""

from __future__ import annotations

import logging
from functools import cached_property
from weakref import WeakKeyDictionary

from rct_collector.drivers.base import Event
from rct_collector.lines.callers import MOST_TOLD, CalledLine, Caller
from rct_collector.lines.port import Attached, Port
from rct_collector.reports import Reports
from rct_collector.transport import Line
from rct_collector.transport.base import Lost, Receive

log = logging.getLogger(__name__)

#: Callers that may be unknown at a time; one more takes the place of the oldest.
MOST_UNKNOWN = 8


class ListeningLine(CalledLine):
    """Units that dial in to one address, each a device of its own; see :class:`.kept.KeptLine`."""

    def attach(self, unit: str, attached: Attached, *, many: bool = False) -> Port:
        """Make a port, whose unit is waited for once it is opened; see :class:`.kept.KeptLine`."""
        return Port(self, unit, attached, many=many)

    def why_silent(self, port: Port) -> str:
        """Why a port is not open, or was lost the last time; "" while all is well."""
        return self.link.last_error or self._wait(port).reason

    def _joined(self, port: Port) -> None:
        if port.is_open:  # it was away for a while only
            port.line_opened()
        else:
            self._offer()

    def _tend(self, _now: float) -> None:
        for port in self.ports:
            self._wait(port).reports.sum_up()

    def _away(self, port: Port, reason: str) -> None:
        self._wait(port).reason = reason
        port.line_lost()
        port.conversation = None

    # -- callers ---------------------------------------------------------------------------

    def _accept(self, line: Line) -> tuple[Receive, Lost]:
        """Somebody calls."""
        served = {port.conversation for port in self.ports}
        unknown = [caller for talk, caller in self._callers.items() if talk not in served]
        if len(unknown) >= MOST_UNKNOWN:
            unknown[0].drop("nothing that means anything before many others have called")
        caller = self._take_call(line)
        self._offer()
        return caller.conversation.received, caller.lost

    def _heard(self, caller: Caller, valid: list[Event]) -> None:
        for event in valid:
            port = self.ports.of(event.unit)
            if port is not None and port.conversation is not caller.conversation:
                self._connect(port, caller)

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
            self._turned_away(caller, reason)
        self._offer()

    def _offer(self) -> None:
        """Who is the only one to be called takes the latest caller, before that says a word."""
        ports = list(self.ports)
        if len(ports) == 1 and not ports[0].is_open and self._callers:
            self._connect(ports[0], list(self._callers.values())[-1])

    def _served(self, caller: Caller) -> list[Port]:
        """The ports whose units have called by it."""
        return [port for port in self.ports if port.conversation is caller.conversation]

    @cached_property
    def _waits(self) -> WeakKeyDictionary[Port, _Wait]:
        return WeakKeyDictionary()

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
