"""``metrics``: the catalogue as a table and as objects, and the budget."""

from __future__ import annotations

import json
import os
import pty
import re

import pytest

from rct_collector.docs.metrics import every_series
from rct_collector.drivers import driver
from rct_collector.model import Kind
from tests.cli.conftest import read_all

KEYS = {
    "measurement", "field", "tags", "unit", "kind", "class", "default", "description",
    "collectd", "drivers",
}  # fmt: skip


@pytest.fixture
def objects(run):
    return json.loads(run("metrics", "--format", "json").stdout)


@pytest.mark.slow
def test_json_has_one_object_per_series_with_exactly_these_keys(objects):
    assert len(objects) == len(every_series())
    assert {frozenset(o) for o in objects} == {frozenset(KEYS), frozenset(KEYS | {"inputs"})}


@pytest.mark.slow
def test_json_says_what_the_catalogue_says(objects):
    for series, found in zip(every_series(), objects, strict=True):
        metric = series.metric
        assert found["measurement"] == metric.measurement
        assert found["field"] == metric.field
        assert found["tags"] == dict(series.tags)
        assert found["unit"] == metric.unit.symbol
        assert found["kind"] == metric.kind
        assert found["class"] == metric.poll
        assert found["default"] is metric.default
        assert ("inputs" in found) == bool(metric.inputs)
        assert (found["collectd"] is None) == (metric.kind is Kind.TEXT)
        assert not {"source", "vendor"} & found["tags"].keys()


@pytest.mark.slow
def test_json_says_where_the_driver_finds_each_series(objects):
    rct, memory = driver("rct"), driver("rct").history
    places = [*rct.found(), *memory.found()]
    homes = {series.name: (query, binding.scale) for series, query, binding in places}
    for metric, query in ((m, query) for query, kept in memory.kept.items() for m in kept.metrics):
        homes |= {s.name: (query, 1) for s in every_series() if s.metric is metric}
    others = {series.name for series, _, _ in driver("voltronic").found()}
    for series, found in zip(every_series(), objects, strict=True):
        if (origin := found["drivers"].pop("solaredge", None)) is not None:
            assert origin.keys() >= {"record", "field", "offset", "scale"}
            if series.name not in homes and series.name not in others:
                continue
        if series.name in others:
            origin = found["drivers"].pop("voltronic")
            assert origin.keys() >= {"command", "field", "scale", "condition"}
        if series.name not in homes:
            assert found["drivers"] == {}
            # A component that nobody has, of a metric that others have: the third phase of one.
            of_others = any(name.startswith(f"{series.metric.measurement}{{") for name in others)
            known = series.name in others or (of_others and series.metric.dimensions)
            assert series.metric.own or series.metric.inputs or known, series.name
            continue
        query, scale = homes[series.name]
        assert found["drivers"] == {
            "rct": {
                "object": query.name,
                "oid": f"{query.oid:08X}",
                "scale": scale,
                "condition": query.condition,
            }
        }


def test_some_objects_look_as_accepted(run, golden):
    result = run(
        "metrics", "--format", "json", "inverter_grid{phase=l1}.*", "inverter_battery.soc_percent",
        "inverter_power.pv_watts", "inverter.serial", "inverter_collector.up",
    )  # fmt: skip

    golden("metrics.json", result.stdout)


def test_the_table_has_one_row_per_metric(run, golden):
    result = run("metrics", "inverter_grid*.*", "inverter_energy.*", "inverter_battery_cell.*")

    golden("metrics-table.txt", result.stdout)


@pytest.mark.slow
def test_markdown_is_that_of_the_documentation(run):
    from rct_collector.docs import REGIONS

    assert run("metrics", "--format", "md").stdout == REGIONS["metrics"]()


def test_filters_can_be_joined(run):
    result = run("metrics", "inverter_status.*", "--class", "F", "--default", "-f", "json")
    found = json.loads(result.stdout)

    assert {o["measurement"] for o in found} == {"inverter_status"}
    assert {o["class"] for o in found} == {"F"}
    assert all(o["default"] for o in found)


def test_nothing_found_is_said(run):
    result = run("metrics", "nope.*")

    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "No metric matches.\n"


