"""The steps of an examination: what is asked when. No I/O; events and times go in, queries out.

::

    listen ─► knock ─► inventory ─► volleys ─────────────► second opinion
    who       does it  what is      each pace in turn,     what was not answered
    speaks?   answer?  attached?    again and again

The paces take turns, so that a disturbance that passes hits them all alike. Requests are sent
with the collector's own :class:`~rct_collector.device.polling.poller.Poller`, so they yield to
others on the line just as they do when it collects. Where answers do not tell what they answer,
one request is under way at a time, as when it collects, and paces differ by their gaps alone; what
there is to be asked follows from what the unit has said it speaks.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any

from rct_collector.config import DeviceConfig
from rct_collector.device.polling.pacing import Pacer, TokenBucket
from rct_collector.device.polling.poller import Poller
from rct_collector.doctor import steps
from rct_collector.doctor.figures import LEAST_REQUESTS, Figures, Pace
from rct_collector.doctor.inventory import Inventory
from rct_collector.doctor.requests import Fate, RequestLog
from rct_collector.doctor.steps import Step
from rct_collector.doctor.traffic import Traffic
from rct_collector.drivers.base import (
    Answer,
    Driver,
    Event,
    Fault,
    Garbled,
    Query,
    Refused,
)

#: An answer is waited for this many times as long as the slowest so far, within these seconds,
#: before the next request takes its place. It is taken all the same when it comes.
WAIT_FACTOR = 3.0
SHORTEST_WAIT_S, LONGEST_WAIT_S = 0.6, 5.0

#: Attempts for what is to be learnt, and the seconds between them.
ATTEMPTS = 3
PAUSE_S = 0.2


class Examiner:
    """Decides what is sent when, and keeps account of what comes back.

    Attributes:
        step: The present one; None before the begin and after the end.
        begun: When it began, in monotonic seconds.
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
        resync = driver.polled.resync if driver.polled else None
        self._drain_s = resync.silence_s if resync else 0.0
        self._drains = resync is not None
        self._paces = steps.single(steps.PACES, config.usual.gap) if self._drains else steps.PACES
        self._inventory = Inventory(config, driver)
        self._requests = RequestLog(config.requests.timeout)
        self._examination = driver.tools().examination()
        self._traffic = Traffic(self._examination.signs)
        self._probes = self._askable()
        rate = min(steps.MOST_PER_SECOND, config.requests.per_second)
        self._pacer = Pacer(0.0, TokenBucket(rate, float(len(self._examination.probes))))
        self._parts_left: Iterator[Step] | None = None
        self._now = self.begun = self._slowest = 0.0
        self._response_time = config.requests.timeout
        self._poller = self._new_poller(steps.INVENTORY)
        self._abandoned: list[Query] = []
        self._silent = False
        self.step: Step | None = None
        self.finished = False

    # -- what the line needs -----------------------------------------------------------------

    def begin(self, now: float) -> None:
        """The line is open for the first time."""
        self.begun = self._now = now
        # The average holds from the first request on: nothing may be spent before it is earned.
        for _ in self._examination.probes:
            self._pacer.bucket.take(now)
        self._parts_left = self._steps()

    def next(self, now: float) -> tuple[Query | None, float]:
        """What to do now.

        Args:
            now: Monotonic seconds.

        Returns:
            What to ask at once, or None and when to go on; for ever when it is finished.
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
            self._requests.sweep(now)
            if self._abandoned or self._poller.abandoned:  # the line may need something first
                return None, now
            if query is not None and now < step.until:
                return self._send(query, step), now
            if self._is_over(step):
                continue
            if query is not None:  # too late for it; the others are waited for
                wake = self._requests.next_expiry(now, self._response_time)
            return None, wake if now >= step.until else min(wake, step.until)
        return None, inf

    def listen(self, data: bytes) -> None:
        """Take bytes as they arrive, whatever they are."""
        self._traffic.listen(data)

    def hear(self, events: Iterable[Event], now: float, wall: float) -> None:
        """Take what bytes have brought.

        Args:
            events: In the order in which they came.
            now: Monotonic seconds.
            wall: Unix seconds.
        """
        self._now = now
        for event in events:
            if isinstance(event, Garbled):
                self._garbled(event, now)
            elif isinstance(event, Answer):
                self._answered(event, now, wall)
            elif isinstance(event, Refused):
                self._refused(event.query, now)

    def abandoned(self) -> list[Query]:
        """What nobody waits for any more, though its answer may still come; each is told once."""
        found = [*self._abandoned, *self._poller.abandoned]
        self._abandoned.clear()
        self._poller.abandoned.clear()
        return found

    def give_up(self, now: float) -> None:
        """It cannot be asked what it would have to be: the end."""
        self._now = now
        self._silent, self.finished = not self.heard, True

    def line_lost(self, now: float) -> None:
        """The line is gone; it may come back."""
        self._now = now
        self._requests.drop()
        if not self.heard:  # nothing was learnt: from the beginning
            self.step, self._parts_left = None, self._steps()
        elif self.step is not None:
            self.step.until = now
            self._poller.clear()
        self.abandoned()  # with the line

    @property
    def heard(self) -> bool:
        """The unit has answered us."""
        return bool(self._requests.answered)

    def progress(self, now: float) -> str:
        """How far it has come, in words."""
        left = max(self.begun + self._seconds - now, 0.0)
        name = self.step.name if self.step else "…"
        answers, requests = self._requests.answers, self._requests.sent
        return f"{name}: {answers} answers to {requests} requests, {left:.0f} s left"

    # -- the steps ---------------------------------------------------------------------------

    def _steps(self) -> Iterator[Step]:
        """The parts, as far as there is time for them."""
        end = self.begun + self._seconds
        for step in self._parts(end):
            if self._now >= end:
                return
            step.until = min(step.until, end)
            yield step

    def _parts(self, end: float) -> Iterator[Step]:
        yield steps.listening(self._now + steps.LISTEN * self._seconds)
        yield self._volley(self._paces[0], steps.KNOCK_S, steps.KNOCKS)
        if not self.heard:
            self._silent = True
            return
        yield from self._learn(self.begun + steps.LEARN * self._seconds)
        self._probes = self._askable()
        # Where there is little to be asked, it is asked the more often.
        enough = -(-LEAST_REQUESTS // max(len(self._probes), 1)) + 1
        turns = self._paces * max(steps.TURNS, enough)
        for n, pace in enumerate(turns):
            left = end - self._reserve() - self._now
            yield self._volley(pace, max(left / (len(turns) - n), 0.0))
        # What was not answered may have been lost.
        yield steps.learning("what is not sure", self._inventory.unsettled(), self._now, end)

    def _askable(self) -> deque[Query]:
        """The probes that the unit has, as far as is known; where answers have no names, surely."""
        queries = map(self._driver.query, self._examination.probes)
        has = self._inventory.has
        return deque(q for q in queries if has(q) or (has(q) is None and not self._drains))

    def _reserve(self) -> float:
        """Seconds for what is asked again at the end."""
        needed = steps.EACH_AGAIN_S * len(self._inventory.unsettled())
        return min(needed, steps.AGAIN * self._seconds)

    def _volley(self, pace: Pace, seconds: float, most: int = steps.MOST) -> Step:
        return steps.volley(pace, self._probes, self._pacer.bucket, self._now, seconds, most)

    def _learn(self, until: float) -> Iterator[Step]:
        """Find out what is attached, in small batches, since one thing leads to another."""
        yield steps.learning("who it is", self._inventory.who(), self._now, until)
        self._inventory.give_up(self._poller.unsettled()[0])
        while self._now < until and (queries := self._inventory.open()):
            yield steps.learning("what is attached", queries[: steps.BATCH], self._now, until)
            self._inventory.give_up(self._poller.unsettled()[0])

    # -- the present step --------------------------------------------------------------------

    def _new_poller(self, pace: Pace, *, learns: bool = False) -> Poller:
        self._pacer.gap = pace.gap
        attempts = ATTEMPTS if learns else 1
        return Poller(
            self._pacer,
            window=1 if self._drains else pace.window,
            timeout=self._response_time,
            drain_s=self._drain_s,
            retry_delay=lambda attempt: PAUSE_S if attempt < attempts else None,
        )

    def _advance(self) -> None:
        """Begin the next step, or end."""
        assert self._parts_left is not None  # noqa: S101 - begin() was called
        self.step = next(self._parts_left, None)
        if self.step is None:
            self.finished = True
            return
        step = self.step
        if self._slowest and not self._drains:  # else a late answer costs a recovery
            self._response_time = min(
                max(WAIT_FACTOR * self._slowest, SHORTEST_WAIT_S), LONGEST_WAIT_S
            )
        self._abandoned += self._poller.abandoned
        self._poller = self._new_poller(step.pace, learns=step.learns)
        if self._traffic.foreign_at is not None:
            self._poller.foreign(self._traffic.foreign_at)
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

    def _send(self, query: Query, step: Step) -> Query:
        self._poller.sent(query, self._now)
        self._requests.asked(query, step.pace, self._now)
        return query

    # -- what comes back ---------------------------------------------------------------------

    def _answered(self, answer: Answer, now: float, wall: float) -> None:
        query, value = answer.query, answer.value
        fate, waited = self._requests.received(query, value, now)
        self._slowest = max(self._slowest, waited)
        if fate is Fate.FOREIGN:
            self._foreign(now)
        self._inventory.hear(query, value, wall, waited)
        ask = self._poller.answered(query, now)
        if ask is not None and self._inventory.take(query, value):
            self._poller.repeat(ask)

    def _refused(self, query: Query, now: float) -> None:
        """The unit is there, and has no answer to this."""
        self._slowest = max(self._slowest, self._requests.refused(query, now))
        self._poller.refused(query, now)
        self._inventory.give_up([query])

    def _garbled(self, event: Garbled, now: float) -> None:
        if event.kind is Fault.FOREIGN:
            self._foreign(now)
            return
        self._traffic.garbled(event.kind)
        if event.query is not None:
            self._requests.spoiled(event.query)
            self._poller.spoiled(event.query, now)

    def _foreign(self, now: float) -> None:
        self._traffic.foreign(now)
        self._poller.foreign(now)

    # -- what was learnt ---------------------------------------------------------------------

    def figures(self, now: float, **line: Any) -> Figures:
        """Everything so far.

        Args:
            now: Monotonic seconds.
            line: What only the line's keeper knows: ``trouble``, ``hangups``, ``hangup_reason``.
        """
        examination, inventory = self._examination, self._inventory
        facts = inventory.facts
        return Figures(
            seconds=max(now - self.begun, 0.0) if self._parts_left else 0.0,
            requests=self._requests.sent,
            answers=self._requests.answers,
            silent=self._silent,
            paces=tuple(map(self._requests.figures, self._paces)),
            timeout=self._config.requests.timeout,
            others=Counter(self._traffic.others),
            damaged=Counter(self._traffic.damaged),
            received=self._traffic.size,
            drift=inventory.drift,
            identity=inventory.identity,
            equipment=tuple(examination.equipment(facts)) if facts else (),
            quirks=tuple(examination.quirks(facts)),
            unanswered=tuple(q.label for q in inventory.unanswered(self._requests.answered)),
            undecided=tuple(inventory.undecided),
            queries=inventory.queries,
            complete=self.finished and line.get("trouble") is None,
            **line,
        )
