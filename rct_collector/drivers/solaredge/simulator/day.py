"""Days over roofs: where the sun stands, what the sky leaves of it, and what shades which panel.

All is a function of a seed and of the sun's time. Roofs, chimneys and households are invented, as
they are found on such houses.
"""

from __future__ import annotations

from functools import lru_cache
from math import pi, sin
from typing import NamedTuple

from rct_collector.drivers.chance import between, fraction, key, wave

DAY = 86400.0
SUNRISE, SUNSET = 6.2, 18.6

#: Hours of day between which optimizers are awake.
AWAKE = (SUNRISE + 0.2, SUNSET - 0.2)

#: Share of the light that is left in a shadow: that of the sky.
_DIFFUSE = 0.18


class Panel(NamedTuple):
    """How one panel lies.

    Attributes:
        peak: Watts.
        turned: Hours by which its noon is later than that of the sun.
        string: Number of its string, from 0 on.
        shadow: Hour at which a shadow reaches it; 0 where none does.
        lasts: Hours that it stays.
    """

    peak: float
    turned: float
    string: int
    shadow: float
    lasts: float


@lru_cache(maxsize=4096)
def panel(seed: int, inverter: int, number: int) -> Panel:
    """How a panel lies. Those of a string look the same way; a shadow wanders along it.

    Args:
        seed: Roofs and trees follow from it.
        inverter: Number of the inverter.
        number: Number of the panel at that, from 0 on.
    """
    string, place = divmod(number, 10)
    roof = key(seed, "roof", inverter, string)
    shadow = between(7.5, 15.0, roof, 1) + 0.12 * place if fraction(roof, 2) < 0.7 else 0.0
    return Panel(
        peak=between(295.0, 305.0, key(seed, "panel", inverter, number)),
        turned=between(-2.5, 2.5, roof),
        string=string,
        shadow=shadow,
        lasts=between(0.5, 2.0, roof, 3),
    )


@lru_cache(maxsize=64)  # all panels of an inverter are looked at in one moment
def sky(seed: int, day: int, hour: float) -> float:
    """What clouds leave of the light, 0 … 1."""
    cover = between(0.1, 0.6, key(seed, "cover", day))
    of = key(seed, "sky", day)
    cloud = 0.65 * wave(of, hour * 2.3) + 0.35 * wave(of ^ 1, hour * 10.0)
    return 1.0 - 0.7 * min(max((cloud - cover) / 0.25, 0.0), 1.0)


def watts(lies: Panel, light: float, hour: float) -> float:
    """Power of a panel.

    Args:
        lies: How it lies.
        light: What clouds leave, see :func:`sky`.
        hour: Hour of day of the sun.
    """
    day = (hour - SUNRISE) / (SUNSET - SUNRISE)
    if not 0.0 < day < 1.0:
        return 0.0
    turned = min(max((hour - lies.turned - SUNRISE) / (SUNSET - SUNRISE), 0.0), 1.0)
    direct = sin(pi * turned) ** 1.6 * light
    if lies.shadow and lies.shadow <= hour < lies.shadow + lies.lasts:
        direct = 0.0
    return lies.peak * 0.9 * float(_DIFFUSE * sin(pi * day) + (1.0 - _DIFFUSE) * direct)


def household(seed: int, day: int, hour: float) -> float:
    """What a house draws, in watts."""
    of = key(seed, "house", day)
    load = 280.0 + 70.0 * wave(of, hour * 2.0)
    for number, (begin, drawn) in enumerate(((6.7, 1800.0), (12.4, 1500.0), (18.2, 2200.0))):
        start = begin + between(-0.3, 0.3, of, number)
        load += drawn * (start <= hour < start + between(0.2, 0.7, of, number + 8))
    return load
