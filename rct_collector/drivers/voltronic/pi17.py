"""The commands of PI17: InfiniSolar 3P, with three phases. Read only, and tried on vectors only.

Sources: the maker's papers (2016, 2022), which differ in the number of fields; answers that users
of other collectors have posted.
"""

from __future__ import annotations

import re
from typing import Any

from rct_collector.drivers.voltronic import faults
from rct_collector.drivers.voltronic.command import (
    ENERGY,
    VERSION,
    Command,
    Field,
    Fields,
    Parts,
    Wording,
    code,
    energy,
    firmware,
    flag,
    integer,
    long_serial,
    moment,
    scaled,
    text,
)
from rct_collector.drivers.voltronic.feeds import (
    BATTERY_WAYS,
    GRID_WAYS,
    HOUR_S,
    Feed,
    as_number,
    ask,
    ask_energy,
    directed,
    negated,
    nonzero,
    to,
)
from rct_collector.drivers.voltronic.texts import mode_of_number, state_code

DIALECT = "pi17"

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


# -- what it feeds -----------------------------------------------------------------------------

#: How it is known that the unit only counts up.
_COUNTED = "One register that a command alone clears; the paper calls it the energy of all time."

#: Faults are numbered from here on, by their places.
_FIRST_FAULT = 72

_LETTERS = dict(zip(PHASES, ("l1", "l2", "l3"), strict=True))


def _by_phase(metric: str, part: str, **more: Any) -> tuple[Feed, ...]:
    return tuple(
        to(metric, f"{part}_{letter}", phase=phase, **more) for letter, phase in _LETTERS.items()
    )


_GS_FEEDS = (
    to("inverter_string.voltage_volts", "pv1_voltage", string="a"),
    to("inverter_string.voltage_volts", "pv2_voltage", string="b"),
    to("inverter_string.current_amperes", "pv1_current", string="a"),
    to("inverter_string.current_amperes", "pv2_current", string="b"),
    to("inverter_battery.voltage_volts", "battery_voltage", battery="0"),
    to("inverter_battery.soc_percent", "battery_capacity", battery="0"),
    to("inverter_battery.current_amperes", "battery_current", battery="0"),
    *_by_phase("inverter_grid.voltage_volts", "grid_voltage"),
    to("inverter_grid.frequency_hertz", "grid_frequency"),
    *_by_phase("inverter_grid.current_amperes", "grid_current"),
    *_by_phase("inverter_output.voltage_volts", "output_voltage"),
    to("inverter_output.frequency_hertz", "output_frequency"),
    *_by_phase("inverter_load.current_amperes", "output_current"),
    to("inverter_temperature.celsius", "inner_temperature", sensor="inner"),
    to("inverter_temperature.celsius", "component_max_temperature", sensor="hottest"),
    to("inverter_battery.temperature_celsius", "battery_temperature", battery="0",
       take=nonzero("battery_temperature")),
    to("inverter_status.settings_changed", "setting_changed"),
)  # fmt: skip

_GRID = "line_direction_code"

_PS_FEEDS = (
    to("inverter_string.power_watts", "pv1_power", string="a"),
    to("inverter_string.power_watts", "pv2_power", string="b"),
    to("inverter_power.battery_watts", "battery_power battery_direction_code",
       take=directed("battery_power", "battery_direction_code", BATTERY_WAYS)),
    *(
        to("inverter_grid.power_watts", f"grid_power_{letter} {_GRID}", phase=phase,
           take=directed(f"grid_power_{letter}", _GRID, GRID_WAYS))
        for letter, phase in _LETTERS.items()
    ),
    to("inverter_power.grid_watts", f"grid_power_total {_GRID}",
       take=directed("grid_power_total", _GRID, GRID_WAYS)),
    *_by_phase("inverter_load.power_watts", "output_active_power"),
    to("inverter_power.load_watts", "output_active_power_total"),
    *_by_phase("inverter_load.apparent_power_volt_amperes", "output_apparent_power"),
    to("inverter_power.load_volt_amperes", "output_apparent_power_total"),
    to("inverter_power.load_ratio", "output_load_percent", scale=0.01),
    to("inverter_load.connected", "output_connected", phase="l1"),
    to("inverter_string.charging", "pv1_status_code", string="a"),
    to("inverter_string.charging", "pv2_status_code", string="b"),
    to("inverter_battery.direction_code", "battery_direction_code", battery="0"),
    to("inverter_status.converter_code", "dcac_direction_code"),
    to("inverter_status.grid_code", "line_direction_code"),
)  # fmt: skip

