"""What a unit never answers is left alone, and tried again now and then.

Older firmware lacks newer objects and stays silent about them; asking each round would cost
the requests that others need, and three timeouts each time. But silence says something about the
unit only while its line works: rounds in which the line broke or stood still do not count, of
those that follow closely on each other one counts, and a new connection forgives suspicions.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable

from rct_collector.drivers.base import Query

#: A query that stayed silent in this many rounds, while others were answered, is left alone …
SILENT_ROUNDS = 3
#: … for this many seconds.
MUTE_S = 900.0
#: … or for so many, where the unit says "no", or where each silence costs several answers.
LONG_MUTE_S = 3600.0
#: … or for so many at first, and twice as many each time, where it was answered before.
FIRST_MUTE_S = 60.0

#: Rounds are one interval apart when they follow by this share of it: they do not begin exactly.
_APART = 0.9


class Unsupported(Container[Query]):
    """The queries of one device that are left alone.

    Attributes:
        version: Grows whenever others are given up than before.
    """

    def __init__(self, interval: float = 0.0) -> None:
        """Start by asking everything.

        Args:
            interval: Seconds from round to round; silence counts once in that time.
        """
        self._apart = _APART * interval
        self._silent: dict[Query, int] = {}
        self._counted: dict[Query, float] = {}
        self._until: dict[Query, float] = {}
        self.version = 0

    def __len__(self) -> int:
        """How many queries are not answered."""
        return len(self._until)

    def __contains__(self, query: object) -> bool:
        """Whether a query was given up, even if it is to be tried again now."""
        return query in self._until

    @property
    def suspects(self) -> bool:
        """Whether there is any query whose answer would be news."""
        return bool(self._silent or self._until)

    def answering(self, queries: Iterable[Query]) -> list[Query]:
        """Those of some queries that were not given up."""
        given_up = self._until
        return [query for query in queries if query not in given_up]

    def to_ask(self, queries: Iterable[Query], now: float) -> list[Query]:
        """Those of some queries that are not left alone at a time, in monotonic seconds."""
        until = self._until
        if not until:  # the most frequent case of all
            return list(queries)
        return [query for query in queries if until.get(query, now) <= now]

    def lost(self, query: Query, now: float, pause: float = MUTE_S, *, grows: bool = False) -> bool:
        """A round whose line stood asked in vain.

        Args:
            query: What was not answered.
            now: When the round began, in monotonic seconds.
            pause: For how many seconds it is left alone.
            grows: It is left alone for less at first: perhaps the line is bad, and not the unit.

        Returns:
            True when that was the one that makes the query known for it.
        """
        if now - self._counted.get(query, -math.inf) < self._apart:
            return False
        self._counted[query] = now
        self._silent[query] = self._silent.get(query, 0) + 1
        if self._silent[query] < SILENT_ROUNDS:
            return False
        news = query not in self._until
        self.version += news
        if grows:
            pause = min(pause, FIRST_MUTE_S * 2.0 ** (self._silent[query] - SILENT_ROUNDS))
        self._until[query] = now + pause
        return news

    def give_up(self, query: Query, now: float) -> None:
        """A query is known to be asked in vain; it is left alone from now on."""
        self._silent[query] = SILENT_ROUNDS
        self._until[query] = now + MUTE_S
        self.version += 1

    def answered(self, query: Query) -> bool:
        """It was answered; True when it had been given up."""
        if not self._silent and not self._until:  # the most frequent case of all
            return False
        self._silent.pop(query, None)
        self._counted.pop(query, None)
        if self._until.pop(query, None) is None:
            return False
        self.version += 1
        return True

    def reconnected(self, now: float) -> None:
        """The line is open anew: what is not proven is forgotten, and the rest tried once.

        Args:
            now: Monotonic seconds.
        """
        self._silent = {q: count for q, count in self._silent.items() if q in self._until}
        self._counted.clear()
        for query in self._until:
            self._until[query] = now

    def forget(self) -> None:
        """Another unit answers now."""
        self._silent.clear()
        self._counted.clear()
        self._until.clear()
        self.version += 1
