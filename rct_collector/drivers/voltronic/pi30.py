"""The commands of PI30 and of its near relations PI30MAX and PI41.

All of them are asked alike, and tell what they are by how much they answer: a second string, a
second phase, a longer word of warnings.

Sources: the maker's papers for HS, MS and MSX (2014), KS and MKS (2015), PIP-GK and MK, MAX (2021)
and LV5048 (PI41, 2019); lengths of answers as users of other collectors have posted them. Q1 is in
no paper.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import methodcaller
from typing import Any

from rct_collector.drivers.voltronic import faults
from rct_collector.drivers.voltronic.command import (
    CURRENTS,
    DIGITS,
    ENERGY,
    HOURS,
    UNIT,
    UNIT_MORE,
    VERSION,
    Command,
    Field,
    Fields,
    Layout,
    Parts,
    Wording,
    bits,
    code,
    command,
    decimal,
    energy,
    firmware,
    first_of,
    flag,
    integer,
    long_serial,
    moment,
    number,
    numbers,
    reserved,
    short_serial,
    system_bits,
    text,
)
from rct_collector.drivers.voltronic.conditions import (
    FAMILY,
    MORE_STRINGS,
    MOST_UNITS,
    SECOND_PHASE,
    SECOND_STRING,
    SINGLE,
    SPLIT,
    SPLIT_SYSTEM,
    SYSTEM,
    THREE_STRINGS,
    TWO_STRINGS,
)
from rct_collector.drivers.voltronic.feeds import (
    DATES,
    HOUR_S,
    RATINGS,
    Feed,
    Take,
    as_number,
    as_word,
    at_most,
    battery_watts,
    bindings,
    bit_of,
    negated,
    nonzero,
    to,
    unless_wrapped,
)
from rct_collector.drivers.voltronic.texts import MODES, mode_word, state_code

PLAIN = frozenset({"pi30", "pi30max"})
#: All but Revo, whose QPIGS and QPIRI mean other things.
ASKED = PLAIN | {"pi41"}

#: Characters of a word of warnings of the newer kind, with the digits of a fault code in it.
LONG_WARNINGS = 36

#: Commands with a date.
CLOCK = "pi30-clock"


# -- status ------------------------------------------------------------------------------------


def _status(word: Field) -> Fields:
    """QPIGS: 17 fields in 2014, 21 soon after, 24 where feeding in is prepared.

    Args:
        word: The eight status bits, which are others on a unit with two phases.
    """
    return Fields(
        decimal("grid_voltage"),
        decimal("grid_frequency"),
        decimal("output_voltage"),
        decimal("output_frequency"),
        integer("output_apparent_power"),
        integer("output_active_power"),
        integer("output_load_percent"),
        integer("bus_voltage", certain=True),
        decimal("battery_voltage", certain=True),
        integer("battery_charging_current"),
        integer("battery_capacity"),
        integer("heatsink_temperature"),
        number("pv1_current"),
        decimal("pv1_voltage"),
        decimal("scc_battery_voltage"),
        integer("battery_discharge_current"),
        word,
        optional=(
            (
                integer("fan_on_voltage_offset_10mv"),
                integer("eeprom_version"),
                integer("pv1_charging_power"),
                bits("float_charging", "switched_on", "dustproof_installed"),
            ),
            (
                flag("solar_feed_enabled"),
                text("country_code", r"\d\d"),
                integer("solar_feed_power"),
            ),
        ),
    )


STATUS_BITS = (
    "sbu_priority_added",
    "config_changed",
    "scc_firmware_updated",
    "load_on",
    "battery_steady_while_charging",
    "charging",
    "scc_charging",
    "ac_charging",
)

QPIGS = _status(bits(*STATUS_BITS))
SPLIT_QPIGS = _status(system_bits())

_SECOND_STRING = Fields(
    number("pv2_current"),
    decimal("pv2_voltage", certain=True),
    integer("pv2_charging_power"),
    extras=False,
)

_THREE_STRINGS = Fields(
    number("pv2_current"),
    decimal("pv2_voltage", certain=True),
    decimal("scc2_battery_voltage"),
    integer("pv2_power"),
    text("scc_status_bits", "[01]+"),
    number("ac_charging_current"),
    integer("ac_charging_power"),
    number("pv3_current"),
    decimal("pv3_voltage", certain=True),
    decimal("scc3_battery_voltage"),
    integer("pv3_power"),
    integer("pv_total_power"),
    extras=False,
)

_SECOND_PHASE = Fields(
    decimal("l2_grid_voltage"),
    decimal("l2_grid_frequency"),
    decimal("l2_output_voltage"),
    decimal("l2_output_frequency"),
    integer("l2_output_apparent_power"),
    integer("l2_output_active_power"),
    integer("l2_output_load_percent"),
    number("pv2_current"),
    decimal("pv2_voltage"),
    decimal("scc2_battery_voltage"),
    text("l2_status_bits", "[01]{8}", certain=True),
    extras=False,
)


_ANY_QPIGS2 = first_of(_SECOND_STRING, _THREE_STRINGS, _SECOND_PHASE)


def _about(parts: Parts) -> str:
    if "l2_output_voltage" in parts:
        return SECOND_PHASE
    return MORE_STRINGS if "pv3_voltage" in parts else SECOND_STRING


def _warnings(answer: str) -> Parts | None:
    """The places of a word of warnings, the first is 0.

    Newer firmware writes the digits of a fault code among them, at 31 to 33: where a fault is, the
    word is not made of 0 and 1 alone.
    """
    word = answer.replace(" ", "")
    if not re.fullmatch(r"[01]{31}[0-9]{1,3}[01]{0,4}", word) or not 32 <= len(word) <= 38:
        return None
    parts: Parts = {
        "bit_count": len(word),
        "active_bits": [place for place, char in enumerate(word) if char == "1"],
    }
    if len(word) == LONG_WARNINGS and (digits := word[31:34]) != "000":
        parts["fault_digits"] = digits
    return parts


# -- ratings and settings ----------------------------------------------------------------------

_RATINGS = (
    decimal("grid_rating_voltage"),
    decimal("grid_rating_current"),
    decimal("output_rating_voltage"),
    decimal("output_rating_frequency"),
    decimal("output_rating_current"),
    integer("output_rating_apparent_power"),
    integer("output_rating_active_power"),
    Field("battery_rating_voltage", r"(?:12|24|36|48)\.\d", float, certain=True),
    decimal("battery_recharge_voltage"),
    decimal("battery_under_voltage"),
    decimal("battery_bulk_voltage"),
    decimal("battery_float_voltage"),
    integer("battery_type_code"),
    integer("max_ac_charging_current"),
    integer("max_charging_current"),
    code("input_voltage_range_code"),
    code("output_source_priority_code"),
    code("charger_source_priority_code"),
    integer("parallel_max_num"),
)

#: What older firmware lacks, from the end on.
_LATER_RATINGS = (
    text("machine_type_code", r"\d\d"),
    code("topology_code"),
    code("output_mode_code"),
    decimal("battery_redischarge_voltage"),
    code("pv_ok_condition_code"),
    code("pv_power_balance_code"),
)

#: What comes last on a MAX, and on others is something else: read only if all are integers.
_LAST_RATINGS = (
    integer("max_cv_charging_time"),
    integer("operation_logic_code"),
    integer("max_discharging_current"),
)

QPIRI = first_of(
    Fields(*_RATINGS, *_LATER_RATINGS, *_LAST_RATINGS),
    Fields(*_RATINGS, *_LATER_RATINGS, *_LAST_RATINGS[:2], extras=False),
    Fields(*_RATINGS, *_LATER_RATINGS, *_LAST_RATINGS[:1], extras=False),
    Fields(*_RATINGS, optional=tuple((field,) for field in _LATER_RATINGS)),
)

#: Letter of QFLAG → part.
FLAGS = {
    "a": "buzzer",
    "b": "overload_bypass",
    "d": "solar_feed",
    "j": "power_saving",
    "k": "lcd_escape",
    "l": "data_log",
    "u": "overload_restart",
    "v": "over_temperature_restart",
    "x": "backlight",
    "y": "primary_interrupt_alarm",
    "z": "fault_code_record",
}

#: ``d`` is a flag and ``D`` begins those that are off: only where all are capitals is case nothing.
_FLAG_WORDS = tuple(
    re.compile(shape)
    for shape in (
        r"E(?P<on>[a-z]*)D(?P<off>[a-z]*)",
        r"D(?P<off>[a-z]*)E(?P<on>[a-z]*)",
        r"E(?P<on>[A-CF-Z]*)D(?P<off>[A-CF-Z]*)",
        r"D(?P<off>[A-CF-Z]*)E(?P<on>[A-CF-Z]*)",
    )
)


def _flags(answer: str) -> Parts | None:
    """Flags by letter; letters that nobody knows spoil nothing."""
    for shape in _FLAG_WORDS:
        if match := shape.fullmatch(answer):
            return {
                FLAGS[letter]: group == "on"
                for group in ("on", "off")
                for letter in match[group].lower()
                if letter in FLAGS
            }
    return None


_DEFAULTS = Fields(
    decimal("output_voltage"),
    decimal("output_frequency"),
    integer("max_ac_charging_current", certain=True),
    decimal("battery_under_voltage", certain=True),
    decimal("battery_float_voltage"),
    decimal("battery_bulk_voltage"),
    decimal("battery_recharge_voltage"),
    integer("max_charging_current"),
    code("input_voltage_range_code"),
    code("output_source_priority_code"),
    code("charger_source_priority_code"),
    code("battery_type_code"),
    flag("buzzer_silenced"),
    flag("power_saving"),
    flag("overload_restart"),
    flag("over_temperature_restart"),
    flag("backlight"),
    flag("primary_interrupt_alarm"),
    flag("fault_code_record"),
    flag("overload_bypass"),
    flag("lcd_escape"),
    code("output_mode_code"),
    decimal("battery_redischarge_voltage"),
    code("pv_ok_condition_code"),
    code("pv_power_balance_code"),
    optional=((integer("max_cv_charging_time"),),),
)


# -- systems of several units ------------------------------------------------------------------


def _mode(certain: bool = True) -> Field:
    return Field("mode", f"[{''.join(MODES)}]", mode_word, certain=certain)


QPGS = Fields(
    flag("exists"),
    text("serial_number", r"[0-9A-Z]{10,20}", certain=True),
    _mode(),
    text("fault_code", r"[0-9A-Z]{2}"),
    decimal("grid_voltage"),
    decimal("grid_frequency"),
    decimal("output_voltage"),
    decimal("output_frequency"),
    integer("output_apparent_power"),
    integer("output_active_power"),
    integer("output_load_percent"),
    decimal("battery_voltage"),
    integer("battery_charging_current"),
    integer("battery_capacity"),
    decimal("pv1_voltage"),
    integer("total_charging_current"),
    integer("total_output_apparent_power"),
    integer("total_output_active_power"),
    integer("total_output_percent"),
    system_bits(),
    code("output_mode_code"),
    code("charger_source_priority_code"),
    integer("max_charger_current"),
    integer("max_charger_range"),
    integer("max_ac_charger_current"),
    number("pv1_current"),
    integer("battery_discharge_current"),
    optional=((decimal("pv2_voltage"), number("pv2_current")),),
)

#: The second phase of one unit of a system.
_SPLIT_QP2GS = Fields(
    text("exists_raw", r"\d{1,2}"),
    text("serial_number", r"[0-9A-Z]{10,20}", certain=True),
    _mode(),
    text("fault_code", r"[0-9A-Z]{2}"),
    decimal("l2_grid_voltage"),
    decimal("l2_grid_frequency"),
    decimal("l2_output_voltage"),
    decimal("l2_output_frequency"),
    integer("l2_output_apparent_power"),
    integer("l2_output_active_power"),
    integer("l2_output_load_percent"),
    decimal("l2_battery_voltage"),
    integer("l2_battery_charging_current"),
    integer("l2_battery_capacity"),
    decimal("pv2_voltage"),
    number("pv2_current"),
    text("l2_status_bits", "[01]{8}", certain=True),
)

#: The strings of one unit of a system, where it has three.
_STRINGS_QP2GS = Fields(
    flag("exists"),
    integer("pv1_power"),
    decimal("pv2_voltage", certain=True),
    number("pv2_current"),
    integer("pv2_power"),
    decimal("pv3_voltage", certain=True),
    number("pv3_current"),
    integer("pv3_power"),
    text("scc_status_bits", "[01]{8}", certain=True),
)


def _member(parts: Parts) -> str:
    """Which unit of a system answers, and how the system is made up."""
    return f"{parts['serial_number']} {parts['output_mode_code'] or 0}"


# -- more --------------------------------------------------------------------------------------

_EQUALIZATION = Fields(
    flag("equalization_enabled"),
    integer("equalization_time_min"),
    integer("equalization_period_day"),
    integer("equalization_max_current"),
    reserved(),
    decimal("equalization_voltage", certain=True),
    reserved(),
    integer("equalization_over_time_min"),
    flag("equalization_active"),
    integer("equalization_elapsed_h"),
)

_CHARGER = Fields(
    integer("time_to_end_absorb_s"),
    integer("time_to_end_float_s"),
    Field("scc_ok", r"\d\d", lambda word: word == "01"),
    Field("allow_scc_on", r"\d\d", lambda word: word == "01"),
    integer("charge_average_current"),
    integer("scc_temperature"),
    integer("inverter_temperature"),
    integer("battery_sensor_temperature"),
    integer("transformer_temperature"),
    Field("parallel_role_code", r"\d\d", int),
    Field("fan_locked", r"\d\d", lambda word: word == "01"),
    reserved(r"\d{3}"),
    integer("fan_speed_percent"),
    integer("scc_charge_power"),
    text("parallel_warning", r"\d{4}"),
    decimal("sync_frequency", certain=True),
    text("charge_stage_code", "1[0-3]", certain=True),
)


def _short_charger(answer: str) -> Parts | None:
    """13 fields, whose names nobody knows."""
    words = answer.split(" ")
    return {"raw": words} if re.fullmatch(r"(?:\d{2,5} ){12}1[0-3]", answer) else None


QBMS = Fields(
    integer("battery_disconnected"),
    integer("battery_capacity"),
    code("force_charge", certain=True),
    code("stop_discharge", certain=True),
    code("stop_charge", certain=True),
    integer("cv_voltage_dv"),
    integer("float_voltage_dv"),
    integer("cutoff_voltage_dv"),
    integer("max_charge_current"),
    integer("max_discharge_current"),
    extras=False,
)

_HOURS = re.compile(r"(?:\d ){27}\d")


def _hours(name: str, current: str) -> Layout:
    def read(answer: str) -> Parts | None:
        if not _HOURS.fullmatch(answer.rstrip(" ")):
            return None
        codes = [int(word) for word in answer.split()]
        return {name: codes[:24], current: codes[24], "selection": codes[25:]}

    return read


_LIGHT = Fields(
    flag("led_enabled"),
    code("led_speed_code"),
    code("led_effect_code"),
    code("led_brightness_code"),
    code("led_colours"),
    text("led_rgb", r"\d{9,27}", certain=True),
)


def _serial_number(parts: Parts) -> str:
    return str(parts["serial_number"])


# -- what it feeds -----------------------------------------------------------------------------

#: How it is known that the unit only counts up.
_COUNTED = "One register for each direction, cleared by a command alone; it wraps at 100 MWh."

#: Above this, in degrees, the field is the raw count of a sensor (HS, MS and MSX of 1 to 3 kVA).
_HOTTEST = 150.0


def _is_revo(parts: Mapping[str, Any]) -> bool:
    """Whether this is a Revo's answer, which has power without apparent power.

    It says PI30, too, and means something else by two of the currents.
    """
    return parts.get("output_apparent_power") == 0 and bool(parts.get("output_active_power"))


def _unless_revo(take: Take) -> Take:
    """What is taken from a unit that speaks PI30 as others do."""
    return lambda parts: None if _is_revo(parts) else take(parts)


def _string_current(parts: Mapping[str, Any]) -> Any:
    """With a point it is that of the generator, without one that into the battery."""
    value = parts.get("pv1_current")
    return value if type(value) is float else None


def _charge_current(parts: Mapping[str, Any]) -> Any:
    value = parts.get("pv1_current")
    return value if type(value) is int and not _is_revo(parts) else None


def _estimated_watts(parts: Mapping[str, Any]) -> Any:
    """Where the unit does not tell the power of its generator."""
    amperes, volts = _charge_current(parts), parts.get("scc_battery_voltage")
    if "pv1_charging_power" in parts or amperes is None or not volts:
        return None
    return round(amperes * volts, 1)


#: What is of the unit that is asked, whether it works alone or in a system.
_OF_THE_UNIT = (
    to("inverter_grid.voltage_volts", "grid_voltage", phase="l1"),
    to("inverter_grid.frequency_hertz", "grid_frequency"),
    to("inverter_output.voltage_volts", "output_voltage", phase="l1"),
    to("inverter_output.frequency_hertz", "output_frequency"),
    to("inverter_dc_link.voltage_volts", "bus_voltage"),
    to("inverter_battery.voltage_volts", "battery_voltage", battery="0"),
    to("inverter_battery.soc_percent", "battery_capacity", battery="0"),
    to("inverter_temperature.celsius", "heatsink_temperature", sensor="heatsink",
       take=at_most("heatsink_temperature", _HOTTEST)),
    to("inverter_string.charger_volts", "scc_battery_voltage", string="a",
       take=nonzero("scc_battery_voltage")),
    to("inverter_battery.float_charging", "float_charging", battery="0"),
    to("inverter_status.switched_on", "switched_on"),
    to("inverter_status.settings_changed", "config_changed"),
    to("inverter_status.dust_filter", "dustproof_installed"),
    to("inverter_settings.fan_offset_volts", "fan_on_voltage_offset_10mv", scale=0.01),
    to("inverter_firmware.eeprom_code", "eeprom_version"),
    to("inverter_status.solar_feeding", "solar_feed_enabled"),
    to("inverter_settings.grid_country_code", "country_code", take=as_number("country_code")),
)  # fmt: skip

#: Status bits as all but those with two phases have them.
_STATUS = (
    to("inverter_status.device_word", " ".join(STATUS_BITS), take=as_word(*STATUS_BITS)),
    to("inverter_load.connected", "load_on", phase="l1"),
    to("inverter_status.charger_updated", "scc_firmware_updated"),
    to("inverter_battery.voltage_steady", "battery_steady_while_charging", battery="0"),
    to("inverter_battery.charging", "charging", battery="0"),
    to("inverter_battery.solar_charging", "scc_charging", battery="0"),
    to("inverter_battery.grid_charging", "ac_charging", battery="0"),
)

_SPLIT_STATUS = (
    to("inverter_load.connected", "load_on", phase="l1"),
    to("inverter_grid.lost", "line_loss", phase="l1"),
    to("inverter_string.charger_ok", "scc_ok", string="a"),
    to("inverter_battery.solar_charging", "scc_charging", battery="0"),
    to("inverter_battery.grid_charging", "ac_charging", battery="0"),
    to("inverter_battery.level_code", "battery_status_code", battery="0"),
)

#: What the power of the battery is computed from.
_BATTERY_PARTS = "battery_voltage battery_discharge_current battery_charging_current"

_BATTERY_FLOW = (
    to("inverter_battery.charge_amperes", "battery_charging_current", battery="0"),
    to("inverter_battery.discharge_amperes", "battery_discharge_current", battery="0",
       take=_unless_revo(methodcaller("get", "battery_discharge_current"))),
    to("inverter_power.battery_watts", _BATTERY_PARTS,
       take=_unless_revo(battery_watts(*_BATTERY_PARTS.split()))),
)  # fmt: skip

_FIRST_STRING = (
    to("inverter_string.voltage_volts", "pv1_voltage", string="a"),
    to("inverter_string.current_amperes", "pv1_current", string="a", take=_string_current),
    to("inverter_string.power_watts", "pv1_charging_power", string="a",
       take=_unless_revo(methodcaller("get", "pv1_charging_power"))),
    to("inverter_string.estimated_watts", "pv1_current scc_battery_voltage", string="a",
       take=_estimated_watts),
    to("inverter_battery.solar_charge_amperes", "pv1_current", battery="0", take=_charge_current),
    to("inverter_power.solar_feed_watts", "solar_feed_power"),
)  # fmt: skip

_LOAD = (
    to("inverter_power.load_watts", "output_active_power",
       take=unless_wrapped("output_active_power")),
    to("inverter_power.load_volt_amperes", "output_apparent_power",
       take=_unless_revo(unless_wrapped("output_apparent_power"))),
    to("inverter_power.load_ratio", "output_load_percent", scale=0.01),
)  # fmt: skip


def _phase_load(phase: str, prefix: str = "") -> tuple[Feed, ...]:
    active, apparent = f"{prefix}output_active_power", f"{prefix}output_apparent_power"
    return (
        to("inverter_load.power_watts", active, phase=phase, take=unless_wrapped(active, prefix)),
        to("inverter_load.apparent_power_volt_amperes", apparent, phase=phase,
           take=unless_wrapped(apparent, prefix)),
        to("inverter_load.load_ratio", f"{prefix}output_load_percent", phase=phase, scale=0.01),
    )  # fmt: skip


def _more_strings(*strings: tuple[str, str, str]) -> tuple[Feed, ...]:
    """Letter, number and name of the power of each string."""
    return tuple(
        feed
        for letter, number, power in strings
        for feed in (
            to("inverter_string.current_amperes", f"pv{number}_current", string=letter),
            to("inverter_string.voltage_volts", f"pv{number}_voltage", string=letter),
            to("inverter_string.power_watts", power, string=letter),
        )
    )


_THREE = (
    *_more_strings(("b", "2", "pv2_power"), ("c", "3", "pv3_power")),
    to("inverter_string.charger_volts", "scc2_battery_voltage", string="b",
       take=nonzero("scc2_battery_voltage")),
    to("inverter_string.charger_volts", "scc3_battery_voltage", string="c",
       take=nonzero("scc3_battery_voltage")),
    to("inverter_battery.grid_charge_amperes", "ac_charging_current", battery="0"),
    to("inverter_battery.grid_charge_watts", "ac_charging_power", battery="0"),
)  # fmt: skip

_PHASE_2 = (
    to("inverter_grid.voltage_volts", "l2_grid_voltage", phase="l2"),
    to("inverter_output.voltage_volts", "l2_output_voltage", phase="l2"),
    *_phase_load("l2", "l2_"),
    to("inverter_string.current_amperes", "pv2_current", string="b"),
    to("inverter_string.voltage_volts", "pv2_voltage", string="b"),
    to("inverter_string.charger_volts", "scc2_battery_voltage", string="b",
       take=nonzero("scc2_battery_voltage")),
    to("inverter_string.charger_ok", "l2_status_bits", string="b",
       take=bit_of("l2_status_bits", 7)),
    to("inverter_string.charging", "l2_status_bits", string="b", take=bit_of("l2_status_bits", 5)),
    to("inverter_grid.lost", "l2_status_bits", phase="l2", take=bit_of("l2_status_bits", 2)),
    to("inverter_load.connected", "l2_status_bits", phase="l2", take=bit_of("l2_status_bits", 1)),
)  # fmt: skip

_RATINGS_FEEDS = (
    *RATINGS,
    to("inverter_settings.output_priority_code", "output_source_priority_code"),
    to("inverter_settings.charger_priority_code", "charger_source_priority_code"),
    to("inverter_rating.machine_code", "machine_type_code", take=as_number("machine_type_code")),
    to("inverter_settings.solar_check_code", "pv_ok_condition_code"),
    to("inverter_settings.solar_limit_code", "pv_power_balance_code"),
    to("inverter_battery.absorb_setting_seconds", "max_cv_charging_time", battery="0", scale=60),
    to("inverter_settings.operation_code", "operation_logic_code"),
    to("inverter_battery.discharge_setting_amperes", "max_discharging_current", battery="0"),
)  # fmt: skip

#: Part → field of ``inverter_settings``; PI18 has most of them, too.
SWITCHES = {
    "buzzer": "buzzer_enabled",
    "overload_bypass": "overload_bypass_enabled",
    "solar_feed": "solar_feed_enabled",
    "power_saving": "power_saving_enabled",
    "lcd_escape": "display_return_enabled",
    "data_log": "data_log_enabled",
    "overload_restart": "overload_restart_enabled",
    "over_temperature_restart": "temperature_restart_enabled",
    "backlight": "backlight_enabled",
    "primary_interrupt_alarm": "source_alarm_enabled",
    "fault_code_record": "fault_record_enabled",
}

_EQUALIZATION_FEEDS = (
    to("inverter_battery.equalization_enabled", "equalization_enabled", battery="0"),
    to("inverter_battery.equalization_setting_seconds", "equalization_time_min", battery="0",
       scale=60),
    to("inverter_battery.equalization_interval_days", "equalization_period_day", battery="0"),
    to("inverter_battery.equalization_setting_amperes", "equalization_max_current", battery="0"),
    to("inverter_battery.equalization_setting_volts", "equalization_voltage", battery="0"),
    to("inverter_battery.equalization_longest_seconds", "equalization_over_time_min", battery="0",
       scale=60),
    to("inverter_battery.equalizing", "equalization_active", battery="0"),
    to("inverter_battery.equalization_elapsed_seconds", "equalization_elapsed_h", battery="0",
       scale=3600),
)  # fmt: skip

_CHARGER_FEEDS = (
    to("inverter_battery.absorb_remaining_seconds", "time_to_end_absorb_s", battery="0"),
    to("inverter_battery.float_remaining_seconds", "time_to_end_float_s", battery="0"),
    to("inverter_battery.solar_charger_ok", "scc_ok", battery="0"),
    to("inverter_battery.solar_charge_allowed", "allow_scc_on", battery="0"),
    to("inverter_battery.charge_average_amperes", "charge_average_current", battery="0"),
    *(
        to("inverter_temperature.celsius", part, sensor=sensor, take=at_most(part, _HOTTEST))
        for part, sensor in (
            ("scc_temperature", "charger"),
            ("inverter_temperature", "inverter"),
            ("battery_sensor_temperature", "battery_sensor"),
            ("transformer_temperature", "transformer"),
        )
    ),
    to("inverter_plant.role_code", "parallel_role_code"),
    to("inverter_status.fan_locked", "fan_locked"),
    to("inverter_status.fan_speed_percent", "fan_speed_percent"),
    to("inverter_plant.warning_code", "parallel_warning", take=as_number("parallel_warning")),
    to("inverter_plant.sync_hertz", "sync_frequency"),
    to("inverter_battery.charge_stage_code", "charge_stage_code", battery="0",
       take=as_number("charge_stage_code")),
)  # fmt: skip

#: What a battery management says; Revo passes it on, too.
QBMS_FEEDS = (
    to("inverter_battery.bms_connected", "battery_disconnected", battery="0",
       take=negated("battery_disconnected")),
    to("inverter_battery.bms_soc_percent", "battery_capacity", battery="0"),
    to("inverter_battery.charge_forced", "force_charge", battery="0"),
    to("inverter_battery.discharge_stopped", "stop_discharge", battery="0"),
    to("inverter_battery.charge_stopped", "stop_charge", battery="0"),
    to("inverter_battery.charge_limit_volts", "cv_voltage_dv", battery="0", scale=0.1),
    to("inverter_battery.float_limit_volts", "float_voltage_dv", battery="0", scale=0.1),
    to("inverter_battery.discharge_limit_volts", "cutoff_voltage_dv", battery="0", scale=0.1),
    to("inverter_battery.charge_limit_amperes", "max_charge_current", battery="0"),
    to("inverter_battery.discharge_limit_amperes", "max_discharge_current", battery="0"),
)  # fmt: skip


def _unit_phase(unit: str, phase: str, prefix: str = "") -> tuple[Feed, ...]:
    """What is of one phase of one unit of a system."""
    fields = {
        "grid_voltage_volts": "grid_voltage",
        "output_voltage_volts": "output_voltage",
        "load_volt_amperes": "output_apparent_power",
        "load_watts": "output_active_power",
    }
    return (
        *(
            to(f"inverter_unit_phase.{field}", prefix + part, unit=unit, phase=phase,
               take=unless_wrapped(prefix + part, prefix) if "power" in part else None)
            for field, part in fields.items()
        ),
        to("inverter_unit_phase.load_ratio", f"{prefix}output_load_percent", unit=unit, phase=phase,
           scale=0.01),
    )  # fmt: skip


def _unit_string(unit: str, string: str, number: str, power: str = "") -> tuple[Feed, ...]:
    fields = {"voltage_volts": f"pv{number}_voltage", "current_amperes": f"pv{number}_current"}
    if power:
        fields["power_watts"] = power
    return tuple(
        to(f"inverter_unit_string.{field}", part, unit=unit, string=string)
        for field, part in fields.items()
    )


def _unit_feeds(unit: str) -> tuple[Feed, ...]:
    """QPGSn: one unit of a system; the first one tells the totals, too."""
    totals = (
        to("inverter_plant.charge_amperes", "total_charging_current"),
        to("inverter_power.load_volt_amperes", "total_output_apparent_power"),
        to("inverter_power.load_watts", "total_output_active_power"),
        to("inverter_power.load_ratio", "total_output_percent", scale=0.01),
    )
    parts = {
        "grid_frequency_hertz": "grid_frequency",
        "output_frequency_hertz": "output_frequency",
        "battery_voltage_volts": "battery_voltage",
        "battery_charge_amperes": "battery_charging_current",
        "battery_discharge_amperes": "battery_discharge_current",
        "battery_code": "battery_status_code",
        "soc_percent": "battery_capacity",
        "charger_ok": "scc_ok",
        "solar_charging": "scc_charging",
        "grid_charging": "ac_charging",
        "settings_changed": "config_changed",
        "output_mode_code": "output_mode_code",
        "charger_priority_code": "charger_source_priority_code",
        "charge_setting_amperes": "max_charger_current",
        "charge_highest_amperes": "max_charger_range",
        "grid_charge_setting_amperes": "max_ac_charger_current",
    }
    return (
        *(totals if unit == "0" else ()),
        to(f"inverter.unit_{unit}_serial", "serial_number"),
        to("inverter_unit.state_code", "mode", take=state_code, unit=unit),
        to("inverter_unit.fault_code", "fault_code", take=as_number("fault_code"), unit=unit),
        *(to(f"inverter_unit.{field}", part, unit=unit) for field, part in parts.items()),
        to("inverter_unit.battery_watts", _BATTERY_PARTS, unit=unit,
           take=battery_watts(*_BATTERY_PARTS.split())),
        *_unit_phase(unit, "l1"),
        to("inverter_unit_phase.grid_lost", "line_loss", unit=unit, phase="l1"),
        to("inverter_unit_phase.load_connected", "load_on", unit=unit, phase="l1"),
        *_unit_string(unit, "a", "1"),
        *_unit_string(unit, "b", "2"),
    )  # fmt: skip


def _unit_more(unit: str) -> tuple[Feed, ...]:
    """QP2GSn: the second phase of one unit of a system, or all of its strings.

    The strings' voltages and currents of the first phase's answer are the same where both tell.
    """
    bits_of = {"grid_lost": 2, "load_connected": 1}
    return (
        *_unit_phase(unit, "l2", "l2_"),
        *(
            to(f"inverter_unit_phase.{field}", "l2_status_bits", unit=unit, phase="l2",
               take=bit_of("l2_status_bits", bit))
            for field, bit in bits_of.items()
        ),
        to("inverter_unit_string.power_watts", "pv1_power", unit=unit, string="a"),
        to("inverter_unit_string.power_watts", "pv2_power", unit=unit, string="b"),
        *_unit_string(unit, "c", "3", "pv3_power"),
    )  # fmt: skip


_MODE = (to("inverter_status.state_code", "mode", take=state_code),)


# -- the commands ------------------------------------------------------------------------------

_DIALECTS = {
    SINGLE: PLAIN,
    SYSTEM: PLAIN,
    TWO_STRINGS: PLAIN,
    THREE_STRINGS: PLAIN,
    SPLIT: frozenset({"pi41"}),
    SPLIT_SYSTEM: frozenset({"pi41"}),
}


def _asked(
    name: str,
    layout: Layout,
    reply_bytes: int,
    *feeds: Feed,
    condition: str = FAMILY,
    **more: Any,
) -> Command:
    return command(
        name,
        layout,
        reply_bytes,
        dialects=_DIALECTS.get(condition, ASKED),
        condition=condition,
        bindings=bindings(layout, feeds),
        **more,
    )


def _text(part: str, field: str) -> Feed:
    return to(f"inverter.{field}", part)


def _energy(letter: str, period: str) -> Command:
    """Energy of the generators (E) or of the load (L): of all time, a year, a month or a day."""
    flow = {"E": "pv", "L": "load"}[letter]
    date = DATES.get(period, "")
    part = f"{flow}_energy_{period}_wh"
    if date:
        feed = to(f"inverter_energy.{period}_watt_hours", part, flow=flow)
    else:
        feed = to("inverter_energy.watt_hours_total", part, flow=flow, counts_up=_COUNTED)
    return _asked(
        f"Q{letter}{'T' if not date else period[0].upper()}",
        energy(part),
        12,
        feed,
        condition=CLOCK if date else FAMILY,
        date=date,
        every_s=HOUR_S,
        shape=ENERGY,
    )


_SERIAL = _text("serial_number", "serial")

#: In the order of asking: no two in a row whose answers look alike.
COMMANDS: tuple[Command, ...] = (
    _asked("QPIGS", QPIGS, 110, *_OF_THE_UNIT, *_STATUS, *_BATTERY_FLOW, *_FIRST_STRING, *_LOAD,
           condition=SINGLE),
    _asked("system QPIGS", QPIGS, 110, *_OF_THE_UNIT, *_STATUS, condition=SYSTEM),
    _asked("pi41 QPIGS", SPLIT_QPIGS, 110, *_OF_THE_UNIT, *_SPLIT_STATUS, *_BATTERY_FLOW,
           *_FIRST_STRING, *_phase_load("l1"), condition=SPLIT),
    _asked("pi41-system QPIGS", SPLIT_QPIGS, 110, *_OF_THE_UNIT, *_SPLIT_STATUS,
           condition=SPLIT_SYSTEM),
    _asked("QPIGS2", _ANY_QPIGS2, 21, *_more_strings(("b", "2", "pv2_charging_power")),
           condition=TWO_STRINGS, tells=_about),
    _asked("3-strings QPIGS2", _ANY_QPIGS2, 71, *_THREE, condition=THREE_STRINGS),
    _asked("pi41 QPIGS2", _ANY_QPIGS2, 67, *_PHASE_2, condition=SPLIT),
    _asked("QMOD", Wording("(?P<mode>[A-Z])", mode=mode_word), 5, *_MODE),
    *(
        _asked(f"QPGS{unit}", QPGS, 135, *_unit_feeds(str(unit)), condition=f"unit {unit}",
               tells=_member, shape=UNIT)
        for unit in range(MOST_UNITS)
    ),
    *(
        _asked(f"QP2GS{unit}", first_of(_SPLIT_QP2GS, _STRINGS_QP2GS), 88, *_unit_more(str(unit)),
               condition=f"unit {unit}", shape=UNIT_MORE)
        for unit in range(MOST_UNITS)
    ),
    _asked("QPIWS", _warnings, 40, *faults.feeds(faults.positions, "active_bits"),
           to("inverter_status.fault_digits_code", "fault_digits", take=as_number("fault_digits")),
           every_s=faults.EVERY_S),
    _asked("QT", moment("device_time"), 18, to("inverter_clock.time_seconds", "device_time"),
           shape=DIGITS),
    _energy("E", "total"),
    _asked("QPIRI", QPIRI, 100, *_RATINGS_FEEDS),
    _energy("L", "total"),
    _asked("QFLAG", _flags, 16,
           *(to(f"inverter_settings.{field}", part) for part, field in SWITCHES.items())),
    _energy("E", "day"),
    _asked("QBEQI", _EQUALIZATION, 40, *_EQUALIZATION_FEEDS),
    _energy("L", "day"),
    _asked("QBMS", QBMS, 40, *QBMS_FEEDS),
    _energy("E", "month"),
    _asked("Q1", first_of(_CHARGER, _short_charger), 75, *_CHARGER_FEEDS),
    _energy("L", "month"),
    _asked("QID", short_serial, 18, _SERIAL, tells=_serial_number, shape=DIGITS),
    _asked("QVFW", firmware("main_firmware"), 18, _text("main_firmware", "firmware"),
           shape=VERSION),
    _asked("QSID", long_serial, 26, tells=_serial_number),
    _energy("E", "year"),
    _asked("VERFW:", firmware("bluetooth_firmware"), 18,
           _text("bluetooth_firmware", "firmware_bluetooth"), shape=VERSION),
    _asked("QMN", Wording(r"(?P<model_name>[0-9A-Z][0-9A-Za-z ./+]*-[0-9A-Za-z.]+)"), 13,
           _text("model_name", "model")),
    _asked("QVFW2", firmware("slave_firmware", "VERFW2: ?"), 19,
           _text("slave_firmware", "firmware_second"), shape=VERSION),
    _energy("L", "year"),
    _asked("QVFW3", firmware("panel_firmware", "VERFW3?: ?"), 18,
           _text("panel_firmware", "firmware_panel"), shape=VERSION),
    _asked("QGMN", Wording(r"(?P<general_model>\d{3})"), 7, _text("general_model", "model_number"),
           shape=CURRENTS),
    _asked("QVFW4", firmware("scc3_firmware", "VERFW4?: ?"), 18,
           _text("scc3_firmware", "firmware_third"), shape=VERSION),
    _asked("QPI", Wording("(?P<protocol_id>PI[0-9]{2})"), 8),
    _asked("QBOOT", Wording("(?P<boot_loader>[01])", boot_loader=lambda word: word == "1"), 5),
    _asked("QDI", _DEFAULTS, 85),
    _asked("QMCHGCR", numbers("selectable_max_charging_current"), 36, shape=CURRENTS),
    _asked("QMUCHGCR", numbers("selectable_max_utility_charging_current"), 36, shape=CURRENTS),
    _asked("QMSCHGCR", numbers("selectable_max_solar_charging_current"), 36, shape=CURRENTS),
    _asked("QOPM", Wording(r"(?P<output_mode_code>0[0-7])", output_mode_code=int), 6,
           shape=CURRENTS),
    _asked("QOPPT", _hours("hourly_output_priority_codes", "output_source_priority_code"), 59,
           shape=HOURS),
    _asked("QCHPT", _hours("hourly_charger_priority_codes", "charger_source_priority_code"), 59,
           shape=HOURS),
    _asked("QLED", _LIGHT, 26),
)  # fmt: skip
