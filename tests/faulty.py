"""Hours of a device on a bad line in seconds, and the account of what became of every value.

A simulated inverter with any faults, a collector and whoever else is on the line run in virtual
time. The ledger knows from the simulator what was really sent, so that a false value is found
out; and from the plan what was due, so that a missing one is.
"""

from __future__ import annotations

import asyncio
import logging
import random
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from rctclient.types import DataType

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.polling.budget import budget
from rct_collector.device.polling.plan import plan_for
from rct_collector.device.polling.schedule import phase
from rct_collector.drivers import driver
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.simulator import Access
from rct_collector.drivers.rct.simulator.profiles import Spell
from rct_collector.drivers.rct.table import BY_OID
from rct_collector.model import Kind, PollClass
from rct_collector.simulator import SimulatedInverter
from tests.memory import MemoryPlug
from tests.virtual import START, VirtualClock

#: A collector may need this long until it knows the unit and has asked for everything once.
SETTLING_S = 900.0

#: How exactly the beginnings and ends of outages are known, in seconds.
STEP_S = 0.5

RCT = driver("rct")


@dataclass
class Account:
    """What became of everything.

    Attributes:
        seconds: Length of the run.
        due: Pairs of metric and slot.
        in_time: Those that were published in their slot.
        published: Samples of the unit's own values.
        wrong: Samples that the unit did not say.
        false: The first hundred of them, with what it said.
        requests: Requests sent.
        answers: Good answers that the unit sent, to whomever.
        recoveries: Seconds from the end of each outage to the next sample.
        outage: Seconds that the unit could not be reached, or to no good purpose.
        messages: Log messages meanwhile.
        disordered: Series whose times did not increase, or whose type changed.
    """

    seconds: float = 0.0
    due: int = 0
    in_time: int = 0
    published: int = 0
    wrong: int = 0
    false: list[str] = field(default_factory=list)
    requests: int = 0
    answers: int = 0
    recoveries: list[float] = field(default_factory=list)
    outage: float = 0.0
    messages: list[str] = field(default_factory=list)
    disordered: set[str] = field(default_factory=set)

    @property
    def completeness(self):
        """Share of what was due that was published in time."""
        return self.in_time / self.due if self.due else 1.0

    @property
    def lines_per_hour(self):
        """Log messages per hour of outage, of at least one hour."""
        return len(self.messages) / max(self.outage / 3600, 1.0)


class Truth:
    """What the unit has sent of late, by object id; the observer of a simulated inverter."""

    def __init__(self):
        self.good = 0
        self._texts = {}
        self._recent = {}

    def __call__(self, sent):
        if not sent.good:
            return
        self.good += 1
        item = BY_OID.get(sent.reply.oid)
        if item is not None and item.type is DataType.STRING:
            text = wire.decode(DataType.STRING, sent.reply.payload)
            self._texts.setdefault(sent.reply.oid, set()).add(text)
        recent = self._recent.setdefault(sent.reply.oid, deque(maxlen=64))
        recent.append(sent)

    def knows(self, query):
        """Whether the unit has ever answered that; older firmware lacks newer objects."""
        return query.oid in self._recent

    def says(self, series, query, binding):
        """Whether the unit has ever said something about a series."""
        return self.knows(query)

    def withheld(self, series, query, binding, begin, end):
        """Whether it has said between two times that it does not know; no RCT unit can."""
        return False

    def texts(self, series, query, binding):
        """All that a text has ever been."""
        return self._texts.get(query.oid, ())

    def values(self, series, query, binding, begin, now, config):
        """What a series may be, by all good answers between two times.

        Their requests, whose soever, are no older than a round: what is asked for in a round may
        be answered until its end, and what got stuck in the unit leaves with the next round's
        answers at the latest.
        """
        place = binding.series.index(series)
        asked = begin - config.intervals.seconds(PollClass.FAST)
        found = []
        for sent in self._recent.get(query.oid, ()):
            if asked <= sent.reply.asked and begin <= sent.at <= now:
                raw = wire.decode(query.type, sent.reply.payload)
                if binding.scalar is not None:
                    found.append(binding.scalar(raw))
                else:
                    found.append(binding.convert(raw, config.timezone)[place])
        return found


