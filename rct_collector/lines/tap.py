"""A tap on a line: tells an observer what goes over it, in both directions, with times.

It wraps the opener of any transport, so that nothing above notices::

    device ── tap ── transport ── wire
               └── observer

Bytes sent are told when they are handed to the transport, bytes received when it hands them on;
with TCP that is within a millisecond of the wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rct_collector.lines.around import LineAround
from rct_collector.transport.address import Address
from rct_collector.transport.base import (
    Accept,
    Ends,
    Line,
    Listen,
    ListeningServer,
    Lost,
    Opener,
    Receive,
)

#: Tells the time in nanoseconds since 1970.
ClockNs = Callable[[], int]


class Observer(Protocol):
    """Is told what goes over one line. Times are in nanoseconds since 1970; nothing may raise."""

    def sent(self, time_ns: int, data: bytes) -> None:
        """Bytes went to the device."""

    def received(self, time_ns: int, data: bytes) -> None:
        """Bytes came from the device."""

    def closed(self, time_ns: int, *, by_us: bool) -> None:
        """The line is at its end; nothing follows."""


#: Called for each line that was opened: time at which opening began, time at which it was
#: open, its ends if it has any → its observer.
Observe = Callable[[int, int, Ends | None], Observer]


class _Tap(LineAround):
    """An open line with its observer."""

    def __init__(self, receive: Receive, lost: Lost, clock: ClockNs) -> None:
        super().__init__()
        self._receive = receive
        self._lost = lost
        self._clock = clock
        self._observer: Observer | None = None
        self._early: list[Callable[[Observer], None]] = []
        self._over = False

    def begin(self, line: Line, observer: Observer) -> None:
        """The line is open; what came meanwhile is told now."""
        self.enclose(line)
        self._observer = observer
        for event in self._early:
            event(observer)
        self._early.clear()

    def hand_on(self, receive: Receive, lost: Lost) -> None:
        """From now on, what comes goes there: who takes a call gets the line before it says so."""
        self._receive, self._lost = receive, lost

    def send(self, data: bytes) -> None:
        if self._line is None or self._over:
            return
        now = self._clock()
        self._tell(lambda observer: observer.sent(now, data))
        self._line.send(data)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self._end(by_us=True)

    def received(self, data: bytes) -> None:
        now = self._clock()
        self._tell(lambda observer: observer.received(now, data))
        self._receive(data)

    def lost(self, reason: str) -> None:
        self._end(by_us=False)
        self._lost(reason)

    def _end(self, *, by_us: bool) -> None:
        if not self._over:
            self._over = True
            now = self._clock()
            self._tell(lambda observer: observer.closed(now, by_us=by_us))

    def _tell(self, event: Callable[[Observer], None]) -> None:
        if self._observer is None:
            self._early.append(event)
        else:
            event(self._observer)


def tapped(opener: Opener, observe: Observe, clock: ClockNs) -> Opener:
    """The same opener with a tap on every line that it opens.

    Args:
        opener: Of any transport.
        observe: Gives the observer of each line.
        clock: Tells the times.
    """

    async def open_tapped(address: Address, receive: Receive, lost: Lost, timeout: float) -> Line:
        tap = _Tap(receive, lost, clock)
        began = clock()
        line = await opener(address, tap.received, tap.lost, timeout)
        ends: Ends | None = getattr(line, "ends", None)
        tap.begin(line, observe(began, clock(), ends))
        return tap

    return open_tapped


def tapped_calls(listen: Listen, observe: Observe, clock: ClockNs) -> Listen:
    """The same for devices that dial in: a tap on the line of every call.

    Args:
        listen: Of any transport.
        observe: Gives the observer of each line.
        clock: Tells the times.
    """

    async def listen_tapped(address: Address, accept: Accept) -> ListeningServer:
        def accept_tapped(line: Line) -> tuple[Receive, Lost]:
            tap = _Tap(_nothing, _nothing, clock)
            now, ends = clock(), getattr(line, "ends", None)
            tap.begin(line, observe(now, now, ends))
            tap.hand_on(*accept(tap))
            return tap.received, tap.lost

        return await listen(address, accept_tapped)

    return listen_tapped


def _nothing(_said: object) -> None:
    """Nobody has taken the call yet."""
