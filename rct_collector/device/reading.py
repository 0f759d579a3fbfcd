"""A range of the past, page by page: what is to be asked next, and what came of it.

Whoever asks decides when; see :mod:`.history` and :mod:`.backfill`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rct_collector.drivers.base import Ask, History, Past, Query, TimeRange
from rct_collector.model import Series, Value

#: A range has no more pages: years of five minutes. A unit that goes on and on is left.
MOST_PAGES = 10_000

#: So many pages in a row without anything new are no hole in the memory, but its end.
MOST_EMPTY = 64


@dataclass(slots=True)
class Progress:
    """How far the reading of a range has come.

    Attributes:
        pages: Pages read.
        rows: Rows, each with the values of one time.
        reached_ns: Time of the last row read, nanoseconds since the epoch; 0 before the first.
        left_out: Values of which nobody can tell the time, or that cannot be.
        complete: Nothing is left to be read.
        why: Why there is nothing more although it is not complete, in words.
    """

    pages: int = 0
    rows: int = 0
    reached_ns: int = 0
    left_out: int = 0
    complete: bool = False
    why: str = ""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more, for whatever reason."""
        return self.complete or bool(self.why)


class RangeReading:
    """One query of a memory over a range of time.

    Attributes:
        ask: What is to be asked next, of no unit yet.
        progress: How far it has come.
    """

    def __init__(self, memory: History, query: Query, span: TimeRange) -> None:
        """Read nothing yet.

        Args:
            memory: How the family's memory is read.
            query: One of its queries.
            span: The range.
        """
        self._memory = memory
        self._span = span
        self._seen: dict[tuple[Series, ...], set[int]] = {}  # series that come together → times
        self._empty = 0
        self.ask = Ask(query, argument=memory.first(query, span))
        self.progress = Progress()

    def take(self, value: object) -> list[Past]:
        """Take the answer to what was to be asked.

        Returns:
            What is new: each time of the range once, oldest first, though pages may overlap.
            Several may be of one time, each with other series: one of each battery, say.
        """
        progress = self.progress
        page = self._memory.page(self.ask, value, self._span)
        progress.pages += 1
        progress.left_out += page.left_out
        rows = list(self._new(page.rows))
        progress.rows += len(rows)
        if rows:
            progress.reached_ns = rows[-1].time_ns
        self._empty = 0 if rows else self._empty + 1
        progress.complete = page.more is None
        if page.more is None:
            return rows
        if page.more == self.ask.argument or self._empty >= MOST_EMPTY:
            progress.why = "the unit comes no further"
        elif progress.pages >= MOST_PAGES:
            progress.why = f"it goes on after {MOST_PAGES} pages"
        self.ask = self.ask._replace(argument=page.more)
        return rows

    def _new(self, rows: Iterable[Past]) -> Iterator[Past]:
        start, end = self._span.start_ns, self._span.end_ns
        for row in sorted(rows, key=lambda row: row.time_ns):
            times = self._seen.setdefault(tuple(series for series, _ in row.values), set())
            if start <= row.time_ns < end and row.time_ns not in times:
                times.add(row.time_ns)
                yield row


def fits(series: Series, value: Value) -> bool:
    """Whether a value is within what its metric can be."""
    if isinstance(value, str):
        return True
    return math.isfinite(value) and series.metric.low <= value <= series.metric.high
