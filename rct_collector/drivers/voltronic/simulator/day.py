"""Days of a house with sun, battery and a mains that fails, in steps of five minutes.

A day follows from the one before it by the charge of the battery only, so that any day is made
again from that. Powers run straight between two steps; what switches does so with a step.
All loads and sizes are invented, as they are found in such houses.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from math import pi, sin
from typing import NamedTuple

from rct_collector.drivers.chance import between, fraction, key, wave
from rct_collector.drivers.voltronic.simulator.scenario import (
    ChargerPriority,
    SourcePriority,
    VoltronicScenario,
)

DAY = 86400
_STEP = 300
_STEPS = DAY // _STEP
_STEP_HOURS = _STEP / 3600.0
_SUNRISE, _SUNSET = 6.2, 18.6
_IDLE_WATTS = 55.0
_EFFICIENCY = 0.93
#: State of charge below which the mains is used, and above which it is left again.
_BACK_TO_GRID, _BACK_TO_BATTERY = 0.35, 0.70
#: State of charge below which the output is switched off, and above which it is on again.
_CUT_OFF, _RECOVERED = 0.10, 0.18
_FIRST_CHARGE = 0.62
_MOST_CHARGE_AMPERES = 80.0
_AC_CHARGE_AMPERES = 30.0
#: Hour of day and minutes of what happens to a unit that is ill.
_FAN, _OVERLOAD, _FAULT = (11.0, 15.0), (12.5, 15.0), (13.25, 10.0)


class Powers(NamedTuple):
    """Powers of the whole system at one moment, in watts, and what is switched.

    Attributes:
        pv: All generators.
        load: All that the house draws.
        battery: Positive discharges.
        charge: State of charge, 0 … 1.
        mains: There is a mains.
        mode: Letter of QMOD.
        charges_from_mains: The mains charges.
        fan: The fan is locked.
        overload: More is drawn than the units are made for.
    """

    pv: float
    load: float
    battery: float
    charge: float
    mains: bool
    mode: str
    charges_from_mains: bool
    fan: bool
    overload: bool


class Day:
    """One day.

    Attributes:
        steps: Each step, the first one of the next day included.
        pv: Watt-hours of the generators up to each step.
        load: Watt-hours of the house up to each step.
    """

    def __init__(self, scenario: VoltronicScenario, of: int, charge: float) -> None:
        """Live through it; ``of`` is its key, ``charge`` the battery's at its beginning."""
        self.steps = list(_live(scenario, of, charge))
        self.pv = _energies([step.pv for step in self.steps])
        self.load = _energies([step.load for step in self.steps])

    def at(self, second: float) -> Powers:
        """Any moment of it."""
        index, rest = _place(second)
        first, then = self.steps[index], self.steps[index + 1]
        return first._replace(
            pv=_on_the_way(first.pv, then.pv, rest),
            load=_on_the_way(first.load, then.load, rest),
            battery=_on_the_way(first.battery, then.battery, rest),
            charge=_on_the_way(first.charge, then.charge, rest),
        )

    def until(self, second: float) -> tuple[float, float]:
        """Watt-hours of the generators and of the house from its beginning."""
        index, rest = _place(second)
        return (
            _on_the_way(self.pv[index], self.pv[index + 1], rest),
            _on_the_way(self.load[index], self.load[index + 1], rest),
        )


class VoltronicDays:
    """All days of one system, from the one on which its simulation begins."""

    def __init__(self, scenario: VoltronicScenario, seed: int, first: int) -> None:
        """Begin.

        Args:
            scenario: What the installation has.
            seed: Weather and household follow from it.
            first: Number of the first day: that of the sun's time, in days.
        """
        self._scenario, self._seed, self._first = scenario, seed, first
        self._charges = [_FIRST_CHARGE]
        self._sums = [(0.0, 0.0)]

    def at(self, sun: float) -> Powers:
        """Any moment of the sun's time, in seconds."""
        number, second = divmod(sun, DAY)
        return self._day(int(number)).at(second)

    def until(self, sun: float) -> tuple[float, float]:
        """Watt-hours of the generators and of the house from the first day's beginning on."""
        if sun < self._first * DAY:
            return 0.0, 0.0
        number, second = divmod(sun, DAY)
        day = self._day(int(number))
        before, now = self._sums[int(number) - self._first], day.until(second)
        return before[0] + now[0], before[1] + now[1]

    def _day(self, number: int) -> Day:
        index = max(number - self._first, 0)
        while len(self._charges) <= index:
            done = len(self._charges) - 1
            day = self._live(done)
            self._charges.append(day.steps[-1].charge)
            pv, load = self._sums[done]
            self._sums.append((pv + day.pv[-1], load + day.load[-1]))
        return self._live(index)

    def _live(self, index: int) -> Day:
        of = key(self._seed, "day", self._first + index)
        return _day(self._scenario, of, self._charges[index])


#: Many simulated units are alike, and most of what is asked is of the same day.
_day = lru_cache(maxsize=32)(Day)


def _live(scenario: VoltronicScenario, of: int, charge: float) -> Iterator[Powers]:
    sky, house = key(of, "sky"), key(of, "house")
    cover = between(0.1, 0.6, sky)
    capacity = scenario.units * scenario.volts * scenario.ampere_hours
    state = _State(scenario)
    for step in range(_STEPS + 1):
        hour = step * _STEP_HOURS
        sun = _sun(hour, sky, cover) * sum(scenario.peaks) * scenario.units
        load = _load(hour, house) * scenario.units * scenario.watts / 8000.0
        now = state.dispatch(hour, sun, load, charge)
        yield now
        inside = now.battery / _EFFICIENCY if now.battery > 0 else now.battery * _EFFICIENCY
        charge = min(max(charge - inside * _STEP_HOURS / capacity, 0.0), 1.0)


