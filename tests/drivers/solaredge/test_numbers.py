"""Numbers are published as they are meant, and printed as semonitor did in JSON lines."""

from __future__ import annotations

import json
import struct

import pytest

from rct_collector.drivers.solaredge import records, table
from rct_collector.drivers.solaredge.records import LAYOUTS
from rct_collector.drivers.solaredge.tools.rendering import Renderer
from tests.drivers.solaredge.tools.suite import record


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def published(kind, body, word="", meter=0):
    found = table.values_of(LAYOUTS[kind].decode(body), table.sinks(kind, word, meter))
    return {series.name: value for series, value in found}


#: Column → series of an inverter of one phase, and a number that 32 bits cannot hold.
MEASURED = {
    "power": ("inverter_power.output_watts", 3202.3),
    "ac_voltage": ("inverter_grid{phase=l1}.voltage_volts", 230.1),
    "frequency": ("inverter_grid.frequency_hertz", 49.98),
    "energy_day": ("inverter_energy{flow=output}.day_watt_hours", 9876.54),
    "temperature": ("inverter_temperature{sensor=heatsink}.celsius", -3.3),
    "insulation": ("inverter_status.insulation_ohms", 5999.9),
}


def test_what_was_a_32_bit_float_is_the_shortest_that_is_the_same():
    numbers = {column: value for column, (_, value) in MEASURED.items()}
    found = published(0x10, LAYOUTS[0x10].encode({**numbers, "time": 1_700_000_000}))
    for column, (series, value) in MEASURED.items():
        wanted = round(value * 1000.0, 3) if column == "insulation" else value
        assert repr(found[series]) == repr(wanted)


def test_sums_and_products_have_no_dust():
    phases = {f"power_{n}": value for n, value in ((1, 1000.1), (2, 1000.2), (3, 1000.3))}
    body = LAYOUTS[0x11].encode({**phases, "time": 1_700_000_000})
    assert repr(published(0x11, body)["inverter_power.output_watts"]) == "3000.6"
    body = LAYOUTS[0x22].encode(
        {"time": 1_700_000_000, "meter": 5, "power_to": 0.1, "power_from": 700.4}
    )
    found = published(0x22, body, table.meter_word(5), 5)
    assert repr(found["inverter_power.grid_watts"]) == "700.3"


def test_what_is_packed_in_steps_has_their_decimals():
    values = {"input_voltage": 27.5, "output_voltage": 23.5, "input_current": 0.4125}
    body = LAYOUTS[0x80].encode({**values, "time": 1_700_000_000, "energy_day": 115.75})
    found = published(0x80, body, "100F100D")
    of = "inverter_optimizer{optimizer=100F100D}"
    assert repr(found[f"{of}.input_amperes"]) == "0.4125"
    assert repr(found[f"{of}.power_watts"]) == "11.34375"
    assert repr(found[f"{of}.energy_day_watt_hours"]) == "115.75"


@pytest.mark.parametrize("steps", [1, 7, 66, 4095])
def test_of_each_step_the_current_is_what_is_meant(steps):
    body = LAYOUTS[0x80].encode({"time": 1, "input_voltage": 127.875, "input_current": steps / 160})
    found = published(0x80, body, "100F100D")
    of = "inverter_optimizer{optimizer=100F100D}"
    assert found[f"{of}.input_amperes"] == steps / 160
    assert found[f"{of}.power_watts"] == 1023 * steps / 1280


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"energy_total_whole": 16_777_217}, 16_777_217.0),
        ({"energy_total_whole": 1_234_567_891}, 1_234_567_891.0),
        ({"energy_total_float": 16_777_216.0}, 16_777_216.0),
        ({"energy_total_float": 123_456.7}, 123_456.7),
    ],
)
def test_lifetime_energies_keep_all_their_digits(columns, wanted):
    body = LAYOUTS[0x10].encode({**columns, "time": 1_700_000_000})
    assert published(0x10, body)["inverter_energy{flow=output}.watt_hours_total"] == wanted


def test_json_lines_keep_what_semonitor_printed():
    body = LAYOUTS[0x10].encode({"time": 1_700_000_000, "power": 3202.3})
    (line,) = Renderer().lines(record(0x10, 0x7F101234, body))
    (values,) = json.loads(line)["inverters"].values()
    assert repr(values["Pac"]) == repr(float32(3202.3)) == "3202.300048828125"
    assert records.LAYOUTS[0x10].decode(body)["power"] == float32(3202.3)
