"""The table of events of a unit: what is new in it, now and then.

It is read after a start, every quarter of an hour, and when the faults have changed. What began
lately is of now, for who notifies people; what is older is of the past. An event that ends later
than it was read comes once more, under the same time.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from datetime import tzinfo
from functools import partial

from rct_collector.device.clock import Clock
from rct_collector.device.coverage import Coverage, ToldEvent
from rct_collector.device.reading import RangeReading, fits
from rct_collector.device.receiving import Send
from rct_collector.drivers.base import Ask, History, Past, Query, TimeRange
from rct_collector.model import Origin, Series, Value
from rct_collector.receipt import Receipt

#: Seconds from one look to the next.
EVERY_S = 900.0

#: What began so many seconds ago, or less, is of now.
LATELY_S = 1800.0

#: So far behind the newest event another look goes back, in seconds: one may have ended since.
OVERLAP_S = 86400

#: Events of one look; of more, the oldest are left out.
MOST = 1000

#: Questions in vain, one after the other, that end a look.
ATTEMPTS = 12

#: A unit's clock may be ahead of ours by so many seconds.
AHEAD_S = 900

SECOND = 1_000_000_000


class Happenings:
    """Reads the events of one unit."""

    def __init__(
        self,
        memory: History,
        query: Query,
        coverage: Coverage,
        *,
        send: Send,
        since_s: float,
        wanted: Callable[[Series], bool],
        zone: tzinfo | None,
        clock: Clock,
    ) -> None:
        """Begin with a look at once.

        Args:
            memory: How the family's memory is read.
            query: The table of events.
            coverage: Remembers what was handed over.
            send: Takes what is new.
            since_s: So far back events are wanted that happened while nobody looked, in seconds.
            wanted: Whether the user wants a series.
            zone: Time zone of the unit's clock.
            clock: Wall clock.
        """
        self._memory = memory
        self._query = query
        self._coverage = coverage
        self._send = send
        self._since_s = since_s
        self._wanted = wanted
        self._zone = zone
        self._clock = clock
        self._reading: RangeReading | None = None
        self._rows: list[Past] = []
        self._due = -math.inf
        self._failures = 0
        self._faults: dict[int, Value] = {}  # place → what was known of it last
        self._receipt: Receipt | None = None

    def forget(self) -> None:
        """Another unit answers, or the clock was set: look anew."""
        self._reading = None
        self._due = -math.inf
        self._failures = 0

    def noticed(self, faults: Sequence[Value | None]) -> None:
        """What is known of faults after a round; if it is new, there may be events.

        Args:
            faults: The same ones each time; None for what the round has not brought.
        """
        for place, value in enumerate(faults):
            if value is None:
                continue
            if self._faults.get(place, value) != value:
                self._due = -math.inf
            self._faults[place] = value

    def wants(self, now: float) -> Ask | None:
        """What is to be asked now, if anything is; see :class:`.restoring.Reads`."""
        if self._receipt is not None and self._receipt.is_pending:
            return None
        if self._reading is None:
            if now < self._due:
                return None
            self._rows = []
            self._reading = RangeReading(self._memory, self._query, self._span())
        return self._reading.ask

    def take(self, value: object, now: float) -> None:
        """Take the answer to what was wanted."""
        reading = self._reading
        if reading is None:
            return
        self._failures = 0
        self._rows += reading.take(value)
        if reading.progress.is_over or len(self._rows) >= MOST:
            self._reading = None
            self._due = now + EVERY_S
            self._hand_over()

    def in_vain(self, now: float, *, refused: bool) -> None:
        """There was no answer: it is wanted once more, or with the next look."""
        self._failures += 1
        if refused or self._failures >= ATTEMPTS:
            self._reading, self._failures = None, 0
            self._due = now + EVERY_S

    def _span(self) -> TimeRange:
        wall_ns = self._clock.wall_ns()
        start_ns = wall_ns - round(self._since_s * 1e9)
        newest_ns = self._coverage.newest_event_ns
        if newest_ns is not None:
            start_ns = max(start_ns, newest_ns - OVERLAP_S * SECOND)
        return TimeRange(start_ns, wall_ns + AHEAD_S * SECOND, self._zone)

    def _hand_over(self) -> None:
        """What was not known so far, the oldest first."""
        known = self._coverage.events
        oldest_ns = self._coverage.events_from_ns
        receipt = self._receipt = Receipt()
        taken = []
        for row in sorted(self._rows, key=lambda row: row.time_ns):
            values = [(s, v) for s, v in row.values if self._wanted(s) and fits(s, v)]
            event = _named(row)
            if not values or event in known or row.time_ns < oldest_ns:
                continue
            taken.append(event)
            is_new = self._clock.wall_ns() - row.time_ns <= LATELY_S * SECOND
            origin = Origin.LIVE if is_new else Origin.HISTORY
            self._send(row.time_ns, values, origin, receipt)
        self._rows = []
        receipt.then(partial(self._settled, taken))
        receipt.settle(True)  # noqa: FBT003 - by us

    def _settled(self, events: list[ToldEvent], taken: bool) -> None:  # noqa: FBT001 - a callback
        if taken:
            self._coverage.happened(events)
        else:
            self._due = -math.inf


def _named(row: Past) -> ToldEvent:
    """What tells an event from others, and from what it was before it ended."""
    said = repr([(series.name, value) for series, value in row.values])
    return ToldEvent(row.time_ns, zlib.crc32(said.encode()))
