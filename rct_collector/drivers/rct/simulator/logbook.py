"""The unit's own logger: past values of its signals, and the table of events.

Nothing is written down; the past is looked up like the present, so that the log agrees with
what was read, and reaches back to before the simulation began. Times are the unit's wall clock.

Not documented, and chosen here: energies of the five-minute series are mean watts (rctclient's
registry gives W for one of them), feed-in is negative there as in the counters, and a record of
a day, month or year carries the time at which that period began.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import islice

from rct_collector.drivers.rct.simulator.clock import DAY, date_of, wall_of
from rct_collector.drivers.rct.simulator.day import Energies
from rct_collector.drivers.rct.simulator.incidents import float_bits
from rct_collector.drivers.rct.simulator.moment import Moment
from rct_collector.drivers.rct.simulator.readings import FLOWS
from rct_collector.drivers.rct.simulator.world import World

#: Most records of a series, and most events, in one answer.
MOST_RECORDS = 150
MOST_EVENTS = 60
STEP = 300
_RING = 90 * DAY
_EVENTS_RING = 365 * DAY
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

#: Signals of parts that not every installation has; without them the records are 0.
_CONDITIONS = {
    **dict.fromkeys(("eb", "ub"), "genB"),
    **dict.fromkeys(("ebat", "soc", "soc_targ", "temp_bat", "ubat"), "bat"),
    "eext": "s0",
}


class Logbook:
    """Answers the queries of one unit's logger."""

    def __init__(self, world: World) -> None:
        """Open the log of a unit."""
        self._world = world

    def series(self, name: str, before: int, unix: float) -> bytes:
        """Payload of a time series.

        Args:
            name: Object, such as ``logger.minutes_soc_log_ts``.
            before: The unit's wall clock; records are older than it.
            unix: Unix time of the query.
        """
        resolution, _, signal = name.removeprefix("logger.").removesuffix("log_ts").partition("_")
        signal = signal.rstrip("_")
        records: Iterator[tuple[int, float]]
        if resolution == "minutes":
            records = self._minutes(signal, before, unix)
        elif signal:
            records = self._periods(resolution, signal, before, unix)
        else:
            records = iter(())  # nobody knows what logger.year_log_ts holds
        payload = struct.pack(">I", before)
        for record in islice(records, MOST_RECORDS):
            payload += struct.pack(">If", *record)
        return payload

    def events(self, before: int, unix: float) -> bytes:
        """Payload of the event table: what began before ``before``, newest first."""
        clock, world = self._world.clock, self._world
        limit = min(clock.unix_after(before), unix)
        oldest = max(world.born, unix - _EVENTS_RING)
        found = [
            (incident.bit, int(incident.start), clock.wall(incident.end), incident.raw, 0)
            for incident in islice(world.incidents.before(limit, unix, oldest), MOST_EVENTS)
        ]
        found += [event for event in self._milestones() if event[1] < limit]
        found.sort(key=lambda event: event[1], reverse=True)
        payload = struct.pack(">I", before)
        for kind, start, *elements in found[:MOST_EVENTS]:
            payload += struct.pack(">5I", kind, clock.wall(start), *elements)
        return payload

    def _milestones(self) -> list[tuple[int, int, int, int, int]]:
        """What happens once: a parameter changed, the last update, the restart after it."""
        world = self._world
        restart = int(world.updated) + 35
        return [
            (115, int(world.born) + DAY, 0xCE266F0F, float_bits(0.10), float_bits(0.07)),
            (119, int(world.updated), 0, 4421, 5674),
            (118, restart, world.clock.wall(restart + 20), 0, 0),
        ]

    def _minutes(self, signal: str, before: int, unix: float) -> Iterator[tuple[int, float]]:
        """Every five minutes, back to the end of the ring."""
        clock = self._world.clock
        now = clock.wall(unix)
        oldest = max(now - _RING, clock.wall(self._world.born))
        stamp = min(before - 1, now) // STEP * STEP
        while stamp > oldest:
            then = clock.unix(stamp)
            if then is not None:  # the clock jumped over it
                yield stamp, self._value(signal, then)
            stamp -= STEP

    def _value(self, signal: str, unix: float) -> float:
        """A signal at a moment; of an energy, the mean power up to it."""
        if not self._world.scenario.has(_CONDITIONS.get(signal, "always")):
            return 0.0
        if signal in _ENERGY:
            energies = self._world.energies(unix).since(self._world.energies(unix - STEP))
            return _ENERGY[signal](energies) * 3600.0 / STEP
        return _VALUE[signal](Moment(self._world, unix))

    def _periods(
        self, resolution: str, signal: str, before: int, unix: float
    ) -> Iterator[tuple[int, float]]:
        """Every whole day, month or year since commissioning."""
        clock, world = self._world.clock, self._world
        begin = _begin(resolution, min(before - 1, clock.wall(unix)))
        if _next(resolution, begin) > clock.wall(unix):
            begin = _begin(resolution, begin - 1)
        end = clock.unix_after(_next(resolution, begin))
        while end > world.born:
            first = clock.unix_after(begin)
            yield begin, _ENERGY[signal](world.energies(end).since(world.energies(first)))
            begin, end = _begin(resolution, begin - 1), first
        if resolution == "year" and before > _END_OF_YEARS:
            yield _END_OF_YEARS, 0.0


def _begin(resolution: str, wall: int) -> int:
    """When the day, month or year began."""
    date = date_of(wall)
    month = 1 if resolution == "year" else date.month
    return wall_of(date.year, month, date.day if resolution == "day" else 1)


def _next(resolution: str, begin: int) -> int:
    """When the next day, month or year begins."""
    return _begin(resolution, begin + {"day": 1, "month": 31, "year": 366}[resolution] * DAY)
