"""Simulated inverters on a bus, under our master, and listened to under another one."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.drivers.solaredge.simulator import SolarEdgeWitness
from rct_collector.drivers.solaredge.simulator.profiles import PROFILES
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.faulty_solaredge import means
from tests.memory import MemoryPlug
from tests.needs import library
from tests.slow import slow_but
from tests.virtual import Recorder, VirtualClock

HOURS = 0.6
MASTER = "?mode=master&units={}"


def collected(way, address, *, faults=(), optimizers=4, encrypt=False):
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
            encrypt=encrypt,
        )
        units = [outbox.unit for outbox in bus.bridge.outboxes.values()]
        keys = {unit.name: unit.world.secret(unit.number).hex() for unit in units}
        names = ",".join(f"{number:08X}" for number in bus.bridge.outboxes)
        entry = {"name": "bus", "driver": "solaredge", "address": address.format(names)}
        entry |= {"keys": keys} if encrypt else {}
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


@pytest.mark.slow
@pytest.mark.parametrize("faults", [[], ["lost-ack"], ["crc"], ["collision"], ["torn", "noise"]])
def test_our_master_collects_each_record_once(faults):
    published, witness, bridge = collected("rs485", f"tcp://192.0.2.1:23{MASTER}", faults=faults)
    assert len(set(published)) == len(published) > 200
    assert set(published) <= said(told for told in witness.told if told.whole)
    assert said(told for told in witness.told if told.acknowledged is not None) <= set(published)
    assert sum(told.acknowledged is not None for told in witness.told) >= 0.9 * len(witness.told)
    assert {unit for unit, *_ in published} == {f"{number:08X}" for number in bridge.outboxes}
    assert all(outbox.observed.writes == 0 for outbox in bridge.outboxes.values())


@pytest.mark.parametrize("profile", slow_but("lost-ack", sorted(PROFILES)))
def test_a_bus_always_knows_when_it_speaks_next(profile):
    """A time that stays in the past would have it looked at for ever."""
    bus = SimulatedInverter(driver="solaredge", way="passive", seed=1, faults=[profile]).bridge
    bus.start(0.0)
    now, looks = 0.0, 0
    while now < 3 * 3600.0:
        due = bus.next_due()
        assert due > now or looks < 3, f"{profile}: stands still at {now}"
        looks = 0 if due > now else looks + 1
        now = max(due, now)
        bus.pull(now)


@pytest.mark.slow
@pytest.mark.parametrize("faults", [[], ["lost-ack"], ["crc", "collision"]])
def test_units_on_a_bus_that_encrypt_are_understood(faults):
    library("cryptography")
    address = f"tcp://192.0.2.1:23{MASTER}"
    published, witness, bridge = collected("rs485", address, faults=faults, encrypt=True)
    assert len(set(published)) == len(published) > 200
    assert set(published) <= said(told for told in witness.told if told.whole)
    assert said(told for told in witness.told if told.acknowledged is not None) <= set(published)
    assert sum(told.acknowledged is not None for told in witness.told) >= 0.9 * len(witness.told)
    boxes = bridge.outboxes.values()
    assert all(1 <= box.observed.offers <= (1 if not faults else 40) for box in boxes)
    assert all(box.observed.writes == 0 for box in boxes)


@pytest.mark.slow
def test_who_listens_with_the_keys_understands_what_others_say_to_each_other():
    library("cryptography")
    address = "tcp://192.0.2.1:23?mode=passive"
    published, witness, _ = collected("passive", address, encrypt=True)
    whole = said(told for told in witness.told if told.whole)
    assert len(set(published)) == len(published) > 200
    assert set(published) <= whole
    assert len(published) >= 0.95 * len(whole)


@pytest.mark.slow
@pytest.mark.parametrize("faults", [[], ["collision"], ["crc", "noise"]])
def test_listening_gives_all_that_was_heard_whole(faults):
    published, witness, _ = collected("passive", "tcp://192.0.2.1:23?mode=passive", faults=faults)
    whole = said(told for told in witness.told if told.whole)
    assert len(set(published)) == len(published) > 200
    assert set(published) <= whole
    assert len(published) >= 0.95 * len(whole)
    assert all(told.whole for told in witness.told if not faults and told.acknowledged)
