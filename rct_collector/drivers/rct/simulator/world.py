"""All that a simulated unit is made of, before any moment of it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from functools import lru_cache

from rct_collector.drivers.chance import between, fraction, key, wave
from rct_collector.drivers.rct.simulator.clock import DAY, UnitClock, date_of, wall_of
from rct_collector.drivers.rct.simulator.day import Days, Energies, Flows, number_of_day
from rct_collector.drivers.rct.simulator.incidents import Incidents
from rct_collector.drivers.rct.simulator.scenario import Scenario

_CALIBRATION_DAYS = 14
#: Today's, this month's and this year's beginning, also around a midnight.
_MOST_BEGUN = 6

#: The same few names are looked up at every moment.
_key_of = lru_cache(maxsize=1024)(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What the unit says of itself.

    Attributes:
        serial: Serial number.
        name: Name given to the unit; kind and end of the serial number unless changed.
        firmware: Version of the control software.
    """

    serial: str
    name: str
    firmware: str


class World:
    """Installation, seed, clocks and past of one unit.

    Attributes:
        scenario: What the installation has.
        seed: Everything that looks like chance follows from it.
        clock: World's, unit's and sun's time.
        days: Powers and energies.
        incidents: What goes wrong.
        identity: What the unit says of itself.
        born: Unix time of commissioning.
        updated: Unix time of the last firmware update.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        start: float,
        zone: tzinfo | None,
        sun: float | None,
        serial: str | None,
        firmware: str | None,
        fast: float,
    ) -> None:
        """Set it up; see :class:`.unit.Unit` for the arguments."""
        self.scenario = scenario
        self.seed = seed
        self.clock = UnitClock(zone, start, sun, fast)
        self.born = start - DAY * between(900.0, 1300.0, key(seed, "commissioned"))
        self.updated = start - DAY * between(20.0, 80.0, key(seed, "updated"))
        self.days = Days(scenario.sizes, seed, self.clock.sun(self.born))
        self._begun: dict[int, Energies] = {}
        self.incidents = Incidents(scenario, seed)
        serial = serial or self.serial("SIM")
        self.identity = Identity(
            serial=serial,
            name=f"{scenario.model} {serial[-4:]}",
            firmware=firmware or scenario.firmware,
        )

    def serial(self, kind: str, *numbers: int) -> str:
        """Serial number of a part, which follows from the seed and the scenario."""
        return f"{kind}{key(self.seed, self.scenario.name, kind, *numbers) >> 32:08X}"

    def flows(self, unix: float) -> Flows:
        """Powers at one moment."""
        return self.days.flows(self.clock.sun(unix))

    def energies(self, unix: float) -> Energies:
        """Energies since commissioning."""
        return self.days.energies(self.clock.sun(unix))

    def begun(self, wall: int) -> Energies:
        """Energies at a time of the unit's clock at which something began; few are kept."""
        if wall not in self._begun:
            if len(self._begun) >= _MOST_BEGUN:
                self._begun.clear()
            self._begun[wall] = self.energies(self.clock.unix_after(wall))
        return self._begun[wall]

    def noise(self, name: str, unix: float, period: float) -> float:
        """Smooth noise in -1 … 1 under a name, which turns about once per period (seconds)."""
        return wave(_key_of(self.seed, name), unix / period)

    def fixed(self, name: str, low: float, high: float, index: int = 0) -> float:
        """A number that belongs to this unit for ever."""
        return between(low, high, _key_of(self.seed, name), index)

    def calibrates(self, unix: float) -> bool:
        """Whether this day (counted from the afternoon on) is one of battery calibration."""
        return not self._days_to_calibration(unix)

    def next_calibration(self, unix: float) -> int:
        """The unit's clock at the beginning of the day of the next calibration."""
        ahead = self._days_to_calibration(unix) or _CALIBRATION_DAYS
        date = date_of(self.clock.wall(unix) + ahead * DAY)
        return wall_of(date.year, date.month, date.day)

    def _days_to_calibration(self, unix: float) -> int:
        turn = int(_CALIBRATION_DAYS * fraction(_key_of(self.seed, "calibration")))
        return (turn - number_of_day(self.clock.sun(unix))) % _CALIBRATION_DAYS
