"""Installations that can be simulated: what each of them has, and what it lacks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from rct_collector.drivers.rct.simulator.dispatch import Sizes

#: Most modules of one tower.
MODULES = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One installation.

    Attributes:
        name: Word for the command line.
        description: One sentence for people.
        sizes: Generators, battery and inverter.
        towers: Battery modules of each tower, at most :data:`MODULES` each; empty for no battery.
        backup: A Power Switch is connected.
        meter: An external generator is counted at an S0 input.
        sensor: External current sensors are connected.
        slaves: Further inverters, of whose plant this one is the master.
        model: What the unit calls its kind.
        firmware: Version of the control software.
        silent: Objects that this firmware does not know and leaves unanswered; globs, where
            brackets stand for themselves.
        sleeps: Without sun and battery the unit switches itself off.
    """

    name: str
    description: str
    sizes: Sizes = field(default_factory=Sizes)
    towers: tuple[int, ...] = (5,)
    backup: bool = True
    meter: bool = True
    sensor: bool = True
    slaves: int = 0
    model: str = "PS 6.0"
    firmware: str = "2.3.5674"
    silent: tuple[str, ...] = ()
    sleeps: bool = False
    _parts: dict[str, bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Let the battery's size follow from the towers, and all that there is from the rest."""
        sizes = replace(self.sizes, modules=sum(self.towers), external=self.meter)
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "_parts", self._list())

    def knows(self, name: str) -> bool:
        """Whether the firmware knows an object at all."""
        return not any(fnmatchcase(name, glob.replace("[", "[[]")) for glob in self.silent)

    def has(self, condition: str) -> bool:
        """Whether the installation has what objects with that condition describe.

        Args:
            condition: As written in the driver's table, such as ``genA`` or ``mod 3``.
        """
        return self._parts[condition]

    def _list(self) -> dict[str, bool]:
        """Condition → whether the installation has that."""
        first, second = (*self.towers, 0, 0)[:2]
        return {
            "always": True,
            "gen": True,
            "genA": True,
            "genB": len(self.sizes.peaks) > 1,
            "bat": bool(self.towers),
            "bat2": len(self.towers) > 1,
            "psw": self.backup,
            "s0": self.meter,
            "sensor": self.sensor,
            "plant": self.slaves > 0,
            **{f"mod {number}": number < first for number in range(MODULES)},
            **{f"mod2 {number}": number < second for number in range(MODULES)},
        }


_ALL = (
    Scenario(
        name="sunny",
        description="Two generators, one tower of five modules, Power Switch, S0 meter.",
    ),
    Scenario(
        name="inverter-only",
        description="One generator, no battery and nothing else; awake by night.",
        sizes=Sizes(peaks=(5200.0,)),
        towers=(),
        backup=False,
        meter=False,
        model="PI 5.5",
    ),
    Scenario(
        name="night-off",
        description="As inverter-only, but silent while there is no sun, as real ones are.",
        sizes=Sizes(peaks=(5200.0,)),
        towers=(),
        backup=False,
        meter=False,
        model="PI 5.5",
        sleeps=True,
    ),
    Scenario(
        name="no-backup",
        description="Two generators and a battery; no Power Switch, S0 meter or sensors.",
        towers=(4,),
        backup=False,
        meter=False,
        sensor=False,
    ),
    Scenario(
        name="two-towers",
        description="A second battery tower: five and three modules.",
        sizes=Sizes(peaks=(4800.0, 4400.0), rated_watts=8000.0, battery_watts=8000.0),
        towers=(5, 3),
        model="PS 8.0",
    ),
    Scenario(
        name="plant",
        description="Master of a plant with two slaves; their values only, no traffic of theirs.",
        slaves=2,
    ),
    Scenario(
        name="old-firmware",
        description="Firmware that leaves newer objects unanswered: second tower, plant, cells.",
        firmware="2.2.4421",
        silent=(
            "battery_placeholder[0].*",
            "battery.cells_*",
            "power_mng.n_batteries",
            "net.*",
            "rb485.f_*",
            "logger.year_log_ts",
        ),
    ),
    Scenario(
        name="everything",
        description="All there can be: two towers of seven modules and all extras.",
        sizes=Sizes(peaks=(6800.0, 6200.0), rated_watts=10000.0, battery_watts=10000.0),
        towers=(7, 7),
        slaves=2,
        model="PS 10.0",
    ),
)

#: Name → scenario.
SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
