"""The course of an examination: what is asked when. No I/O; bytes and times go in and out.

::

    listen ─► knock ─► inventory ─► volleys ─────────────► second opinion
    who       does it  what is      each pace in turn,     what was not answered
    speaks?   answer?  attached?    again and again

The paces take turns, so that a disturbance that passes hits them all alike. Requests are sent
with the collector's own :class:`~rct_collector.device.poller.Poller`, so they yield to others on
the line just as they do when it collects.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

from rct_collector.config import DeviceConfig
from rct_collector.device.discovery import Discovery
from rct_collector.device.pacing import Pacer, TokenBucket
from rct_collector.device.plan import plan_for
from rct_collector.device.poller import Poller
from rct_collector.doctor.ear import Ear
from rct_collector.doctor.figures import Figures, Pace, Trouble
from rct_collector.doctor.ledger import Fate, Ledger
from rct_collector.drivers.base import Answer, Driver, Examination, Garbled, Query
from rct_collector.model import PollClass

#: Slowest first.
PACES = (Pace(0.5, 1), Pace(0.2, 1), Pace(0.1, 2), Pace(0.06, 4))

#: For what is attached; long answers are waited for alone whatever the window.
INVENTORY = Pace(0.15, 2)

#: Requests per second on average, whatever the configuration allows: the average that units in
#: the field stand well.
MOST_PER_SECOND = 5.0

#: Shares of the whole time: listening, waiting for the first answer, learning what is attached,
#: and asking again at the end.
LISTEN, KNOCK, LEARN, AGAIN = 1 / 30, 1 / 6, 1 / 3, 1 / 20

#: Requests of the knock, and those of the inventory that go together.
KNOCKS, BATCH = 6, 8

#: How many times each pace has its turn.
TURNS = 3

#: An answer is waited for this many times as long as the slowest so far, within these seconds,
#: before the next request takes its place. It is taken all the same when it comes.
PATIENCE = 3.0
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.6, 5.0

#: Attempts for what is to be learnt, and the seconds between them.
ATTEMPTS = 3
PAUSE_S = 0.2

_CLASSES = (PollClass.FAST, PollClass.MEDIUM, PollClass.SLOW, PollClass.STATIC)
_IDENTITY = ("model", "serial", "firmware")
_CLOCK = "inverter_clock.time_seconds"


@dataclass(slots=True)
class Step:
    """One part of the course.

    Attributes:
        name: In words.
        pace: How its requests follow each other.
        queries: What is asked.
        at: When it begins.
        until: When nothing more is sent.
        learns: Answers are asked for again until they come, and taken one by one.
    """

    name: str
    pace: Pace
    queries: list[Query]
    at: float
    until: float
    learns: bool = False


class Examiner:
    """Decides what is sent when, and keeps account of what comes back.

    Attributes:
        step: The present part of the course; None before the begin and after the end.
        finished: Nothing more will be sent.
    """

    def __init__(self, config: DeviceConfig, driver: Driver, seconds: float) -> None:
        """Do nothing yet.

        Args:
            config: The device; its pace may be slower than ours.
            driver: Its driver, which knows how to examine a unit.
            seconds: How long it may take.
        """
        self._config, self._driver, self._seconds = config, driver, seconds
        self._session = driver.session()
        self._discovery = Discovery(driver)
        self._ledger = Ledger(config.requests.timeout)
        self._ear = Ear(_examination(driver).signs)
        self._probes = deque(driver.query(name) for name in _examination(driver).probes)
        self._homes = {series.name: (query, binding) for series, query, binding in driver.found()}
        rate = min(MOST_PER_SECOND, config.requests.per_second)
        self._pacer = Pacer(0.0, TokenBucket(rate, float(len(self._probes))))
        self._course: Iterator[Step] | None = None
        self._now = self._begun = self._slowest = 0.0
        self._patience = config.requests.timeout
        self._poller = self._new_poller(INVENTORY)
        self._unanswered: dict[Query, None] = {}
        self._values: dict[Query, Any] = {}
        self._drift: float | None = None
        self._silent = False
        self.step: Step | None = None
        self.finished = False

    # -- what the line needs -----------------------------------------------------------------

    def begin(self, now: float) -> None:
        """The line is open for the first time."""
        self._begun = self._now = now
        # The average holds from the first request on: nothing may be spent before it is earned.
        for _ in self._probes:
            self._pacer.bucket.take(now)
        self._course = self._steps()

    def next(self, now: float) -> tuple[bytes | None, float]:
        """What to do now.

        Args:
            now: Monotonic seconds.

        Returns:
            Bytes to send at once, or None and when to ask again; for ever when it is finished.
        """
        self._now = now
        while not self.finished:
            step = self.step
            if step is None or self._is_over(step):
                self._advance()
                continue
            if now < step.at:
                return None, step.at
            query, wake = self._poller.next(now)
            self._ledger.sweep(now)
            if query is not None and now < step.until:
                return self._send(query, step), now
            if self._is_over(step):
                continue
            if query is not None:  # too late for it; the others are waited for
                wake = self._ledger.next_expiry(now, self._patience)
            return None, wake if now >= step.until else min(wake, step.until)
        return None, inf

    def receive(self, data: bytes, now: float, wall: float) -> None:
        """Take bytes.

        Args:
            data: As they arrived.
            now: Monotonic seconds.
            wall: Unix seconds.
        """
        self._now = now
        self._ear.listen(data)
        for event in self._session.receive(data):
            if isinstance(event, Garbled):
                self._garbled(event, now)
            else:
                self._answered(event, now, wall)

    def line_lost(self, now: float) -> None:
        """The line is gone; it may come back."""
        self._now = now
        self._session.reset()
        self._ledger.drop()
        if not self.heard:  # nothing was learnt: from the beginning
            self.step, self._course = None, self._steps()
        elif self.step is not None:
            self.step.until = now
            self._poller.clear()

    @property
    def heard(self) -> bool:
        """The unit has answered us."""
        return bool(self._ledger.answered)

    def progress(self, now: float) -> str:
        """How far it has come, in words."""
        left = max(self._begun + self._seconds - now, 0.0)
        name = self.step.name if self.step else "…"
        answers, requests = self._ledger.answers, self._ledger.requests
        return f"{name}: {answers} answers to {requests} requests, {left:.0f} s left"

    # -- the course --------------------------------------------------------------------------

    def _steps(self) -> Iterator[Step]:
        seconds, end = self._seconds, self._begun + self._seconds
        yield Step("listening", INVENTORY, [], self._now + LISTEN * seconds, inf)
        yield self._volley(PACES[0], KNOCK * seconds, KNOCKS)
        if not self.heard:
            self._silent = True
            return
        yield from self._learn(self._begun + LEARN * seconds)
        left = TURNS * len(PACES)
        for pace in PACES * TURNS:
            share = (end - AGAIN * seconds - self._now) / left
            yield self._volley(pace, max(share, 0.0), len(self._probes))
            left -= 1
        yield from self._second_opinion(end)

    def _volley(self, pace: Pace, seconds: float, most: int) -> Step:
        """As many probes as the rate allows in that time."""
        rate = self._pacer.bucket.rate
        count = max(1, min(int(seconds * min(rate, 1 / pace.gap)), most))
        queries = [self._probes[n] for n in range(count)]
        self._probes.rotate(-count)
        # With so many tokens at the begin it never has to wait for one later.
        needed = 1 + count * max(0.0, 1 - pace.gap * rate)
        burst = self._pacer.bucket.burst
        at = self._pacer.bucket.ready_at(self._now, min(needed, burst))
        name = f"{1000 * pace.gap:.0f} ms apart, {pace.window} at a time"
        return Step(name, pace, queries, at, max(at, self._now) + max(seconds, pace.gap))

    def _learn(self, until: float) -> Iterator[Step]:
        """Find out what is attached, in small batches, since one thing leads to another."""
        while self._now < until and (queries := self._discovery.open()):
            yield self._lesson("what is attached", queries[:BATCH], until)
            for query in self._poller.unsettled()[0]:
                self._unanswered[query] = None
                self._discovery.unanswered(query)
        names = [f"inverter.{field}" for field in _IDENTITY] + [_CLOCK]
        homes = [self._homes[name][0] for name in names if name in self._homes]
        yield self._lesson("who it is", [q for q in homes if q not in self._values], inf)
        self._unanswered.update(dict.fromkeys(self._poller.unsettled()[0]))

    def _second_opinion(self, end: float) -> Iterator[Step]:
        """Ask again for what was not answered: it may have been lost."""
        silent = [query for query in self._unanswered if query not in self._ledger.answered]
        silent += [query for query in self._discovery.open() if query not in self._unanswered]
        yield self._lesson("what was not answered", silent, end)

    def _lesson(self, name: str, queries: list[Query], until: float) -> Step:
        return Step(name, INVENTORY, queries, self._now, until, learns=True)

    # -- the present step --------------------------------------------------------------------

    def _new_poller(self, pace: Pace, *, learns: bool = False) -> Poller:
        self._pacer.gap = pace.gap
        attempts = ATTEMPTS if learns else 1
        return Poller(
            self._pacer,
            window=pace.window,
            timeout=self._patience,
            retry_delay=lambda attempt: PAUSE_S if attempt < attempts else None,
        )

    def _advance(self) -> None:
        """Begin the next step, or end."""
        assert self._course is not None  # noqa: S101 - begin() was called
        self.step = next(self._course, None)
        if self.step is None:
            self.finished = True
            return
        step = self.step
        if self._slowest:
            self._patience = min(max(PATIENCE * self._slowest, SHORTEST_WAIT_S), LONGEST_WAIT_S)
        self._poller = self._new_poller(step.pace, learns=step.learns)
        if self._ear.foreign_at is not None:
            self._poller.foreign(self._ear.foreign_at)
        self._poller.begin(
            self._now,
            deadline=inf,
            next_round=inf,
            fast=() if step.learns else step.queries,
            slow=step.queries if step.learns else (),
        )

    def _is_over(self, step: Step) -> bool:
        if self._now < step.at:
            return False
        sending = self._now < step.until and not self._poller.done(self._now)
        return not sending and not self._poller.pending

    def _send(self, query: Query, step: Step) -> bytes:
        self._poller.sent(query, self._now)
        self._ledger.asked(query, step.pace, self._now)
        return self._session.request(query)

    # -- what comes back ---------------------------------------------------------------------

    def _answered(self, answer: Answer, now: float, wall: float) -> None:
        query, value = answer.query, answer.value
        fate, waited = self._ledger.received(query, value, now)
        self._slowest = max(self._slowest, waited)
        if fate is Fate.FOREIGN:
            self._foreign(now)
        self._values[query] = value
        ask = self._poller.answered(query, now)
        if query is self._homes.get(_CLOCK, (None,))[0]:
            self._drift = self._clock(value) - wall + waited / 2
        if ask and self._discovery.decides(query) and self._discovery.observe(query, value) is None:
            self._poller.repeat(query)

    def _garbled(self, event: Garbled, now: float) -> None:
        if event.kind == "foreign":
            self._foreign(now)
            return
        self._ear.garbled(event.kind)
        if event.query is not None:
            self._ledger.spoiled(event.query)
            self._poller.spoiled(event.query, now)

    def _foreign(self, now: float) -> None:
        self._ear.foreign(now)
        self._poller.foreign(now)

    def _clock(self, value: Any) -> float:
        """Unix seconds of the unit's clock."""
        _, binding = self._homes[_CLOCK]
        found = binding.convert(value, self._config.timezone)[0]
        return float(found) if found is not None else 0.0

    # -- what was learnt ---------------------------------------------------------------------

    def figures(self, now: float, **line: Any) -> Figures:
        """Everything so far.

        Args:
            now: Monotonic seconds.
            line: What only the line's keeper knows: ``trouble``, ``hangups``, ``hangup_reason``.
        """
        facts = dict(self._discovery.facts)
        examination = _examination(self._driver)
        unanswered = [q for q in self._unanswered if q not in self._ledger.answered]
        trouble: Trouble | None = line.get("trouble")
        return Figures(
            seconds=max(now - self._begun, 0.0) if self._course else 0.0,
            requests=self._ledger.requests,
            answers=self._ledger.answers,
            silent=self._silent,
            paces=tuple(map(self._ledger.figures, PACES)),
            timeout=self._config.requests.timeout,
            others=Counter(self._ear.others),
            damaged=Counter(self._ear.damaged),
            received=self._ear.size,
            drift=self._drift,
            identity=self._identity(),
            facts=facts,
            equipment=tuple(examination.equipment(facts)) if facts else (),
            quirks=tuple(examination.quirks(facts)),
            unanswered=tuple(query.label for query in unanswered),
            queries=self._queries(),
            complete=self.finished and trouble is None,
            **line,
        )

    def _identity(self) -> dict[str, str]:
        found = {}
        for field in _IDENTITY:
            home = self._homes.get(f"inverter.{field}")
            if home is not None and home[0] in self._values:
                found[field] = str(self._values[home[0]])
        return found

    def _queries(self) -> dict[PollClass, int]:
        """Requests per round; what is not known to be absent may be there."""
        plan = plan_for(self._driver, self._config)
        return {poll: self._count(plan.queries(poll)) for poll in _CLASSES}

    def _count(self, queries: Iterable[Query]) -> int:
        return sum(self._discovery.has(query.condition) is not False for query in queries)


def _examination(driver: Driver) -> Examination:
    assert driver.examination is not None  # noqa: S101 - asked before
    return driver.examination
