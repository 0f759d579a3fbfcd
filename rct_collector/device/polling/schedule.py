"""When rounds begin: fixed points on the epoch grid, shifted by the name of the device.

The phase is a hash, so that it survives restarts, and all classes of a device share it, so that
a slow tick falls on a fast one. Missed ticks are counted, never made up for. Sleeping is done on
the monotonic clock; the grid is on the wall clock and is looked at anew for every tick, so that
a step of the wall clock moves the grid once and causes no burst.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

from rct_collector.model import PollClass

#: The hash is spread over this many seconds; a multiple of every usual interval.
_SPREAD_S = 86400

#: Unix seconds as floats are exact to a quarter of this; what is closer to a grid point is on it.
_RESOLUTION_S = 1e-6


def phase(name: str, interval: float, *, aligned: bool = False) -> float:
    """Shift of a device's grid, in seconds.

    Args:
        name: Configured name.
        interval: Seconds.
        aligned: No shift: rounds begin at full multiples of the interval.
    """
    if aligned:
        return 0.0
    # Hundredths of a second spread devices within one second too.
    return (zlib.crc32(name.encode()) % (_SPREAD_S * 100)) / 100 % interval


def next_tick(now: float, interval: float, shift: float) -> float:
    """The first grid point after ``now``, Unix seconds."""
    count = math.floor((now - shift + _RESOLUTION_S) / interval) + 1
    return count * interval + shift


class Schedule:
    """Which classes are due at which tick, for one device."""

    def __init__(
        self, name: str, intervals: Mapping[PollClass, float], *, aligned: bool = False
    ) -> None:
        """Plan rounds at the pace of the fastest class.

        Args:
            name: Configured name of the device.
            intervals: Class → seconds.
            aligned: Rounds begin at full multiples of the interval.
        """
        self._name, self._aligned = name, aligned
        self._intervals = intervals
        self.interval = min(intervals.values())
        self._base = self._phase(self.interval)
        self._due: dict[PollClass, float] = {}
        self._tick: float | None = None

    def begin(self, wall: float) -> set[PollClass]:
        """Begin a round now: the classes whose turn it is; all of them the first time.

        Args:
            wall: Wall clock, Unix seconds.
        """
        due = set()
        for poll, seconds in self._intervals.items():
            at = self._due.get(poll)
            # A wall clock set back would silence a class for that long: look at the grid anew.
            if (
                at is None
                or seconds <= self.interval
                or wall >= at - 0.5 * self.interval
                or at - wall > seconds
            ):
                due.add(poll)
                # Half an interval on: a tick right after this round would ask twice.
                after = wall + 0.5 * self.interval
                self._due[poll] = next_tick(after, seconds, self._phase(seconds))
        return due

    def _phase(self, interval: float) -> float:
        return phase(self._name, interval, aligned=self._aligned)

    def until_next(self, wall: float) -> float:
        """Seconds from a time to the next tick."""
        return next_tick(wall, self.interval, self._base) - wall

    def advance(self, wall: float) -> tuple[float, int]:
        """The next tick and how many were missed since the last one.

        Args:
            wall: Wall clock, Unix seconds.

        Returns:
            Unix seconds of the tick, and the number of ticks that passed unserved. A step of
            the clock by more than an hour is not counted as missed ticks.
        """
        tick = next_tick(wall, self.interval, self._base)
        missed = 0
        if self._tick is not None and 0 < tick - self._tick < 3600:
            missed = max(0, round((tick - self._tick) / self.interval) - 1)
        self._tick = tick
        return tick, missed
