"""What a unit has, learnt from its answers, trusted only when two of them agree.

Sans I/O. The driver says which queries decide which part; here the answers are gathered, and
what was learnt can be saved and taken up again, so that a restart at night, when the unit is
off, still knows its battery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rct_collector.drivers.base import Condition, Driver, Query


class Discovery:
    """Facts about one unit, and the conditions that follow from them."""

    def __init__(self, driver: Driver, facts: Mapping[str, Any] | None = None) -> None:
        """Start with what an earlier run learnt.

        Args:
            driver: Says what decides what.
            facts: Query name → value, as saved by an earlier run.
        """
        self._driver = driver
        self._deciding = _by_dependence(driver)
        names = {query.name for query in self._deciding}
        self.facts: dict[str, Any] = {k: v for k, v in (facts or {}).items() if k in names}
        if not self._is_usable():
            self.facts.clear()
        self._candidates: dict[str, Any] = {}
        self._known: dict[str, bool | None] = {}

    def _is_usable(self) -> bool:
        """Facts come from a file that somebody may have edited: could the unit have said them?

        Conditions that take them now might not when other facts change.
        """
        return all(
            query.could_say(self.facts[query.name])
            for query in self._deciding
            if query.name in self.facts
        )

    def decides(self, query: Query) -> bool:
        """Whether a query decides anything."""
        return query in self._deciding

    @property
    def deciding(self) -> list[Query]:
        """The queries that decide, most basic first."""
        return list(self._deciding)

    def has(self, condition: str) -> bool | None:
        """Whether the unit has a part; None while that is not known."""
        if condition not in self._known:
            self._known[condition] = self._driver.conditions[condition].test(self.facts)
        return self._known[condition]

    def open(self) -> list[Query]:
        """The queries whose answer is still wanted, in the order in which they make sense.

        What belongs to a part that the unit is known not to have is not asked for.
        """
        return [
            query
            for query in self._deciding
            if query.name not in self.facts and self._makes_sense(query)
        ]

    def complete(self) -> bool:
        """Whether everything is known that can be."""
        return not self.open()

    def observe(self, query: Query, value: Any) -> bool | None:
        """Take an answer.

        Returns:
            True when a fact is new or has changed, False when nothing changed, None when a
            second answer is needed.
        """
        name = query.name
        if name in self.facts and self.facts[name] == value:
            self._candidates.pop(name, None)
            return False
        if name not in self._candidates or self._candidates[name] != value:
            self._candidates[name] = value
            return None
        del self._candidates[name]
        return self._learn(name, value)

    def unanswered(self, query: Query) -> bool:
        """The unit does not answer this query at all; True when that is news.

        What was known before is kept: a unit that once answered is merely silent now.
        """
        return query.name not in self.facts and self._learn(query.name, None)

    def _learn(self, name: str, value: Any) -> bool:
        if name in self._driver.identity and self.facts.get(name) not in (None, value):
            # Another unit, or new firmware: nothing that was learnt holds any more.
            self.facts.clear()
            self._candidates.clear()
        self.facts[name] = value
        self._known.clear()
        return True

    def _makes_sense(self, query: Query) -> bool:
        """Not about a part that is known to be absent."""
        return self.has(query.condition) is not False


def _by_dependence(driver: Driver) -> list[Query]:
    """Deciding queries: identity first, then in the order in which conditions name them."""
    by_name = {query.name: query for query in driver.deciding()}
    conditions: Iterable[Condition] = driver.conditions.values()
    names = [*driver.identity, *(name for c in conditions for name in c.inputs)]
    return [by_name[name] for name in dict.fromkeys(names)]
