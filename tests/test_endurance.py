"""Ten hours on every line, a day on one with nights: nothing grows, nothing is left open."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import pytest

from rct_collector.drivers.rct.simulator.profiles import PROFILES, faults
from tests import virtual
from tests.faulty import World

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
    files = len(list(Path("/proc/self/fd").iterdir()))
    return sys.getallocatedblocks(), files, len(asyncio.all_tasks())


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_nothing_is_left_behind(profile):
    async def main(loop):
        published = 0

        def count(batch):
            nonlocal published
            published += len(batch.values)

        options = {"intervals": INTERVALS}
        world = World(loop, "sunny", faults([profile]), options=options, witness=None)
        task = asyncio.create_task(world.connect(count).run())
        found = []
        for hour in range(LONGER_H.get(profile, HOURS)):
            await asyncio.sleep(3600)
            assert not task.done()
            if hour >= SETTLED_H:
                found.append(census())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        world.inverter.hub().close()
        return published, found

    published, found = virtual.run(main)
    blocks, files, tasks = zip(*found, strict=True)
    assert published > 50_000
    assert max(blocks[-3:]) <= min(blocks[:3]) * (1 + BREATH)
    assert max(files) == min(files)
    assert max(tasks) <= min(tasks) + 1, "one that connects anew"
