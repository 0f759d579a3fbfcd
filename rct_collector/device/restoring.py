"""The past of a unit while its rounds go on: gaps are filled, and events are told.

After a round, when the line is quiet, the memory is asked one thing at most, see
:meth:`Restoring.step`. Where others are on the line, or where haste loses answers, that is less
often: they are to be answered as before, and where somebody always is on the line, the past is
restored all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import tzinfo
from typing import Protocol

from rct_collector.config import DeviceConfig
from rct_collector.device.backfill import Backfill
from rct_collector.device.clock import Clock
from rct_collector.device.coverage import Coverage, Keeps, SlotRange
from rct_collector.device.happenings import Happenings
from rct_collector.device.polling.exchange import LEAST_ASIDE_S, Exchange
from rct_collector.device.publisher import Publisher
from rct_collector.drivers.base import Ask, History, Refused
from rct_collector.errors import TransportError
from rct_collector.model import GapOrder, Series, Value
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

#: Where others are on the line, or haste loses answers, or rounds are short, the memory is asked in
#: one round of so many.
SELDOM = 3

#: So much of a round's time is left to a question, in seconds.
ASIDE_S = 1.0

#: Rounds of fewer seconds are short: if each gave so much away, slower classes would never come.
SHORT_S = 3.0


class Reads(Protocol):
    """Wants something of the memory."""

    def forget(self) -> None:
        """Another unit answers, or the clock was set: what was begun is void."""

    def wants(self, now: float) -> Ask | None:
        """What is to be asked now, of no unit yet, if anything is.

        Args:
            now: Monotonic seconds.
        """

    def take(self, value: object, now: float) -> None:
        """Take the answer to what was wanted."""

    def in_vain(self, now: float, *, refused: bool) -> None:
        """There was none, or the unit refuses it."""


class Restoring:
    """What one unit remembers, handed over as far as it is missing.

    Attributes:
        aside_s: Seconds at the end of the next round that are wanted for a question.
    """

    def __init__(
        self,
        memory: History,
        exchange: Exchange,
        publisher: Publisher,
        *,
        config: DeviceConfig,
        order: GapOrder,
        keeps: Keeps | None,
        wanted: Callable[[Series], bool],
        has: Callable[[str], bool | None],
        clock: Clock,
        reports: Reports,
    ) -> None:
        """Begin with what an earlier run has kept.

        Args:
            memory: How the family's memory is read.
            exchange: Asks the unit.
            publisher: Takes what is restored.
            config: The device's options.
            order: Which gap comes first.
            keeps: Where it is kept what is covered; None for nowhere.
            wanted: Whether the user wants a series.
            has: Condition → whether the unit has the part; None while that is not known.
            clock: Wall clock.
            reports: Where what is worth a message goes.
        """
        self._exchange = exchange
        self._clock = clock
        now = asyncio.get_running_loop().time()
        self._coverage = Coverage(config.name, keeps, wall=clock.wall(), now=now)
        zone: tzinfo | None = config.timezone
        self._happenings = [
            Happenings(
                memory,
                query,
                self._coverage,
                send=publisher.send_apart,
                since_s=config.history.since,
                wanted=wanted,
                zone=zone,
                clock=clock,
            )
            for query, kept in memory.kept.items()
            if kept.events and config.history.events
        ]
        backfill = Backfill(
            memory,
            self._coverage,
            restore=publisher.restore,
            options=config.history,
            order=order,
            wanted=wanted,
            has=has,
            zone=zone,
            clock=clock,
            reports=reports,
        )
        self._readers: tuple[Reads, ...] = (*self._happenings, backfill)
        self._is_hasty = config.intervals.fast < SHORT_S
        self._wait = 0
        self.aside_s = 0.0  # all is asked for once after a start, and that comes first

    def followed(self, spans: Iterable[SlotRange], events_to_ns: int) -> None:
        """What need not be restored; see :meth:`.coverage.Coverage.followed`."""
        self._coverage.followed(spans, events_to_ns)

    def receipt(self, wall: float) -> Receipt | None:
        """A receipt for the round of a time, if it is the first of its slot; else None."""
        if wall in self._coverage:
            return None

        def settled(taken: bool) -> None:  # noqa: FBT001 - a callback
            if taken:
                self._coverage.handed_over(wall)

        receipt = Receipt()
        receipt.then(settled)
        return receipt

    def forget(self) -> None:
        """Another unit answers now."""
        for reader in self._readers:
            reader.forget()

    def noticed(self, faults: Sequence[Value | None]) -> None:
        """What is known of faults after a round; see :meth:`.happenings.Happenings.noticed`."""
        for reader in self._happenings:
            reader.noticed(faults)

    def tick(self) -> None:
        """A round is over, whatever it brought."""
        if self._coverage.tick(self._clock.wall(), asyncio.get_running_loop().time()):
            self.forget()

    async def step(self, seconds: float) -> None:
        """Ask the memory one thing, if anything is wanted of it; the unit has just answered.

        Args:
            seconds: How long it may take.
        """
        loop = asyncio.get_running_loop()
        seldom = self._is_hasty or self._exchange.is_busy(loop.time())
        self._wait = self._wait - 1 if seldom else 0
        if self._wait <= 0 and (wanted := self._wanted(loop.time())) is not None:
            self._wait = SELDOM  # whether there was time or not, what waits for it goes on
            if seconds >= LEAST_ASIDE_S:
                await self._ask(*wanted, seconds)
        self.aside_s = ASIDE_S if self._wait <= 1 and self._wanted(loop.time()) else 0.0

    def _wanted(self, now: float) -> tuple[Reads, Ask] | None:
        """Who wants something, and what."""
        for reader in self._readers:
            ask = reader.wants(now)
            if ask is not None:
                return reader, ask
        return None

    async def _ask(self, reader: Reads, ask: Ask, seconds: float) -> None:
        loop, inquiry = asyncio.get_running_loop(), self._exchange.inquiry
        asked = inquiry.asked
        try:
            answer = await self._exchange.aside(ask, seconds)
        except TransportError:
            if inquiry.asked != asked:  # while the line is another unit's, nothing is asked
                reader.in_vain(loop.time(), refused=False)
            return
        if isinstance(answer, Refused):
            reader.in_vain(loop.time(), refused=True)
        else:
            reader.take(answer.value, loop.time())

    def close(self) -> None:
        """Have written what is new, for nothing will come any more."""
        self._coverage.close()
