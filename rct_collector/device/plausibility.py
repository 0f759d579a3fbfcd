"""Is this number believable? A wrong sample is worse than none.

Values outside their row's physical range, and floats that are no numbers, are dropped. A total
that falls, or grows faster than any unit can count, is read again before it is published: real
units now and then send a total once as 0 or as nonsense, but they also do reset totals for good.
Doubt ends: after a few readings in a row the unit is taken at its word.
"""

from __future__ import annotations

from enum import Enum, auto
from functools import cache
from typing import NamedTuple

from rct_collector.model import Kind, Metric, Series, Unit, Value

#: A second reading confirms the first when it has grown by no more than this (in the metric's
#: unit, and as a share): totals go on growing between the two.
GROWTH = 100.0
GROWTH_SHARE = 1e-3

#: So many readings in a row are doubted at most; whatever comes next is published.
MOST_DOUBTS = 5

#: What a total can grow by in a second, by its unit: the largest power and current that are
#: plausible at all. What has no unit counts events, of which there is not one each second.
_FASTEST = {Unit.WATT_HOUR: Unit.WATT.high / 3600, Unit.AMPERE_HOUR: Unit.AMPERE.high / 3600}
_FASTEST_COUNT = 1.0


class Verdict(Enum):
    """What to do with a value."""

    GOOD = auto()
    DROP = auto()
    ASK_AGAIN = auto()


#: To look up a member of an enumeration costs more than a comparison, and here is one per value.
GOOD, ASK_AGAIN, TOTAL = Verdict.GOOD, Verdict.ASK_AGAIN, Kind.TOTAL


class _Doubt(NamedTuple):
    """The last of some doubtful readings in a row.

    Attributes:
        value: What it was.
        readings: How many they are.
    """

    value: float
    readings: int


class Plausibility:
    """Judges the values of one unit; remembers its totals."""

    def __init__(self) -> None:
        """Start without knowledge of any total."""
        self._totals: dict[Series, tuple[float, float | None]] = {}
        self._doubts: dict[Series, _Doubt] = {}

    def judge(
        self, series: Series, value: Value, *, now: float | None = None, derived: bool = False
    ) -> Verdict:
        """Judge one value.

        Args:
            series: Where it belongs.
            value: In the metric's unit.
            now: Monotonic seconds; None when it is not known, so that no growth is too fast.
            derived: Computed from values that were judged good; their totals did not fall
                without being read twice.
        """
        if isinstance(value, str):
            return GOOD
        metric = series.metric
        if not metric.low <= value <= metric.high:  # nor is NaN, or what is infinite
            return Verdict.DROP
        if derived or metric.kind is not TOTAL:
            return GOOD
        return self._judge_total(series, value, now)

    def forget(self) -> None:
        """Another unit answers now."""
        self._totals.clear()
        self._doubts.clear()

    def _judge_total(self, series: Series, value: float, now: float | None) -> Verdict:
        if not self._follows(series, value, now):
            doubt = self._doubts.get(series)
            if doubt is None or not _ends(doubt, value):
                self._doubts[series] = _Doubt(value, doubt.readings + 1 if doubt else 1)
                return ASK_AGAIN
        self._doubts.pop(series, None)
        self._totals[series] = value, now
        return GOOD

    def _follows(self, series: Series, value: float, now: float | None) -> bool:
        """Whether a total may have come to a value since it was last believed."""
        last, at = self._totals.get(series, (None, None))
        if last is None:
            return True
        if value < last:
            return False
        if now is None or at is None:
            return True
        return value - last <= _tolerance(last) + _fastest(series.metric) * (now - at)


@cache
def _fastest(metric: Metric) -> float:
    """What a total can grow by in a second; its unit is read from its name, once."""
    return _FASTEST.get(metric.unit, _FASTEST_COUNT)


def _tolerance(value: float) -> float:
    return max(GROWTH, GROWTH_SHARE * abs(value))


def _ends(doubt: _Doubt, value: float) -> bool:
    """Whether one more doubtful reading is believed.

    It confirms the one before when it has grown a little. After two that do not agree it may
    have fallen a little as well: the unit counts down then.
    """
    grown = value - doubt.value
    lowest = 0.0 if doubt.readings == 1 else -_tolerance(doubt.value)
    return lowest <= grown <= _tolerance(doubt.value) or doubt.readings >= MOST_DOUBTS
