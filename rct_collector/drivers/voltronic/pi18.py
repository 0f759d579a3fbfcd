"""The commands of PI18: InfiniSolar V, LVX, SV and others of their kind.

Fields are integers between commas, in tenths of volts, amperes and hertz, and stand in another
order than those of PI30.

Sources: the maker's paper (2017); answers of real units, which have a field more in PIRI and FWS
than it says. It gives the energy of all time in kWh, which no unit can mean: 802946 on one of
5.6 kW are Wh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rct_collector.drivers.voltronic import faults
from rct_collector.drivers.voltronic.command import (
    CURRENTS,
    ENERGY,
    UNIT,
    Command,
    Field,
    Fields,
    Wording,
    code,
    energy,
    flag,
    integer,
    long_serial,
    moment,
    numbers,
    reserved,
    scaled,
    text,
)
from rct_collector.drivers.voltronic.conditions import MOST_UNITS, PI18_SINGLE, PI18_SYSTEM
from rct_collector.drivers.voltronic.feeds import (
    HOUR_S,
    RATINGS,
    Feed,
    Take,
    as_number,
    ask,
    ask_energy,
    at_most,
    battery_watts,
    nonzero,
    to,
    unless_wrapped,
)
from rct_collector.drivers.voltronic.pi30 import SWITCHES
from rct_collector.drivers.voltronic.texts import PI18_FAULTS, mode_of_number, state_code

DIALECT = "pi18"


def _tenths(name: str) -> Field:
    return scaled(name, 10)


def _choice(name: str) -> Field:
    """One of three: 0, 1 and 2."""
    return Field(name, "[0-2]", int, certain=True)


GS = Fields(
    _tenths("grid_voltage"),
    _tenths("grid_frequency"),
    _tenths("output_voltage"),
    _tenths("output_frequency"),
    integer("output_apparent_power"),
    integer("output_active_power"),
    integer("output_load_percent"),
    _tenths("battery_voltage"),
    _tenths("scc_battery_voltage"),
    _tenths("scc2_battery_voltage"),
    integer("battery_discharge_current"),
    integer("battery_charging_current"),
    integer("battery_capacity"),
    integer("heatsink_temperature"),
    integer("mppt1_temperature"),
    integer("mppt2_temperature"),
    integer("pv1_power"),
    integer("pv2_power"),
    _tenths("pv1_voltage"),
    _tenths("pv2_voltage"),
    flag("config_changed"),
    _choice("mppt1_status_code"),
    _choice("mppt2_status_code"),
    flag("load_on"),
    _choice("battery_direction_code"),
    _choice("dcac_direction_code"),
    _choice("line_direction_code"),
    integer("parallel_id"),
    separator=",",
)

PIRI = Fields(
    _tenths("grid_rating_voltage"),
    _tenths("grid_rating_current"),
    _tenths("output_rating_voltage"),
    _tenths("output_rating_frequency"),
    _tenths("output_rating_current"),
    integer("output_rating_apparent_power"),
    integer("output_rating_active_power"),
    Field("battery_rating_voltage", "[1-9]20|240|360|480", lambda word: int(word) / 10, 0.1, True),
    _tenths("battery_recharge_voltage"),
    _tenths("battery_redischarge_voltage"),
    _tenths("battery_under_voltage"),
    _tenths("battery_bulk_voltage"),
    _tenths("battery_float_voltage"),
    code("battery_type_code"),
    integer("max_ac_charging_current"),
    integer("max_charging_current"),
    code("input_voltage_range_code"),
    code("output_source_priority_code"),
    code("charger_source_priority_code"),
    integer("parallel_max_num"),
    code("machine_type_code"),
    code("topology_code"),
    code("output_mode_code"),
    code("solar_power_priority_code"),
    integer("mppt_strings"),
    separator=",",
)

FWS = Fields(text("fault_code", r"\d\d", certain=True), *map(flag, PI18_FAULTS), separator=",")

FLAGS = (
    "buzzer",
    "overload_bypass",
    "lcd_escape",
    "overload_restart",
    "over_temperature_restart",
    "backlight",
    "primary_interrupt_alarm",
    "fault_code_record",
)

#: One unit of a system.
PGS = Fields(
    flag("exists"),
    Field("mode_code", "[0-6]", int, certain=True),
    text("fault_code", r"\d\d"),
    _tenths("grid_voltage"),
    _tenths("grid_frequency"),
    _tenths("output_voltage"),
    _tenths("output_frequency"),
    integer("output_apparent_power"),
    integer("output_active_power"),
    integer("total_output_apparent_power"),
    integer("total_output_active_power"),
    integer("output_load_percent"),
    integer("total_output_percent"),
    _tenths("battery_voltage"),
    integer("battery_discharge_current"),
    integer("battery_charging_current"),
    integer("total_charging_current"),
    integer("battery_capacity"),
    integer("pv1_power"),
    integer("pv2_power"),
    _tenths("pv1_voltage"),
    _tenths("pv2_voltage"),
    _choice("mppt1_status_code"),
    _choice("mppt2_status_code"),
    flag("load_on"),
    _choice("battery_direction_code"),
    _choice("dcac_direction_code"),
    _choice("line_direction_code"),
    integer("max_temperature"),
    separator=",",
)


_VERSIONS = Fields(
    text("main_firmware", r"\d{5}", certain=True),
    text("slave1_firmware", r"\d{5}"),
    text("slave2_firmware", r"\d{5}"),
    separator=",",
)


def _next(part: str) -> Take:
    """A choice that PI30 has one number higher."""

    def take(parts: Mapping[str, Any]) -> Any:
        value = parts.get(part)
        return None if value is None else value + 1

    return take


def _machine(parts: Mapping[str, Any]) -> Any:
    """Kind of machine as PI30 numbers it: 0 tied to the grid, 1 not."""
    value = parts.get("machine_type_code")
    return None if value is None else 1 - value


def _state(parts: Mapping[str, Any]) -> Any:
    """State of a unit of a system, whose mode is one digit."""
    return state_code({"mode": mode_of_number(str(parts["mode_code"]))})


# -- what it feeds -----------------------------------------------------------------------------

#: How it is known that the unit only counts up.
_COUNTED = "One register that a command alone clears; users of other collectors read it as one."

_OF_THE_UNIT = (
    to("inverter_grid.voltage_volts", "grid_voltage", phase="l1"),
    to("inverter_grid.frequency_hertz", "grid_frequency"),
    to("inverter_output.voltage_volts", "output_voltage", phase="l1"),
    to("inverter_output.frequency_hertz", "output_frequency"),
    to("inverter_battery.voltage_volts", "battery_voltage", battery="0"),
    to("inverter_battery.soc_percent", "battery_capacity", battery="0"),
    to("inverter_string.charger_volts", "scc_battery_voltage", string="a",
       take=nonzero("scc_battery_voltage")),
    to("inverter_string.charger_volts", "scc2_battery_voltage", string="b",
       take=nonzero("scc2_battery_voltage")),
    to("inverter_temperature.celsius", "heatsink_temperature", sensor="heatsink",
       take=at_most("heatsink_temperature", 150)),
    to("inverter_string.charger_celsius", "mppt1_temperature", string="a",
       take=nonzero("mppt1_temperature")),
    to("inverter_string.charger_celsius", "mppt2_temperature", string="b",
       take=nonzero("mppt2_temperature")),
    to("inverter_status.settings_changed", "config_changed"),
    to("inverter_string.charger_code", "mppt1_status_code", string="a"),
    to("inverter_string.charger_code", "mppt2_status_code", string="b"),
    to("inverter_load.connected", "load_on", phase="l1"),
    to("inverter_battery.direction_code", "battery_direction_code", battery="0"),
    to("inverter_status.converter_code", "dcac_direction_code"),
    to("inverter_status.grid_code", "line_direction_code"),
    to("inverter_plant.place_code", "parallel_id"),
)  # fmt: skip

_BATTERY_PARTS = "battery_voltage battery_discharge_current battery_charging_current"

_FLOWS = (
    to("inverter_power.load_watts", "output_active_power",
       take=unless_wrapped("output_active_power")),
    to("inverter_power.load_volt_amperes", "output_apparent_power",
       take=unless_wrapped("output_apparent_power")),
    to("inverter_power.load_ratio", "output_load_percent", scale=0.01),
    to("inverter_battery.charge_amperes", "battery_charging_current", battery="0"),
    to("inverter_battery.discharge_amperes", "battery_discharge_current", battery="0"),
    to("inverter_power.battery_watts", _BATTERY_PARTS, take=battery_watts(*_BATTERY_PARTS.split())),
    to("inverter_string.power_watts", "pv1_power", string="a"),
    to("inverter_string.power_watts", "pv2_power", string="b"),
    to("inverter_string.voltage_volts", "pv1_voltage", string="a"),
    to("inverter_string.voltage_volts", "pv2_voltage", string="b"),
)  # fmt: skip

_RATINGS = (
    *RATINGS,
    # Numbered from 0 as PI30 numbers from 1: without "the grid first".
    to("inverter_settings.output_priority_code", "output_source_priority_code",
       take=_next("output_source_priority_code")),
    to("inverter_settings.charger_priority_code", "charger_source_priority_code",
       take=_next("charger_source_priority_code")),
    to("inverter_rating.machine_code", "machine_type_code", take=_machine),
    to("inverter_settings.solar_priority_code", "solar_power_priority_code"),
    to("inverter_rating.strings", "mppt_strings"),
)  # fmt: skip


def _unit_feeds(unit: str) -> tuple[Feed, ...]:
    """PGSn: one unit of a system; the first one tells the totals, too."""
    totals = (
        to("inverter_power.load_volt_amperes", "total_output_apparent_power"),
        to("inverter_power.load_watts", "total_output_active_power"),
        to("inverter_power.load_ratio", "total_output_percent", scale=0.01),
        to("inverter_plant.charge_amperes", "total_charging_current"),
    )
    parts = {
        "grid_frequency_hertz": "grid_frequency",
        "output_frequency_hertz": "output_frequency",
        "battery_voltage_volts": "battery_voltage",
        "battery_charge_amperes": "battery_charging_current",
        "battery_discharge_amperes": "battery_discharge_current",
        "soc_percent": "battery_capacity",
        "direction_code": "battery_direction_code",
        "converter_code": "dcac_direction_code",
        "grid_code": "line_direction_code",
        "hottest_celsius": "max_temperature",
    }
    phase = {
        "grid_voltage_volts": "grid_voltage",
        "output_voltage_volts": "output_voltage",
        "load_volt_amperes": "output_apparent_power",
        "load_watts": "output_active_power",
        "load_connected": "load_on",
    }
    strings = (("a", "1"), ("b", "2"))
    return (
        *(totals if unit == "0" else ()),
        to("inverter_unit.state_code", "mode_code", take=_state, unit=unit),
        to("inverter_unit.fault_code", "fault_code", take=as_number("fault_code"), unit=unit),
        *(to(f"inverter_unit.{field}", part, unit=unit) for field, part in parts.items()),
        to("inverter_unit.battery_watts", _BATTERY_PARTS, unit=unit,
           take=battery_watts(*_BATTERY_PARTS.split())),
        *(
            to(f"inverter_unit_phase.{field}", part, unit=unit, phase="l1",
               take=unless_wrapped(part) if "power" in part else None)
            for field, part in phase.items()
        ),
        to("inverter_unit_phase.load_ratio", "output_load_percent", unit=unit, phase="l1",
           scale=0.01),
        *(
            to(f"inverter_unit_string.{field}", f"{word}{number}_{part}", unit=unit, string=letter)
            for letter, number in strings
            for word, field, part in (
                ("pv", "power_watts", "power"),
                ("pv", "voltage_volts", "voltage"),
                ("mppt", "charger_code", "status_code"),
            )
        ),
    )  # fmt: skip


# -- the commands ------------------------------------------------------------------------------

#: In the order of asking: no two in a row whose answers look alike.
COMMANDS: tuple[Command, ...] = (
    ask(DIALECT, "GS", GS, 111, *_OF_THE_UNIT, *_FLOWS, condition=PI18_SINGLE),
    ask(DIALECT, "pi18-system GS", GS, 111, *_OF_THE_UNIT, condition=PI18_SYSTEM),
    ask(DIALECT, "MOD", Wording("(?P<mode>0[0-6])", mode=mode_of_number), 10,
        to("inverter_status.state_code", "mode", take=state_code)),
    *(
        ask(DIALECT, f"PGS{unit}", PGS, 118, *_unit_feeds(str(unit)),
            condition=f"pi18-unit {unit}", tells=lambda parts: int(parts["exists"]),
            shape=UNIT)
        for unit in range(MOST_UNITS)
    ),
    ask(DIALECT, "FWS", FWS, 44,
        *faults.feeds(faults.numbered(PI18_FAULTS), " ".join(PI18_FAULTS)),
        to("inverter_status.fault_code", "fault_code", take=as_number("fault_code")),
        every_s=faults.EVERY_S),
    ask(DIALECT, "PIRI", PIRI, 93, *_RATINGS),
    ask(DIALECT, "ET", energy("pv_energy_total_raw"), 16,
        to("inverter_energy.watt_hours_total", "pv_energy_total_raw", flow="pv",
           counts_up=_COUNTED), every_s=HOUR_S, shape=ENERGY),
    ask(DIALECT, "FLAG", Fields(*map(flag, FLAGS), reserved(), separator=","), 25,
        *(to(f"inverter_settings.{SWITCHES[part]}", part) for part in FLAGS)),
    ask_energy(DIALECT, "EY", "year", "{8}"),
    ask(DIALECT, "T", moment("device_time"), 22,
        to("inverter_clock.time_seconds", "device_time")),
    ask_energy(DIALECT, "EM", "month", "{8}"),
    ask(DIALECT, "VFW", _VERSIONS, 25,
        to("inverter.firmware", "main_firmware"),
        to("inverter.firmware_second", "slave1_firmware"),
        to("inverter.firmware_third", "slave2_firmware")),
    ask_energy(DIALECT, "ED", "day", "{8}"),
    ask(DIALECT, "ID", long_serial, 30, to("inverter.serial", "serial_number"),
        tells=lambda parts: str(parts["serial_number"])),
    ask(DIALECT, "PI", Wording("(?P<protocol_id>18)", protocol_id=lambda word: f"PI{word}"), 10),
    ask(DIALECT, "MCHGCR", numbers("selectable_max_charging_current", "{3}", ","), 39,
        shape=CURRENTS),
    ask(DIALECT, "MUCHGCR", numbers("selectable_max_utility_charging_current", "{3}", ","), 43,
        shape=CURRENTS),
)  # fmt: skip
