"""Records: what owners have published, in both directions, cut short, and full of nonsense."""

from __future__ import annotations

import math
import struct
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.drivers.solaredge import records
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join, split

relaxed = settings(deadline=None)

# fmt: off
# ruff: noqa: E501 - one record is one line
#: Records that owners have published, with what they mean.
PUBLISHED = {
    "one phase, 124 bytes": (
        "1000f70f997f7c00ef12d355e2e900002c010000ca3df141eb24fd442eb27c41003c6b43ae47353fc9fd4742ffff7fffffff7fff00f8ad43ffff7fff38aec5496210d83bffff7fffff7f7f3f040000000080bb450000c842"
        "0000f9bcffff7fffffff7fff00800f4300802143000094c20000c8420000c842ffff7fffc7b5180000000000",
        {"time": 1439896303, "uptime": 59874, "interval": 300, "temperature": 30.155170440673828, "energy_day": 2025.1536865234375,
         "energy_interval": 15.793500900268555, "ac_voltage": 235.234375, "frequency": 49.99783706665039, "dc_voltage": 347.9375, "dc_current": None,
         "mode": 4, "insulation": 6000.0, "power_limit": 100.0, "power": 143.5, "apparent_power": 161.5, "reactive_power": -74.0, "energy_total": 1619399.0},
    ),
    "one phase, 104 bytes": (
        "1000164a907f6800d5ddac56ecca00002c010000f528200b3b555843d769c64166e66e43bce39c3f7a147042ffff7fffffff7fff66e6aa43ffff7fff1035864ba223393cffff7fff000000000400000000409c450000000000000000ffff7fffffff7fff00808e4300809243ffff7fff",
        {"power": 285.0, "apparent_power": 293.0, "reactive_power": None, "energy_total": 17590816.0, "mode": 4, "uptime": 51948},
    ),
    "optimizer, old": (
        "000035730f102400f2ddac56164a907f164a907f570d0000008012420000ae413333133f0000644100006041",
        {"time": 1454169586, "inverter": 0x7F904A16, "uptime": 3415, "input_voltage": 36.625, "output_voltage": 21.75, "energy_day": 14.25, "temperature": 14.0},
    ),
    "optimizer": (
        "80000d100f200d000a13d355682adcf02204cf0109",
        {"time": 1439896330, "uptime": 10856, "input_voltage": 27.5, "output_voltage": 23.5, "input_current": 0.4125, "energy_day": 115.75, "temperature": 18.0, "power": 11.34375},
    ),
    "optimizer at noon": (
        "8000b56523200d00f50c58572c73d63cc44c9d0e14",
        {"time": 1465388277, "uptime": 29484, "input_voltage": 26.75, "output_voltage": 33.875, "input_current": 7.675, "energy_day": 935.25, "temperature": 40.0},
    ),
    "optimizer, S series": (
        "8200fd52e7151500ff8da15da437f670365bdb070d0206000093f89574",
        {"uptime": 14244, "input_voltage": 30.75, "output_voltage": 51.5, "input_current": 9.11875, "energy_day": 502.75, "temperature": 26.0, "inverter": 0x7495F893},
    ),
    "meter of the production": (
        "220093f815743a00a78da15d090100000000000000800000000000000080000000000000008000000000000000802c010000ad000000000000003dc0b444ffff7fff",
        {"meter": 9, "interval": 300, "energy_to": 173, "energy_from": 0, "power_to": 1446.0074462890625, "power_from": None, "total_to": None, "total_from": None},
    ),
    "battery": (
        "30007e39157f560080475d595431364830303133313433006626b343000000000000c8450040c74500808343942d000000000000f831000000000000ffff7fffffff7fff0000b841060000000000000000002c0100000400000000000000",
        {"battery": "T16H0013143", "voltage": 358.29998779296875, "current": 0.0, "capacity": 6376.0, "capacity_nominal": 6400.0, "charge": 263.0, "total_in": 11668,
         "total_out": 12792, "temperature": 23.0, "state": 6, "interval": 300, "energy_in": 4, "energy_out": 0, "power": 0.0, "charge_percent": 4.124843},
    ),
    "event": (
        "0003164a107f1c007b7e3556010000007a7e3556808fffff7b7e35560000000000000000",
        {"time": 1446346363, "event": 1, "word_2": 1446346362, "word_3": 0x1_0000_0000 - 28800, "word_4": 1446346363},
    ),
}
# fmt: on


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_records_say_what_their_owners_saw(name):
    wire, expected = PUBLISHED[name]
    ([record], rest) = split(bytes.fromhex(wire))
    assert rest == 0
    found = LAYOUTS[record.kind].decode(record.body)
    assert {key: found[key] for key in expected} == {
        key: pytest.approx(value) if isinstance(value, float) else value
        for key, value in expected.items()
    }


