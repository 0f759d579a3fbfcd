"""Simulated units are set by our collector while it collects, in virtual time."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.settings import Cause, State
from rct_collector.drivers import driver
from rct_collector.drivers.voltronic.simulator import LineFaults
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.memory import MemoryPlug

EVERYTHING = list(dict.fromkeys(setting.name for setting in driver("voltronic").settings))
LIMITS = {"battery_bulk_volts": "50.0..58.0", "battery_float_volts": "50.0..58.0"}


class SetUnit:
    """A simulated unit, our collector at it, and what somebody does meanwhile."""

    def __init__(
        self, doing, *, dialect="pi30max", scenario="sbu", faults=(), folder=None, **options
    ):
        self.result = virtual.run(
            lambda loop: self._main(loop, doing, dialect, scenario, faults, folder, options)
        )

    async def _main(self, loop, doing, dialect, scenario, faults, folder, options):
        self.inverter = SimulatedInverter(
            scenario, driver="voltronic", dialect=dialect, faults=faults, seed=1,
            start=virtual.START, sun=12.0,
        )  # fmt: skip
        self.plug = MemoryPlug(self.inverter)
        entry = {"name": "house", "driver": "voltronic", "address": "tcp://unit:1",
                 "dialect": dialect, "writes": EVERYTHING, **options}  # fmt: skip
        config = Config.parse({"devices": [entry]}).devices[0]
        common = Options(
            clock=virtual.VirtualClock(loop), opener=self.plug, lock=False, state_dir=folder
        )
        self.batches = []
        self.device = Device(config, self.batches.append, common)
        running = asyncio.create_task(self.device.run())
        try:
            async with asyncio.timeout(300):
                while not self.device.discovery.identified or self.device.rounds < 2:
                    await asyncio.sleep(1.0)
            return await doing(self)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            self.inverter.hub().close()

    @property
    def gate(self):
        return self.device.settings

    @property
    def writes(self):
        return self.inverter.bridge.observed.writes


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.CRITICAL, "rct_collector")


@pytest.mark.parametrize(
    ("dialect", "name", "value", "text"),
    [
        ("pi30max", "output_priority", "utility", "POP00"),
        ("pi30", "output_priority", "solar", "POP01"),
        ("pi41", "output_priority", "solar", "POP01"),
        ("pi18", "output_priority", "solar", "POP0"),
        ("pi30max", "buzzer", False, "PDa"),
        ("pi18", "buzzer", False, "PDA"),
        ("pi30max", "max_ac_charge_amperes", 120, "MUCHGC120"),
        ("pi30", "max_charge_amperes", 60, "MCHGC060"),
        ("pi18", "max_charge_amperes", 50, "MCHGC0,050"),
        ("pi30", "battery_recharge_volts", 48.0, "PBCV48.0"),
        ("pi18", "battery_redischarge_volts", 0, "BUCD500,000"),
        ("pi30", "battery_bulk_volts", 57.0, "PCVV57.0"),
        ("pi18", "battery_float_volts", 55.0, "MCHGV564,550"),
        ("pi30max", "battery_absorb_minutes", 15, "PCVT015"),
    ],
)
def test_unit_is_set(dialect, name, value, text):
    run = SetUnit(
        lambda run: run.gate.set(name, value),
        dialect=dialect, allow_battery_limits=True, limits=LIMITS,
    )  # fmt: skip
    assert run.result.state is State.APPLIED, run.result
    assert run.result.after == value
    assert run.writes == {text: 1}


@pytest.mark.parametrize("dialect", ["pi17", "pi16", "pi30revo"])
def test_dialects_that_only_are_read(dialect):
    run = SetUnit(lambda run: run.gate.set("output_priority", "solar"), dialect=dialect)
    assert run.result.denied.cause is Cause.UNKNOWN
    assert run.device.settings.describe() == []
    assert not run.writes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "state", "left"),
    [
        (["set-unheard"], State.APPLIED, 1),
        (["set-refused"], State.REFUSED, 1),
        (["set-unheard", "set-refused"], State.REFUSED, 1),
        (["late"], State.APPLIED, 1),
        (["nak"], None, 1),
        (["harsh"], None, 1),
        (["unplug"], State.APPLIED, 1),
    ],
)
def test_whatever_goes_wrong_it_leaves_once(faults, state, left):
    async def doing(run):
        result = await run.gate.set("output_priority", "utility")
        await asyncio.sleep(120)
        return result

    run = SetUnit(doing, faults=faults)
    assert run.writes.total() <= left
    if state is not None:
        assert run.result.state is state, run.result
    shown = run.gate.describe()[0]["value"]
    if run.result.state is State.APPLIED:
        assert shown == "utility"


@pytest.mark.slow
def test_unit_that_shows_it_late_is_waited_for_and_not_longer_than_a_minute():
    async def doing(run):
        run.inverter.bridge.unit.shows_after = 25.0
        first = await run.gate.set("output_priority", "utility")
        run.inverter.bridge.unit.shows_after = 200.0
        second = await run.gate.set("output_priority", "solar")
        await asyncio.sleep(600)
        return first, second, run.gate.describe()[0]["value"]

    first, second, value = SetUnit(doing).result
    assert first.state is State.APPLIED
    assert second.state is State.ACCEPTED_NOT_VISIBLE
    assert value == "solar"


def test_unit_in_a_fault_is_not_set():
    async def doing(run):
        run.inverter.bridge.unit.world.flows = (
            lambda unix, flows=run.inverter.bridge.unit.world.flows: flows(unix)._replace(mode="F")
        )
        return await run.gate.set("output_priority", "utility")

    run = SetUnit(doing)
    assert "has a fault" in run.result.why
    assert not run.writes


def test_battery_of_24_volts_never_gets_the_voltages_of_48():
    async def doing(run):
        return [await run.gate.set("battery_recharge_volts", volts) for volts in (44.0, 48.0, 51.0)]

    run = SetUnit(doing, scenario="small", dialect="pi30")
    assert {result.denied.cause for result in run.result} == {Cause.RULE}
    assert not run.writes


def test_settings_are_described_as_the_unit_has_them():
    async def doing(run):
        before = {item["name"]: item for item in run.gate.describe()}
        await run.gate.refresh()
        return before, {item["name"]: item for item in run.gate.describe()}

    before, after = SetUnit(doing, dialect="pi30", scenario="small").result
    assert before["output_priority"]["value"] == after["output_priority"]["value"] == "sbu"
    assert after["battery_recharge_volts"]["choices"][0] == 22.0
    assert after["max_charge_amperes"]["choices"] == [10, 20, 30, 40, 50, 60, 70, 80]
    assert after["buzzer"] == {
        "name": "buzzer", "title": "Buzzer", "unit": "", "rank": "A", "kind": "flag", "choices": [],
        "low": 0.0, "high": 0.0, "step": 0.0, "value": True, "enabled": True, "why": "",
    }  # fmt: skip
    assert "allow_battery_limits" in after["battery_bulk_volts"]["why"]
    assert "no such setting" in after["operation_logic"]["why"]
    assert "solar_priority" not in after  # of PI18 alone


def test_what_the_unit_decides_on_is_not_refused_before_it_was_asked():
    """Lead is equalized without limits; which battery it is, is read before it is written."""

    async def doing(run):
        run.inverter.bridge.unit.world.set(0, "battery_type_code", 0, 0.0)
        run.gate._known.clear()
        return await run.gate.set("battery_equalization_minutes", 65)

    run = SetUnit(doing)
    assert run.result.state is State.APPLIED, run.result
    assert run.writes == {"PBEQT065": 1}


@pytest.mark.slow
def test_setting_goes_ahead_of_what_is_polled():
    """After a connect everything is asked; a setting waits for one question at a time."""
    asked = []

    class Listening(LineFaults):
        def on_request(self, line, now):
            asked.append(line[:-2].decode("latin-1"))
            return line

    async def doing(run):
        run.inverter.hub().hang_up()
        while run.device.port.opened < 2 or not run.device.discovery.identified:
            await asyncio.sleep(0.1)
        asked.clear()
        result = await run.gate.set("output_priority", "utility")
        await asyncio.sleep(60)
        return result

    run = SetUnit(doing, faults=[Listening()])
    assert run.result.state is State.APPLIED, run.result
    before = asked[: asked.index("POP00")]
    own = ["QMOD", "QPIGS", "QPIRI"]
    assert [text for text in before if text in own][-3:] == own
    assert len(before) <= 2 * len(own) + 1
    assert len(asked) > 20


@pytest.mark.slow
def test_another_unit_of_the_system_is_set_by_its_number():
    async def doing(run):
        await asyncio.sleep(60)
        return await run.gate.set("unit_2_charger_priority", "solar")

    run = SetUnit(doing, scenario="parallel")
    assert run.result.state is State.APPLIED, run.result
    assert run.writes == {"PPCP201": 1}


@pytest.mark.slow
def test_limits_and_journal_survive_a_restart(tmp_path):
    SetUnit(lambda run: run.gate.set("output_priority", "utility", who="ann"), folder=tmp_path)
    (entry,) = json.loads((tmp_path / "house+settings.json").read_text())["entries"]
    assert entry[1:] == ["ann", "output_priority", "sbu", "utility", "applied"]

    async def many(run):
        results = []
        for n in range(25):
            await asyncio.sleep(30)
            results.append(await run.gate.set("buzzer", bool(n % 2)))
        return results

    run = SetUnit(many, folder=tmp_path)
    assert [result.state for result in run.result] == [State.APPLIED] * 19 + [State.REFUSED] * 6
    assert "wears out" in run.result[-1].why
    assert run.writes.total() == 19


@pytest.mark.slow
def test_what_becomes_of_settings_is_published():
    async def doing(run):
        await run.gate.set("output_priority", "utility")
        await asyncio.sleep(30)
        await run.gate.set("output_priority", "utility")
        await run.gate.set("output_priority", "solar", expect="sbu")
        await asyncio.sleep(30)

    def own(run):
        return {
            series.metric.field: value
            for batch in run.batches
            for series, value in batch.values
            if series.metric.name.startswith("inverter_collector.settings_")
        }

    assert own(SetUnit(doing)) == {
        "settings_sent_total": 1, "settings_applied_total": 2, "settings_refused_total": 1,
        "settings_unconfirmed_total": 0,
    }  # fmt: skip
    assert own(SetUnit(lambda run: asyncio.sleep(30), writes=[])) == {}


@pytest.mark.slow
def test_what_was_set_is_published_soon():
    """And not minutes later, when settings are read the next time."""

    async def doing(run):
        await asyncio.sleep(120)
        run.batches.clear()
        result = await run.gate.set("output_priority", "utility")
        await asyncio.sleep(20)
        return result

    run = SetUnit(doing)
    values = [
        value
        for batch in run.batches
        for series, value in batch.values
        if series.name == "inverter_settings.output_priority_code"
    ]
    assert values
    assert values[-1] == 0


@pytest.mark.slow
def test_values_are_collected_meanwhile():
    async def doing(run):
        begun = run.device.rounds
        run.inverter.bridge.unit.shows_after = 1e6
        await run.gate.set("output_priority", "utility")
        return run.device.rounds - begun

    assert SetUnit(doing).result >= 5
