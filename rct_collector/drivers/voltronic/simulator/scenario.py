"""Installations that can be simulated: what each of them has, and how it is set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

#: Words of the option ``dialect``, in the order of the papers.
DIALECTS = ("pi30", "pi30max", "pi41", "pi18", "pi17", "pi16", "pi30revo")


class SourcePriority(IntEnum):
    """Output source priority, as QPIRI counts them."""

    UTILITY = 0
    SOLAR = 1
    SBU = 2


class ChargerPriority(IntEnum):
    """Charger source priority, as QPIRI counts them."""

    UTILITY = 0
    SOLAR = 1
    BOTH = 2
    ONLY_SOLAR = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltronicScenario:
    """One installation.

    Attributes:
        name: Word for the command line.
        description: One sentence for people.
        dialect: What its units speak.
        units: Units in parallel, 1 … 9.
        peaks: Watts of the generators of one unit.
        watts: Rated power of one unit.
        volts: Rated voltage of the battery: 24 or 48.
        ampere_hours: Capacity of the battery, per unit.
        source: Output source priority.
        charger: Charger source priority.
        cuts: When there is no mains: hours of day, begin and end, in pairs.
        ill: Something is wrong with it, now and then.
        wide: QPIGS has the three fields of newer firmware.
    """

    name: str
    description: str
    dialect: str = "pi30max"
    units: int = 1
    peaks: tuple[float, ...] = (3600.0, 2800.0)
    watts: int = 8000
    volts: int = 48
    ampere_hours: float = 200.0
    source: SourcePriority = SourcePriority.SBU
    charger: ChargerPriority = ChargerPriority.ONLY_SOLAR
    cuts: tuple[tuple[float, float], ...] = ((8.0, 10.5), (18.0, 20.5))
    ill: bool = False
    wide: bool = True

    def changed(self, dialect: str | None, units: int | None) -> VoltronicScenario:
        """The same with another dialect, or another number of units.

        Args:
            dialect: One of :data:`DIALECTS`, or None.
            units: 1 … 9, or None.

        Raises:
            ValueError: There is no such dialect, or there are not so many units.
        """
        if dialect is not None and dialect not in DIALECTS:
            raise ValueError(f"no dialect {dialect!r}; there are {', '.join(DIALECTS)}")
        if units is not None and not 1 <= units <= 9:  # noqa: PLR2004 - QPGS0 … QPGS8
            raise ValueError(f"{units} units: 1 to 9 can be in parallel")
        return replace(self, dialect=dialect or self.dialect, units=units or self.units)


_ALL = (
    VoltronicScenario(
        name="sbu",
        description="Sun first, then the battery, then a mains that fails twice a day.",
    ),
    VoltronicScenario(
        name="island",
        description="No mains at all, and a battery that is rather small.",
        cuts=((0.0, 24.0),),
        ampere_hours=90.0,
    ),
    VoltronicScenario(
        name="solar-first",
        description="The mains helps the sun; the battery is for when it fails.",
        source=SourcePriority.SOLAR,
        charger=ChargerPriority.SOLAR,
    ),
    VoltronicScenario(
        name="backup",
        description="All from the mains, which also charges; the battery is for when it fails.",
        source=SourcePriority.UTILITY,
        charger=ChargerPriority.BOTH,
    ),
    VoltronicScenario(
        name="small",
        description="An older unit of 3 kVA with one generator and a battery of 24 V.",
        dialect="pi30",
        peaks=(1500.0,),
        watts=2400,
        volts=24,
        wide=False,
    ),
    VoltronicScenario(
        name="parallel",
        description="Three units in parallel, each with its own generators.",
        units=3,
    ),
    VoltronicScenario(
        name="ill",
        description="A fan that locks, an overload, and a fault that switches it off for minutes.",
        ill=True,
    ),
)

#: Name → scenario; the first is the usual one.
SCENARIOS: dict[str, VoltronicScenario] = {scenario.name: scenario for scenario in _ALL}
