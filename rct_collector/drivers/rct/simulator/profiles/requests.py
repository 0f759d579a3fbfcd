"""What a unit does to requests that come too close together, or that it does not know."""

from __future__ import annotations

from fnmatch import fnmatchcase
from math import inf

from rct_collector.drivers.rct.frame import Frame
from rct_collector.drivers.rct.simulator.faults import Faults
from rct_collector.drivers.rct.simulator.profiles.chance import Sometimes
from rct_collector.drivers.rct.simulator.scenario import SCENARIOS
from rct_collector.drivers.rct.simulator.unit import RctUnit
from rct_collector.drivers.rct.table import BY_OID


class Concatenated(Sometimes):
    """Of requests that come in one piece, or nearly so, parts are lost; the first is not.

    Source: python-rctclient issue 16 for firmware 2.3.5673 and newer; ioBroker.rct issue 114,
    where big batches silenced the unit.
    """

    def __init__(self, rate: float = 0.5, *, seed: int = 0, gap: float = 0.010) -> None:
        """Set the odds.

        Args:
            rate: Share of the requests that follow too closely.
            seed: Which of them, follows from it.
            gap: Seconds that keep two requests apart.
        """
        super().__init__(rate, seed=seed)
        self._gap = gap
        self._last = -inf

    def on_request(self, request: Frame, now: float) -> Frame | None:
        """Lose some of those that follow closely."""
        close = now - self._last < self._gap
        self._last = now
        return None if close and self.hits(request, now) else request


class Forgetful(Sometimes):
    """A request that comes while others are unanswered may be forgotten.

    Source: python-rctclient issue 14: older firmware answered 40 … 50 % of what came in
    batches. That it depends on what is outstanding is our reading of it.
    """

    def on_request(self, request: Frame, now: float) -> Frame | None:
        """Lose some of those that do not wait."""
        return None if self.line.outstanding and self.hits(request, now) else request


class UnsupportedObjects(Faults):
    """The firmware does not know some objects, and says nothing when asked for them.

    Source: the protocol has no answer for "no such object"; older firmware lacks newer ones.
    """

    def __init__(self, *names: str) -> None:
        """Name them.

        Args:
            names: Globs of object names, where brackets stand for themselves; what old firmware
                lacks if there are none.
        """
        found = names or SCENARIOS["old-firmware"].silent
        self._names = tuple(name.replace("[", "[[]") for name in found)

    def on_reading(self, unit: RctUnit, oid: int, payload: bytes, unix: float) -> bytes | None:
        """Say nothing."""
        item = BY_OID.get(oid)
        if item is not None and any(fnmatchcase(item.name, glob) for glob in self._names):
            return None
        return payload
