"""The past, from the memory of a unit: page by page, each value under the time it is of.

Between two pages the line belongs to the rounds, and others on it are not troubled for long. What
comes is handed over page by page, so whoever stops in the middle keeps what came by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import tzinfo

from rct_collector.device.inquiry import Inquiry
from rct_collector.device.reading import Progress, RangeReading
from rct_collector.device.receiving import Send
from rct_collector.drivers.base import History, Query, Refused, TimeRange
from rct_collector.errors import TransportError
from rct_collector.model import Origin, Series

#: Seconds between two pages.
PAUSE_S = 1.0

#: A page that does not come is asked for so many times in all.
ATTEMPTS = 3


class HistoryReader:
    """Reads the memory of one unit."""

    def __init__(
        self,
        memory: History,
        inquiry: Inquiry,
        send: Send,
        *,
        wanted: Callable[[Series], bool],
        lacks: Callable[[Query], bool] = lambda _query: False,
        zone: tzinfo | None,
        pause_s: float = PAUSE_S,
    ) -> None:
        """Read nothing yet.

        Args:
            memory: How the family's memory is read.
            inquiry: Asks the unit.
            send: Takes the values of one time.
            wanted: Whether the user wants a series.
            lacks: Whether the unit lacks the part that a query is about; what it says of that is
                not asked for.
            zone: Time zone of the unit's clock.
            pause_s: Seconds between two pages.
        """
        self._memory = memory
        self._inquiry = inquiry
        self._send = send
        self._wanted = wanted
        self._lacks = lacks
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
            if not progress.is_over:
                await asyncio.sleep(self._pause_s)
        return progress

    async def pages(self, query: Query, start_ns: int, end_ns: int) -> AsyncIterator[Progress]:
        """The same, page by page, at the caller's pace."""
        if query not in self._memory.queries:
            known = ", ".join(item.label for item in self._memory.queries)
            raise ValueError(f"the memory has no {query.label}; it has {known}")
        if start_ns >= end_ns:
            raise ValueError(f"the range ends at {end_ns}, which is not after {start_ns}")
        if self._lacks(query):
            yield Progress(complete=True)
            return
        reading = RangeReading(self._memory, query, TimeRange(start_ns, end_ns, self._zone))
        while not reading.progress.is_over:
            await self._page(reading)
            yield reading.progress

    async def _page(self, reading: RangeReading) -> None:
        """Read a page, and hand it over; why there is none goes into the progress."""
        query, progress = reading.ask.query, reading.progress
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = await self._inquiry.ask(query, reading.ask.argument)
                break
            except TransportError as error:
                if attempt == ATTEMPTS:
                    progress.why = str(error)
                    return
                await asyncio.sleep(self._pause_s)
        if isinstance(answer, Refused):
            progress.why = f"the unit refuses {query.label}"
            return
        for row in reading.take(answer.value):
            values = [(series, value) for series, value in row.values if self._wanted(series)]
            if values:
                self._send(row.time_ns, values, Origin.HISTORY)
