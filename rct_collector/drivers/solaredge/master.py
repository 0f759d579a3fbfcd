"""The master of a bus (RS485): lets each unit speak in turn, and hears when it has done.

A unit speaks when it is granted the bus, posts what it has, waits for the acknowledgements, and
releases the bus with the number of the grant. This knows whose turn it is and when the next one
begins; :mod:`.bus` puts it together with what is said.

Time is told, in seconds of any clock that only goes forward.

Sources: the grants and releases that are known in public, and what owners have seen on their buses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rct_collector.drivers.solaredge import request
from rct_collector.drivers.solaredge.frame import Frame
from rct_collector.drivers.solaredge.functions import GRANT, READ_STATUS, RELEASE

#: A unit that was granted the bus is waited for so long, in seconds, from its last frame on.
TIMEOUT_S = 10.0

#: One that goes on and on has the bus so many times as long, at most.
LONGEST_TURN = 6

#: So long after a round the next one begins, in seconds.
INTERVAL_S = 5.0

#: Before the first grant it is listened for so long, in seconds, whether somebody else is master:
#: an inverter that is one asks its slaves about once a second.
LISTEN_S = 3.0

#: A unit that was silent in this many turns is let speak less often: after twice as long each time,
#: up to so many seconds. By night units do not answer, and each turn costs the others a time-out.
PATIENCE = 2
LONGEST_PAUSE_S = 300.0

#: Grants of our own that an adapter may still throw back.
_ECHOES = 4


@dataclass(slots=True)
class _Unit:
    """A unit that is let speak."""

    address: int
    silent: int = 0
    not_before: float = -math.inf


class Master:
    """Whose turn it is.

    Attributes:
        granted: Address of the unit that has the bus; None while nobody has.
    """

    def __init__(
        self, units: Sequence[int], *, timeout_s: float = TIMEOUT_S, interval_s: float = INTERVAL_S
    ) -> None:
        """Listen first.

        Args:
            units: Addresses, in the order in which they are let speak.
            timeout_s: How long a unit is waited for.
            interval_s: How long after a round the next one begins.
        """
        self.granted: int | None = None
        self._timeout_s = timeout_s
        self._interval_s = interval_s
        self._units = [_Unit(address) for address in units]
        self.reset()

    def reset(self) -> None:
        """The line is another one: listen first."""
        self.granted = None
        self._sequence = 0
        self._sent: list[int] = []
        self._begun = False
        self._next = 0
        self._due = -math.inf
        self._end = math.inf
        self._spoke = False
        self._released = False

    def next_due(self) -> float:
        """When :meth:`pull` is to be called next; long ago for at once."""
        return self._due

    def pull(self, now: float) -> bytes:
        """Go on.

        Args:
            now: Seconds.

        Returns:
            A grant to be sent; nothing where it is to be waited.
        """
        if not self._begun:
            self._begun, self._due = True, now + LISTEN_S
            # So that what somebody was granted before we came is not taken for ours.
            self._sequence = int(now * 10) & 0xFFFF
            return b""
        if self._released:
            self._turn_over(now)
        elif self.granted is not None:
            if self._spoke:  # it has more to say
                self._spoke = False
                self._due = min(now + self._timeout_s, self._end)
            if now < self._due:
                return b""
            self._turn_over(now)
        return self._grant(now) if now >= self._due else b""

    def heard(self, frame: Frame) -> str:
        """Somebody said something; :meth:`pull` may have to be called now.

        Returns:
            Why we cannot be the master here, in words; "" for no reason.
        """
        if frame.function in (GRANT, READ_STATUS):
            ours = frame.source == request.SERVER and frame.sequence in self._sent
            if ours and frame.function == GRANT:
                return ""
            return (
                f"the bus has a master already: {frame.source:08X} lets {frame.destination:08X}"
                " speak; give the address mode=passive, or end that one's being master"
            )
        if frame.source == self.granted:
            self._spoke = True
            if frame.function == RELEASE and frame.sequence == self._sequence:
                self._released = True
            self._due = -math.inf
        for unit in self._units:
            if unit.address == frame.source:
                unit.silent, unit.not_before = 0, -math.inf
        return ""

    def _turn_over(self, now: float) -> None:
        """The unit has released the bus, or is not waited for any more."""
        unit = self._units[self._next]
        if not self._released:
            unit.silent += 1
            pause = self._interval_s * 2 ** min(unit.silent - PATIENCE, 16)
            unit.not_before = now + min(pause, LONGEST_PAUSE_S) if unit.silent >= PATIENCE else now
        self.granted, self._released, self._spoke = None, False, False
        self._next += 1
        self._due = now

    def _grant(self, now: float) -> bytes:
        """Let the next one speak whose pause is over; behind the last one there is a pause."""
        while self._next < len(self._units):
            unit = self._units[self._next]
            if unit.not_before <= now:
                self.granted = unit.address
                self._sequence = self._sequence % 0xFFFF + 1
                self._sent = [*self._sent, self._sequence][-_ECHOES:]
                self._due = now + self._timeout_s
                self._end = now + LONGEST_TURN * self._timeout_s
                return request.grant(unit.address, self._sequence)
            self._next += 1
        self._next = 0
        self._due = now + self._interval_s
        return b""
