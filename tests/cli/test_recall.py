"""A memory read over a troubled line: what comes is what is there, and all of it is."""

from __future__ import annotations

import struct

import pytest

from rct_collector.cli.past import Recall, Selection
from rct_collector.device.options import Options
from rct_collector.drivers import driver
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
    """The same, from the unit itself."""
    found = {}
    history = driver("rct").history
    for query in queries:
        (binding,) = history.kept[query].bindings
        before = int(end)
        while before > start:
            payload = unit.history(query.oid, before, now)
            records = list(struct.iter_unpack(">If", payload[4:]))
            if not records:
                break
            for stamp, value in records:
                if start <= stamp < end:
                    (converted,) = binding.convert(value, None)
                    found[binding.series[0], stamp * SECOND] = converted
            before = min(stamp for stamp, _ in records)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["", "app", "plant", "new-firmware", "harsh", "flaky-wifi"])
def test_what_is_read_is_what_the_unit_has(profile):
    selection = Selection("5m")

    async def main(loop):
        troubles = faults([profile], 1) if profile else ()
        world = World(loop, faults=troubles, options={"timezone": "UTC"})
        end = int(START) // 300 * 300
        recall = Recall(
            world.config, selection, (end - HOURS * 3600) * SECOND, end * SECOND
        )  # fmt: skip
        kept = Kept()
        options = Options(clock=world.clock, opener=world.plug, lock=False)
        begun = loop.time()
        await recall.read(options, kept, 30.0)
        took = loop.time() - begun
        unit = world.inverter.unit
        queries = recall.queries
        expected = remembered(unit, queries, end - HOURS * 3600, end, START + took)
        return recall, kept.rows, expected

    recall, rows, expected = virtual.run(main)
    assert recall.headway.failed == []
    assert recall.status is Exit.OK
    assert rows == expected
    assert len({series for series, _ in rows}) == 22
