"""Ten hours on every line, a day on one with nights: nothing grows, nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from rct_collector.device.state import WRITER
from rct_collector.drivers.rct.simulator.profiles import PROFILES, faults
from rct_collector.model import GapOrder
from tests import virtual
from tests.faulty import World
from tests.processes import descriptors

pytestmark = pytest.mark.slow

#: Rounds every minute keep ten hours within the time of a test.
INTERVALS = {"fast": "1m", "medium": "5m", "slow": "15m"}

#: From then on everything was there once: all classes, an outage, each change of the unit.
SETTLED_H = 4

#: How long it goes on, in hours: what lines bring comes every two hours at least, but for nights.
HOURS, LONGER_H = 10, {"night": 24}

#: Blocks of memory that may come and go: half a frame, what a few messages take.
BREATH = 0.005


def census():
    """(blocks of memory, open files, tasks) at present."""
    gc.collect()
    files = len(descriptors())
    return sys.getallocatedblocks(), files, len(asyncio.all_tasks())


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_nothing_is_left_behind(profile):
    published, found = endured(profile)
    assert published > 50_000
    assert_steady(found)


def test_nothing_is_left_behind_by_what_is_restored(tmp_path):
    """Of 90 days, which takes longer than the test, on a line that has others on it and faults."""
    history = {"since": "90d", "signals": ["*"]}
    published, found = endured("harsh", history=history, common={"state_dir": tmp_path})
    assert published > 50_000
    assert_steady(found)


def endured(profile, *, history=None, common=None):
    """Samples that were published, and what was there at the end of each hour."""

    async def main(loop):
        published = 0

        def count(batch):
            nonlocal published
            published += len(batch.values)

        options = {"intervals": INTERVALS, **({"history": history} if history else {})}
        world = World(loop, "sunny", faults([profile]), options=options, witness=None)
        restore = {"restore": GapOrder.OLDEST, **common} if common else {}
        task = asyncio.create_task(world.connect(count, **restore).run())
        found = []
        for hour in range(LONGER_H.get(profile, HOURS)):
            await asyncio.sleep(3600)
            assert not task.done()
            WRITER.finish(10.0)  # its files are open for a moment
            if hour >= SETTLED_H:
                found.append(census())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        world.inverter.hub().close()
        return published, found

    return virtual.run(main)


def assert_steady(found):
    """Nothing grows from hour to hour."""
    blocks, files, tasks = zip(*found, strict=True)
    assert max(blocks[-3:]) <= min(blocks[:3]) * (1 + BREATH)
    assert max(files) == min(files)
    assert max(tasks) <= min(tasks) + 1, "one that connects anew"
