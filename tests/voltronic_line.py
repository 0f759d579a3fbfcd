"""Hours of a Voltronic unit on a bad line in seconds, and whether what is published was said.

The simulated unit, its faults and our collector run in virtual time. The simulator keeps what it
really said, field by field, by an encoder and layouts of its own, so a false value is found out.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.drivers.voltronic.simulator import VoltronicWitness
from rct_collector.drivers.voltronic.table import of_dialect
from rct_collector.model import Kind
from rct_collector.simulator import SimulatedInverter
from tests.memory import MemoryPlug
from tests.virtual import START, VirtualClock

VOLTRONIC = driver("voltronic")

#: An answer that comes late is taken in the round that asked for it, if no other looks like it; a
#: round takes no longer than this at the usual interval, and what comes later is none.
DEADLINE_S = 15.0
#: How exactly the time of a batch is known, in seconds.
STEP_S = 0.5


@dataclass
class Verdict:
    """What became of a run.

    Attributes:
        published: Samples of the unit's own values.
        series: How many of each.
        false: The first of those that the unit had not said.
        disordered: Series whose times did not increase, or whose type changed.
        values: Which values each series had.
    """

    published: int = 0
    series: Counter[str] = field(default_factory=Counter)
    false: list[str] = field(default_factory=list)
    disordered: set[str] = field(default_factory=set)
    values: dict[str, set[Any]] = field(default_factory=lambda: defaultdict(set))


class Judge:
    """Takes the batches of a device, and holds them against what the unit said."""

    def __init__(self, dialect, witness, config, loop, clock):
        self.verdict = Verdict()
        self._witness, self._config = witness, config
        self._loop, self._clock = loop, clock
        self._seen = {}
        self._homes = {}
        for command in of_dialect(dialect):
            for binding in command.bindings:
                for place, series in enumerate(binding.series):
                    self._homes.setdefault(series, []).append((command, binding, place))

    def __call__(self, batch):
        verdict, now = self.verdict, self._loop.time()
        begin = batch.time_ns / 1e9 - self._clock.offset - STEP_S
        for series, value in batch.values:
            if series not in self._homes:
                continue  # of the collector, or computed of others
            verdict.published += 1
            verdict.series[series.name] += 1
            verdict.values[series.name].add(value)
            # Texts are gathered over several rounds, and go out together.
            since = 0.0 if series.metric.kind is Kind.TEXT else begin
            possible = self._possible(series, since, now)
            if value not in possible and len(verdict.false) < 20:
                verdict.false.append(f"{now:.1f} s: {series.name} = {value!r}, said: {possible}")
            before = self._seen.get(series)
            if before is not None and (before[0] >= batch.time_ns or before[1] is not type(value)):
                verdict.disordered.add(series.name)
            self._seen[series] = batch.time_ns, type(value)

    def _answers(self, command, begin):
        """Good answers to a command from a time on; whatever its date was."""
        requests = [command.text]
        if command.date:
            known = self._witness.requests
            requests = [text for text in known if text.rstrip("0123456789") == command.text]
        return [sent for text in requests for sent in self._witness.since(text, begin)]

    def _possible(self, series, begin, now):
        """What a series may be, by all answers in time between two times."""
        found = []
        for command, binding, place in self._homes.get(series, ()):
            for sent in self._answers(command, begin):
                if sent.at <= now and sent.at - sent.reply.asked <= DEADLINE_S:
                    wall = sent.at + self._clock.offset
                    said = sent.reply.answer.said
                    found.append(binding.convert(said, self._config.timezone, wall)[place])
        return found


class VoltronicHouse:
    """A simulated unit, its faults, and our collector, in virtual time."""

    def __init__(
        self, loop, *, dialect="pi30max", faults=(), scenario="sbu", seed=1, options=(), **more
    ):
        self.loop, self.clock = loop, VirtualClock(loop)
        self.witness = VoltronicWitness()
        self.inverter = SimulatedInverter(
            scenario,
            driver="voltronic",
            dialect=dialect,
            faults=faults,
            witness=self.witness,
            **{"seed": seed, "start": START, "sun": 9.0, **more},
        )
        self.plug = MemoryPlug(self.inverter)
        entry = {"name": "house", "driver": "voltronic", "address": "tcp://unit:1", **dict(options)}
        self.config = Config.parse({"devices": [entry]}).devices[0]
        self.judge = Judge(dialect, self.witness, self.config, loop, self.clock)
        self.failures = []

    @property
    def observed(self):
        return self.inverter.bridge.observed

    async def run(self, hours):
        """Let the collector work; returns the verdict."""
        random.seed(1)
        device = Device(
            self.config, self.judge, Options(clock=self.clock, opener=self.plug, lock=False)
        )
        self.loop.set_exception_handler(lambda _loop, context: self.failures.append(context))
        logger = logging.getLogger("rct_collector")
        level = logger.level
        logger.setLevel(logging.CRITICAL)
        task = asyncio.create_task(device.run())
        try:
            await asyncio.sleep(hours * 3600)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.inverter.hub().close()
            logger.setLevel(level)
        assert self.failures == [], f"exceptions in callbacks: {self.failures}"
        return self.judge.verdict
