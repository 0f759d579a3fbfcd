"""What an examination has measured, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, sqrt
from typing import NamedTuple

from rct_collector.drivers.tools import Quirk
from rct_collector.lines.kept import Calls
from rct_collector.model import PollClass

#: A pace with fewer requests is not judged.
LEAST_REQUESTS = 12

#: Standard deviations by which two losses must differ to be held for different.
SURE = 2.58


class Pace(NamedTuple):
    """How requests follow each other.

    Attributes:
        gap: Seconds between two of them.
        window: Requests that may be unanswered at the same time.
    """

    gap: float
    window: int


@dataclass(frozen=True, kw_only=True)
class PaceFigures:
    """How a unit answered at one pace; only objects that it answers at all count.

    Attributes:
        pace: The pace.
        latencies: Seconds of each answer that came in time.
        late: Seconds of each answer that came after the deadline.
        missing: Requests without any answer.
        spoiled: Answers that came cut short or could not be decoded.
    """

    pace: Pace
    latencies: tuple[float, ...] = ()
    late: tuple[float, ...] = ()
    missing: int = 0
    spoiled: int = 0

    @property
    def lost(self) -> int:
        """Requests without a good answer in time."""
        return len(self.late) + self.missing + self.spoiled

    @property
    def requests(self) -> int:
        """Requests whose fate is known."""
        return len(self.latencies) + self.lost

    @property
    def loss(self) -> float:
        """Share of requests without a good answer in time; 0 without requests."""
        return self.lost / self.requests if self.requests else 0.0

    @property
    def judged(self) -> bool:
        """Enough requests to say anything."""
        return self.requests >= LEAST_REQUESTS


class Trouble(NamedTuple):
    """Why the line could not be opened, or not be kept.

    Attributes:
        kind: ``busy``, ``closed`` (opened, and closed by the unit before any answer), ``unfit`` (it
            is another device), or one of
            :class:`rct_collector.errors.TransportError`.
        text: In words.
    """

    kind: str
    text: str


@dataclass(frozen=True, kw_only=True)
class UnitFigures:
    """What was heard of one unit that is not asked, but talks.

    Attributes:
        times: Monotonic seconds at which it said anything that was understood.
        records: What of → records, each counted once.
        parts: What of → how many different ones.
        repeated: Records that came once more.
        lags: Seconds from the time of each record to its arrival; less than 0 of a clock that is
            ahead. Empty where a recording is read.
        misdated: Records whose time cannot be.
    """

    times: tuple[float, ...] = ()
    records: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    lags: tuple[float, ...] = ()
    misdated: int = 0

    @property
    def every(self) -> float | None:
        """Seconds from one time to the next, of half of them at most; None of fewer than two."""
        gaps = tuple(b - a for a, b in pairwise(self.times))
        return quantile(gaps, 0.5) if gaps else None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything that an examination has measured.

    Attributes:
        seconds: How long the line was open.
        requests: Requests sent.
        answers: Good answers to them, in time or not.
        trouble: Why the line could not be opened, if so.
        silent: The unit was asked often enough and long enough to say that it does not answer.
        paces: Slowest first.
        timeout: Seconds after which an answer counted as lost.
        others: What was not meant for us: ``answer``, ``plant``, ``write``, ``echo``, or who.
        damaged: Kind of damage → frames.
        received: Bytes received.
        hangups: Times that the line was lost after it had worked.
        hangup_reason: In words, of the last of them.
        drift: Clock of the unit minus that of this host, in seconds, if it is known.
        identity: Label → text: model, serial number, firmware.
        equipment: What the unit has, as label and words.
        quirks: What is known of its firmware.
        unanswered: Labels of objects that were asked for and never answered.
        undecided: What the unit is not known to have, because it is silent about it, in sentences.
        queries: Requests per round of each class, for what the unit has.
        complete: The examination came to its end.
        units: Unit → what was heard of it, where units are not asked, but talk.
        reasons: Kind of damage → what people should know of it, in sentences.
        calls: Calls at the end, and those that were hung up on; None where nobody dials in.
        talks: Units are not asked, but talk.
        keeps: They tell the same to whoever listens next, since nobody acknowledged it.
        settings: Options of the family that are recommended, as they are written in YAML.
    """

    seconds: float = 0.0
    requests: int = 0
    answers: int = 0
    trouble: Trouble | None = None
    silent: bool = False
    paces: tuple[PaceFigures, ...] = ()
    timeout: float = 2.0
    others: Mapping[str, int] = field(default_factory=Counter)
    damaged: Mapping[str, int] = field(default_factory=Counter)
    received: int = 0
    hangups: int = 0
    hangup_reason: str = ""
    drift: float | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    equipment: tuple[tuple[str, str], ...] = ()
    quirks: tuple[Quirk, ...] = ()
    unanswered: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    queries: Mapping[PollClass, int] = field(default_factory=dict)
    complete: bool = False
    units: Mapping[str, UnitFigures] = field(default_factory=dict)
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    calls: Calls | None = None
    talks: bool = False
    keeps: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> tuple[PaceFigures, ...]:
        """The paces with enough requests, slowest first; where none has, all of them as one."""
        judged = tuple(pace for pace in self.paces if pace.judged)
        together = _together(self.paces)
        return judged or ((together,) if together is not None and together.judged else ())

    @property
    def good(self) -> tuple[PaceFigures, ...]:
        """The judged paces up to the fastest that loses no more than a slower one."""
        judged = self.judged
        for end in range(len(judged), 0, -1):
            if not any(surely_more(judged[end - 1], slower) for slower in judged[: end - 1]):
                return judged[:end]
        return ()

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds of all answers at these paces, in time or not."""
        return tuple(wait for pace in self.good for wait in pace.latencies + pace.late)

    def per_minute(self, *kinds: str) -> float:
        """How often something of others was heard."""
        heard = sum(self.others.get(kind, 0) for kind in kinds)
        return 60.0 * heard / self.seconds if self.seconds else 0.0


def _together(paces: tuple[PaceFigures, ...]) -> PaceFigures | None:
    """Several paces as if they were one, the fastest of them that was tried."""
    tried = [pace for pace in paces if pace.requests]
    if not tried:
        return None
    return PaceFigures(
        pace=tried[-1].pace,
        latencies=tuple(wait for pace in tried for wait in pace.latencies),
        late=tuple(wait for pace in tried for wait in pace.late),
        missing=sum(pace.missing for pace in tried),
        spoiled=sum(pace.spoiled for pace in tried),
    )


def surely_more(one: PaceFigures, other: PaceFigures) -> bool:
    """Whether one pace loses more than another, by more than chance would have it."""
    difference = one.loss - other.loss
    together = (one.lost + other.lost) / (one.requests + other.requests)
    spread = together * (1 - together) * (1 / one.requests + 1 / other.requests)
    return difference > 0 and difference > SURE * sqrt(spread)


def loss_of(paces: tuple[PaceFigures, ...]) -> float:
    """The loss of several paces together."""
    requests = sum(pace.requests for pace in paces)
    return sum(pace.lost for pace in paces) / requests if requests else 0.0


def quantile(values: tuple[float, ...], share: float) -> float:
    """The least value that ``share`` of all values do not exceed; 0 where there are none."""
    if not values:
        return 0.0
    return sorted(values)[max(ceil(share * len(values)), 1) - 1]
