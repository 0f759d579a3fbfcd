"""The unit's own logger: past values of its signals, and the table of events.

Nothing is written down; the past is looked up like the present, so that the log agrees with
what was read, and reaches back to before the simulation began. Times are the unit's wall clock.

Not documented, and chosen here: energies of the five-minute series are mean watts (rctclient's
registry gives W for one of them), feed-in is negative there as in the counters, and a record of
a day, month or year carries the time at which that period began.
"""

from __future__ import annotations

import heapq
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

from rct_collector.drivers.rct.clock import begin_after, begin_of
from rct_collector.drivers.rct.simulator.clock import DAY
from rct_collector.drivers.rct.simulator.day import Energies
from rct_collector.drivers.rct.simulator.incidents import float_bits
from rct_collector.drivers.rct.simulator.moment import Moment
from rct_collector.drivers.rct.simulator.readings import FLOWS
from rct_collector.drivers.rct.simulator.world import World

STEP = 300
_RING = 90 * DAY
_EVENTS_RING = 365 * DAY
#: Longest time that a clock shows twice.
_REPEATED = 3 * 3600
#: Series of years end with an empty record of this date, as observed on real units.
_END_OF_YEARS = 946771200  # 2000-01-02

_ENERGY: dict[str, Callable[[Energies], float]] = {
    "ea": lambda e: e.pv_a,
    "eb": lambda e: e.pv_b,
    "eac": lambda e: e.output,
    "eac1": lambda e: e.output / 3.0,
    "eac2": lambda e: e.output / 3.0,
    "eac3": lambda e: e.output / 3.0,
    "ebat": lambda e: e.discharge - e.charge,
    **{f"e{name}": flow for name, flow in FLOWS.items() if name != "ac"},
}

