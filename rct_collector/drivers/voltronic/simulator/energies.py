"""Answers that are energies: of all time, of a year, a month or a day of the unit's clock."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

from rct_collector.drivers.voltronic.simulator.answer import Maker, Saying, Written
from rct_collector.drivers.voltronic.simulator.moment import VoltronicMoment

#: Number with a fixed count of digits, as text → the answer around it.
Wrap = Callable[[Written], Saying]

#: Energies wrap round at a hundred megawatt-hours.
_ROUND = 10**8


class EnergyStep(NamedTuple):
    """In which steps an energy is counted.

    Attributes:
        part: What it is called.
        watt_hours: Size of a step.
        unit: What the number counts, in watt-hours.
    """

    part: str
    watt_hours: int = 1
    unit: int = 1


def total(which: int, step: EnergyStep, wrap: Wrap) -> Maker:
    """Energy of all time, of the generators (0) or the loads (1)."""
    return lambda moment: wrap(_part(moment.total_energy[which], step))


def dated(which: int, step: EnergyStep, wrap: Wrap, digits: str) -> Maker | None:
    """Energy of a year, a month or a day, by its 4, 6 or 8 digits; None of no such."""
    days = days_of(digits)
    if days is None:
        return None

    def make(moment: VoltronicMoment) -> Saying:
        return wrap(_part(moment.energy(*days)[which], step))

    return make


def _part(energy: float, step: EnergyStep) -> Written:
    counted = int(energy // step.watt_hours * step.watt_hours) // step.unit % _ROUND
    return Written(f"{counted:08d}", {step.part: counted})


def days_of(digits: str) -> tuple[date, date] | None:
    """First and last day of a year, a month or a day; None of no such."""
    if not re.fullmatch(r"\d{4}(?:\d\d){0,2}", digits):
        return None
    year, month, day = int(digits[:4]), digits[4:6], digits[6:]
    try:
        if day:
            return date(year, int(month), int(day)), date(year, int(month), int(day))
        if month:
            last = calendar.monthrange(year, int(month))[1]
            return date(year, int(month), 1), date(year, int(month), last)
        return date(year, 1, 1), date(year, 12, 31)
    except ValueError:
        return None
