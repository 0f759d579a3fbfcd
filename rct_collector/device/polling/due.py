"""When the queries of a plan are due again, in eight bytes for each."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from math import inf, isinf

from rct_collector.drivers.base import Query

_UNKNOWN, _ANNOUNCED = -inf, inf


class DueTimes:
    """When each query is due again, as soon as it was asked; before that it is new.

    A new query may have been announced already, that is, have waited for its first turn.
    """

    __slots__ = ("_due", "_places")

    def __init__(self, places: Mapping[Query, int]) -> None:
        """All are new.

        Args:
            places: The queries, numbered from 0.
        """
        self._places = places
        self._due = array("d", [_UNKNOWN]) * len(places)

    def is_new(self, query: Query) -> bool:
        """Whether it was not asked yet."""
        return isinf(self._due[self._places[query]])

    def was_announced(self, query: Query) -> bool:
        """Whether it has ever waited for its turn."""
        return self._due[self._places[query]] != _UNKNOWN

    def due(self, query: Query, new: float) -> float:
        """When it is due again.

        Args:
            query: One of them.
            new: What is said of a new one.
        """
        due = self._due[self._places[query]]
        return new if isinf(due) else due

    def announce(self, query: Query) -> None:
        """It waits for its turn."""
        place = self._places[query]
        if self._due[place] == _UNKNOWN:
            self._due[place] = _ANNOUNCED

    def put(self, query: Query, due: float) -> None:
        """It was asked.

        Args:
            query: One of them.
            due: When it is due again, monotonic seconds.
        """
        self._due[self._places[query]] = due

    def ask_again(self, query: Query) -> None:
        """It is as new as before it was asked."""
        if not self.is_new(query):
            self.put(query, _ANNOUNCED)

    def forget(self) -> None:
        """All are new."""
        self._due = array("d", [_UNKNOWN]) * len(self._places)

    def moved(self, places: Mapping[Query, int]) -> DueTimes:
        """The same of other queries; those that are not here are new.

        Args:
            places: The queries, numbered from 0.
        """
        found = DueTimes(places)
        for query in places.keys() & self._places.keys():
            found.put(query, self._due[self._places[query]])
        return found
