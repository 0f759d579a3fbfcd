"""The commands of PI30 and of its near relations PI30MAX and PI41.

All of them are asked alike, and tell what they are by how much they answer: a second string, a
second phase, a longer word of warnings.

Sources: the maker's papers for HS, MS and MSX (2014), KS and MKS (2015), PIP-GK and MK, MAX (2021)
and LV5048 (PI41, 2019); lengths of answers as users of other collectors have posted them. Q1 is in
no paper.
"""

from __future__ import annotations

import re
from typing import Any

from rct_collector.drivers.voltronic.command import (
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
    MOST_UNITS,
    SECOND_PHASE,
    SINGLE,
    SYSTEM,
)
from rct_collector.drivers.voltronic.conditions import SPLIT as SPLIT_PHASE
from rct_collector.drivers.voltronic.texts import MODES, mode_word

PLAIN = frozenset({"pi30", "pi30max"})
SPLIT = frozenset({"pi41"})
#: All but Revo, whose QPIGS and QPIRI mean other things.
ASKED = PLAIN | SPLIT

#: Characters of a word of warnings of the newer kind, with the digits of a fault code in it.
LONG_WARNINGS = 36

#: Commands with a date.
CLOCK = "pi30-clock"

#: An hour: energies change slowly, and take a question each.
HOUR_S = 3600.0


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


QPIGS = _status(
    bits(
        "sbu_priority_added",
        "config_changed",
        "scc_firmware_updated",
        "load_on",
        "battery_steady_while_charging",
        "charging",
        "scc_charging",
        "ac_charging",
    )
)
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


def _about(parts: Parts) -> str:
    if "l2_output_voltage" in parts:
        return SECOND_PHASE
    return "three strings" if "pv3_voltage" in parts else "second string"


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
    return f"{parts['serial_number']} {parts['output_mode_code']}"


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


def _asked(
    name: str, layout: Layout, reply_bytes: int, condition: str = FAMILY, **more: Any
) -> Command:
    dialects = (
        SPLIT if condition == SPLIT_PHASE else PLAIN if condition in (SINGLE, SYSTEM) else ASKED
    )
    return command(name, layout, reply_bytes, dialects=dialects, condition=condition, **more)


def _energy(letter: str, period: str) -> Command:
    """Energy of the generators (E) or of the load (L): of all time, a year, a month or a day."""
    flow = {"E": "pv", "L": "load"}[letter]
    date = {"total": "", "year": "%Y", "month": "%Y%m", "day": "%Y%m%d"}[period]
    name = f"Q{letter}{'T' if period == 'total' else period[0].upper()}"
    layout = energy(f"{flow}_energy_{period}_wh")
    return _asked(name, layout, 12, CLOCK if date else FAMILY, date=date, every_s=HOUR_S)


COMMANDS: tuple[Command, ...] = (
    _asked("QPIGS", QPIGS, 110, SINGLE),
    _asked("system QPIGS", QPIGS, 110, SYSTEM),
    _asked("pi41 QPIGS", SPLIT_QPIGS, 110, SPLIT_PHASE),
    _asked("QPIGS2", first_of(_SECOND_STRING, _THREE_STRINGS, _SECOND_PHASE), 21, tells=_about),
    _asked("QMOD", Wording("(?P<mode>[A-Z])", mode=mode_word), 5),
    *(
        _asked(f"QPGS{unit}", QPGS, 135, f"unit {unit}", tells=_member)
        for unit in range(MOST_UNITS)
    ),
    *(
        _asked(f"QP2GS{unit}", first_of(_SPLIT_QP2GS, _STRINGS_QP2GS), 88, f"unit {unit}")
        for unit in range(MOST_UNITS)
    ),
    _asked("QPIWS", _warnings, 40),
    _asked("QPIRI", QPIRI, 100),
    _asked("QFLAG", _flags, 16),
    _asked("QBEQI", _EQUALIZATION, 40),
    _asked("QBMS", QBMS, 40),
    _asked("Q1", first_of(_CHARGER, _short_charger), 75),
    *(
        _energy(letter, period)
        for period in ("total", "year", "month", "day")
        for letter in ("E", "L")
    ),
    _asked("QT", moment("device_time"), 18),
    _asked("QPI", Wording("(?P<protocol_id>PI[0-9]{2})"), 8),
    _asked("QID", short_serial, 18, tells=_serial_number),
    _asked("QSID", long_serial, 26, tells=_serial_number),
    _asked("QVFW", firmware("main_firmware"), 18),
    _asked("QVFW2", firmware("slave_firmware", "VERFW2: ?"), 19),
    _asked("QVFW3", firmware("panel_firmware", "VERFW3?: ?"), 18),
    _asked("QVFW4", firmware("scc3_firmware", "VERFW4?: ?"), 18),
    _asked("VERFW:", firmware("bluetooth_firmware"), 18),
    _asked("QMN", Wording(r"(?P<model_name>[0-9A-Z][0-9A-Za-z ./+]*-[0-9A-Za-z.]+)"), 13),
    _asked("QGMN", Wording(r"(?P<general_model>\d{3})"), 7),
    _asked("QBOOT", Wording("(?P<boot_loader>[01])", boot_loader=lambda word: word == "1"), 5),
    _asked("QDI", _DEFAULTS, 85),
    _asked("QMCHGCR", numbers("selectable_max_charging_current"), 36),
    _asked("QMUCHGCR", numbers("selectable_max_utility_charging_current"), 36),
    _asked("QMSCHGCR", numbers("selectable_max_solar_charging_current"), 36),
    _asked("QOPM", Wording(r"(?P<output_mode_code>0[0-7])", output_mode_code=int), 6),
    _asked("QOPPT", _hours("hourly_output_priority_codes", "output_source_priority_code"), 59),
    _asked("QCHPT", _hours("hourly_charger_priority_codes", "charger_source_priority_code"), 59),
    _asked("QLED", _LIGHT, 26),
)
