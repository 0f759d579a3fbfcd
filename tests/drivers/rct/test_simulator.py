"""The simulated unit: its world adds up, and its line behaves like that of real units."""

from __future__ import annotations

import math
import random
import struct
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from rctclient.frame import ReceiveFrame
from rctclient.types import Command
from rctclient.utils import decode_value

from rct_collector.drivers.base import Answer
from rct_collector.drivers.rct import frame, request, wire
from rct_collector.drivers.rct.conditions import CONDITIONS
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.simulator import (
    SCENARIOS,
    Bridge,
    Chain,
    Faults,
    LoggerMemory,
    RctUnit,
    Segment,
)
from rct_collector.drivers.rct.simulator.day import KINDS, Days
from rct_collector.drivers.rct.simulator.readings import READINGS
from rct_collector.drivers.rct.table import BY_OID, OBJECTS
from rct_collector.drivers.rct.texts import FAULTS
from tests.slow import slow_but

BY_NAME = {item.name: item for item in OBJECTS}
READ = [item for item in OBJECTS if not item.logger]
LOGGED = [item for item in OBJECTS if item.logger]
DAY = 86400
MIDNIGHT = 1782000000 // DAY * DAY
NOON = MIDNIGHT + DAY // 2


def value(unit, name, unix):
    """What an object reads, by way of its bytes."""
    item = BY_NAME[name]
    return wire.decode(item.type, unit.read(item.oid, unix))


def history(unit, name, before, unix):
    """What the logger says, by way of its bytes."""
    item = BY_NAME[name]
    echo, records = wire.decode(item.type, unit.history(item.oid, before, unix))
    assert echo == before
    return records


def whole_history(unit, name, before, unix):
    """All pages of a series or of the event table."""
    found = []
    while page := history(unit, name, before, unix):
        found += page
        times = [record[0] if name.endswith("_log_ts") else record[1] for record in page]
        assert times == sorted(times, reverse=True)
        assert times[0] < before
        before = times[-1]
    return found


def ask(item, unix=NOON):
    """The bytes that ask for an object."""
    return request.query_logger(item, int(unix)) if item.logger else request.read(item)


def drain(bridge):
    """Everything that is on its way, as (time, segment)."""
    found = []
    while (due := bridge.next_due()) is not None:
        found += [(due, segment) for segment in bridge.pull(due)]
    return found


def talk(bridge, data, now=0.0):
    """Send bytes and wait for all that comes."""
    bridge.receive(bridge.connect(), data, now)
    return b"".join(segment for _, segment in drain(bridge))


# -- the world --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize("name", ["sunny", "inverter-only", "two-towers", "everything"])
def test_power_balances_at_every_moment_of_a_day(name):
    unit = RctUnit(name, start=MIDNIGHT)
    both = len(unit.scenario.sizes.peaks) > 1
    fed = charged = drawn = False
    for unix in range(MIDNIGHT, MIDNIGHT + DAY, 97):
        pv = value(unit, "dc_conv.dc_conv_struct[0].p_dc_lp", unix)
        pv += value(unit, "dc_conv.dc_conv_struct[1].p_dc_lp", unix) if both else 0.0
        grid = value(unit, "g_sync.p_ac_grid_sum_lp", unix)
        battery = value(unit, "g_sync.p_acc_lp", unix)
        load = value(unit, "g_sync.p_ac_load_sum_lp", unix)
        output = value(unit, "g_sync.p_ac_sum", unix)
        losses = pv + grid + battery - load
        assert losses == pytest.approx(unit.moment(unix).flows.losses, abs=0.01)
        assert 0.0 <= losses <= 45.0 + 0.03 * abs(output)
        assert output + grid == pytest.approx(load, abs=0.01)
        assert output <= unit.scenario.sizes.rated_watts + 0.01
        for total, phase in (
            (output, "g_sync.p_ac[{}]"),
            (grid, "g_sync.p_ac_sc[{}]"),
            (load, "g_sync.p_ac_load[{}]"),
        ):
            parts = [value(unit, phase.format(n), unix) for n in range(3)]
            assert sum(parts) == pytest.approx(total, abs=0.01)
        fed, drawn, charged = fed or grid < -500, drawn or grid > 500, charged or battery < -500
    assert (fed, charged) == (True, bool(unit.scenario.towers))
    assert drawn == (name in ("sunny", "inverter-only"))  # the others' batteries last all night


