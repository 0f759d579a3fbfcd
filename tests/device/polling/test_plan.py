"""Which queries a device needs for what its user wants."""

from dataclasses import replace

import pytest

from rct_collector.catalog import Catalog, catalog
from rct_collector.catalog.rows import row
from rct_collector.config import DeviceConfig
from rct_collector.device.polling.plan import Plan, is_wanted, plan_for
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Binding, Condition, Driver, Polled, Query
from rct_collector.drivers.rct.options import RctOptions
from rct_collector.model import Kind, PollClass
from tests.addresses import tcp

F, M, S, X = PollClass.FAST, PollClass.MEDIUM, PollClass.SLOW, PollClass.STATIC
PACES = [F, M, S, X]

RCT = load_driver("rct")
CELLS = RctOptions(cells=True)


def config(**options):
    return DeviceConfig(name="roof", driver="rct", address=tcp("roof"), **options)


def plan(driver=RCT, rows=None, **options):
    return Plan(driver, config(**options), rows)


def names(series):
    return {item.name for item in series}


def asked(plan, poll):
    return [query.name for query in plan.queries(poll)]


def series_of(name):
    return catalog().matching(name)


# -- what is wanted ----------------------------------------------------------------------------


def test_by_default_every_metric_is_wanted_that_is_on_by_default():
    wanted = plan().wanted
    found = {series for series, _, _ in RCT.found()}
    assert {series for series in found if series.metric.default} <= wanted
    assert all(series.metric.default for series in wanted)


def test_derived_metrics_are_wanted_with_the_others():
    wanted = names(plan().wanted)
    assert "inverter_power.pv_watts" in wanted
    assert "inverter_battery_module{battery=0,module=3}.cell_spread_volts" in wanted


def test_info_and_own_figures_are_not_planned():
    """They need no query."""
    wanted = plan(include=("*",)).wanted
    assert "inverter.info" not in names(wanted)
    assert not [series for series in wanted if series.metric.own]


def test_excluded_metrics_are_not_wanted():
    wanted = names(plan(exclude=("inverter_settings.*", "inverter_grid{phase=l3}.*")).wanted)
    assert not [name for name in wanted if name.startswith("inverter_settings")]
    assert "inverter_grid{phase=l2}.voltage_volts" in wanted
    assert "inverter_grid{phase=l3}.voltage_volts" not in wanted


def test_included_metrics_are_wanted_although_they_are_off_by_default():
    wanted = names(plan(include=("inverter_fault{fault=7}.active",)).wanted)
    assert "inverter_fault{fault=7}.active" in wanted
    assert "inverter_fault{fault=8}.active" not in wanted


def test_include_wins_over_exclude():
    wanted = plan(include=("inverter_power.grid_watts",), exclude=("*",)).wanted
    assert names(wanted) == {"inverter_power.grid_watts"}


@pytest.mark.slow
def test_cells_are_an_option():
    (cell, *_) = series_of("inverter_battery_cell.voltage_volts")
    assert not is_wanted(cell, config())
    assert is_wanted(cell, config(options=CELLS))
    assert not is_wanted(cell, config(options=CELLS, exclude=("inverter_battery_cell.*",)))
    assert is_wanted(cell, config(include=("inverter_battery_cell.*",)))
    cells = [series for series in plan(options=CELLS).wanted if series.metric.option == "cells"]
    assert len(cells) == 2 * 7 * 24 * 3
    assert not [series for series in plan().wanted if series.metric.option == "cells"]


def test_texts_are_known_apart():
    made = plan(exclude=("inverter.firmware*",))
    assert made.texts == {series for series in made.wanted if series.metric.kind is Kind.TEXT}
    assert "inverter.serial" in names(made.texts)
    assert "inverter.firmware" not in names(made.texts)


# -- what is asked -----------------------------------------------------------------------------


def test_every_wanted_series_is_asked_at_least_at_its_pace():
    made = plan(include=("*",), options=CELLS)
    for series in made.wanted:
        for query, _ in made.homes(series):
            pace = made.classes[query]
            assert PACES.index(pace) <= PACES.index(series.metric.poll), series.name


def test_every_query_is_asked_in_exactly_one_class():
    made = plan()
    listed = [query for poll in PACES for query in made.queries(poll)]
    assert len(listed) == len(set(listed)) == len(made.classes)
    assert {query: poll for poll in PACES for query in made.queries(poll)} == made.classes


