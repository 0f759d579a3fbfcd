"""What goes over the line of one device: requests when they may, answers when they come.

The line, the session that reads it and the poller that decides meet here, with the loop's clock.
What an answer means is none of its business; its owner is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from rct_collector.config import Requests
from rct_collector.device.clock import Clock
from rct_collector.device.polling.adaptive_rate import AdaptiveRate
from rct_collector.device.polling.pacing import Pacer, TokenBucket
from rct_collector.device.polling.poller import Poller
from rct_collector.device.polling.response_time import ResponseTime
from rct_collector.device.polling.standstill import Standstill
from rct_collector.device.stats import Stats
from rct_collector.drivers.base import Answer, Ask, Event, Fault, Garbled, Query, Session
from rct_collector.lines.inflow import Inflow
from rct_collector.lines.reconnect import Link
from rct_collector.reports import Reports
from rct_collector.transport import Opener

log = logging.getLogger(__name__)

#: Without any valid frame for this long, while answers are due, the line is taken for dead: a
#: connection that the unit has forgotten is to cost less than a minute of values.
WATCHDOG_S = 30.0

#: After this long without a byte, half an answer is not waited for any more, in seconds: what is
#: hidden behind it would be too old to be true.
SILENCE_S = 1.0

#: Repeats of what was lost may add this share to the configured requests per second.
REPEATS = 0.5

#: All that is asked of a unit may go out at the pace of the gap once in so many seconds, as it is
#: wanted after a start.
ADVANCE_S = 3600.0

#: How often what came is handed over while a round goes on after its fast part, in seconds.
HAND_OVER_S = 5.0

#: At the slowest pace a fast round still goes this many times into its interval, since answers
#: must be waited for and lost ones repeated.
LEEWAY = 2.0


class Owner(Protocol):
    """Who is told what happens."""

    def opened(self) -> None:
        """The line is open, for the first time or again."""

    def answered(self, answer: Answer, now: float) -> bool:
        """An answer came that the round wants.

        Returns:
            Whether it can be believed; if not, it is asked for once more.
        """

    def lost(self, query: Query, now: float) -> None:
        """A query was asked in vain as often as a round allows."""

    def fast_settled(self) -> None:
        """All fast queries of the round were asked, and answered or missed once."""

    def going_on(self) -> None:
        """The round goes on, for some time already: what came is not to wait for its end."""


class Exchange:
    """The exchanges of one device, round by round.

    Attributes:
        link: The line.
        poller: What was asked in the round, and what came of it.
        cut_short: The line was lost in the middle of the last round.
    """

    def __init__(
        self,
        name: str,
        requests: Requests,
        session: Session,
        *,
        line: tuple[Opener, str, int],
        fast: tuple[int, float],
        everything: int,
        stats: Stats,
        owner: Owner,
        reports: Reports,
        clock: Clock,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            name: Device name for messages of the line.
            requests: How hard the device is asked.
            session: Makes bytes of requests, and events of bytes.
            line: Transport, host and port.
            fast: Queries of a fast round, and seconds between two of them.
            everything: Requests that it takes to ask for everything once.
            stats: Counts what was not understood.
            owner: Is told what happens.
            reports: Where what is worth a message goes.
            clock: Wall clock.
        """
        self._name = name
        self._reports = reports
        self._clock = clock
        self._session = session
        self._stats = stats
        self._owner = owner
        self._timeout = requests.timeout
        size = float(max(fast[0], 1))
        # Whoever asks for less than usual on average knows why.
        advance = everything if requests.per_second >= Requests().per_second else 0
        self._pacer = Pacer(
            requests.gap,
            TokenBucket(requests.per_second, size),
            TokenBucket(REPEATS * requests.per_second, size),
            TokenBucket(advance / ADVANCE_S, float(advance)),
        )
        self._slowest_gap = fast[1] / (LEEWAY * size)
        self._requests = requests
        self._rate = self._new_rate()
        self._standstill = Standstill(requests.timeout)
        self._inflow = Inflow()
        self.poller = Poller(
            self._pacer,
            window=requests.window,
            timeout=requests.timeout,
            response_time=ResponseTime(requests.timeout),
            standstill=self._standstill,
        )
        self.link = Link(name, *line, self._received, self._line_changed, reports)
        self._over: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._fast_told = False
        self._told_at = -math.inf
        self._unanswered_since: float | None = None
        self._heard_at = -math.inf
        self.cut_short = False

    async def round(
        self,
        fast: list[Query],
        slow: Iterable[Query],
        *,
        seconds: float,
        next_round: float,
        stretches: bool,
    ) -> None:
        """Ask, and wait for the end; without a line that is now.

        Args:
            fast: Asked back to back, in this order.
            slow: Asked in this order as far as the budget allows.
            seconds: How long the round may take.
            next_round: Seconds until the next fast round will want its tokens.
            stretches: The round may take longer when the pace allowed makes it so.
        """
        self.cut_short = self._fast_told = False
        if not self.link.is_open:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if stretches:
            seconds = max(seconds, self._needed(len(fast), now))
        self.poller.begin(
            now, deadline=now + seconds, next_round=now + next_round, fast=fast, slow=slow
        )
        over = self._over = loop.create_future()
        try:
            self._pump()  # which may end the round at once
            await over
        finally:
            self._over = None
            self._stop_timer()

    def _needed(self, count: int, now: float) -> float:
        """Seconds that so many queries take at the pace allowed."""
        bucket = self._pacer.bucket
        missing = max(0.0, count - bucket.tokens(now)) / bucket.rate
        return max(count * self._pacer.gap, missing) + 2 * self._timeout

    def end_round(self, now: float) -> None:
        """Nothing is wanted any more: learn from what was lost, and ask slower if it was much."""
        tally = self.poller.tally
        # What is lost with the line is not lost by haste.
        loss = self._rate.note(now, tally.alone, tally.crowded) if self.stood else None
        if loss is not None:
            self._pacer.gap, self.poller.window = self._rate.gap, self._rate.window
            self._reports.say(
                *(log, logging.INFO, "pace"),
                "%.0f %% of the answers are lost; now up to %d requests at a time, %.0f ms apart",
                *(100 * loss, self.poller.window, 1000 * self._pacer.gap),
            )
        self.poller.clear()
        if self._inflow.calms(now):
            self._reports.say(log, logging.INFO, "calm", "sends no more than others again")

    @property
    def stood(self) -> bool:
        """Whether the line held through the last round, so that silence was the unit's own."""
        return self.link.is_open and not self.cut_short and self.poller.stood()

    def forget(self) -> None:
        """Another unit answers now: what was learnt of the pace of the old one is void."""
        self._rate = self._new_rate()
        self._pacer.gap, self.poller.window = self._rate.gap, self._rate.window
        self.poller.forget()

    def _new_rate(self) -> AdaptiveRate:
        return AdaptiveRate(self._requests.window, self._requests.gap, self._slowest_gap)

    @property
    def gap(self) -> float:
        """Least seconds between two requests, at present."""
        return self._pacer.gap

    @asynccontextmanager
    async def open(self, patience: float) -> AsyncIterator[None]:
        """Keep the line open while the block runs.

        Args:
            patience: Seconds that the first attempt to connect is waited for.
        """
        link = asyncio.create_task(self.link.run(), name=f"link of {self._name}")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.link.attempted.wait()
            yield
        finally:
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)

    # -- the line --------------------------------------------------------------------------

    def _line_changed(self, is_open: bool) -> None:  # noqa: FBT001 - a callback
        self._session.reset()
        self._inflow.reset()
        self._read_on()
        self._unanswered_since = None
        if is_open:
            self.poller.opened()
            self._owner.opened()
        else:
            self.cut_short = self._over is not None
            self._finish()

    def _received(self, data: bytes) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._heard_at > SILENCE_S:
            self._session.reset()
        self._heard_at = now
        self.poller.heard(now)
        events = self._session.receive(data, self._clock.wall_ns())
        self._meter(data, events, now)
        for event in events:
            self._handle(event, now)
        if self._over is not None and not self.poller.waits_for_time:
            self._pump()

    def _meter(self, data: bytes, events: list[Event], now: float) -> None:
        """Read on later, where the device has sent more than its share."""
        inflow, flooded = self._inflow, self._inflow.floods
        noise = sum(e.size for e in events if type(e) is Garbled and e.kind is Fault.NOISE)
        pause = inflow.take(now, len(data), len(events), noise)
        if inflow.is_stale(now):
            self._standstill.begin(now)
        if not pause:
            return
        self.link.pause()
        self._pause = asyncio.get_running_loop().call_later(pause, self._read_on)
        if not flooded:
            self._reports.say(
                *(log, logging.WARNING, "flood"),
                "sends far more than it is asked for: %.0f kB within %.1f s, %.0f %% of it noise;"
                " it is read slowly now so that nobody else has to wait",
                *(inflow.size / 1e3, now - inflow.begun_at, 100 * inflow.noise / inflow.size),
            )

    def _read_on(self) -> None:
        """The pause is over."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
            self.link.resume()

    def _handle(self, event: Event, now: float) -> None:
        if type(event) is Answer:
            self._answered(event, now)
            return
        if type(event) is not Garbled:
            return
        if event.kind is Fault.FOREIGN:
            self._foreign(now)
            return
        self._stats.errors[event.kind] += 1
        if event.query is not None:
            self.poller.spoiled(event.query, now)

    def _answered(self, answer: Answer, now: float) -> None:
        self._unanswered_since = None
        self.link.proven()
        if self._over is None:
            self._foreign(now)
            return
        ask = self.poller.answered(answer.query, now)
        if ask is None or not ask.attempts:
            self._foreign(now)
        if ask is not None and not self._owner.answered(answer, now):
            self.poller.repeat(answer.query)

    def _foreign(self, now: float) -> None:
        """An answer that was not meant for us: count it, and let the others speak."""
        self._stats.errors[Fault.FOREIGN] += 1
        self.poller.foreign(now)

    # -- sending ---------------------------------------------------------------------------

    def _pump(self) -> None:
        """Send what may be sent now; come back when there is more to do."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._stop_timer()
        while True:
            query, wake = self.poller.next(now)
            if query is None:
                break
            self.link.send(self._session.request(Ask(query)))
            self.poller.sent(query, now)
            if self._unanswered_since is None:
                self._unanswered_since = now
        if lost := self.poller.given_up():
            for gone in lost:
                self._owner.lost(gone, now)
            self._pump()  # it may have brought more to ask
            return
        if not self._fast_told and self.poller.fast_settled():
            self._fast_told, self._told_at = True, now
            self._owner.fast_settled()
        elif self._fast_told and now - self._told_at >= HAND_OVER_S:
            self._told_at = now
            self._owner.going_on()
        if self.poller.done(now) or not self.link.is_open:
            self._finish()
        elif self._unanswered_since is not None and now - self._unanswered_since > WATCHDOG_S:
            self._unanswered_since = None
            self.link.drop(f"no valid answer for {WATCHDOG_S:.0f} s")
        else:
            self._timer = loop.call_at(wake, self._time_has_come)

    def _time_has_come(self) -> None:
        self._timer = None
        try:
            self._pump()
        except Exception as error:
            # Nobody is above this to notice, and the round would wait for ever.
            if self._over is None or self._over.done():
                raise
            self._over.set_exception(error)

    def _finish(self) -> None:
        """End the round."""
        over, self._over = self._over, None
        if over is not None and not over.done():
            over.set_result(None)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
