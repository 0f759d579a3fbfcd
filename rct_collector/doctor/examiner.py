"""The steps of an examination: what is asked when. No I/O; bytes and times go in and out.

::

    listen ─► knock ─► inventory ─► volleys ─────────────► second opinion
    who       does it  what is      each pace in turn,     what was not answered
    speaks?   answer?  attached?    again and again

The paces take turns, so that a disturbance that passes hits them all alike. Requests are sent
with the collector's own :class:`~rct_collector.device.polling.poller.Poller`, so they yield to
others on the line just as they do when it collects.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from math import inf
from typing import Any

from rct_collector.config import DeviceConfig
from rct_collector.device.polling.pacing import Pacer, TokenBucket
from rct_collector.device.polling.poller import Poller
from rct_collector.doctor import steps
from rct_collector.doctor.figures import Figures, Pace
from rct_collector.doctor.inventory import Inventory
from rct_collector.doctor.requests import Fate, RequestLog
from rct_collector.doctor.steps import Step
from rct_collector.doctor.traffic import Traffic
from rct_collector.drivers.base import Answer, Ask, Driver, Fault, Garbled, Query

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
        self._session = driver.session(config.session)
        self._inventory = Inventory(config, driver)
        self._requests = RequestLog(config.requests.timeout)
        self._examination = driver.tools().examination()
        self._traffic = Traffic(self._examination.signs)
        self._probes = deque(driver.query(name) for name in self._examination.probes)
        rate = min(steps.MOST_PER_SECOND, config.requests.per_second)
        self._pacer = Pacer(0.0, TokenBucket(rate, float(len(self._probes))))
        self._parts_left: Iterator[Step] | None = None
        self._now = self._begun = self._slowest = 0.0
        self._response_time = config.requests.timeout
        self._poller = self._new_poller(steps.INVENTORY)
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
        self._parts_left = self._steps()

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
            self._requests.sweep(now)
            if query is not None and now < step.until:
                return self._send(query, step), now
            if self._is_over(step):
                continue
            if query is not None:  # too late for it; the others are waited for
                wake = self._requests.next_expiry(now, self._response_time)
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
        self._traffic.listen(data)
        for event in self._session.receive(data, round(wall * 1e9)):
            if isinstance(event, Garbled):
                self._garbled(event, now)
            elif isinstance(event, Answer):
                self._answered(event, now, wall)

    def line_lost(self, now: float) -> None:
        """The line is gone; it may come back."""
        self._now = now
        self._session.reset()
        self._requests.drop()
        if not self.heard:  # nothing was learnt: from the beginning
            self.step, self._parts_left = None, self._steps()
        elif self.step is not None:
            self.step.until = now
            self._poller.clear()

    @property
    def heard(self) -> bool:
        """The unit has answered us."""
        return bool(self._requests.answered)

    def progress(self, now: float) -> str:
        """How far it has come, in words."""
        left = max(self._begun + self._seconds - now, 0.0)
        name = self.step.name if self.step else "…"
        answers, requests = self._requests.answers, self._requests.sent
        return f"{name}: {answers} answers to {requests} requests, {left:.0f} s left"

    # -- the steps ---------------------------------------------------------------------------

    def _steps(self) -> Iterator[Step]:
        """The parts, as far as there is time for them."""
        end = self._begun + self._seconds
        for step in self._parts(end):
            if self._now >= end:
                return
            step.until = min(step.until, end)
            yield step

    def _parts(self, end: float) -> Iterator[Step]:
        yield steps.listening(self._now + steps.LISTEN * self._seconds)
        yield self._volley(steps.PACES[0], steps.KNOCK_S, steps.KNOCKS)
        if not self.heard:
            self._silent = True
            return
        yield from self._learn(self._begun + steps.LEARN * self._seconds)
        turns = steps.PACES * steps.TURNS
        for n, pace in enumerate(turns):
            left = end - self._reserve() - self._now
            yield self._volley(pace, max(left / (len(turns) - n), 0.0))
        # What was not answered may have been lost.
        yield steps.learning("what is not sure", self._inventory.unsettled(), self._now, end)

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
            window=pace.window,
            timeout=self._response_time,
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
        if self._slowest:
            self._response_time = min(
                max(WAIT_FACTOR * self._slowest, SHORTEST_WAIT_S), LONGEST_WAIT_S
            )
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

    def _send(self, query: Query, step: Step) -> bytes:
        self._poller.sent(query, self._now)
        self._requests.asked(query, step.pace, self._now)
        return self._session.request(Ask(query))

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
            self._poller.repeat(query)

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
            seconds=max(now - self._begun, 0.0) if self._parts_left else 0.0,
            requests=self._requests.sent,
            answers=self._requests.answers,
            silent=self._silent,
            paces=tuple(map(self._requests.figures, steps.PACES)),
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
