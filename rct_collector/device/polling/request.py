"""What becomes of one request within one round, and of all of them together.

The life of a request::

             sent              an answer
    QUEUED ────────► PENDING ───────────────► ANSWERED
                      │   ▲                      │ once more, to be sure of it
                      │   │ after a pause        ▼
                      ├───│────────────────► WAITING
                      │   └──────────────────────┘
                      │    nothing in time, overtaken by later ones, or cut short
                      ├────────────────────► REFUSED   the unit says "no"
                      └────────────────────► LOST      nothing, for the last time

An answer ends it wherever it stands: it may come late, or be that to somebody else. What is QUEUED,
PENDING or WAITING when the round ends waits for the next one, as far as it is ``kept``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from rct_collector.drivers.base import Query


class Phase(Enum):
    """Where a request stands."""

    QUEUED = auto()
    PENDING = auto()
    WAITING = auto()  # to be repeated
    ANSWERED = auto()
    REFUSED = auto()  # the unit said "no", which is an answer: it is not repeated
    LOST = auto()  # given up for this round; a late answer is still welcome


#: To look up a member of an enumeration costs more than a comparison, and each exchange has many.
QUEUED, PENDING, WAITING, ANSWERED, REFUSED, LOST = Phase

#: Phases in which something is still to come of it.
OPEN = (QUEUED, PENDING, WAITING)


@dataclass(slots=True, eq=False)
class Request:
    """One request of the round."""

    query: Query
    fast: bool
    kept: bool  # for the next round, if this one is too short for it
    phase: Phase = QUEUED
    attempts: int = 0
    repeats: int = 0
    overtaken: int = 0
    silent: int = 0  # requests that were given up because nothing came
    doubtful: bool = False  # the rounds before have asked for it in vain
    late: bool = False  # an answer came that was too old to be believed
    crowded: bool = False  # it followed closely on another one
    sent_at: float = 0.0
    until: float = 0.0
    not_before: float = 0.0

    @property
    def owed(self) -> int:
        """Answers that may still come."""
        return self.silent + (self.phase is PENDING)


@dataclass(slots=True)
class Outcome:
    """What became of requests for objects that the unit is known to answer."""

    answered: int = 0
    lost: int = 0


@dataclass(slots=True)
class Tally:
    """What happened in the round, for the counters."""

    requests: int = 0
    retries: int = 0
    timeouts: int = 0
    answers: int = 0
    alone: Outcome = field(default_factory=Outcome)
    crowded: Outcome = field(default_factory=Outcome)
    latency: float = 0.0
