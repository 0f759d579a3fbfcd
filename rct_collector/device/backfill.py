"""Gaps, filled from the memory of the unit while its rounds go on.

After a round, when the line is quiet, the memory is asked one thing at most. A gap is restored in
chunks of some hours, signal by signal, so that all signals of one time come together on one line,
and little has to be kept until then::

    gap      │░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│ now
    newest first:                    ◄── chunk │
    of it    pv_a ▒▒▒▒▒▒, pv_b ▒▒▒▒▒▒, …, then handed over: covered once it was taken over

A chunk that is not complete when the process ends, or that no agent could take, is still a gap: it
is read again. A signal that the unit does not answer is left out of a chunk rather than hold up all
others for ever. Where it answers none, nothing is left out: all is asked for again hours later.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import tzinfo
from fnmatch import fnmatchcase
from functools import partial
from typing import Protocol

from rct_collector.config import HistoryOptions
from rct_collector.device.clock import Clock
from rct_collector.device.coverage import SLOT_S, Coverage, SlotRange, floor
from rct_collector.device.reading import RangeReading, fits
from rct_collector.drivers.base import Ask, History, Query, TimeRange
from rct_collector.model import GapOrder, Series, Value
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

log = logging.getLogger(__name__)

#: Slots of a chunk: the first one, before it is known how many fit into a page, and the largest.
FIRST_SLOTS, MOST_SLOTS = 144, 288

#: What was asked so often in vain, one time after the other, is left out; of what the unit has
#: answered before that is the line's fault for longer.
ATTEMPTS, PROVEN_ATTEMPTS = 12, 30

#: A signal that the unit does not answer is tried again with the chunk after so many others.
REST = 24

#: A memory of which nothing was answered is left alone for so many seconds.
LATER_S = 6 * 3600.0

#: Conditions that are not decided are waited for during so many steps.
PATIENCE = 30


class Restore(Protocol):
    """Takes what was restored of one time."""

    def __call__(
        self,
        time_ns: int,
        values: list[tuple[Series, Value]],
        resolution_s: float,
        receipt: Receipt,
        /,
    ) -> None:
        """It is taken over when the receipt says so."""


@dataclass
class GapChunk:
    """A piece of a gap.

    Attributes:
        span: Its times.
        waiting: What is to be asked for after the present reading.
        reading: What is asked for at present.
        rows: Time → what came of it so far.
        failures: Questions in vain, one after the other.
        left_out: What was not answered.
        is_answered: Something was, if only with a "no".
    """

    span: SlotRange
    waiting: deque[Query]
    reading: RangeReading
    rows: dict[int, list[tuple[Series, Value]]] = field(default_factory=dict)
    failures: int = 0
    left_out: list[Query] = field(default_factory=list)
    is_answered: bool = False


class Backfill:
    """Fills the gaps of one unit."""

    def __init__(
        self,
        memory: History,
        coverage: Coverage,
        *,
        restore: Restore,
        options: HistoryOptions,
        order: GapOrder,
        wanted: Callable[[Series], bool],
        has: Callable[[str], bool | None],
        zone: tzinfo | None,
        clock: Clock,
        reports: Reports,
    ) -> None:
        """Begin with nothing read.

        Args:
            memory: How the family's memory is read.
            coverage: What needs not be read.
            restore: Takes what was restored.
            options: The user's.
            order: Which gap comes first.
            wanted: Whether the user wants a series.
            has: Condition → whether the unit has the part; None while that is not known.
            zone: Time zone of the unit's clock.
            clock: Wall clock.
            reports: Where what is worth a message goes.
        """
        self._memory = memory
        self._coverage = coverage
        self._restore = restore
        self._since_s = options.since
        self._order = order
        self._wanted = wanted
        self._has = has
        self._zone = zone
        self._clock = clock
        self._reports = reports
        self._signals = tuple(
            query
            for query, kept in memory.kept.items()
            if kept.resolution_s == SLOT_S
            and any(_is_among(series, options.signals) for series in kept.series)
        )
        self._reach_s = min((memory.kept[q].reach_s for q in self._signals), default=0.0)
        self._chunk: GapChunk | None = None
        self._receipt: Receipt | None = None
        self._page = 0
        self._proven: set[Query] = set()
        self._resting: dict[Query, int] = {}
        self._patience = PATIENCE
        self._not_before = -math.inf

    def forget(self) -> None:
        """Another unit answers, or the clock was set: what was begun is begun anew."""
        self._chunk = None
        self._proven.clear()
        self._resting.clear()
        self._patience = PATIENCE
        self._not_before = -math.inf

    def wants(self, now: float) -> Ask | None:
        """What is to be asked now, if anything is; see :class:`.restoring.Reads`."""
        if self._receipt is not None and self._receipt.is_pending:
            return None
        if self._chunk is None and (now < self._not_before or not self._begin()):
            return None
        return self._chunk.reading.ask if self._chunk is not None else None

    def take(self, value: object, now: float) -> None:
        """Take the answer to what was wanted."""
        chunk = self._chunk
        if chunk is None:
            return
        chunk.failures = 0
        chunk.is_answered = True
        reading = chunk.reading
        self._proven.add(reading.ask.query)
        rows = reading.take(value)
        if not reading.progress.is_over:
            self._page = max(self._page, len(rows))
        for row in rows:
            for series, item in row.values:
                if self._wanted(series) and fits(series, item):
                    chunk.rows.setdefault(row.time_ns, []).append((series, item))
        if reading.progress.is_over:
            self._next(chunk, now)

    def in_vain(self, now: float, *, refused: bool) -> None:
        """There was no answer: it is wanted once more the next time, but not for ever."""
        chunk = self._chunk
        if chunk is None:
            return
        chunk.failures += 1
        chunk.is_answered = chunk.is_answered or refused
        query = chunk.reading.ask.query
        if refused or chunk.failures >= (PROVEN_ATTEMPTS if query in self._proven else ATTEMPTS):
            chunk.left_out.append(query)
            self._next(chunk, now)

    # -- what is read ----------------------------------------------------------------------

    def _begin(self) -> bool:
        """Begin the next chunk; False where there is no gap, or nothing to be asked for."""
        since = min(self._since_s, self._reach_s)
        gaps = self._coverage.gaps(self._clock.wall(), since) if since else []
        if not gaps:
            return False
        queries = self._queries()
        if not queries:
            return False
        size = min(self._page or FIRST_SLOTS, MOST_SLOTS) * SLOT_S
        if self._order is GapOrder.NEWEST:
            start, end = gaps[-1]
            span = SlotRange(max(start, end - size), end)
        else:
            start, end = gaps[0]
            span = SlotRange(start, min(end, start + size))
        waiting = deque(queries)
        self._chunk = GapChunk(span, waiting, self._reading(waiting.popleft(), span))
        return True

    def _queries(self) -> list[Query]:
        """What is asked of the unit; nothing while it is not known yet what it has."""
        has = {query: self._has(query.condition) for query in self._signals}
        if None in has.values() and self._patience:
            self._patience -= 1
            return []
        found = []
        for query in self._signals:
            if not has[query] or not any(map(self._wanted, self._memory.kept[query].series)):
                continue
            if self._resting.get(query):
                self._resting[query] -= 1
            else:
                found.append(query)
        return found

    def _reading(self, query: Query, span: SlotRange) -> RangeReading:
        billion = 1_000_000_000
        times = TimeRange(span.start * billion, span.end * billion, self._zone)
        return RangeReading(self._memory, query, times)

    # -- what comes of it ------------------------------------------------------------------

    def _next(self, chunk: GapChunk, now: float) -> None:
        """Go on with the next signal of a chunk, or end it."""
        chunk.failures = 0
        if chunk.waiting:
            chunk.reading = self._reading(chunk.waiting.popleft(), chunk.span)
            return
        self._chunk = None
        if chunk.is_answered:
            self._leave_out(chunk)
            self._hand_over(chunk)
            return
        self._not_before = now + LATER_S
        text = "nothing of the memory is answered; it is asked again in %g hours"
        self._reports.say(log, logging.INFO, "unrestored", text, LATER_S / 3600)

    def _leave_out(self, chunk: GapChunk) -> None:
        """What the unit does not answer is not asked for in the next chunks."""
        for query in chunk.left_out:
            self._resting[query] = REST
            text = "%s is not answered; what it was from %d to %d (Unix time) is not restored"
            self._reports.say(log, logging.INFO, "unrestored", text, query.label, *chunk.span)

    def _hand_over(self, chunk: GapChunk) -> None:
        """Hand over what came."""
        receipt = self._receipt = Receipt()
        for time_ns in sorted(chunk.rows):
            self._restore(time_ns, chunk.rows[time_ns], SLOT_S, receipt)
        receipt.then(partial(self._settled, chunk.span, max(chunk.rows, default=None)))
        receipt.settle(True)  # noqa: FBT003 - by us

    def _settled(
        self,
        span: SlotRange,
        newest_ns: int | None,
        taken: bool,  # noqa: FBT001 - a callback
    ) -> None:
        """A chunk was taken over, or cannot be."""
        if taken:
            end = span.start if newest_ns is None else floor(newest_ns / 1e9) + SLOT_S
            self._coverage.searched(SlotRange(end, span.end))
            self._coverage.restored(SlotRange(span.start, end))
        else:
            text = "what was restored could not be handed over, and is read again"
            self._reports.say(log, logging.WARNING, "untaken", text)


def _is_among(series: Series, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(series.metric.field, glob) for glob in globs)
