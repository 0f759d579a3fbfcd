"""``read --object`` beside ``rctclient read-value`` itself: the same unit, the same values."""

from __future__ import annotations

import csv
import json
import struct
import warnings

import pytest
from click.testing import CliRunner

from tests.cli.test_objects import (
    CELLS,
    EVENTS,
    RESISTANCES,
    SOC_LOG,
    STATISTICS,
    cells,
    events,
    log,
)
from tests.drivers.rct.answering import answering_unit

with warnings.catch_warnings(action="ignore"):  # it asks click for its version
    from rctclient.cli import cli as theirs

STAMP = 1_700_000_000


def both(run, name, oid, payload):
    """What either prints of an object, and what each has sent."""
    with answering_unit({oid: payload}) as unit:
        host, _, port = unit.address.removeprefix("tcp://").partition(":")
        arguments = ["read-value", "--host", host, "--port", port, "--name", name]
        shown = CliRunner().invoke(theirs, arguments)
        assert shown.exit_code == 0, shown.output
        mine = run("read", "--address", unit.address, "--object", name)
        assert mine.exit_code == 0
        asked = [(command, key) for command, key, _ in unit.asked]
    assert asked[0] == asked[1]
    return shown.output.rstrip("\n"), mine.stdout.rstrip("\n")


@pytest.mark.parametrize(
    ("name", "oid", "payload"),
    [
        ("prim_sm.state", 0x5F33284E, b"\x0d"),
        ("battery.status2", 0x0DE3D20D, struct.pack(">i", -2)),
        ("net.id", 0x08679611, struct.pack(">I", 4_000_000_000)),
        ("svnversion", 0xDDD1C2D0, b"2.3.5673\0\0\0"),
        ("net.package", 0x3AA565FC, b"\x2b\x2d\x00\xff"),
    ],
)
def test_numbers_texts_and_bytes_are_the_same(run, name, oid, payload):
    shown, mine = both(run, name, oid, payload)
    assert mine == shown


@pytest.mark.parametrize("number", [0.0, 0.3, -1.5, 0.8478931188583374, 1e-20, 123456.789, 3e38])
def test_floats_are_the_same_number_of_the_unit(run, number):
    """With the digits that tell it from its neighbours, in place of those of a double."""
    payload = struct.pack(">f", number)
    shown, mine = both(run, "battery.soc", 0x959930BF, payload)
    assert struct.pack(">f", float(mine)) == struct.pack(">f", float(shown)) == payload
    assert len(mine) <= len(shown)


@pytest.mark.parametrize(
    ("payload", "words"), [(b"\1", ("True", "true")), (b"\0", ("False", "false"))]
)
def test_flags_are_told_in_the_words_of_json(run, payload, words):
    assert both(run, "rb485.available", 0x437B8122, payload) == words


def test_cells_have_the_same_values_under_names_with_units(run):
    shown, mine = both(run, "battery.cells[0]", CELLS, cells((21, 3301), (22, 3302)))
    assert {
        number: (cell["voltage_volts"], cell["temperature_celsius"])
        for number, cell in json.loads(mine).items()
    } == {
        number: (cell["voltage_v"], cell["temperature_c"])
        for number, cell in json.loads(shown).items()
    }
    payload = struct.pack(">HH", 640, 0) + bytes(92)
    shown, mine = both(run, "battery.cells_resist[0]", RESISTANCES, payload)
    assert [cell["resistance_milliohms"] for cell in json.loads(mine).values()] == [
        cell["resistance_mohm"] for cell in json.loads(shown).values()
    ]
    payload = struct.pack("<IIf", 3, STAMP, 3.25) + bytes(36)
    shown, mine = both(run, "battery.cells_stat[0]", STATISTICS, payload)
    assert [(e["value"], e["cell"], e["time"]) for e in json.loads(mine).values()] == [
        (e["value"], e["cell"], e["timestamp"] and e["timestamp"][:19])
        for e in json.loads(shown).values()
    ]


def test_time_series_are_the_same_in_order(run):
    samples = [(STAMP - 300 * n, 0.25 + n / 64) for n in range(20)]

    def payload(asked):
        return asked + log(0, *samples)[4:]

    shown, mine = both(run, "logger.minutes_soc_log_ts", SOC_LOG, payload)
    pairs = [line.split(",") for line in mine.splitlines()]
    assert pairs == sorted(pairs, reverse=True)
    assert {(time, f"{float(value):.4f}") for time, value in pairs} == {
        tuple(pair.split("=")) for pair in shown.split(", ")
    }


def test_events_are_the_same_and_two_of_one_second_are_two(run):
    entries = [
        (114, STAMP, STAMP + 60, 29, 0),
        (90, STAMP, STAMP + 70, 1, 0),
        (118, STAMP + 9, 0, 0, 0),
    ]

    def payload(asked):
        return asked + events(0, *entries)[4:]

    shown, mine = both(run, "logger.error_log_time_stamp", EVENTS, payload)
    rows = list(csv.reader(mine.splitlines()))
    assert [(int(row[1]), *(int(cell, 16) for cell in row[2:5])) for row in rows] == [
        (code, *elements) for code, _, *elements in entries
    ]
    theirs_found = {tuple(line.split(",")[:2]) for line in shown.splitlines()}
    assert theirs_found < {(hex(int(row[1])), row[0]) for row in rows}
