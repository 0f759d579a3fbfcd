"""What the slower classes and discovery still have to ask, and in which order they get their turn.

A round asks as much of it as its pace allows; the rest waits here for the next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from rct_collector.device.discovery import Discovery
from rct_collector.device.muting import Muting
from rct_collector.device.plan import Plan
from rct_collector.drivers.base import Query
from rct_collector.model import PollClass

#: Of so many requests one goes to what has waited longest.
SHARE_OF_AGE = 4


#: Query → those with which it makes up a sum.
Companions = Mapping[Query, Sequence[Query]]


def in_turn(waiting: Mapping[Query, float], companions: Companions) -> list[Query]:
    """Order what waits to be asked.

    What is soonest due again comes first, so that a minute's values do not wait behind those of
    an hour. But every fourth place is for what has waited longest: where more is wanted than
    there is time for, the values of an hour would otherwise not come at all. Companions take
    their turn together: a sum needs all its parts in one round.

    Args:
        waiting: Query → monotonic time of its next turn, those that have waited longest first.
        companions: What is to be asked together, as far as it waits.
    """
    by_age = iter(list(waiting))
    by_need = iter(sorted(waiting, key=waiting.__getitem__))
    ordered: dict[Query, None] = {}
    turn = 0
    while len(ordered) < len(waiting):
        turn += 1
        source = by_need if turn % SHARE_OF_AGE else by_age
        first = next(query for query in source if query not in ordered)
        ordered[first] = None
        ordered.update((q, None) for q in companions.get(first, ()) if q in waiting)
    return list(ordered)


class Backlog:
    """The queries of one device that wait, each with the monotonic time of its next turn."""

    def __init__(
        self,
        plan: Plan,
        discovery: Discovery,
        muting: Muting,
        seconds: Callable[[PollClass], float],
    ) -> None:
        """Begin with nothing.

        Args:
            plan: What is asked in which class.
            discovery: What the unit has.
            muting: What it does not answer.
            seconds: How often a class is asked.
        """
        self._plan = plan
        self._discovery = discovery
        self._muting = muting
        self._seconds = seconds
        self._waiting: dict[Query, float] = {}
        self._announced: set[Query] = set()
        self._joined: set[Query] = set()  # put back already, for the sake of a sum

    def present(self, queries: Iterable[Query], now: float) -> list[Query]:
        """Those that the unit is known to answer."""
        return [
            query
            for query in queries
            if self._discovery.has(query.condition) and not self._muting.leaves_alone(query, now)
        ]

    def in_turn(self) -> list[Query]:
        """All that waits, see :func:`in_turn`."""
        return in_turn(self._waiting, self._plan.companions)

    def queue(self, due: Iterable[PollClass], now: float) -> None:
        """Add what is due; what discovery still asks is wanted at once."""
        for query in self._discovery.open():
            if not self._muting.leaves_alone(query, now):
                self._want(query, now)
        for poll in due:
            until = now + self._seconds(poll)
            again = self._discovery.deciding if poll is PollClass.STATIC else ()
            known = [query for query in again if query.name in self._discovery.facts]
            for query in (*known, *self.present(self._plan.queries(poll), now)):
                self._want(query, until)

    def decide_again(self, now: float) -> None:
        """What decides is looked at again: the unit may have been exchanged."""
        self._waiting.update(dict.fromkeys(self._discovery.deciding, now))

    def news(self, classes: Iterable[PollClass], now: float) -> list[Query]:
        """Add what a new fact brings: what never waited here before."""
        found = [q for poll in classes for q in self.present(self._plan.queries(poll), now)]
        fresh = [q for q in (*self._discovery.open(), *found) if q not in self._announced]
        for query in fresh:
            self._want(query, now)
        return fresh

    def forget(self) -> None:
        """Another unit, or new firmware: all is news again."""
        self._announced.clear()

    def keep(self, unasked: Iterable[Query], now: float) -> None:
        """At the end of a round: what was not asked waits for the next one."""
        left = {query for query in unasked if not self._muting.leaves_alone(query, now)}
        kept = {query: until for query, until in self._waiting.items() if query in left}
        self._waiting = {**kept, **dict.fromkeys(left - kept.keys(), now)}
        self._join(now)

    def _join(self, now: float) -> None:
        """A sum of which this round brought a part only: all of it is asked in the next one.

        Once, as a round may be too short for all of it.
        """
        companions = self._plan.companions
        self._joined &= self._waiting.keys()
        for query in [q for q in self._waiting if q in companions and q not in self._joined]:
            for other in self.present(companions[query], now):
                if other not in self._waiting:
                    self._waiting[other] = self._waiting[query]
                    self._joined |= {query, other}

    def _want(self, query: Query, until: float) -> None:
        self._announced.add(query)
        self._waiting.setdefault(query, until)
