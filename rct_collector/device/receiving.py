"""Records that a unit sends unasked: each once, under its own time, believed only if plausible.

A record comes when the unit likes: late, since the unit kept it while the line was down; twice,
since an acknowledgement was lost; or with the time of a clock that was never set. ::

    record ─► time absurd? ─► seen before? ─► unknown series? ─► plausible? ─► live or late: a batch
              counted         counted         counted            counted

Where the unit waits for an acknowledgement, each batch has a receipt, and what could not be taken
over is new when it comes once more. So it is with what seems to come from the future while our own
clock is in doubt (:mod:`.clock`): it is not acknowledged, and comes again.

The records that come together and share a time make one batch. A value is late when its series has
had a newer one: whoever cannot take values out of their order leaves it out.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import Protocol

from rct_collector.device.clock import Doubt
from rct_collector.device.plausibility import GOOD, TOTAL, Plausibility
from rct_collector.drivers.base import Fault, Pushed, Record
from rct_collector.model import Origin, Series, Value
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

log = logging.getLogger(__name__)

#: Records that are known again when they come twice: days of a large plant.
MOST_REMEMBERED = 8192

#: Series of one unit: a thousand optimizers and more. What invents others costs no memory.
MOST_SERIES = 16384

#: A clock may be ahead of ours by so many seconds.
AHEAD_S = 300.0

#: No unit has recorded anything before 2010: the clock was not set.
EARLIEST_NS = 1_262_304_000 * 1_000_000_000

#: Times after 2099 are none, such as all ones: no clock of ours is so far behind.
LATEST_NS = 4_102_444_800 * 1_000_000_000

_AHEAD_NS = round(AHEAD_S * 1e9)

#: Told of in an hour: times that cannot be.
MOST_TOLD = 1

#: What becomes of records of the future, while our own clock is in doubt.
_EARLY = (
    "they are not acknowledged, and come again, since the clock of this host was not set since the"
    " host was started"
)

#: Name of a record: unit, key, time.
Name = tuple[str, Hashable, int]

#: Names of records that came, the oldest first → whether they were taken over; None where nobody
#: waits for that. (Of a plain dict the first entry is sought among all that are gone.)
Seen = OrderedDict[Name, Receipt | None]

#: Time → values of it.
_Values = defaultdict[int, list[tuple[Series, Value]]]


class Send(Protocol):
    """Takes values of one time."""

    def __call__(
        self,
        time_ns: int,
        values: list[tuple[Series, Value]],
        origin: Origin,
        receipt: Receipt | None = None,
        /,
    ) -> None:
        """What waits for them to be taken over has a receipt."""


def can_be(time_ns: int, wall_ns: int) -> bool:
    """Whether a unit can have meant a time, in nanoseconds since the epoch.

    Args:
        time_ns: What it said.
        wall_ns: What time it is.
    """
    return EARLIEST_NS <= time_ns <= wall_ns + _AHEAD_NS


class Receiving:
    """The records of one unit.

    Attributes:
        records: Records that were taken.
        repeated: Records that came once more.
        misdated: Records whose time cannot be.
        unknown: Values of series that the family does not name, or of too many.
        implausible: Values that were not believed.
        newest_ns: The latest time of a record that was taken; 0 before the first.
    """

    def __init__(
        self,
        pushed: Pushed,
        *,
        wanted: Callable[[Series], bool],
        plausibility: Plausibility,
        send: Send,
        faults: Callable[[Fault], None],
        reports: Reports,
        doubt: Doubt,
        seen: Seen | None = None,
        most_seen: Callable[[], int] = lambda: MOST_REMEMBERED,
    ) -> None:
        """Begin without any record.

        Args:
            pushed: What the family sends.
            wanted: Whether the user wants a series.
            plausibility: Judge of the unit's values.
            send: Takes what is new.
            faults: Counts what cannot be used.
            reports: Where what is worth a message goes.
            doubt: Whether our clock may be wrong.
            seen: Where the names of records are remembered, those of several units together; None
                for a memory of its own.
            most_seen: Tells how many of them are.
        """
        self._metrics = frozenset(m for metrics in pushed.records.values() for m in metrics)
        self._heartbeat_s = pushed.heartbeat_s
        self._own_clock = pushed.many
        self._wanted = wanted
        self._plausibility = plausibility
        self._send = send
        self._faults = faults
        self._reports = reports
        self._doubt = doubt
        self._seen: Seen = OrderedDict() if seen is None else seen
        self._most_seen = most_seen
        self._newest: dict[Series, int] = {}
        self._unwanted: set[Series] = set()
        self._heard_at = -math.inf
        self.records = self.repeated = self.misdated = self.unknown = self.implausible = 0
        self.newest_ns = 0

    def choose(self) -> None:
        """Something else is wanted from now on."""
        self._unwanted.clear()
        self._newest = {s: newest for s, newest in self._newest.items() if self._wanted(s)}

    def heard(self, now: float) -> None:
        """The unit said something that makes sense, at a time in monotonic seconds."""
        self._heard_at = now

    def is_up(self, now: float) -> bool:
        """Whether the unit was heard as lately as one that is well."""
        return now - self._heard_at <= self._heartbeat_s

    def age(self, wall_ns: int) -> float | None:
        """Seconds since the time of the newest record; None before the first."""
        return max(0.0, (wall_ns - self.newest_ns) / 1e9) if self.newest_ns else None

    def take(
        self,
        records: Iterable[Record],
        *,
        now: float,
        wall_ns: int,
        receipt: Receipt | None = None,
    ) -> int:
        """Take records that came together, and hand over what is new in them.

        Args:
            records: In the order in which they came.
            now: Monotonic seconds.
            wall_ns: Nanoseconds since the epoch.
            receipt: Of all of them, where the unit waits for that; it is settled no sooner than
                those of what has come before and is not taken over yet.

        Returns:
            How many of them were new.
        """
        self.heard(now)
        before = self.records
        parts: dict[int, Receipt] = {}
        live: _Values = defaultdict(list)
        late: _Values = defaultdict(list)
        most = self._most_seen()
        for record in records:
            part = self._part_of(record, parts, receipt)
            if not can_be(record.time_ns, wall_ns):
                self._misdated(record, wall_ns, receipt)
                continue
            if not self._is_new(record, part, receipt, most):
                continue
            self.records += 1
            if record.time_ns > self.newest_ns:
                self.newest_ns = record.time_ns
            self._sort(record, now, wall_ns, live, late)
        for origin, batches in ((Origin.LATE, late), (Origin.LIVE, live)):
            for time_ns in sorted(batches):
                self._send(time_ns, batches[time_ns], origin, parts.get(time_ns))
        for part in parts.values():
            part.settle(True)  # noqa: FBT003 - by ourselves
        return self.records - before

    def _at(self, record: Record, now: float, wall_ns: int) -> float:
        """When it was made, in seconds by which its values are judged.

        Units that only talk are judged by their own clocks, so that a step of ours costs nothing;
        what may be asked for as well is on our monotonic one.
        """
        if self._own_clock:
            return record.time_ns / 1e9
        return now - (wall_ns - record.time_ns) / 1e9

    def _sort(self, record: Record, now: float, wall_ns: int, live: _Values, late: _Values) -> None:
        """Judge the values of a record by its own time, and add them to those of now, or late.

        Args:
            record: The record.
            now: Monotonic seconds.
            wall_ns: Nanoseconds since the epoch.
            live: Values of each time that are newer than the last of their series.
            late: All others; a total of the past is no sign that it fell.
        """
        time_ns, newest = record.time_ns, self._newest
        fresh, old = [], []
        for pair in record.values:
            series, value = pair
            last = newest.get(series)
            if last is None and not self._is_ours(series):
                continue
            is_live = last is None or time_ns > last
            metric = series.metric
            if (
                # Most values are none of these. They are good, and that is known here for less than
                # the call of a judge costs.
                type(value) is not float
                or metric.kind is TOTAL
                or not metric.low <= value <= metric.high
            ):
                at = self._at(record, now, wall_ns)
                verdict = self._plausibility.judge(series, value, now=at, derived=not is_live)
                if verdict is not GOOD:
                    self.implausible += 1
                    continue
            if is_live:
                newest[series] = time_ns
                fresh.append(pair)
            else:
                old.append(pair)
        if fresh:
            live[time_ns] += fresh
        if old:
            late[time_ns] += old

    def _misdated(self, record: Record, wall_ns: int, receipt: Receipt | None) -> None:
        """Count a record whose time cannot be, and have it come again if that may be our fault."""
        self.misdated += 1
        self._faults(Fault.DECODE)
        seconds, now = record.time_ns // 1_000_000_000, wall_ns // 1_000_000_000
        ahead = wall_ns < record.time_ns < LATEST_NS
        if ahead and receipt is not None and self._doubt.is_ours():
            receipt.lose()
            kind, why, remedy = "early", _EARLY, "see that it is kept by NTP"
        else:
            kind, why, remedy = "misdated", "they are left out", "look at its clock"
        self._reports.say(
            log,
            logging.WARNING,
            kind,
            "sends records of a time that cannot be (%d seconds since 1970, and it is %d now);"
            " %s: %s",
            seconds,
            now,
            why,
            remedy,
            most=MOST_TOLD,
        )

    def _part_of(
        self, record: Record, parts: dict[int, Receipt], whole: Receipt | None
    ) -> Receipt | None:
        """The receipt of a record, shared with those that are handed over with it."""
        if whole is None:
            return None
        part = parts.get(record.time_ns)
        if part is None:
            part = parts[record.time_ns] = Receipt()
            whole.follow(part)
        return part

    def _is_new(
        self, record: Record, part: Receipt | None, whole: Receipt | None, most: int
    ) -> bool:
        """Whether it comes for the first time, as far as is remembered, or was lost before.

        Args:
            record: The record.
            part: Its receipt.
            whole: That of all that came together.
            most: So many records are remembered.
        """
        name = record.unit, record.key, record.time_ns
        if name in self._seen:
            earlier = self._seen[name]
            if earlier is None or not earlier.is_lost:
                self.repeated += 1
                if earlier is not None and whole is not None and earlier is not part:
                    whole.follow(earlier)  # that of what came together is followed already
                return False
            del self._seen[name]
            self._take_back(record)
        elif len(self._seen) >= most:
            self._seen.popitem(last=False)
        self._seen[name] = part
        return True

    def _take_back(self, record: Record) -> None:
        """It was lost: nothing of it is the newest of its series."""
        for series, _ in record.values:
            if self._newest.get(series) == record.time_ns:
                self._newest[series] -= 1

    def _is_ours(self, series: Series) -> bool:
        """Whether a new series is one that the family names and the user wants."""
        if series in self._unwanted:
            return False
        if series.metric not in self._metrics or not self._has_room():
            self.unknown += 1
            return False
        if not self._wanted(series):
            self._unwanted.add(series)
            return False
        return True

    def _has_room(self) -> bool:
        return len(self._newest) + len(self._unwanted) < MOST_SERIES
