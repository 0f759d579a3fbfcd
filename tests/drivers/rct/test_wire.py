"""Payloads: decoded as rctclient does, but for what it gets wrong; published as people mean it."""

from __future__ import annotations

import math
import struct
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rctclient.types import DataType
from rctclient.utils import decode_value

from rct_collector.catalog import catalog
from rct_collector.drivers.float32 import shortest
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.simulator.clock import UnitClock
from rct_collector.drivers.rct.table import OBJECTS

relaxed = settings(deadline=None)

BERLIN = ZoneInfo("Europe/Berlin")
SCALARS = {
    kind: size for kind, size in wire.LENGTHS.items() if not kind.name.startswith("BATTERY_MODULE")
}
MODULES = {kind: size for kind, size in wire.LENGTHS.items() if kind not in SCALARS}
NAN, INF = float("nan"), float("inf")


def same(ours, theirs) -> bool:
    """Equal in value and type; NaN equals NaN."""
    return type(ours) is type(theirs) and repr(ours) == repr(theirs)


# -- scalars ------------------------------------------------------------------------------


@given(st.data())
@relaxed
def test_scalars_mean_what_rctclient_says(data):
    kind = data.draw(st.sampled_from(sorted(SCALARS)))
    payload = data.draw(st.binary(min_size=SCALARS[kind], max_size=SCALARS[kind]))
    assert same(wire.decode(kind, payload), decode_value(kind, payload))
    (value,) = struct.unpack(wire.scalar_format(kind), payload)
    assert same(bool(value), bool(wire.decode(kind, payload)))


@pytest.mark.parametrize(
    ("kind", "payload", "value"),
    [
        (DataType.BOOL, "00", False),
        (DataType.BOOL, "01", True),
        (DataType.BOOL, "ff", True),
        (DataType.ENUM, "0d", 13),
        (DataType.INT8, "ff", -1),
        (DataType.UINT16, "0002", 2),
        (DataType.INT32, "fffffffe", -2),
        (DataType.UINT32, "fffffffe", 0xFFFFFFFE),
        (DataType.FLOAT, "7f800000", INF),
        (DataType.FLOAT, "ff800000", -INF),
        (DataType.FLOAT, "7fc00000", NAN),
    ],
)
def test_scalars_at_their_ends(kind, payload, value):
    assert same(wire.decode(kind, bytes.fromhex(payload)), value)


@pytest.mark.parametrize("kind", wire.LENGTHS, ids=lambda kind: kind.name)
def test_any_other_length_is_refused(kind):
    """The length is the only witness of a cut answer: its checksum is valid."""
    for size in {*range(130), 251, 1024} - {wire.LENGTHS[kind]}:
        with pytest.raises(wire.PayloadError, match="bytes") as caught:
            wire.decode(kind, bytes(size))
        assert caught.value.kind == "length"


def test_types_without_meaning_are_bytes():
    """No object that is collected has one; who reads one by name is shown what came."""
    assert wire.decode(DataType.UNKNOWN, b"\1\xff") == b"\1\xff"
    assert DataType.UNKNOWN not in {item.type for item in OBJECTS}
    assert wire.scalar_format(DataType.STRING) is None


# -- texts --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (b"PS 6.0 ABCD\0\0-+-", "PS 6.0 ABCD"),
        (b"PS 6.0 ABCD", "PS 6.0 ABCD"),
        (b"\0", ""),
        (b"\0\0\0\xff\xfe", ""),
        (b"abc\0\xc3\xa4\x07", "abc"),
        (b"x" * 251, "x" * 251),
    ],
)
def test_text_ends_at_the_first_zero(payload, text):
    """What follows is padding, or garbage that the unit left there."""
    assert wire.decode(DataType.STRING, payload) == text == decode_value(DataType.STRING, payload)


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (b"", "length"),
        (b"x" * 252, "length"),
        (b"\0" * 252, "length"),
        (b"Caf\xe9\0", "decode"),
        ("Café\0".encode(), "decode"),
        (b"\xff", "decode"),
        (b"a\x07b\0", "decode"),
        (b"a\nb\0", "decode"),
        (b"\x7f\0", "decode"),
        (b"\x1b[2J\0", "decode"),
    ],
)
def test_what_is_no_text_is_refused(payload, kind):
    """No text at all, too much of it, not ASCII, or something a terminal would act on."""
    with pytest.raises(wire.PayloadError) as caught:
        wire.decode(DataType.STRING, payload)
    assert caught.value.kind == kind


