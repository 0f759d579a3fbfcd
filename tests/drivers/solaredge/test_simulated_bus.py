"""Simulated inverters on a bus, under our master, and listened to under another one."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.drivers.solaredge.simulator import SolarEdgeWitness
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.faulty_solaredge import means
from tests.memory import MemoryPlug
from tests.virtual import Recorder, VirtualClock

HOURS = 0.6
MASTER = "?mode=master&units={}"


def collected(way, address, *, faults=(), optimizers=4):
    """What was published of two inverters on a bus, and their witness."""
    witness = SolarEdgeWitness()

    async def main(loop):
        clock, recorder = VirtualClock(loop), Recorder()
        bus = SimulatedInverter(
            driver="solaredge",
            way=way,
            start=clock.wall(),
            sun=11.0,
            seed=1,
            inverters=2,
            optimizers=optimizers,
            faults=faults,
            witness=witness,
        )
        names = ",".join(f"{number:08X}" for number in bus.bridge.outboxes)
        entry = {"name": "bus", "driver": "solaredge", "address": address.format(names)}
        (config,) = Config.parse({"devices": [entry]}).devices
        options = Options(clock=clock, opener=MemoryPlug(bus), lock=False)
        await virtual.collect(Device(config, recorder, options), HOURS * 3600)
        bus.hub().close()
        await asyncio.sleep(0)
        return recorder, bus.bridge

    with virtual.untraced():
        recorder, bridge = virtual.run(main)
    published = [
        (batch.unit, series, batch.time_ns, value)
        for batch in recorder.batches
        for series, value in batch.values
        if not series.metric.own
    ]
    return published, witness, bridge


def said(told):
    """All samples of some records, as far as they are published by default."""
    return {
        (record.unit, series, record.time_ns, value)
        for item in told
        for record in means(item)
        for series, value in record.values
        if series.metric.default
    }


@pytest.mark.parametrize("faults", [[], ["lost-ack"], ["crc"], ["collision"], ["torn", "noise"]])
def test_our_master_collects_each_record_once(faults):
    published, witness, bridge = collected("rs485", f"tcp://192.0.2.1:23{MASTER}", faults=faults)
    assert len(set(published)) == len(published) > 200
    assert set(published) <= said(told for told in witness.told if told.whole)
    assert said(told for told in witness.told if told.acknowledged is not None) <= set(published)
    assert sum(told.acknowledged is not None for told in witness.told) >= 0.9 * len(witness.told)
    assert {unit for unit, *_ in published} == {f"{number:08X}" for number in bridge.outboxes}
    assert all(outbox.observed.writes == 0 for outbox in bridge.outboxes.values())


@pytest.mark.parametrize("faults", [[], ["collision"], ["crc", "noise"]])
def test_listening_gives_all_that_was_heard_whole(faults):
    published, witness, _ = collected("passive", "tcp://192.0.2.1:23?mode=passive", faults=faults)
    whole = said(told for told in witness.told if told.whole)
    assert len(set(published)) == len(published) > 200
    assert set(published) <= whole
    assert len(published) >= 0.95 * len(whole)
    assert all(told.whole for told in witness.told if not faults and told.acknowledged)
