"""The past, from the memory of a unit: page by page, each value under the time it is of.

Between two pages the line belongs to the rounds, and others on it are not troubled for long. What
comes is handed over page by page, so whoever stops in the middle keeps what came by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import tzinfo

from rct_collector.device.inquiry import Inquiry
from rct_collector.device.receiving import Send
from rct_collector.drivers.base import Ask, History, Past, Query, Refused, TimeRange
from rct_collector.errors import TransportError
from rct_collector.model import Origin, Series

log = logging.getLogger(__name__)

#: Seconds between two pages.
PAUSE_S = 1.0

#: A page that does not come is asked for so many times in all.
ATTEMPTS = 3

#: A range has no more pages: years of five minutes. A unit that goes on and on is left.
MOST_PAGES = 10_000

#: So many pages in a row without anything new are no hole in the memory, but its end.
MOST_EMPTY = 32

#: What was handed over of a range: series that come together → their times.
_Seen = dict[tuple[Series, ...], set[int]]


@dataclass(slots=True)
class Progress:
    """How far the reading of a range has come.

    Attributes:
        pages: Pages read.
        rows: Rows, each with the values of one time.
        reached_ns: Time of the last row read, nanoseconds since the epoch; 0 before the first.
        complete: Nothing is left to be read.
        why: Why there is nothing more although it is not complete, in words.
    """

    pages: int = 0
    rows: int = 0
    reached_ns: int = 0
    complete: bool = False
    why: str = ""


class HistoryReader:
    """Reads the memory of one unit."""

    def __init__(
        self,
        memory: History,
        inquiry: Inquiry,
        send: Send,
        *,
        wanted: Callable[[Series], bool],
        zone: tzinfo | None,
        pause_s: float = PAUSE_S,
    ) -> None:
        """Read nothing yet.

        Args:
            memory: How the family's memory is read.
            inquiry: Asks the unit.
            send: Takes the values of one time.
            wanted: Whether the user wants a series.
            zone: Time zone of the unit's clock.
            pause_s: Seconds between two pages.
        """
        self._memory = memory
        self._inquiry = inquiry
        self._send = send
        self._wanted = wanted
        self._zone = zone
        self._pause_s = pause_s

    async def read(self, query: Query, start_ns: int, end_ns: int) -> Progress:
        """Read a range, and hand it over.

        Args:
            query: One of the queries of the memory.
            start_ns: First time, nanoseconds since the epoch.
            end_ns: Time before which it ends.

        Raises:
            ValueError: The family's memory has no such query, or the range is empty.
        """
        progress = Progress()
        async for progress in self.pages(query, start_ns, end_ns):
            if not progress.complete and not progress.why:
                await asyncio.sleep(self._pause_s)
        return progress

    async def pages(self, query: Query, start_ns: int, end_ns: int) -> AsyncIterator[Progress]:
        """The same, page by page, at the caller's pace."""
        if query not in self._memory.queries:
            known = ", ".join(item.label for item in self._memory.queries)
            raise ValueError(f"the memory has no {query.label}; it has {known}")
        if start_ns >= end_ns:
            raise ValueError(f"the range ends at {end_ns}, which is not after {start_ns}")
        span = TimeRange(start_ns, end_ns, self._zone)
        progress, argument = Progress(), self._memory.first(query, span)
        seen: _Seen = {}
        empty = 0
        while not progress.complete and not progress.why:
            if progress.pages >= MOST_PAGES:
                progress.why = f"it goes on after {MOST_PAGES} pages"
                break
            progress.pages += 1
            value = await self._value(query, argument, progress)
            if not progress.why:
                page = self._memory.page(Ask(query, argument=argument), value, span)
                before = progress.rows
                self._hand_over(page.rows, span, seen, progress)
                empty = 0 if progress.rows > before else empty + 1
                progress.complete = page.more is None
                if not progress.complete and (page.more == argument or empty >= MOST_EMPTY):
                    progress.why = "the unit comes no further"
                argument = page.more
            yield progress

    async def _value(self, query: Query, argument: object, progress: Progress) -> object:
        """The answer to one question; why there is none goes into the progress."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._inquiry.ask(query, argument)
            except TransportError as error:
                if attempt == ATTEMPTS:
                    progress.why = str(error)
                else:
                    await asyncio.sleep(self._pause_s)
                continue
            if isinstance(answer, Refused):
                progress.why = f"the unit refuses {query.label}"
                return None
            return answer.value
        return None

    def _hand_over(
        self, rows: tuple[Past, ...], span: TimeRange, seen: _Seen, progress: Progress
    ) -> None:
        """Each time of the range once, oldest first, though pages may overlap.

        Several rows may be of one time, each with other series: one of each battery, say.
        """
        for row in sorted(rows, key=lambda row: row.time_ns):
            times = seen.setdefault(tuple(series for series, _ in row.values), set())
            if not span.start_ns <= row.time_ns < span.end_ns or row.time_ns in times:
                continue
            times.add(row.time_ns)
            progress.rows += 1
            progress.reached_ns = row.time_ns
            values = [(series, value) for series, value in row.values if self._wanted(series)]
            if values:
                self._send(row.time_ns, values, Origin.HISTORY)
