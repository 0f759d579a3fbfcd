"""What PI18 says: InfiniSolar V, LVX, SV.

Sources: the manufacturer's paper (2017), whose kilowatt-hours are watt-hours in devices; published
frames of devices, which have a field more in PIRI and FWS than the paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from rct_collector.drivers.voltronic.simulator.answer import (
    BitsForm,
    CodedForm,
    FieldForm,
    Maker,
    Saying,
    TextForm,
    Written,
    commas,
    counted,
    fixed,
    listed,
    timed,
)
from rct_collector.drivers.voltronic.simulator.energies import EnergyStep, dated, total
from rct_collector.drivers.voltronic.simulator.moment import NUMBERED_MODES, VoltronicMoment
from rct_collector.drivers.voltronic.simulator.vocabulary import Argued, Vocabulary

NO = Saying((), head="^0", refused=True)
YES = Saying((), head="^1")

#: Requests whose head counts otherwise than all others.
HEADS = {"FWS": 5}


def _code(name: str, codes: Mapping[int, int]) -> CodedForm:
    """A number that is another one than in QPIRI."""
    return CodedForm(name, name, {of: (str(code), code) for of, code in codes.items()})


_STRINGS = (
    FieldForm("pv1_power", "04d", of="pv1_charging_power"),
    FieldForm("pv2_power", "04d", of="pv2_charging_power"),
    FieldForm("pv1_voltage", "04d", 10),
    FieldForm("pv2_voltage", "04d", 10),
)
_STATES = (
    FieldForm("mppt1_status_code", "d"),
    FieldForm("mppt2_status_code", "d"),
    BitsForm(("load_on",)),
    FieldForm("battery_direction_code", "d"),
    FieldForm("dcac_direction_code", "d"),
    FieldForm("line_direction_code", "d"),
)
_OUTPUT = (
    FieldForm("grid_voltage", "04d", 10),
    FieldForm("grid_frequency", "03d", 10),
    FieldForm("output_voltage", "04d", 10),
    FieldForm("output_frequency", "03d", 10),
    FieldForm("output_apparent_power", "04d"),
    FieldForm("output_active_power", "04d"),
)
_GS = (
    *_OUTPUT,
    FieldForm("output_load_percent", "03d"),
    FieldForm("battery_voltage", "03d", 10),
    FieldForm("scc_battery_voltage", "03d", 10),
    FieldForm("scc2_battery_voltage", "03d", 10),
    FieldForm("battery_discharge_current", "03d"),
    FieldForm("battery_charging_current", "03d"),
    FieldForm("battery_capacity", "03d"),
    FieldForm("heatsink_temperature", "03d"),
    FieldForm("mppt1_temperature", "03d", of="inner_temperature"),
    FieldForm("mppt2_temperature", "03d", of="inner_temperature"),
    *_STRINGS,
    BitsForm(("config_changed",)),
    *_STATES,
    FieldForm("parallel_id", "d", of="number"),
)
_PIRI = (
    FieldForm("grid_rating_voltage", "04d", 10),
    FieldForm("grid_rating_current", "03d", 10),
    FieldForm("output_rating_voltage", "04d", 10),
    FieldForm("output_rating_frequency", "03d", 10),
    FieldForm("output_rating_current", "03d", 10),
    FieldForm("output_rating_apparent_power", "04d"),
    FieldForm("output_rating_active_power", "04d"),
    FieldForm("battery_rating_voltage", "03d", 10),
    FieldForm("battery_recharge_voltage", "03d", 10),
    FieldForm("battery_redischarge_voltage", "03d", 10),
    FieldForm("battery_under_voltage", "03d", 10),
    FieldForm("battery_bulk_voltage", "03d", 10),
    FieldForm("battery_float_voltage", "03d", 10),
    FieldForm("battery_type_code", "d"),
    FieldForm("max_ac_charging_current", "02d"),
    FieldForm("max_charging_current", "03d"),
    FieldForm("input_voltage_range_code", "d"),
    _code("output_source_priority_code", {0: 0, 1: 0, 2: 1}),
    _code("charger_source_priority_code", {0: 1, 1: 0, 2: 1, 3: 2}),
    FieldForm("parallel_max_num", "d"),
    TextForm("0", {"machine_type_code": 0}),
    FieldForm("topology_code", "d"),
    FieldForm("output_mode_code", "d"),
    FieldForm("solar_power_priority_code", "d"),
    FieldForm("mppt_strings", "d"),
    TextForm("00", {"extra_fields": ["00"]}),
)
#: Fields of FWS behind the fault code → positions of QPIWS; None of what never happens here.
_WARNINGS = {
    "line_fail": 5,
    "output_short": None,
    "over_temperature": 9,
    "fan_locked": 10,
    "battery_voltage_high": None,
    "battery_low": 12,
    "battery_under": 14,
    "overload": 16,
    "eeprom_fault": None,
    "power_limit": None,
    "pv1_voltage_high": None,
    "pv2_voltage_high": None,
    "mppt1_overload": None,
    "mppt2_overload": None,
    "battery_too_low_scc1": None,
    "battery_too_low_scc2": None,
}
_PGS = (
    BitsForm(("exists",)),
    FieldForm("mode_code", "d"),
    FieldForm("fault_code", "s"),
    *_OUTPUT,
    FieldForm("total_output_apparent_power", "05d"),
    FieldForm("total_output_active_power", "05d"),
    FieldForm("output_load_percent", "03d"),
    FieldForm("total_output_percent", "03d"),
    FieldForm("battery_voltage", "03d", 10),
    FieldForm("battery_discharge_current", "03d"),
    FieldForm("battery_charging_current", "03d"),
    FieldForm("total_charging_current", "03d"),
    FieldForm("battery_capacity", "03d"),
    *_STRINGS,
    *_STATES,
    FieldForm("max_temperature", "03d", of="heatsink_temperature"),
)

#: Fields of FLAG.
_FLAGS = (
    "buzzer",
    "overload_bypass",
    "lcd_escape",
    "overload_restart",
    "over_temperature_restart",
    "backlight",
    "primary_interrupt_alarm",
    "fault_code_record",
)


def _faults(moment: VoltronicMoment) -> Saying:
    code = Written(moment.fault_code, {"fault_code": moment.fault_code})
    set_ = {name: bit in moment.warnings for name, bit in _WARNINGS.items()}
    warnings = (Written(str(int(on)), {name: on}) for name, on in set_.items())
    return counted(code, *warnings, Written("0", {"extra_fields": ["0"]}))


def _flags(moment: VoltronicMoment) -> Saying:
    said = moment.flags
    written = (Written(str(int(said[name])), {name: said[name]}) for name in _FLAGS)
    return counted(*written, Written("0"))


def _serial(moment: VoltronicMoment) -> Saying:
    serial = moment.serial_number
    return counted(Written(f"{len(serial)}{serial}".ljust(22, "0"), {"serial_number": serial}))


def _unit(digits: str) -> Maker | None:
    """What a unit says of any unit of its system, by its number."""
    if len(digits) != 1:
        return None
    make, number = commas(*_PGS), int(digits)
    return lambda moment: make(moment.of(number)) if number < moment.scenario.units else NO


def _energy(part: str, count: int, digits: str) -> Maker | None:
    return dated(0, EnergyStep(part), counted, digits) if len(digits) == count else None


#: Years, months and days; PI17 has them, too.
ENERGIES: Mapping[str, Argued] = {
    "EY": partial(_energy, "pv_energy_year_wh", 4),
    "EM": partial(_energy, "pv_energy_month_wh", 6),
    "ED": partial(_energy, "pv_energy_day_wh", 8),
}

#: What PI17 answers alike, but for its number.
COMMON: Mapping[str, Maker] = {
    "ID": _serial,
    "T": timed(counted),
    "MOD": commas(CodedForm("mode", "mode", NUMBERED_MODES)),
}

PI18 = Vocabulary(
    {
        **COMMON,
        "PI": fixed("18", counted, protocol_id="PI18"),
        "GS": commas(*_GS),
        "PIRI": commas(*_PIRI),
        "FWS": _faults,
        "FLAG": _flags,
        "VFW": commas(
            TextForm("05220", {"main_firmware": "05220"}),
            TextForm("00000", {"slave1_firmware": "00000"}),
            TextForm("00000", {"slave2_firmware": "00000"}),
        ),
        "ET": total(0, EnergyStep("pv_energy_total_raw"), counted),
        "MCHGCR": listed("selectable_max_charging_current", "010,020,030,040,050,060", counted),
        "MUCHGCR": listed("selectable_max_utility_charging_current", "002,010,020,030", counted),
    },
    {**ENERGIES, "PGS": _unit},
)
