"""From answers to samples, each published once."""

from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from rct_collector.catalog import catalog
from rct_collector.config import DeviceConfig
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.polling.plan import Plan, plan_for
from rct_collector.device.polling.presence import presence
from rct_collector.device.polling.round import Round
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.options import RctOptions
from tests.addresses import tcp
from tests.work import calls

RCT = load_driver("rct")
NOW_NS = 1_782_000_000_000_000_000

A, B = "dc_conv.dc_conv_struct[0].p_dc_lp", "dc_conv.dc_conv_struct[1].p_dc_lp"
GRID, LOAD = "g_sync.p_ac_grid_sum_lp", "g_sync.p_ac_load_sum_lp"
ENERGY_A, ENERGY_B = "energy.e_dc_total[0]", "energy.e_dc_total[1]"

CONFIG = DeviceConfig(name="roof", driver="rct", address=tcp("roof"))


class Bench:
    """A round, and all that it stands on."""

    def __init__(self, *, plan=None, zone=None, **presence):
        self.presence = presence  # condition → whether present; absent unless given
        self.plan = plan or plan_for(RCT, CONFIG)
        self.zone = zone
        self.plausibility = Plausibility()
        self.begin()

    def begin(self):
        self.defects = []
        there = partial(presence, self.plan, self.has)
        self.round = Round(self.plan, self.plausibility, there, self.zone, self.defects.append)

    def has(self, condition):
        return True if condition == "always" else self.presence.get(condition, False)

    def take(self, name, raw, *, after=0.0):
        return self.round.take(
            RCT.query(name), raw, now=100.0 + after, wall_ns=NOW_NS + round(after * 1e9)
        )

    def publish(self):
        published = self.round.publish()
        assert len({series for series, _ in published}) == len(published)
        return {series.name: value for series, value in published}


@pytest.fixture
def bench():
    return Bench(genA=True, genB=True, bat=True)


# -- time and values ---------------------------------------------------------------------------


def test_round_without_answers_has_no_time_and_nothing_to_say(bench):
    assert bench.round.time_ns == 0
    assert bench.publish() == {}
    assert bench.round.texts() == {}


def test_time_of_a_round_is_that_of_its_first_answer(bench):
    bench.take(GRID, 1.0)
    bench.take(LOAD, 2.0, after=3.0)
    assert bench.round.time_ns == NOW_NS
    assert bench.round.first_at == 100.0


def test_answer_feeds_all_its_series(bench):
    assert bench.take("prim_sm.island_flag", 3)
    assert bench.publish() == {
        "inverter_status.island_word": 3,
        "inverter_status.grid_separated": 1,
    }


def test_every_value_has_the_type_of_its_metric(bench):
    for query in bench.plan.classes:
        if query.type in wire.LENGTHS and query.type not in wire.LONG_TYPES:
            bench.take(query.name, 1)
    for series, value in bench.round.publish():
        assert type(value) is series.metric.value_type, series.name


def test_unwanted_series_of_an_answer_are_not_published(bench):
    bench.take("fault[0].flt", 5)
    published = bench.publish()
    assert published["inverter_status.fault_word_0"] == 5
    assert not [name for name in published if name.startswith("inverter_fault")]


def test_nothing_is_published_twice(bench):
    bench.take(GRID, 1.0)
    assert "inverter_power.grid_watts" in bench.publish()
    assert bench.publish() == {}
    bench.take(LOAD, 2.0)
    assert bench.publish() == {"inverter_power.load_watts": 2.0}


def test_second_answer_of_a_round_is_not_published_again(bench):
    """What decides is read twice; one time, one value."""
    bench.take("dc_conv.dc_conv_struct[0].enabled", True)
    bench.take("dc_conv.dc_conv_struct[0].enabled", True)
    assert bench.publish() == {"inverter_string{string=a}.connected": 1}
    bench.take("dc_conv.dc_conv_struct[0].enabled", True)
    assert bench.publish() == {}


def test_implausible_value_is_counted_and_not_published(bench):
    assert bench.take(GRID, 1e9)
    assert bench.take(LOAD, float("nan"))
    assert bench.round.implausible == 2
    assert bench.publish() == {}


