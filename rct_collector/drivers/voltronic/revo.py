"""The commands of Sorotec's Revo, which calls itself PI30. Read only, and tried on vectors only.

Its QPIGS has the fields of PI30, but three of them mean something else: current of the generator is
their power, the discharge current is the energy of the day, and there is no apparent power.

Sources: Sorotec's paper (V02, 2020); answers that users of other collectors have posted.
"""

from __future__ import annotations

from typing import Any

from rct_collector.drivers.voltronic.command import (
    Command,
    Field,
    Fields,
    Layout,
    Wording,
    bits,
    command,
    decimal,
    integer,
    number,
    reserved,
    short_serial,
    text,
)
from rct_collector.drivers.voltronic.pi30 import QBMS
from rct_collector.drivers.voltronic.texts import MODES, mode_word

DIALECT = "pi30revo"

_QPIGS = Fields(
    decimal("grid_voltage"),
    decimal("grid_frequency"),
    decimal("output_voltage"),
    decimal("output_frequency"),
    reserved(r"\d+"),
    integer("output_active_power"),
    integer("output_load_percent"),
    integer("bus_voltage", certain=True),
    decimal("battery_voltage", certain=True),
    integer("battery_charging_current"),
    integer("battery_capacity"),
    integer("heatsink_temperature"),
    number("pv1_power"),
    decimal("pv1_voltage"),
    decimal("scc_battery_voltage"),
    integer("pv_energy_day_wh"),
    bits(
        "sbu_priority_added",
        "config_changed",
        "scc_firmware_updated",
        "load_on",
        "battery_steady_while_charging",
        "charging",
        "scc_charging",
        "ac_charging",
    ),
    optional=(
        (
            reserved(r"\d+"),
            reserved(r"\d+"),
            reserved(r"\d+"),
            bits("float_charging", "switched_on", ""),
        ),
    ),
)

_QALL = Fields(
    number("grid_voltage"),
    decimal("grid_frequency"),
    number("output_voltage"),
    decimal("output_frequency"),
    integer("output_active_power"),
    integer("output_load_percent"),
    decimal("battery_voltage"),
    integer("battery_capacity"),
    integer("battery_charging_current"),
    integer("battery_discharge_current"),
    number("pv1_voltage"),
    decimal("pv1_current"),
    integer("pv1_power"),
    integer("pv_energy_day_wh"),
    integer("pv_energy_total_kwh"),
    Field("mode", f"[{''.join(MODES)}]", mode_word, certain=True),
    text("warning_code", r"\d\d"),
    text("fault_code", r"\d\d"),
    extras=False,
)

_QPIRI = Fields(
    decimal("grid_rating_voltage"),
    decimal("grid_rating_current"),
    decimal("output_rating_voltage"),
    decimal("output_rating_frequency"),
    decimal("output_rating_current"),
    integer("output_rating_apparent_power"),
    integer("output_rating_active_power"),
    Field("battery_rating_voltage", r"(?:12|24|36|48)\.\d", float, certain=True),
    decimal("battery_alarm_voltage"),
    decimal("battery_under_voltage"),
    decimal("battery_bulk_voltage"),
    decimal("battery_float_voltage"),
    integer("battery_type_code"),
    integer("max_charging_current"),
)

_QLITH0 = Fields(
    decimal("voltage"),
    decimal("charge_current", certain=True),
    decimal("discharge_current"),
    integer("temperature"),
    integer("soc"),
    integer("soh"),
    decimal("max_charge_current"),
    decimal("max_discharge_current"),
    decimal("max_charge_voltage"),
    decimal("min_discharge_voltage", certain=True),
    integer("fault_code"),
    integer("warning_code"),
)

_PQSE = Fields(
    text("settings_raw", r"\d{6}", certain=True),
    decimal("battery_bulk_voltage"),
    decimal("battery_float_voltage"),
    decimal("battery_alarm_voltage"),
    decimal("battery_under_voltage"),
    integer("max_charging_current"),
    integer("max_ac_charging_current"),
    text("year", r"\d{4}"),
    text("month", r"\d\d"),
    text("day", r"\d\d"),
    text("hour", r"\d\d"),
    text("minute", r"\d\d"),
)


def _ask(name: str, layout: Layout, reply_bytes: int, **more: Any) -> Command:
    return command(
        f"{DIALECT} {name}",
        layout,
        reply_bytes,
        dialects=frozenset({DIALECT}),
        condition=DIALECT,
        **more,
    )


COMMANDS: tuple[Command, ...] = (
    _ask("QPIGS", _QPIGS, 110),
    _ask("QALL", _QALL, 82),
    _ask("QMOD", Wording("(?P<mode>[A-Z])", mode=mode_word), 5),
    _ask("QPIRI", _QPIRI, 100),
    _ask("QLITH0", _QLITH0, 65),
    _ask("QBMS", QBMS, 40),
    _ask("PQSE", _PQSE, 62),
    _ask("QID", short_serial, 18,
         tells=lambda parts: str(parts["serial_number"])),
    _ask("QPI", Wording("(?P<protocol_id>PI30)"), 8),
)  # fmt: skip