def three_phases(**changes):
    values = {f"{name}_{n}": 100.0 * n for n in (1, 2, 3)
              for name in ("power", "apparent_power", "reactive_power")}  # fmt: skip
    return {**values, "time": 1, "energy_total_whole": 601179, "mode": 4, **changes}


def decoded(kind, values, size=0):
    layout = LAYOUTS[kind]
    return layout.decode(layout.encode(values, size))


def test_three_phases_are_added():
    found = decoded(records.INVERTER_3, three_phases(power_2=-50.0))
    assert (found["power"], found["apparent_power"], found["reactive_power"]) == (350, 600, 600)
    assert found["energy_total"] == 601179.0


def test_two_phases_of_three_are_no_sum():
    assert decoded(records.INVERTER_3, three_phases(power_3=None))["power"] is None
    assert "power_1" not in decoded(records.INVERTER_3, three_phases(), 128)
    assert decoded(records.INVERTER_3, three_phases(), 128)["power"] is None


def test_the_lifetime_is_the_whole_number_where_there_is_one():
    values = {"time": 1, "energy_total_float": 16777218.0, "energy_total_whole": 16777219}
    assert decoded(records.INVERTER, values)["energy_total"] == 16777219.0
    assert decoded(records.INVERTER, values, 104)["energy_total"] == 16777218.0


@pytest.mark.parametrize(
    ("flag", "interval_only", "expected"), [(0, 0, 7), (0x8000, 0, None), (0, 1, None)]
)
def test_totals_of_a_meter_are_told_or_not(flag, interval_only, expected):
    values = {"time": 1, "meter": 5, "interval_only": interval_only, "total_to": 7,
              "total_to_flag": flag}  # fmt: skip
    assert decoded(records.METER, values)["total_to"] == expected


@pytest.mark.parametrize(
    ("state", "current", "power"),
    [(3, 2.0, -700.0), (3, -2.0, -700.0), (4, -2.0, 700.0), (6, 0.0, 0.0), (6, 2.0, None)],
)
def test_power_of_a_battery_has_the_sign_of_what_it_does(state, current, power):
    values = {"time": 1, "state": state, "voltage": 350.0, "current": current}
    assert decoded(records.BATTERY, values)["power"] == power


def test_a_battery_without_a_capacity_has_no_state_of_charge():
    values = {"time": 1, "charge": 100.0, "capacity": 0.0}
    assert decoded(records.BATTERY, values)["charge_percent"] is None


def test_optimizers_of_the_s_series_tell_less_in_short_bodies():
    values = {"time": 1, "input_voltage": 30.0, "input_current": 2.0, "energy_day": 100.0}
    found = decoded(records.OPTIMIZER_S, values, 15)
    assert found["power"] == 60.0
    assert "energy_day" not in found
    assert decoded(records.OPTIMIZER_S, values)["energy_day"] == 100.0


NONE, NAN, INFINITY = b"\xff\xff\x7f\xff", b"\0\0\xc0\x7f", struct.pack("<f", float("inf"))


@pytest.mark.parametrize(("data", "broken"), [(NONE, False), (NAN, True), (INFINITY, True)])
def test_what_is_no_number_is_absent_and_only_nonsense_is_told(data, broken):
    layout = LAYOUTS[records.INVERTER]
    body = bytearray(layout.encode({"time": 1, "power": 5.0}))
    body[92:96] = data
    values, found = layout.read(bytes(body))
    assert (values["power"], found) == (None, broken)


# -- cut short -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_body_cut_anywhere_says_what_lies_wholly_inside(kind):
    layout = LAYOUTS[kind]
    body = layout.encode({"time": 1_600_000_000})
    whole = layout.decode(body)
    for size in range(4, len(body) + 1):
        found = layout.decode(body[:size])
        assert found["time"] == 1_600_000_000
        assert found.keys() <= whole.keys()
        for column in layout.columns:
            if column.name in found:
                assert column.end <= size


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_body_that_is_longer_says_the_same(kind):
    layout = LAYOUTS[kind]
    body = layout.encode({"time": 1_600_000_000})
    assert layout.decode(body + b"\x12\x34" * 20) == layout.decode(body)


