"""Is this number believable? A wrong sample is worse than none.

Values outside their row's physical range, and floats that are no numbers, are dropped. A total
that falls is read a second time before it is published: real units now and then send a total
once as 0 or as nonsense, but they also do reset totals for good.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from rct_collector.model import Kind, Series, Value

#: A second reading confirms the first when it has grown by no more than this (in the metric's
#: unit, and as a share): totals go on growing between the two.
GROWTH = 100.0
GROWTH_SHARE = 1e-3


class Verdict(Enum):
    """What to do with a value."""

    GOOD = auto()
    DROP = auto()
    ASK_AGAIN = auto()


class Plausibility:
    """Judges the values of one device; remembers its totals."""

    def __init__(self) -> None:
        """Start without knowledge of any total."""
        self._totals: dict[Series, float] = {}
        self._doubtful: dict[Series, float] = {}

    def judge(self, series: Series, value: Value, *, derived: bool = False) -> Verdict:
        """Judge one value.

        Args:
            series: Where it belongs.
            value: In the metric's unit.
            derived: Computed from values that were judged good; their totals did not fall
                without being read twice.
        """
        if isinstance(value, str):
            return Verdict.GOOD
        metric = series.metric
        if not math.isfinite(value) or not metric.low <= value <= metric.high:
            return Verdict.DROP
        if metric.kind is not Kind.TOTAL or derived:
            return Verdict.GOOD
        return self._judge_total(series, value)

    def forget(self) -> None:
        """Another unit answers now."""
        self._totals.clear()
        self._doubtful.clear()

    def _judge_total(self, series: Series, value: float) -> Verdict:
        last = self._totals.get(series)
        if last is not None and value < last:
            doubtful = self._doubtful.get(series)
            if doubtful is None or not _confirms(value, doubtful):
                self._doubtful[series] = value
                return Verdict.ASK_AGAIN
        self._doubtful.pop(series, None)
        self._totals[series] = value
        return Verdict.GOOD


def _confirms(value: float, doubtful: float) -> bool:
    return 0 <= value - doubtful <= max(GROWTH, GROWTH_SHARE * abs(doubtful))