@given(st.binary(max_size=300))
@relaxed
def test_any_payload_is_a_clean_text_or_refused(payload):
    try:
        text = wire.decode(DataType.STRING, payload)
    except wire.PayloadError:
        return
    assert text.isascii()
    assert text.isprintable()
    assert text == decode_value(DataType.STRING, payload)


# -- logger -------------------------------------------------------------------------------


@pytest.mark.slow
@given(
    st.integers(0, 0xFFFFFFFF),
    st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.floats(width=32)), unique_by=lambda s: s[0]),
)
@relaxed
def test_time_series_mean_what_rctclient_says(echo, samples):
    payload = struct.pack(">I", echo) + b"".join(struct.pack(">If", *s) for s in samples)
    found, ours = wire.decode(DataType.TIMESERIES, payload)
    then, theirs = decode_value(DataType.TIMESERIES, payload)
    assert found == echo == then.timestamp()
    assert same(ours, [(int(at.timestamp()), value) for at, value in theirs.items()])


@pytest.mark.slow
@given(
    st.integers(0, 0xFFFFFFFF),
    st.lists(
        st.tuples(st.integers(0, 255), *[st.integers(0, 0xFFFFFFFF)] * 4), unique_by=lambda e: e[1]
    ),
)
@relaxed
def test_events_mean_what_rctclient_says(echo, events):
    """As long as it keeps them: one per second, types below 256, and not its table time."""
    payload = struct.pack(">I", echo) + b"".join(struct.pack(">5I", *event) for event in events)
    _, theirs = decode_value(DataType.EVENT_TABLE, payload)
    assert wire.decode(DataType.EVENT_TABLE, payload) == (
        echo,
        [
            (e.entry_type, int(e.timestamp.timestamp()), e.element2, e.element3, e.element4)
            for e in theirs.values()
        ],
    )


def test_two_values_in_the_order_of_the_unit():
    payload = bytes.fromhex("6553f1006553efd43efae1486553eea83ef5c28f")
    echo, samples = wire.decode(DataType.TIMESERIES, payload)
    assert echo == 1_700_000_000
    assert [at - echo for at, _ in samples] == [-300, -600]
    assert [shortest(value) for _, value in samples] == [0.49, 0.48]


def test_two_events_of_the_same_second_are_two():
    """And the echoed time is the time asked for, not that of the last event."""
    first, second = (0x73, 1_699_999_940, 0xCE266F0F, 1, 2), (0x31, 1_699_999_940, 3, 4, 5)
    payload = struct.pack(">I5I5I", 1_700_000_000, *first, *second)
    assert wire.decode(DataType.EVENT_TABLE, payload) == (1_700_000_000, [first, second])


@pytest.mark.parametrize(("kind", "record"), [(DataType.TIMESERIES, 8), (DataType.EVENT_TABLE, 20)])
def test_logger_answers_have_whole_records(kind, record):
    """An answer without any is whole: there is nothing older."""
    for size in range(4 + 3 * record):
        if size >= 4 and (size - 4) % record == 0:
            assert len(wire.decode(kind, bytes(size))[1]) == (size - 4) // record
        else:
            with pytest.raises(wire.PayloadError) as caught:
                wire.decode(kind, bytes(size))
            assert caught.value.kind == "length"


# -- battery modules ----------------------------------------------------------------------


@given(st.data())
@relaxed
def test_modules_mean_what_rctclient_says(data):
    kind = data.draw(st.sampled_from(sorted(MODULES)))
    payload = data.draw(st.binary(min_size=MODULES[kind], max_size=MODULES[kind]))
    assert same(wire.decode(kind, payload), decode_value(kind, payload))


def test_cells_by_hand():
    """Temperature, then millivolts in little endian; resistance in 1/256 milliohm, big endian."""
    status = wire.decode(DataType.BATTERY_MODULE_STATUS, bytes.fromhex("17e50c00" * 24))
    assert {(c.temperature_c, c.voltage_mv) for c in status.cells.values()} == {(23, 3301)}
    resistance = wire.decode(DataType.BATTERY_MODULE_RESISTANCE, bytes.fromhex("01800000" * 24))
    assert {c.resistance_mohm for c in resistance.cells.values()} == {1.5}


