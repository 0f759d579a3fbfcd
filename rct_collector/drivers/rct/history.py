"""The past of an RCT unit: 44 series of its logger, page by page from the newest on.

A question names a time, and the answer brings some records that are older. It may be cut short at
any record, and its checksum is right all the same: so few records, or none, are no end. Where five
minutes after five minutes are missing, since the unit was off or its clock was set, an answer may
be empty although older records are there; they are found by asking for what is hours older.

Times are local wall clock as if it were UTC. In autumn an hour comes twice: of two records that
show the same, or of which the older one shows the later time, the newer is of the second hour. Such
an hour is read in one piece, and what stands alone in it is left out. In spring an hour does not
exist, and what claims to be of it is left out, too.

Sources: rctclient's documentation and its tool ``timeseries2csv.py``, whose allowances tell that
records of days and longer show 23:59:59 of the first day of what they cover, that the years end
with an empty one of 2000, and that an answer has about 41 records. Not documented, and assumed:
energies of five minutes are mean watts, as the registry has it for one of them, with the signs of
the counters. What ``logger.year_log_ts`` counts, nobody knows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo
from functools import partial
from typing import Any, NamedTuple

from rct_collector.catalog import catalog
from rct_collector.drivers.base import Ask, Binding, History, Kept, Page, Past, Query, TimeRange
from rct_collector.drivers.rct.clock import (
    DAY_S,
    begin_after,
    begin_of,
    end_of_repeated,
    readings,
    wall_clock,
)
from rct_collector.drivers.rct.events import METRICS, values_of
from rct_collector.drivers.rct.table import EVENT_TABLE, LOGGER, OBJECTS, LoggerPlace, bind
from rct_collector.drivers.rct.wire import utc_seconds

#: Seconds from one record to the next; of months and years, of usual ones.
RESOLUTIONS = {"minutes": 300, "day": DAY_S, "month": 30 * DAY_S, "year": 365 * DAY_S}

PERIODS = ("day", "month", "year")

#: So far back a unit keeps five minutes; of days and longer nobody knows a limit.
REACH_S = 90 * DAY_S

#: An empty answer, twice, is a hole: what is six hours older is asked for, and what is three hours
#: older before, since answers were seen to look back for 41 records, which is not much more …
JUMP_S = 3 * 3600
#: … so many times in a row: a week without a record is the end.
MOST_JUMPS = 56

#: Records of days, months and years up to here are none, but show that there are no more.
_NONE_BEFORE = begin_after("year", 946_684_800)

#: Clocks are set by no more than this for summer, in seconds.
_MOST_SHIFT_S = 3 * 3600
#: No hour that comes twice is of two of these.
_HALF_DAY_S = DAY_S // 2

#: The last time that can be asked for, in seconds.
_LAST = 0xFFFF_FFFF

SECOND = 1_000_000_000
#: Events of one kind that began in the same second are kept apart by this, in nanoseconds.
_APART_NS = 1_000_000

#: Signal → field of ``inverter_history`` without its unit, factor from the wire.
_ENERGIES = {
    "ea": ("pv_a", 1),
    "eb": ("pv_b", 1),
    "eac": ("output", 1),
    "eac1": ("output_l1", 1),
    "eac2": ("output_l2", 1),
    "eac3": ("output_l3", 1),
    "ebat": ("battery", 1),
    "eext": ("external", 1),
    "egrid_feed": ("grid_export", -1),
    "egrid_load": ("grid_import", 1),
    "eload": ("load", 1),
}
#: Signal → field, factor.
_LEVELS = {
    "soc": ("soc_percent", 100),
    "soc_targ": ("soc_target_percent", 100),
    "temp": ("heatsink_celsius", 1),
    "temp2": ("battery_heatsink_celsius", 1),
    "temp_bat": ("battery_celsius", 1),
    "ua": ("pv_a_volts", 1),
    "ub": ("pv_b_volts", 1),
    "ubat": ("battery_volts", 1),
    "ul1": ("grid_l1_volts", 1),
    "ul2": ("grid_l2_volts", 1),
    "ul3": ("grid_l3_volts", 1),
}


# -- what part of the unit's clock a range is --------------------------------------------------


def _earliest(span: TimeRange) -> int:
    """No time of the range is shown as an earlier one."""
    start = _sane(span.start_ns // SECOND)
    later = wall_clock(start + _MOST_SHIFT_S, span.zone) - _MOST_SHIFT_S
    return max(min(wall_clock(start, span.zone), later), 0)


def _latest(span: TimeRange) -> int:
    """Every time of the range is shown as an earlier one."""
    end = _sane(-(-span.end_ns // SECOND))
    earlier = wall_clock(end - _MOST_SHIFT_S, span.zone) + _MOST_SHIFT_S
    return max(wall_clock(end, span.zone), earlier)


def _sane(unix: int) -> int:
    """Unix seconds that calendars know and 32 bits hold, in any zone."""
    return min(max(unix, DAY_S), _LAST - 2 * DAY_S)


# -- when the records of an answer are of ------------------------------------------------------


class Dated(NamedTuple):
    """Records of an answer whose time can be told.

    Attributes:
        records: Unix seconds, record.
        left_out: So many more, whose time nobody can tell.
    """

    records: list[tuple[int, tuple[Any, ...]]]
    left_out: int


def dated(
    records: list[tuple[Any, ...]],
    stamp: Callable[[Any], int],
    zone: tzinfo | None,
    *,
    grid: bool = False,
) -> Dated:
    """Tell when records are of.

    Args:
        records: As the answer has them, the newest first, or the oldest.
        stamp: Takes the unit's time out of a record.
        zone: The unit's time zone; None for that of this host.
        grid: No two of them are of the same time.
    """
    found = [(readings(wall, zone), wall, record) for record in records for wall in [stamp(record)]]
    sure = [wall for times, wall, _ in found if len(times) == 1]
    if sure and sure[0] < sure[-1]:
        found.reverse()
    of_first, of_second = _told_apart([w for t, w, _ in found if len(t) > 1], 0 if grid else 1)
    known, place = [], 0
    for times, _, record in found:
        if len(times) > 1:
            first, second = place in of_first, place in of_second
            times = () if first is second else times[second : second + 1]
            place += 1
        known += [(unix, record) for unix in times]
    return Dated(known, len(records) - len(known))


def _told_apart(walls: list[int], least: int) -> tuple[set[int], set[int]]:
    """Which records of hours that come twice are of the first, and which of the second.

    Args:
        walls: What the records show, the newest first.
        least: Seconds by which the older of two must seem newer, or as new.

    Returns:
        Places of those for which another one tells.
    """
    of_first, of_second = set(), set()
    lowest: dict[int, int] = {}  # half a day → the earliest that newer ones show
    for place, wall in enumerate(walls):
        earliest = lowest.setdefault(wall // _HALF_DAY_S, wall + DAY_S)
        if earliest <= wall - least:
            of_first.add(place)
        lowest[wall // _HALF_DAY_S] = min(earliest, wall)
    highest: dict[int, int] = {}  # the same, the latest that older ones show
    for place, wall in reversed([*enumerate(walls)]):
        latest = highest.setdefault(wall // _HALF_DAY_S, -1)
        if latest >= wall + least:
            of_second.add(place)
        highest[wall // _HALF_DAY_S] = max(latest, wall)
    return of_first, of_second


# -- page by page ------------------------------------------------------------------------------


def first(query: Query, span: TimeRange, resolution: str) -> LoggerPlace:
    """Where reading begins: behind all that can be of the range."""
    latest = _latest(span)
    if resolution in PERIODS:
        latest = min(begin_after(resolution, latest - 1), _LAST)
    return LoggerPlace(latest)


def _after_nothing(place: LoggerPlace, span: TimeRange, *, holes: bool) -> LoggerPlace | None:
    """Where to ask when an answer brought nothing: again, since it may have been cut short."""
    if not place.misses:
        return place._replace(misses=1)
    if not holes or place.misses > MOST_JUMPS:
        return None
    return _unless_over(LoggerPlace(place.before - JUMP_S, place.misses + 1), span)


def _unless_over(place: LoggerPlace, span: TimeRange) -> LoggerPlace | None:
    """The same, if anything of the range can be there."""
    return place if place.before > _earliest(span) else None


def minutes(ask: Ask, value: Any, span: TimeRange, binding: Binding) -> Page:
    """What an answer brings of five minutes."""
    place: LoggerPlace = ask.argument
    records = [record for record in value[1] if record[0] < place.before]
    if not records:
        return Page((), _after_nothing(place, span, holes=True))
    oldest = min(record[0] for record in records)
    more, least = LoggerPlace(oldest), _earliest(span)
    if (whole := _whole_hour(oldest, place, span)) is not None:
        more, least = LoggerPlace(whole), whole
    records = [record for record in records if record[0] >= least]
    found = dated(records, lambda record: int(record[0]), span.zone, grid=True)
    rows, bad = _rows(((unix, record[1]) for unix, record in found.records), binding)
    return Page(rows, _unless_over(more, span), found.left_out + bad)


def _whole_hour(oldest: int, place: LoggerPlace, span: TimeRange) -> int | None:
    """The end of an hour that comes twice, where an answer has ended in it and began after it."""
    if len(readings(oldest, span.zone)) < 2:
        return None
    end = end_of_repeated(oldest, span.zone)
    return end if place.before > end else None


def periods(ask: Ask, value: Any, span: TimeRange, binding: Binding, resolution: str) -> Page:
    """What an answer brings of days, months or years: each is of the time at which it began."""
    place: LoggerPlace = ask.argument
    records = [record for record in value[1] if record[0] < place.before]
    if not records:
        return Page((), _after_nothing(place, span, holes=False))
    oldest = min(record[0] for record in records)
    begun = ((begin_of(resolution, wall), v) for wall, v in records if wall >= _NONE_BEFORE)
    found = ((round(utc_seconds(wall, span.zone)), v) for wall, v in begun)
    rows, bad = _rows(found, binding)
    more = None if oldest < _NONE_BEFORE else _unless_over(LoggerPlace(oldest), span)
    return Page(rows, more, bad)


def _rows(found: Iterable[tuple[int, float]], binding: Binding) -> tuple[tuple[Past, ...], int]:
    """Values of one series, without those that cannot be, and how many these are."""
    series = binding.series[0]
    metric = series.metric
    rows, bad = [], 0
    for unix, raw in found:
        (value,) = binding.convert(raw, None)
        if isinstance(value, float) and metric.low <= value <= metric.high:  # nor is NaN between
            rows.append(Past(unix * SECOND, ((series, value),)))
        else:
            bad += 1
    return tuple(rows), bad


def events(ask: Ask, value: Any, span: TimeRange) -> Page:
    """What an answer brings of the event table.

    The oldest second in it may be cut in two, so that is read once more, from its end on.
    """
    place: LoggerPlace = ask.argument
    records = [record for record in value[1] if record[1] < place.before]
    if not records:
        return Page((), _after_nothing(place, span, holes=False))
    oldest = min(record[1] for record in records)
    more, least = LoggerPlace(oldest + 1), oldest + 1
    if (whole := _whole_hour(oldest, place, span)) is not None:
        more, least = LoggerPlace(whole), whole
    elif place.before == oldest + 1:  # nothing else is in it, so that it would come no further
        if not place.found or len(records) < place.found:
            return Page((), place._replace(found=len(records)))
        more, least = LoggerPlace(oldest), oldest
    least = max(least, _earliest(span))
    records = [record for record in records if record[1] >= least]
    found = dated(records, lambda record: int(record[1]), span.zone)
    rows = tuple(row for row in _events(found.records, span.zone) if row.values)
    return Page(rows, _unless_over(more, span), len(records) - len(rows))


def _events(found: list[tuple[int, tuple[Any, ...]]], zone: tzinfo | None) -> Iterator[Past]:
    """Events in the order of time; two may share second and kind, and differ in element 2."""
    last: dict[int, tuple[int, int]] = {}
    for unix, record in sorted(found, key=lambda item: (item[0], item[1][0], item[1][2])):
        code = record[0]
        before, number = last.get(code, (0, 0))
        number = number + 1 if before == unix else 0
        last[code] = unix, number
        yield Past(unix * SECOND + number * _APART_NS, values_of(record, unix, zone))


# -- the memory as a whole ---------------------------------------------------------------------


class _Part(NamedTuple):
    """How one query is read: where it begins, and what its pages bring."""

    kept: Kept
    first: Callable[[Query, TimeRange], LoggerPlace]
    page: Callable[[Ask, Any, TimeRange], Page]


def _curve(resolution: str, signal: str) -> _Part:
    """How one series of the logger is read."""
    field, factor = _field(resolution, signal)
    word = "5m" if resolution == "minutes" else resolution
    series = catalog().series(f"inverter_history.{field}", resolution=word)
    binding = bind((series,), scale=factor)
    reach = REACH_S if resolution == "minutes" else math.inf
    page = (
        partial(minutes, binding=binding)
        if resolution == "minutes"
        else partial(periods, binding=binding, resolution=resolution)
    )
    return _Part(
        Kept(bindings=(binding,), resolution_s=RESOLUTIONS[resolution], reach_s=reach),
        partial(first, resolution=resolution),
        page,
    )


def _field(resolution: str, signal: str) -> tuple[str, float]:
    """Field of ``inverter_history`` and factor of one signal."""
    if not signal:
        return "unnamed_raw", 1
    if signal in _LEVELS:
        return _LEVELS[signal]
    stem, factor = _ENERGIES[signal]
    return f"{stem}_watts" if resolution == "minutes" else f"{stem}_watt_hours", factor


def _parts() -> Iterator[tuple[Query, _Part]]:
    objects = {item.oid: item for item in OBJECTS if item.logger}
    yield (
        objects[EVENT_TABLE[1]],
        _Part(Kept(metrics=METRICS, events=True), partial(first, resolution=""), events),
    )
    for resolution, signals in LOGGER.items():
        for item in signals.split():
            signal, _, oid = item.partition(":")
            yield objects[int(oid, 16)], _curve(resolution, signal)


_PARTS = dict(_parts())

#: How the memory of an RCT unit is read.
HISTORY = History(
    queries=tuple(_PARTS),
    first=lambda query, span: _PARTS[query].first(query, span),
    page=lambda ask, value, span: _PARTS[ask.query].page(ask, value, span),
    kept={query: part.kept for query, part in _PARTS.items()},
)
