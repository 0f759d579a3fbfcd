"""A sunny day of a house with solar generators and a battery, as a function of time.

Days are counted from three in the afternoon to three in the afternoon, sun's time, when the
battery is full whatever happened before. So one day does not depend on the one before it, and
six kinds of day, told apart by their clouds and their household, make up all the past and the
future: the power at any time, and the energy up to any time, is a look into a table. Reading
after a year costs what reading after a second costs, and nothing can drift apart.

Powers are laid down minute by minute and run straight between, so that they balance not only
on the minute; energies are the exact integral of that. It is always June.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate, pairwise
from math import pi, sin
from operator import add, sub
from typing import NamedTuple

from rct_collector.drivers.chance import between, fraction, key, waves
from rct_collector.drivers.rct.simulator.dispatch import Sizes, Split, dispatch
from rct_collector.drivers.rct.simulator.household import Household, Phases

FIRST_HOUR = 15.0
KINDS = 6
_MINUTES = 24 * 60
#: Hour of day of each minute, the first one of the next day included.
_HOURS = tuple((FIRST_HOUR + minute / 60.0) % 24.0 for minute in range(_MINUTES + 1))
_SUNRISE, _SUNSET = 5.3, 21.0
#: Above 1 moves a generator's peak to the afternoon, below 1 to the morning.
_FACING = (0.93, 1.12)
_EXTERNAL_WATTS = 380.0


class Flows(NamedTuple):
    """Powers of one moment, in watts, and the state of charge.

    Attributes:
        pv_a: Generator A.
        pv_b: Generator B.
        battery: All batteries; positive discharges.
        output: AC side of the inverter.
        load_1: Household on phase L1, what the external generator covers not included.
        load_2: Household on phase L2.
        load_3: Household on phase L3.
        external: External generator behind the S0 meter.
        amperes: Current of all batteries, reckoned with one module's nominal voltage.
        soc: State of charge, 0 … 1.
    """

    pv_a: float
    pv_b: float
    battery: float
    output: float
    load_1: float
    load_2: float
    load_3: float
    external: float
    amperes: float
    soc: float

    @property
    def pv(self) -> float:
        """Both generators."""
        return self.pv_a + self.pv_b

    @property
    def load(self) -> float:
        """Household, all phases."""
        return self.load_1 + self.load_2 + self.load_3

    @property
    def grid(self) -> float:
        """Grid connection; positive draws from the grid."""
        return self.load - self.output

    @property
    def losses(self) -> float:
        """What the inverter turns into heat."""
        return self.pv + self.battery - self.output


class Energies(NamedTuple):
    """Energies since commissioning, in watt-hours; charges in ampere-hours.

    All grow but the output, which falls while more goes into the inverter than comes out.
    """

    pv_a: float
    pv_b: float
    output: float
    load: float
    grid_import: float
    grid_export: float
    charge: float
    discharge: float
    external: float
    ampere_hours_in: float
    ampere_hours_out: float

    def since(self, earlier: Energies) -> Energies:
        """What has flowed between two moments."""
        return Energies(*map(sub, self, earlier))


_NOTHING = Energies(*(0.0,) * len(Energies._fields))


class DayKind:
    """One kind of day, minute by minute.

    Attributes:
        nodes: Powers on each minute, the first one of the next day included.
        sums: Energies from the beginning of the day up to each minute.
    """

    def __init__(self, sizes: Sizes, of: int) -> None:
        """Live through the day; ``of`` is its key."""
        self.nodes = list(_live(sizes, of))
        energies = (_energy(first, last, 1.0) for first, last in pairwise(self.nodes))
        self.sums = list(accumulate(energies, _plus, initial=_NOTHING))

    def at(self, minute: float) -> Flows:
        """Powers at a minute and fraction."""
        index = int(minute)
        return _between(self.nodes[index], self.nodes[index + 1], minute - index)

    def until(self, minute: float) -> Energies:
        """Energies from the beginning of the day."""
        index = int(minute)
        first, last, rest = self.nodes[index], self.nodes[index + 1], minute - index
        return _plus(self.sums[index], _energy(first, _between(first, last, rest), rest))


class Days:
    """All days of one unit."""

    def __init__(self, sizes: Sizes, seed: int, commissioned: float) -> None:
        """Lay them down.

        Args:
            sizes: How large everything is.
            seed: Clouds and households follow from it.
            commissioned: Sun's time, in seconds, from which energies count.
        """
        self.sizes = sizes
        self._seed = seed
        self._order = key(seed, "order of days")
        self._first = _split(commissioned)[0]
        self._before = [_NOTHING]
        self._last: tuple[int, DayKind] | None = None

    def flows(self, sun: float) -> Flows:
        """Powers at one moment of the sun's time."""
        number, minute = _split(sun)
        return self._kind(number).at(minute)

    def energies(self, sun: float) -> Energies:
        """Energies from commissioning up to one moment of the sun's time."""
        number, minute = _split(sun)
        index = number - self._first
        if index < 0:
            return _NOTHING
        before = self._before
        while len(before) <= index:
            whole = self._kind(self._first + len(before) - 1).sums[-1]
            before.append(_plus(before[-1], whole))
        return _plus(before[index], self._kind(number).until(minute))

    def _kind(self, number: int) -> DayKind:
        if self._last is None or self._last[0] != number:
            which = int(KINDS * fraction(self._order, number))
            self._last = number, _kind(self.sizes, self._seed, which)
        return self._last[1]


def number_of_day(sun: float) -> int:
    """Number of the day that a moment of the sun's time belongs to."""
    return _split(sun)[0]


