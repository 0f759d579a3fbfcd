"""A memory read over a troubled line: what comes is what is there, and all of it is."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.cli.history_reading import HistoryReading, Selection
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.drivers.rct.simulator.logbook import Logbook, LoggerMemory
from rct_collector.drivers.rct.simulator.profiles import faults
from rct_collector.exits import Exit
from tests import virtual
from tests.faulty import START, World

SECOND = 1_000_000_000
HOURS = 8


class Kept:
    """Takes what is read."""

    def __init__(self):
        self.rows = {}

    def has(self, _device, _part):
        return False

    def take(self, _device, _part, rows):
        for time_ns, values in rows:
            for series, value in values:
                assert (series, time_ns) not in self.rows, "nothing twice"
                self.rows[series, time_ns] = value

    def flush(self, _device):
        pass


def remembered(unit, queries, start, end, now):
    """The same, from the unit itself: what it has kept, a day's worth of records at once."""
    whole = Logbook(unit.world, replace(unit.memory, records=400, window=math.inf))
    found = {}
    history = driver("rct").history
    for query in queries:
        (binding,) = history.kept[query].bindings
        before = int(end)
        while before > start:
            payload = whole.series(query.name, query.condition, before, now)
            records = list(struct.iter_unpack(">If", payload[4:]))
            if not records:
                break
            for stamp, value in records:
                if start <= stamp < end:
                    (converted,) = binding.convert(value, None)
                    found[binding.series[0], stamp * SECOND] = converted
            before = min(stamp for stamp, _ in records)
    return found


def read(profiles, memory, hours, signals=(), seed=1):
    """Read some hours in virtual time; the reading, what came, and what there is."""

    async def main(loop):
        troubles = faults(profiles, seed) if profiles else ()
        world = World(loop, faults=troubles, options={"timezone": "UTC"}, memory=memory)
        end = int(START) // 300 * 300
        start = end - hours * 3600
        reading = HistoryReading(
            world.config, Selection("5m", signals), start * SECOND, end * SECOND
        )
        kept = Kept()
        options = Options(clock=world.clock, opener=world.plug, lock=False)
        begun = loop.time()
        await reading.read(options, kept, 30.0)
        now = START + loop.time() - begun
        expected = remembered(world.inverter.unit, reading.queries, start, end, now)
        return reading, kept.rows, expected

    return virtual.run(main)


@pytest.mark.slow
@pytest.mark.parametrize("records", [41, 150])
@pytest.mark.parametrize("profile", ["", "app", "plant", "new-firmware", "harsh", "flaky-wifi"])
def test_what_is_read_is_what_the_unit_has(profile, records):
    profiles = [profile] if profile else []
    reading, rows, expected = read(profiles, LoggerMemory(records=records), HOURS)

    assert (reading.headway.failed, reading.headway.unknown) == ([], [])
    assert reading.status is Exit.OK
    assert rows == expected
    assert len({series for series, _ in rows}) == 22


_HOLE = st.tuples(st.integers(0, 30 * 60), st.integers(5, 20 * 60))


@pytest.mark.slow
@given(
    holes=st.lists(_HOLE, max_size=3),
    records=st.sampled_from([5, 41, 150]),
    window=st.sampled_from([math.inf, 6 * 3600.0]),
    profiles=st.sampled_from([[], ["app"], ["harsh"]]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=8, deadline=None)
def test_whatever_is_missing_in_a_memory_nothing_is_invented(
    holes, records, window, profiles, seed
):
    """Holes of minutes to more than a day, and answers of any length."""
    end = int(START) // 300 * 300
    gone = tuple((end - 60.0 * (ago + long), end - 60.0 * ago) for ago, long in holes)
    memory = LoggerMemory(records=records, holes=gone, window=window)
    reading, rows, expected = read(profiles, memory, 30, ("load_*",), seed)

    assert reading.status is Exit.OK, reading.trouble
    assert rows == expected