# -- parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("present", [False, None])
def test_answer_about_a_part_that_is_absent_or_unknown_is_not_published(present):
    """Another client may ask for it; the unit answers with something."""
    bench = Bench(bat=present)
    assert bench.take("battery.soc", 0.5)
    assert bench.publish() == {}


def test_part_that_becomes_known_within_the_round_is_published():
    bench = Bench(bat=None)
    bench.take("battery.soc", 0.5)
    bench.publish()
    bench.presence["bat"] = True
    bench.take("battery.soc", 0.5)
    assert bench.publish() == {"inverter_battery{battery=0}.soc_percent": 50.0}


# -- derived -----------------------------------------------------------------------------------


def test_derived_value_comes_as_soon_as_its_inputs_are_complete_and_once(bench):
    bench.take(A, 1000.0)
    assert bench.publish() == {"inverter_string{string=a}.power_watts": 1000.0}
    bench.take(B, 500.0)
    assert bench.publish() == {
        "inverter_string{string=b}.power_watts": 500.0,
        "inverter_power.pv_watts": 1500.0,
    }
    bench.take(GRID, -600.0)
    assert bench.publish() == {
        "inverter_power.grid_watts": -600.0,
        "inverter_power.grid_import_watts": 0.0,
        "inverter_power.grid_export_watts": 600.0,
        "inverter_power.self_consumption_percent": 60.0,
    }
    assert bench.publish() == {}


def test_sum_is_withheld_while_one_of_its_parts_is_missing(bench):
    bench.take(A, 1000.0)
    bench.publish()
    assert "inverter_power.pv_watts" not in bench.publish()


def test_sum_is_withheld_while_nobody_knows_whether_a_part_exists():
    """Half of the sun is a wrong number, even for one round only."""
    bench = Bench(genA=True, genB=None)
    bench.take(A, 1000.0)
    assert bench.publish() == {"inverter_string{string=a}.power_watts": 1000.0}
    bench.take(B, 500.0)
    assert bench.publish() == {}


def test_sum_does_without_a_part_that_is_known_to_be_absent():
    bench = Bench(genA=True, genB=False)
    bench.take(A, 1000.0)
    assert bench.publish()["inverter_power.pv_watts"] == 1000.0


def test_answer_of_an_absent_part_adds_nothing_to_a_sum():
    bench = Bench(genA=True, genB=False)
    bench.take(A, 1000.0)
    bench.take(B, 77.0)
    assert bench.publish() == {
        "inverter_string{string=a}.power_watts": 1000.0,
        "inverter_power.pv_watts": 1000.0,
    }


def test_sum_of_parts_that_are_all_absent_does_not_exist():
    bench = Bench(genA=False, genB=False)
    bench.take(A, 0.0)
    bench.take(GRID, 100.0)
    assert "inverter_power.pv_watts" not in bench.publish()


def test_sum_with_an_implausible_part_is_withheld(bench):
    bench.take(A, 1000.0)
    bench.take(B, float("inf"))
    assert "inverter_power.pv_watts" not in bench.publish()


def test_implausible_sum_of_plausible_parts_is_counted_once(bench):
    bench.take(A, 600e3)
    bench.take(B, 600e3)
    for _ in range(3):
        assert "inverter_power.pv_watts" not in bench.publish()
    assert bench.round.implausible == 1


def test_answer_of_an_absent_part_alone_computes_nothing():
    bench = Bench(bat=False)
    bench.take("g_sync.p_acc_lp", 500.0)
    assert bench.publish() == {}


def test_share_that_means_nothing_is_left_out(bench):
    bench.take(LOAD, 3.0)
    bench.take(GRID, 3.0)
    assert "inverter_power.autarky_percent" not in bench.publish()


def test_drift_is_told_against_the_time_of_that_answer_not_of_the_round():
    """The clock is read seconds after the first answer; these are no drift."""
    bench = Bench(zone=UTC)
    bench.take(GRID, 1.0)
    wall_s = NOW_NS // 1_000_000_000
    bench.take("flash_rtc.time_stamp", wall_s + 8 + 5, after=8.0)
    published = bench.publish()
    assert published["inverter_clock.time_seconds"] == wall_s + 13
    assert published["inverter_clock.drift_seconds"] == 5.0


