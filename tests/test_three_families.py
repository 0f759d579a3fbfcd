"""Units of all families in one process: none takes anything from another, and nothing grows."""

from __future__ import annotations

import asyncio
import gc
import sys

import pytest

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.calling import Exchange
from tests.memory import MemoryPlug
from tests.processes import descriptors
from tests.virtual import START, Recorder, VirtualClock

pytestmark = pytest.mark.slow

#: Rounds that keep hours within the time of a test.
INTERVALS = {"fast": "5m", "medium": "10m", "slow": "30m", "static": "1h"}

#: From then on everything was there once; how long it goes on, in hours.
SETTLED_H, HOURS = 2, 7

#: Share of the blocks of memory that may come and go.
BREATH = 0.005

FAULTS = {"rct": ["harsh"], "voltronic": ["harsh", "unplug"], "solaredge": ["harsh"]}

#: Optimizers of the one inverter that calls.
OPTIMIZERS = 4


class Switchboard:
    """An opener that leads to the simulated unit whose name an address has; one calls by itself."""

    def __init__(self, faults):
        self.units = {
            family: MemoryPlug(
                SimulatedInverter(
                    driver=family, start=START, sun=9.0, seed=1, faults=faults.get(family, ())
                )
            )
            for family in ("rct", "voltronic")
        }
        caller = SimulatedInverter(
            driver="solaredge",
            start=START,
            sun=9.0,
            seed=1,
            faults=faults.get("solaredge", ()),
            optimizers=OPTIMIZERS,
        )
        self.exchange = Exchange([caller])
        self.exchange.start()

    async def __call__(self, address, receive, lost, timeout):
        family, _, _ = address.place.partition(":")
        return await self.units[family](address, receive, lost, timeout)

    async def close(self):
        for plug in self.units.values():
            plug.inverter.hub().close()
        await self.exchange.stop()


def devices(loop, emits, faults, **more):
    """A device of each family, and what leads to them."""
    board = Switchboard(faults)
    clock = VirtualClock(loop)
    options = Options(clock=clock, opener=board, listen=board.exchange, lock=False)
    entries = [
        {"name": "roof", "driver": "rct", "address": "tcp://rct:8899", **more},
        {"name": "shed", "driver": "voltronic", "address": "tcp://voltronic:1", **more},
        {"name": "barn", "driver": "solaredge", "address": "listen://127.0.0.1:22222"},
    ]
    configs = Config.parse({"devices": entries}).devices
    return board, [
        Device(config, emit, options) for config, emit in zip(configs, emits, strict=True)
    ]


async def end(tasks, board):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await board.close()


def census():
    """(blocks of memory, open files, tasks) at present."""
    gc.collect()
    files = len(descriptors())
    return sys.getallocatedblocks(), files, len(asyncio.all_tasks())


def test_all_are_read_at_once_and_under_the_same_names():
    async def main(loop):
        found = [Recorder(), Recorder(), Recorder()]
        board, every = devices(loop, found, {})
        tasks = [asyncio.create_task(device.run()) for device in every]
        await asyncio.sleep(600)
        await end(tasks, board)
        return [recorder.values() for recorder in found]

    with virtual.untraced():
        rct, voltronic, solaredge = virtual.run(main)
    for values in (rct, voltronic):
        assert len(values["inverter_power.load_watts"]) >= 59
        assert len(values["inverter_battery{battery=0}.soc_percent"]) >= 59
    assert voltronic.keys() - rct.keys(), "output, ratings and so on"
    assert "inverter_power.output_watts" in rct.keys() & solaredge.keys()
    panels = [name for name in solaredge if name.startswith("inverter_optimizer{")]
    assert len({name.partition("}")[0] for name in panels}) == OPTIMIZERS
    assert not any(name.startswith("inverter_optimizer{") for name in {*rct, *voltronic})


def test_nothing_is_left_behind_on_bad_lines():
    async def main(loop):
        published = [0, 0, 0]

        def counter(place):
            def count(batch):
                published[place] += sum(not series.metric.own for series, _ in batch.values)

            return count

        emits = [counter(0), counter(1), counter(2)]
        board, every = devices(loop, emits, FAULTS, intervals=INTERVALS)
        tasks = [asyncio.create_task(device.run()) for device in every]
        found = []
        for hour in range(HOURS):
            await asyncio.sleep(3600)
            assert not any(task.done() for task in tasks)
            if hour >= SETTLED_H:
                found.append(census())
        await end(tasks, board)
        return published, found

    with virtual.untraced():
        published, found = virtual.run(main)
    blocks, files, tasks = zip(*found, strict=True)
    assert min(published) > 2_000
    assert max(blocks[-3:]) <= min(blocks[:3]) * (1 + BREATH)
    assert max(files) == min(files)
    assert max(tasks) <= min(tasks) + 2, "lines that connect anew"