@pytest.mark.parametrize(
    ("payload", "count", "rest"),
    [
        ("", 0, 0),
        ("80000d100f20040001000000", 1, 0),
        ("80000d100f20040001000000" "8000", 1, 2),
        ("80000d100f20040001000000" "80000d100f20050001000000", 1, 12),
        ("80000d100f20040001000000" "80000d100f200300010000" "80000d100f20040001000000", 1, 23),
        ("80000d100f20ffff01000000", 0, 12),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_ends_the_post(payload, count, rest):
    found, left = split(bytes.fromhex(payload))
    assert (len(found), left) == (count, rest)


# -- there and back --------------------------------------------------------------------------------


def singles():
    return st.floats(width=32, allow_nan=False, allow_infinity=False).filter(
        lambda value: value != records.ABSENT
    )


_NUMBERS = {"I": (0, 2**32 - 1), "H": (0, 2**16 - 1), "b": (-128, 127)}


@cache
def values_of(kind):
    """Any values of the columns of a layout."""

    def one(column):
        if column.form == "f":
            return singles()
        if column.form.endswith("s"):
            return st.text("ABC0123456789", max_size=11)
        return st.integers(*_NUMBERS[column.form])

    return st.fixed_dictionaries({column.name: one(column) for column in LAYOUTS[kind].columns})


PLAIN = [kind for kind, layout in LAYOUTS.items() if not isinstance(layout, records.PackedLayout)]


@pytest.mark.parametrize("kind", PLAIN)
@relaxed
@given(data=st.data())
def test_a_record_comes_out_as_it_went_in(kind, data):
    layout = LAYOUTS[kind]
    values = data.draw(values_of(kind))
    size = data.draw(st.sampled_from([n for n in layout.sizes if n >= layout.size]))
    found = layout.decode(layout.encode(values, size))
    hidden = {"total_to", "total_from"} if kind == records.METER else set()
    for name in values.keys() - hidden:
        assert found[name] == values[name], name


@pytest.mark.parametrize("kind", [records.OPTIMIZER_PACKED, records.OPTIMIZER_S])
@relaxed
@given(
    st.integers(0, 2**16 - 1),
    st.integers(0, 1023),
    st.integers(0, 1023),
    st.integers(0, 4095),
    st.integers(0, 2**16 - 1),
    st.integers(-128, 127),
)
def test_a_packed_record_comes_out_as_it_went_in(
    kind, uptime, volts, output, amperes, energy, heat
):
    values = {
        "time": 1,
        "uptime": uptime,
        "input_voltage": volts / 8,
        "output_voltage": output / 8,
        "input_current": amperes / 160,
        "energy_day": energy / 4,
        "temperature": heat * 2.0,
    }
    found = decoded(kind, values)
    assert {name: found[name] for name in values} == pytest.approx(values)


@pytest.mark.parametrize(
    ("kind", "values", "error"),
    [
        (records.INVERTER, {"nothing": 1}, KeyError),
        (records.INVERTER, {"uptime": -1}, struct.error),
        (records.OPTIMIZER_PACKED, {"input_voltage": 128.0}, ValueError),
        (records.OPTIMIZER_PACKED, {"input_current": -1.0}, ValueError),
    ],
)
def test_what_fits_no_record(kind, values, error):
    with pytest.raises(error):
        LAYOUTS[kind].encode(values)


@relaxed
@given(st.lists(st.builds(RawRecord, st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF),
                          st.binary(min_size=4, max_size=40))))  # fmt: skip
def test_posts_come_out_as_they_went_in(posted):
    assert split(join(posted)) == (posted, 0)


#: Four bytes of a body: anything, what is absent or no number, and floats that are very large.
words = st.binary(min_size=4, max_size=4) | st.sampled_from(
    [NONE, NAN, INFINITY, b"\xff\xff\x7f\x7f", *(struct.pack("<f", n) for n in (1e38, -2e38, 5.0))]
)
bodies = st.builds(
    lambda body, end: b"".join(body) + end,
    st.lists(words, min_size=1, max_size=75),
    st.binary(max_size=3),
)


def column_by_column(layout, body):
    """What a body says, without any short cut, and whether a float is no number."""
    if isinstance(layout, records.PackedLayout):
        values = layout._piecemeal(body)
        if layout.kind == records.OPTIMIZER_S and len(body) >= layout.size:
            (values["inverter"],) = struct.unpack_from("<I", body, 17)
        return values, False
    values, is_broken = {}, False
    for column in layout.columns:
        if column.end > len(body):
            continue
        (value,) = struct.unpack_from("<" + column.form, body, column.offset)
        if isinstance(value, bytes):
            value = value.rstrip(b"\0").decode("latin-1")
        elif column.form == "f" and (value == records.ABSENT or not math.isfinite(value)):
            is_broken = is_broken or value != records.ABSENT
            value = None
        values[column.name] = value
    layout._complete(values)
    return values, is_broken


@relaxed
@given(st.sampled_from(list(LAYOUTS)), bodies)
def test_any_body_is_read_at_once_as_it_is_column_by_column(kind, body):
    layout = LAYOUTS[kind]
    found, is_broken = layout.read(body)
    for value in found.values():
        assert value is None or value == value  # noqa: PLR0124 - no NaN
        assert type(value) in (float, int, str, type(None))
    assert (found, is_broken) == column_by_column(layout, body)