_PIRI_FEEDS = (
    to("inverter_rating.grid_hertz", "grid_rating_frequency"),
    to("inverter_rating.grid_amperes", "grid_rating_current"),
    to("inverter_rating.output_amperes", "output_rating_current"),
    to("inverter_rating.string_amperes", "mppt_rating_current"),
    to("inverter_rating.battery_volts", "battery_rating_voltage"),
    to("inverter_rating.strings", "mppt_strings"),
    to("inverter_rating.machine_code", "machine_type_code", take=as_number("machine_type_code")),
    to("inverter_rating.topology_code", "topology_code"),
    to("inverter_settings.output_mode_code", "output_parallel_code"),
)

_MD_FEEDS = (
    to("inverter.model_number", "machine_number"),
    to("inverter_rating.output_volt_amperes", "output_rating_apparent_power"),
    to("inverter_rating.output_power_factor_ratio", "output_power_factor", scale=0.01),
    to("inverter_rating.grid_phases", "input_phases"),
    to("inverter_rating.output_phases", "output_phases"),
    to("inverter_rating.output_volts", "output_rating_voltage"),
    to("inverter_rating.grid_volts", "grid_rating_voltage"),
    to("inverter_rating.battery_units", "battery_pieces"),
    to("inverter_rating.battery_unit_volts", "battery_unit_voltage"),
)

_FLAG_FEEDS = (
    to("inverter_settings.buzzer_enabled", "buzzer_silenced", take=negated("buzzer_silenced")),
    to("inverter_settings.standby_buzzer_enabled", "buzzer_silenced_standby",
       take=negated("buzzer_silenced_standby")),
    to("inverter_settings.battery_buzzer_enabled", "buzzer_silenced_battery",
       take=negated("buzzer_silenced_battery")),
    to("inverter_settings.generator_input_enabled", "generator_input"),
    to("inverter_settings.wide_range_enabled", "wide_input_range"),
    to("inverter_settings.neutral_relay_enabled", "ng_relay"),
)  # fmt: skip


# -- the commands ------------------------------------------------------------------------------

#: In the order of asking: no two in a row whose answers look alike.
COMMANDS: tuple[Command, ...] = (
    ask(DIALECT, "GS", GS, 116, *_GS_FEEDS),
    ask(DIALECT, "PS", PS, 112, *_PS_FEEDS),
    ask(DIALECT, "MOD", Wording("(?P<mode>0[0-6])", mode=mode_of_number), 10,
        to("inverter_status.state_code", "mode", take=state_code)),
    ask(DIALECT, "WS", _warnings, 52,
        *faults.feeds(faults.from_place(_FIRST_FAULT), "active_bits"), every_s=faults.EVERY_S),
    ask(DIALECT, "PIRI", PIRI, 50, *_PIRI_FEEDS),
    ask(DIALECT, "ET", energy("pv_energy_total_kwh", "{6,8}"), 16,
        to("inverter_energy.watt_hours_total", "pv_energy_total_kwh", flow="pv", scale=1000,
           counts_up=_COUNTED), every_s=HOUR_S, shape=ENERGY),
    ask(DIALECT, "FLAG", _flags, 17, *_FLAG_FEEDS),
    ask_energy(DIALECT, "EY", "year"),
    ask(DIALECT, "T", moment("device_time"), 22,
        to("inverter_clock.time_seconds", "device_time")),
    ask_energy(DIALECT, "EM", "month"),
    ask(DIALECT, "MD", MD, 42, *_MD_FEEDS),
    ask_energy(DIALECT, "ED", "day"),
    ask(DIALECT, "ID", long_serial, 30, to("inverter.serial", "serial_number"),
        tells=lambda parts: str(parts["serial_number"])),
    ask(DIALECT, "VFW", firmware("main_firmware"), 22, to("inverter.firmware", "main_firmware"),
        shape=VERSION),
    ask(DIALECT, "VFW2", firmware("slave_firmware", "VERFW2: ?"), 23,
        to("inverter.firmware_second", "slave_firmware"), shape=VERSION),
    ask(DIALECT, "PI", Wording("(?P<protocol_id>17)", protocol_id=lambda word: f"PI{word}"), 10),
)  # fmt: skip