_VALUE: dict[str, Callable[[Moment], float]] = {
    "soc": lambda m: m.flows.soc,
    "soc_targ": lambda m: m.world.scenario.sizes.SOC_MAXIMUM,
    "temp": lambda m: m.heat_sink,
    "temp2": lambda m: m.battery_heat_sink,
    "temp_bat": lambda m: m.towers[0].celsius,
    "ua": lambda m: m.generator_volts(0),
    "ub": lambda m: m.generator_volts(1),
    "ubat": lambda m: m.towers[0].volts,
    "ul1": lambda m: m.volts[0],
    "ul2": lambda m: m.volts[1],
    "ul3": lambda m: m.volts[2],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggerMemory:
    """What the logger has kept, and how much of it one answer tells.

    Attributes:
        records: Most records of a series in one answer; real units were seen to give 41.
        events: Most events in one answer.
        begin: Unix seconds before which it has kept nothing; infinite for an empty memory.
        holes: First and last Unix second of the times in which it has kept nothing.
        window: How far back from the time that it is asked for an answer looks, in seconds, so
            that in a longer hole it is empty.
        steps: When the clock was set, Unix seconds, and by how much, in seconds; what was kept
            before shows the clock as it was.
    """

    records: int = 150
    events: int = 60
    begin: float = -math.inf
    holes: tuple[tuple[float, float], ...] = ()
    window: float = math.inf
    steps: tuple[tuple[float, float], ...] = ()

    def kept(self, first: float, last: float) -> bool:
        """Whether it has kept what lies between two times, or a part of it."""
        if last < self.begin:
            return False
        return not any(begin <= first and last <= end for begin, end in self.holes)

    def shift(self, unix: float) -> float:
        """Seconds by which the clock differed then from what it is now."""
        return -sum(seconds for at, seconds in self.steps if unix < at)


class Logbook:
    """Answers the queries of one unit's logger."""

    def __init__(self, world: World, memory: LoggerMemory) -> None:
        """Open the log of a unit."""
        self._world = world
        self._memory = memory

    def series(self, name: str, condition: str, before: int, unix: float) -> bytes:
        """Payload of a time series.

        Args:
            name: Object, such as ``logger.minutes_soc_log_ts``.
            condition: What the installation must have for it; records are 0 without.
            before: The unit's wall clock; records are older than it.
            unix: Unix time of the query.
        """
        resolution, _, signal = name.removeprefix("logger.").removesuffix("log_ts").partition("_")
        signal = signal.rstrip("_")
        records: Iterator[tuple[int, float]]
        has = self._world.scenario.has(condition)
        if resolution == "minutes":
            value = partial(self._value, signal) if has else lambda _unix: 0.0
            records = self._minutes(value, before, unix)
        elif signal:
            records = self._periods(resolution, signal, before, unix)
        else:
            records = iter(())  # nobody knows what logger.year_log_ts holds
        payload = struct.pack(">I", before)
        for stamp, recorded in islice(records, self._memory.records):
            payload += struct.pack(">If", stamp, recorded if has else 0.0)
        return payload

    def events(self, before: int, unix: float) -> bytes:
        """Payload of the event table: what began before ``before``, newest first."""
        world, memory = self._world, self._memory
        limit = min(self._after(before), unix)
        oldest = max(world.born, unix - _EVENTS_RING)
        events: Iterator[tuple[int, ...]] = (
            (i.bit, self._stamp(i.start), self._stamp(i.end), i.raw, 0)
            for i in world.incidents.before(limit, unix, oldest)
            if memory.kept(i.start, i.start)
        )
        older = (event for event in events if event[1] < before)
        found = [*islice(older, None if memory.steps else memory.events)]  # else they are in order
        for kind, start, *elements in self._milestones():
            if start <= unix and memory.kept(start, start) and self._stamp(start) < before:
                found.append((kind, self._stamp(start), *elements))
        found.sort(key=lambda event: event[1], reverse=True)
        payload = struct.pack(">I", before)
        for event in found[: memory.events]:
            payload += struct.pack(">5I", *event)
        return payload

    def _milestones(self) -> list[tuple[int, int, int, int, int]]:
        """What happens once: a parameter changed, the last update, the restart after it."""
        world = self._world
        restart = int(world.updated) + 35
        return [
            (115, int(world.born) + DAY, 0xCE266F0F, float_bits(0.10), float_bits(0.07)),
            (119, int(world.updated), 0, 4421, 5674),
            (118, restart, self._stamp(restart + 20), 0, 0),
        ]

    def _stamp(self, unix: float) -> int:
        """What the unit's clock showed."""
        return self._world.clock.wall(unix) + int(self._memory.shift(unix))

    def _after(self, stamp: int) -> float:
        """A Unix time from which on nothing was kept that shows an earlier time."""
        most = max((abs(seconds) for _, seconds in self._memory.steps), default=0.0)
        return self._world.clock.unix_after(stamp) + len(self._memory.steps) * most + _REPEATED

    def _minutes(
        self, value: Callable[[float], float], before: int, unix: float
    ) -> Iterator[tuple[int, float]]:
        """Every five minutes, back to the end of the ring: the latest by the unit's clock first."""
        oldest = max(unix - _RING, self._world.born, self._memory.begin)
        newest = min(self._after(before), unix)
        edges = [
            oldest,
            *sorted(at - 1.0 for at, _ in self._memory.steps if oldest < at - 1.0 < newest),
            newest,
        ]
        parts = (self._part(*part) for part in zip(edges, edges[1:], strict=False))
        for stamp, then in heapq.merge(*parts, key=lambda record: -record[0]):
            if stamp < before - self._memory.window:
                return
            if stamp < before and self._memory.kept(then, then):
                yield stamp, value(then)

    def _part(self, first: float, last: float) -> Iterator[tuple[int, float]]:
        """What the clock showed every five minutes between two times, the last one first."""
        then = int(last) - self._stamp(last) % STEP
        while then > first:
            yield self._stamp(then), then
            then -= STEP

    def _value(self, signal: str, unix: float) -> float:
        """A signal at a moment; of an energy, the mean power up to it."""
        if signal in _ENERGY:
            energies = self._world.energies(unix).since(self._world.energies(unix - STEP))
            return _ENERGY[signal](energies) * 3600.0 / STEP
        return _VALUE[signal](Moment(self._world, unix))

    def _periods(
        self, resolution: str, signal: str, before: int, unix: float
    ) -> Iterator[tuple[int, float]]:
        """Every whole day, month or year since commissioning."""
        clock, world = self._world.clock, self._world
        begin = begin_of(resolution, min(before - 1, clock.wall(unix)))
        if begin_after(resolution, begin) > clock.wall(unix):
            begin = begin_of(resolution, begin - 1)
        end = clock.unix_after(begin_after(resolution, begin))
        while end > world.born:
            first = clock.unix_after(begin)
            if self._memory.kept(first, end):
                yield begin, _ENERGY[signal](world.energies(end).since(world.energies(first)))
            begin, end = begin_of(resolution, begin - 1), first
        if resolution == "year" and before > _END_OF_YEARS:
            yield _END_OF_YEARS, 0.0
