"""What the slower classes and discovery still have to ask, and in which order they get their turn.

A round asks as much of it as its pace allows; the rest waits here for the next ones. As long as
all classes fit the pace, each becomes due as a whole, on its grid. Otherwise every query becomes
due by itself: their turns are spread over the interval that the budget stretches their class to,
so that in each round as much is due as can be asked.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice
from math import floor, inf
from typing import NamedTuple, TypeVar

from rct_collector.config import DeviceConfig
from rct_collector.device.polling.budget import Budget, budget_of
from rct_collector.device.polling.discovery import Discovery
from rct_collector.device.polling.due import DueTimes
from rct_collector.device.polling.freshness import Freshness
from rct_collector.device.polling.plan import Plan
from rct_collector.device.polling.unsupported import Unsupported
from rct_collector.drivers.base import Query
from rct_collector.model import PollClass

SLOW_CLASSES = PollClass.POLLED[1:]

T = TypeVar("T", bound=Hashable)

#: Query → those with which it makes up a sum.
Companions = Mapping[Query, Sequence[Query]]

#: How much a query wants its turn: its rank, and how long it has been due as a share of its
#: interval.
Urgency = tuple[int, float]


def in_turn(waiting: Mapping[Query, Urgency], companions: Companions) -> list[Query]:
    """Order what waits to be asked.

    Companions take their turn together: a sum needs all its parts in one round.

    Args:
        waiting: What waits; of equal urgency the first comes first.
        companions: What is to be asked together, as far as it waits.
    """
    ordered: dict[Query, None] = {}
    for first in sorted(waiting, key=waiting.__getitem__, reverse=True):
        if first not in ordered:
            ordered[first] = None
            ordered.update((q, None) for q in companions.get(first, ()) if q in waiting)
    return list(ordered)


@lru_cache(maxsize=256)
def _once(found: T) -> T:
    """The same queries or parts, kept once for all units of which they are found."""
    return found


class _Had(NamedTuple):
    """What can be asked of a unit that has some parts.

    Attributes:
        classes: The queries of each class, in the order of the plan.
        every: All of them.
    """

    classes: Mapping[PollClass, tuple[Query, ...]]
    every: tuple[Query, ...]


# What follows from a plan alone is worked out once for all units that know as much of themselves:
# after a start those of a fleet learn the same at about the same time. Few are kept, since each
# keeps its plan.


@lru_cache(maxsize=32)
def _had(plan: Plan, parts: frozenset[str]) -> _Had:
    """What there is to ask of a unit that is believed to have some parts."""
    classes = {
        poll: tuple(query for query in plan.queries(poll) if query.condition in parts)
        for poll in PollClass.POLLED
    }
    return _Had(classes, tuple(query for query in plan.classes if query.condition in parts))


@lru_cache(maxsize=32)
def _first_turns(
    plan: Plan, waiting: tuple[Query, ...], deciding: tuple[Query, ...]
) -> tuple[Query, ...]:
    """The order of queries of which none was ever asked, see :meth:`Backlog.in_turn`."""
    ranks = {query: (_rank(plan, query, decides=query in deciding), inf) for query in waiting}
    return tuple(in_turn(ranks, plan.companions))


def _rank(plan: Plan, query: Query, *, decides: bool) -> int:
    """How much a query that was never asked wants its turn."""
    return 3 if decides else 2 if query in plan.energy else 1


@lru_cache(maxsize=32)
def _intervals(plan: Plan, budget: Budget) -> Mapping[Query, float]:
    """Seconds from one turn of each query to the next."""
    classes, totals = plan.classes.items(), plan.energy
    return {query: budget.seconds(poll, total=query in totals) for query, poll in classes}


@lru_cache(maxsize=32)
def _spread(plan: Plan, asked: tuple[Query, ...], budget: Budget) -> Mapping[Query, float]:
    """Give each query its place in the interval, neighbours side by side, sums together."""
    found: dict[Query, float] = {}
    are_asked, intervals = set(asked), _intervals(plan, budget)
    for poll in SLOW_CLASSES:
        queries = [query for query in plan.queries(poll) if query in are_asked]
        for number, query in enumerate(queries):
            shift = number / len(queries) * intervals[query]
            for member in (query, *plan.companions.get(query, ())):
                found.setdefault(member, shift)
    return found


class Backlog:
    """The queries of one device that wait, each with the monotonic time at which it became due.

    Attributes:
        budget: How often each class comes, with what the unit is known to have.
    """

    def __init__(
        self,
        plan: Plan,
        discovery: Discovery,
        unsupported: Unsupported,
        freshness: Freshness,
        config: DeviceConfig,
    ) -> None:
        """Begin with nothing.

        Args:
            plan: What is asked in which class.
            discovery: What the unit has.
            unsupported: What it does not answer.
            freshness: Which of its answers are good for a while.
            config: Intervals and pace.
        """
        self._plan = plan
        self._discovery = discovery
        self._unsupported = unsupported
        self._freshness = freshness
        self._config = config
        self._waiting: dict[Query, float] = {}
        self._joined: list[Query] = []  # put back already, for the sake of a sum
        self._soon: list[Query] = []  # wanted in the next round, whenever it would be due
        self._turns = DueTimes(plan.places)
        self._began = 0.0  # the round
        self._asked: tuple[Query, ...] | None = None
        self._seen: object = None  # what _asked and _had were worked out from
        self._had = _had(plan, frozenset())
        self._announced: dict[PollClass, frozenset[str]] = {}  # parts that were news already
        self._shift: Mapping[Query, float] = {}  # of the grid of its turns, in seconds
        self.budget: Budget
        self._intervals: Mapping[Query, float]
        self._look()

    def present(self, queries: Iterable[Query], now: float) -> list[Query]:
        """Those that the unit is known to answer, and whose last answer is not good any more."""
        return self._to_ask(self._discovery.among(queries), now)

    def of_class(self, poll: PollClass, now: float) -> list[Query]:
        """Those of a class that :meth:`present` names."""
        self._look()
        return self._to_ask(self._had.classes[poll], now)

    def _to_ask(self, queries: Iterable[Query], now: float) -> list[Query]:
        """Those that are neither given up nor known well enough."""
        return self._freshness.to_ask(self._unsupported.to_ask(queries, now), now)

    def probe(self, asked: Sequence[Query], answered: Container[Query]) -> list[Query]:
        """What else to ask so that it is noticed when the unit is gone.

        Where some of what is asked is known to be answered, that is nothing, else one query: by
        preference the one that says who it is, since its answer is in nobody's way.

        Args:
            asked: What is asked anyway.
            answered: What the unit has ever answered.
        """
        if any(query in answered for query in asked):
            return []
        self._look()
        there = set(asked)
        queries = chain(self._discovery.deciding, self._had.every)
        return list(islice((q for q in queries if q not in there and self._is_asked(q)), 1))

    def in_turn(self, now: float) -> list[Query]:
        """All that waits, see :func:`in_turn`.

        What decides what there is goes first; then energy totals, which are few and must not be
        late; then all else that was never asked. What decides, but was asked in vain, follows on
        that. Of the rest it is what waits longest in proportion to its interval: a minute's values
        do not wait behind those of an hour, which come in the end all the same, as their share
        grows, too.
        """
        if all(map(self._turns.is_new, self._waiting)):
            deciding = tuple(filter(self._discovery.decides, self._waiting))
            return list(_first_turns(self._plan, tuple(self._waiting), deciding))
        still_open = set(self._discovery.open())
        urgency = {}
        for query, since in self._waiting.items():
            if self._turns.is_new(query):
                rank, share = _rank(self._plan, query, decides=self._discovery.decides(query)), inf
            else:
                rank = 2 if query in self._plan.energy else int(query in still_open)
                share = (now - since) / self._intervals[query]
            urgency[query] = rank, share
        return in_turn(urgency, self._plan.companions)

    def queue(self, due: Iterable[PollClass], now: float) -> None:
        """Add what is due; what discovery still asks is wanted at once.

        Args:
            due: The classes that are due on their grid.
            now: Monotonic seconds, the begin of a round.
        """
        self._began = now
        self._look()
        for query in self._unsupported.to_ask(self._discovery.open(), now):
            self._want(query, now)
        for query in self.present(self._soon, now):
            self._want(query, now - self._intervals[query])
        self._soon.clear()
        crowded, horizon = not self.budget.fits, self._horizon()
        for poll in SLOW_CLASSES if crowded else due:
            again = self._discovery.deciding if poll is PollClass.STATIC else ()
            known = [query for query in again if query.name in self._discovery.facts]
            for query in (*self._to_ask(known, now), *self.of_class(poll, now)):
                turn = self._turns.due(query, now) if crowded else now
                if turn <= horizon:
                    self._want(query, turn)

    def ask_soon(self, query: Query) -> None:
        """Ask something in the next round, which has just changed; what is fast comes anyway."""
        if self._plan.classes.get(query, PollClass.FAST) is not PollClass.FAST:
            self._soon.append(query)

    def decide_again(self, now: float) -> None:
        """What decides is looked at again: the unit may have been exchanged."""
        for query in self._discovery.deciding:
            self._turns.ask_again(query)
            if self._discovery.has(query.condition) is not False:
                self._waiting[query] = now

    def news(self, classes: Iterable[PollClass], now: float) -> list[Query]:
        """Add what a new fact brings: what never waited here before.

        The budget stays what it was until the next round, since this one was told when that begins.
        """
        parts = self._parts()
        found: list[Query] = []
        for poll in classes:
            before = self._announced.get(poll, frozenset())
            if before != parts:  # most facts bring no other part
                self._announced[poll] = parts
                found += self._to_ask(_had(self._plan, parts - before).classes[poll], now)
        known = self._turns.was_announced
        fresh = [q for q in (*self._discovery.open(), *found) if not known(q)]
        for query in fresh:
            self._want(query, now)
        return fresh

    def choose(self, plan: Plan, more: Iterable[Query], now: float) -> None:
        """Something else is wanted from now on.

        Args:
            plan: What is asked in which class.
            more: The queries that bring what was not wanted before.
            now: Monotonic seconds.
        """
        self._plan = plan
        self._asked = self._seen = None  # so that the budget is worked out anew
        for query in self._waiting.keys() - plan.classes.keys():
            del self._waiting[query]
        self._turns = self._turns.moved(plan.places)
        self._announced.clear()
        self._soon = [query for query in self._soon if query in plan.classes]
        for query in self.present(more, now):
            if plan.classes[query] is not PollClass.FAST:
                self._want(query, now)

    def waits(self, query: Query) -> bool:
        """Whether a query waits for its turn."""
        return query in self._waiting

    def forget(self) -> None:
        """Another unit, or new firmware: all is news again."""
        self._turns.forget()
        self._announced.clear()

    def keep(self, unasked: Iterable[Query], tried: Iterable[Query], now: float) -> None:
        """At the end of a round: what was not asked waits for the next one.

        Args:
            unasked: What the round had no time for.
            tried: What of that was asked in vain, and is yet to be repeated.
            now: Monotonic seconds.
        """
        left = set(self._unsupported.to_ask(unasked, now))
        for query in (self._waiting.keys() - left).union(tried):
            self._turns.put(query, self._next_turn(query))
        kept = {query: since for query, since in self._waiting.items() if query in left}
        self._waiting = {**kept, **dict.fromkeys(left - kept.keys(), now)}
        self._join(now)

    def _join(self, now: float) -> None:
        """A sum of which this round brought a part only: all of it is asked in the next one.

        Once, as a round may be too short for all of it.
        """
        companions = self._plan.companions
        self._joined = [query for query in self._joined if query in self._waiting]
        for query in [q for q in self._waiting if q in companions and q not in self._joined]:
            for other in self.present(companions[query], now):
                if other not in self._waiting:
                    self._waiting[other] = self._waiting[query]
                    self._joined += query, other

    def _want(self, query: Query, since: float) -> None:
        self._turns.announce(query)
        self._waiting.setdefault(query, since)

    # -- turns -----------------------------------------------------------------------------

    def _look(self) -> None:
        """Work out anew what is asked of the unit and how often, if that has changed."""
        seen = self._discovery.version, self._unsupported.version, self._plan
        if seen == self._seen:
            return
        self._seen = seen
        self._had = _had(self._plan, self._parts())
        asked = self._had.every
        if len(self._unsupported):
            asked = _once(tuple(self._unsupported.answering(asked)))
        if asked != self._asked:
            self._asked = asked
            self.budget = budget_of(self._plan, asked, self._config)
            self._intervals = _intervals(self._plan, self.budget)
            self._shift = {} if self.budget.fits else _spread(self._plan, asked, self.budget)

    def _parts(self) -> frozenset[str]:
        """What the unit is believed to have."""
        found: frozenset[str] = _once(frozenset(filter(self._discovery.has, self._plan.parts)))
        return found

    def _is_asked(self, query: Query) -> bool:
        return bool(self._discovery.has(query.condition)) and query not in self._unsupported

    def _next_turn(self, query: Query) -> float:
        """When a query that was asked in this round is due again, if not all classes fit."""
        interval, shift = self._intervals[query], self._shift.get(query, 0.0)
        return (floor((self._horizon() - shift) / interval) + 1) * interval + shift

    def _horizon(self) -> float:
        """What becomes due by then is nearer to this round than to the next one."""
        return self._began + 0.5 * self.budget.seconds(PollClass.FAST)
