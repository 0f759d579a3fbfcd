"""One device on its line, in virtual time: what is published when, and what never is."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import random
import re
import sys
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from rct_collector.adapter.alerts import Alerts
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.polling.discovery import Discovery
from rct_collector.device.polling.rounds import MOST_CHANGES
from rct_collector.device.polling.unsupported import MUTE_S
from rct_collector.device.state import SAVE_S, StateFile
from rct_collector.drivers.rct import frame
from rct_collector.errors import BusyError
from rct_collector.lines import lock as lock_module
from rct_collector.lines.conversation import WATCHDOG_S
from rct_collector.lines.lock import DeviceLock
from rct_collector.model import PollClass
from tests.addresses import tcp
from tests.scripted import ScriptedUnit, payload
from tests.slow import slow_but
from tests.virtual import START, Plug, Recorder, Wire, collect, options, run

FLOW = [
    "dc_conv.dc_conv_struct[0].p_dc_lp",
    "dc_conv.dc_conv_struct[1].p_dc_lp",
    "g_sync.p_acc_lp",
    "g_sync.p_ac_grid_sum_lp",
    "g_sync.p_ac_load_sum_lp",
    "g_sync.p_ac_sum",
    "io_board.s0_external_power",
]
GRID = "g_sync.p_ac_grid_sum_lp"
LOAD_TOTAL = "inverter_energy{flow=load}.watt_hours_total"


def config(**more):
    device = {"name": "roof", "driver": "rct", "address": "tcp://unit.test", **more}
    return Config.parse({"devices": [device]}).devices[0]


class Bench:
    """A device, its unit and what it published."""

    def __init__(self, loop, unit=None, *, state_dir=None, **settings):
        self.loop = loop
        self.unit = unit or ScriptedUnit()
        self.plug = Plug(self.unit)
        self.out = Recorder()
        self.options = options(loop, self.plug, state_dir=state_dir)
        self.device = Device(config(**settings), self.out, self.options)

    @asynccontextmanager
    async def running(self):
        task = asyncio.create_task(self.device.run())
        yield self
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def published(self, name):
        return len(self.out.values().get(name, ()))

    def ups(self):
        return [value for _, value in self.out.values()["inverter_collector.up"]]


def bench(seconds, unit=None, **settings):
    async def main(loop):
        made = Bench(loop, unit, **settings)
        await collect(made.device, seconds)
        return made

    return run(main)


# -- what is published ------------------------------------------------------------------------


@pytest.mark.slow
def test_signs_and_units_are_those_of_the_catalogue():
    unit = ScriptedUnit(
        {
            GRID: -1234.5,
            "g_sync.p_acc_lp": -500.0,
            "energy.e_grid_feed_total": -2769942.0,
            "battery.soc": 0.8478931188583374,
            "dc_conv.dc_conv_struct[0].p_dc_lp": 1500.0,
            "dc_conv.dc_conv_struct[1].p_dc_lp": 700.5,
            "fault[1].flt": 0x80000001,
            "prim_sm.island_flag": 2,
        }
    )
    last = bench(300, unit).out.last()
    assert last["inverter_power.grid_watts"] == -1234.5
    assert last["inverter_power.grid_export_watts"] == 1234.5
    assert last["inverter_power.grid_import_watts"] == 0.0
    assert last["inverter_power.battery_charge_watts"] == 500.0
    assert last["inverter_energy{flow=grid_export}.watt_hours_total"] == 2769942.0
    assert last["inverter_battery{battery=0}.soc_percent"] == 84.78931
    assert last["inverter_power.pv_watts"] == 2200.5
    assert last["inverter_status.faults_active"] == 2
    assert last["inverter_status.island_word"] == 2
    assert last["inverter_status.grid_separated"] == 0
    assert last["inverter_battery_module{battery=0,module=0}.cell_minimum_volts"] == 3.3
    assert last["inverter_battery_module{battery=0,module=0}.maximum_voltage_cell"] == 23


@pytest.mark.slow
def test_every_default_series_of_the_equipment_appears_and_no_other():
    made = bench(900)
    published = set(made.out.values())
    device = made.device
    expected = {
        series.name
        for series, query, _ in device.driver.found()
        if series in device.plan.wanted
        and device.discovery.has(query.condition)
        and series not in device.plan.texts
    }
    # The unit's value 0 means "none" for times, and for all that a module never had.
    none = {
        n for n in expected if ".life_" in n or n.endswith(("time_seconds", "calibration_seconds"))
    }
    assert expected - published <= none
    assert not {n for n in published if "battery=1" in n or n.startswith("inverter_plant.s")} - {
        "inverter_plant.slaves"
    }


@pytest.mark.slow
def test_types_never_change_and_no_series_has_two_values_for_one_time():
    made = bench(200)
    types = {}
    for batch in made.out.batches:
        for series, value in batch.values:
            assert types.setdefault(series, type(value)) is type(value)
            assert type(value) is series.metric.value_type
    times = [batch.time_ns for batch in made.out.batches]
    assert times == sorted(times)
    for name, items in made.out.values().items():
        stamps = [at for at, _ in items]
        assert len(stamps) == len(set(stamps)), name


@pytest.mark.slow
def test_texts_go_out_together_on_one_line_when_all_are_known():
    made = bench(400)
    lines = [b for b in made.out.batches if any(s.metric.field == "serial" for s, _ in b.values)]
    texts = {s.metric.field: v for s, v in lines[0].values if s.metric.measurement == "inverter"}
    assert texts["info"] == 1
    assert texts["serial"] == "TESTSERIAL01"
    assert texts["battery_0_module_0_serial"] == "MODULE0"
    assert "ip_address" not in texts, "empty texts are left out"


def test_the_power_flow_is_asked_back_to_back():
    asked = bench(120).unit.asked
    starts = [n for n, (_, name) in enumerate(asked) if name == FLOW[0]]
    assert len(starts) > 5
    for start in starts[1:]:
        assert [name for _, name in asked[start : start + len(FLOW)]] == FLOW
        assert asked[start + len(FLOW) - 1][0] - asked[start][0] == pytest.approx(0.36, abs=0.02)


@pytest.mark.slow
def test_the_pace_stays_within_the_budget():
    times = [at for at, _ in bench(600).unit.asked]
    gaps = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert min(gaps) >= 0.0599
    assert len(times) / 600 <= 5.1


@pytest.mark.slow
def test_discovery_never_delays_a_fast_round():
    first = bench(120).unit.times(GRID)
    ticks = [b - a for a, b in zip(first[1:], first[2:], strict=False)]
    assert max(abs(tick - 10) for tick in ticks) < 0.5


def sums(plan):
    """Series computed from several slow queries → the series that they bring."""
    found = {}
    for item in plan.derived:
        inputs = [series for column in item.inputs for series, _ in column]
        homes = {query for series in inputs for query, _ in plan.homes(series)}
        if len(homes) > 1 and plan.classes[next(iter(homes))] is not PollClass.FAST:
            found[item.series.name] = [series.name for series in inputs]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("pace", [3.5, 3.9, 4.3, 4.7])
@pytest.mark.parametrize("slow", ["60s", "90s", "130s"])
def test_more_than_there_is_time_for_does_not_tear_sums_apart(pace, slow):
    """A sum needs its inputs in one round, however many rounds the slow classes take."""
    unit = ScriptedUnit({"battery.stored_energy": 2e6, "battery.used_energy": 1.9e6})
    made = bench(
        1800, unit, intervals={"medium": "30s", "slow": slow}, requests={"per_second": pace}
    )
    values = made.out.values()
    compared = 0
    for name, inputs in sums(made.device.plan).items():
        rounds = [{time for time, _ in values[i]} for i in inputs if i in values]
        if rounds:
            assert len(values.get(name, ())) >= 0.9 * min(map(len, rounds)), name
            compared += 1
    assert compared >= 6


def test_figures_about_the_collector_can_be_excluded():
    made = bench(30, exclude=["inverter_collector*"])
    measurements = {s.metric.measurement for b in made.out.batches for s, _ in b.values}
    assert "inverter_power" in measurements
    assert not {m for m in measurements if m.startswith("inverter_collector")}


# -- freshness --------------------------------------------------------------------------------


def test_a_round_without_answers_publishes_up_0_and_nothing_of_the_device():
    async def main(loop):
        made = Bench(loop)
        made.plug.refuse = "connection refused"
        await collect(made.device, 60)
        return made

    made = run(main)
    assert set(made.ups()) == {0}
    assert {s.metric.own for b in made.out.batches for s, _ in b.values} == {True}


@pytest.mark.slow
@pytest.mark.measured
def test_nothing_is_repeated_when_the_unit_falls_silent():
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(60)
            made.unit.mangle = lambda item, data, n: None
            before = len(made.out.batches)
            await asyncio.sleep(120)
        return made, before

    made, before = run(main)
    late = made.out.batches[before + 3 :]
    assert late
    assert {s.metric.own for b in late for s, _ in b.values} == {True}
    assert made.ups()[-1] == 0


def test_what_was_read_before_a_loss_is_published():
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(1)
            made.plug.cut()
            await asyncio.sleep(0.1)
        return made

    made = run(main)
    assert "inverter_power.grid_watts" in made.out.last()
    assert made.ups()[0] == 1


def test_a_cancelled_round_publishes_what_it_has():
    assert "inverter_power.grid_watts" in bench(1).out.last()


# -- bad answers ------------------------------------------------------------------------------


def test_a_truncated_answer_with_a_valid_checksum_is_asked_again_without_waiting():
    def mangle(item, data, n):
        if item.name == GRID and n < 20:
            return frame.assemble(frame.RESPONSE, item.oid, b"\x3f\x80")
        return data

    unit = ScriptedUnit({GRID: 42.0})
    unit.mangle = mangle
    made = bench(15, unit)
    assert {v for _, v in made.out.values()["inverter_power.grid_watts"]} == {42.0}
    asked = unit.times(GRID)
    assert asked[1] - asked[0] < 3.0
    assert made.device.stats.errors["length"] >= 1


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 3e9])
def test_values_that_no_device_can_have_are_dropped_and_counted(number):
    made = bench(15, ScriptedUnit({GRID: number}))
    values = made.out.values()
    assert "inverter_power.grid_watts" not in values
    assert "inverter_power.grid_import_watts" not in values
    assert made.out.last()["inverter_collector.implausible_total"] > 0


@pytest.mark.slow
def test_a_truncated_cell_frame_costs_one_object_and_nothing_else():
    def mangle(item, data, n):
        if item.name == "battery.cells[0]":
            return frame.assemble(frame.RESPONSE, item.oid, payload(item, None)[:40])
        return data

    unit = ScriptedUnit()
    unit.mangle = mangle
    made = bench(300, unit)
    values = made.out.values()
    assert "inverter_battery_module{battery=0,module=0}.cell_minimum_volts" not in values
    assert "inverter_battery_module{battery=0,module=0}.cycles_total" in values
    assert set(made.ups()) == {1}


@pytest.mark.slow
@pytest.mark.measured
def test_a_total_that_falls_is_read_again_before_it_is_published():
    glitch = iter([1000.0, 0.0, 1001.0])

    def mangle(item, data, n):
        if item.name == "energy.e_load_total":
            content = payload(item, next(glitch, 1002.0))
            return frame.assemble(frame.RESPONSE, item.oid, content)
        return data

    unit = ScriptedUnit()
    unit.mangle = mangle
    made = bench(100, unit, intervals={"slow": "20s"}, requests={"per_second": 16})
    assert [v for _, v in made.out.values()[LOAD_TOTAL]][:3] == [1000.0, 1001.0, 1002.0]


@pytest.mark.slow
def test_a_total_that_was_really_reset_is_published():
    unit = ScriptedUnit({"energy.e_load_total": 5000.0})

    async def main(loop):
        made = Bench(loop, unit, intervals={"slow": "20s"}, requests={"per_second": 16})
        async with made.running():
            await asyncio.sleep(50)
            unit.values["energy.e_load_total"] = 3.0
            await asyncio.sleep(50)
        return made

    assert run(main).out.last()[LOAD_TOTAL] == 3.0


@pytest.mark.slow
@pytest.mark.parametrize("start", [5_000_000.0, 500.0, -500.0])
def test_a_balance_that_falls_is_published_each_time_and_asked_once(start):
    """A unit that charges from the grid: 10 kW are 2.8 Wh each second."""
    unit = ScriptedUnit()
    name = "energy.e_ac_total"

    async def main(loop):
        unit.mangle = lambda item, data, n: (
            unit.answer_to(name, start - 2.8 * (loop.time() - 1000)) if item.name == name else data
        )
        made = Bench(loop, unit, intervals={"slow": "20s"}, requests={"per_second": 16})
        await collect(made.device, 300)
        return made

    made = run(main)
    values = [v for _, v in made.out.values()["inverter_energy{flow=output}.balance_watt_hours"]]
    assert len(values) >= 13
    assert values == sorted(values, reverse=True)
    assert len(unit.times(name)) == len(values)


@pytest.mark.slow
def test_a_total_that_keeps_falling_is_published_all_the_same():
    unit = ScriptedUnit()
    name = "energy.e_load_total"

    async def main(loop):
        unit.mangle = lambda item, data, n: (
            unit.answer_to(name, 1e6 - 2.8 * (loop.time() - 1000)) if item.name == name else data
        )
        made = Bench(loop, unit, intervals={"slow": "20s"}, requests={"per_second": 16})
        await collect(made.device, 300)
        return made

    assert run(main).published(LOAD_TOTAL) >= 13


@pytest.mark.slow
def test_a_single_spike_of_a_total_is_not_published():
    unit = ScriptedUnit()
    spikes = iter([1e6, 8e8])

    def mangle(item, data, n):
        if item.name == "energy.e_load_total":
            return unit.answer_to(item.name, next(spikes, 1e6))
        return data

    unit.mangle = mangle
    made = bench(100, unit, intervals={"slow": "20s"}, requests={"per_second": 16})
    assert {v for _, v in made.out.values()[LOAD_TOTAL]} == {1e6}
    assert made.published(LOAD_TOTAL) >= 4


def test_foreign_answers_are_used_and_spare_a_request():
    unit = ScriptedUnit()
    name = "g_sync.u_l_rms[2]"

    def mangle(item, data, n):
        # Somebody else's answer comes before we have asked for that object.
        return data + unit.answer_to(name, 231.5) if item.name == GRID else data

    unit.mangle = mangle
    made = bench(35, unit)
    assert {v for _, v in made.out.values()["inverter_grid{phase=l3}.voltage_volts"]} == {231.5}
    assert not unit.times(name)
    assert made.device.stats.errors["foreign"] >= 3


def test_late_answers_are_taken_within_their_round():
    unit = ScriptedUnit({"g_sync.u_l_rms[1]": 229.0})

    async def main(loop):
        def mangle(item, data, n):
            if item.name != "g_sync.u_l_rms[1]":
                return data
            unit.say(data, loop.time() + 2.5)
            return None

        unit.mangle = mangle
        made = Bench(loop, unit)
        await collect(made.device, 40)
        return made

    made = run(main)
    assert {v for _, v in made.out.values()["inverter_grid{phase=l2}.voltage_volts"]} == {229.0}


@pytest.mark.slow
def test_unsupported_objects_are_left_alone_and_asked_again_later():
    unit = ScriptedUnit()
    unit.silent = {"g_sync.p_ac_sum"}
    made = bench(MUTE_S + 120, unit)
    asked = unit.times("g_sync.p_ac_sum")
    pauses = [b - a for a, b in zip(asked, asked[1:], strict=False)]
    assert max(pauses) > MUTE_S - 60
    assert len([at for at in asked if at < 1200]) <= 9
    assert set(made.ups()) == {1}


# -- discovery --------------------------------------------------------------------------------


def test_one_strange_answer_does_not_change_what_the_unit_has():
    seen = []

    def mangle(item, data, n):
        if item.name == "power_mng.battery_type":
            seen.append(n)
            if len(seen) == 1:
                return unit.answer_to(item.name, 5)
        return data

    unit = ScriptedUnit()
    unit.mangle = mangle
    made = bench(120, unit)
    assert made.device.discovery.facts["power_mng.battery_type"] == 3
    assert "inverter_battery{battery=0}.soc_percent" in made.out.values()


@pytest.mark.slow
def test_what_was_learnt_is_used_after_a_restart(tmp_path):
    bench(120, state_dir=tmp_path)
    saved = json.loads((tmp_path / "roof.json").read_text())
    assert saved["facts"]["inverter_sn"] == "TESTSERIAL01"
    made = bench(9, state_dir=tmp_path)
    first = {s.name for s, _ in made.out.batches[0].values}
    assert "inverter_battery{battery=0}.soc_percent" in first


@pytest.mark.slow
def test_a_state_file_that_somebody_spoilt_is_not_used(tmp_path):
    bench(120, state_dir=tmp_path)
    path = tmp_path / "roof.json"
    path.write_text(
        path.read_text().replace('"power_mng.n_batteries": 1', '"power_mng.n_batteries": "1"')
    )
    made = bench(120, state_dir=tmp_path)
    assert made.device.discovery.facts["power_mng.n_batteries"] == 1
    assert set(made.ups()) == {1}


@pytest.mark.slow
@pytest.mark.parametrize("value", ["1", [1], {"a": 1}, -1, 256, 1.5, 10**300, "\\u0000", True])
@pytest.mark.parametrize(
    "name", slow_but("battery.bms_sn", ["power_mng.n_batteries", "inverter_sn", "battery.bms_sn"])
)
def test_facts_that_no_unit_could_have_said_raise_nothing_now_nor_later(
    tmp_path, caplog, name, value
):
    """What a unit says besides decides when a condition looks at a wrong fact."""
    bench(30, state_dir=tmp_path)
    path = tmp_path / "roof.json"
    saved = json.loads(path.read_text())
    assert name in saved["facts"]
    saved["facts"][name] = value
    path.write_text(json.dumps(saved))
    made = bench(200, ScriptedUnit({"battery.bms_sn": ""}), state_dir=tmp_path)
    assert made.device.discovery.has("bat") is True
    assert set(made.ups()) == {1}
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_facts_that_no_unit_could_have_said_are_told_of_once(tmp_path, caplog):
    StateFile(tmp_path, "roof", "rct").save(
        {"address": "tcp://unit.test:8899", "serial": None, "facts": {"power_mng.n_batteries": "1"}}
    )
    bench(30, state_dir=tmp_path)
    assert [r.getMessage() for r in caplog.records] == [
        "roof: what was learnt before is not used: no unit could have said it"
    ]


@pytest.mark.slow
def test_a_change_of_the_unit_is_told(caplog):
    async def main(loop):
        made = Bench(loop, intervals={"static": "60s"})
        async with made.running():
            await asyncio.sleep(200)
            made.unit.values["inverter_sn"] = "OTHERUNIT02"
            await asyncio.sleep(600)

    with caplog.at_level(logging.WARNING):
        run(main)
    assert [r.getMessage() for r in caplog.records] == [
        "roof: inverter_sn (0x7924ABD9) was 'TESTSERIAL01' and is 'OTHERUNIT02' now: another"
        " unit, or new firmware (change 1 since the start); all is learnt again"
    ]


@pytest.mark.slow
def test_a_unit_that_changes_all_the_time_fills_neither_log_nor_disk(tmp_path, caplog, monkeypatch):
    """Each serial number comes twice, so that it is believed, and then another."""
    saved = []
    save = StateFile.save
    monkeypatch.setattr(StateFile, "save", lambda *args: saved.append(args) or save(*args))

    def mangle(item, data, n):
        if item.name == "inverter_sn":
            unit.seen += 1
            return unit.answer_to(item.name, f"SERIAL{unit.seen // 2:05}")
        return data

    unit = ScriptedUnit()
    unit.seen, unit.mangle = 0, mangle
    made = bench(1800, unit, state_dir=tmp_path, intervals={"static": "10s"})
    assert made.device.polling.changes > 10, "the unit does not do what the test is about"
    assert 1 <= len(saved) <= 1800 / SAVE_S + 2
    told = [r for r in caplog.records if "another unit" in r.getMessage()]
    assert len(told) == MOST_CHANGES


def test_what_was_learnt_last_is_written_at_the_end(tmp_path):
    """However short after the last writing that is."""
    made = bench(45, state_dir=tmp_path)
    saved = json.loads((tmp_path / "roof.json").read_text())
    assert saved["facts"] == {k: v for k, v in made.device.discovery.facts.items() if v is not None}


@pytest.mark.slow
def test_new_firmware_means_that_everything_is_learnt_again(tmp_path):
    bench(120, state_dir=tmp_path)
    unit = ScriptedUnit({"svnversion": "2.4.0", "power_mng.battery_type": 5})
    made = bench(200, unit, state_dir=tmp_path)
    assert made.device.discovery.facts["svnversion"] == "2.4.0"
    assert made.device.discovery.has("bat") is False


# -- whose facts they are -----------------------------------------------------------------------

#: Another unit, without any battery.
BARE = {
    "inverter_sn": "OTHER",
    "power_mng.battery_type": 5,
    "power_mng.n_batteries": 0,
    "battery.bms_sn": "",
    "battery.module_sn[0]": "",
}


def about_battery(made, since=0):
    """What was published of parts that only a unit with a battery has, from a batch on."""
    plan = made.device.plan
    return {
        series.name
        for batch in made.out.batches[since:]
        for series, _ in batch.values
        if any(q.condition in ("bat", "bat2", "mod 0") for q, _ in plan.homes(series))
    }


def changes(caplog):
    return [r.getMessage() for r in caplog.records if "another unit" in r.getMessage()]


@pytest.mark.slow
def test_nothing_of_the_old_unit_is_published_of_a_new_one_that_takes_its_place(caplog):
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(120)
            assert about_battery(made)
            made.plug.cut()
            made.unit.values.update(BARE)
            before = len(made.out.batches)
            await asyncio.sleep(200)
        return made, before

    made, before = run(main)
    assert not about_battery(made, before)
    assert made.out.last()["inverter.serial"] == "OTHER"
    assert made.out.last()["inverter_settings.batteries"] == 0
    assert made.device.discovery.has("bat") is False
    assert len(changes(caplog)) == 1


@pytest.mark.slow
def test_nothing_of_the_old_unit_is_published_after_a_restart(tmp_path, caplog):
    bench(120, state_dir=tmp_path)
    made = bench(200, ScriptedUnit(BARE), state_dir=tmp_path)
    assert not about_battery(made)
    assert len(changes(caplog)) == 1
    saved = json.loads((tmp_path / "roof.json").read_text())
    assert saved["serial"] == saved["facts"]["inverter_sn"] == "OTHER"
    assert saved["address"] == "tcp://unit.test:8899"


@pytest.mark.slow
def test_what_was_learnt_at_another_address_is_not_used(tmp_path):
    """Two configurations with one name of a device share a file."""
    bench(120, state_dir=tmp_path)
    made = bench(5, ScriptedUnit(BARE), state_dir=tmp_path, address="tcp://other.test")
    assert not about_battery(made)
    assert not {name for _, name in made.unit.asked} & {"battery.soc", "battery.voltage"}


@pytest.mark.slow
def test_a_serial_number_that_comes_damaged_once_costs_no_knowledge(tmp_path, caplog):
    bench(120, state_dir=tmp_path)
    unit, seen = ScriptedUnit(), []

    def mangle(item, data, n):
        seen.extend([n] if item.name == "inverter_sn" else [])
        wrong = item.name == "inverter_sn" and len(seen) == 1
        return unit.answer_to(item.name, "GARBLED") if wrong else data

    unit.mangle = mangle
    made = bench(15, unit, state_dir=tmp_path)
    assert "inverter_battery{battery=0}.soc_percent" in about_battery(made)
    assert not changes(caplog)


@pytest.mark.slow
@pytest.mark.parametrize("kept", [False, True])
def test_a_unit_without_serial_number_is_collected_all_the_same(kept, tmp_path):
    """Its facts are confirmed by two answers each, once the question is given up."""
    if kept:
        bench(120, state_dir=tmp_path)
    unit = ScriptedUnit()
    unit.silent = {"inverter_sn"}
    made = bench(300, unit, state_dir=tmp_path)
    first = next(
        batch.time_ns
        for batch in made.out.batches
        if any(s.name == "inverter_battery{battery=0}.soc_percent" for s, _ in batch.values)
    )
    assert (first - made.out.batches[0].time_ns) / 1e9 < 60
    assert made.out.last()["inverter.firmware"] == "2.3.5673"
    assert "inverter.serial" not in made.out.last()


def test_unconditional_values_do_not_wait_for_the_serial_number():
    unit = ScriptedUnit()
    unit.silent = {"inverter_sn", "svnversion"}
    made = bench(9, unit)
    assert "inverter_power.grid_watts" in made.out.last()


@pytest.mark.slow
def test_another_unit_is_asked_for_what_the_old_one_did_not_answer():
    unit = ScriptedUnit()
    unit.silent = {"g_sync.p_ac_sum"}

    async def main(loop):
        made = Bench(loop, unit)
        async with made.running():
            await asyncio.sleep(60)
            assert made.out.last()["inverter_collector.muted_objects"] == 1
            unit.silent = set()
            unit.values["inverter_sn"] = "OTHER"
            made.plug.cut()
            await asyncio.sleep(60)
        return made

    made = run(main)
    assert made.out.last()["inverter_collector.muted_objects"] == 0
    assert "inverter_power.output_watts" in made.out.last()


@pytest.mark.slow
def test_totals_of_the_old_unit_cast_no_doubt_on_those_of_the_new_one():
    unit = ScriptedUnit({"energy.e_load_total": 5e6})

    async def main(loop):
        made = Bench(loop, unit, intervals={"slow": "20s"}, requests={"per_second": 16})
        async with made.running():
            await asyncio.sleep(60)
            unit.values.update({"inverter_sn": "OTHER", "energy.e_load_total": 7.0})
            made.plug.cut()
            await asyncio.sleep(3)
            asked = len(unit.times("energy.e_load_total"))
            await asyncio.sleep(60)
        return made, asked

    made, _ = run(main)
    assert [v for _, v in made.out.values()[LOAD_TOTAL]][-1] == 7.0


# -- silence ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_what_is_not_known_because_the_unit_is_silent_is_told_once(caplog):
    unit = ScriptedUnit()
    unit.silent = {"rb485.available"}
    made = bench(1200, unit)
    (told,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told == (
        "roof: rb485.available (0x437B8122) is not answered, so it is not known whether there is a"
        " Power Switch; nothing of it is published"
    )
    assert not [name for name in made.out.values() if name.startswith("inverter_backup")]


@pytest.mark.slow
def test_a_part_is_published_although_one_of_the_objects_that_tell_of_it_is_silent():
    unit = ScriptedUnit()
    unit.silent = {"power_mng.battery_type"}
    assert "inverter_battery{battery=0}.soc_percent" in about_battery(bench(120, unit))


def test_a_line_that_breaks_again_and_again_proves_nothing_about_the_unit():
    """Cut at each sixth request, with the answers to some others still on their way."""
    unit = ScriptedUnit()
    unit.latency = 0.2

    async def main(loop):
        made = Bench(loop, unit)

        def mangle(item, data, n):
            if loop.time() < 1020 and n % 6 == 0:
                loop.call_soon(made.plug.cut)
                return None
            return data

        unit.mangle = mangle
        async with made.running():
            await asyncio.sleep(20)
            muted = made.out.last()["inverter_collector.muted_objects"]
            await asyncio.sleep(40)
        return made, muted

    made, muted = run(main)
    assert muted == 0
    assert made.out.last()["inverter_collector.muted_objects"] == 0
    last = made.out.last()
    assert {"inverter_grid{phase=l3}.voltage_volts", "inverter_status.state_code"} <= last.keys()


@pytest.mark.slow
@pytest.mark.parametrize("every", [2, 3, 9, 14])
def test_a_line_that_swallows_all_after_some_requests_proves_nothing_either(every):
    """Half open: nothing comes any more until the line is opened anew."""
    unit = ScriptedUnit()

    async def main(loop):
        made = Bench(loop, unit)

        def connect():
            unit.since = len(unit.asked)
            return ScriptedUnit.connect(unit)

        unit.since, unit.connect = 0, connect
        unit.mangle = lambda item, data, n: (
            None if loop.time() < 1300 and n - unit.since >= every else data
        )
        async with made.running():
            await asyncio.sleep(360)
        return made

    made = run(main)
    assert made.out.last()["inverter_collector.muted_objects"] == 0
    last = made.out.last()
    assert {"inverter_grid{phase=l3}.voltage_volts", "inverter_status.state_code"} <= last.keys()


@pytest.mark.slow
def test_a_unit_that_stands_still_now_and_then_is_not_taken_for_one_that_lacks_objects():
    """Seven seconds of each round, at another time of it each time."""
    unit = ScriptedUnit()

    async def main(loop):
        made = Bench(loop, unit)

        def mangle(item, data, n):
            into = (loop.time() - 1000) % 11
            if into < 4:
                return data
            unit.say(data, loop.time() + 11 - into)
            return None

        unit.mangle = mangle
        async with made.running():
            await asyncio.sleep(600)
        return made

    assert run(main).out.last()["inverter_collector.muted_objects"] == 0


@pytest.mark.slow
def test_what_is_lost_with_the_line_does_not_slow_down_the_pace():
    unit = ScriptedUnit()

    async def main(loop):
        made = Bench(loop, unit)

        def mangle(item, data, n):
            if n % 40:
                return data
            loop.call_soon(made.plug.cut)
            return None

        unit.mangle = mangle
        async with made.running():
            await asyncio.sleep(900)
        return made

    assert run(main).device.exchange.gap == 0.06


def test_the_total_of_generators_counts_those_that_exist():
    unit = ScriptedUnit(
        {"dc_conv.dc_conv_struct[1].enabled": False, "dc_conv.dc_conv_struct[0].p_dc_lp": 800.0}
    )
    made = bench(60, unit)
    assert {v for _, v in made.out.values()["inverter_power.pv_watts"]} == {800.0}


# -- the lock ---------------------------------------------------------------------------------

needs_locks = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="locks are Linux's own"
)

#: Runs of the tests on one host do not disturb each other.
HOST = f"locked-{os.getpid()}.test"


@pytest.fixture
def taken():
    """The lock of a device, as another one has it."""
    lock = DeviceLock(tcp(HOST))
    lock.acquire()
    yield lock
    lock.release()


class LockedBench(Bench):
    """A device that takes a lock."""

    def __init__(self, loop):
        super().__init__(loop)
        made = replace(self.options, lock=True)
        self.device = Device(config(address=f"tcp://{HOST}"), self.out, made)


@pytest.mark.slow
@needs_locks
def test_a_device_that_another_has_is_down_until_that_ends(taken, caplog):
    caplog.set_level(logging.INFO)
    alerts = Alerts(config())

    async def main(loop):
        made = LockedBench(loop)
        async with made.running():
            await asyncio.sleep(600)
            before = made.ups()
            assert made.plug.attempts == [], "nothing is opened to a unit of somebody else"
            taken.release()
            await asyncio.sleep(60)
        return made, before

    made, before = run(main)
    assert before == [0] * 60
    assert made.ups()[-1] == 1
    told = [alert.text for batch in made.out.batches for alert in alerts.take(batch)]
    assert told == ["roof has not answered for 5 min", "roof answers again"]
    first, last = caplog.records
    assert (first.levelname, last.levelname) == ("ERROR", "INFO")
    assert first.getMessage().startswith(
        f"roof: already collected by process {os.getpid()} on this host (user "
    )
    again = DeviceLock(tcp(HOST))
    again.acquire()  # it was given back
    again.release()


@needs_locks
@pytest.mark.parametrize("refused", [0, 2])
def test_a_device_can_be_left_to_another_after_some_rounds(taken, refused, caplog):
    async def main(loop):
        made = LockedBench(loop)
        with pytest.raises(BusyError) as caught:
            await made.device.run(refused)
        found = [value for _, value in made.out.values().get("inverter_collector.up", ())]
        taken.release()
        task = asyncio.create_task(made.device.run(refused))
        await asyncio.sleep(35)
        assert made.ups()[-1] == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return caught.value, found

    error, found = run(main)
    assert error.door == b"", "it is a door of this process"
    assert found == [0] * refused
    assert ["already collected" in r.getMessage() for r in caplog.records].count(True) == (
        1 if refused else 0
    ), "nobody who gives way complains"


@needs_locks
def test_without_descriptors_a_device_waits_for_its_lock(monkeypatch, caplog):
    """It is not the same as a host that has no locks."""
    poor = [True]
    bound = lock_module._bound

    def lacking(name):
        if poor:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return bound(name)

    monkeypatch.setattr(lock_module, "_bound", lacking)

    async def main(loop):
        made = LockedBench(loop)
        async with made.running():
            await asyncio.sleep(100)
            assert made.plug.attempts == []
            poor.clear()
            await asyncio.sleep(60)
        return made

    ups = run(main).ups()
    assert ups[:10] == [0] * 10
    assert ups[-1] == 1
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        f"roof: the lock of {HOST}:8899 cannot be taken: Too many open files; trying again until"
        " it works"
    ]


@pytest.mark.slow
@needs_locks
def test_who_finds_another_in_front_lets_go_of_the_line(monkeypatch):
    """A stranger can have let both in; the one that is behind notices with its next round."""

    def busy(_self):
        raise BusyError("already collected by process 7")

    async def main(loop):
        made = LockedBench(loop)
        async with made.running():
            await asyncio.sleep(60)
            assert made.device.port.is_open
            with monkeypatch.context() as patch:
                patch.setattr(DeviceLock, "tend", busy)
                patch.setattr(DeviceLock, "acquire", busy)
                await asyncio.sleep(60)
                assert not made.device.port.is_open
                assert made.ups()[-1] == 0
            await asyncio.sleep(60)
        return made

    assert run(main).ups()[-1] == 1


@needs_locks
def test_a_single_round_of_a_device_that_another_has_is_refused(taken):
    async def main(loop):
        made = LockedBench(loop)
        with pytest.raises(BusyError):
            await made.device.read_once(30.0)
        assert made.plug.attempts == []

    run(main)


@needs_locks
def test_a_single_round_of_a_device_that_is_anothers_by_its_other_end_is_refused(
    taken, monkeypatch
):
    monkeypatch.setattr(Wire, "peer", tcp(HOST), raising=False)

    async def main(loop):
        made = Bench(loop)
        more = replace(made.options, lock=True)
        device = Device(config(address=f"tcp://other-{HOST}"), made.out, more)
        begun = loop.time()
        with pytest.raises(BusyError, match=f"where other-{HOST}:8899 leads, is already collected"):
            await device.read_once(30.0)
        assert loop.time() - begun < 5
        assert made.unit.asked == [], "no request went to a unit of somebody else"

    run(main)


# -- the line ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_loss_and_recovery_are_said_once(caplog):
    caplog.set_level(logging.INFO)

    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(30)
            made.plug.refuse = "cannot connect to unit.test:8899: connection refused"
            made.plug.cut()
            await asyncio.sleep(3600)
            made.plug.refuse = ""
            await asyncio.sleep(400)
        return made

    made = run(main)
    about = [r for r in caplog.records if r.name == "rct_collector.lines.reconnect"]
    assert [r.levelname for r in about] == ["WARNING", "INFO"]
    assert made.ups()[-1] == 1
    assert made.out.last()["inverter_collector.reconnects_total"] == 1
    pauses = [b - a for a, b in zip(made.plug.attempts, made.plug.attempts[1:], strict=False)]
    assert [round(p) for p in pauses[1:15]] == [1, 2, *[5] * 12]
    assert all(15 <= p <= 21 for p in pauses[15:-1])


@pytest.mark.slow
def test_a_line_that_is_lost_for_moments_is_not_told_of_each_time(caplog):
    """Once an hour; what stays lost for a minute is told of in any case."""
    caplog.set_level(logging.INFO)

    async def main(loop):
        made = Bench(loop)
        async with made.running():
            for _ in range(10):
                await asyncio.sleep(300)
                made.plug.cut()
            told = [len(caplog.records)]
            await asyncio.sleep(300)
            made.plug.refuse = "cannot connect to unit.test:8899: connection refused"
            made.plug.cut()
            await asyncio.sleep(30)
            told.append(len(caplog.records))
            await asyncio.sleep(90)
            made.plug.refuse = ""
            await asyncio.sleep(120)
        return made, told

    made, told = run(main)
    assert told == [2, 2]
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO", "WARNING", "INFO"]
    assert made.out.last()["inverter_collector.reconnects_total"] == 11


@pytest.mark.slow
def test_a_server_that_accepts_and_says_nothing_useful_is_not_hammered():
    class Http:
        at = None

        def connect(self):
            return 1

        def disconnect(self, client):
            self.at = None

        def receive(self, client, data, now):
            self.at = now + 0.01

        def next_due(self):
            return self.at

        def pull(self, now):
            self.at = None
            asyncio.get_running_loop().call_soon(self.plug.cut)
            return [b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"]

    async def main(loop):
        made = Bench(loop, Http())
        made.unit.plug = made.plug
        await collect(made.device, 600)
        return made

    made = run(main)
    assert len(made.plug.attempts) <= 15 + 600 / 15
    assert set(made.ups()) == {0}
    assert made.device.stats.errors["noise"] > 0


@pytest.mark.slow
def test_endless_noise_costs_neither_memory_nor_other_rounds():
    noise = random.Random(1)

    class Noise(ScriptedUnit):
        def receive(self, client, data, now):
            for n in range(20):
                self.say(noise.randbytes(1000), now + 0.01 * n)

    async def main(loop):
        made = Bench(loop, Noise())
        await collect(made.device, 120)
        return made

    made = run(main)
    assert set(made.ups()) == {0}
    assert made.device.stats.errors["noise"] > 100
    assert made.device.port.conversation.session._reader.pending <= frame.LONGEST_PENDING


def test_a_half_open_line_is_closed_by_the_watchdog():
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(30)
            made.unit.mangle = lambda item, data, n: None
            silent = len(made.plug.wires)
            await asyncio.sleep(WATCHDOG_S + 11)
            return silent, len(made.plug.wires)

    assert run(main) == (1, 2)


def test_values_are_back_at_once_when_the_line_is():
    """A tick may be minutes away."""

    async def main(loop):
        made = Bench(loop, intervals={"fast": "2m", "medium": "2m"})
        async with made.running():
            while made.device.rounds < 2:
                await asyncio.sleep(1)
            await asyncio.sleep(70)
            before = made.published("inverter_power.grid_watts")
            made.plug.cut()
            await asyncio.sleep(10)
            return made.published("inverter_power.grid_watts") - before

    assert run(main) == 1


def test_a_round_that_has_nothing_to_ask_ends_at_once():
    """So it is in one begun early, when nothing is due and nothing is left over."""

    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(30)
            made.device.polling._backlog._waiting.clear()
            made.device._schedule.begin = lambda _wall: set()
            before = made.device.rounds
            await asyncio.sleep(25)
            return made.device.rounds - before

    assert run(main) >= 2


def test_half_a_frame_does_not_survive_a_reconnect():
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(30)
            made.device.port.conversation.received(made.unit.answer_to("battery.soc")[:9])
            made.plug.cut()
            await asyncio.sleep(30)
        return made.device.stats.errors

    assert not run(main)["crc"]


# -- time -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize("step", [-7200.0, -25.0, 25.0, 7200.0])
def test_steps_of_the_wall_clock_cause_neither_bursts_nor_silence(step):
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(60)
            made.options.clock.step(step)
            before = made.device.rounds
            await asyncio.sleep(120)
            return made.device.rounds - before

    assert 9 <= run(main) <= 14


@pytest.mark.slow
@pytest.mark.measured
def test_missed_ticks_are_counted():
    unit = ScriptedUnit()
    made = bench(180, unit, intervals={"fast": "1s"})
    assert made.out.last()["inverter_collector.ticks_missed_total"] > 30
    # The first minute has an advance.
    assert len([at for at, _ in unit.asked if at > unit.asked[0][0] + 60]) / 120 <= 5.6


def test_hurried_rounds_take_the_place_of_the_next_one():
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(40)
            before = made.device.rounds
            for _ in range(8):
                for _ in range(100):
                    made.device.hurry()
                await asyncio.sleep(5)
            return made.device.rounds - before

    assert run(main) <= 9


def test_the_time_of_a_round_is_that_of_its_first_answer():
    made = bench(8)
    first = made.unit.asked[0][0] + made.unit.latency
    assert made.out.batches[0].time_ns == pytest.approx((first - 1000 + START) * 1e9, abs=2e6)


class Overtaxed(ScriptedUnit):
    """A unit that loses each second request that comes while an answer is due."""

    def __init__(self):
        super().__init__()
        self.latency = 0.1
        self._lost = False

    def receive(self, client, data, now):
        self._lost = self.next_due() is not None and not self._lost
        if not self._lost:
            super().receive(client, data, now)


@pytest.mark.slow
@pytest.mark.measured
def test_a_unit_that_loses_what_comes_too_fast_is_asked_slower_and_that_is_told(caplog):
    with caplog.at_level(logging.INFO):
        bench(300, Overtaxed())
    told = [r.getMessage() for r in caplog.records if "of the answers are lost" in r.getMessage()]
    slower = r"roof: \d+ % of the answers are lost; now up to 2 requests at a time, 120 ms apart"
    assert re.fullmatch(slower, told[0])


def test_what_was_learnt_is_gathered_once_a_round(tmp_path, monkeypatch):
    """A first start brings dozens of facts; gathered with each of them is work for nothing."""
    gathered = []
    content = Discovery.content
    monkeypatch.setattr(Discovery, "content", lambda *args: gathered.append(0) or content(*args))
    made = bench(25, state_dir=tmp_path)
    assert len(made.device.discovery.facts) > 20
    assert 1 <= len(gathered) <= made.device.rounds
