"""Hours of inverters that call, or are on a bus, in seconds, and the account of each record.

Simulated inverters with any faults, a collector that may crash, and an agent that takes its time
run in virtual time. The witness knows what was really sent and acknowledged, so that what is
false, missing or told twice is found out.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.receiving import can_be
from rct_collector.device.state import WRITER
from rct_collector.drivers.base import Record
from rct_collector.drivers.chance import between, fraction, key
from rct_collector.drivers.solaredge import table
from rct_collector.drivers.solaredge.batteries import CONFIRMATIONS, Batteries
from rct_collector.drivers.solaredge.frame import Frame, assemble
from rct_collector.drivers.solaredge.functions import POST
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import BATTERY, LAYOUTS
from rct_collector.drivers.solaredge.request import SERVER
from rct_collector.drivers.solaredge.session import SolarEdgeSession
from rct_collector.drivers.solaredge.simulator import SolarEdgeWitness
from rct_collector.simulator import SimulatedInverter
from tests.calling import Exchange
from tests.memory import MemoryPlug
from tests.virtual import VirtualClock

#: Way → address, with the ids of the inverters.
ADDRESSES = {
    "home": "listen://127.0.0.1:22222",
    "rs485": "tcp://192.0.2.1:23?mode=master&units={}",
    "passive": "tcp://192.0.2.1:23?mode=passive",
}

#: Series of all batteries together.
_SUMS = {series for _, series, *_ in table.all_batteries()}

#: Minutes at the end of a run in which nobody is killed, so that what is left can be told.
MOST_CALM = 300


class Sample(NamedTuple):
    """One value that was written: of which unit, series and time, and what."""

    unit: str
    series: object
    time_ns: int
    value: object


class Written(NamedTuple):
    """A sample, when it was written, and by which of the collectors that came after each other."""

    sample: Sample
    at: float
    by: int


@dataclass
class Account:
    """What became of all records.

    Attributes:
        told: Records that were made.
        acknowledged: Those that were acknowledged.
        published: Samples that were written.
        sums: Those of them that are of all batteries together.
        false: Samples that nobody had sent by then.
        twice: Samples that were written twice though their record was acknowledged in between, or
            by one collector.
        missing: Records that were acknowledged, and not or not wholly written.
        unheard: Records that were not acknowledged though there was time for it.
        crashes: How often the collector was killed.
        again: Samples that came once more after a crash, as they may.
    """

    told: int = 0
    acknowledged: int = 0
    published: int = 0
    sums: int = 0
    crashes: int = 0
    again: int = 0
    false: list = field(default_factory=list)
    twice: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    unheard: list = field(default_factory=list)


class Agent:
    """Takes batches over a bit later, and can be killed in between.

    Attributes:
        written: All that was ever written.
        by: Number of the present collector.
        waits: Whether it says of what it takes over when that is written.
    """

    waits = True

    def __init__(self, loop, seed):
        self.written, self.by = [], 0
        self._loop, self._key, self._number = loop, key(seed, "agent"), 0
        self._held = []
        self._taking = asyncio.Event()

    async def busy(self):
        """Wait until it holds something that is not told to be written yet."""
        self._taking = asyncio.Event()
        await self._taking.wait()

    def __call__(self, batch):
        self._number += 1
        if any(not series.metric.own for series, _ in batch.values):
            self._taking.set()
        receipt = batch.receipt if self.waits else None
        if receipt is not None:
            receipt.hold()
        delay = between(0.0, 2.0, self._key, self._number)
        self._held.append(self._loop.call_later(delay, self._write, batch, receipt))

    def kill(self):
        """All that was not written, and what was not yet told to be, is gone."""
        for handle in self._held:
            handle.cancel()
        self._held.clear()
        self.by += 1

    def _write(self, batch, receipt):
        now = self._loop.time()
        fails = fraction(self._key ^ 1, self._number) < 0.02
        if not fails:
            for series, value in batch.values:
                if not series.metric.own:
                    sample = Sample(batch.unit, series, batch.time_ns, value)
                    self.written.append(Written(sample, now, self.by))
        if receipt is not None:
            self._held.append(self._loop.call_later(0.3, receipt.settle, not fails))
        self._held = [h for h in self._held if not h.cancelled() and h.when() >= now]


class Bus(MemoryPlug):
    """A bus in place of the network in which inverters call."""

    def start(self):
        """They are there."""

    def crash(self):
        """They do not notice."""

    async def stop(self):
        self.inverter.hub().close()


class World:
    """Inverters, a network or a bus, a collector and its agent."""

    def __init__(
        self,
        loop,
        *,
        scenario="",
        faults=lambda _line: (),
        inverters=1,
        seed=1,
        state_dir=None,
        way="home",
        **more,
    ):
        self.loop, self.seed, self._state_dir = loop, seed, state_dir
        self.clock = VirtualClock(loop)
        self.witness = SolarEdgeWitness()
        self.agent = Agent(loop, seed)
        self.inverters = [
            SimulatedInverter(
                scenario,
                driver="solaredge",
                start=self.clock.wall(),
                seed=seed,
                sun=more.get("sun", 11.0),
                line=line,
                witness=self.witness,
                inverters=inverters,
                way=way,
                faults=faults(line),
                **{name: value for name, value in more.items() if name != "sun"},
            )
            for line in range(inverters if way == "home" else 1)
        ]
        bridges = [inverter.bridge for inverter in self.inverters]
        if way == "home":
            self.exchange = Exchange(self.inverters)
            self._lines = {"listen": self.exchange}
            self.outboxes = [bridge.outbox for bridge in bridges]
        else:
            self.exchange = Bus(*self.inverters)
            self._lines = {"opener": self.exchange}
            self.outboxes = [box for bridge in bridges for box in bridge.outboxes.values()]
        units = [outbox.unit for outbox in self.outboxes]
        self._said = {
            "name": "roof",
            "driver": "solaredge",
            "address": ADDRESSES[way].format(",".join(unit.name for unit in units)),
            "keys": {unit.name: unit.world.secret(unit.number).hex() for unit in units},
        }

    async def run(self, hours, *, crash_every=None):
        """Let it go on for some hours, with a crash now and then; gives the account."""
        failures = []
        self.loop.set_exception_handler(lambda _loop, context: failures.append(context))
        end = self.loop.time() + hours * 3600.0
        self.exchange.start()
        crashes = 0
        while self.loop.time() < end:
            task = self._collect()
            lasts = end - self.loop.time()
            if crash_every is not None:
                own = key(self.seed, "crash", crashes)
                lasts = min(lasts, between(0.2, 1.8, own) * crash_every)
            await asyncio.sleep(lasts)
            if self.loop.time() < end:
                await self.agent.busy()
                await asyncio.sleep(between(0.0, 2.3, key(self.seed, "within", crashes)))
                crashes += 1
                self.agent.kill()
                self.exchange.crash()
                await self._killed(task)
                await asyncio.sleep(between(1.0, 60.0, key(self.seed, "down", crashes)))
        if task.done():  # it was killed last
            task = self._collect()
        due = self.clock.wall()
        for _ in range(MOST_CALM):
            if not self._unheard(due):
                break
            await asyncio.sleep(60.0)
        await asyncio.sleep(5.0)  # what is held is written
        await self._killed(task)
        await self.exchange.stop()
        assert failures == [], "exceptions in callbacks"
        return self._account(crashes, due)

    def _collect(self):
        """A process that knows nothing of those before it, but for what is on the disk."""
        WRITER.finish(10.0)
        (config,) = Config.parse({"devices": [self._said]}).devices
        options = Options(clock=self.clock, lock=False, state_dir=self._state_dir, **self._lines)
        device = Device(config, self.agent, options)
        return asyncio.create_task(device.run())

    async def _killed(self, task):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    # -- the account ---------------------------------------------------------------------------

    def _account(self, crashes, due):
        account = Account(crashes=crashes, told=len(self.witness.told))
        ends = self._ends()
        sources = defaultdict(list)  # sample → records that say it
        names = defaultdict(list)  # name of a record → records that have it
        for told in self.witness.told:
            for record in means(told):
                names[record.unit, record.key, record.time_ns].append((told, record))
                for series, value in record.values:
                    sources[Sample(record.unit, series, record.time_ns, value)].append(told)
        places = defaultdict(list)
        for written in self.agent.written:
            sample = written.sample
            places[sample.unit, sample.series, sample.time_ns].append(written)
            told = sources.get(sample, ())
            if not any(at <= written.at for item in told for at in item.whole):
                account.false.append(written)
        account.published = len(self.agent.written)
        account.sums = sum(w.sample.series in _SUMS for w in self.agent.written)
        for group in places.values():
            self._judge(group, sources, ends, account)
        published = set(places)
        for members in names.values():
            self._find(members, published, account)
        account.acknowledged = sum(told.acknowledged is not None for told in self.witness.told)
        account.unheard = self._unheard(due)
        return account

    def _unheard(self, due):
        """Records that were made until a time of the wall clock, and not acknowledged so far."""
        waiting = (told for outbox in self.outboxes for told in outbox.waiting)
        return [told for told in waiting if told.made_at <= due]

    def _ends(self):
        """When each of the collectors wrote last."""
        ends = {}
        for written in self.agent.written:
            ends[written.by] = max(written.at, ends.get(written.by, 0.0))
        return ends

    def _judge(self, group, sources, ends, account):
        """Samples of one place, of which there should be one."""
        for one, other in zip(group, group[1:], strict=False):
            told = sources.get(other.sample, ())
            # Until the unit has heard that it was taken, it says it again, and to another
            # collector that is new; so is another record of that time, of a clock set back.
            unheard = [t for t in told if t.acknowledged is None or t.acknowledged > ends[one.by]]
            if one.by == other.by or not unheard:
                account.twice.append((one, other))
            else:
                account.again += 1

    def _find(self, members, published, account):
        """Whether one of the records that have the same name was written, if it had to be."""
        due = [(told, record) for told, record in members if self._must_be(told, record)]
        if not due:
            return
        wanted = [
            all(
                (record.unit, series, record.time_ns) in published
                for series, _ in record.values
                if series.metric.default
            )
            for _, record in members
        ]
        if not any(wanted):
            account.missing.append(due[0][0])

    def _must_be(self, told, record):
        if told.acknowledged is None or record.key == (BATTERY, "all"):
            return False
        wall = told.acknowledged + self.clock.offset
        return can_be(record.time_ns, round((wall - 10.0) * 1e9))


def means(told):
    """What a record means, as our session says: alone in a post, to one that knows no other.

    A battery is known to be the only one; the sum of all may be told or not.
    """
    unit = int(told.unit, 16)
    post = assemble(Frame(1, unit, SERVER, POST, told.record.data))
    alone = Batteries(confirmations=CONFIRMATIONS)
    if told.record.kind == BATTERY:
        alone.known.add(str(LAYOUTS[BATTERY].decode(told.record.body)["battery"]))
    options = SolarEdgeOptions(batteries={told.unit: alone})
    events = SolarEdgeSession(options).receive(post, 0)
    return [event for event in events if type(event) is Record]


def kinds(witness):
    """How many records of each type were told."""
    return Counter(told.record.kind for told in witness.told)
