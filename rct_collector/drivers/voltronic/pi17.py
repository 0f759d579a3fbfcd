"""The commands of PI17: InfiniSolar 3P, with three phases. Read only, and tried on vectors only.

Sources: the maker's papers (2016, 2022), which differ in the number of fields; answers that users
of other collectors have posted.
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
    code,
    command,
    energy,
    firmware,
    flag,
    integer,
    long_serial,
    moment,
    scaled,
    text,
)
from rct_collector.drivers.voltronic.texts import mode_of_number

DIALECT = "pi17"
CLOCK = "pi17-clock"
HOUR_S = 3600.0

#: Phases as the device calls them.
PHASES = ("r", "s", "t")


def _tenths(name: str) -> Field:
    return scaled(name, 10)


def _signed(name: str) -> Field:
    return Field(name, r"[+-]?\d+", int)


def _phases(name: str) -> tuple[Field, ...]:
    return tuple(_tenths(f"{name}_{phase}") for phase in PHASES)


def _direction(name: str) -> Field:
    return Field(name, "[0-2]", int)


GS = Fields(
    _tenths("pv1_voltage"),
    _tenths("pv2_voltage"),
    _tenths("pv1_current"),
    _tenths("pv2_current"),
    _tenths("battery_voltage"),
    integer("battery_capacity"),
    scaled("battery_current", 10, signed=True),
    *_phases("grid_voltage"),
    scaled("grid_frequency", 100),
    *_phases("grid_current"),
    *_phases("output_voltage"),
    scaled("output_frequency", 100),
    *_phases("output_current"),
    integer("inner_temperature"),
    integer("component_max_temperature"),
    integer("battery_temperature"),
    Field("setting_changed", "[01]", lambda word: word == "1", certain=True),
    separator=",",
)

PS = Fields(
    Field("pv1_power", r"\d{3,6}", int, certain=True),
    integer("pv2_power"),
    _signed("battery_power"),
    *(_signed(f"grid_power_{phase}") for phase in (*PHASES, "total")),
    *(integer(f"output_active_power_{phase}") for phase in (*PHASES, "total")),
    *(integer(f"output_apparent_power_{phase}") for phase in (*PHASES, "total")),
    integer("output_load_percent"),
    flag("output_connected"),
    _direction("pv1_status_code"),
    _direction("pv2_status_code"),
    _direction("battery_direction_code"),
    _direction("dcac_direction_code"),
    _direction("line_direction_code"),
    separator=",",
)

MD = Fields(
    text("machine_number", r"\d{3}", certain=True),
    integer("output_rating_apparent_power"),
    integer("output_power_factor"),
    integer("input_phases"),
    integer("output_phases"),
    _tenths("output_rating_voltage"),
    _tenths("grid_rating_voltage"),
    integer("battery_pieces"),
    _tenths("battery_unit_voltage"),
    separator=",",
)

PIRI = Fields(
    _tenths("grid_rating_voltage"),
    _tenths("grid_rating_frequency"),
    _tenths("grid_rating_current"),
    _tenths("output_rating_voltage"),
    _tenths("output_rating_current"),
    _tenths("mppt_rating_current"),
    _tenths("battery_rating_voltage"),
    integer("mppt_strings"),
    text("machine_type_code", r"\d\d", certain=True),
    code("topology_code"),
    code("output_parallel_code"),
    separator=",",
)

#: What FLAG says of, as far as papers agree. More than 21 are taken for warnings.
FLAGS = (
    "buzzer_silenced",
    "buzzer_silenced_standby",
    "buzzer_silenced_battery",
    "generator_input",
    "wide_input_range",
    "ng_relay",
)


def _warnings(answer: str) -> Parts | None:
    """The places of warnings, the first is 0; some units end the list with a comma."""
    words = answer.removesuffix(",").split(",")
    if not 22 <= len(words) <= 26 or any(word not in ("0", "1", "") for word in words):
        return None
    return {
        "bit_count": len(words),
        "active_bits": [place for place, word in enumerate(words) if word == "1"],
    }


def _flags(answer: str) -> Parts | None:
    if not re.fullmatch("[01](?:,[01]){3,20}", answer):
        return None
    words = answer.split(",")
    parts: Parts = {name: word == "1" for name, word in zip(FLAGS, words, strict=False)}
    return {**parts, "extra_fields": words[len(FLAGS) :]} if len(words) > len(FLAGS) else parts


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
    more = {"date": date, "summed": True} if date else {}
    return _ask(name, energy(part, "{6,8}"), 16, CLOCK if date else DIALECT, every_s=HOUR_S, **more)


COMMANDS: tuple[Command, ...] = (
    _ask("GS", GS, 116),
    _ask("PS", PS, 112),
    _ask("MOD", Wording("(?P<mode>0[0-6])", mode=mode_of_number), 10),
    _ask("WS", _warnings, 52),
    _ask("PIRI", PIRI, 50),
    _energy("ET", "pv_energy_total_kwh"),
    _ask("FLAG", _flags, 17),
    _energy("EY", "pv_energy_year_wh", "%Y"),
    _ask("T", moment("device_time"), 22),
    _energy("EM", "pv_energy_month_wh", "%Y%m"),
    _ask("MD", MD, 42),
    _energy("ED", "pv_energy_day_wh", "%Y%m%d"),
    _ask("ID", long_serial, 30, tells=lambda parts: str(parts["serial_number"])),
    _ask("VFW", firmware("main_firmware"), 22),
    _ask("VFW2", firmware("slave_firmware", "VERFW2: ?"), 23),
    _ask("PI", Wording("(?P<protocol_id>17)", protocol_id=lambda word: f"PI{word}"), 10),
)