@pytest.mark.slow
def test_sun_household_and_battery_of_the_default_are_plausible():
    unit = RctUnit(start=MIDNIGHT)
    moments = [unit.moment(unix) for unix in range(MIDNIGHT, MIDNIGHT + DAY, 60)]
    pv = [moment.flows.pv for moment in moments]
    assert 4000 < max(pv) < 6000
    assert min(pv) == 0.0
    assert {moment.state for moment in moments} == {5, 6, 7, 13}
    assert max(moment.flows.load for moment in moments) > 2000  # kettle, oven
    assert min(moment.flows.load for moment in moments) > 200
    socs = [moment.flows.soc for moment in moments]
    assert min(socs) == pytest.approx(0.07, abs=0.005)
    assert max(socs) == pytest.approx(0.97, abs=0.005)
    clouds = [abs(b - a) for a, b in pairwise(pv[10 * 60 : 15 * 60])]
    assert max(clouds) > 100
    assert {moment.hertz > 49.9 for moment in moments} == {True}
    assert max(moment.heat_sink for moment in moments) > min(m.heat_sink for m in moments) + 15


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, s in SCENARIOS.items() if s.towers])
def test_every_kind_of_day_ends_with_a_full_battery_so_that_days_fit_together(name):
    sizes = SCENARIOS[name].sizes
    for seed in range(6):
        days = Days(sizes, seed, 0.0)
        for number in range(3 * KINDS):
            edge = number * DAY + 15 * 3600.0
            before, after = days.flows(edge - 0.01), days.flows(edge + 0.01)
            assert before.soc == pytest.approx(after.soc, abs=0.002)
            assert before[:-1] == pytest.approx(after[:-1], abs=2.0)


TOTALS = [f"energy.e_{flow}_total" for flow in ("load", "grid_feed", "grid_load", "ext")] + [
    "energy.e_dc_total[0]",
    "energy.e_dc_total[1]",
    "battery.stored_energy",
    "battery.used_energy",
    "battery.charged_amp_hours",
    "battery.discharged_amp_hours",
    "battery.cycles",
    "battery.stack_cycles[4]",
    "flash_param.write_cycles",
]