def test_statistics_by_hand():
    payload = struct.pack("<" + "IIf" * 4, 3, 1_700_000_001, 2.5, 4, 0, 3.5, 5, 1, -4.0, 6, 2, 41.0)
    found = wire.decode(DataType.BATTERY_MODULE_STATISTICS, payload)
    assert (found.u_min.cell, found.u_min.value) == (3, 2.5)
    assert found.u_min.timestamp == datetime(2023, 11, 14, 22, 13, 21, tzinfo=UTC)
    assert found.u_max.timestamp is None
    assert (found.t_min.value, found.t_max.value) == (-4.0, 41.0)


# -- encode -------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.data())
@relaxed
def test_what_is_encoded_is_decoded_back(data):
    kind = data.draw(st.sampled_from([*sorted(SCALARS), DataType.STRING]))
    if kind is DataType.STRING:
        value = data.draw(st.text(st.characters(min_codepoint=32, max_codepoint=126)))[:250]
    else:
        payload = data.draw(st.binary(min_size=SCALARS[kind], max_size=SCALARS[kind]))
        value = wire.decode(kind, payload)
    assert same(wire.decode(kind, wire.encode(kind, value)), value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.UINT8, 256),
        (DataType.UINT8, -1),
        (DataType.INT16, 1 << 15),
        (DataType.UINT32, 1 << 32),
        (DataType.UINT32, 1.5),
        (DataType.UINT32, "1"),
        (DataType.BOOL, 256),
        (DataType.FLOAT, 1e39),
        (DataType.FLOAT, "1"),
        (DataType.STRING, "Café"),
        (DataType.TIMESERIES, 0),
        (DataType.UNKNOWN, 0),
        (DataType.BATTERY_MODULE_STATUS, 0),
    ],
)
def test_what_does_not_fit_is_not_encoded(kind, value):
    with pytest.raises(ValueError, match="."):
        wire.encode(kind, value)


# -- times --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wall", "zone", "utc"),
    [
        ("2026-01-15 12:00:00", BERLIN, "2026-01-15 11:00:00"),
        ("2026-07-15 12:00:00", BERLIN, "2026-07-15 10:00:00"),
        ("2026-07-15 12:00:07", UTC, "2026-07-15 12:00:07"),
        # the hour that does not exist is counted on with winter time
        ("2026-03-29 01:59:59", BERLIN, "2026-03-29 00:59:59"),
        ("2026-03-29 02:30:00", BERLIN, "2026-03-29 01:30:00"),
        ("2026-03-29 03:00:00", BERLIN, "2026-03-29 01:00:00"),
        # the hour that exists twice is taken for the first
        ("2026-10-25 02:30:00", BERLIN, "2026-10-25 00:30:00"),
        ("2026-10-25 03:00:00", BERLIN, "2026-10-25 02:00:00"),
        ("2100-01-01 00:00:00", BERLIN, "2099-12-31 23:00:00"),
    ],
)
def test_wall_clock_becomes_unix_time(wall, zone, utc):
    local = datetime.fromisoformat(wall).replace(tzinfo=UTC).timestamp()
    expected = datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp()
    assert wire.utc_seconds(local, zone) == expected


@pytest.fixture
def host_in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("host_in_berlin")
def test_without_a_zone_the_host_knows():
    local = datetime(2026, 7, 15, 12, tzinfo=UTC).timestamp()
    assert wire.utc_seconds(local, None) == local - 7200