@pytest.mark.parametrize("repeated", [False, True])
def test_the_hour_that_autumn_repeats_is_no_drift(repeated):
    bench = Bench(zone=ZoneInfo("Europe/Berlin"))
    wall = datetime(2026, 10, 25, 2, 30, tzinfo=UTC).timestamp()
    now = wall - (3600 if repeated else 7200)
    bench.round.take(
        RCT.query("flash_rtc.time_stamp"), int(wall) - 1, now=100.0, wall_ns=int(now) * 10**9
    )
    published = bench.publish()
    assert published["inverter_clock.time_seconds"] == now - 1
    assert published["inverter_clock.drift_seconds"] == -1.0


# -- totals ------------------------------------------------------------------------------------


def test_total_that_falls_asks_for_a_second_reading_and_withholds_what_builds_on_it(bench):
    bench.take(ENERGY_A, 1000.0)
    bench.take(ENERGY_B, 1000.0)
    assert bench.publish()["inverter_energy{flow=pv}.watt_hours_total"] == 2000.0
    bench.begin()
    assert not bench.take(ENERGY_A, 3.0)
    assert bench.take(ENERGY_B, 1001.0)
    assert bench.publish() == {"inverter_string{string=b}.energy_watt_hours_total": 1001.0}
    assert bench.round.implausible == 1


def test_total_that_fell_for_good_is_published_after_the_second_reading_with_what_builds_on_it(
    bench,
):
    bench.take(ENERGY_A, 9000.0)
    bench.take(ENERGY_B, 1000.0)
    assert bench.publish()["inverter_energy{flow=pv}.watt_hours_total"] == 10_000.0
    bench.begin()
    assert not bench.take(ENERGY_A, 3.0)
    bench.take(ENERGY_B, 1001.0)
    bench.publish()
    assert bench.take(ENERGY_A, 4.0)
    assert bench.publish() == {
        "inverter_string{string=a}.energy_watt_hours_total": 4.0,
        "inverter_energy{flow=pv}.watt_hours_total": 1005.0,
    }


def test_totals_are_remembered_from_round_to_round(bench):
    bench.take(ENERGY_A, 1000.0)
    bench.begin()
    assert not bench.take(ENERGY_A, 999.0)


# -- battery modules ---------------------------------------------------------------------------


def module(*millivolts):
    """A decoded answer with these cells; the others are not fitted."""
    cells = [(n, mv) for n, mv in enumerate(millivolts)]
    cells += [(0, 0)] * (24 - len(cells))
    payload = b"".join(bytes((t, mv & 255, mv >> 8, 0)) for t, mv in cells)
    return wire.decode(RCT.query("battery.cells[2]").type, payload)


PART = "inverter_battery_module{battery=0,module=2}"


def test_extremes_are_those_of_the_fitted_cells_and_the_number_counts_all():
    bench = Bench(**{"mod 2": True})
    bench.take("battery.cells[2]", module(0, 3300, 3290, 0, 3310))
    assert bench.publish() == {
        f"{PART}.cell_minimum_volts": 3.29,
        f"{PART}.cell_maximum_volts": 3.31,
        f"{PART}.cell_spread_volts": 0.02,
        f"{PART}.minimum_voltage_cell": 2,
        f"{PART}.maximum_voltage_cell": 4,
        f"{PART}.cell_minimum_celsius": 1.0,
        f"{PART}.cell_maximum_celsius": 4.0,
        f"{PART}.cell_spread_celsius": 3.0,
        f"{PART}.minimum_temperature_cell": 1,
        f"{PART}.maximum_temperature_cell": 4,
    }


def test_cell_with_an_implausible_voltage_does_not_count():
    bench = Bench(**{"mod 2": True})
    bench.take("battery.cells[2]", module(3300, 60000, 3310))
    assert bench.publish()[f"{PART}.cell_maximum_volts"] == 3.31
    assert bench.round.implausible == 1


def test_module_without_cells_has_no_extremes():
    bench = Bench(**{"mod 2": True})
    bench.take("battery.cells[2]", module())
    assert bench.publish() == {}


