"""One configured device: rounds on its schedule, over its line, into batches of samples.

This is where clock, line and session meet. Everything it decides with is pure and lives beside
it: what to ask next (:mod:`.poller`), when (:mod:`.schedule`), what the unit has
(:mod:`.discovery`), what a value is worth (:mod:`.plausibility`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rct_collector.config import DeviceConfig
from rct_collector.device.backlog import in_turn
from rct_collector.device.clock import Clock, SystemClock
from rct_collector.device.discovery import Discovery
from rct_collector.device.governor import Governor
from rct_collector.device.link import Link
from rct_collector.device.lock import DeviceLock
from rct_collector.device.muting import Muting
from rct_collector.device.pacing import Pacer, TokenBucket
from rct_collector.device.patience import Patience
from rct_collector.device.plan import is_wanted, plan_for
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.poller import Poller, Tally
from rct_collector.device.publisher import Emit, Publisher
from rct_collector.device.round import Round
from rct_collector.device.schedule import Schedule
from rct_collector.device.stall import Stall
from rct_collector.device.state import StateFile
from rct_collector.device.stats import Stats
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Answer, Driver, Event, Garbled, Query
from rct_collector.errors import BusyError
from rct_collector.model import PollClass, Series
from rct_collector.transport import OPENERS, Opener

log = logging.getLogger(__name__)

SLOW_CLASSES = (PollClass.MEDIUM, PollClass.SLOW, PollClass.STATIC)

#: Without any valid frame for this long, while answers are due, the line is taken for dead: a
#: connection that the unit has forgotten is to cost less than a minute of values.
WATCHDOG_S = 30.0

#: After this long without a byte, half an answer is not waited for any more, in seconds: what is
#: hidden behind it would be too old to be true.
SILENCE_S = 1.0

#: A round ends this much before the next one, in seconds.
MARGIN_S = 0.25

#: Repeats of what was lost may add this share to the configured requests per second.
REPEATS = 0.5

#: At the slowest pace a fast round still goes this many times into its interval, since answers
#: must be waited for and lost ones repeated.
LEEWAY = 2.0

#: How long the first round waits for the line before it counts as failed.
FIRST_CONNECT_S = 3.0

#: How often a device that another process holds is tried again, in seconds.
BUSY_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What is common to all devices of a process.

    Attributes:
        state_dir: Where to keep what was learnt; None keeps nothing.
        aligned: Rounds begin at full multiples of the interval.
        openers: Scheme → transport, exchangeable for tests.
        clock: Wall clock.
        lock: Take the lock of the device on this host.
    """

    state_dir: Path | None = None
    aligned: bool = False
    openers: dict[str, Opener] | None = None
    clock: Clock = SystemClock()
    lock: bool = True