def test_totals_only_grow_and_feed_in_only_falls():
    unit = RctUnit(start=MIDNIGHT)
    last = dict.fromkeys(TOTALS, 0.0)
    for unix in range(MIDNIGHT - DAY // 2, MIDNIGHT + DAY, 311):
        for name in TOTALS:
            total = value(unit, name, unix) * (-1 if "feed" in name else 1)
            assert total >= last[name], name
            last[name] = total
    assert all(last.values())


@pytest.mark.slow
def test_the_sum_of_the_output_runs_back_while_the_inverter_stands_by():
    unit = RctUnit("inverter-only", start=MIDNIGHT)
    night = [value(unit, "energy.e_ac_total", MIDNIGHT + n * 600) for n in range(6)]
    assert night == sorted(night, reverse=True)
    assert night[0] > night[-1]


@pytest.mark.slow
def test_energies_are_the_integral_of_the_powers():
    unit = RctUnit(start=MIDNIGHT)
    powers = {
        "energy.e_ac_total": lambda m: m.flows.output,
        "energy.e_load_total": lambda m: m.flows.load,
        "energy.e_grid_feed_total": lambda m: min(m.flows.grid, 0.0),
        "energy.e_grid_load_total": lambda m: max(m.flows.grid, 0.0),
        "energy.e_ext_total": lambda m: m.flows.external,
        "energy.e_dc_total[0]": lambda m: m.flows.pv_a,
        "energy.e_dc_total[1]": lambda m: m.flows.pv_b,
        "battery.stored_energy": lambda m: max(-m.flows.battery, 0.0),
        "battery.used_energy": lambda m: max(m.flows.battery, 0.0),
        "battery.charged_amp_hours": lambda m: max(-m.towers[0].amperes, 0.0),
        "battery.discharged_amp_hours": lambda m: max(m.towers[0].amperes, 0.0),
    }
    step = 20
    moments = [unit.moment(unix) for unix in range(MIDNIGHT, MIDNIGHT + DAY + 1, step)]
    for name, power in powers.items():
        values = [power(moment) for moment in moments]
        integral = sum((a + b) / 2 * step / 3600 for a, b in pairwise(values))
        grown = value(unit, name, MIDNIGHT + DAY) - value(unit, name, MIDNIGHT)
        assert grown == pytest.approx(integral, rel=0.02 if "amp" in name else 0.002, abs=4.0), name


@pytest.mark.slow
def test_a_jump_of_years_costs_no_more_than_a_second():
    """Nothing is integrated from one reading to the next, so no gap is long."""
    unit = RctUnit(start=MIDNIGHT)
    for years in (0, 1, 10, 40):
        assert value(unit, "energy.e_ac_total", MIDNIGHT + years * 365 * DAY) > 1e6


def test_periods_begin_anew_by_the_units_own_clock():
    zone = timezone(timedelta(hours=2))
    unit = RctUnit(start=NOON, zone=zone)
    local_midnight = MIDNIGHT + DAY - 2 * 3600
    for flow in ("ac", "load", "grid_load"):
        name = f"energy.e_{flow}_day"
        assert value(unit, name, local_midnight - 1) > 1000
        assert value(unit, name, local_midnight) == 0.0
        assert 0.0 <= value(unit, name, local_midnight + 60) < 100
        month = value(unit, f"energy.e_{flow}_month", local_midnight - 1)
        year = value(unit, f"energy.e_{flow}_year", local_midnight - 1)
        total = value(unit, f"energy.e_{flow}_total", local_midnight - 1)
        assert 1000 < value(unit, name, local_midnight - 1) < month < year < total


def test_the_clock_is_local_wall_clock_as_if_it_were_utc():
    zone = ZoneInfo("Europe/Berlin")
    unit = RctUnit(start=NOON, zone=zone)
    sent = value(unit, "flash_rtc.time_stamp", NOON)
    assert sent == NOON + 2 * 3600
    assert wire.utc_seconds(sent, zone) == NOON


def test_the_sun_can_be_moved_and_the_clock_stays():
    midnight = RctUnit(start=MIDNIGHT)
    moved = RctUnit(start=MIDNIGHT, sun=12.0)
    assert midnight.moment(MIDNIGHT).flows.pv == 0.0
    assert moved.moment(MIDNIGHT).flows.pv > 1500
    for unit in (midnight, moved):
        assert value(unit, "flash_rtc.time_stamp", MIDNIGHT) == MIDNIGHT
    assert moved.world.clock.sun(MIDNIGHT) % DAY == 12 * 3600
    assert moved.world.clock.sun(MIDNIGHT + 60) % DAY == 12 * 3600 + 60


@pytest.mark.slow
def test_battery_values_agree_with_the_cells():
    unit = RctUnit("two-towers", start=NOON)
    for prefix, modules in (("battery", 5), ("battery_placeholder[0]", 3)):
        cells = [
            cell
            for module in range(modules)
            for cell in value(unit, f"{prefix}.cells[{module}]", NOON).cells.values()
        ]
        volts = [cell.voltage_mv / 1000 for cell in cells]
        celsius = [cell.temperature_c for cell in cells]
        assert value(unit, f"{prefix}.voltage", NOON) == pytest.approx(sum(volts), abs=1e-3)
        assert value(unit, f"{prefix}.min_cell_voltage", NOON) == pytest.approx(min(volts))
        assert value(unit, f"{prefix}.max_cell_voltage", NOON) == pytest.approx(max(volts))
        assert value(unit, f"{prefix}.min_cell_temperature", NOON) == min(celsius)
        assert value(unit, f"{prefix}.max_cell_temperature", NOON) == max(celsius)
        assert 3.0 < min(volts) < max(volts) < 3.6
        ohms = value(unit, f"{prefix}.cells_resist[0]", NOON).cells.values()
        assert all(0.9 < cell.resistance_mohm < 1.8 for cell in ohms)
        life = value(unit, f"{prefix}.cells_stat[0]", NOON)
        assert life.u_min.value < min(volts) < max(volts) < life.u_max.value
        assert life.t_min.value < min(celsius) <= max(celsius) < life.t_max.value
    watts = sum(
        value(unit, f"{prefix}.voltage", NOON) * value(unit, f"{prefix}.current", NOON)
        for prefix in ("battery", "battery_placeholder[0]")
    )
    assert watts == pytest.approx(value(unit, "g_sync.p_acc_lp", NOON), abs=0.5)


def test_electrical_values_agree_with_each_other():
    unit = RctUnit(start=NOON)
    for phase in range(3):
        p, q, s = (value(unit, f"g_sync.{x}_ac[{phase}]", NOON) for x in "pqs")
        assert s * s == pytest.approx(p * p + q * q, rel=1e-4)
        volts = value(unit, f"g_sync.u_l_rms[{phase}]", NOON)
        assert value(unit, f"g_sync.i_dr_eff[{phase}]", NOON) == pytest.approx(s / volts, rel=1e-4)
    halves = value(unit, "g_sync.u_zk_p_avg", NOON) + value(unit, "g_sync.u_zk_n_avg", NOON)
    assert value(unit, "g_sync.u_zk_sum_avg", NOON) == pytest.approx(halves, rel=1e-5)
    riso, rp, rn = (value(unit, f"iso_struct.{r}", NOON) for r in ("Riso", "Rp", "Rn"))
    assert 1 / riso == pytest.approx(1 / rp + 1 / rn, rel=1e-4)


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize("name", slow_but("everything", SCENARIOS))
def test_all_published_values_are_plausible_all_day(name):
    unit = RctUnit(name, start=MIDNIGHT)
    present = [item for item in READ if unit.scenario.has(item.condition)]
    for unix in range(MIDNIGHT, MIDNIGHT + DAY, 4999):
        for item in present:
            payload = unit.read(item.oid, unix)
            if payload is None:
                assert not unit.scenario.knows(item.name) or unit.scenario.sleeps
                continue
            raw = wire.decode(item.type, payload)
            for binding in item.bindings:
                values = binding.convert(raw, UTC)
                for series, found in zip(binding.series, values, strict=True):
                    if found is not None and not isinstance(found, str):
                        assert series.metric.low <= found <= series.metric.high, series


# -- faults and events ------------------------------------------------------------------------


@pytest.mark.slow
def test_faults_come_and_go_and_are_kept_in_the_event_table():
    unit = RctUnit(start=NOON)
    words = [f"fault[{n}].flt" for n in range(4)]
    events = whole_history(unit, "logger.error_log_time_stamp", NOON, NOON)
    assert {115, 118, 119} < {event[0] for event in events}
    faults = [event for event in events if event[0] not in (115, 118, 119)]
    assert len(faults) > 100
    assert len({event[0] for event in faults}) == 10
    for kind, start, end, _, _ in faults[:50]:
        assert kind in FAULTS
        assert start < end <= NOON
        during = [value(unit, word, (start + end) // 2) for word in words]
        assert during[kind // 32] == 1 << kind % 32
        assert sum(during) == during[kind // 32]
        assert not any(value(unit, word, end) for word in words)


@pytest.mark.slow
def test_what_a_fault_measured_shows_in_the_readings():
    unit = RctUnit(start=NOON)
    events = whole_history(unit, "logger.error_log_time_stamp", NOON, NOON)
    seen = set()
    for kind, start, _, raw, _ in events:
        name = {49: "g_sync.u_l_rms[0]", 82: "grid_pll[0].f", 25: "iso_struct.Riso"}.get(kind)
        if name:
            (measured,) = struct.unpack(">f", raw.to_bytes(4, "big"))
            assert value(unit, name, start + 1) == pytest.approx(measured)
            seen.add(kind)
    assert seen == {49, 82, 25}


def test_units_without_battery_or_power_switch_have_no_faults_of_them():
    unit = RctUnit("inverter-only", start=NOON)
    kinds = {e[0] for e in whole_history(unit, "logger.error_log_time_stamp", NOON, NOON)}
    assert not kinds & {29, 107, 114}


# -- history ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_five_minute_series_go_back_ninety_days_on_their_grid():
    unit = RctUnit(start=NOON)
    records = whole_history(unit, "logger.minutes_soc_log_ts", NOON + DAY, NOON)
    assert records[0][0] == NOON
    assert len(records) == 90 * 288
    assert {a[0] - b[0] for a, b in pairwise(records)} == {300}
    for time, soc in random.Random(1).sample(records, 50):
        assert soc == value(unit, "battery.soc", time)


@pytest.mark.parametrize(
    ("signal", "name"),
    [
        ("ul2", "g_sync.u_l_rms[1]"),
        ("ua", "g_sync.u_sg_avg[0]"),
        ("ubat", "battery.voltage"),
        ("temp", "db.temp1"),
        ("temp2", "db.temp2"),
        ("temp_bat", "battery.temperature"),
        ("soc_targ", "battery.soc_target"),
    ],
)
def test_the_log_agrees_with_what_was_read(signal, name):
    unit = RctUnit(start=NOON)
    records = history(unit, f"logger.minutes_{signal}_log_ts", NOON - 3 * DAY, NOON)
    assert len(records) == 150
    for time, logged in records[::40]:
        assert logged == pytest.approx(value(unit, name, time), rel=1e-6)


def test_five_minute_energies_are_mean_powers_and_add_up_to_the_counters():
    unit = RctUnit(start=NOON)
    for signal, name in (("egrid_feed", "grid_feed"), ("eload", "load"), ("eac", "ac")):
        records = history(unit, f"logger.minutes_{signal}_log_ts", NOON + 1, NOON)
        today = [watts / 12 for time, watts in records if time > MIDNIGHT]
        assert len(today) == 144
        counter = value(unit, f"energy.e_{name}_day", NOON)
        assert sum(today) == pytest.approx(counter, rel=1e-3)


@pytest.mark.parametrize("resolution", ["day", "month", "year"])
@pytest.mark.parametrize("signal", ["ea", "eb", "eac", "eext", "egrid_feed", "egrid_load", "eload"])
def test_longer_series_agree_with_the_counters(resolution, signal):
    unit = RctUnit(start=NOON)
    records = whole_history(unit, f"logger.{resolution}_{signal}_log_ts", NOON, NOON)
    name = {"ea": "dc_{}[0]", "eb": "dc_{}[1]"}.get(signal, signal[1:] + "_{}")
    counter = f"energy.e_{name}".format
    assert records[0][0] < NOON
    if resolution == "year":
        assert records.pop() == (946771200, 0.0)
    begins = [datetime.fromtimestamp(time, UTC) for time, _ in records]
    assert all(b.hour == b.minute == b.second == 0 for b in begins)
    # The last one was complete a moment before the present one began.
    present = {"day": MIDNIGHT, "month": 1780272000, "year": 1767225600}[resolution]
    assert records[0][1] == pytest.approx(
        value(unit, counter(resolution), present - 1), rel=1e-3, abs=1
    )
    total = sum(energy for _, energy in records) + value(unit, counter(resolution), NOON)
    assert total == pytest.approx(value(unit, counter("total"), NOON), rel=1e-4)


@pytest.mark.slow
def test_the_hour_that_the_clock_jumps_over_is_a_hole_in_the_log():
    zone = ZoneInfo("Europe/Berlin")
    spring = int(datetime(2026, 3, 29, 12, tzinfo=UTC).timestamp())
    unit = RctUnit(start=spring, zone=zone)
    records = whole_history(unit, "logger.minutes_eload_log_ts", spring, spring)[:150]
    gaps = [(b[0], a[0] - b[0]) for a, b in pairwise(records) if a[0] - b[0] != 300]
    jump = int(datetime(2026, 3, 29, 2, tzinfo=UTC).timestamp())
    assert gaps == [(jump - 300, 3900)]


@pytest.mark.parametrize(
    ("memory", "before", "stamps"),
    [
        (LoggerMemory(records=3), 0, [-300, -600, -900]),
        (LoggerMemory(begin=NOON - 600), 0, [-300]),
        (LoggerMemory(begin=math.inf), 0, []),
        (LoggerMemory(records=2, holes=((NOON - 900, NOON - 300),)), 0, [-1200, -1500]),
        (LoggerMemory(window=900.0, holes=((NOON - 600, NOON - 300),)), 0, [-900]),
        (LoggerMemory(window=900.0, holes=((NOON - 3600, NOON),)), 0, []),
        (LoggerMemory(records=3, steps=((NOON - 600, 3600.0),)), 0, [-300, -600, -900 - 3600]),
        (LoggerMemory(records=3, steps=((NOON - 600, 3600.0),)), -600, [-4500, -4800, -5100]),
        (LoggerMemory(records=4, steps=((NOON - 600, -600.0),)), 0, [-300, -300, -600, -600]),
    ],
)
def test_a_log_may_have_holes_and_a_clock_that_was_set_and_give_little_at_a_time(
    memory, before, stamps
):
    unit = RctUnit(start=NOON, memory=memory)
    records = history(unit, "logger.minutes_soc_log_ts", NOON + before, NOON)
    assert [time - NOON for time, _ in records] == stamps
    assert unit.changed(seed=3).memory is memory


def test_days_that_a_log_has_not_kept_are_missing():
    memory = LoggerMemory(begin=MIDNIGHT - 10 * DAY, holes=((MIDNIGHT - 3 * DAY, MIDNIGHT - DAY),))
    unit = RctUnit(start=NOON, memory=memory)
    records = history(unit, "logger.day_eload_log_ts", NOON, NOON)
    assert [(MIDNIGHT - time) // DAY for time, _ in records] == [1, 4, 5, 6, 7, 8, 9, 10, 11]
    for kind, start, *_ in history(unit, "logger.error_log_time_stamp", NOON, NOON):
        assert start >= MIDNIGHT - 10 * DAY, kind
        assert not MIDNIGHT - 3 * DAY <= start <= MIDNIGHT - DAY


def test_the_hour_that_comes_twice_is_in_the_log_twice():
    zone = ZoneInfo("Europe/Berlin")
    autumn = int(datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp())
    unit = RctUnit(start=autumn + DAY, zone=zone)
    shown = int(datetime(2026, 10, 25, 3, 30, tzinfo=UTC).timestamp())
    records = history(unit, "logger.minutes_soc_log_ts", shown, autumn + DAY)
    times = [autumn + n * 300 for n in range(17, -20, -1)]
    assert [time for time, _ in records[: len(times)]] == [unit.world.clock.wall(t) for t in times]
    for (_, soc), unix in zip(records, times, strict=False):
        assert soc == value(unit, "battery.soc", unix)


def test_a_log_that_is_asked_for_the_time_before_it_has_no_records():
    unit = RctUnit(start=NOON)
    for item in LOGGED:
        assert len(unit.history(item.oid, 1000, NOON)) == 4


# -- objects and scenarios --------------------------------------------------------------------


def test_every_object_has_a_reading_and_every_reading_an_object():
    names = {"".join(c for c in item.name if not c.isdigit()) for item in READ}
    assert names == {"".join(c for c in name if not c.isdigit()) for name in READINGS}


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_but("everything", SCENARIOS))
def test_every_object_answers_and_decodes(name):
    """Over the line, with the collector's own session; what the firmware lacks stays silent."""
    unit = RctUnit(name, start=NOON)
    bridge = Bridge(unit)
    client = bridge.connect()
    session = RctSession()
    now = 0.0
    for item in OBJECTS:
        now += 1.0
        bridge.receive(client, ask(item), now)
        events = [e for _, segment in drain(bridge) for e in session.receive(segment)]
        assert [type(event) for event in events] == [Answer] * unit.scenario.knows(item.name)
        assert all(event.query is item for event in events)
    assert bridge.observed.writes == bridge.observed.noise == bridge.observed.others == 0
    assert set(bridge.observed.requests.values()) == {1}


@pytest.mark.parametrize("name", SCENARIOS)
def test_conditions_decided_from_the_answers_are_those_of_the_scenario(name):
    unit = RctUnit(name, start=NOON)
    deciding = {fact for condition in CONDITIONS.values() for fact in condition.inputs}
    facts = {}
    for fact in deciding:
        payload = unit.read(BY_NAME[fact].oid, NOON)
        facts[fact] = None if payload is None else wire.decode(BY_NAME[fact].type, payload)
    for word, condition in CONDITIONS.items():
        assert condition.test(facts) is unit.scenario.has(word), word


def test_absent_parts_read_zero_and_empty():
    unit = RctUnit("inverter-only", start=NOON)
    assert value(unit, "power_mng.battery_type", NOON) == 5
    assert value(unit, "battery.soc", NOON) == 0.0
    assert value(unit, "battery.bms_sn", NOON) == ""
    assert value(unit, "g_sync.p_acc_lp", NOON) == 0.0
    assert value(unit, "battery.cells_stat[0]", NOON).u_min.timestamp is None
    assert {cell.voltage_mv for cell in value(unit, "battery.cells[0]", NOON).cells.values()} == {0}
    assert {soc for _, soc in history(unit, "logger.minutes_soc_log_ts", NOON, NOON)} == {0.0}


def test_a_unit_that_sleeps_is_silent_by_night():
    unit = RctUnit("night-off", start=NOON)
    item = BY_NAME["inverter_sn"]
    assert unit.read(item.oid, NOON)
    assert unit.read(item.oid, MIDNIGHT) is None
    assert unit.history(LOGGED[0].oid, NOON, MIDNIGHT) is None


def test_texts_are_padded_and_some_have_rubbish_behind_their_end():
    unit = RctUnit(start=NOON, serial="A1B2C3D4", firmware="2.3.9999")
    name = unit.read(BY_NAME["android_description"].oid, NOON)
    assert name.startswith(b"PS 6.0 C3D4\0")
    assert name.rstrip(b"\0") != b"PS 6.0 C3D4"
    assert unit.read(BY_NAME["inverter_sn"].oid, NOON) == b"A1B2C3D4".ljust(32, b"\0")
    assert value(unit, "svnversion", NOON) == "2.3.9999"


def test_serial_numbers_differ_between_seeds_scenarios_and_parts():
    units = [RctUnit(name, seed=seed) for name in SCENARIOS for seed in range(3)]
    serials = [unit.world.identity.serial for unit in units]
    serials += [value(units[0], f"battery.module_sn[{n}]", NOON) for n in range(5)]
    assert len(set(serials)) == len(units) + 5


@pytest.mark.slow
@pytest.mark.measured
def test_calibration_and_balancing_show_in_the_status_words():
    unit = RctUnit(start=MIDNIGHT)
    words = {value(unit, "battery.status2", MIDNIGHT + n * 600) for n in range(20 * 144)}
    bits = {bit for word in words for bit in range(14) if word >> bit & 1}
    assert bits == {3, 8, 9, 10, 11}


# -- the line ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.measured
def test_rctclient_reads_the_same_from_the_same_bytes():
    bridge = Bridge(RctUnit("everything", start=NOON))
    now = 0.0
    for item in OBJECTS:
        now += 2.0
        data = talk(bridge, ask(item), now)
        theirs = ReceiveFrame()
        assert theirs.consume(data) == len(data)
        assert theirs.complete()
        assert theirs.id == item.oid
        long = item.logger
        assert theirs.command == (Command.LONG_RESPONSE if long else Command.RESPONSE)
        decoded, ours = decode_value(item.type, theirs.data), wire.decode(item.type, theirs.data)
        if item.type.name == "TIMESERIES":
            records = {datetime.fromtimestamp(time, UTC): found for time, found in ours[1]}
            assert (decoded[0].timestamp(), decoded[1]) == (ours[0], records)
        elif item.type.name == "EVENT_TABLE":
            events = [(e.entry_type, e.timestamp.timestamp()) for e in decoded[1].values()]
            assert events == [(kind, start) for kind, start, *_ in ours[1]]
        else:
            assert decoded == ours


def test_answers_have_one_leading_zero_and_escapes():
    bridge = Bridge(RctUnit(start=NOON), speed=60.0)
    item = BY_NAME["g_sync.p_ac_sum_lp"]  # its id has a 2D
    escaped = 0
    for now in range(400):
        data = talk(bridge, request.read(item), float(now))
        assert data[:3] == b"\0\x2b\x05"
        (found,) = frame.FrameReader().feed(data)
        assert isinstance(found, frame.Frame)
        escaped += len(data) > 15
    assert escaped > 5


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes():
    def transcript(seed):
        bridge = Bridge(RctUnit("everything", seed=seed, start=NOON), seed=seed, now0=0.0)
        client = bridge.connect()
        found = []
        for number, item in enumerate(OBJECTS):
            bridge.receive(client, ask(item), number * 0.05)
            found += bridge.pull(number * 0.05)
        return found + drain(bridge)

    assert transcript(3) == transcript(3)
    assert transcript(3) != transcript(4)


def test_what_was_asked_before_does_not_change_an_answer():
    one, other = RctUnit(start=NOON), RctUnit(start=NOON)
    for unix in range(NOON, NOON + 5000, 7):
        value(one, "battery.soc", unix)
    for item in READ:
        assert one.read(item.oid, NOON + 6000) == other.read(item.oid, NOON + 6000)


def test_requests_in_one_segment_are_all_answered_in_order():
    bridge = Bridge(RctUnit(start=NOON))
    wanted = READ[:40]
    data = talk(bridge, b"".join(map(request.read, wanted)))
    assert [item.oid for item in frame.FrameReader().feed(data)] == [item.oid for item in wanted]
    assert bridge.observed.most_outstanding == 40
    assert bridge.observed.least_gap == 0.0
    assert bridge.outstanding == 0


def test_requests_may_come_byte_by_byte_and_from_several_clients():
    bridge = Bridge(RctUnit(start=NOON))
    one, other = bridge.connect(), bridge.connect()
    for n, byte in enumerate(request.read(READ[0])):
        bridge.receive(one, bytes((byte,)), n * 0.001)
    bridge.receive(other, request.read(READ[1]), 0.02)
    data = b"".join(segment for _, segment in drain(bridge))
    assert [item.oid for item in frame.FrameReader().feed(data)] == [READ[0].oid, READ[1].oid]
    assert bridge.observed.bytes_out == len(data)
    assert bridge.observed.bytes_in == len(request.read(READ[0]) + request.read(READ[1]))


def test_merged_bytes_of_two_clients_may_spoil_a_request_but_not_the_next():
    bridge = Bridge(RctUnit(start=NOON))
    one, other = bridge.connect(), bridge.connect()
    whole = request.read(READ[0])
    bridge.receive(one, whole[:4], 0.0)
    bridge.receive(other, request.read(READ[1]), 0.0)
    bridge.receive(one, whole[4:], 0.0)
    bridge.receive(one, whole, 0.1)
    data = b"".join(segment for _, segment in drain(bridge))
    assert [item.oid for item in frame.FrameReader().feed(data)] == [READ[1].oid, READ[0].oid]


@pytest.mark.parametrize(
    "garbage",
    [b"AT+\r", b"\x2b\x3c\xe1", b"\x2b\x2b", b"\xff\x00garbage", b"\x2b\x01\x04\x95\x99"],
)
def test_garbage_is_skipped(garbage):
    bridge = Bridge(RctUnit(start=NOON))
    data = talk(bridge, garbage + request.read(READ[0]) + garbage + request.read(READ[1]))
    assert [item.oid for item in frame.FrameReader().feed(data)] == [READ[0].oid, READ[1].oid]
    assert bridge.observed.noise >= 2


def test_any_garbage_is_survived():
    """Garbage may swallow the request right behind it, if it ends in an escape; no more."""
    chance = random.Random(7)
    bridge = Bridge(RctUnit(start=NOON))
    client = bridge.connect()
    for now in range(200):
        garbage = bytes(chance.choices(b"\x2b\x2d\x01\x05\x00\x04\xff" + chance.randbytes(4), k=40))
        bridge.receive(client, garbage + request.read(READ[0]) + request.read(READ[1]), now)
        data = b"".join(segment for _, segment in drain(bridge))
        assert frame.FrameReader().feed(data)[-1].oid == READ[1].oid


def test_only_reads_and_logger_queries_are_answered_and_writes_are_counted():
    oid = BY_NAME["power_mng.soc_min"].oid
    silent = [
        (frame.assemble(frame.WRITE, oid, bytes(4)), 1),
        (frame.assemble(frame.LONG_WRITE, oid, bytes(300)), 1),
        (frame.assemble(frame.READ_PERIODICALLY, oid), 1),
        (frame.assemble(frame.WRITE | frame.PLANT, oid, bytes(4), 1), 1),
        (frame.assemble(frame.WRITE, LOGGED[0].oid, bytes(3)), 1),
        (frame.assemble(frame.READ, LOGGED[0].oid), 0),
        (frame.assemble(frame.READ, 0x12345678), 0),
        (frame.assemble(frame.READ | frame.PLANT, oid, b"", 1), 0),
        (frame.assemble(frame.RESPONSE, oid, bytes(4)), 0),
    ]
    for data, writes in silent:
        bridge = Bridge(RctUnit(start=NOON))
        assert talk(bridge, data) == b""
        assert bridge.observed.writes == writes
        assert bridge.observed.answers == 0
        assert sum(bridge.observed.requests.values()) == 1
    assert Bridge(RctUnit()).observed.requests["0x12345678"] == 0


def test_answers_begin_after_the_latency_and_leave_at_the_speed_of_the_line():
    bridge = Bridge(RctUnit(start=NOON), latency=(0.02, 0.07), rate=4000.0)
    client = bridge.connect()
    begins = set()
    for now in range(100):
        bridge.receive(client, request.read(READ[0]), float(now))
        ((due, data),) = drain(bridge)
        begin = due - now - len(data) / 4000.0
        assert begin + 1e-9 >= 0.02
        assert begin <= 0.07 + 1e-9
        begins.add(round(begin, 4))
    assert len(begins) > 50


def test_latencies_follow_from_the_seed_of_the_bridge():
    times = []
    for seed in (1, 1, 2):
        bridge = Bridge(RctUnit(start=NOON), seed=seed)
        bridge.receive(bridge.connect(), request.read(READ[0]), 0.0)
        times.append(bridge.next_due())
    assert times[0] == times[1] != times[2]


def test_a_batch_leaves_back_to_back_and_close_answers_share_segments():
    """As measured: 14 answers of a batch within about 50 ms."""
    bridge = Bridge(RctUnit(start=NOON))
    bridge.receive(bridge.connect(), b"".join(map(request.read, READ[:36])), 0.0)
    found = drain(bridge)
    size = sum(len(data) for _, data in found)
    assert found[-1][0] < 0.07 + size / 4000.0 + 0.001
    assert len(found) < 5
    assert max(len(data) for _, data in found) <= 512


def test_long_answers_come_in_pieces_at_the_speed_of_the_line():
    bridge = Bridge(RctUnit(start=NOON))
    bridge.receive(bridge.connect(), ask(BY_NAME["logger.minutes_soc_log_ts"]), 0.0)
    found = drain(bridge)
    assert [len(data) for _, data in found][:2] == [512, 512]
    assert found[-1][0] > 0.3
    (item,) = frame.FrameReader().feed(b"".join(data for _, data in found))
    assert item.command == frame.LONG_RESPONSE


def test_nothing_comes_before_it_is_due():
    bridge = Bridge(RctUnit(start=NOON))
    assert bridge.next_due() is None
    bridge.receive(bridge.connect(), request.read(READ[0]), 5.0)
    due = bridge.next_due()
    assert 5.02 < due < 5.08
    assert bridge.pull(due - 1e-6) == []
    assert bridge.outstanding == 1
    assert len(bridge.pull(due)) == 1
    assert bridge.next_due() is None


def test_a_flood_is_bounded():
    bridge = Bridge(RctUnit(start=NOON))
    bridge.receive(bridge.connect(), request.read(READ[0]) * 300, 0.0)
    assert bridge.outstanding == 256
    assert bridge.observed.lost == 44


def test_the_gap_is_counted_per_client():
    bridge = Bridge(RctUnit(start=NOON))
    one, other = bridge.connect(), bridge.connect()
    for client, now in ((one, 0.0), (other, 0.01), (one, 0.5), (other, 0.8)):
        bridge.receive(client, request.read(READ[0]), now)
    assert bridge.observed.least_gap == pytest.approx(0.5)
    bridge.disconnect(one)
    assert bridge.clients == {other}


def test_the_units_world_can_go_faster_than_the_line():
    item = BY_NAME["flash_rtc.time_stamp"]
    bridge = Bridge(RctUnit(start=NOON), speed=1000.0, now0=100.0)
    (found,) = frame.FrameReader().feed(talk(bridge, request.read(item), 160.0))
    elapsed = int.from_bytes(found.payload, "big") - NOON
    assert 60_000 <= elapsed <= 60_070  # the latency included


def test_the_first_bytes_set_the_clock_unless_it_is_given():
    bridge = Bridge(RctUnit(start=NOON), speed=2.0)
    bridge.receive(bridge.connect(), request.read(READ[0]), 777.0)
    assert bridge.unit_time(787.0) == NOON + 20.0


# -- places for faults ------------------------------------------------------------------------


class _Marks(Faults):
    """Meddles at every stage, in a way that shows."""

    def __init__(self, lose="", at=None):
        self.lose, self.at, self.seen = lose, at, []

    def on_bytes(self, data, now):
        self.seen.append("bytes")
        return data.replace(b"?", b"")

    def on_request(self, request, now):
        self.seen.append("request")
        return None if self.lose == "request" else request

    def on_payload(self, request, payload, now):
        self.seen.append("payload")
        return None if self.lose == "payload" else payload[:-1]

    def on_answer(self, request, segments, now):
        self.seen.append("answer")
        return [s._replace(due=s.due + 1.0) for s in segments] * 2

    def on_time(self, now):
        if self.at is None or now < self.at:
            return []
        self.at, due = None, self.at
        return [Segment(due, b"AT+\r")]

    def next_due(self):
        return self.at


def test_faults_can_meddle_at_every_stage():
    marks = _Marks(at=3.0)
    bridge = Bridge(RctUnit(start=NOON), faults=[Faults(), marks])
    bridge.receive(bridge.connect(), b"?" + request.read(READ[0]), 0.0)
    found = drain(bridge)
    assert marks.seen == ["bytes", "request", "payload", "answer"]
    assert found[-1] == (3.0, b"AT+\r")
    assert 1.02 < found[0][0] < 1.2
    answers = frame.FrameReader().feed(found[0][1])
    assert [len(answer.payload) for answer in answers] == [3, 3]


@pytest.mark.parametrize(
    ("lose", "seen"),
    [("request", ["bytes", "request"]), ("payload", ["bytes", "request", "payload"])],
)
def test_faults_can_lose_requests_and_answers(lose, seen):
    first, second = _Marks(lose), _Marks()
    bridge = Bridge(RctUnit(start=NOON), faults=[first, second])
    assert talk(bridge, request.read(READ[0])) == b""
    assert first.seen == seen
    assert second.seen == seen[:-1]
    assert bridge.outstanding == 0


def test_a_chain_without_links_changes_nothing():
    plain, chained = (
        Bridge(RctUnit(start=NOON), faults=faults) for faults in ((), (Faults(), Chain([Faults()])))
    )
    data = b"".join(map(request.read, READ[:5]))
    assert talk(plain, data) == talk(chained, data)


def test_the_simulated_unit_knows_only_objects_of_the_table():
    assert RctUnit().read(0x14C0E627, NOON) is None  # wifi.password
    assert 0x14C0E627 not in BY_OID
