"""Installations that can be simulated: what each of them has."""

from __future__ import annotations

from dataclasses import dataclass, replace

#: Most inverters, and optimizers at each of them.
MOST_INVERTERS, MOST_OPTIMIZERS = 1000, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarEdgeScenario:
    """One installation.

    Attributes:
        name: Word for the command line.
        description: One sentence for people.
        inverters: How many.
        optimizers: Panels at each inverter, each with an optimizer.
        newer: How many of those are of the S series.
        older: How many of them send the oldest kind of record.
        phases: 1 or 3.
        battery: The first inverter has a battery, and meters.
        interval: Seconds between two records of an inverter, and of each optimizer.
    """

    name: str
    description: str
    inverters: int = 3
    optimizers: int = 20
    newer: int = 0
    older: int = 0
    phases: int = 1
    battery: bool = False
    interval: float = 300.0

    def changed(
        self, inverters: int | None, optimizers: int | None, interval: float | None = None
    ) -> SolarEdgeScenario:
        """The same with other numbers.

        Args:
            inverters: 1 … 1000, or None.
            optimizers: 1 … 60 at each of them, or None.
            interval: Seconds between two records of each, or None.

        Raises:
            ValueError: There cannot be so many.
        """
        for name, number, most in (
            ("inverters", inverters, MOST_INVERTERS),
            ("optimizers", optimizers, MOST_OPTIMIZERS),
        ):
            if number is not None and not 1 <= number <= most:
                raise ValueError(f"{number} {name}: 1 to {most} can be simulated")
        return replace(
            self,
            inverters=inverters or self.inverters,
            optimizers=optimizers or self.optimizers,
            interval=interval or self.interval,
        )


_ALL = (
    SolarEdgeScenario(
        name="roofs",
        description="Three inverters with 20 optimizers each, some of them in the shade.",
    ),
    SolarEdgeScenario(
        name="three-phase",
        description="Inverters of three phases, with some optimizers of the S series.",
        phases=3,
        newer=5,
    ),
    SolarEdgeScenario(
        name="battery",
        description="One inverter with battery and meters.",
        inverters=1,
        battery=True,
    ),
    SolarEdgeScenario(
        name="old",
        description="One inverter whose optimizers send records of the oldest kind.",
        inverters=1,
        older=20,
    ),
)

#: Name → scenario; the first is the usual one.
SCENARIOS: dict[str, SolarEdgeScenario] = {scenario.name: scenario for scenario in _ALL}
