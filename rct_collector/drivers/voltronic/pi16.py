"""The commands of PI16, also called P15: grid-tied units (SUNNY). Read only, tried on vectors only.

Sources: a paper of the community (2015); answers that users of other collectors have posted. What
a unit has not, it fills with dashes.
"""

from __future__ import annotations

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
    decimal,
    energy,
    firmware,
    integer,
    moment,
    short_serial,
    text,
)
from rct_collector.drivers.voltronic.texts import mode_word

DIALECT = "pi16"
CLOCK = "pi16-clock"
HOUR_S = 3600.0

_QPIGS = Fields(
    decimal("grid_voltage"),
    Field("", r"\d{6}", lambda word: _grid_power(word), certain=True),
    decimal("grid_frequency"),
    decimal("grid_current"),
    decimal("output_voltage"),
    integer("output_active_power"),
    decimal("output_frequency"),
    decimal("output_current"),
    integer("output_load_percent"),
    decimal("pbus_voltage"),
    decimal("sbus_voltage"),
    decimal("battery_voltage"),
    decimal("battery_negative_voltage"),
    integer("battery_capacity"),
    integer("pv1_power"),
    integer("pv2_power"),
    integer("pv3_power"),
    decimal("pv1_voltage"),
    decimal("pv2_voltage"),
    decimal("pv3_voltage"),
    decimal("max_temperature"),
    text("status_raw", r"[A-Z][A-Z0-9-]{9}", certain=True),
)


def _grid_power(word: str) -> Parts:
    """Its first digit seems to be a direction, which no paper explains: then it is kept raw."""
    return {"grid_power_w": int(word)} if word[0] == "0" else {"grid_power_raw": word}


_QPIRI = Fields(
    decimal("grid_rating_voltage"),
    decimal("grid_rating_frequency"),
    decimal("grid_rating_current"),
    decimal("output_rating_voltage"),
    decimal("output_rating_current"),
    decimal("mppt_rating_current"),
    decimal("battery_rating_voltage", certain=True),
    integer("mppt_strings"),
    text("machine_type_code", r"\d\d", certain=True),
    code("topology_code"),
)

_BATTERY = Fields(
    text("battery_raw", r"\d+"),
    integer("batteries"),
    integer("battery_capacity_ah"),
    text("battery_raw_2", r"\d+"),
    integer("battery_remaining_min"),
    extras=False,
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


def _energy(name: str, part: str, date: str) -> Command:
    return _ask(name, energy(part, "{6,8}"), 12, CLOCK, date=date, summed=True, every_s=HOUR_S)


COMMANDS: tuple[Command, ...] = (
    _ask("QPIGS", _QPIGS, 135),
    _ask("QMOD", Wording("(?P<mode>[A-Z])", mode=mode_word), 5),
    _ask("QPIRI", _QPIRI, 55),
    _energy("QED", "pv_energy_day_wh", "%Y%m%d"),
    _ask("QPIBI", _BATTERY, 25),
    _energy("QEM", "pv_energy_month_wh", "%Y%m"),
    _ask("QT", moment("device_time"), 18),
    _energy("QEY", "pv_energy_year_wh", "%Y"),
    _ask("QID", short_serial, 18,
         tells=lambda parts: str(parts["serial_number"])),
    _ask("QVFW", firmware("main_firmware"), 18),
    _ask("QVFW2", firmware("slave_firmware", "VERFW2: ?"), 19),
    _ask("QPI", Wording("(?P<protocol_id>PI16)"), 8),
)  # fmt: skip
