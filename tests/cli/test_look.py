"""How values, sections, tables and the screen look."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console, ConsoleDimensions

from rct_collector.catalog import catalog
from rct_collector.catalog.rows import row
from rct_collector.cli import read, summary, view
from rct_collector.cli.layout import (
    section_height,
    section_table,
    section_width,
    sections,
    snapshot_sections,
)
from rct_collector.drivers import series as every_series
from rct_collector.drivers.voltronic.table import COMMANDS
from rct_collector.format import duration_text, field_label, value_text
from rct_collector.model import Health, Kind, Origin, PollClass
from tests.cli import handmade

METRICS = {metric.name: metric for metric in catalog().metrics}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("inverter_power.pv_watts", 3511.4, "3511 W"),
        ("inverter_power.grid_watts", -0.3, "0 W"),
        ("inverter_power.output_power_factor_ratio", 0.98, "0.980"),
        ("inverter_grid.frequency_hertz", 49.98, "49.980 Hz"),
        ("inverter_string.voltage_volts", 484.81, "484.8 V"),
        ("inverter_battery.cell_minimum_volts", 3.2851, "3.285 V"),
        ("inverter_battery_module.life_voltage_minimum_volts", 2.9, "2.900 V"),
        ("inverter_battery_cell.resistance_ohms", 0.00112, "1.12 mΩ"),
        ("inverter_status.insulation_ohms", 1612345.0, "1.61 MΩ"),
        ("inverter_status.insulation_ohms", 0.0, "0 Ω"),
        ("inverter_energy.day_watt_hours", 9999.4, "9999 Wh"),
        ("inverter_energy.watt_hours_total", 35312951.0, "35313.0 kWh"),
        ("inverter_status.grid_separated", 0, "no"),
        ("inverter_string.connected", 1, "yes"),
        ("inverter_status.relays_word", 127, "127 (0x7F)"),
        ("inverter_status.relays_word", 4, "4"),
        ("inverter_battery.next_calibration_seconds", 0.0, "1970-01-01 00:00:00"),
        ("inverter_clock.drift_seconds", -0.474, "-474 ms"),
        ("inverter_settings.log_interval_seconds", 300.0, "5 min"),
        ("inverter_battery.impedance_raw", 0.229007, "0.229007"),
        ("inverter.serial", "ABC", "ABC"),
    ],
)
def test_values_have_units_and_the_digits_that_mean_something(name, value, text):
    from datetime import UTC

    assert text == value_text(METRICS[name], value, zone=UTC)


@pytest.mark.parametrize(
    ("kind", "text"), [(Kind.TIME, "1970-01-01 00:01:40"), (Kind.GAUGE, "100.0 s")]
)
def test_the_kind_tells_times_from_durations_not_what_is_said_of_them(kind, text):
    from datetime import UTC

    for words in ("Time until something.", "Not in Unix seconds."):
        metric = row("inverter_x", "while_seconds", kind, PollClass.SLOW, words)
        assert value_text(metric, 100.0, zone=UTC) == text


def test_a_code_is_told_with_its_meaning_if_that_is_known():
    metric = METRICS["inverter_status.state_code"]

    assert value_text(metric, 13, code="feed-in") == "13 (feed-in)"
    assert value_text(metric, 99) == "99"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 s"), (0.0563, "56 ms"), (3.21, "3.2 s"), (300.0, "5 min"),
        (10_800.0, "3.0 h"), (604_800.0, "7.0 d"),
    ],
)  # fmt: skip
def test_durations_are_told_in_a_unit_that_suits_them(seconds, text):
    assert text == duration_text(seconds)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_every_metric_can_be_shown(metric):
    value = "text" if metric.value_type is str else metric.value_type(1)

    assert value_text(metric, value)
    assert field_label(metric)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("inverter_power.load_watts", "load"),
        ("inverter_power.load_volt_amperes", "load apparent power"),
        ("inverter_power.load_ratio", "load ratio"),
        ("inverter_battery.charge_setting_volts", "charge setting voltage"),
        ("inverter_battery.charge_setting_amperes", "charge setting current"),
        ("inverter_battery.equalization_setting_seconds", "equalization setting time"),
        ("inverter_rating.grid_hertz", "grid frequency"),
        ("inverter_status.grid_code", "grid code"),
        ("inverter_power.output_power_factor_ratio", "output power factor"),
        ("inverter_load.apparent_power_volt_amperes", "apparent power"),
        ("inverter_status.state_code", "state"),
        ("inverter_energy.day_watt_hours", "day"),
    ],
)  # fmt: skip
def test_a_label_tells_what_is_measured_where_its_name_does_not(name, label):
    assert field_label(METRICS[name]) == label


def test_no_two_fields_of_a_voltronic_unit_have_one_label():
    labels = defaultdict(set)
    for command in COMMANDS:
        for metric in {series.metric for b in command.bindings for series in b.series}:
            labels[metric.measurement, field_label(metric)].add(metric.field)
    told_by_unit = {  # a current beside a power or a limit of each, as units of their own tell
        ("inverter_battery", "grid charge"), ("inverter_battery", "charge limit"),
        ("inverter_battery", "discharge limit"),
    }  # fmt: skip

    shared = {key for key, fields in labels.items() if len(fields) > 1}
    assert shared <= told_by_unit


def test_a_moment_is_told_apart_from_a_duration_by_its_range():
    """Whoever adds a row with Unix seconds must say so in its description."""
    moments = [m for m in METRICS.values() if m.field.endswith("seconds") and m.high == 4.3e9]

    assert all("Unix seconds" in m.description for m in moments if m.low >= 0)


def test_the_table_looks_as_accepted(capsys, golden):
    read.print_table([handmade.snapshot()], "inverter")

    golden("read-table.txt", capsys.readouterr().out)


def test_json_looks_as_accepted(capsys, golden):
    read.print_json([handmade.snapshot()], "inverter")
    text = capsys.readouterr().out

    assert json.loads(text)
    golden("read.json", text)


def test_line_protocol_looks_as_accepted(capsys, golden):
    read.print_influx([handmade.snapshot()], "solar")

    golden("read.lp", capsys.readouterr().out)


def test_no_two_series_share_a_place():
    """Whatever the catalogue holds: every series has a cell of its own."""
    shown = sections({series: series.name for series in every_series()})
    texts = [text for section in shown for row in section.rows for text in row[1:] if text]

    hidden = {"inverter_fault.active", "inverter.info"}
    expected = [s.name for s in every_series() if s.metric.name not in hidden]
    assert sorted(expected) == sorted(texts)


# -- the screen --------------------------------------------------------------------------------


@pytest.fixture
def soon(monkeypatch):
    """It is four seconds after the values were taken."""
    monkeypatch.setattr(view, "time", SimpleNamespace(time=lambda: handmade.TIME_NS / 1e9 + 4))


def drawn(renderable, width=100, height=40):
    console = Console(width=width, height=height, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def screen(snapshots, width=100, height=40, *, complete=False, footer=("Ctrl-C ends",)):
    size = ConsoleDimensions(width, height)
    return drawn(view.screen_view(snapshots, size, complete=complete, footer=footer), width, height)


def test_the_screen_looks_as_accepted(soon, golden):
    golden("watch-screen.txt", screen([handmade.snapshot()]))


def test_the_complete_screen_looks_as_accepted(soon, golden):
    golden("watch-complete.txt", screen([handmade.snapshot()], 140, 60, complete=True))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("height", [14, 24, 50])
def test_the_screen_never_exceeds_the_terminal(soon, width, height):
    lines = screen([handmade.snapshot()], width, height).splitlines()

    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_what_has_no_room_is_counted(soon):
    assert "more groups: enlarge the window" in screen([handmade.snapshot()], 60, 24)


def test_before_the_first_value_it_says_that_it_reads(soon):
    assert "reading roof …" in screen([handmade.snapshot({})])


def test_late_values_are_told(monkeypatch):
    later = SimpleNamespace(time=lambda: handmade.TIME_NS / 1e9 + 100)
    monkeypatch.setattr(view, "time", later)

    assert "Power  late: 100 s" in screen([handmade.snapshot()])


def test_several_devices_have_a_line_each(soon, golden):
    gone = handmade.snapshot({"inverter_collector.up": 0}, name="gone")
    gone.trouble = "no answer from 192.0.2.9:8899 within 5 s"
    waiting = handmade.snapshot({}, name="barn")

    golden("watch-overview.txt", screen([handmade.snapshot(), gone, waiting]))


def test_flags_of_a_word_are_shown_when_they_are_set():
    found = handmade.snapshot()
    names = {series.metric.field for series in view.shown(found, complete=False)}

    assert "status_balancing" in names
    assert "status_error" not in names
    assert "status_error" in {s.metric.field for s in view.shown(found, complete=True)}


def test_a_section_is_as_large_as_it_says():
    for section in snapshot_sections(handmade.snapshot()):
        lines = drawn(section_table(section, 200), 200).splitlines()
        assert section_height(section) == len(lines)
        assert section_width(section) == max(map(len, lines))


def test_a_wide_section_is_cut_into_pieces_that_fit():
    values = {
        f"inverter_battery_module{{battery=0,module={n}}}.life_voltage_minimum_time_seconds": 1e9
        for n in range(7)
    }
    (section,) = snapshot_sections(handmade.snapshot(values))
    lines = drawn(section_table(section, 80), 80).splitlines()

    assert all(len(line) <= 80 for line in lines)
    assert sum(line.count("2001-09-09") for line in lines) == 7


def test_what_came_late_is_taken_where_it_is_newer_and_the_past_is_not():
    found = handmade.snapshot({"inverter_power.pv_watts": 1.0})
    before, after = handmade.TIME_NS - 10**9, handmade.TIME_NS + 10**9

    for value, time_ns, origin, expected in [
        (2.0, before, Origin.LATE, 1.0),
        (3.0, after, Origin.LATE, 3.0),
        (4.0, after + 1, Origin.HISTORY, 3.0),
        (5.0, before, Origin.LIVE, 5.0),
    ]:
        batch = handmade.batch({"inverter_power.pv_watts": value}, time_ns)
        found.take(batch._replace(origin=origin))
        assert found.number("inverter_power.pv_watts") == expected


def test_of_a_removed_device_no_values_are_left():
    found = handmade.snapshot()
    found.take(handmade.batch({})._replace(health=Health(removed=True)))
    assert found.readings == {}


# -- words on top ------------------------------------------------------------------------------


def test_the_summary_says_where_the_power_goes():
    found = handmade.snapshot()

    assert summary.flow_text(found) == (
        "sun 3511 W, battery 2917 W charging (37 %), grid 11 W, load 549 W"
    )
    assert summary.faults(found) == "1 active fault: 37 long-term over-voltage L1"
    assert summary.state(found) == "feed-in"
    assert summary.effort(found) == "42 answers to 44 requests in 3.2 s, 2 unanswered"


def test_the_summary_is_silent_about_what_is_not_known():
    nothing = handmade.snapshot({})

    assert summary.flow_text(nothing) == ""
    assert summary.faults(nothing) == ""
    assert summary.state(nothing) == ""
    assert summary.effort(nothing) == ""
    assert view.health(nothing) == ""


def test_an_unknown_state_and_an_unknown_fault_are_told_by_number():
    found = handmade.snapshot({"inverter_status.state_code": 77, WORDS[1]: 1 << 5})
    found.driver = replace(found.driver, faults={})

    assert summary.state(found) == "state 77"
    assert summary.faults(found) == "1 active fault: 37 unknown"


WORDS = [f"inverter_status.fault_word_{n}" for n in range(4)]
NO_FAULTS = dict.fromkeys(WORDS, 0)
FLAG = "inverter_fault{fault=37}.active"
ACTIVE = "1 active fault: 37 long-term over-voltage L1"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (NO_FAULTS, "no faults"),
        ({WORDS[1]: 0}, ""),
        ({FLAG: 0}, ""),
        ({WORDS[1]: 1 << 5}, ACTIVE),
        ({FLAG: 1}, ACTIVE),
        ({**NO_FAULTS, WORDS[1]: 1 << 5, FLAG: 1}, ACTIVE),
    ],
)
def test_a_unit_is_without_faults_only_if_all_are_known_not_to_be_active(values, text):
    """An active one is told of whatever else is known, by its word or by a flag of its own."""
    assert summary.faults(handmade.snapshot(values)) == text
