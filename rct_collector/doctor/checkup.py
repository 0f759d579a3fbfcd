"""An examination on a real line: one like those that are collected from, with lock and recovery."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from rct_collector.config import DeviceConfig
from rct_collector.device.options import Options
from rct_collector.doctor.examiner import Examiner
from rct_collector.doctor.figures import Figures, Trouble
from rct_collector.doctor.listener import Listener
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Ask, Event, Query
from rct_collector.errors import TransportError
from rct_collector.lines.reconnect import CONNECT_TIMEOUT
from rct_collector.receipt import Receipt
from rct_collector.transport import Address, Line, is_dialled_in, is_recorded
from rct_collector.transport.base import Lost, Receive

#: A unit that closes the line so many times before it answers anything does not want us.
MOST_REFUSALS = 3

#: A line of which it is not known what it speaks is probed for so long, in seconds; then nobody is
#: there who speaks what the family does.
MOST_PROBING_S = 25.0


class Checkup:
    """Examines one device; what is attached to its line, see :class:`.lines.port.Attached`.

    Attributes:
        name: Configured name.
    """

    def __init__(
        self, config: DeviceConfig, seconds: float, options: Options | None = None
    ) -> None:
        """Do nothing yet.

        Args:
            config: The device.
            seconds: How long it may take.
            options: Transports, clock and lock.
        """
        options = options or Options()
        self.name = config.name
        self._config = config
        self._clock = options.clock
        self._opener = options.opener
        self._seconds = seconds
        family = load_driver(config.driver)
        self._talks = family.polled is None
        self._examiner: Examiner | Listener
        if self._talks:
            config = config.alone  # a portal would acknowledge what is not taken over
            self._examiner = Listener(config, family.tools().hearing(), seconds)
        else:
            self._examiner = Examiner(config, family, seconds)
        # Who is not acknowledged hangs up by and by, and calls again: no fault of the line.
        self._calls_again = self._talks and is_dialled_in(config.address)
        many = family.pushed is not None and family.pushed.many
        self._line = replace(options, opener=self._open).line(config)
        self._port = self._line.attach(config.unit, self, many=many)
        self._woken = asyncio.Event()
        self._refusal: TransportError | None = None
        self._trouble: Trouble | None = None
        self._defect: Exception | None = None
        self._hangups, self._reason = 0, ""
        self._now: Callable[[], float] = lambda: 0.0
        self._result: Figures | None = None

    async def run(self) -> None:
        """Examine; what is found can be had from :meth:`figures`, also after a cancellation."""
        self._now = asyncio.get_running_loop().time
        end = self._now() + self._seconds
        dialled_in = is_dialled_in(self._config.address)
        timeout = self._seconds if dialled_in else CONNECT_TIMEOUT
        async with self._line.open(self._port, timeout):
            try:
                await self._examine(end)
            finally:
                self._result = self.figures()

    def figures(self) -> Figures:
        """Everything so far, or up to the end."""
        return self._result or self._examiner.figures(
            self._now(),
            trouble=self._trouble,
            hangups=self._hangups,
            hangup_reason=self._reason,
            calls=self._line.calls,
        )

    def progress(self) -> str:
        """How far it has come, in words."""
        return self._examiner.progress(self._now()) if self._port.is_open else "connecting"

    async def _examine(self, end: float) -> None:
        """Ask what the examiner wants to know, until it has finished.

        Args:
            end: When a line that is lost is not waited for any more.
        """
        if not self._port.opened:
            self._trouble = self._why_not()
            return
        self._examiner.begin(self._now())
        async with self._until_the_end_of_a_file():
            await self._talk(end)

    async def _talk(self, end: float) -> None:
        while self._port.is_open or self._now() < end:
            self._woken.clear()
            wake = self._go_on(end)
            if self._examiner.finished or self._trouble is not None:
                return
            await _until(self._woken, wake, self._now)
            if self._defect is not None:
                raise self._defect

    def _go_on(self, end: float) -> float:
        """Do what is due; returns when to go on if nothing happens before."""
        now = self._now()
        if not self._port.is_open:
            if not self._examiner.heard and self._hangups >= MOST_REFUSALS:
                self._trouble = Trouble("closed", self._port.last_error)
                return now
            return end
        if self._talks:
            return self._examiner.next(now)[1]
        if not self._port.take_turn():  # the line finds out what it may be trusted with
            limit = min(self._examiner.begun + MOST_PROBING_S, end)
            if now >= (end if self._examiner.heard else limit):
                self._examiner.give_up(now)
                return now
            return end if self._examiner.heard else limit
        query, wake = self._examiner.next(now)
        for lost in self._examiner.abandoned():
            self._port.abandon(Ask(lost, self._port.unit))
        if query is None:
            return wake
        self._ask(query, now)
        return now

    def _ask(self, query: Query, now: float) -> None:
        argument = None
        if query.argument is not None:
            argument = query.argument(self._clock.wall(), self._config.timezone)
        self._port.ask(Ask(query, self._port.unit, argument), now)

    def _why_not(self) -> Trouble:
        """Why the line was not opened."""
        if self._line.refusal is not None:
            return Trouble("busy", str(self._line.refusal))
        if self._refusal is not None:
            return Trouble(self._refusal.kind, str(self._refusal))
        text = self._port.last_error or "nobody has dialled in"
        if is_dialled_in(self._config.address):
            return Trouble("uncalled" if self._line.link.is_open else "other", text)
        return Trouble("timeout", text)

    @asynccontextmanager
    async def _until_the_end_of_a_file(self) -> AsyncIterator[None]:
        """Nothing more comes of a recording that was read; lines have no end."""
        ended = self._line.ended
        if ended is None:
            yield
            return

        async def wait() -> None:
            await ended.wait()
            self._examiner.give_up(self._now())
            self._woken.set()

        waiting = asyncio.create_task(wait())
        try:
            yield
        finally:
            waiting.cancel()

    # -- what the line tells -----------------------------------------------------------------

    def line_opened(self) -> None:
        """The unit can be asked."""
        self._woken.set()

    def line_lost(self) -> None:
        """The line is gone, and will be opened again."""
        if self._port.opened and self._result is None and not self._calls_again:
            self._hangups += 1
            before, self._reason = self._reason, self._port.last_error
            # Once may be: another one of its kind may be tried next.
            if self._line.link.rejection and self._reason == before:
                self._trouble = Trouble("unfit", self._reason)
            self._examiner.line_lost(self._now())
            self._woken.set()

    def hear(
        self, events: Sequence[Event], now: float, *, stale: bool, receipt: Receipt | None = None
    ) -> None:
        """Something came of the unit, which is not taken over; but of a recording it is."""
        if receipt is not None and not is_recorded(self._config.address):
            receipt.lose()
        self._examiner.hear(events, now, self._clock.wall())
        self._woken.set()

    def turn_came(self) -> None:
        """The line may be trusted."""
        self._woken.set()

    def failed(self, error: Exception) -> None:
        """It was this that could not be done."""
        self._defect = error
        self._woken.set()

    async def _open(self, address: Address, receive: Receive, lost: Lost, timeout: float) -> Line:
        """Open the line, and hear all that comes over it, whatever it is."""

        def heard(data: bytes) -> None:
            self._examiner.listen(data)
            receive(data)

        try:
            return await self._opener(address, heard, lost, timeout)
        except TransportError as error:
            self._refusal = error
            self._reason = str(error) if self._hangups else ""
            raise


async def _until(event: asyncio.Event, moment: float, now: Callable[[], float]) -> None:
    """Wait for an event, but not longer than to a moment."""
    loop = asyncio.get_running_loop()
    timer = loop.call_at(max(moment, now()), event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
