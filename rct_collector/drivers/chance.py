"""Chance of simulated units as a pure function: the same key gives the same number, whenever asked.

A generator with a state would make a value depend on how often somebody polled. Here the past
can be asked for as well as the present, and two readers see the same unit.
"""

from __future__ import annotations

from functools import lru_cache
from math import floor
from typing import NamedTuple
from zlib import crc32

_MASK = (1 << 64) - 1


def _mix(number: int) -> int:
    """Spread 64 bits (the finaliser of SplitMix64, a public-domain generator)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ number >> 30) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ number >> 27) * 0x94D049BB133111EB) & _MASK
    return number ^ number >> 31


def key(*parts: int | str) -> int:
    """Make a key of a seed, names and numbers, in that order."""
    mixed = 0
    for part in parts:
        number = crc32(part.encode()) if isinstance(part, str) else part
        mixed = _mix(mixed ^ number & _MASK)
    return mixed


def fraction(of: int, index: int = 0) -> float:
    """A number in 0 … 1 (1 excluded) for one index under a key."""
    return (_mix(of ^ _mix(index & _MASK)) >> 11) / (1 << 53)


class Range(NamedTuple):
    """From the least to the most of something."""

    low: float
    high: float


def between(low: float, high: float, of: int, index: int = 0) -> float:
    """A number from ``low`` to ``high`` for one index under a key."""
    return low + (high - low) * fraction(of, index)


def wave(of: int, x: float) -> float:
    """Smooth noise in -1 … 1 that turns about once when ``x`` grows by one."""
    whole = floor(x)
    rest = x - whole
    rest *= rest * (3.0 - 2.0 * rest)
    first = _point(of, whole)
    return 2.0 * (first + (_point(of, whole + 1) - first) * rest) - 1.0


def waves(of: int, period: float, count: int) -> list[float]:
    """The same noise at the first ``count`` minutes, or whatever is counted, turning once a period.

    Args:
        of: The key.
        period: Of so many of them.
        count: How many there are, the one at 0 included.
    """
    found = []
    whole, first, growth = -1, 0.0, 0.0
    for number in range(count):
        x = number / period
        if int(x) != whole:
            whole = int(x)
            first = fraction(of, whole)
            growth = fraction(of, whole + 1) - first
        rest = x - whole
        rest *= rest * (3.0 - 2.0 * rest)
        found.append(2.0 * (first + growth * rest) - 1.0)
    return found


#: Neighbouring moments lie between the same two points.
_point = lru_cache(maxsize=1024)(fraction)


def octets(count: int, of: int) -> bytes:
    """``count`` arbitrary bytes."""
    return bytes(_mix(of ^ _mix(index)) >> 56 for index in range(count))


class Windows:
    """Stretches of time that come now and then: one in each period, somewhere in it.

    Attributes:
        origin: Time at which the first period begins.
    """

    def __init__(
        self, every: float, lasting: Range = Range(0.0, 0.0), *, of: int, origin: float
    ) -> None:
        """Set them.

        Args:
            every: Length of a period, in seconds.
            lasting: Shortest and longest stretch, in seconds; no longer than a period.
            of: Key that places and lengths follow from.
            origin: Time at which the first period begins; nothing happens before.
        """
        self.every = every
        self.origin = origin
        self._lasting = lasting
        self._of = of
        self._near_to = -1
        self._windows: list[tuple[float, float]] = []

    def window(self, number: int) -> tuple[float, float]:
        """Begin and end of the stretch in one period, the first of which is 0."""
        lasts = min(between(*self._lasting, self._of, 2 * number), self.every)
        begin = (number + fraction(self._of, 2 * number + 1)) * self.every
        begin = min(begin, (number + 1) * self.every - lasts)
        return self.origin + begin, self.origin + begin + lasts

    def at(self, time: float) -> tuple[float, float] | None:
        """The stretch that a time lies in: from its begin, to before its end."""
        for begin, end in self._near(time):
            if begin <= time < end:
                return begin, end
        return None

    def latest(self, time: float) -> float | None:
        """The last begin that is not after a time."""
        return max((begin for begin, _ in self._near(time) if begin <= time), default=None)

    def next_edge(self, time: float) -> float:
        """The next begin or end after a time."""
        return min(edge for window in self._near(time) for edge in window if edge > time)

    def _near(self, time: float) -> list[tuple[float, float]]:
        number = max(floor((time - self.origin) / self.every), -1)
        if number != self._near_to or not self._windows:
            self._windows = [self.window(n) for n in range(max(number - 1, 0), number + 2)]
            self._near_to = number
        return self._windows


class Daily(Windows):
    """The same stretch of every day, of whatever length a day has.

    Args:
        begin: When one of them begins, or began.
        lasts: Its length, in seconds.
        day: Length of a day, in seconds.
    """

    def __init__(self, begin: float, lasts: float, day: float) -> None:
        """Set it; the one that a start falls into has begun before."""
        super().__init__(day, of=0, origin=begin - day)
        self._lasts = lasts

    def window(self, number: int) -> tuple[float, float]:
        """Begin and end of the stretch on one day."""
        begin = self.origin + number * self.every
        return begin, begin + self._lasts
