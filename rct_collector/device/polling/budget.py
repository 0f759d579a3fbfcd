"""How much a device is to answer, and what gives way where that is too much.

Its pace is requests per second; and of a line so slow that bytes count, the time that there is.
Whichever is scarcer is what all classes share.

Fast rounds keep their interval, and the slower classes are stretched in proportion until all of
it fits the pace. Energy totals are held back: half an interval late at most, since what is drawn
of them by the hour would have holes. Only where fast rounds would leave the others next to
nothing, every second, third, … tick is left out, so that all classes give way alike.

Plain arithmetic on a plan, for the device itself and for those who ask beforehand.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import count
from math import inf

from rct_collector.config import DeviceConfig, Intervals
from rct_collector.device.polling.plan import Plan
from rct_collector.drivers.base import Query
from rct_collector.drivers.options import Requests
from rct_collector.model import PollClass, Series

#: Share of the pace that is left for repeats, second readings and discovery.
REPEATS = 0.04

#: Times that the bytes of a question and its answer take, the unit's own thinking included.
LEEWAY = 1.2

#: Energy totals come no later than so many times their interval …
LATEST_TOTALS = 1.5
#: … unless they alone would take more than this share of the pace.
MOST_TOTALS = 0.5

#: Where fast rounds leave the others less than this share of the pace, they give way, too.
LEAST_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Share:
    """What one class of metrics takes.

    Attributes:
        poll: The class.
        queries: Requests per round of that class.
        interval: Seconds between two rounds, as configured.
        totals: How many of the requests bring energy totals.
        asked: Requests per round on average, since some answers are good for longer; None for all.
        line_s: Seconds that these are on the line.
        timed: The time on the line is what counts, not the number of requests.
    """

    poll: PollClass
    queries: int
    interval: float
    totals: int = 0
    asked: float | None = None
    line_s: float = 0.0
    timed: bool = False

    @property
    def takes(self) -> float:
        """What a round takes of the pace: requests, or seconds on the line."""
        if self.timed:
            return self.line_s
        return self.queries if self.asked is None else self.asked

    @property
    def totals_take(self) -> float:
        """What the energy totals take of that; they are neither longer nor shorter than others."""
        return self.takes * self.totals / self.queries if self.totals else 0.0

    @property
    def requests_per_second(self) -> float:
        """Requests per second on average."""
        return (self.queries if self.asked is None else self.asked) / self.interval

    @property
    def per_second(self) -> float:
        """What it takes of the pace per second on average."""
        return self.takes / self.interval


@dataclass(frozen=True)
class Budget:
    """What all classes of one device take, and what its pace allows.

    Attributes:
        shares: One per class, fastest first.
        pace: Requests per second that the device is asked at most; of the time on the line, all.
        gap: Least seconds between two requests.
        timed: The time on the line is scarcer than requests are: that is what ``needed`` and all
            that follows from it tell, in seconds per second.
    """

    shares: tuple[Share, ...]
    pace: float
    gap: float
    timed: bool = False

    @property
    def needed(self) -> float:
        """Requests per second, or seconds on the line, of all classes together."""
        return sum(share.per_second for share in self.shares)

    @property
    def usable(self) -> float:
        """What regular polling may take of the pace, with room left for repeats."""
        return self.pace * (1 - REPEATS)

    @property
    def spare(self) -> float:
        """Usable minus needed; negative by how much it does not fit."""
        return self.usable - self.needed

    @property
    def fits(self) -> bool:
        """Whether every class can come at its interval."""
        return self.spare >= 0

    @property
    def fast_seconds(self) -> float:
        """How long the fast part of a round takes to ask, in seconds."""
        return max(self.shares[0].queries * self.gap, self.shares[0].line_s)

    @property
    def ticks(self) -> int:
        """Fast intervals from one fast round to the next; 1 unless the pace is far too low."""
        return self._give_way[0]

    def seconds(self, poll: PollClass, *, total: bool = False) -> float:
        """How often a class comes, in seconds: its interval, or what that is stretched to.

        Args:
            poll: The class.
            total: Whether its energy totals are meant.
        """
        return self._seconds[poll, total]

    def every(self, series: Series, plan: Plan) -> float:
        """Seconds from one value of a series to the next.

        Args:
            series: One that is wanted.
            plan: What is asked for, class by class.
        """
        asked = [
            max(self.seconds(plan.classes[query], total=query in plan.energy), query.every_s)
            for query in plan.sources(series)
        ]
        return max(asked, default=self.seconds(PollClass.FAST))

    @cached_property
    def _seconds(self) -> dict[tuple[PollClass, bool], float]:
        """(class, energy totals of it) → seconds."""
        fast, *slower = self.shares
        ticks, stretch = self._give_way
        round_s = ticks * fast.interval
        found = dict.fromkeys([(fast.poll, False), (fast.poll, True)], round_s)
        for share in slower:
            seconds = stretch * share.interval
            found[share.poll, False] = max(seconds, round_s)
            found[share.poll, True] = max(min(seconds, self._latest(share, ticks)), round_s)
        return found

    @cached_property
    def _give_way(self) -> tuple[int, float]:
        """Fast intervals between fast rounds, and how many times theirs the others take."""
        if self.fits:
            return 1, 1.0
        for ticks in count(1):
            stretch = self._stretch(ticks)
            if stretch <= ticks or (ticks == 1 and stretch < inf):
                break
        return ticks, stretch

    def _stretch(self, ticks: int) -> float:
        """How many times their intervals the slower classes take; infinite for never."""
        fast, *slower = self.shares
        left = self.usable - fast.per_second / ticks
        parts = [(s.takes - s.totals_take, s.interval, inf) for s in slower]
        parts += [(s.totals_take, s.interval, self._latest(s, ticks)) for s in slower if s.totals]
        while True:
            asked = sum(takes / interval for takes, interval, _ in parts)
            stretch = asked / left if left >= LEAST_SHARE * self.usable else inf
            held = [part for part in parts if stretch * part[1] > part[2]]
            if not held:
                return max(stretch, 1.0)
            left -= sum(takes / latest for takes, _, latest in held)
            parts = [part for part in parts if part not in held]

    def _latest(self, share: Share, ticks: int) -> float:
        """The longest interval of energy totals, in seconds.

        It ends a round before they would be late: what becomes due in a round is asked in the
        next one.
        """
        if sum(s.totals_take / s.interval for s in self.shares) > MOST_TOTALS * self.usable:
            return inf
        round_s = ticks * self.shares[0].interval
        return max(share.interval, LATEST_TOTALS * share.interval - round_s)


def budget(plan: Plan, present: Collection[str], config: DeviceConfig) -> Budget:
    """Work out the load of one device.

    Args:
        plan: What is asked for, class by class.
        present: Names of the driver's conditions that the device is taken to meet.
        config: Intervals and pace.
    """
    asked = tuple(query for query in plan.classes if query.condition in present)
    return budget_of(plan, asked, config)


def budget_of(plan: Plan, asked: tuple[Query, ...], config: DeviceConfig) -> Budget:
    """The same for whatever is asked of a device; those that are asked alike share it.

    Args:
        plan: What is asked for, class by class.
        asked: What of that is asked at all.
        config: Intervals and pace.
    """
    return _budget(plan, asked, config.requests, config.intervals, config.byte_s)


@lru_cache(maxsize=32)
def _budget(
    plan: Plan, asked: tuple[Query, ...], requests: Requests, intervals: Intervals, byte_s: float
) -> Budget:
    gap, asks = requests.gap, set(asked)
    pace = min(requests.per_second, 1 / gap)
    shares = []
    for poll in PollClass.POLLED:
        queries = [query for query in plan.queries(poll) if query in asks]
        totals = len(plan.energy.intersection(queries)) if poll is not PollClass.FAST else 0
        interval = intervals.seconds(poll)
        times = line_s = 0.0
        for query in queries:
            often = interval / query.every_s if query.every_s > interval else 1.0
            times += often
            if byte_s:
                line_s += often * (LEEWAY * byte_s * query.wire_bytes + gap)
        shares.append(Share(poll, len(queries), interval, totals, times, line_s))
    budget = Budget(tuple(shares), pace, gap)
    if not byte_s:
        return budget
    timed = Budget(tuple(replace(share, timed=True) for share in shares), 1.0, gap, timed=True)
    return timed if timed.needed / timed.usable > budget.needed / budget.usable else budget
