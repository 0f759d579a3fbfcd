"""What PI17 says: InfiniSolar 3P, with three phases. What it draws is the same on each of them.

Sources: the manufacturer's papers (2016, 2022), and published frames of devices.
"""

from __future__ import annotations

from collections.abc import Iterator

from rct_collector.drivers.voltronic.simulator.answer import (
    BitsForm,
    FieldForm,
    Layout,
    Saying,
    TextForm,
    Written,
    commas,
    counted,
    fixed,
)
from rct_collector.drivers.voltronic.simulator.energies import EnergyStep, total
from rct_collector.drivers.voltronic.simulator.moment import VoltronicMoment
from rct_collector.drivers.voltronic.simulator.pi18 import COMMON, ENERGIES
from rct_collector.drivers.voltronic.simulator.vocabulary import Vocabulary

PHASES = ("r", "s", "t")


def _phases(name: str, form: str, scale: int, of: str = "") -> Iterator[FieldForm]:
    return (FieldForm(f"{name}_{phase}", form, scale, of or name) for phase in PHASES)


_GS: Layout = (
    FieldForm("pv1_voltage", "04d", 10),
    FieldForm("pv2_voltage", "04d", 10),
    FieldForm("pv1_current", "04d", 10),
    FieldForm("pv2_current", "04d", 10),
    FieldForm("battery_voltage", "04d", 10),
    FieldForm("battery_capacity", "03d"),
    FieldForm("battery_current", "+06d", 10),
    *_phases("grid_voltage", "04d", 10),
    FieldForm("grid_frequency", "04d", 100),
    *_phases("grid_current", "04d", 10, "phase_grid_current"),
    *_phases("output_voltage", "04d", 10),
    FieldForm("output_frequency", "04d", 100),
    *_phases("output_current", "04d", 10, "phase_output_current"),
    FieldForm("inner_temperature", "03d"),
    FieldForm("component_max_temperature", "03d", of="heatsink_temperature"),
    TextForm("000", {"battery_temperature": 0}),
    BitsForm(("config_changed",), ("setting_changed",)),
)
_PS: Layout = (
    FieldForm("pv1_power", "05d", of="pv1_charging_power"),
    FieldForm("pv2_power", "05d", of="pv2_charging_power"),
    FieldForm("battery_power", "+06d"),
    *_phases("grid_power", "+06d", 1, "phase_grid_power"),
    FieldForm("grid_power_total", "+06d", of="grid_power"),
    *_phases("output_active_power", "05d", 1, "phase_active_power"),
    FieldForm("output_active_power_total", "05d", of="output_active_power"),
    *_phases("output_apparent_power", "05d", 1, "phase_apparent_power"),
    FieldForm("output_apparent_power_total", "05d", of="output_apparent_power"),
    FieldForm("output_load_percent", "03d"),
    BitsForm(("load_on",), ("output_connected",)),
    FieldForm("pv1_status_code", "d", of="mppt1_status_code"),
    FieldForm("pv2_status_code", "d", of="mppt2_status_code"),
    FieldForm("battery_direction_code", "d"),
    FieldForm("dcac_direction_code", "d"),
    FieldForm("line_direction_code", "d"),
)
_PIRI = (
    FieldForm("grid_rating_voltage", "04d", 10),
    FieldForm("grid_rating_frequency", "03d", 10, "output_rating_frequency"),
    FieldForm("grid_rating_current", "04d", 10),
    FieldForm("output_rating_voltage", "04d", 10),
    FieldForm("output_rating_current", "04d", 10),
    TextForm("0180", {"mppt_rating_current": 18.0}),
    FieldForm("battery_rating_voltage", "03d", 10),
    FieldForm("mppt_strings", "d"),
    TextForm("10", {"machine_type_code": "10"}),
    FieldForm("topology_code", "d"),
    TextForm("0", {"output_parallel_code": 0}),
)
#: Warnings by their places in WS → positions of QPIWS. Which place means what is of no matter here.
_WARNINGS = {0: 5, 7: 12, 8: 14, 10: 16, 11: 9, 12: 10}
_COUNT = 22


def _warnings(moment: VoltronicMoment) -> Saying:
    active = [place for place, bit in _WARNINGS.items() if bit in moment.warnings]
    said = {"bit_count": _COUNT, "active_bits": active}
    digits = ("1" if place in active else "0" for place in range(_COUNT))
    return counted(Written(",".join(digits), said))


PI17 = Vocabulary(
    {
        **COMMON,
        "PI": fixed("17", counted, protocol_id="PI17"),
        "GS": commas(*_GS),
        "PS": commas(*_PS),
        "PIRI": commas(*_PIRI),
        "WS": _warnings,
        "FLAG": fixed(
            "0,1,1,0,0,0",
            counted,
            buzzer_silenced=False,
            buzzer_silenced_standby=True,
            buzzer_silenced_battery=True,
            generator_input=False,
            wide_input_range=False,
            ng_relay=False,
        ),
        "MD": fixed(
            "000,010000,99,3,3,2300,2300,04,120",
            counted,
            machine_number="000",
            output_rating_apparent_power=10000,
            output_power_factor=99,
            input_phases=3,
            output_phases=3,
            output_rating_voltage=230.0,
            grid_rating_voltage=230.0,
            battery_pieces=4,
            battery_unit_voltage=12.0,
        ),
        "VFW": fixed("VERFW:00005.20", counted, main_firmware="00005.20"),
        "VFW2": fixed("VERFW2:00002.10", counted, slave_firmware="00002.10"),
        "ET": total(0, EnergyStep("pv_energy_total_kwh", 1000, 1000), counted),
    },
    ENERGIES,
)