def test_power_flows_are_asked_first_and_back_to_back():
    assert asked(plan(), F)[:5] == [
        "dc_conv.dc_conv_struct[0].p_dc_lp",
        "dc_conv.dc_conv_struct[1].p_dc_lp",
        "g_sync.p_acc_lp",
        "g_sync.p_ac_grid_sum_lp",
        "g_sync.p_ac_load_sum_lp",
    ]


def test_nothing_is_asked_for_what_nobody_wants_but_what_decides():
    made = plan(exclude=("*",))
    assert made.wanted == set()
    assert made.derived == []
    assert set(made.classes) == set(RCT.deciding())
    assert set(made.classes.values()) == {X}


def test_what_decides_is_asked_whether_it_is_published_or_not():
    made = plan(include=("inverter_power.grid_watts",), exclude=("*",))
    assert made.classes.keys() - {RCT.query("g_sync.p_ac_grid_sum_lp")} == set(RCT.deciding())


def test_logger_of_the_unit_is_never_polled():
    polled = set(plan(include=("*",), options=CELLS).classes)
    assert not [query for query in polled if query.poll is PollClass.HISTORY]


def test_inputs_of_a_derived_metric_are_asked_even_if_they_are_not_published():
    made = plan(include=("inverter_power.pv_watts",), exclude=("*",))
    assert names(made.wanted) == {"inverter_power.pv_watts"}
    assert asked(made, F) == [f"dc_conv.dc_conv_struct[{n}].p_dc_lp" for n in range(2)]
    (derived,) = made.derived
    assert derived.series.name == "inverter_power.pv_watts"
    ((first, second),) = derived.inputs
    assert (first[0].name, first[1]) == ("inverter_string{string=a}.power_watts", ("genA",))
    assert (second[0].name, second[1]) == ("inverter_string{string=b}.power_watts", ("genB",))


def test_cells_are_asked_for_their_extremes_even_if_they_are_not_published():
    made = plan(include=("inverter_battery_module{battery=0,module=3}.*volts",), exclude=("*",))
    assert asked(made, M) == ["battery.cells[3]"]


def test_derived_metric_of_a_derived_metric_comes_after_it():
    made = plan(include=("inverter_power.self_consumption_percent",), exclude=("*",))
    assert [item.series.name for item in made.derived] == [
        "inverter_power.pv_watts",
        "inverter_power.self_consumption_percent",
    ]
    assert names(made.wanted) == {"inverter_power.self_consumption_percent"}
    ((pv,), (grid,)) = made.derived[1].inputs
    assert pv[1] == ()  # computed: its own inputs say whether the unit has it
    assert grid[1] == ("always",)


def test_every_derived_metric_comes_after_its_inputs_and_once():
    made = plan(include=("*",))
    seen = set()
    for item in made.derived:
        for column in item.inputs:
            for series, _ in column:
                assert made.homes(series) or series in seen
        assert item.series not in seen
        seen.add(item.series)


def test_answer_leads_to_everything_that_is_computed_from_it():
    made = plan()
    query = RCT.query("dc_conv.dc_conv_struct[1].p_dc_lp")
    computed = [made.derived[place].series.name for place in made.dependents[query]]
    assert computed == ["inverter_power.pv_watts", "inverter_power.self_consumption_percent"]
    assert RCT.query("prim_sm.state") not in made.dependents


def test_devices_of_which_the_same_is_wanted_share_a_plan():
    first = plan_for(RCT, config(options=CELLS))
    assert plan_for(RCT, config(options=CELLS, labels={"site": "home"})) is first
    assert plan_for(RCT, config(options=RctOptions(cells=False))) is not first


# -- any driver --------------------------------------------------------------------------------

ROWS = Catalog(
    (
        row("inverter_a", "watts", Kind.GAUGE, S, "Found, slow."),
        row("inverter_b", "watts", Kind.GAUGE, S, "Slow.",
            inputs=("inverter_a.watts",), rule="total"),
        row("inverter_c", "watts", Kind.GAUGE, F, "Fast.",
            inputs=("inverter_b.watts",), rule="total"),
        row("inverter_d", "watts", Kind.GAUGE, F, "Lacks an input.",
            inputs=("inverter_a.watts", "inverter_e.watts"), rule="total"),
        row("inverter_e", "watts", Kind.GAUGE, F, "Found by no driver."),
        row("inverter_f", "watts", Kind.GAUGE, F, "Lacks it too.",
            inputs=("inverter_d.watts",), rule="total"),
        row("inverter_g", "watts", Kind.GAUGE, M, "Over two parts.",
            over=(("phase", ("l1", "l2")),)),
        row("inverter_h", "watts", Kind.GAUGE, M, "Sum of the parts.",
            inputs=("inverter_g.watts",), rule="total"),
    )
)  # fmt: skip


