"""What units post, as the suite prints it."""

import json
import math
import os
import random
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers.solaredge.frame import Frame, FrameReader
from rct_collector.drivers.solaredge.tools.rendering import Renderer, _Zone
from tests.drivers.solaredge.tools.suite import (
    NO_VALUE,
    NOON,
    UNIT,
    event,
    inverter,
    packed,
    record,
)

CAPTURES = Path(os.environ.get("RCT_COLLECTOR_CAPTURES", "../shared/captures"), "solaredge")


@pytest.fixture
def zone(monkeypatch):
    """Choose the zone of this host."""

    def choose(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield choose
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def pacific(zone):
    zone("America/Los_Angeles")


def lines(*records):
    return Renderer().lines(b"".join(records))


def only(*records):
    (line,) = lines(*records)
    return line


# -- the attributes of each type ---------------------------------------------------------------


def test_optimizer_packed(pacific):
    assert only(packed(0x158F0001)) == (
        '{"events": {}, "inverters": {}, "optimizers": {"150F0001": {"Date": "2020-06-01",'
        ' "Eday": 115.75, "ID": "150F0001", "Imod": 0.41250000000000003, "Inverter": 0,'
        ' "Temp": 18.0, "Time": "05:00:00", "Uptime": 600, "Vmod": 27.5, "Vopt": 23.5}}}'
    )


def test_optimizer_of_the_s_series(pacific):
    body = struct.pack("<IHI", NOON, 600, 246 | 412 << 10 | 1459 << 20) + bytes(11)
    assert only(record(0x82, 0x15E752FD, body)) == (
        '{"events": {}, "inverters": {}, "optimizers": {"156752FD": {"Date": "2020-06-01",'
        ' "Eday": 0, "ID": "156752FD", "Imod": 9.11875, "Inverter": 0, "Temp": 0,'
        ' "Time": "05:00:00", "Uptime": 600, "Vmod": 30.75, "Vopt": 51.5}}}'
    )


def test_optimizer_old(pacific):
    body = struct.pack("<4I5f", NOON, 0x7F904A16, 0, 3415, 36.625, 21.75, 0.575, 14.25, 14.0)
    assert only(record(0, 0x100F7335, body)) == (
        '{"events": {}, "inverters": {}, "optimizers": {"100F7335": {"Date": "2020-06-01",'
        ' "Eday": 14.25, "ID": "100F7335", "Imod": 0.574999988079071, "Inverter": "7F104A16",'
        ' "Temp": 14.0, "Time": "05:00:00", "Uptime": 3415, "Vmod": 36.625, "Vopt": 21.75}}}'
    )


ONE_PHASE = (
    '{"events": {}, "inverters": {"7F101234": {"Date": "2020-06-01", "Eac": 15.75, "Eday": 2025.5,'
    ' "Etot": 1619399.0, "Freq": 50.0, "ID": "7F101234", "Iac": 0.75, "Interval": 300,'
    ' "Pac": 143.5, "Pmax": 6000.0, "Temp": 30.25, "Time": "05:00:00", "Uptime": 59874,'
    ' "Vac": 235.25, "Vdc": 347.9375}}, "optimizers": {}}'
)


@pytest.mark.parametrize("extra", [0, 20, 70, 82])
def test_inverter_of_one_phase(pacific, extra):
    body = inverter(UNIT | 0x00800000)[8:]
    assert only(record(0x10, UNIT | 0x00800000, body + bytes(extra))) == ONE_PHASE


def test_inverter_of_three_phases(pacific):
    words = [struct.pack("<f", n + 0.5) for n in range(64)]
    for n, value in ((0, NOON), (1, 11718), (2, 300), (27, 4), (31, 3154903040)):
        words[n] = struct.pack("<I", value)
    for n in (15, 16, 18, 21, 22, 23):
        words[n] = NO_VALUE
    found = json.loads(only(record(0x11, 0x7E1A06DB, b"".join(words))))
    assert found["inverters"]["7E1A06DB"] == {
        "CosPhi1": 24.5, "CosPhi2": 25.5, "CosPhi3": 26.5, "Date": "2020-06-01", "Eac": 5.5,
        "Eday": 4.5, "EdayDC": 4286578687, "Edc": 4286578687, "Etot": 19.5, "Freq1": 12.5,
        "Freq2": 13.5, "Freq3": 14.5, "GndFrR": 28.5, "ID": "7E1A06DB", "Iac1": 9.5, "Iac2": 10.5,
        "Iac3": 11.5, "Idc": 4286578687, "Interval": 300, "IoutDC": 30.5, "Irdc": 20.5,
        "Temp": 3.5, "Time": "05:00:00", "Uptime": 11718, "Vac1": 6.5, "Vac2": 7.5, "Vac3": 8.5,
        "Vdc": 17.5, "data21": 4286578687, "data22": 4286578687, "data23": 4286578687,
        "data29": 29.5, "data31": 3154903040, "mode": 4,
    }  # fmt: skip


def meter(kind=9, power_in=NO_VALUE):
    totals = b"".join(struct.pack("<IH", 10 + n, 20 + n) + bytes((n, 0x80)) for n in range(4))
    body = struct.pack("<Ibb", NOON, kind, 1) + totals + struct.pack("<3If", 300, 173, 5, 1446.5)
    return record(0x22, UNIT, body + power_in)


def test_meter(pacific):
    assert only(meter()) == (
        '{"events": {}, "inverters": {}, "meters_0x0022": {"7F101234": {"9_PVProduction": {'
        '"AlwaysZero_off10_int2": 20, "AlwaysZero_off18_int2": 21, "AlwaysZero_off26_int2": 22,'
        ' "AlwaysZero_off34_int2": 23, "Date": "2020-06-01", "E2X": 173, "EfromX": 5,'
        ' "Flag_off12_hex": "00 80", "Flag_off20_hex": "01 80", "Flag_off28_hex": "02 80",'
        ' "Flag_off36_hex": "03 80", "Interval": 300, "P2X": 1446.5, "PfromX": null,'
        ' "Time": "05:00:00", "TotalE2Grid": 10, "TotalEfromGrid": 11, "Totaloff22_int4": 12,'
        ' "Totaloff30_int4": 13, "dateTime": 1591012800, "devLen": 58, "devType": "meters_0x0022",'
        ' "onlyIntervalData": 1, "recType": 9, "seId": "7F101234", "seType": "0x0022"}}},'
        ' "optimizers": {}}'
    )


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (3, "3_Consumption"),
        (5, "5_GridImportExport"),
        (7, "7_Battery"),
        (8, "8_MostlyZeroes"),
        (2, "2_UnrecognisedRecType"),
        (-1, "-1_UnrecognisedRecType"),
    ],
)
def test_meters_have_the_names_of_the_suite(kind, name):
    assert list(json.loads(only(meter(kind)))["meters_0x0022"]["7F101234"]) == [name]


