"""What was asked when, and what became of it. Pure, on a given monotonic clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple

from rct_collector.doctor.figures import Pace, PaceFigures
from rct_collector.drivers.base import Query

#: An answer that comes this many seconds after the request still counts as a late answer to it.
LATE_S = 10.0

#: The same answer within this many seconds is a repetition; nobody else has asked for it.
TWICE_S = 0.5


class Fate(Enum):
    """What an answer was."""

    IN_TIME = auto()
    LATE = auto()
    TWICE = auto()
    FOREIGN = auto()


class _Request(NamedTuple):
    pace: Pace
    at: float


class _Last(NamedTuple):
    """The last answer to one of our requests."""

    at: float
    value: Any


@dataclass(slots=True)
class _Account:
    """What happened at one pace."""

    latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    missing: Counter[Query] = field(default_factory=Counter)
    spoiled: int = 0


class RequestLog:
    """Requests of an examination, and their fates.

    Attributes:
        sent: Requests so far.
        answered: Queries that the unit has answered, well or not.
        answers: Good answers to our own requests so far.
    """

    def __init__(self, timeout: float) -> None:
        """Start empty.

        Args:
            timeout: Seconds after which an answer comes too late.
        """
        self._timeout = timeout
        self._open: dict[Query, _Request] = {}
        self._overdue: dict[Query, _Request] = {}
        self._last: dict[Query, _Last] = {}
        self._accounts: dict[Pace, _Account] = {}
        self.answered: set[Query] = set()
        self.sent = 0
        self.answers = 0

    def asked(self, query: Query, pace: Pace, now: float) -> None:
        """A request went out."""
        self.sent += 1
        self._miss(query)
        self._overdue.pop(query, None)
        self._open[query] = _Request(pace, now)

    def received(self, query: Query, value: Any, now: float) -> tuple[Fate, float]:
        """A good answer came.

        Returns:
            What it was, and the seconds since its request, if there was one.
        """
        self.sweep(now)
        request = self._open.pop(query, None)
        fate = Fate.IN_TIME
        if request is None:
            request, fate = self._overdue.pop(query, None), Fate.LATE
        if request is None:
            last = self._last.get(query)
            twice = last is not None and now - last.at <= TWICE_S and last.value == value
            return (Fate.TWICE if twice else Fate.FOREIGN), 0.0
        waited = now - request.at
        account = self._account(request.pace)
        if fate is Fate.LATE:
            account.missing[query] -= 1
            account.late.append(waited)
        else:
            account.latencies.append(waited)
        self._last[query] = _Last(now, value)
        self.answered.add(query)
        self.answers += 1
        return fate, waited

    def refused(self, query: Query, now: float) -> float:
        """The unit said that it has no answer.

        Returns:
            Seconds since the request; 0 where there was none.
        """
        request = self._open.pop(query, None)
        if request is None:
            return 0.0
        waited = now - request.at
        self._account(request.pace).latencies.append(waited)
        self.answers += 1
        return waited

    def spoiled(self, query: Query) -> None:
        """An answer came that cannot be used."""
        request = self._open.pop(query, None)
        if request is not None:
            self._account(request.pace).spoiled += 1
            self.answered.add(query)

    def sweep(self, now: float) -> None:
        """Give up what was not answered in time, and forget what will not come any more."""
        for query, request in list(self._open.items()):
            if now - request.at > self._timeout:
                self._miss(query)
        for query, request in list(self._overdue.items()):
            if now - request.at > LATE_S:
                del self._overdue[query]

    def drop(self) -> None:
        """The line was lost: what is unanswered says nothing about the unit."""
        self._open.clear()
        self._overdue.clear()

    def next_expiry(self, now: float, wait: float) -> float:
        """When the next request without an answer will have waited for so long, at the latest."""
        asked = (*self._open.values(), *self._overdue.values())
        times = [request.at + wait for request in asked]
        return min((time for time in times if time > now), default=now + wait)

    def figures(self, pace: Pace) -> PaceFigures:
        """What happened at one pace; what the unit never answers does not count."""
        account = self._account(pace)
        return PaceFigures(
            pace=pace,
            latencies=tuple(account.latencies),
            late=tuple(account.late),
            missing=sum(n for query, n in account.missing.items() if query in self.answered),
            spoiled=account.spoiled,
        )

    def _miss(self, query: Query) -> None:
        request = self._open.pop(query, None)
        if request is not None:
            self._account(request.pace).missing[query] += 1
            self._overdue[query] = request

    def _account(self, pace: Pace) -> _Account:
        return self._accounts.setdefault(pace, _Account())
