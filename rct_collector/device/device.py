"""One configured device: rounds on its schedule, over its line, into batches of samples.

This is where the clock and the line meet, by way of :mod:`.polling.exchange`. Everything it decides
with is pure and lives beside it: when (:mod:`.schedule`), what is left to ask (:mod:`.backlog`),
what the unit has (:mod:`.discovery`), what a value is worth (:mod:`.plausibility`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from weakref import WeakValueDictionary

from rct_collector.config import DeviceConfig
from rct_collector.device.clock import Clock, SystemClock
from rct_collector.device.history import HistoryReader, Progress
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.polling.backlog import SLOW_CLASSES, Backlog
from rct_collector.device.polling.discovery import Discovery, Undecided, facts_from
from rct_collector.device.polling.exchange import Exchange
from rct_collector.device.polling.plan import is_wanted, plan_for
from rct_collector.device.polling.round import Round
from rct_collector.device.polling.schedule import Schedule
from rct_collector.device.polling.unsupported import Unsupported
from rct_collector.device.publisher import Emit, Publisher
from rct_collector.device.receiving import Receiving, can_be
from rct_collector.device.settings import Gate
from rct_collector.device.state import Memory, StateFile
from rct_collector.device.stats import Stats
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Answer, Driver, Query, Record
from rct_collector.lines.listener import ListeningLine
from rct_collector.lines.lock import DeviceLock
from rct_collector.lines.port import Keeper, Port
from rct_collector.lines.shared import SharedLine
from rct_collector.model import Kind, Origin, PollClass, Series, Value
from rct_collector.reports import Reports
from rct_collector.transport import Address, Listen, Opener, is_dialled_in, listen_at, open_line

log = logging.getLogger(__name__)

#: A round ends this much before the next one, in seconds.
MARGIN_S = 0.25

#: How long the first round waits for the line before it counts as failed.
FIRST_CONNECT_S = 3.0

#: Queries without an answer that are named in an hour; old firmware lacks a few dozens.
MOST_MUTES = 12

#: Changes of the unit that are told of in an hour; one may change with each answer.
MOST_CHANGES = 3


@dataclass(frozen=True, slots=True)
class Options:
    """What is common to all devices of a process.

    Attributes:
        state_dir: Where to keep what was learnt; None keeps nothing.
        aligned: Rounds begin at full multiples of the interval.
        opener: Opens the lines, exchangeable for tests.
        listen: Waits for devices that dial in, exchangeable for tests.
        clock: Wall clock.
        lock: Take the lock of each line on this host.
    """

    state_dir: Path | None = None
    aligned: bool = False
    opener: Opener = open_line
    listen: Listen = listen_at
    clock: Clock = SystemClock()
    lock: bool = True
    #: A line is there as long as one of its devices.
    _lines: WeakValueDictionary[tuple[str, str], Keeper] = field(
        init=False, repr=False, compare=False, default_factory=WeakValueDictionary
    )
    #: The addresses of those devices, as each says it.
    _users: dict[tuple[str, str], list[Address]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def line(self, config: DeviceConfig) -> Keeper:
        """The line of a device, which it shares with all others that have its key.

        Args:
            config: The device; see :func:`line_key`.
        """
        key = line_key(config)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = self._new_line(config)
        self._users.setdefault(key, []).append(config.address)
        return line

    def beside(self, config: DeviceConfig) -> Address | None:
        """The address of a device that is on the same line already, if there is one."""
        return next(iter(self._users.get(line_key(config), ())), None)

    def leave(self, config: DeviceConfig) -> None:
        """A device is there no more. With the last one goes the line, whoever remembers it still.

        Whoever comes next may reach it in another way, such as at another rate.

        Args:
            config: The device; it has had its :meth:`line`.
        """
        key = line_key(config)
        self._users[key].remove(config.address)
        if not self._users[key]:
            del self._users[key]
            self._lines.pop(key, None)

    def _new_line(self, config: DeviceConfig) -> Keeper:
        driver, name, address = load_driver(config.driver), config.name, config.address
        lock = DeviceLock(address, name) if self.lock else None
        resync = driver.polled.resync if driver.polled else None
        now = self.clock.wall_ns
        if is_dialled_in(address):
            session = driver.session  # one for each call
            return ListeningLine(
                name, address, self.listen, session, wall_ns=now, resync=resync, lock=lock
            )
        return SharedLine(
            name, self.opener, address, driver.session(), wall_ns=now, resync=resync, lock=lock
        )


def line_key(device: DeviceConfig) -> tuple[str, str]:
    """What devices have in common that share a line: where it leads, and their family."""
    return device.address.key, device.driver


class Device:
    """One configured device; :meth:`run` collects from it until cancelled.

    Attributes:
        name: Configured name.
        exchange: What is asked and answered.
        receiving: Takes what the unit sends unasked; None where its family does not.
        settings: The gate through which it may be set; None where its family cannot.
        rounds: Rounds that ended.
        settled: Set once the fast part of a first round was handed over, or failed.
    """

    def __init__(self, config: DeviceConfig, emit: Emit, options: Options | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            config: The device's options.
            emit: Takes the batches.
            options: What all devices share; those with the same ones share lines as well.
        """
        options = options or Options()
        self.name = config.name
        self.config = config
        self.driver: Driver = load_driver(config.driver)
        self._clock = options.clock
        self.reports = Reports(config.name)
        self.plan = plan_for(self.driver, config)
        self.stats = Stats(lambda series: is_wanted(series, config))
        self._place = f"{config.address.scheme}://{config.address.place} {config.unit}".rstrip()
        self._state = _memory(config, options)
        self.discovery = self._recall()
        self._change = self.discovery.change
        self._changes = 0
        self._told: set[str] = set()
        self._plausibility = Plausibility()
        self._schedule = Schedule(config.name, self._intervals(), aligned=options.aligned)
        labels = tuple(sorted(config.labels.items()))
        self._publisher = Publisher(
            config.name,
            self.driver.vendor,
            labels,
            self._schedule.interval,
            emit,
            now=self._clock.wall(),
        )
        self._unsupported = Unsupported(self._schedule.interval)
        self._backlog = Backlog(self.plan, self.discovery, self._unsupported, config)
        self.exchange = self._attach(options.line(config))
        self._options = options
        self.receiving = self._receiving()
        self._history = self._memory_reader()
        self.settings = self._gate()
        self._hurry = asyncio.Event()
        self._spoken = asyncio.Event()
        self.settled = asyncio.Event()
        self._round: Round | None = None
        self._probe: list[Query] = []
        self._one_shot = False
        self.rounds = 0

    def _recall(self) -> Discovery:
        """What was learnt of the unit before, as far as it can be believed."""
        kept = self._state.load() if self._state else {}
        known = facts_from(kept, self.driver, self._place)
        discovery = Discovery(self.driver, known)
        if known and not discovery.facts:
            log.warning(
                "%s: what was learnt before is not used: no unit could have said it", self.name
            )
        return discovery

    def _attach(self, line: Keeper) -> Exchange:
        return Exchange(
            self.name,
            line,
            self.config.unit,
            self.config.requests,
            interval=self._schedule.interval,
            fast=len(self.plan.queries(PollClass.FAST)),
            advance=self._advance(),
            drains=bool(self.driver.polled and self.driver.polled.resync),
            stats=self.stats,
            owner=self,
            reports=self.reports,
        )

    def _advance(self) -> int:
        """Requests that it takes to ask for everything once, at the pace of the gap."""
        if self.config.requests.per_second < self.config.usual.per_second:
            return 0  # whoever asks for less than usual on average knows why
        return len(self.plan.classes) + len(self.driver.deciding())

    def _intervals(self) -> dict[PollClass, float]:
        """Seconds between the rounds of each class; of a unit that is not asked, its heartbeat."""
        if self.driver.polled is None and self.driver.pushed is not None:
            return {PollClass.FAST: self.driver.pushed.heartbeat_s}
        intervals = self.config.intervals
        return {poll: intervals.seconds(poll) for poll in PollClass.POLLED}

    def _receiving(self) -> Receiving | None:
        """What takes records that come unasked; None where the family sends none."""
        if self.driver.pushed is None:
            return None
        return Receiving(
            self.driver.pushed,
            wanted=self._wants,
            plausibility=self._plausibility,
            send=self._send,
            faults=lambda fault: self.stats.errors.update((fault,)),
            reports=self.reports,
        )

    def _memory_reader(self) -> HistoryReader | None:
        """What reads the memory of the unit; None where the family has none."""
        if self.driver.history is None:
            return None
        inquiry, zone = self.exchange.inquiry, self.config.timezone
        return HistoryReader(
            self.driver.history, inquiry, self._send, wanted=self._wants, zone=zone
        )

    def _gate(self) -> Gate | None:
        """The gate of the unit's settings; None where the family has none."""
        if not self.driver.settings:
            return None
        allowed = getattr(self.config.options, "writes", ())
        inquiry = self.exchange.inquiry
        return Gate(self.name, self.driver.settings, allowed, inquiry, lambda: self.discovery.facts)

    def _wants(self, series: Series) -> bool:
        return is_wanted(series, self.config)

    # -- running ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Collect until cancelled.

        While another process on this host collects from the device, its rounds bring nothing.
        """
        async with self._line(FIRST_CONNECT_S):
            while True:
                begun = self._clock.wall()
                await self.round()
                await self._sleep_to_tick(begun)

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
    async def _line(self, patience: float) -> AsyncIterator[None]:
        """Take part in the line, and keep what was learnt at the end.

        See :meth:`lines.port.Keeper.open`.
        """
        try:
            async with self.port.line.open(self.port, patience):
                yield
        finally:
            if self._state:
                self._state.close()

    async def _sleep_to_tick(self, begun: float) -> None:
        """Sleep until the next round is due, or asked for.

        Args:
            begun: Wall clock at the begin of the last round; the next one keeps some distance.
        """
        interval, pause = self._schedule.interval, self._pause
        tick, missed = self._schedule.advance(max(self._clock.wall(), begun + pause))
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

    async def history(self, query: Query, start_ns: int, end_ns: int) -> Progress:
        """Read a range of the unit's memory, and hand it over, while the device runs.

        Args:
            query: One of those of the driver's history.
            start_ns: First time, nanoseconds since the epoch.
            end_ns: Time before which it ends.

        Raises:
            ValueError: The unit has no such memory, or the range is empty.
        """
        if self._history is None:
            raise ValueError(f"{self.driver.title} units have no memory that can be read")
        return await self._history.read(query, start_ns, end_ns)

    def hurry(self) -> None:
        """An agent asks for values: hand over what is there, and do what is nearly due."""
        self._publish()
        self._hurry.set()

    def removed(self) -> None:
        """Nobody collects from it any more: hand over a last batch, which says so."""
        self._options.leave(self.config)
        self.settled.set()
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
        due = self._schedule.begin(self._clock.wall())
        self._backlog.queue([poll for poll in SLOW_CLASSES if poll in due], started)
        fast = self.plan.queries(PollClass.FAST) if PollClass.FAST in due else []
        self._round = Round(
            self.plan, self._plausibility, self.discovery.holds, self.config.timezone
        )
        self._one_shot = limit is not None
        until_next = self._until_next()
        # Who it is comes first: all else is about that unit.
        who = self.discovery.unidentified
        fast = self._backlog.present(fast, started)
        rest = self._backlog.in_turn(started)
        self._probe = self._backlog.probe([*who, *fast, *rest], self.exchange.proven)
        try:
            await self.exchange.round(
                [*who, *fast, *self._probe],
                rest,
                seconds=limit or until_next - MARGIN_S,
                next_round=math.inf if limit else until_next,
                stretches=not limit,
            )
            if self.driver.polled is None and (limit or not self.rounds):
                await self._listen(limit or until_next)
        finally:
            self._end_round(started, loop.time())

    async def _listen(self, seconds: float) -> None:
        """Wait for the first thing that a unit says by itself, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._spoken.wait()

    def _until_next(self) -> float:
        """Seconds until the next round; a tick sooner than the pause is left out."""
        pause = self._pause
        return pause + self._schedule.until_next(self._clock.wall() + pause)

    @property
    def _pause(self) -> float:
        """Least seconds from one round to the next.

        Half an interval, and as many whole ones as the budget has no fast requests for.
        """
        left_out = self._backlog.budget.ticks - 1
        return 0.5 * self._schedule.interval + left_out * self.config.intervals.fast

    def _end_round(self, started: float, now: float) -> None:
        """Publish what is left, keep what was not asked for the next round, count."""
        assert self._round is not None  # noqa: S101 - set by the caller
        tally = self.exchange.result().tally
        answered = bool(self._round.time_ns)
        up = answered or bool(self.receiving and self.receiving.is_up(now))
        self._settle(started, now, up=answered)
        self._publish()
        if not up:
            self._publisher.missed(self._why_silent())
        self.rounds += 1
        self.settled.set()
        self.stats.count_round(tally, up=up, implausible=self._round.implausible)
        port = self.port
        self.stats.count_line(port.opened, port.sent_bytes, port.received_bytes)
        gauges = {
            "poll_seconds": now - started,
            "muted_objects": len(self._unsupported),
            "request_gap_seconds": self.exchange.gap,
        }
        if answered:
            gauges["sample_age_seconds"] = now - self._round.first_at
        elif self.receiving and (age := self.receiving.age(self._clock.wall_ns())) is not None:
            gauges["sample_age_seconds"] = age
        if tally.answers:
            gauges["answer_latency_seconds"] = tally.latency / tally.answers
        # A round that brought nothing still has a time: now.
        time_ns = self._round.time_ns or self._clock.wall_ns()
        self._publisher.send(time_ns, self.stats.samples(up=up, **gauges), ends_round=True)
        self._round = None
        self.exchange.end_round(now)
        if self._state:
            self._state.tick(now)
        port.line.tend()
        self.reports.sum_up()

    def _why_silent(self) -> str:
        if self.port.is_open:
            what = "is answered" if self.driver.polled else "comes"
            return f"the line is open, but nothing {what}"
        return self.port.last_error or "no connection yet"

    def _settle(self, started: float, now: float, *, up: bool) -> None:
        """Carry over what was not asked; leave alone what never answers."""
        if not up:  # what brought nothing at all changes nothing
            return
        result = self.exchange.result()
        for query in result.silent:
            self._in_vain(query, "%s is not answered; asked now and then", started, now)
        for query in result.refused:
            self._in_vain(query, "%s is refused; asked now and then", started, now)
        # What was learnt of that may be left for the next round as well.
        self._backlog.keep(self.exchange.result().unasked, result.tried, now)

    def _in_vain(self, query: Query, text: str, started: float, now: float) -> None:
        """A round asked for something in vain, though it brought other things."""
        if self._unsupported.lost(query, started):
            self.reports.say(log, logging.INFO, "mute", text, query.label, most=MOST_MUTES)
            self._unanswered(query, now)

    def _unanswered(self, query: Query, now: float) -> None:
        """The unit does not answer a query: is that news about what it has?"""
        if not self.discovery.decides(query) or not self.discovery.unanswered(query):
            return
        if query.name in self.driver.identity:
            self._backlog.decide_again(now)  # it does not say who it is: each fact is confirmed
        self._learnt(now)
        self._tell_undecided()

    def undecided(self) -> list[Undecided]:
        """What cannot be told of the unit, as far as anything of it is wanted."""
        takes = self.plan.takes.items()
        return self.discovery.undecided({query.condition for query, taken in takes if taken})

    def _tell_undecided(self) -> None:
        """Say once of which parts nothing is published, because the unit is silent about them."""
        texts = {
            f"{item}; nothing of it is published" if not item.assumed else str(item)
            for item in self.undecided()
            if item.silent
        }
        for text in sorted(texts - self._told):
            log.warning("%s: %s", self.name, text)
        self._told = texts

    # -- what the exchange tells -----------------------------------------------------------

    def opened(self) -> None:
        """The line is open: begin a round soon, and find out who answers."""
        now = asyncio.get_running_loop().time()
        self.discovery.opened()
        self._unsupported.reconnected(now)
        self._backlog.decide_again(now)
        self._hurry.set()  # a tick may be a whole interval away

    def answered(self, answer: Answer, now: float) -> bool:
        """Take an answer that the round wants."""
        assert self._round is not None  # noqa: S101 - the exchange tells during a round only
        query = answer.query
        self.stats.totals["answers"] += 1
        if self._unsupported.answered(query):
            text = "%s is answered after all"
            self.reports.say(log, logging.INFO, "unmute", text, query.label)
        certain = True
        if self.discovery.decides(query):
            news = self.discovery.observe(query, answer.value)
            certain = news is not None
            if news:
                self._learnt(now)
        wall_ns = self._clock.wall_ns()
        if answer.time_ns and can_be(answer.time_ns, wall_ns):
            wall_ns = answer.time_ns
        if query in self._probe:
            self._round.heard(now=now, wall_ns=wall_ns)
            return certain
        return self._round.take(query, answer.value, now=now, wall_ns=wall_ns) and certain

    def fast_settled(self) -> None:
        """The power flows are complete: hand them over at once."""
        self._publish()
        self.settled.set()

    def lost(self, query: Query, now: float) -> None:
        """A query was given up for this round; a single round has no other to wait for."""
        if self._one_shot:
            self._unsupported.give_up(query, now)
            self._unanswered(query, now)

    def refused(self, query: Query, now: float) -> None:
        """The unit is there, but has no answer to a query; see :class:`polling.exchange.Owner`."""
        assert self._round is not None  # noqa: S101 - the exchange tells during a round only
        self._round.heard(now=now, wall_ns=self._clock.wall_ns())
        self.lost(query, now)

    def going_on(self) -> None:
        """The rest takes its time: what came until now does not wait for it."""
        self._publish()

    def unasked(self, records: Sequence[Record], now: float) -> None:
        """Take what the unit said by itself; see :class:`polling.exchange.Owner`."""
        if self.receiving is None:
            return
        wall_ns = self._clock.wall_ns()
        self._publisher.heard(wall_ns / 1e9)
        doubted = self.receiving.implausible
        taken = self.receiving.take(records, now=now, wall_ns=wall_ns)
        self.stats.totals["answers"] += taken
        self.stats.totals["implausible"] += self.receiving.implausible - doubted
        self._spoken.set()

    def _send(self, time_ns: int, values: list[tuple[Series, Value]], origin: Origin) -> None:
        """Hand over values that have a time of their own; texts on a line of theirs."""
        texts = {series: value for series, value in values if series.metric.kind is Kind.TEXT}
        if texts:
            values = [(series, value) for series, value in values if series not in texts]
            values += self._publisher.info_line(texts, lambda: texts)
        self._publisher.send(time_ns, values, origin=origin)

    def _learnt(self, now: float) -> None:
        """A fact is new: ask what it brings, and keep it."""
        if self.discovery.change is not self._change:
            self._forget()
        classes = (PollClass.FAST, *SLOW_CLASSES) if self._one_shot else SLOW_CLASSES
        for query in self._backlog.news(classes, now):
            self.exchange.want(query)
        if self._state is not None:
            self._state.save(self.discovery.content(self._place))

    def _forget(self) -> None:
        """Another unit, or new firmware: nothing holds any more that was learnt before."""
        change = self._change = self.discovery.change
        assert change is not None  # noqa: S101 - asked before
        self._changes += 1
        self.reports.say(
            log,
            logging.WARNING,
            "change",
            "%s was %r and is %r now: another unit, or new firmware (change %d since the start);"
            " all is learnt again",
            self.driver.query(change.name).label,
            change.before,
            change.after,
            self._changes,
            most=MOST_CHANGES,
        )
        self._plausibility.forget()
        self._publisher.forget()
        self._backlog.forget()
        self._unsupported.forget()
        self.exchange.forget()
        self._told.clear()

    # -- publishing ------------------------------------------------------------------------

    def _publish(self) -> None:
        """Hand over what is new, all of it under the time of the round."""
        current = self._round
        if current is None or not current.time_ns:
            return
        self._publisher.heard(current.time_ns / 1e9)
        values = current.publish()
        line = self._publisher.info_line(current.texts(), self._expected)
        self._publisher.send(current.time_ns, values + line)

    def _expected(self) -> list[Series]:
        """The texts that the unit is known to have."""
        if not self.discovery.identified:
            return []
        return [series for series in self.plan.texts if self._expects(series)]

    def _expects(self, series: Series) -> bool:
        home = self.plan.home(series)
        if home is None:
            return False
        query = home[0]
        return bool(self.discovery.has(query.condition)) and query not in self._unsupported


def _memory(config: DeviceConfig, options: Options) -> Memory | None:
    """Where what is learnt is kept, if it is."""
    if not options.state_dir:
        return None
    return Memory(StateFile(options.state_dir, config.name, config.driver))
