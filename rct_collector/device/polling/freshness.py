"""Answers that are good for a while, so that what they were given to is not asked meanwhile.

What changes once a day costs a slow line as much as what changes all the time. How long an answer
is good the driver says, see :attr:`rct_collector.drivers.base.Query.every_s`; but none is good
beyond its day, so that what is counted by days is read anew soon after midnight.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, tzinfo

from rct_collector.device.clock import Clock
from rct_collector.drivers.base import Query


class Freshness:
    """The answers of one unit that are good for a while."""

    def __init__(self, zone: tzinfo | None, clock: Clock) -> None:
        """Begin with none.

        Args:
            zone: Time zone of the unit; None for that of this host.
            clock: Wall clock, which tells the day.
        """
        self._zone = zone
        self._clock = clock
        self._good: dict[Query, tuple[float, date]] = {}

    def answered(self, query: Query, now: float) -> None:
        """An answer came that can be believed.

        Args:
            query: What was answered.
            now: Monotonic seconds.
        """
        self._good[query] = now + query.every_s, self._today()

    def to_ask(self, queries: list[Query], now: float) -> list[Query]:
        """Those of some queries whose last answer is not good any more, or is yet to come.

        Args:
            queries: What is due otherwise.
            now: Monotonic seconds.
        """
        good = self._good
        if not good:  # the most frequent case of all
            return queries
        today = self._today()
        return [q for q in queries if q not in good or not self._is_good(q, now, today)]

    def ask_again(self, queries: Iterable[Query]) -> None:
        """More is wanted of some answers than was taken when they came."""
        for query in queries:
            self._good.pop(query, None)

    def forget(self) -> None:
        """Another unit answers now."""
        self._good.clear()

    def _is_good(self, query: Query, now: float, today: date) -> bool:
        until, day = self._good[query]
        return now < until and today == day

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.wall(), self._zone).date()
