"""What a unit never answers is left alone, and tried again now and then.

Older firmware lacks newer objects and stays silent about them; asking each round would cost
the requests that others need, and three timeouts each time.
"""

from __future__ import annotations

from collections.abc import Container

from rct_collector.drivers.base import Query

#: A query that stayed silent in this many rounds, while others were answered, is left alone …
SILENT_ROUNDS = 3
#: … for this many seconds.
MUTE_S = 900.0


class Muting(Container[Query]):
    """The queries of one device that are left alone."""

    def __init__(self) -> None:
        """Start by asking everything."""
        self._silent: dict[Query, int] = {}
        self._until: dict[Query, float] = {}

    def __len__(self) -> int:
        """How many queries are not answered."""
        return len(self._until)

    def __contains__(self, query: object) -> bool:
        """Whether a query was given up, even if it is to be tried again now."""
        return query in self._until

    def leaves_alone(self, query: Query, now: float) -> bool:
        """Whether a query is not to be asked at a time, in monotonic seconds."""
        return self._until.get(query, now) > now

    def lost(self, query: Query, now: float) -> bool:
        """A round asked in vain; True when that was the one that makes the query known for it."""
        self._silent[query] = self._silent.get(query, 0) + 1
        if self._silent[query] < SILENT_ROUNDS:
            return False
        news = query not in self._until
        self._until[query] = now + MUTE_S
        return news

    def answered(self, query: Query) -> bool:
        """It was answered; True when it had been given up."""
        self._silent.pop(query, None)
        return self._until.pop(query, None) is not None
