"""A system of units in parallel, before any moment of it is looked at: clocks, days, identities."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any

from rct_collector.drivers.chance import between, fraction, key, wave
from rct_collector.drivers.voltronic.simulator.day import DAY, Powers, VoltronicDays
from rct_collector.drivers.voltronic.simulator.scenario import VoltronicScenario

_EPOCH = date(1970, 1, 1)
#: Days for which a unit was in use before the simulation begins.
_USED_DAYS = 700

_key_of = lru_cache(maxsize=1024)(key)


#: What something was set to of late that is kept, since it does not show at once.
_MOST_KEPT = 8


class DeviceClock:
    """The clock of a unit, which nobody sets: it is fast, and gets faster."""

    def __init__(self, zone: tzinfo | None, start: float, fast: float, drift: float) -> None:
        """Set it.

        Args:
            zone: Its time zone; None for that of this host.
            start: Unix time at which it was ``fast``.
            fast: Seconds by which it was ahead then.
            drift: Seconds per second that it gains.
        """
        self._zone, self._start = zone, start
        self._fast, self._drift = fast, drift

    def at(self, unix: float) -> datetime:
        """What it shows."""
        ahead = self._fast + self._drift * (unix - self._start)
        local = datetime.fromtimestamp(unix, self._zone).replace(tzinfo=None)
        return local + timedelta(seconds=ahead)

    def unix(self, shown: datetime) -> float:
        """When it shows that; of what it shows twice, the first."""
        ahead = self._fast
        for _ in range(2):  # the drift is small
            local = shown - timedelta(seconds=ahead)
            unix = (local.replace(tzinfo=self._zone) if self._zone else local).timestamp()
            ahead = self._fast + self._drift * (unix - self._start)
        return unix


class VoltronicWorld:
    """One system.

    Attributes:
        scenario: What the installation has.
        seed: Everything that looks like chance follows from it.
        start: Unix time at which the simulation begins.
        clock: The clock of its units.
        since: The day on which it was put into use.
    """

    def __init__(
        self,
        scenario: VoltronicScenario,
        *,
        seed: int,
        start: float,
        zone: tzinfo | None = UTC,
        sun: float | None = None,
        fast: float = 40.0,
        drift: float = 2e-5,
    ) -> None:
        """Set it up.

        Args:
            scenario: What the installation has.
            seed: Weather, household, serial numbers and noise follow from it.
            start: Unix time at which the simulation begins.
            zone: Time zone of the units' clock; None for that of this host.
            sun: Hour of day at which the sun stands at the start; None for the local time.
            fast: Seconds by which the units' clock is fast at the start.
            drift: Seconds per second that it gains.
        """
        self.scenario, self.seed, self.start = scenario, seed, start
        self.clock = DeviceClock(zone, start, fast, drift)
        wall = DeviceClock(zone, start, 0.0, 0.0).at(start).replace(tzinfo=UTC).timestamp()
        ahead = 0.0 if sun is None else sun * 3600.0 - wall % DAY
        self._shift = wall - start + ahead
        self._first = int((start + self._shift) // DAY)
        self._days = VoltronicDays(scenario, seed, self._first)
        self._began = self.clock.at(start).date()
        self.since = self._began - timedelta(days=_USED_DAYS)
        self._settings: dict[tuple[int, str], list[tuple[float, Any]]] = {}

    # -- settings --------------------------------------------------------------------------------

    def set(self, number: int, name: str, value: Any, shows_from: float) -> None:
        """Set something in one of the units.

        Args:
            number: Of the unit.
            name: What it is.
            value: What it is to be.
            shows_from: Unix time from which it shows.
        """
        kept = self._settings.setdefault((number, name), [])
        kept.append((shows_from, value))
        del kept[:-_MOST_KEPT]

    def setting(self, number: int, name: str, unix: float, usual: Any) -> Any:
        """What something is set to in one of the units at a time; ``usual`` if nobody has."""
        found = self._settings.get((number, name), ()) if self._settings else ()
        return next((value for since, value in reversed(found) if since <= unix), usual)

    # -- powers ----------------------------------------------------------------------------------

    def flows(self, unix: float) -> Powers:
        """Powers at one moment."""
        return self._days.at(unix + self._shift)

    def share(self, number: int) -> float:
        """What part of all falls to one of the units."""
        if self.scenario.units == 1:
            return 1.0
        parts = [
            between(0.9, 1.1, _key_of(self.seed, "share", unit))
            for unit in range(self.scenario.units)
        ]
        return parts[number] / sum(parts)

    def serial(self, number: int) -> str:
        """Serial number of one of the units: fourteen digits."""
        return f"92{10**11 + key(self.seed, 'serial', number) % (9 * 10**11):012d}"

    def noise(self, name: str, number: int, unix: float, period: float) -> float:
        """Smooth noise in -1 … 1 of one unit, which turns about once per period (seconds)."""
        return wave(_key_of(self.seed, name, number), unix / period)

    # -- energies ------------------------------------------------------------------------------

    def energy(self, first: date, last: date, unix: float) -> tuple[float, float]:
        """Watt-hours of the generators and of the loads on some days of the units' clock.

        Args:
            first: The first of them.
            last: The last of them, which may still last, or be yet to come.
            unix: Now.
        """
        before_pv, before_load = self._before(max(first, self.since), last)
        begin, end = self._moment(first), min(self._moment(last + timedelta(days=1)), unix)
        if end <= begin:
            return before_pv, before_load
        pv, load = self._days.until(end + self._shift)
        pv_then, load_then = self._days.until(begin + self._shift)
        return before_pv + pv - pv_then, before_load + load - load_then

    def total(self, unix: float) -> tuple[float, float]:
        """Watt-hours of the generators and of the loads, of all days."""
        return self.energy(self.since, self.clock.at(unix).date(), unix)

    def _moment(self, day: date) -> float:
        """When a day begins by the units' clock; all that was before the simulation is one."""
        shown = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - of the units' clock
        return self.clock.unix(shown) if day > self._began else float("-inf")

    def _before(self, first: date, last: date) -> tuple[float, float]:
        """Watt-hours of the days before that on which the simulation begins."""
        return _past(
            self.seed,
            self.scenario.units,
            (first - _EPOCH).days,
            (min(last + timedelta(days=1), self._began) - _EPOCH).days,
        )


@lru_cache(maxsize=64)
def _past(seed: int, units: int, begin: int, end: int) -> tuple[float, float]:
    """Invented energies of days by their numbers, from ``begin`` to before ``end``."""
    suns, loads = key(seed, "past sun"), key(seed, "past load")
    pv = sum(6000.0 + 16000.0 * fraction(suns, day) for day in range(begin, end))
    load = sum(8000.0 + 6000.0 * fraction(loads, day) for day in range(begin, end))
    return units * pv, units * load
