"""What a device remembers, read signal by signal: what there is to read, and the reading of it.

::

    range ─► portions, oldest first ─► slices: one signal of a portion ─► rows

A slice is what is kept when the reading is interrupted, and not read again when it goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, NamedTuple, Protocol

from rct_collector.catalog import catalog
from rct_collector.config import DeviceConfig
from rct_collector.control.borrowing import Borrowed, borrowed
from rct_collector.device.asker import Asker
from rct_collector.device.options import Options
from rct_collector.device.reading import RangeReading
from rct_collector.drivers import driver
from rct_collector.drivers.base import (
    Answer,
    Ask,
    Driver,
    History,
    Kept,
    Query,
    Refused,
    TimeRange,
)
from rct_collector.errors import BusyError, ConfigError, RpcError, TransportError
from rct_collector.exits import Exit
from rct_collector.model import Metric, Series, Value

SECOND = 1_000_000_000
DAY_S = 86_400

#: Seconds of a portion, where a value comes every so often; longer resolutions are read at once.
#: The last answer of a slice brings little of it, so longer portions cost fewer questions; shorter
#: ones are sooner complete.
PORTION_S = 4 * DAY_S
#: Values farther apart than this are few: all of a range are one portion.
_OFTEN_S = 3600

#: Seconds that a line which was lost is waited for, until the device is given up.
PATIENCE_S = 120.0
#: Times that a page is not had though the unit answers who it is, until its slice is given up.
TRIES = 4

#: Times that a question is put until nobody waits for its answer any more.
_ATTEMPTS = 3
#: Kinds of errors after which the line is as good as before.
_SILENCE = ("timeout", "garbled")

#: A row: its time, and its values.
Row = tuple[int, list[tuple[Series, Value]]]


class Slice(NamedTuple):
    """One thing to be read.

    Attributes:
        query: Of the memory.
        start_ns: First time, nanoseconds since the epoch.
        end_ns: Time before which it ends.
    """

    query: Query
    start_ns: int
    end_ns: int


def pause_s(device: DeviceConfig) -> float:
    """Seconds between two questions: others want the line, too."""
    return 1 / device.requests.per_second


def memory_of(family: Driver) -> History:
    """How a family's memory is read.

    Raises:
        ConfigError: Its units have none that can be read.
    """
    if family.history is None:
        raise ConfigError([f"{family.title} units have no memory that can be read"])
    return family.history


def resolution_of(kept: Kept) -> str:
    """What one value of a query covers, such as ``5m``; "" of events."""
    return next((dict(series.tags).get("resolution", "") for series in kept.series), "")


def resolutions(memory: History) -> list[str]:
    """Those that a memory has, the finest first."""
    return list(dict.fromkeys(filter(None, map(resolution_of, memory.kept.values()))))


#: In place of globs: no values.
NONE = ("none",)


class Selection(NamedTuple):
    """What is wanted of each device.

    Attributes:
        resolution: What one value covers, such as ``5m``.
        signals: Globs of fields; empty for all that are on by default, :data:`NONE` for none.
        events: Events as well.
    """

    resolution: str
    signals: tuple[str, ...] = ()
    events: bool = False

    @property
    def values(self) -> bool:
        """Whether values are wanted at all."""
        return self.signals != NONE

    def queries(self, family: Driver) -> list[Query]:
        """What is asked for it.

        Raises:
            ConfigError: The family has no such memory, or no such signals.
        """
        memory = memory_of(family)
        known = resolutions(memory)
        if self.values and self.resolution not in known:
            raise ConfigError(
                [f"--resolution: {family.title} units keep {', '.join(known)}, not"
                 f" {self.resolution}"]
            )  # fmt: skip
        chosen = [query for query, kept in memory.kept.items() if self._takes(kept)]
        events = [query for query, kept in memory.kept.items() if kept.events and self.events]
        self._check(chosen, memory)
        return chosen + events

    def reach_s(self, family: Driver) -> float:
        """Seconds that units remember of it, back from now."""
        memory = memory_of(family)
        return max(memory.kept[query].reach_s for query in self.queries(family))

    def _takes(self, kept: Kept) -> bool:
        if not self.values or resolution_of(kept) != self.resolution:
            return False
        if self.signals:
            return any(_fits(series, self.signals) for series in kept.series)
        return any(series.metric.default for series in kept.series)

    def _check(self, chosen: Iterable[Query], memory: History) -> None:
        found = [series for query in chosen for series in memory.kept[query].series]
        lost = [glob for glob in self.signals if not any(_fits(one, (glob,)) for one in found)]
        if lost and self.values:
            fields = (
                series.metric.field
                for kept in memory.kept.values()
                if resolution_of(kept) == self.resolution
                for series in kept.series
            )
            known = ", ".join(dict.fromkeys(fields))
            raise ConfigError(
                [f"--signals: nothing of {self.resolution} matches {glob!r}; known: {known}"
                 for glob in lost]
            )  # fmt: skip


def _fits(series: Series, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(series.metric.field, glob) for glob in globs)


@dataclass(slots=True)
class Headway:
    """What a reading has come to.

    Attributes:
        slices: All there are to be read.
        done: Those that are settled.
        questions: Questions that were put to the unit.
        values: Values that came.
        left_out: Values of which nobody can tell the time, or that cannot be.
        failed: What could not be read, in words.
        unknown: What the unit does not know, in words.
        place: What is being read, for people.
    """

    slices: int = 0
    done: int = 0
    questions: int = 0
    values: int = 0
    left_out: int = 0
    failed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    place: str = ""


class Taker(Protocol):
    """Takes what is read."""

    def has(self, device: DeviceConfig, part: Slice) -> bool:
        """Whether a slice is there already."""

    def take(self, device: DeviceConfig, part: Slice, rows: list[Row]) -> None:
        """Take a slice, with its rows in the order of time."""

    def flush(self, device: DeviceConfig) -> None:
        """All slices of a portion were read."""


class HistoryReading:
    """The reading of one device's memory.

    Attributes:
        config: The device.
        queries: What is wanted of it.
        headway: How far it has come.
        status: How it went.
        trouble: Why it has ended early; "" when it has not.
        seconds: How long it took.
        reached_ns: Everything before this is settled, nanoseconds since the epoch.
    """

    def __init__(self, config: DeviceConfig, wanted: Selection, start_ns: int, end_ns: int) -> None:
        """Plan it.

        Args:
            config: The device.
            wanted: What is wanted of it.
            start_ns: First time, nanoseconds since the epoch.
            end_ns: Time before which it ends.

        Raises:
            ConfigError: The family has no such memory, or no such signals.
        """
        self.config = config
        self._family = driver(config.driver)
        self._memory = memory_of(self._family)
        self._all_wanted = bool(wanted.signals)
        self.queries = wanted.queries(self._family)
        self.portions = list(self._portions(start_ns, end_ns))
        self.headway = Headway(slices=sum(map(len, self.portions)))
        self.status = Exit.OK
        self.trouble = ""
        self.seconds = 0.0
        self.reached_ns = start_ns

    @property
    def series(self) -> list[Series]:
        """The series that it brings, as far as they are known beforehand."""
        found = (series for query in self.queries for series in self._memory.kept[query].series)
        return list(dict.fromkeys(found))

    @property
    def metrics(self) -> list[Metric]:
        """What it brings, in the order of the catalogue."""
        found = {series.metric for series in self.series}
        found.update(metric for q in self.queries for metric in self._memory.kept[q].metrics)
        return [metric for metric in catalog().metrics if metric in found]

    def _portions(self, start_ns: int, end_ns: int) -> Iterable[list[Slice]]:
        """Pieces that are of the same time, oldest first; events of all of it last."""
        often = [q for q in self.queries if 0 < self._memory.kept[q].resolution_s <= _OFTEN_S]
        if often:
            begin = start_ns
            while begin < end_ns:
                end = min(begin + PORTION_S * SECOND, end_ns)
                yield [Slice(query, begin, end) for query in often]
                begin = end
        seldom = [query for query in self.queries if query not in often]
        curves = [query for query in seldom if not self._memory.kept[query].events]
        for queries in (curves, [query for query in seldom if query not in curves]):
            if queries:
                yield [Slice(query, start_ns, end_ns) for query in queries]

    # -- reading ---------------------------------------------------------------------------

    async def read(self, options: Options, taker: Taker, timeout: float) -> None:
        """Open the line, read one slice after the other, close the line.

        Args:
            options: What the devices have in common.
            taker: Takes the slices.
            timeout: Seconds that opening may take.
        """
        asker = Asker(self.config, options)
        begun = time.monotonic()
        try:
            try:
                async with asker.connected(timeout):
                    await self._read(asker, taker)
            except BusyError as busy:
                async with borrowed(self.config, busy) as owner:
                    await self._read_all(taker, partial(self._told, owner, set()))
        except RpcError as error:
            self.status, self.trouble = Exit.UNREACHABLE, str(error)
        except BusyError as error:
            self.status, self.trouble = Exit.BUSY, str(error)
        except TransportError as error:
            self.status, self.trouble = Exit.UNREACHABLE, str(error)
        finally:
            self.seconds = time.monotonic() - begun
        if self.headway.failed and not self.status:
            self.status = Exit.UNREACHABLE

    async def _read(self, asker: Asker, taker: Taker) -> None:
        absent = await self._absent(asker)
        answered: set[Query] = set()

        async def rows(part: Slice) -> list[Row] | None:
            found = await self._rows(part, absent, answered, partial(self._slice, asker))
            asker.port.line.tend()
            return found

        await self._read_all(taker, rows)

    async def _read_all(
        self, taker: Taker, read: Callable[[Slice], Awaitable[list[Row] | None]]
    ) -> None:
        """Read one slice after the other.

        Args:
            taker: Takes them.
            read: Reads one; None where it could not be read.
        """
        for portion in self.portions:
            for part in portion:
                if not taker.has(self.config, part):
                    rows = await read(part)
                    if rows is not None:
                        taker.take(self.config, part, rows)
                self.headway.done += 1
            taker.flush(self.config)
            if not self.headway.failed:
                self.reached_ns = portion[0].end_ns

    async def _told(self, owner: Borrowed, answered: set[Query], part: Slice) -> list[Row] | None:
        """The rows of a slice, of whoever collects from the unit; see :meth:`_rows`."""

        async def read(part: Slice, answered: set[Query]) -> tuple[list[Row], str]:
            self.headway.place = part.query.name
            kept = self._memory.kept[part.query]
            resolution = "events" if kept.events else resolution_of(kept)
            series = ["*"] if kept.events else [item.name for item in kept.series]
            told = await owner.remembered(part.start_ns, part.end_ns, resolution, series)
            self.headway.questions += told.pages
            rows = [(batch.time_ns, list(batch.values)) for batch in told.batches]
            if rows or not told.why:
                answered.add(part.query)
            if told.why:
                return [], f"{part.query.label}: {told.why}"
            self.headway.values += sum(len(values) for _, values in rows)
            self.headway.left_out += told.left_out
            return sorted(rows, key=lambda row: row[0]), ""

        return await self._rows(part, set(), answered, read)

    async def _rows(
        self,
        part: Slice,
        absent: set[Query],
        answered: set[Query],
        read: Callable[[Slice, set[Query]], Awaitable[tuple[list[Row], str]]],
    ) -> list[Row] | None:
        """The rows of a slice; None where it could not be read.

        What a unit never answers although it answers something else, its firmware does not know.

        Args:
            part: The slice.
            absent: What the unit does not have.
            answered: What it has answered before.
            read: Reads a slice: its rows, and why they are not all.

        Raises:
            TransportError: The unit answers nothing any more.
        """
        if part.query in absent:
            return []
        rows, why = await read(part, answered)
        if not why:
            return rows
        if part.query in answered:
            self.headway.failed.append(why)
            return None
        self.headway.unknown.append(why)
        absent.add(part.query)
        return []

    async def _absent(self, asker: Asker) -> set[Query]:
        """What is about parts that the unit has said it does not have, unless it was named."""
        if self._all_wanted:
            return set()
        facts: dict[str, Any] = {}
        absent = set()
        for query in self.queries:
            condition = self._family.conditions.get(query.condition)
            if condition is None:
                continue
            for name in condition.inputs:
                if name not in facts:
                    await self._learn(asker, self._family.query(name), facts)
            if condition.test(facts) is False:
                absent.add(query)
        return absent

    async def _learn(self, asker: Asker, query: Query, facts: dict[str, Any]) -> None:
        facts[query.name] = None
        try:
            event = await self._asked(asker, query)
        except TransportError as error:
            if error.kind not in _SILENCE:
                raise
            return
        if isinstance(event, Answer):
            facts[query.name] = query.fact(event.value)

    async def _slice(
        self, asker: Asker, part: Slice, answered: set[Query]
    ) -> tuple[list[Row], str]:
        """Its rows, and why they are not all; "" where they are.

        Raises:
            TransportError: The line was lost, and did not come back, or the unit answers nothing.
        """
        self.headway.place = part.query.name
        span = TimeRange(part.start_ns, part.end_ns, self.config.timezone)
        reading = RangeReading(self._memory, part.query, span)
        rows: list[Row] = []
        while not reading.progress.is_over:
            event = await self._page(asker, reading.ask)
            if isinstance(event, str):
                return [], event
            answered.add(part.query)
            rows += [(past.time_ns, list(past.values)) for past in reading.take(event.value)]
            await asyncio.sleep(pause_s(self.config))
        if reading.progress.why:
            return [], f"{part.query.label}: {reading.progress.why}"
        self.headway.values += sum(len(values) for _, values in rows)
        self.headway.left_out += reading.progress.left_out
        return sorted(rows, key=lambda row: row[0]), ""

    async def _page(self, asker: Asker, ask: Ask) -> Answer | str:
        """The answer to one question; why there is none, though the unit answers something else.

        Raises:
            TransportError: The line was lost, and did not come back, or the unit answers nothing.
        """
        why = ""
        for _ in range(TRIES):
            try:
                event = await self._asked(asker, ask.query, ask.argument)
            except TransportError as error:
                why = str(error)
                if error.kind not in _SILENCE:
                    await self._line_back(asker)
                elif not await self._is_alive(asker):
                    raise
                continue
            return event if isinstance(event, Answer) else f"the unit refuses {ask.query.label}"
        return why

    async def _asked(self, asker: Asker, query: Query, argument: object = None) -> Answer | Refused:
        """The answer to one question, which is put a few times."""
        self.headway.questions += 1
        return await asker.ask(query, argument, attempts=_ATTEMPTS)

    async def _is_alive(self, asker: Asker) -> bool:
        """Whether the unit answers who it is.

        Raises:
            TransportError: The line was lost, and did not come back.
        """
        for name in self._family.identity[:1]:
            try:
                await self._asked(asker, self._family.query(name))
            except TransportError as error:
                if error.kind == "timeout":
                    return False
                if error.kind not in _SILENCE:
                    await self._line_back(asker)
        return True

    async def _line_back(self, asker: Asker) -> None:
        """Wait for a line that was lost.

        Raises:
            TransportError: It does not come back.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_S
        while not asker.port.is_open:
            if loop.time() >= end:
                raise TransportError(asker.port.last_error or "the line was lost")
            await asyncio.sleep(1.0)
