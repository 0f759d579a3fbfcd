"""Where the power goes: sun, battery, household and grid at one moment.

Signs as everywhere in this project: battery > 0 discharges, grid > 0 draws from the grid. What
comes in goes out: pv + battery = output + losses, and output + grid = load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

#: What the inverter itself takes while it works, and its share of what it puts out.
OWN_WATTS = 22.0
OWN_SHARE = 0.022
#: What it draws from the grid while it does not work.
STANDBY_WATTS = 9.0
#: Below this there is not enough sun to work.
LEAST_SUN_WATTS = 25.0
#: Power per free (or left) watt-hour near the end of the battery: the current tapers off.
_TAPER_CHARGE = 6.0
_TAPER_DISCHARGE = 12.0
#: Share of the capacity that counts as full, or empty: the taper alone would never get there.
_END = 0.0008


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large everything is.

    Attributes:
        peaks: Peak power of the generators, in watts; one or two.
        rated_watts: Most power at the AC side.
        modules: Battery modules, all towers together; 0 for none.
        battery_watts: Most power of all batteries, in and out.
        external: A second, small inverter feeds in behind the meter.
    """

    peaks: tuple[float, ...] = (3200.0, 2800.0)
    rated_watts: float = 6000.0
    modules: int = 5
    battery_watts: float = 6000.0
    external: bool = False

    #: 24 cells of 25 Ah and 3.2 V nominal.
    MODULE_WATT_HOURS = 1920.0
    MODULE_VOLTS = 78.4
    SOC_MINIMUM = 0.07
    SOC_MAXIMUM = 0.97
    #: What is stored of what flows in, and what flows out of what is taken.
    EFFICIENCY = 0.97

    @property
    def capacity(self) -> float:
        """Watt-hours of all modules."""
        return self.modules * self.MODULE_WATT_HOURS


class Split(NamedTuple):
    """Powers that balance, in watts.

    Attributes:
        share: Share of the sun's power that is used; below 1 where nothing takes the rest.
        battery: Positive discharges.
        output: AC side of the inverter.
    """

    share: float
    battery: float
    output: float


def dispatch(sizes: Sizes, sun: float, load: float, soc: float, drift: float) -> Split:
    """Decide as the power manager of the unit does: nothing from and to the grid, if possible.

    Args:
        sizes: How large everything is.
        sun: Power of the generators at hand.
        load: Power of the household.
        soc: State of charge, 0 … 1.
        drift: Watts by which the control misses.
    """
    if sun < LEAST_SUN_WATTS:
        sun = 0.0
    most_dc = sizes.rated_watts * (1.0 + OWN_SHARE) + OWN_WATTS
    wanted = load * (1.0 + OWN_SHARE) + OWN_WATTS - sun + drift
    battery = 0.0
    if sizes.modules:
        wanted = min(wanted, most_dc - sun)
        battery = min(max(wanted, -_charge_limit(sizes, soc)), _discharge_limit(sizes, soc))
    used = min(sun, most_dc - battery)
    if used + battery < OWN_WATTS + 1.0:
        return Split(0.0, 0.0, -STANDBY_WATTS)
    output = (used + battery - OWN_WATTS) / (1.0 + OWN_SHARE)
    return Split(used / sun if sun else 0.0, battery, output)


def _charge_limit(sizes: Sizes, soc: float) -> float:
    room = sizes.SOC_MAXIMUM - soc
    if room < _END:
        return 0.0
    return min(sizes.battery_watts, _TAPER_CHARGE * room * sizes.capacity)


def _discharge_limit(sizes: Sizes, soc: float) -> float:
    left = soc - sizes.SOC_MINIMUM
    if left < _END:
        return 0.0
    return min(sizes.battery_watts, _TAPER_DISCHARGE * left * sizes.capacity)
