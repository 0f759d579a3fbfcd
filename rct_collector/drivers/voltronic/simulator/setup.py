"""What can be set in a simulated unit: a text in, what changes out.

As real units do, it takes voltages by their form and not by their sense, currents only as far as it
offers them, and reads the digits of a current as its model does. It says yes at once, and shows the
new value some time later.

Sources: the manufacturer's protocol papers of PI30 (2014, MAX 2021), PI41 (2019) and PI18 (2017).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rct_collector.drivers.voltronic.simulator.moment import VoltronicMoment

#: Field → new value.
Changes = Mapping[str, Any]


class Taken(NamedTuple):
    """What a unit has accepted.

    Attributes:
        unit: Number of the unit that it is about; None for the one that was asked.
        changes: What changes.
    """

    changes: Changes
    unit: int | None = None


#: Groups of a text, the unit when it comes → what changes; None of what is refused.
Take = Callable[[tuple[str, ...], VoltronicMoment], Taken | None]


def _number(name: str, scale: float = 1) -> Take:
    return lambda found, _: Taken({name: float(found[0]) / scale})


def _whole(name: str, ahead: int = 0) -> Take:
    return lambda found, _: Taken({name: int(found[0]) + ahead})


def _flag(name: str) -> Take:
    return lambda found, _: Taken({name: found[0] == "1"})


def _in_standby(take: Take) -> Take:
    return lambda found, moment: take(found, moment) if moment.mode == "S" else None


def _flags(letters: Mapping[str, str]) -> Take:
    def take(found: tuple[str, ...], moment: VoltronicMoment) -> Taken | None:
        name = letters.get(found[1])
        return Taken({name: found[0] == "E"}) if name and name in moment.flags else None

    return take


def _current(name: str, *, grid: bool, digits: int, max_reads_three: bool = False) -> Take:
    """A digit for the unit, and some for the current; or the current alone, as a MAX reads it."""

    def take(found: tuple[str, ...], moment: VoltronicMoment) -> Taken | None:
        unit, amperes = int(found[0][:-digits]), int(found[0][-digits:])
        if max_reads_three and moment.scenario.dialect == "pi30max":
            unit, amperes = 0, int(found[0])
        offered = moment.grid_currents if grid else moment.currents
        return Taken({name: amperes}, unit) if amperes in offered and not unit else None

    return take


def _charger(found: tuple[str, ...], moment: VoltronicMoment) -> Taken | None:
    code = int(found[-1])
    if moment.scenario.dialect == "pi30max" and not code:
        return None
    unit = int(found[0]) if len(found) > 1 else None
    if unit is not None and unit >= moment.scenario.units:
        return None
    return Taken({"charger_source_priority_code": code}, unit)


def _only_max(take: Take) -> Take:
    return lambda found, moment: (
        take(found, moment) if moment.scenario.dialect == "pi30max" else None
    )


def _battery(found: tuple[str, ...], moment: VoltronicMoment) -> Taken | None:
    code = int(found[0])
    most = 9 if moment.scenario.dialect == "pi30max" else 2
    return Taken({"battery_type_code": code}) if code <= most else None


_LETTERS = {
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

_PI30: Mapping[str, Take] = {
    r"POP0([0-2])": _whole("output_source_priority_code"),
    r"PCP0([0-3])": _charger,
    r"PPCP(\d)0([0-3])": _charger,
    r"P([ED])([a-z])": _flags(_LETTERS),
    r"PGR0([01])": _whole("input_voltage_range_code"),
    r"MUCHGC(\d{3})": _current(
        "max_ac_charging_current", grid=True, digits=2, max_reads_three=True
    ),
    r"MCHGC(\d{3})": _current("max_charging_current", grid=False, digits=2),
    r"MNCHGC(\d{4})": _current("max_charging_current", grid=False, digits=3),
    r"PBCV(\d\d\.\d)": _number("battery_recharge_voltage"),
    r"PBDV(\d\d\.\d)": _number("battery_redischarge_voltage"),
    r"PCVV(\d\d\.\d)": _number("battery_bulk_voltage"),
    r"PBFT(\d\d\.\d)": _number("battery_float_voltage"),
    r"PSDV(\d\d\.\d)": _number("battery_under_voltage"),
    r"POPLG0([0-2])": _only_max(_whole("operation_logic_code")),
    r"PPVOKC([01])": _whole("pv_ok_condition_code"),
    r"PSPB([01])": _whole("pv_power_balance_code"),
    r"PCVT(\d{3})": _whole("max_cv_charging_time"),
    r"PBATMAXDISC(\d{3})": _only_max(_whole("max_discharging_current")),
    r"PBEQE([01])": _only_max(_flag("equalization_enabled")),
    r"PBEQA([01])": _only_max(_flag("equalization_active")),
    r"PBEQT(\d{3})": _only_max(_whole("equalization_time_min")),
    r"PBEQP(\d{3})": _only_max(_whole("equalization_period_day")),
    r"PBEQOT(\d{3})": _only_max(_whole("equalization_over_time_min")),
    r"PBEQV(\d\d\.\d\d)": _only_max(_number("equalization_voltage")),
    r"PBT(0\d)": _battery,
    r"F([56]0)": _in_standby(_number("output_rating_frequency")),
    r"V([12]\d\d)": _in_standby(_number("output_rating_voltage")),
}


def _two(first: str, second: str) -> Take:
    """Two voltages, in tenths."""
    return lambda found, _: Taken({first: int(found[0]) / 10, second: int(found[1]) / 10})


_PI18: Mapping[str, Take] = {
    r"POP([01])": _whole("output_source_priority_code", ahead=1),
    r"PCP0,([0-2])": _whole("charger_source_priority_code", ahead=1),
    r"PSP([01])": _whole("solar_power_priority_code"),
    r"PGR([01])": _whole("input_voltage_range_code"),
    r"PBT([0-2])": _whole("battery_type_code"),
    r"PSDV(\d{3})": _number("battery_under_voltage", 10),
    r"MCHGV(\d{3}),(\d{3})": _two("battery_bulk_voltage", "battery_float_voltage"),
    r"BUCD(\d{3}),(\d{3})": _two("battery_recharge_voltage", "battery_redischarge_voltage"),
    r"MCHGC0,(\d{3})": lambda found, moment: _current("max_charging_current", grid=False, digits=3)(
        (f"0{found[0]}",), moment
    ),
    r"MUCHGC0,(\d{3})": lambda found, moment: _current(
        "max_ac_charging_current", grid=True, digits=3
    )((f"0{found[0]}",), moment),
    r"P([ED])([A-H])": _flags(
        dict(
            zip(
                "ABCDEFGH",
                (
                    "buzzer",
                    "overload_bypass",
                    "lcd_escape",
                    "overload_restart",
                    "over_temperature_restart",
                    "backlight",
                    "primary_interrupt_alarm",
                    "fault_code_record",
                ),
                strict=True,
            )
        )
    ),
    r"F([56]0)": _in_standby(_number("output_rating_frequency")),
    r"V(\d{4})": _in_standby(_number("output_rating_voltage", 10)),
}

_BY_DIALECT = {
    **dict.fromkeys(("pi30", "pi30max", "pi41"), _PI30),
    "pi18": _PI18,
}


def taken(text: str, moment: VoltronicMoment) -> Taken | None:
    """What a text changes in a unit; None of what it refuses.

    Args:
        text: What was received, without framing.
        moment: The unit when it comes.
    """
    for pattern, take in _BY_DIALECT.get(moment.scenario.dialect, {}).items():
        if found := re.fullmatch(pattern, text, re.ASCII):
            return take(found.groups(), moment)
    return None
