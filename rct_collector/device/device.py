"""One configured device: rounds on its schedule, over its line, into batches of samples.

This is where the clock and the line meet all that a unit may do. When a round begins is decided in
:mod:`.polling.schedule`, what is asked in it and what comes of that in :mod:`.polling.rounds`. What
a unit does besides lies beside it: what it sends unasked (:mod:`.units`), its memory
(:mod:`.history`), what of it is missing (:mod:`.restoring`), its settings (:mod:`.settings`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from rct_collector.config import DeviceConfig, Intervals
from rct_collector.device.consumers import Consumers
from rct_collector.device.options import Options
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.polling.plan import Choice, Plan, choice_of
from rct_collector.device.polling.rounds import Polling
from rct_collector.device.polling.schedule import Schedule
from rct_collector.device.publisher import Emit, Publisher
from rct_collector.device.state import COVERED, WRITTEN
from rct_collector.device.stats import Stats
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Driver, Event, Query, Record
from rct_collector.errors import TransportError
from rct_collector.lines.port import Port
from rct_collector.model import Batch, Health, PollClass, Series
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports
from rct_collector.tasks import Flag
from rct_collector.transport import manner

if TYPE_CHECKING:
    from rct_collector.device.history import HistoryReader
    from rct_collector.device.reading import Progress
    from rct_collector.device.receiving import Send
    from rct_collector.device.relaying import Relaying
    from rct_collector.device.restoring import Restoring
    from rct_collector.device.settings import Gate
    from rct_collector.device.units import Units

log = logging.getLogger(__name__)

#: A round ends this much before the next one, in seconds.
MARGIN_S = 0.25

#: How long the first round waits for the line before it counts as failed.
FIRST_CONNECT_S = 3.0


@lru_cache(maxsize=64)
def _seconds(intervals: Intervals) -> Mapping[PollClass, float]:
    """Seconds between the rounds of each class, once for all devices that say the same."""
    return {poll: intervals.seconds(poll) for poll in PollClass.POLLED}


class Device:
    """One configured device; :meth:`run` collects from it until cancelled.

    Attributes:
        name: Configured name.
        consumers: Who takes what it says.
        polling: What it is asked for in rounds.
        discovery: What it has; the polling's own, like the next one.
        exchange: What is asked and answered.
        units: Take what is sent unasked; None where its family sends nothing.
        rounds: Rounds that ended.
        settled: Set once the fast part of a first round was handed over, or failed.
    """

    __slots__ = (
        "_began_with",
        "_changes",
        "_clock",
        "_gate",
        "_hurry",
        "_is_answered",
        "_is_told",
        "_left_to",
        "_measured",
        "_next_at",
        "_options",
        "_plausibility",
        "_publisher",
        "_relay",
        "_restoring",
        "_schedule",
        "_spoken",
        "_state",
        "config",
        "consumers",
        "discovery",
        "driver",
        "exchange",
        "name",
        "polling",
        "reports",
        "rounds",
        "settled",
        "stats",
        "units",
    )  # fmt: skip - with more than 30, each would have a dict of its own for them

    def __init__(self, config: DeviceConfig, emit: Emit, options: Options | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            config: The device's options.
            emit: Takes the batches.
            options: What all devices share; those with the same ones share lines as well.
        """
        self._restoring: Restoring | None = None
        self._relay: Relaying | None = None
        self._gate: Gate | None = None
        self._left_to = ""
        self._is_told = False
        self._changes = 0
        options = options or Options()
        self.name = config.name
        self.config = config
        self.driver: Driver = load_driver(config.driver)
        self._clock = options.clock
        self.reports = Reports(config.name)
        self.consumers = Consumers(choice_of(config), emit)
        self.stats = Stats(self.wants)
        self._options = options
        self._state = options.memory(config)
        self._plausibility = Plausibility()
        self._schedule = Schedule(config.name, self._intervals(), aligned=options.aligned)
        self._publisher = Publisher(
            config.name,
            self.driver.vendor,
            tuple(sorted(config.labels.items())),
            self._schedule.interval,
            self.consumers,
            now=self._clock.wall(),
        )
        self.polling = Polling(
            config,
            self.driver,
            options.line(config),
            host=self,
            interval=self._schedule.interval,
            clock=self._clock,
            memory=self._state,
            plausibility=self._plausibility,
            publisher=self._publisher,
            stats=self.stats,
            reports=self.reports,
        )
        self.discovery = self.polling.discovery
        self.exchange = self.polling.exchange
        self.units = self._made_units(options)
        self._next_at = 0.0
        self._is_answered = False
        self._began_with: int | None = None
        if config.options.permission.names:  # what rounds tell is to be known to it
            self._gate = self._made_gate()
        self._hurry = Flag()
        self._spoken = Flag()
        self._measured = Flag()
        self.settled = Flag()
        self.rounds = 0

    def _intervals(self) -> Mapping[PollClass, float]:
        """Seconds between the rounds of each class; of a unit that is not asked, its heartbeat."""
        if self.driver.polled is None and self.driver.pushed is not None:
            return {PollClass.FAST: self.driver.pushed.heartbeat_s}
        return _seconds(self.config.intervals)

    def every(self, series: Series) -> float:
        """Seconds from one value of a series to the next, as far as it is known beforehand."""
        if self.driver.polled is None and self.driver.pushed is not None:
            return self._schedule.interval if series.metric.own else self.driver.pushed.record_s
        return self.polling.every(series)

    def _made_units(self, options: Options) -> Units | None:
        """What takes records that come unasked; None where the family sends none."""
        if self.driver.pushed is None:
            return None
        from rct_collector.device.units import Units

        return Units(
            self.driver.pushed,
            self._publisher,
            plausibility=self._plausibility,
            wanted=self.wants,
            stats=self.stats,
            reports=self.reports,
            doubt=options.doubt,
        )

    def reader(self, send: Send, wanted: Callable[[Series], bool]) -> HistoryReader:
        """What reads the memory of the unit for somebody.

        Args:
            send: Takes the values of one time.
            wanted: Which series.

        Raises:
            ValueError: The unit has no such memory.
        """
        memory = self.driver.history
        if memory is None:
            raise ValueError(f"{self.driver.title} units have no memory that can be read")
        from rct_collector.device.history import HistoryReader

        inquiry, zone = self.exchange.inquiry, self.config.timezone
        return HistoryReader(memory, inquiry, send, wanted=wanted, lacks=self._lacks, zone=zone)

    def _made_restoring(self) -> Restoring | None:
        """What restores what was missed; None where nobody wants it, or nothing is remembered."""
        memory, order = self.driver.history, self._options.restore
        if memory is None or not memory.kept or order is None:
            return None
        if self.config.history.backfill == "off":
            return None
        from rct_collector.device.restoring import Restoring

        found = Restoring(
            memory,
            self.exchange,
            self._publisher,
            config=self.config,
            order=order,
            keeps=self._options.memory(self.config, COVERED),
            wanted=self.wants,
            has=self.discovery.holds,
            clock=self._clock,
            reports=self.reports,
        )
        if self._relay is not None:
            found.followed(self._relay.spans, self._relay.events_to_ns)
        return found

    @property
    def settings(self) -> Gate | None:
        """The gate through which it may be set; None where its family cannot."""
        if self._gate is None:
            self._gate = self._made_gate()
        return self._gate

    def _made_gate(self) -> Gate | None:
        if not self.driver.settings:
            return None
        from rct_collector.device.journal import Journal
        from rct_collector.device.settings import Gate

        file, confirm = self._options.file(self.config, WRITTEN), self._options.confirm
        gate = Gate(
            self.name,
            self.driver.settings,
            self.config.options.permission,
            self.exchange.inquiry,
            lambda: self.discovery.facts,
            Journal(self._clock, file),
            has=self.discovery.holds,
            totals=self.stats.totals,
            changed=self.polling.ask_soon,
            confirm=partial(confirm, self.config) if confirm else None,
        )
        self.polling.listen(gate.reads, gate.note)
        return gate

    def _lacks(self, query: Query) -> bool:
        """Whether the unit has said that it lacks the part that a query is about."""
        known = query.condition in self.driver.conditions
        return known and self.discovery.has(query.condition) is False

    @property
    def plan(self) -> Plan:
        """What is wanted of it at present."""
        return self.polling.plan

    def listen(self, emit: Emit, choice: Choice | None = None) -> Callable[[], None]:
        """Have one more told what the device says, and the device asked for what that one wants.

        Whoever listens already, the agent of this process before all, gets what it got before.

        Args:
            emit: Takes the batches; must not block. Receipts are not handed to it.
            choice: What it wants; None for what the user of the device does.

        Returns:
            Ends it.
        """
        consumer = self.consumers.add(choice or choice_of(self.config), emit)
        self._choose()

        def end() -> None:
            if self.consumers.remove(consumer):
                self._choose()

        return end

    def wants_more(self, choice: Choice) -> bool:
        """Whether the device is asked for more when a choice is made than for its user alone."""
        return self.polling.is_wider(choice)

    def wants(self, series: Series) -> bool:
        """Whether anybody who takes what it says wants a series."""
        return self.consumers.wants(series)

    def seconds(self, series: Series) -> float:
        """How often a series comes, in seconds."""
        if series.metric.own or series.metric.poll not in PollClass.POLLED:
            return self.interval_s
        return max(self.interval_s, self.config.intervals.seconds(series.metric.poll))

    def wall_ns(self) -> int:
        """What time it is, in nanoseconds since the epoch."""
        return self._clock.wall_ns()

    def _choose(self) -> None:
        self.polling.choose(self.consumers.choices[1:])  # the first is the user's own

    def chosen(self) -> None:
        """What those who listen have chosen is asked for; see :class:`.polling.rounds.Host`."""
        self.consumers.settle()
        self.stats.choose(self.wants)
        if self.units is not None:
            self.units.choose()

    # -- running ---------------------------------------------------------------------------

    async def run(self, refused: float = math.inf) -> None:
        """Collect until cancelled.

        Args:
            refused: In so many rounds another process on this host may have the device before it
                is left to that one; such rounds bring nothing.

        Raises:
            BusyError: Another process has it. When it was ours before, that is raised at once.
        """
        line, left = self.port.line, refused
        if not left:
            with contextlib.suppress(TransportError):  # nor could the line be opened
                line.claim()
                line.link.hurry()  # others on the line may have waited for that, too
        self._tell_manner()
        if self._relay is not None:
            self.polling.recall()
        line.link.yields, is_ours = not left, False
        async with self._line(FIRST_CONNECT_S):
            while True:
                if line.refusal is None:
                    left = 0 if left < math.inf else left
                    if not is_ours:
                        is_ours, self._restoring = True, self._made_restoring()
                elif left:
                    left -= 1
                else:
                    raise line.refusal
                line.link.yields = not left
                begun = self._clock.wall()
                await self.round()
                if self._restoring is not None and line.refusal is None:
                    await self._restore(self._restoring)
                await self._sleep_to_tick(begun)

    def _tell_manner(self) -> None:
        """Say once how the address is taken, where that is not plain."""
        if not self._is_told and (ours := manner(self.config.address.options)):
            log.info("%s: %s %s", self.name, self.config.address, ours)
        self._is_told = True

    async def read_once(self, limit: float) -> bool:
        """Open the line, do one complete round, close the line.

        Args:
            limit: Seconds for everything together.

        Returns:
            Whether the device answered at all.

        Raises:
            BusyError: Another process on this host collects from the device.
        """
        line = self.port.line
        line.claim()
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        async with self._line(limit):
            await self.round(max(end - loop.time(), MARGIN_S))
        if line.refusal and not self.port.opened:
            raise line.refusal
        return self.stats.totals["answers"] > 0

    @asynccontextmanager
    async def held(self, limit: float) -> AsyncIterator[None]:
        """Hold the line while the block runs, for rounds by hand and for what is beside them.

        Args:
            limit: Seconds that the first attempt to open it may take.

        Raises:
            BusyError: Another process on this host collects from the device.
        """
        line = self.port.line
        line.claim()
        async with self._line(limit):
            if line.refusal and not self.port.opened:
                raise line.refusal
            yield

    @asynccontextmanager
    async def _line(self, timeout: float) -> AsyncIterator[None]:
        """Take part in the line, see :meth:`lines.kept.KeptLine.open`; keep what was learnt."""
        try:
            async with self.port.line.open(self.port, timeout):
                yield
        finally:
            if self._state:
                self._state.close()
            if self._restoring is not None:
                self._restoring.close()

    async def _restore(self, restoring: Restoring) -> None:
        """Ask the unit for some of what was missed, if it has answered and there is time."""
        restoring.tick()
        if self._changes != self.polling.changes:
            self._changes = self.polling.changes
            restoring.forget()
        if self._is_answered:
            left = self._next_at - asyncio.get_running_loop().time()
            await restoring.step(0.0 if self.exchange.cut_short else left - MARGIN_S)

    async def _sleep_to_tick(self, begun: float) -> None:
        """Sleep until the next round is due, or asked for.

        Args:
            begun: Wall clock at the begin of the last round; the next one keeps some distance.
        """
        interval, pause = self._schedule.interval, self._pause
        earliest = begun + pause
        # Where an answer was waited for, the tick may have passed: the round is late, not left out.
        if not self.exchange.drains:
            earliest = max(self._clock.wall(), earliest)
        tick, missed = self._schedule.advance(earliest)
        self.stats.totals["ticks_missed"] += missed
        while (left := tick - self._clock.wall()) > 0:
            self._hurry.clear()
            again = self.exchange.cut_short and self.port.is_open
            if again:  # what was cut short is done once more, but at a pace of ours
                left = begun + 0.5 * interval - self._clock.wall()
                if left <= 0:
                    return
            # In pieces, so that a step of the wall clock is noticed before long.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, interval)):
                    await self._hurry.wait()
                if self._clock.wall() - begun >= pause:
                    return
            if tick - self._clock.wall() > pause + 1.5 * interval:
                return  # the wall clock was set back: the grid is looked at anew

    @property
    def port(self) -> Port:
        """Its end of the line."""
        return self.exchange.port

    @property
    def health(self) -> Health:
        """How it does by now."""
        return self._publisher.health

    @property
    def interval_s(self) -> float:
        """Seconds between two rounds."""
        return self._schedule.interval

    async def history(self, query: Query, start_ns: int, end_ns: int) -> Progress:
        """Read a range of the unit's memory, and hand it over, while the device runs.

        Args:
            query: One of those of the driver's history.
            start_ns: First time, nanoseconds since the epoch.
            end_ns: Time before which it ends.

        Raises:
            ValueError: The unit has no such memory, or the range is empty.
        """
        reader = self.reader(self._publisher.send_apart, self.wants)
        return await reader.read(query, start_ns, end_ns)

    def hurry(self) -> None:
        """An agent asks for values: hand over what is there, and do what is nearly due."""
        self.polling.publish()
        self._hurry.set()

    def relay(self, batch: Batch) -> None:
        """Hand over what another process on this host has read of it.

        Args:
            batch: As that one has it.
        """
        if self._relay is None:
            from rct_collector.device.relaying import Relaying

            self._relay = Relaying(self.config, self.driver.vendor, self._publisher, self.stats)
        self._relay.take(batch)
        if batch.ends_round:
            self.rounds += 1
            self.settled.set()

    def tell_silent(self, why: str) -> None:
        """Tell of a round of another process which has brought nothing.

        Args:
            why: In words.
        """
        self._publisher.missed(why)
        self._publisher.send(self._clock.wall_ns(), self.stats.gauges(up=0), ends_round=True)
        self.rounds += 1

    def left_to(self, why: str) -> None:
        """Another process has it, and does not share it.

        Args:
            why: In words, for as long as that is so.
        """
        self._left_to = why

    def removed(self) -> None:
        """Nobody collects from it any more: hand over a last batch, which says so."""
        self.settled.set()
        if self._relay is not None:
            self._relay.removed(self._clock.wall_ns())
        if self.units is not None:
            self.units.removed(self._clock.wall_ns())
        self._publisher.remove(self._clock.wall_ns())

    # -- one round -------------------------------------------------------------------------

    async def round(self, limit: float | None = None) -> None:
        """Do one round: ask, wait for the end, publish.

        When it is cancelled, what was read so far is published all the same.

        Args:
            limit: Seconds; then the round takes everything in, what discovery finds included,
                and lasts as long as that takes. None keeps to the schedule.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        self.stats.totals["polls"] += 1
        self._began_with = self.port.opened if self.port.is_open else None
        due = self._schedule.begin(self._clock.wall())
        first, rest = self.polling.begin(due, started, one_shot=limit is not None)
        until_next = self._until_next()
        self._next_at = started + until_next
        try:
            await self.exchange.round(
                first,
                rest,
                seconds=limit or until_next - MARGIN_S - self._aside_s,
                next_round=math.inf if limit else until_next,
                stretches=not limit,
            )
            if self.driver.polled is None and (limit or not self.rounds):
                await self._listen(limit or until_next, to_the_end=limit is not None)
        finally:
            self._end_round(started, loop.time())

    async def _listen(self, seconds: float, *, to_the_end: bool) -> None:
        """Wait for what units say by themselves, but not for ever.

        Args:
            seconds: How long.
            to_the_end: For all of it, where a line has an end, or for the first record; else for
                the first thing.
        """
        said = (self.port.line.ended or self._measured) if to_the_end else self._spoken
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await said.wait()

    def _until_next(self) -> float:
        """Seconds until the next round; a tick sooner than the pause is left out."""
        pause = self._pause
        return pause + self._schedule.until_next(self._clock.wall() + pause)

    @property
    def _pause(self) -> float:
        """Least seconds from one round to the next.

        Half an interval, and as many whole ones as the budget has no fast requests for.
        """
        left_out = self.polling.ticks - 1
        return 0.5 * self._schedule.interval + left_out * self.config.intervals.fast

    def _end_round(self, started: float, now: float) -> None:
        """Publish what is left, keep what was not asked for the next round, count."""
        current, tally = self.polling.current, self.exchange.tally
        answered = self._is_answered = bool(current.time_ns)
        up = answered or (self.units is not None and self.units.is_up(now))
        if answered:  # what brought nothing at all changes nothing
            self.polling.settle(started, now)
        self.polling.publish()
        if not up:
            self._publisher.missed(self._why_silent())
        self.rounds += 1
        self.settled.set()
        self.stats.count_round(tally, up=up, implausible=current.implausible)
        port = self.port
        self.stats.count_line(port.opened, port.sent_bytes, port.received_bytes)
        gauges = {
            "poll_seconds": now - started,
            "muted_objects": self.polling.given_up,
            "request_gap_seconds": self.exchange.gap,
        }
        if answered:
            gauges["sample_age_seconds"] = now - current.first_at
        elif self.units is not None and (age := self.units.age(self._clock.wall_ns())) is not None:
            gauges["sample_age_seconds"] = age
        if tally.answers:
            gauges["answer_latency_seconds"] = tally.latency / tally.answers
        if self.units is not None and self.units.many:
            gauges["units"] = self.units.tell(now, self._clock.wall_ns())
        if calls := port.line.calls:
            gauges["callers"] = calls.open
            self.stats.totals["callers_rejected"] = calls.rejected
        # A round that brought nothing still has a time: now.
        time_ns = current.time_ns or self._clock.wall_ns()
        receipt = self._taken_over(time_ns) if answered else None
        own = self.stats.samples(up=up, **gauges)
        self._publisher.send(time_ns, own, ends_round=True, receipt=receipt)
        if receipt is not None:
            receipt.settle(True)  # noqa: FBT003 - by us
        self.polling.end(now)
        if self._state:
            self._state.tick(now)
        port.line.tend()
        self.reports.sum_up()

    @property
    def _aside_s(self) -> float:
        """Seconds at the end of a round for what is to be restored."""
        return self._restoring.aside_s if self._restoring is not None else 0.0

    def _taken_over(self, time_ns: int) -> Receipt | None:
        """Tell that the round needs not be restored, once its last batch was taken over."""
        if self._restoring is None:
            return None
        self._restoring.noticed(self.polling.faults())
        return self._restoring.receipt(time_ns / 1e9)

    def _why_silent(self) -> str:
        # A line that was opened, or opened again, during the round has had no time to answer, nor
        # has one whose round was cut short.
        waited = self.exchange.tally.timeouts or not self.driver.polled
        had_time = waited and self._began_with == self.port.opened
        if self.port.is_open and (had_time or not self.port.last_error):
            what = "is answered" if self.driver.polled else "comes"
            return f"the line is open, but nothing {what}"
        if self.port.line.refusal is not None and self._left_to:
            return self._left_to
        return self.port.last_error or "no connection yet"

    # -- what the polling tells ------------------------------------------------------------

    def opened(self) -> None:
        """The line is open: begin a round soon."""
        self._hurry.set()  # a tick may be a whole interval away

    def fast_settled(self) -> None:
        """The power flows were handed over."""
        self.settled.set()

    def unasked(self, events: Sequence[Event], now: float, receipt: Receipt | None) -> None:
        """Take what the unit said by itself; see :class:`.polling.exchange.Owner`."""
        if self.units is None:
            return
        wall_ns = self._clock.wall_ns()
        self._publisher.heard(wall_ns / 1e9)
        self.units.take(events, now=now, wall_ns=wall_ns, receipt=receipt)
        self._spoken.set()
        if any(type(event) is Record for event in events):
            self._measured.set()