class _State:
    """What is switched, from step to step."""

    def __init__(self, scenario: VoltronicScenario) -> None:
        self._scenario = scenario
        self._on_mains = scenario.source is not SourcePriority.SBU
        self._off = False

    def dispatch(self, hour: float, sun: float, load: float, charge: float) -> Powers:
        """Decide what supplies what."""
        scenario = self._scenario
        ill = scenario.ill
        mains = not any(begin <= hour < end for begin, end in scenario.cuts)
        if ill and _within(hour, _OVERLOAD):
            load = 1.12 * scenario.watts * scenario.units
        self._switch(charge, mains=mains)
        mode = "L" if mains and self._on_mains else "S" if self._off else "B"
        if ill and _within(hour, _FAULT):
            mode = "F"
        load = load if mode in "LB" else 0.0
        pv, battery, charges = self._flows(mode, sun, load, charge)
        return Powers(
            pv=pv,
            load=load,
            battery=battery,
            charge=charge,
            mains=mains,
            mode=mode,
            charges_from_mains=charges,
            fan=ill and _within(hour, _FAN),
            overload=load > scenario.watts * scenario.units,
        )

    def _switch(self, charge: float, *, mains: bool) -> None:
        if self._scenario.source is SourcePriority.SBU:
            self._on_mains = charge < (_BACK_TO_BATTERY if self._on_mains else _BACK_TO_GRID)
        self._off = not mains and charge < (_RECOVERED if self._off else _CUT_OFF)

    def _flows(
        self, mode: str, sun: float, load: float, charge: float
    ) -> tuple[float, float, bool]:
        """Watts of the generators and of the battery; whether the mains charges."""
        scenario = self._scenario
        if mode == "F":
            return 0.0, 0.0, False
        most = _MOST_CHARGE_AMPERES * scenario.volts * scenario.units
        takes = most * min(1.0, (1.0 - charge) / 0.08)  # less and less when nearly full
        if mode == "B":
            needed = load / _EFFICIENCY + _IDLE_WATTS * scenario.units
            pv = min(sun, needed + takes)
            return pv, needed - pv, False
        pv = min(sun, takes + (load if mode == "L" and scenario.source else 0.0))
        into = min(pv, takes)
        by_mains = mode == "L" and scenario.charger in (
            ChargerPriority.UTILITY,
            ChargerPriority.BOTH,
        )
        extra = min(_AC_CHARGE_AMPERES * scenario.volts * scenario.units, takes - into)
        return pv, -(into + (extra if by_mains else 0.0)), by_mains and extra > 0


def _within(hour: float, event: tuple[float, float]) -> bool:
    begin, minutes = event
    return begin <= hour < begin + minutes / 60.0


def _sun(hour: float, sky: int, cover: float) -> float:
    """Share of the peak power."""
    day = (hour - _SUNRISE) / (_SUNSET - _SUNRISE)
    if not 0.0 < day < 1.0:
        return 0.0
    cloud = 0.65 * wave(sky, hour * 2.3) + 0.35 * wave(sky ^ 1, hour * 10.0)
    shade = 0.7 * min(max((cloud - cover) / 0.25, 0.0), 1.0)
    return float(0.88 * sin(pi * day) ** 1.6 * (1.0 - shade))


#: Hours at which each of these begins to draw, and its watts.
_HABITS = ((6.5, 1850.0), (7.2, 900.0), (12.6, 1500.0), (17.9, 2100.0), (19.4, 1850.0))


def _load(hour: float, house: int) -> float:
    """What the house draws, in watts."""
    load = 260.0 + 60.0 * wave(house, hour * 2.0)
    load += 110.0 * (((hour + fraction(house)) * 60.0 / 47.0) % 1.0 < 0.4)  # a refrigerator
    load += 170.0 * (18.0 < hour < 23.0)
    for number, (begin, watts) in enumerate(_HABITS):
        start = begin + between(-0.3, 0.3, house, number)
        load += watts * (start <= hour < start + between(0.08, 0.5, house, number + 10))
    return load


def _energies(watts: list[float]) -> list[float]:
    means = ((a + b) / 2.0 * _STEP_HOURS for a, b in zip(watts, watts[1:], strict=False))
    return list(accumulate(means, initial=0.0))


def _place(second: float) -> tuple[int, float]:
    index = min(int(second // _STEP), _STEPS - 1)
    return index, second / _STEP - index


def _on_the_way(first: float, then: float, rest: float) -> float:
    return first + (then - first) * rest


# -- the battery -------------------------------------------------------------------------------

#: State of charge and volts per cell of a battery of iron phosphate at rest.
_CURVE = ((0.0, 2.9), (0.1, 3.18), (0.3, 3.25), (0.7, 3.31), (0.95, 3.35), (1.0, 3.42))


def volts_at_rest(charge: float, cells: int) -> float:
    """Voltage of a battery that gives and takes nothing."""
    place = min(max(bisect_right(_CURVE, (charge, 9.0)), 1), len(_CURVE) - 1)
    (low, first), (high, then) = _CURVE[place - 1], _CURVE[place]
    return cells * _on_the_way(first, then, (charge - low) / (high - low))