def test_several_meters_of_a_unit_are_side_by_side():
    found = json.loads(only(meter(9), meter(3), meter(5)))
    assert list(found["meters_0x0022"]["7F101234"]) == [
        "3_Consumption", "5_GridImportExport", "9_PVProduction"
    ]  # fmt: skip


def test_battery(pacific):
    body = struct.pack("<I12s5f", NOON, b"T16H0013143", 358.25, 0.5, 6400.0, 6376.0, 263.0)
    body += struct.pack("<IfIf", 11668, 0.0, 12792, 0.0) + NO_VALUE * 2
    body += struct.pack("<fHff3I", 23.0, 6, 0.0, 0.0, 300, 4, 0)
    assert only(record(0x30, UNIT, body)) == (
        '{"batteries_0x0030": {"7F101234": {"T16H0013143": {"AlwaysZero_40_float": 0.0,'
        ' "AlwaysZero_48_float": 0.0, "AlwaysZero_66_float": 0.0, "AlwaysZero_70_float": 0.0,'
        ' "BattCapacityActual": 6376.0, "BattCapacityNom": 6400.0, "BattCharge": 263.0,'
        ' "BattChargingStatus": 6, "Date": "2020-06-01", "EIn": 4, "EOut": 0,'
        ' "HexConst_52": "ff ff 7f ff", "HexConst_56": "ff ff 7f ff", "Idc": 0.5, "Interval": 300,'
        ' "Temp": 23.0, "Time": "05:00:00", "TotalEnergyIn": 11668, "TotalEnergyOut": 12792,'
        ' "Vdc": 358.25, "batteryId": "T16H0013143", "dateTime": 1591012800, "devLen": 86,'
        ' "devType": "batteries_0x0030", "seId": "7F101234", "seType": "0x0030"}}},'
        ' "events": {}, "inverters": {}, "optimizers": {}}'
    )


@pytest.mark.parametrize(
    ("kind", "words", "shown"),
    [
        (1, (NOON - 1, -28800, NOON, 0, 0), ["Mon Jun  1 04:59:59 2020", -28800,
                                             "Mon Jun  1 05:00:00 2020"]),
        (0, (NOON, NOON - 25200, 7, 0, 0), ["Mon Jun  1 05:00:00 2020",
                                            "Sun May 31 22:00:00 2020", 7]),
    ],
)  # fmt: skip
def test_event(pacific, kind, words, shown):
    found = json.loads(only(event(kind=kind, words=words)))["events"]["7F101234"]
    assert [found.pop(f"Event{n}") for n in (1, 2, 3)] == shown
    assert found == {
        "Date": "2020-06-01", "ID": "7F101234", "Time": "05:00:00", "Type": kind
    }  # fmt: skip