class Ledger:
    """Takes the batches of one client and keeps the account.

    A value is due once in each interval of its class. With more equipment than the pace allows
    that is the longer interval which ``metrics --budget`` tells, and another round, since turns
    are spread then, and come between two rounds.
    """

    def __init__(self, config, plan, scenario, truth, loop, clock):
        self.account = Account()
        self.last_sample = None
        self._config, self._plan, self._truth = config, plan, truth
        self._loop, self._clock = loop, clock
        self._begin = loop.time()
        self._seen = {}
        self._published = set()
        self._times = {}
        self._budgets = []
        self._equipment = None
        self._scenario = scenario
        self._classes = {
            series: plan.classes[query]
            for series in plan.wanted - plan.texts
            for query, _ in plan.homes(series)
            if scenario.has(query.condition)
        }

    def equipped(self, scenario, wall):
        """From a time of the wall clock on, the unit has what a scenario says."""
        if scenario is self._equipment:
            return
        self._equipment = scenario
        family = driver(self._config.driver)
        present = {name for name in family.conditions if scenario.has(name)}
        found = budget(self._plan, present, self._config)
        if not self._budgets or self._budgets[-1][1] != found:
            self._budgets.append((wall, found))

    def __call__(self, batch):
        now = self._loop.time()
        lag = self._clock.wall() - batch.time_ns / 1e9
        for series, value in batch.values:
            if series.metric.own:
                continue
            if series.metric.kind is Kind.TEXT:
                self._text(series, value)
                continue
            self._order(series, batch.time_ns, value)
            self.last_sample = now
            if not self._plan.homes(series):
                continue
            home = self._home(series)
            self.account.published += 1
            # A round is named after its first answer, so none of it was sent before.
            possible = self._truth.values(series, *home, now - lag - STEP_S, now, self._config)
            if value not in possible:
                self._wrong(f"{series.name} = {value}, sent: {possible}")
            poll = self._classes.get(series)
            if poll is not None:
                self._times.setdefault(series, []).append(batch.time_ns / 1e9)
                slot = self._slot(poll, batch.time_ns / 1e9)
                if slot == self._slot(poll, self._clock.wall()):
                    self._published.add((series, slot))

    def close(self, outages, since, until):
        """Count, for the time between two times of the wall clock.

        Args:
            outages: (begin, end) of the times at which the unit could not be reached.
            since: Unix seconds.
            until: Unix seconds.
        """
        account = self.account
        for series, poll in self._classes.items():
            home = self._home(series)
            if not self._truth.says(series, *home):
                continue
            for begin, end, came in self._intervals(series, poll, since, until):
                if any(a < end and b > begin for a, b in outages):
                    continue
                offset = self._clock.offset
                if not came and self._truth.withheld(series, *home, begin - offset, end - offset):
                    continue
                account.due += 1
                account.in_time += came

    def _home(self, series):
        """Where the unit has a series; it may be in different places in others of the family."""
        homes = self._plan.homes(series)
        return next((home for home in homes if self._scenario.has(home[0].condition)), homes[0])

    def _intervals(self, series, poll, since, until):
        """(begin, end) of each interval in which a value is due, and whether it came."""
        ends = [*(begin for begin, _ in self._budgets[1:]), until]
        for (begin, found), end in zip(self._budgets, ends, strict=True):
            first, last = max(begin, since), min(end, until)
            if seldom := self._home(series)[0].every_s:
                yield from self._spans(series, seldom + self._interval(poll), first, last)
            elif found.fits or poll is PollClass.FAST:
                yield from self._slots(series, poll, first, last)
            else:
                total = self._home(series)[0] in self._plan.energy
                seconds = found.seconds(poll, total=total) + found.seconds(PollClass.FAST)
                yield from self._spans(series, seconds, first, last)

    def _slots(self, series, poll, since, until):
        seconds = self._interval(poll)
        shift = phase(self._config.name, seconds)
        for slot in range(self._slot(poll, since) + 1, self._slot(poll, until)):
            begin = slot * seconds + shift
            yield begin, begin + seconds, (series, slot) in self._published

    def _spans(self, series, seconds, since, until):
        times = self._times.get(series, ())
        for number in range(int(max(0.0, until - since) // seconds)):
            begin = since + number * seconds
            place = bisect_left(times, begin)
            yield begin, begin + seconds, place < len(times) and times[place] < begin + seconds

    def missed(self):
        """Series → slots that were missed, for those who look into a figure."""
        slots = {}
        for series, slot in self._published:
            slots.setdefault(series, set()).add(slot)
        return {
            series.name: sorted(set(range(min(s), max(s))) - s)
            for series, s in slots.items()
            if set(range(min(s), max(s))) - s
        }

    def _text(self, series, value):
        """Texts are gathered over several rounds, and go out together."""
        self.account.published += 1
        if value not in self._truth.texts(series, *self._home(series)):
            self._wrong(f"{series.name} = {value!r}")

    def _wrong(self, text):
        self.account.wrong += 1
        if len(self.account.false) < 100:
            self.account.false.append(f"{self._loop.time() - self._begin:.1f} s: {text}")

    def _order(self, series, time_ns, value):
        before = self._seen.get(series)
        if before is not None and (before[0] >= time_ns or before[1] is not type(value)):
            self.account.disordered.add(series.name)
        self._seen[series] = time_ns, type(value)

    def _interval(self, poll):
        return self._config.intervals.seconds(poll)

    def _slot(self, poll, wall):
        seconds = self._interval(poll)
        return int((wall - phase(self._config.name, seconds)) // seconds)


class Messages(logging.Handler):
    """Keeps what the collector says."""

    def __init__(self):
        super().__init__(logging.INFO)
        self.lines = []

    def emit(self, record):
        self.lines.append((asyncio.get_running_loop().time(), record.getMessage()))


class World:
    """A simulated inverter, its faults, and one client of ours, in virtual time.

    Attributes:
        family: The driver; others than this have a class of their own.
        default: Name of the usual scenario.
        truth: What the unit has sent.
    """

    family = "rct"
    default = "sunny"
    witness = Truth

    def __init__(self, loop, scenario="", faults=(), *, seed=1, name="roof", options="", **more):
        self.loop = loop
        self.truth = self.witness()
        self.faults = tuple(faults)
        self.inverter = SimulatedInverter(
            scenario or self.default,
            driver=self.family,
            **{"seed": seed, "start": START, "sun": 9.0, "witness": self.truth, **more},
            faults=self.faults,
        )
        self.clock = VirtualClock(loop)
        self.plug = MemoryPlug(self.inverter)
        entry = {"name": name, "driver": self.family, "address": "tcp://unit:8899"}
        self.config = Config.parse({"devices": [{**entry, **(options or {})}]}).devices[0]
        self.device = None
        self.outages = []
        self._failures = []

    def is_dark(self, now):
        """Whether the unit cannot be reached, or to no good purpose."""
        spells = (fault for fault in self.faults if isinstance(fault, Spell))
        return self.inverter.bridge.access(now) is not Access.OPEN or any(
            spell.lasts(now) for spell in spells
        )

    def collector(self):
        """Our own client; returns its ledger and what it does for ever."""
        ledger = self.ledger(self.plan())
        return ledger, self.connect(ledger).run

    def plan(self):
        """What a collector asks for."""
        return plan_for(driver(self.family), self.config)

    @property
    def requests(self):
        """Requests that our own client has sent."""
        return self.device.stats.totals["requests"]

    def connect(self, emit, **more):
        """Our own client; ``more`` are options that all devices of a process share."""
        options = Options(clock=self.clock, opener=self.plug, lock=False, **more)
        self.device = Device(self.config, emit, options)
        return self.device

    async def idle(self):
        """No client of ours at all."""
        self.inverter.hub()
        await asyncio.Event().wait()

    def ledger(self, plan):
        scenario = self.equipment()
        made = Ledger(self.config, plan, scenario, self.truth, self.loop, self.clock)
        made.equipped(scenario, self.clock.wall())
        return made

    def equipment(self):
        """What the unit has at the start, with ``has(condition)``."""
        return self.inverter.unit.scenario

    def scenario(self):
        """What the unit has at present; some faults change it."""
        unit = self.inverter.unit
        for fault in self.faults:
            unit = fault.on_unit(unit, self.clock.wall())  # its world began with this clock
        return unit.scenario

    async def run(self, ledger, main, hours):
        """Let a client work; returns the account."""
        random.seed(1)  # the pauses before repeats
        begin = self.loop.time()
        messages = Messages()
        logger = logging.getLogger("rct_collector")
        level = logger.level
        logger.addHandler(messages)
        logger.setLevel(logging.INFO)
        self.loop.set_exception_handler(lambda _loop, context: self._failures.append(context))
        task = asyncio.create_task(main())
        try:
            await self._watch(ledger, begin + hours * 3600, task)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.inverter.hub().close()
            logger.removeHandler(messages)
            logger.setLevel(level)
        assert self._failures == [], "exceptions in callbacks"
        return self._account(ledger, begin, messages)

    def _account(self, ledger, begin, messages):
        offset = self.clock.offset
        account = ledger.account
        walls = [(a + offset, b + offset) for a, b in self.outages]
        settled = max([begin, *(b for a, b in self.outages if a <= begin)]) + SETTLING_S
        ledger.close(walls, settled + offset, self.clock.wall())
        account.seconds = self.loop.time() - begin
        account.answers = self.truth.good
        account.outage = sum(b - a for a, b in self.outages)
        account.messages = [
            text for at, text in messages.lines if any(a <= at <= b for a, b in self.outages)
        ]
        return account

    async def _watch(self, ledger, end, task):
        """Note when the unit can be used, and how soon there are values again."""
        was, since, dark = False, 0.0, None
        while (now := self.loop.time()) < end:
            if task.done():
                task.result()  # raises what it ended with
            ledger.equipped(self.scenario(), self.clock.wall())
            is_dark = self.is_dark(now)
            if is_dark and not was:
                since = now
            elif was and not is_dark:
                self.outages.append((since - STEP_S, now))
                dark = now
            was = is_dark
            if dark is not None and ledger.last_sample is not None and ledger.last_sample > dark:
                ledger.account.recoveries.append(ledger.last_sample - dark)
                dark = None
            await asyncio.sleep(STEP_S)
        if was:
            self.outages.append((since - STEP_S, end))
