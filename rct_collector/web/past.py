"""The last 24 hours of one unit, in means of five minutes, for the curves of the page."""

from __future__ import annotations

import math
from array import array
from typing import Any

#: Seconds that one mean covers: as the memory of units, which fills what was missed.
STEP_S = 300

#: Means that are kept, of 24 hours and the one that has begun.
KEPT = 24 * 3600 // STEP_S + 1


class DayCurves:
    """Means of some numbers over time; what is too old makes room for what comes."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._newest = 0  # its time divided by the step
        self._columns: dict[str, _Column] = {}

    def take(self, name: str, time: float, value: float) -> None:
        """Take a measured value.

        Args:
            name: Of what.
            time: Unix seconds; what is older than all that is kept is left out.
            value: The number.
        """
        place = self._place(time)
        if place is not None:
            self._column(name).add(place, value)

    def restore(self, name: str, time: float, value: float) -> None:
        """Take a mean that the unit itself has kept, unless something was measured then.

        Args:
            name: Of what.
            time: Unix seconds, at which the five minutes began or later within them.
            value: The mean; it takes the place of one that was restored before.
        """
        place = self._place(time)
        if place is not None and not self._column(name).counts[place]:
            self._column(name).means[place] = value

    def to_json(self, now: float) -> dict[str, Any]:
        """The curves.

        Args:
            now: Unix seconds; the curves end there.

        Returns:
            ``step`` in seconds, ``begin`` of the first mean in Unix seconds, and ``values``: name →
            a mean for each step, None where nothing was measured.
        """
        self._advance(int(now // STEP_S))
        first = self._newest - KEPT + 1
        places = [number % KEPT for number in range(first, self._newest + 1)]
        return {
            "step": STEP_S,
            "begin": first * STEP_S,
            "values": {
                name: [_rounded(column.means[place]) for place in places]
                for name, column in self._columns.items()
            },
        }

    def _column(self, name: str) -> _Column:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _Column()
        return column

    def _place(self, time: float) -> int | None:
        number = int(time // STEP_S)
        self._advance(number)
        return number % KEPT if number > self._newest - KEPT else None

    def _advance(self, number: int) -> None:
        """Make room up to there."""
        for passed in range(max(self._newest + 1, number - KEPT + 1), number + 1):
            for column in self._columns.values():
                column.clear(passed % KEPT)
        self._newest = max(self._newest, number)


class _Column:
    """Means and how many values each is made of, in a ring."""

    def __init__(self) -> None:
        self.means = array("f", [math.nan]) * KEPT
        self.counts = array("L", [0]) * KEPT

    def add(self, place: int, value: float) -> None:
        self.counts[place] += 1
        before = self.means[place] if self.counts[place] > 1 else 0.0
        self.means[place] = before + (value - before) / self.counts[place]

    def clear(self, place: int) -> None:
        self.means[place], self.counts[place] = math.nan, 0


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 1)