def toy(*found, deciding=()):
    """A driver that finds some series, each by a query of its own."""
    bindings = {
        series.name: Binding((series,), "", 1, lambda raw, _zone: [raw]) for series in found
    }
    queries = [Query(name, "always", (binding,)) for name, binding in bindings.items()]
    return Driver(
        name="toy",
        vendor="toy",
        title="Toy",
        ways={"tcp": {}},
        session=lambda _options: None,
        polled=Polled(
            queries=(*queries, *deciding),
            conditions={
                "always": Condition((), lambda _facts: True),
                "part": Condition(tuple(query.name for query in deciding), lambda _facts: None),
            },
        ),
    )


def test_driver_need_not_find_everything():
    """A derived metric whose inputs the driver lacks is not wanted; a sum takes what is there."""
    made = plan(
        toy(ROWS.series("inverter_a.watts"), ROWS.series("inverter_g.watts", phase="l2")), ROWS
    )
    assert names(made.wanted) == {
        "inverter_a.watts",
        "inverter_b.watts",
        "inverter_c.watts",
        "inverter_g{phase=l2}.watts",
        "inverter_h.watts",
    }
    (total,) = [item for item in made.derived if item.series.name == "inverter_h.watts"]
    assert [[series.name for series, _ in column] for column in total.inputs] == [
        ["inverter_g{phase=l2}.watts"]
    ]


def test_input_is_asked_as_often_as_the_fastest_that_builds_on_it():
    """Even where something slower needed it first."""
    made = plan(toy(ROWS.series("inverter_a.watts")), ROWS)
    assert [item.series.name for item in made.derived] == ["inverter_b.watts", "inverter_c.watts"]
    assert asked(made, F) == ["inverter_a.watts"]


def test_metric_that_the_driver_finds_is_not_computed():
    found = [ROWS.series(f"inverter_{letter}.watts") for letter in "ab"]
    made = plan(toy(*found), ROWS)
    assert [item.series.name for item in made.derived] == ["inverter_c.watts"]
    assert asked(made, F) == ["inverter_b.watts"]
    assert asked(made, S) == ["inverter_a.watts"]


@pytest.mark.parametrize("poll", [M, X])
def test_query_that_only_decides_is_asked_at_the_pace_it_states(poll):
    deciding = Query("decides", "always", poll=poll)
    made = plan(toy(ROWS.series("inverter_a.watts"), deciding=[deciding]), ROWS)
    assert made.queries(poll) == [deciding]


# -- the same in several places ----------------------------------------------------------------


def several():
    """A driver whose units tell one thing in two ways, of which each has one."""
    series = ROWS.series("inverter_a.watts")
    binding = Binding((series,), "", 1, lambda raw, _zone: [raw])
    protocol = Query("protocol")
    queries = [Query(name, condition, (binding,)) for name, condition in (("P", "A"), ("Q", "B"))]
    conditions = {
        name: Condition(("protocol",), lambda facts, name=name: facts.get("protocol") == name)
        for name in "AB"
    }
    return replace(toy(), polled=Polled(queries=(protocol, *queries), conditions=conditions))


def test_a_series_may_be_found_in_several_places():
    made = plan(several(), ROWS)
    series = ROWS.series("inverter_a.watts")
    assert [query.name for query, _ in made.homes(series)] == ["P", "Q"]
    assert made.conditions(series) == ("A", "B")
    assert asked(made, F) == ["P", "Q"], "as fast as what is computed of it"
    places = range(len(made.derived))
    for query, _ in made.homes(series):
        assert made.dependents[query] == tuple(places), query.name
    assert made.derived[0].inputs == (((series, ("A", "B")),),)
    assert made.companions == {}


def test_what_is_computed_of_it_has_no_condition_of_its_own():
    made = plan(several(), ROWS)
    assert made.conditions(ROWS.series("inverter_b.watts")) == ()