class Device:
    """One configured device; :meth:`run` collects from it until cancelled.

    Attributes:
        name: Configured name.
        rounds: Rounds that ended.
        settled: Set once the fast part of a first round was handed over, or failed.
    """

    def __init__(self, config: DeviceConfig, emit: Emit, options: Options | None = None) -> None:
        """Prepare; nothing is opened yet.

        Args:
            config: The device's options.
            emit: Takes the batches.
            options: What all devices share.
        """
        options = options or Options()
        self.name = config.name
        self.config = config
        self.driver: Driver = load_driver(config.driver)
        self._clock = options.clock
        self.plan = plan_for(self.driver, config)
        self.stats = Stats(lambda series: is_wanted(series, config))
        self._state = (
            StateFile(options.state_dir, config.name, config.driver) if options.state_dir else None
        )
        self.discovery = Discovery(self.driver, self._state.load() if self._state else {})
        self._plausibility = Plausibility()
        self._session = self.driver.session()
        self._schedule = Schedule(
            config.name,
            {p: config.intervals.seconds(p) for p in (PollClass.FAST, *SLOW_CLASSES)},
            aligned=options.aligned,
        )
        self._publisher = Publisher(
            *(config.name, self.driver.vendor, tuple(sorted(config.labels.items()))),
            *(self._schedule.interval, emit),
        )
        requests = config.requests
        fast_round = float(max(len(self.plan.queries(PollClass.FAST)), 1))
        self._pacer = Pacer(
            requests.gap,
            TokenBucket(requests.per_second, fast_round),
            TokenBucket(REPEATS * requests.per_second, fast_round),
        )
        self._governor = Governor(
            requests.window, requests.gap, self._schedule.interval / (LEEWAY * fast_round)
        )
        self._poller = Poller(
            self._pacer,
            window=requests.window,
            timeout=requests.timeout,
            patience=Patience(requests.timeout),
            stall=Stall(requests.timeout),
        )
        port = config.address.port or self.driver.port
        self.link = Link(
            config.name,
            (options.openers or OPENERS)[config.address.scheme],
            config.address.host,
            port,
            self._received,
            self._line_changed,
        )
        self._lock = DeviceLock(config.address, port) if options.lock else None
        self._hurry = asyncio.Event()
        self.settled = asyncio.Event()
        self._round: Round | None = None
        self._round_over: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._fast_published = False
        self._backlog: dict[Query, float] = {}  # what is to be asked → until when
        self._announced: set[Query] = set()
        self._one_shot = False
        self._cut_short = False  # the line was lost in the middle of the last round
        self._muting = Muting()
        self._unanswered_since: float | None = None
        self._heard_at = -math.inf
        self.rounds = 0

    # -- running ---------------------------------------------------------------------------

    async def run(self) -> None:
        """Collect until cancelled."""
        await self._own()
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
        if self._lock:
            self._lock.acquire()
        loop = asyncio.get_running_loop()
        end = loop.time() + limit
        async with self._line(limit):
            await self.round(max(end - loop.time(), MARGIN_S))
        return self.stats.totals["answers"] > 0

    @asynccontextmanager
    async def _line(self, patience: float) -> AsyncIterator[None]:
        """Keep the line open, and give the lock back at the end.

        Args:
            patience: Seconds that the first attempt to connect is waited for.
        """
        link = asyncio.create_task(self.link.run(), name=f"link of {self.name}")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.link.attempted.wait()
            yield
        finally:
            self._stop_timer()
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)
            if self._lock:
                self._lock.release()

    async def _own(self) -> None:
        """Wait until no other process on this host collects from the device."""
        told = False
        while self._lock is not None:
            try:
                self._lock.acquire()
            except BusyError as error:
                if not told:
                    log.error("%s: %s", self.name, error)
                told = True
                await asyncio.sleep(BUSY_RETRY_S)
            else:
                return

    async def _sleep_to_tick(self, begun: float) -> None:
        """Sleep until the next round is due, or asked for.

        Args:
            begun: Wall clock at the begin of the last round; the next one keeps some distance.
        """
        interval = self._schedule.interval
        tick, missed = self._schedule.advance(max(self._clock.wall(), begun + 0.5 * interval))
        self.stats.totals["ticks_missed"] += missed
        while (left := tick - self._clock.wall()) > 0:
            # In pieces, so that a step of the wall clock is noticed before long.
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, interval)):
                    await self._hurry.wait()
                again = self._cut_short and self.link.is_open
                if again or self._clock.wall() - begun >= 0.5 * interval:
                    return
            if tick - self._clock.wall() > 2 * interval:
                return  # the wall clock was set back: the grid is looked at anew

    def hurry(self) -> None:
        """An agent asks for values: hand over what is there, and do what is nearly due."""
        self._publish()
        self._hurry.set()

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
        self._queue_slow(due)
        self._round = Round(self.plan, self._plausibility, self.discovery.has, self.config.timezone)
        self._fast_published = self._cut_short = False
        self._one_shot = limit is not None
        try:
            if self.link.is_open:
                self._begin_polling(started, limit, fast=PollClass.FAST in due)
                over = self._round_over = loop.create_future()
                self._pump()  # which may end the round at once
                await over
        finally:
            self._round_over = None
            self._end_round(started, loop.time())

    def _begin_polling(self, now: float, limit: float | None, *, fast: bool) -> None:
        queries = self._present(self.plan.queries(PollClass.FAST), now) if fast else []
        # A tick sooner than half an interval is left out, see _sleep_to_tick.
        half = 0.5 * self._schedule.interval
        until_next = half + self._schedule.until_next(self._clock.wall() + half)
        # As long as the round takes at the pace allowed, if that is longer than the interval.
        bucket = self._pacer.bucket
        missing = max(0.0, len(queries) - bucket.tokens(now)) / bucket.rate
        needed = max(len(queries) * self._pacer.gap, missing) + 2 * self.config.requests.timeout
        self._poller.begin(
            now,
            deadline=now + (limit or max(until_next - MARGIN_S, needed)),
            next_round=now + until_next if limit is None else math.inf,
            fast=queries,
            slow=in_turn(self._backlog, self.plan.companions),
        )

    def _present(self, queries: Iterable[Query], now: float) -> list[Query]:
        """Those that the unit is known to answer."""
        return [
            query
            for query in queries
            if self.discovery.has(query.condition) and not self._muting.leaves_alone(query, now)
        ]

    def _queue_slow(self, due: set[PollClass]) -> None:
        """Add what is due to the backlog, each with the time of its next turn.

        What discovery still asks is wanted at once; for the rest see :func:`in_turn`.
        """
        now = asyncio.get_running_loop().time()
        for query in self.discovery.open():
            if not self._muting.leaves_alone(query, now):
                self._want(query, now)
        for poll in SLOW_CLASSES:
            if poll in due:
                until = now + self.config.intervals.seconds(poll)
                again = self.discovery.deciding if poll is PollClass.STATIC else ()
                known = [query for query in again if query.name in self.discovery.facts]
                for query in (*known, *self._present(self.plan.queries(poll), now)):
                    self._want(query, until)

    def _want(self, query: Query, until: float) -> None:
        """Ask for something in this round, or in one of the next."""
        self._announced.add(query)
        self._backlog.setdefault(query, until)

    def _end_round(self, started: float, now: float) -> None:
        """Publish what is left, keep what was not asked for the next round, count."""
        assert self._round is not None  # noqa: S101 - set by the caller
        self._stop_timer()
        tally = self._poller.tally
        up = bool(self._round.time_ns)
        self._settle(now, up=up)
        self._publish()
        self.rounds += 1
        self.settled.set()
        self.stats.count_round(tally, up=up, implausible=self._round.implausible)
        self.stats.count_line(self.link.opened, self.link.sent_bytes, self.link.received_bytes)
        gauges = {
            "poll_seconds": now - started,
            "muted_objects": len(self._muting),
            "request_gap_seconds": self._pacer.gap,
        }
        if up:
            gauges["sample_age_seconds"] = now - self._round.first_at
        if tally.answers:
            gauges["answer_latency_seconds"] = tally.latency / tally.answers
        # A round that brought nothing still has a time: now.
        time_ns = self._round.time_ns or self._clock.wall_ns()
        self._publisher.send(time_ns, self.stats.samples(up=up, **gauges))
        self._round = None
        self._govern(now, tally)
        self._poller.clear()

    def _govern(self, now: float, tally: Tally) -> None:
        """Ask slower while answers get lost."""
        loss = self._governor.note(now, tally.alone, tally.crowded)
        if loss is None:
            return
        self._pacer.gap, self._poller.window = self._governor.gap, self._governor.window
        log.info(
            "%s: %.0f %% of the answers are lost; now up to %d requests at a time, %.0f ms apart",
            *(self.name, 100 * loss, self._governor.window, 1000 * self._governor.gap),
        )

    def _settle(self, now: float, *, up: bool) -> None:
        """Carry over what was not asked; leave alone what never answers."""
        lost, unasked = self._poller.unsettled()
        for query in (*lost, *self._poller.unheard()) if up else ():
            if self._muting.lost(query, now):
                log.info("%s: %s is not answered; asked now and then", self.name, query.label)
                if self.discovery.decides(query) and self.discovery.unanswered(query):
                    self._learnt()
        if self.link.is_open or up:
            left = {query for query in unasked if not self._muting.leaves_alone(query, now)}
            kept = {query: until for query, until in self._backlog.items() if query in left}
            self._backlog = {**kept, **dict.fromkeys(left - kept.keys(), now)}
            self._rejoin(now)

    def _rejoin(self, now: float) -> None:
        """A sum of which this round brought a part only: ask all of it in the next one."""
        for query, until in list(self._backlog.items()):
            for other in self._present(self.plan.companions.get(query, ()), now):
                self._backlog.setdefault(other, until)

    # -- the line --------------------------------------------------------------------------

    def _line_changed(self, is_open: bool) -> None:  # noqa: FBT001 - a callback
        self._session.reset()
        self._unanswered_since = None
        if is_open:
            # The unit may have been exchanged meanwhile: what decides is looked at again.
            now = asyncio.get_running_loop().time()
            self._backlog.update(dict.fromkeys(self.discovery.deciding, now))
            self._hurry.set()  # a tick may be a whole interval away
            return
        self._cut_short = self._round_over is not None
        self._finish_round()

    def _received(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._heard_at > SILENCE_S:
            self._session.reset()
        self._heard_at = now
        self._poller.heard(now)
        for event in self._session.receive(data):
            self._handle(event, now)
        if self._round_over is not None and not self._poller.waits_for_time:
            self._pump()

    def _handle(self, event: Event, now: float) -> None:
        if type(event) is Answer:
            self._answered(event, now)
            return
        assert isinstance(event, Garbled)  # noqa: S101 - there are only two kinds
        if event.kind == "foreign":
            self._foreign(now)
            return
        self.stats.errors[event.kind] += 1
        if event.query is not None:
            self._poller.spoiled(event.query, now)

    def _answered(self, answer: Answer, now: float) -> None:
        self._unanswered_since = None
        self.link.proven()
        query = answer.query
        if self._round is None or self._round_over is None:
            self._foreign(now)
            return
        ask = self._poller.answered(query, now)
        if ask is None or not ask.attempts:
            self._foreign(now)
        if ask is None:
            return
        self.stats.totals["answers"] += 1
        if self._muting.answered(query):
            log.info("%s: %s is answered after all", self.name, query.label)
        again = False
        if self.discovery.decides(query):
            news = self.discovery.observe(query, answer.value)
            again = news is None
            if news:
                self._learnt()
        wall_ns = int(answer.time_s * 1e9) if answer.time_s else self._clock.wall_ns()
        again |= not self._round.take(query, answer.value, now=now, wall_ns=wall_ns)
        if again:
            self._poller.repeat(query)

    def _foreign(self, now: float) -> None:
        """An answer that was not meant for us: count it, and let the others speak."""
        self.stats.errors["foreign"] += 1
        self._poller.foreign(now)

    def _learnt(self) -> None:
        """A fact is new: ask what it brings, and keep it."""
        now = asyncio.get_running_loop().time()
        if self.discovery.facts.keys() <= set(self.driver.identity):
            # Another unit, or new firmware: nothing holds any more that was learnt before.
            self._plausibility.forget()
            self._publisher.forget()
            self._announced.clear()
        classes = (PollClass.FAST, *SLOW_CLASSES) if self._one_shot else SLOW_CLASSES
        news = [query for poll in classes for query in self._present(self.plan.queries(poll), now)]
        for query in (*self.discovery.open(), *news):
            if query not in self._announced:
                self._want(query, now)
                self._poller.add(query)
        if self._state is not None:
            self._state.save({k: v for k, v in self.discovery.facts.items() if v is not None})

    def _pump(self) -> None:
        """Send what may be sent now; come back when there is more to do."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._stop_timer()
        while True:
            query, wake = self._poller.next(now)
            if query is None:
                break
            self.link.send(self._session.request(query))
            self._poller.sent(query, now)
            if self._unanswered_since is None:
                self._unanswered_since = now
        if not self._fast_published and self._poller.fast_settled():
            self._fast_published = True
            self._publish()
            self.settled.set()
        if self._poller.done(now) or not self.link.is_open:
            self._finish_round()
        elif self._unanswered_since is not None and now - self._unanswered_since > WATCHDOG_S:
            self._unanswered_since = None
            self.link.drop(f"no valid answer for {WATCHDOG_S:.0f} s")
        else:
            self._timer = loop.call_at(wake, self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        self._pump()

    def _finish_round(self) -> None:
        over, self._round_over = self._round_over, None
        if over is not None and not over.done():
            over.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- publishing ------------------------------------------------------------------------

    def _publish(self) -> None:
        """Hand over what is new, all of it under the time of the round."""
        current = self._round
        if current is None or not current.time_ns:
            return
        values = current.publish()
        expected = [series for series in self.plan.texts if self._expects(series)]
        line = self._publisher.info_line(current.texts(), expected)
        self._publisher.send(current.time_ns, values + line)

    def _expects(self, series: Series) -> bool:
        home = self.plan.home(series)
        if home is None:
            return False
        query = home[0]
        return bool(self.discovery.has(query.condition)) and query not in self._muting
