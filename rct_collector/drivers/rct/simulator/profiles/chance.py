"""Chance and time of faults, both as pure functions of a seed.

Whether a fault happens to an answer follows from the seed, the object and the millisecond of
its request, so that one client's requests do not change what happens to another's.
"""

from __future__ import annotations

from abc import abstractmethod
from math import floor

from rct_collector.drivers.rct.frame import Frame
from rct_collector.drivers.rct.simulator.faults import BridgeView, Faults
from rct_collector.drivers.rct.simulator.noise import Range, between, fraction, key


class OnLine(Faults):
    """A profile that knows its line.

    Attributes:
        line: The line that it works on, from its start.
        began: When that was, in seconds of the bridge's clock.
    """

    line: BridgeView
    began: float

    def on_start(self, line: BridgeView, now: float) -> None:
        """Keep both."""
        self.line, self.began = line, now


class Sometimes(OnLine):
    """A fault that happens to a share of all requests.

    Attributes:
        rate: The share, 0 … 1.
    """

    def __init__(self, rate: float = 1.0, *, seed: int = 0) -> None:
        """Set the odds.

        Args:
            rate: Share of the requests, 0 … 1.
            seed: Which of them, follows from it.
        """
        self.rate = rate
        self._own = key(seed, type(self).__name__)
        self._of, self._from = self._own, 0.0

    def hits(self, request: Frame, now: float) -> bool:
        """Whether it happens to a request that came at ``now``."""
        drawn = fraction(key(self._of, request.oid, _milliseconds(now)))
        return self._from <= drawn < self._from + self.rate

    def pick(self, low: int, high: int, request: Frame, now: float) -> int:
        """One of the numbers from ``low`` to below ``high``, for what differs from hit to hit."""
        of = key(self._own, "pick", request.oid, _milliseconds(now))
        return low + int((high - low) * fraction(of))

    def share(self, of: int, start: float) -> None:
        """Take the part of a common draw that begins at ``start``; see :func:`either`."""
        self._of, self._from = of, start


def either(*faults: Sometimes, seed: int = 0) -> tuple[Sometimes, ...]:
    """Let at most one of several faults happen to a request, so that their rates add up.

    Raises:
        ValueError: They add up to more than 1.
    """
    start, of = 0.0, key(seed, "either")
    for fault in faults:
        fault.share(of, start)
        start += fault.rate
    if start > 1.0 + 1e-9:
        raise ValueError(f"the rates add up to {start:g}, more than all requests")
    return faults


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
        number = floor((time - self.origin) / self.every)
        return [self.window(n) for n in range(max(number - 1, 0), max(number + 2, 1))]


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


class AtTimes(OnLine):
    """A fault that wakes up at the edges of its windows."""

    def __init__(self) -> None:
        """Sleep until the line starts."""
        self._seen: float | None = None
        self.windows: Windows | None = None

    @abstractmethod
    def plan(self) -> Windows:
        """The windows, once the line is known."""

    def on_start(self, line: BridgeView, now: float) -> None:
        """Plan."""
        super().on_start(line, now)
        self.windows = self.plan()
        self._seen = now

    def begun(self, now: float) -> list[float]:
        """Begins since the last call, which also moves :meth:`next_due`."""
        if self.windows is None or self._seen is None:
            return []
        found = []
        edge = self.windows.next_edge(self._seen)
        while edge <= now:
            if self.windows.latest(edge) == edge:
                found.append(edge)
            edge = self.windows.next_edge(edge)
        self._seen = max(now, self._seen)
        return found

    def next_due(self) -> float | None:
        """The next edge."""
        if self.windows is None or self._seen is None:
            return None
        return self.windows.next_edge(self._seen)


def _milliseconds(now: float) -> int:
    return round(now * 1000.0)