def test_what_is_not_known_is_shown_as_bytes(pacific):
    body = struct.pack("<I", NOON) + bytes(range(34))
    assert only(record(0x0A42, UNIT, body)) == (
        '{"Unknown_device_0x0a42": {"7F101234": {"Date": "2020-06-01", "Time": "05:00:00",'
        ' "Undeciphered_data": "00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f | 10 11 12 13 14'
        ' 15 16 17 18 19 1a 1b 1c 1d 1e 1f | 20 21", "dateTime": 1591012800, "devLen": 38,'
        ' "devType": "Unknown_device_0x0a42", "seId": "7F101234", "seType": "0x0a42"}},'
        ' "events": {}, "inverters": {}, "optimizers": {}}'
    )


# -- what the suite lost -----------------------------------------------------------------------


def test_two_records_of_a_unit_are_two_lines():
    first, second, third = (event(utc=NOON + n) for n in range(3))
    found = list(map(json.loads, lines(first, inverter(), second, packed(), third)))

    assert [line["events"]["7F101234"]["Time"][-2:] for line in found] == ["00", "01", "02"]
    assert [len(line["inverters"]) for line in found] == [1, 0, 0]
    assert [len(line["optimizers"]) for line in found] == [1, 0, 0]


def test_ids_that_only_look_alike_are_two_lines():
    found = lines(inverter(UNIT), inverter(UNIT | 0x00800000, power=1.0))
    assert [json.loads(line)["inverters"]["7F101234"]["Pac"] for line in found] == [143.5, 1.0]


@pytest.mark.parametrize("power", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(power):
    found = json.loads(only(inverter(power=power)), parse_constant=pytest.fail)
    assert found["inverters"]["7F101234"]["Pac"] is None
    assert found["inverters"]["7F101234"]["Date"]


def test_no_value_is_a_number_where_the_suite_has_one():
    body = bytearray(inverter()[8:])
    body[12:16] = body[72:76] = NO_VALUE
    found = json.loads(only(record(0x10, UNIT, bytes(body))))["inverters"]["7F101234"]
    assert (found["Temp"], found["Pmax"]) == (-3.4028234663852886e38, None)


# -- odd messages ------------------------------------------------------------------------------


def test_a_message_without_records_has_no_line():
    assert lines() == []


@pytest.mark.parametrize(
    ("rest", "bad"),
    [
        (b"", 0),
        (packed()[:-1], 1),
        (packed()[:5], 1),
        (record(0x80, UNIT, bytes(12)), 1),
        (record(0x42, UNIT, b"abc"), 1),
        (record(0x11, UNIT, bytes(127)) + packed(0x10), 1),
    ],
)
def test_records_that_are_cut_or_short_cost_themselves_only(rest, bad):
    renderer = Renderer()
    (line,) = renderer.lines(inverter() + rest)
    assert "7F101234" in json.loads(line)["inverters"]
    assert renderer.bad == bad


@given(st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_any_bytes_are_lines_of_json_with_keys_in_order(body, kind):
    for line in lines(record(kind, UNIT, body), packed(), body):
        found = json.loads(line, parse_constant=pytest.fail)
        assert json.dumps(found, sort_keys=True) == line


KINDS = st.sampled_from([0, 0x10, 0x11, 0x22, 0x30, 0x80, 0x82, 0x300, 0x42])
BODIES = st.binary(min_size=128, max_size=140)


@given(st.lists(st.tuples(KINDS, st.integers(0, 2), BODIES), max_size=8))
def test_every_record_has_a_place(records):
    found = lines(*(record(kind, unit, body) for kind, unit, body in records))
    text = [json.loads(line) for line in found]
    flat = [
        own
        for line in text
        for group, content in line.items()
        for item in content.values()
        for own in (item.values() if group.startswith(("meters", "batteries")) else [item])
    ]
    assert len(flat) == len(records)


# -- times -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["UTC", "America/Los_Angeles", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia"],
)
def test_times_are_those_of_this_host(zone, name):
    zone(name)
    shown = _Zone()
    random.seed(7)
    for _ in range(2000):
        utc = random.choice([random.randrange(1 << 32), random.randrange(0, 1 << 26)])
        assert shown(utc) == tuple(
            time.strftime(form, time.localtime(utc)) for form in ("%Y-%m-%d", "%H:%M:%S")
        )


# -- recorded frames ---------------------------------------------------------------------------


@pytest.mark.captures
def test_recorded_frames_are_printed_as_by_the_suite(pacific):
    folder = CAPTURES / "public-frames"
    if not folder.exists():
        pytest.skip("needs the recordings, see CONTRIBUTING.md")
    data = (folder / "assembled.rec").read_bytes()
    expected = (folder / "assembled.head-output.US-Pacific.json").read_text()
    found = []
    for item in FrameReader().feed(data):
        if isinstance(item, Frame) and item.function == 0x500:
            # The suite has one line for a message, with the last record of each unit.
            found += Renderer().lines(item.payload)[-1:]
    assert found == expected.replace("NaN", "null").splitlines()