def unix(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.usefixtures("host_in_berlin")
@pytest.mark.parametrize("zone", [BERLIN, None])
@pytest.mark.parametrize(
    ("wall", "now", "utc"),
    [
        # autumn: 02:00 to 02:59:59 comes twice
        ("2026-10-25 02:00:00", "2026-10-25 00:00:01", "2026-10-25 00:00:00"),
        ("2026-10-25 02:59:59", "2026-10-25 00:59:58", "2026-10-25 00:59:59"),
        ("2026-10-25 02:00:00", "2026-10-25 01:00:01", "2026-10-25 01:00:00"),
        ("2026-10-25 02:30:00", "2026-10-25 01:31:00", "2026-10-25 01:30:00"),
        ("2026-10-25 02:59:59", "2026-10-25 01:59:58", "2026-10-25 01:59:59"),
        ("2026-10-25 02:30:00", "2026-10-25 12:00:00", "2026-10-25 01:30:00"),
        ("2026-10-25 02:30:00", "2020-01-01 00:00:00", "2026-10-25 00:30:00"),
        # a unit that is an hour behind, where there is one reading only
        ("2026-10-25 01:59:59", "2026-10-25 00:59:59", "2026-10-24 23:59:59"),
        ("2026-10-25 03:00:00", "2026-10-25 01:00:00", "2026-10-25 02:00:00"),
        # spring: 02:00 to 02:59:59 is left out, unless a unit forgets to
        ("2026-03-29 02:30:00", "2026-03-29 01:30:00", "2026-03-29 01:30:00"),
        ("2026-03-29 02:30:00", "2026-03-29 00:30:00", "2026-03-29 00:30:00"),
        ("2026-03-29 03:30:00", "2026-03-29 01:30:00", "2026-03-29 01:30:00"),
    ],
)
def test_of_two_readings_the_one_near_the_hosts_clock_is_meant(wall, now, utc, zone):
    assert wire.utc_seconds(unix(wall), zone, unix(now)) == unix(utc)


@pytest.mark.slow
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "UTC"])
def test_a_clock_that_is_right_never_drifts(zone):
    """Through a whole year, every 20 minutes, as a simulated unit would say it."""
    clock = UnitClock(ZoneInfo(zone), unix("2026-01-01 00:00:00"))
    for now in range(int(unix("2026-01-01 00:00:00")), int(unix("2027-01-01 00:00:00")), 1200):
        assert wire.utc_seconds(clock.wall(now), clock.zone, now + 0.3) == now


# -- raw value to published value ---------------------------------------------------------


def convert(metric, raw, *, part="", scale=1.0, zone=UTC):
    return wire.converter(catalog().named(metric)[0], part, scale)(raw, zone)


@pytest.mark.parametrize(
    ("metric", "scale", "payload", "value"),
    [
        ("inverter_battery.soc_percent", 100, "3f590f86", 84.78931),
        ("inverter_battery.soc_percent", 100, "3f800000", 100.0),
        ("inverter_battery.soc_percent", 100, "3d8f5c29", 7.0),
        ("inverter_battery.soc_percent", 100, "7fc00000", NAN),
        ("inverter_battery.soc_percent", 100, "7f800000", INF),
        ("inverter_grid.voltage_volts", 1, "4366199a", 230.1),
        ("inverter_grid.voltage_volts", 1, "7fc00000", NAN),
        ("inverter_grid.voltage_volts", 1, "ff800000", -INF),
        ("inverter_grid.voltage_volts", 1, "7f7fffff", 3.4028234663852886e38),
        ("inverter_energy.watt_hours_total", -1, "ca189680", 2500000.0),
        ("inverter_energy.watt_hours_total", -1, "00000000", 0.0),
    ],
)
def test_floats_are_scaled_without_dust(metric, scale, payload, value):
    """And numbers that are none pass through: the plausibility check must see and count them."""
    raw = wire.decode(DataType.FLOAT, bytes.fromhex(payload))
    (published,) = convert(metric, raw, scale=scale)
    assert same(published, value)


@given(
    st.floats(
        width=32, allow_nan=False, allow_infinity=False, min_value=2.0**-96, max_value=2.0**96
    )
)
@relaxed
def test_scaling_moves_nothing(value):
    """What is published, scaled back, is the 32-bit float that came."""
    (percent,) = convert("inverter_battery.soc_percent", value, scale=100)
    assert math.isclose(percent / 100, value, rel_tol=6e-8)


@pytest.mark.parametrize(
    ("metric", "part", "raw", "values"),
    [
        ("inverter_status.state_code", "", 13, [13]),
        ("inverter_settings.backup_available", "", True, [1]),
        ("inverter_settings.backup_available", "", False, [0]),
        ("inverter.serial", "", "A1", ["A1"]),
        ("inverter.serial", "", "", [""]),
        ("inverter_status.grid_separated", "bit 0", 2, [0]),
        ("inverter_status.grid_separated", "bit 0", 3, [1]),
        ("inverter_fault.active", "bit 31", 0x80000000, [1]),
        ("inverter_fault.active", "bit 31", 0x7FFFFFFF, [0]),
        ("inverter_battery.bat_status_error", "bit 12", -1, [1]),
        ("inverter_battery.calibration_interval_days", "", 180, [180.0]),
        ("inverter_settings.log_interval_seconds", "", 300, [300.0]),
    ],
)
def test_integers_stay_integers_and_times_of_day_floats(metric, part, raw, values):
    """The type of a value is that of its metric, whatever the wire had."""
    assert same(convert(metric, raw, part=part), values)


