"""Chance and time of faults, both as pure functions of a seed.

Whether a fault happens to an answer follows from the seed, the object and the millisecond of
its request, so that one client's requests do not change what happens to another's.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import lru_cache

from rct_collector.drivers.chance import Windows, fraction, key
from rct_collector.drivers.rct.frame import Frame
from rct_collector.drivers.rct.simulator.faults import BridgeView, Faults


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
        drawn = _drawn(self._of, request.oid, _milliseconds(now))
        return self._from <= drawn < self._from + self.rate

    def pick(self, low: int, high: int, request: Frame, now: float) -> int:
        """One of the numbers from ``low`` to below ``high``, for what differs from hit to hit."""
        of = key(self._own, "pick", request.oid, _milliseconds(now))
        return low + int((high - low) * fraction(of))

    def share(self, of: int, start: float) -> None:
        """Take the part of a common draw that begins at ``start``; see :func:`either`."""
        self._of, self._from = of, start


@lru_cache(maxsize=64)
def _drawn(of: int, oid: int, milliseconds: int) -> float:
    """The draw for a request, which several faults share; kept until the next few requests."""
    return fraction(key(of, oid, milliseconds))


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