def _split(sun: float) -> tuple[int, float]:
    """Number of the day, and its minute, 0 … 1440 (1440 excluded)."""
    number, seconds = divmod(sun - FIRST_HOUR * 3600.0, 86400.0)
    return int(number), min(seconds / 60.0, _MINUTES - 1e-9)


@lru_cache(maxsize=32 * KINDS)
def _kind(sizes: Sizes, seed: int, which: int) -> DayKind:
    """One of the kinds of day, laid down when it is asked for first.

    Many a unit is made for its name alone. Kept, since many simulated units are alike.
    """
    return DayKind(sizes, key(seed, "kind", which))


def _live(sizes: Sizes, of: int) -> Iterator[Flows]:
    """Go through one day, beginning with a full battery."""
    household = Household(of, len(_HOURS))
    sky = _Sky(of, (*sizes.peaks, _EXTERNAL_WATTS))
    control = waves(key(of, "control"), 2.0, len(_HOURS))
    soc = sizes.SOC_MAXIMUM if sizes.modules else 0.0
    for minute, hour in enumerate(_HOURS):
        # Both ends of all kinds of day are alike, so that they fit together.
        window = min(minute / 15.0, (_MINUTES - minute) / 15.0, 1.0)
        *suns, external = sky.watts(minute, hour, window)
        load = household.watts(minute, hour, window)
        drift = 12.0 * window * control[minute]
        split = dispatch(sizes, sum(suns), sum(load), soc, drift)
        yield _flows(sizes, suns, split, load, external, soc)
        soc -= _drawn(sizes, split.battery)


def _flows(
    sizes: Sizes,
    suns: list[float],
    split: Split,
    load: Phases,
    external: float,
    soc: float,
) -> Flows:
    volts = sizes.modules * sizes.MODULE_VOLTS
    return Flows(
        split.share * suns[0],
        split.share * suns[1] if len(suns) > 1 else 0.0,
        split.battery,
        split.output,
        *load,
        external if sizes.external else 0.0,
        split.battery / volts if volts else 0.0,
        soc,
    )


def _drawn(sizes: Sizes, battery: float) -> float:
    """Share of the capacity that one minute takes (or, negative, brings)."""
    if not sizes.modules:
        return 0.0
    inside = battery / sizes.EFFICIENCY if battery > 0 else battery * sizes.EFFICIENCY
    return inside / 60.0 / sizes.capacity


class _Sky:
    """Sun and passing clouds of one day, over generators with certain peak powers.

    The last of them is the small second inverter.
    """

    def __init__(self, of: int, peaks: tuple[float, ...]) -> None:
        self._large = waves(key(of, "large clouds"), 26.0, len(_HOURS))
        self._small = waves(key(of, "small clouds"), 6.0, len(_HOURS))
        self._haze = between(0.93, 1.0, key(of, "haze"))
        self._threshold = between(0.14, 0.55, key(of, "cover"))
        facings = (*_FACING[: len(peaks) - 1], _FACING[0])
        self._generators = list(zip(peaks, facings, strict=True))

    def watts(self, minute: int, hour: float, window: float) -> list[float]:
        """Power of each generator."""
        day = (hour - _SUNRISE) / (_SUNSET - _SUNRISE)
        if not 0.0 < day < 1.0:
            return [0.0 for _ in self._generators]
        clear = self._clearness(minute, window)
        return [clear * peak * _height(day, facing) for peak, facing in self._generators]

    def _clearness(self, minute: int, window: float) -> float:
        cloud = 0.65 * self._large[minute] + 0.35 * self._small[minute]
        cover = min(max((cloud - self._threshold) / 0.22, 0.0), 1.0)
        return 1.0 - window * (1.0 - self._haze * (1.0 - 0.72 * cover))


@lru_cache(maxsize=len(_FACING) * _MINUTES)
def _height(day: float, facing: float) -> float:
    """Share of the peak power under a clear sky; ``day`` is 0 at sunrise and 1 at sunset.

    Kept, since it is the same in all kinds of day.
    """
    height: float = 0.9 * sin(pi * day**facing) ** 2.4
    return height


def _between(first: Flows, last: Flows, rest: float) -> Flows:
    return Flows(*[a + (b - a) * rest for a, b in zip(first, last, strict=True)])


def _plus(one: Energies, other: Energies) -> Energies:
    return Energies(*map(add, one, other))


def _energy(first: Flows, last: Flows, minutes: float) -> Energies:
    """The integral between two moments, powers running straight between them."""
    hours = minutes / 60.0
    load, load_then = first.load, last.load
    imported, exported = _means(load - first.output, load_then - last.output)
    discharge, charge = _means(first.battery, last.battery)
    ampere_out, ampere_in = _means(first.amperes, last.amperes)
    return Energies(
        hours * ((first.pv_a + last.pv_a) / 2.0),
        hours * ((first.pv_b + last.pv_b) / 2.0),
        hours * (first.output + last.output) / 2.0,
        hours * ((load + load_then) / 2.0),
        hours * imported,
        hours * exported,
        hours * charge,
        hours * discharge,
        hours * ((first.external + last.external) / 2.0),
        hours * ampere_in,
        hours * ampere_out,
    )


def _means(first: float, last: float) -> tuple[float, float]:
    """Means of the positive and of the negative part of a straight line, neither below 0."""
    if first >= 0.0 and last >= 0.0:
        return (first + last) / 2.0, 0.0
    if first <= 0.0 and last <= 0.0:
        return 0.0, -(first + last) / 2.0
    twice = 2.0 * abs(first - last)
    above, below = max(first, last), min(first, last)
    return above * above / twice, below * below / twice