@pytest.mark.parametrize("present", [False, None])
def test_module_that_is_absent_or_unknown_has_no_extremes(present):
    bench = Bench(**{"mod 2": present})
    bench.take("battery.cells[2]", module(3300, 3310))
    assert bench.publish() == {}


def test_cells_themselves_are_published_when_wanted():
    config = DeviceConfig(
        name="roof",
        driver="rct",
        address=CONFIG.address,
        options=RctOptions(cells=True),
        exclude=("inverter_battery_module.*",),
    )
    bench = Bench(plan=Plan(RCT, config), **{"mod 2": True})
    bench.take("battery.cells[2]", module(3300, 0, 3310))
    assert bench.publish() == {
        f"inverter_battery_cell{{battery=0,cell={cell},module=2}}.{field}": value
        for cell, volts in ((0, 3.3), (2, 3.31))
        for field, value in (("voltage_volts", volts), ("temperature_celsius", float(cell)))
    }


def test_spread_of_two_answers_waits_for_both(bench):
    bench.take("battery.min_cell_voltage", 3.25)
    assert "inverter_battery{battery=0}.cell_spread_volts" not in bench.publish()
    bench.take("battery.max_cell_voltage", 3.5)
    assert bench.publish()["inverter_battery{battery=0}.cell_spread_volts"] == 0.25


# -- texts -------------------------------------------------------------------------------------


def test_texts_are_kept_apart_for_the_info_line(bench):
    bench.take("inverter_sn", "S1")
    bench.take("svnversion", "")
    assert bench.publish() == {}
    assert bench.round.texts() == {
        catalog().series("inverter.serial"): "S1",
        catalog().series("inverter.firmware"): "",
    }
    assert bench.round.texts() == {}, "once"


def test_text_that_nobody_wants_is_no_text():
    config = DeviceConfig(
        name="roof", driver="rct", address=CONFIG.address, exclude=("inverter.serial",)
    )
    bench = Bench(plan=Plan(RCT, config))
    bench.take("inverter_sn", "S1")
    assert bench.publish() == {}
    assert bench.round.texts() == {}


def test_a_text_is_handed_over_once(bench):
    """What is handed over several times in a round would else make several info lines."""
    bench.take("android_description", "X1")
    assert list(bench.round.texts().values()) == ["X1"]
    assert bench.round.texts() == {}
    bench.take("android_description", "X2")
    assert list(bench.round.texts().values()) == ["X2"]


# -- work ----------------------------------------------------------------------------------------

#: Plain numbers, in rows of the table that are fast.
PLAIN = (GRID, LOAD, "g_sync.p_ac_sum", "g_sync.p_acc_lp", "io_board.s0_external_power")


def test_plain_numbers_are_judged_together_and_not_each_on_its_way(bench):
    queries = [RCT.query(name) for name in PLAIN] * 20
    bench.round.heard(now=1.0, wall_ns=1)
    taken = calls(lambda: [bench.round.take(q, 1.0, now=1.0, wall_ns=1) for q in queries])
    assert taken <= 2 * len(queries) + 5, "a call for each, and that it is kept"
    judged = calls(bench.publish)
    bench.begin()
    [bench.round.take(query, 1.0, now=1.0, wall_ns=1) for query in queries * 2]
    more = calls(bench.publish) - judged
    scalar = bench.plan.takings[queries[0]].plain[0].scalar
    assert more <= sum(calls(scalar, 1.0) for _ in queries), "no call but to convert the answer"


def test_presence_is_asked_once_for_what_hangs_on_the_same_part(bench):
    asked = []
    bench.has = lambda *conditions: asked.append(conditions) or True
    bench.begin()
    for name in ("battery.soc", "battery.soh", "battery.voltage", "battery.current", *PLAIN):
        bench.take(name, 0.5)
    assert len(bench.publish()) > len(PLAIN)
    assert len(asked) == len(set(asked))


def test_a_defect_costs_no_value_but_its_own(bench):
    first, defect, last = (RCT.query(name) for name in PLAIN[:3])
    for query, raw in ((first, 1.0), (defect, "no number"), (last, 2.0)):
        bench.round.take(query, raw, now=1.0, wall_ns=NOW_NS)
    assert {1.0, 2.0} <= set(bench.publish().values())
    (found,) = bench.defects
    assert "no number" in str(found)
