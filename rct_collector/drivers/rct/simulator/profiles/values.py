"""Wrong values in good answers: what the unit itself says of its totals.

Times are those of the unit's world, so that they come faster where it goes faster.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from rctclient.types import DataType

from rct_collector.drivers.chance import Range, Windows, between, fraction, key
from rct_collector.drivers.rct import wire
from rct_collector.drivers.rct.simulator.faults import Faults
from rct_collector.drivers.rct.simulator.unit import RctUnit
from rct_collector.drivers.rct.table import BY_OID
from rct_collector.model import Kind

_HOUR = 3600.0


@lru_cache(maxsize=1)
def totals() -> dict[int, DataType]:
    """Object id → type, of every number that feeds a total."""
    return {
        item.oid: item.type
        for item in BY_OID.values()
        if wire.scalar_format(item.type) is not None
        and any(s.metric.kind is Kind.TOTAL for binding in item.bindings for s in binding.series)
    }


class OddTotals(Faults):
    """Totals that are wrong now and then; each at times of its own."""

    def __init__(self, every: float = 6 * _HOUR, lasting: float = _HOUR, *, seed: int = 0) -> None:
        """Set the times.

        Args:
            every: Each total is hit once in so many seconds.
            lasting: Seconds, for what lasts.
            seed: When, follows from it.
        """
        self._every, self._lasting = every, lasting
        self._of = key(seed, type(self).__name__)

    def odd(self, unit: RctUnit, oid: int, value: float, unix: float) -> float | None:
        """What is said in place of the true value; None for the true one."""
        raise NotImplementedError

    def windows(self, unit: RctUnit, oid: int) -> Windows:
        """When it happens to one object."""
        of = key(self._of, oid)
        return Windows(self._every, Range(self._lasting, self._lasting), of=of, origin=unit.start)

    def on_reading(self, unit: RctUnit, oid: int, payload: bytes, unix: float) -> bytes | None:
        """Say it."""
        kind = totals().get(oid)
        if kind is None:
            return payload
        value = self.odd(unit, oid, wire.decode(kind, payload), unix)
        return payload if value is None else _encoded(kind, value, payload)

    def past(self, unit: RctUnit, oid: int, unix: float) -> float | None:
        """What a total was at an earlier time; None if the unit said nothing then."""
        payload = unit.read(oid, unix)
        return None if payload is None else cast("float", wire.decode(totals()[oid], payload))


class Restarted(OddTotals):
    """A total begins anew at zero, for good.

    Source: python-rctclient issue 22.
    """

    def __init__(self, every: float = 12 * _HOUR, *, seed: int = 0) -> None:
        """See the base class; it lasts no time."""
        super().__init__(every, 0.0, seed=seed)

    def odd(self, unit: RctUnit, oid: int, value: float, unix: float) -> float | None:
        """Count from the last restart."""
        restart = self.windows(unit, oid).latest(unix)
        before = None if restart is None else self.past(unit, oid, restart)
        return None if before is None else value - before


class Frozen(OddTotals):
    """A total stands still for a while.

    Source: python-rctclient issue 22; issue 315 of the Home Assistant integration, where totals
    stop until the unit is restarted.
    """

    def odd(self, unit: RctUnit, oid: int, value: float, unix: float) -> float | None:
        """Say what it was when it froze."""
        window = self.windows(unit, oid).at(unix)
        return None if window is None else self.past(unit, oid, window[0])


class Spiked(OddTotals):
    """A total is once far too high, somewhere between a little and absurdly.

    Source: python-rctclient issue 22, where ``battery.used_energy`` jumps to absurd values;
    openWB filters peaks for that reason.
    """

    def __init__(self, rate: float = 0.01, *, seed: int = 0) -> None:
        """Set the odds.

        Args:
            rate: Share of the answers with totals.
            seed: Which of them, follows from it.
        """
        super().__init__(seed=seed)
        self._rate = rate

    def odd(self, unit: RctUnit, oid: int, value: float, unix: float) -> float | None:
        """Multiply it."""
        of = key(self._of, oid, round(unix * 1000.0))
        if fraction(of) >= self._rate:
            return None
        return cast("float", value * 10.0 ** between(0.1, 6.0, of, 1))


def _encoded(kind: DataType, value: float, payload: bytes) -> bytes:
    """A value as its type has it; the true payload where it does not fit."""
    try:
        return wire.encode(kind, value if kind is DataType.FLOAT else int(value))
    except ValueError:
        return payload