@pytest.mark.slow
def test_a_terminal_gets_a_table_per_measurement(start):
    parent, child = pty.openpty()
    process = start(
        "metrics", "inverter_grid*", stdout=child, env={"TERM": "xterm", "COLUMNS": "80"}
    )
    os.close(child)
    shown = re.sub(r"\x1b\[[\d;]*m", "", read_all(parent))
    process.communicate(timeout=60)

    assert "inverter_grid  phase=l1/l2/l3\r\nfield " in shown
    assert re.search(r"\r\n\d+ metrics, \d+ series\r\n", shown)
    assert all(len(line) <= 80 for line in shown.split("\r\n"))


# -- budget ------------------------------------------------------------------------------------


def test_the_budget_of_a_device_without_options(run):
    lines = run("metrics", "--budget").stdout.splitlines()

    assert lines[0] == "default, with the equipment 'single-tower':"
    assert [line.split()[0] for line in lines[2:7]] == ["F", "M", "S", "X", "total"]
    assert "usable (5 less 4% for repeats)" in lines[7]


def test_the_budget_of_a_file_has_a_table_per_device(run, config_file):
    path = config_file(roof="tcp://192.0.2.1", barn="tcp://192.0.2.2")
    result = run("metrics", "--budget", "-c", path, "--assume", "everything")

    heads = [line for line in result.stdout.splitlines() if line.endswith(":")]
    assert heads == [
        "roof, with the equipment 'everything':", "barn, with the equipment 'everything':"
    ]  # fmt: skip
    assert "fits: " in result.stdout or "does not fit: " in result.stdout


def test_less_equipment_takes_fewer_requests(run):
    def total(*arguments):
        lines = run("metrics", "--budget", *arguments).stdout.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("total"))

    everything = total("--assume", "everything")
    single = total()
    plain = total("--condition", "genA", "--condition", "gen")
    assert everything > single > plain > 0


def test_what_does_not_fit_is_said_with_the_amount(run, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "devices: [{name: a, driver: rct, address: tcp://192.0.2.1, intervals: {fast: 2s}}]"
    )

    assert "requests/s too many" in run("metrics", "--budget", "--config", path).stdout


def test_what_does_not_fit_is_said_with_what_becomes_of_each_class(run):
    lines = run("metrics", "--budget", "--assume", "everything").stdout.splitlines()
    assert lines[1].endswith("comes every")
    assert [line.split()[-1] for line in lines[2:6]] == ["10s", "1m29s", "7m25s", "1h28m56s"]
    assert lines[7].startswith("does not fit: ")
    assert lines[7].endswith(
        "; so fast keeps its interval, medium comes every 1m29s, slow comes every 7m25s, static"
        " comes every 1h28m56s, energy totals every 7m20s"
    )


def test_fast_rounds_that_give_way_are_said_too(run, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "devices: [{name: a, driver: rct, address: tcp://192.0.2.1, requests: {per_second: 2}}]"
    )
    lines = run("metrics", "--budget", "--config", path).stdout.splitlines()
    assert "; so fast comes every 30s, medium comes every " in lines[7]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (5.4, "5s"), (60, "1m"), (66, "1m06s"), (3600, "1h"), (3605, "1h00m05s")],
)
def test_durations_are_spelt_as_in_the_configuration(seconds, text):
    from rct_collector.cli.budget import spelt

    assert spelt(seconds) == text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--budget", "inverter.*"), "--budget goes with"),
        (("--budget", "--format", "json"), "--budget goes with"),
        (("--config", "x.yaml"), "need --budget"),
        (("--condition", "bat"), "need --budget"),
        (("--budget", "--condition", "moon"), "'moon' is none; known: always, genA"),
        (("--budget", "--assume", "moon"), "known: single-tower, sunny"),
        (("--class", "Q"), "'Q' is not one of"),
    ],
)
def test_mistakes(run, arguments, words):
    result = run("metrics", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr


def test_the_default_classes_fit_the_fullest_system_with_one_tower():
    from rct_collector.cli.budget import default_device, device_budget, equipment

    assert device_budget(default_device(), equipment("rct", "single-tower").conditions).fits