@given(st.integers(1, 0xFFFFFFFF))
@relaxed
def test_times_are_exact_to_the_second(local):
    """Ten digits: a time must not be rounded to the nine of a 32-bit float."""
    assert convert("inverter_clock.time_seconds", local, part="time") == [float(local)]
    (published,) = convert("inverter_clock.time_seconds", local, part="time", zone=BERLIN)
    assert published in {local - 3600, local - 7200}


def test_time_0_is_none():
    assert convert("inverter_clock.time_seconds", 0, part="time") == [None]


def test_cell_without_voltage_is_not_fitted():
    """Nor does its temperature mean anything; a cell at 0 °C is one all the same."""
    payload = bytes.fromhex("17e50c001700000000e60c00") + bytes(4 * 21)
    module = wire.decode(DataType.BATTERY_MODULE_STATUS, payload)
    volts = convert("inverter_battery_cell.voltage_volts", module, part="cell voltage", scale=1e-3)
    celsius = convert("inverter_battery_cell.temperature_celsius", module, part="cell temperature")
    assert same(volts, [3.301, None, 3.302] + [None] * 21)
    assert same(celsius, [23.0, None, 0.0] + [None] * 21)


def test_cell_resistance_is_in_ohms():
    payload = bytes.fromhex("018000000000000000000000") + bytes(4 * 21)
    module = wire.decode(DataType.BATTERY_MODULE_RESISTANCE, payload)
    name, part = "inverter_battery_cell.resistance_ohms", "cell resistance"
    assert same(convert(name, module, part=part, scale=1e-3), [0.0015] + [None] * 23)


@pytest.mark.parametrize(
    ("entry", "values"), [("u_min", [3.3, 3, 1_700_003_607.0 - 3600]), ("t_max", [None] * 3)]
)
def test_statistics_have_a_time_or_nothing(entry, values):
    payload = struct.pack("<IIf", 3, 1_700_003_607, 3.3) + struct.pack("<IIf", 7, 0, 9.0) * 3
    statistics = wire.decode(DataType.BATTERY_MODULE_STATISTICS, payload)
    found = [
        value
        for field, part in (("volts", "value"), ("cell", "cell"), ("time_seconds", "time"))
        for value in convert(
            f"inverter_battery_module.life_voltage_minimum_{field}",
            statistics,
            part=f"{entry} {part}",
            zone=BERLIN,
        )
    ]
    assert same(found, values)


@relaxed
@given(st.sampled_from([*wire._SCALARS, DataType.STRING]), st.binary(min_size=1, max_size=60))
def test_what_a_unit_can_say_is_possible(kind, payload):
    """Except for floats that are no numbers, of which no two are equal."""
    try:
        value = wire.decode(kind, payload[: wire.LENGTHS.get(kind, 60)])
    except wire.PayloadError:
        return
    assert wire.is_possible(kind, value) or math.isnan(value)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (DataType.UINT8, "1"),
        (DataType.UINT8, -1),
        (DataType.UINT8, 256),
        (DataType.UINT8, 1.0),
        (DataType.UINT32, 10**4000),
        (DataType.ENUM, [1]),
        (DataType.BOOL, "1"),
        (DataType.BOOL, 2),
        (DataType.BOOL, math.nan),
        (DataType.BOOL, math.inf),
        (DataType.FLOAT, 0.1),
        (DataType.FLOAT, 1e300),
        (DataType.FLOAT, {"a": 1}),
        (DataType.STRING, 1),
        (DataType.STRING, "\ud800"),
        (DataType.STRING, "ä"),
        (DataType.STRING, "a\0b"),
        (DataType.STRING, "a\x1bb"),
        (DataType.STRING, "x" * 300),
        (DataType.UNKNOWN, 1),
        (DataType.BATTERY_MODULE_STATUS, "x"),
    ],
)
def test_what_no_unit_can_say_is_not_possible(kind, value):
    assert not wire.is_possible(kind, value)
