"""The commands of PI18: InfiniSolar V, LVX, SV and others of their kind.

Fields are integers between commas, in tenths of volts, amperes and hertz, and stand in another
order than those of PI30.

Sources: the maker's paper (2017); answers of real units, which have a field more in PIRI and FWS
than it says. It gives the energy of all time in kWh, which no unit can mean: 802946 on one of
5.6 kW are Wh.
"""

from __future__ import annotations

from typing import Any

from rct_collector.drivers.voltronic.command import (
    Command,
    Field,
    Fields,
    Layout,
    Wording,
    code,
    command,
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
from rct_collector.drivers.voltronic.conditions import MOST_UNITS
from rct_collector.drivers.voltronic.texts import mode_of_number

DIALECT = "pi18"
CLOCK = "pi18-clock"
HOUR_S = 3600.0


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

#: Warnings of FWS, behind the fault code.
WARNINGS = (
    "line_fail",
    "output_short",
    "over_temperature",
    "fan_locked",
    "battery_voltage_high",
    "battery_low",
    "battery_under",
    "overload",
    "eeprom_fault",
    "power_limit",
    "pv1_voltage_high",
    "pv2_voltage_high",
    "mppt1_overload",
    "mppt2_overload",
    "battery_too_low_scc1",
    "battery_too_low_scc2",
)

FWS = Fields(text("fault_code", r"\d\d", certain=True), *map(flag, WARNINGS), separator=",")

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


def _ask(
    name: str, layout: Layout, reply_bytes: int, condition: str = DIALECT, **more: Any
) -> Command:
    return command(
        f"{DIALECT} {name}",
        layout,
        reply_bytes,
        dialects=frozenset({DIALECT}),
        condition=condition,
        **more,
    )


def _energy(name: str, part: str, date: str = "") -> Command:
    return _ask(name, energy(part), 16, CLOCK if date else DIALECT, date=date, every_s=HOUR_S)


COMMANDS: tuple[Command, ...] = (
    _ask("GS", GS, 111),
    _ask("MOD", Wording("(?P<mode>0[0-6])", mode=mode_of_number), 10),
    _ask("FWS", FWS, 44),
    _ask("PIRI", PIRI, 93),
    _energy("ET", "pv_energy_total_raw"),
    _ask("FLAG", Fields(*map(flag, FLAGS), reserved(), separator=","), 25),
    _energy("EY", "pv_energy_year_wh", "%Y"),
    _ask("T", moment("device_time"), 22),
    _energy("EM", "pv_energy_month_wh", "%Y%m"),
    _ask("VFW", Fields(
        text("main_firmware", r"\d{5}", certain=True),
        text("slave1_firmware", r"\d{5}"),
        text("slave2_firmware", r"\d{5}"),
        separator=",",
    ), 25),
    _energy("ED", "pv_energy_day_wh", "%Y%m%d"),
    _ask("ID", long_serial, 30, tells=lambda parts: str(parts["serial_number"])),
    _ask("PI", Wording("(?P<protocol_id>18)", protocol_id=lambda word: f"PI{word}"), 10),
    *(_ask(f"PGS{unit}", PGS, 118) for unit in range(MOST_UNITS)),
    _ask("MCHGCR", numbers("selectable_max_charging_current", "{3}", ","), 39),
    _ask("MUCHGCR", numbers("selectable_max_utility_charging_current", "{3}", ","), 43),
)  # fmt: skip
