"""The requests and answers of one unit, round by round.

The port of its line and the poller that decides meet here, with the loop's clock. What an answer
means is none of its business; its owner is told.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Container, Iterable, Sequence
from datetime import tzinfo
from functools import partial
from typing import NamedTuple, Protocol

from rct_collector.beat import Alarm
from rct_collector.device.clock import Clock
from rct_collector.device.inquiry import Inquiry
from rct_collector.device.polling.adaptive_rate import AdaptiveRate
from rct_collector.device.polling.pacing import Pacer, TokenBucket
from rct_collector.device.polling.poller import Poller
from rct_collector.device.polling.request import Phase, Tally
from rct_collector.device.polling.response_time import LEAST_S, ResponseTime
from rct_collector.device.polling.standstill import Standstill
from rct_collector.device.stats import Stats
from rct_collector.drivers.base import (
    Answer,
    Ask,
    Event,
    Fault,
    Garbled,
    Query,
    Refused,
    Resync,
)
from rct_collector.drivers.options import Requests
from rct_collector.errors import TransportError
from rct_collector.lines.conversation import SILENCE_S
from rct_collector.lines.kept import KeptLine
from rct_collector.lines.port import Port
from rct_collector.lines.retry import delay
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

log = logging.getLogger(__name__)

#: Told of in an hour: what a session has to say of what it cannot use.
MOST_REASONS = 3

#: Repeats of what was lost may add this share to the configured requests per second.
REPEATS = 0.5

#: All that is asked of a unit may go out at the pace of the gap once in so many seconds, as it is
#: wanted after a start.
ADVANCE_S = 3600.0

#: How often what came is handed over while a round goes on after its fast part, in seconds.
HAND_OVER_S = 5.0

#: A question beside the rounds needs so many seconds until its answer can be there.
LEAST_ASIDE_S = 0.5

#: Seconds that a unit takes to answer a probe.
PROBE_S = 0.5

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

    def refused(self, query: Query, now: float) -> None:
        """The unit said "no" to a query of the round."""

    def fast_settled(self) -> None:
        """All fast queries of the round were asked, and answered or missed once."""

    def going_on(self) -> None:
        """The round goes on, for some time already: what came is not to wait for its end."""

    def unasked(self, events: Sequence[Event], now: float, receipt: Receipt | None) -> None:
        """The unit said something by itself: records, or what shows that it is there.

        Args:
            events: What it said.
            now: Monotonic seconds.
            receipt: Of the records, where the unit waits for that.
        """


class RoundResult(NamedTuple):
    """What a round has asked in vain.

    Attributes:
        silent: What was asked in vain while the line held, so that the silence is the unit's own.
        refused: What the unit has no answer to.
        tried: What was never answered, in a round that was too short for all repeats.
    """

    silent: tuple[Query, ...]
    refused: tuple[Query, ...]
    tried: tuple[Query, ...]


class Exchange:
    """The exchanges of one unit: what is attached to its line (:class:`lines.port.Attached`).

    Attributes:
        name: Name of the device.
        port: The unit's end of the line.
        poller: What was asked in the round, and what came of it.
        drains: Answers do not tell what they answer, so that the line is drained, and probed, after
            each request that was given up.
        cut_short: The line was lost in the middle of the last round.
    """

    __slots__ = (
        "_alarm",
        "_clock",
        "_end_told",
        "_fast_told",
        "_interval",
        "_over",
        "_owner",
        "_pacer",
        "_prepared",
        "_rate",
        "_reports",
        "_requests",
        "_sent_at",
        "_slowest_gap",
        "_stats",
        "_time",
        "_timeout",
        "_told_at",
        "_window",
        "_zone",
        "cut_short",
        "drains",
        "inquiry",
        "name",
        "poller",
        "port",
    )

    def __init__(
        self,
        name: str,
        line: KeptLine,
        unit: str,
        requests: Requests,
        *,
        interval: float,
        fast: int,
        advance: int,
        resync: Resync | None = None,
        many: bool = False,
        zone: tzinfo | None,
        clock: Clock,
        stats: Stats,
        owner: Owner,
        reports: Reports,
    ) -> None:
        """Prepare; nothing is opened yet.

        Args:
            name: Name of the device.
            line: The line that it is attached to.
            unit: Which of the units on the line; "" where there is one.
            requests: How hard the device is asked.
            interval: Seconds between two fast rounds.
            fast: Queries of a fast round.
            advance: Requests that may go at the pace of the gap after a start.
            resync: How the line is drained after a request that was given up, where answers do
                not tell what they answer; None where they do. One is outstanding at a time then.
            many: The device is all units of the line that no other device is.
            zone: Time zone of the unit's clock; None for that of this host.
            clock: Wall clock.
            stats: Counts what was not understood.
            owner: Is told what happens.
            reports: Where what is worth a message goes.
        """
        self.name = name
        self._reports = reports
        self._zone = zone
        self._clock = clock
        self._stats = stats
        self._owner = owner
        self._timeout = requests.timeout
        self.drains = drains = resync is not None
        size = float(max(fast, 1))
        self._pacer = Pacer(
            requests.gap,
            TokenBucket(requests.per_second, size),
            TokenBucket(REPEATS * requests.per_second, size),
            TokenBucket(advance / ADVANCE_S, float(advance)),
        )
        self._interval = interval
        self._slowest_gap = interval / (LEEWAY * size)
        self._requests = requests
        self._window = 1 if drains else requests.window
        self._rate = self._new_rate()
        self.poller = Poller(
            self._pacer,
            window=self._window,
            timeout=requests.timeout,
            response_time=ResponseTime(requests.timeout, SILENCE_S if drains else LEAST_S),
            standstill=Standstill(math.inf if drains else requests.timeout),
            drain_s=resync.silence_s + PROBE_S if resync else 0.0,
            retry_delay=partial(delay, at_once=True) if drains else delay,
        )
        self.port: Port = line.attach(unit, self, many=many)
        gap = requests.gap if drains else 0.0
        self.inquiry = Inquiry(self.port, requests.timeout, gap=gap)
        self._over: asyncio.Future[None] | None = None
        self._alarm = Alarm(self._time_has_come)
        self._time = self._alarm.time  # that of the loop itself, once it runs
        self._prepared = b""  # a request that is about to be sent
        self._sent_at = -math.inf  # the last one
        self._fast_told = self._end_told = False
        self._told_at = -math.inf
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
        self.cut_short = self._fast_told = self._end_told = False
        if not self.port.is_open:
            return
        loop = asyncio.get_running_loop()
        self._time = loop.time
        now = loop.time()
        if self.drains:
            self._alarm.hasten()
        if stretches:
            seconds = max(seconds, self._needed(len(fast), now))
        self.poller.begin(
            now, deadline=now + seconds, next_round=now + next_round, fast=fast, slow=slow
        )
        over = self._over = loop.create_future()
        try:
            self._pump(self._time())  # which may end the round at once
            await over
        finally:
            self._over, self._prepared = None, b""
            self._alarm.stop()
            self.port.end_turn()

    def _needed(self, count: int, now: float) -> float:
        """Seconds that so many queries take at the pace allowed."""
        if not count:
            return 0.0
        bucket = self._pacer.bucket
        missing = max(0.0, count - bucket.tokens(now)) / bucket.rate
        return max(count * self._pacer.gap, missing) + 2 * self._timeout

    def fit(self, fast: int, advance: int) -> None:
        """Something else is asked from now on; what was learnt of the pace stays.

        Args:
            fast: Queries of a fast round.
            advance: As for the beginning.
        """
        size = float(max(fast, 1))
        self._pacer.bucket.burst = self._pacer.repeats.burst = size
        self._pacer.advance.burst, self._pacer.advance.rate = float(advance), advance / ADVANCE_S
        self._slowest_gap = self._interval / (LEEWAY * size)

    def want(self, query: Query) -> None:
        """Ask for one thing more in this round."""
        self.poller.add(query)

    def result(self) -> RoundResult:
        """What was asked in vain so far; like the next two, until :meth:`end_round`."""
        lost, _ = self.poller.unsettled()
        tried = tuple(self.poller.unheard())
        silent = (*lost, *tried) if self.stood else ()
        return RoundResult(silent, tuple(self.poller.refusals()), tried)

    def unasked(self) -> list[Query]:
        """What is left for the next round."""
        return self.poller.unsettled()[1]

    @property
    def tally(self) -> Tally:
        """What happened in the round."""
        return self.poller.tally

    def end_round(self, now: float) -> None:
        """Nothing is wanted any more: learn from what was lost, and ask slower if it was much."""
        tally = self.poller.tally
        # What is lost with the line is not lost by haste.
        loss = self._rate.note(now, tally.alone, tally.crowded) if self.stood else None
        if loss is not None:
            self._pacer.gap, self.poller.window = self._rate.gap, self._rate.window
            self._reports.say(
                log,
                logging.INFO,
                "pace",
                "%.0f %% of the answers are lost; now up to %d requests at a time, %.0f ms apart",
                100 * loss,
                self.poller.window,
                1000 * self._pacer.gap,
            )
        self.poller.clear()
        if self.cut_short:
            self.poller.abandoned.clear()  # with the line
        self._abandon()

    def _abandon(self) -> None:
        """Tell the line of requests that nobody waits for any more."""
        found, self.poller.abandoned = self.poller.abandoned, []
        for query in found:
            self.port.abandon(Ask(query, self.port.unit))

    @property
    def stood(self) -> bool:
        """Whether the line held through the last round, so that silence was the unit's own."""
        if not self.port.is_open or self.cut_short:
            return False
        # Where answers do not name what they answer, the line was probed after each silence.
        return self.poller.stood(self.port.answered_at if self.drains else -math.inf)

    def forget(self) -> None:
        """Another unit answers now: what was learnt of the pace of the old one is void."""
        self._rate = self._new_rate()
        self._pacer.gap, self.poller.window = self._rate.gap, self._rate.window
        self.poller.forget()

    def _new_rate(self) -> AdaptiveRate:
        return AdaptiveRate(self._window, self._requests.gap, self._slowest_gap)

    # -- beside the rounds -----------------------------------------------------------------

    def is_busy(self, now: float) -> bool:
        """Whether others are on the line, or the pace has given way."""
        return self._rate.step > 0 or self.poller.are_others_present(now)

    async def aside(self, ask: Ask, seconds: float) -> Answer | Refused:
        """Ask one thing between two rounds, as soon as others have spoken.

        It goes at the expense of repeats, so that it costs the next round nothing.

        Args:
            ask: What is asked, of no unit yet.
            seconds: How long it may take, the wait for others included.

        Raises:
            TransportError: As for :meth:`.inquiry.Inquiry.ask`; the kind is ``busy`` as well when
                others have spoken all the time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        latest = end - LEAST_ASIDE_S
        while (wait := self._idle_at() - loop.time()) > 0:
            if loop.time() + wait > latest:
                raise TransportError("others have spoken all the time", "busy")
            await asyncio.sleep(wait)
        self._pacer.sent(loop.time(), repeat=True)
        asked = self.inquiry.asked
        try:
            async with asyncio.timeout_at(end):
                return await self.inquiry.ask(ask.query, ask.argument, latest=latest)
        except TimeoutError:
            text = f"{ask.query.label} was not answered before the next round"
            raise TransportError(text, "timeout") from None
        finally:
            self._stats.totals["requests"] += self.inquiry.asked - asked

    def _idle_at(self) -> float:
        """When the gap is over, others have had their turn, and there is a token for it."""
        now = asyncio.get_running_loop().time()
        pacer = self._pacer
        free_at = max(pacer.free_at, self._sent_at + pacer.gap)
        return max(free_at, self.poller.quiet_at, pacer.repeat_at(now))

    @property
    def proven(self) -> Container[Query]:
        """What the unit is known to answer."""
        return self.poller.proven

    @property
    def gap(self) -> float:
        """Least seconds between two requests, at present."""
        return self._pacer.gap

    # -- what the line tells ---------------------------------------------------------------

    def line_opened(self) -> None:
        """The line is open; see :class:`lines.port.Attached`."""
        self.poller.opened()
        self._owner.opened()

    def line_lost(self) -> None:
        """The line is lost: so is the round."""
        self.cut_short = self._over is not None
        self.inquiry.line_lost(self.port.last_error)
        self._finish()

    def hear(
        self, events: Sequence[Event], now: float, *, stale: bool, receipt: Receipt | None = None
    ) -> None:
        """Bytes came; see :class:`lines.port.Attached`."""
        poller = self.poller
        if not poller.calm:
            poller.heard(now)
        if stale:
            poller.stale(now)
        unasked: list[Event] = []
        for event in events:
            if type(event) is Answer:
                self._answered(event, now)
            elif type(event) is Garbled:
                self._garbled(event, now)
            elif type(event) is Refused:
                self._refused(event, now)
            else:
                unasked.append(event)
        if unasked:
            self._owner.unasked(unasked, now, receipt)
        if self._over is not None:
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        """Send what is due while all that it takes is at hand, not when the alarm rings."""
        if not self.poller.waits_for_time or now >= self._alarm.due:
            self._pump(now)
        elif not self.poller.pending:
            self.port.end_turn()

    def _hear_expected(self, answer: Answer, size: int, now: float) -> bool:
        """What was asked for last may be answered: :meth:`hear`, only quicker.

        Returns:
            Whether it was; else nothing has changed.
        """
        poller = self.poller
        ask = poller.answered_usual(answer.query, now) if self._over is not None else None
        if ask is None:
            return False
        self.port.received_bytes += size
        if poller.pending:
            self.port.expect(self._hear_expected)
        try:
            if not self._owner.answered(answer, now):
                poller.repeat(ask)
            self._go_on(now)
        except Exception as error:
            self.failed(error)
        return True

    def turn_came(self) -> None:
        """Another unit has left the line to us."""
        if self._over is None:
            self.port.end_turn()
        else:
            self._pump(self._time())

    def failed(self, error: Exception) -> None:
        """What the line told has met a bug: the round ends with it, or it is told at least."""
        if self._over is not None and not self._over.done():
            self._over.set_exception(error)
        else:
            text = "bug; what came is not used"
            self._reports.say(log, logging.ERROR, "defect", text, most=1, exc_info=error)

    def _garbled(self, event: Garbled, now: float) -> None:
        if event.reason:
            text = "%s"
            self._reports.say(log, logging.WARNING, "reason", text, event.reason, most=MOST_REASONS)
        if event.kind is Fault.FOREIGN:
            self._foreign(now)
            return
        self._stats.errors[event.kind] += 1
        if event.query is not None:
            self.poller.spoiled(event.query, now)
            self._abandon()  # the rest of it may come

    def _refused(self, event: Refused, now: float) -> None:
        if event.query is self.inquiry.query and self.inquiry.take(event):
            return
        ask = self.poller.refused(event.query, now) if self._over is not None else None
        if ask is None:
            self._foreign(now)
        elif ask.phase is Phase.REFUSED:
            self._owner.refused(event.query, now)

    def _answered(self, answer: Answer, now: float) -> None:
        query = answer.query
        if query is self.inquiry.query and self.inquiry.take(answer):
            return
        if self._over is None:
            self._unwanted(answer, now)
            return
        ask = self.poller.answered(query, now)
        if ask is None or not ask.attempts:
            self._unwanted(answer, now)
        if ask is not None and not self._owner.answered(answer, now):
            self.poller.repeat(ask)

    def _unwanted(self, answer: Answer, now: float) -> None:
        """An answer that the round has not asked for."""
        if not self.inquiry.was_late(answer):
            self._foreign(now)

    def _foreign(self, now: float) -> None:
        """An answer that was not meant for us: count it, and let the others speak."""
        self._stats.errors[Fault.FOREIGN] += 1
        self.poller.foreign(now)

    # -- sending ---------------------------------------------------------------------------

    def _pump(self, now: float) -> None:
        """Send what may be sent now, in monotonic seconds; come back when there is more to do."""
        port, poller = self.port, self.poller
        if self._prepared:  # it had to wait for the gap
            self._transmit()
            self._alarm.set(self._sent_at + self._pacer.gap)
            return
        request = poller.usual(now)
        if request is not None and request.query.argument is None:
            data = port.prepare(request.query, now, self._hear_expected)
            if data is not None:
                self._prepared = data
                self._alarm.at_end(self._transmit)
                wake = poller.went(request, now if self._prepared else self._sent_at)
                if not self._fast_told or now - self._told_at >= HAND_OVER_S:
                    self._hand_over(now)
                self._alarm.set(wake)
                return
        self._alarm.stop()
        self._pacer.heard(port.heard_at if self.drains else self._sent_at)
        seen = self._alarm.seen()
        while True:
            query, wake = poller.next(now, seen)
            if poller.abandoned:
                self._abandon()  # before anything else is asked
            if query is None:
                break
            has_shape = query.shape is not None
            if not port.take_turn() or (has_shape and not port.tells_apart(query)):
                wake = poller.wake_at(now, seen)
                break
            ask = Ask(query, port.unit)
            if query.argument is not None:
                ask = ask._replace(argument=query.argument(self._clock.wall(), self._zone))
            port.ask(ask, now)
            # Its time is when it was sent, not when that was decided: sending may have taken long.
            self._sent_at = now = self._time()
            poller.sent(query, now)
        if not poller.pending:
            port.end_turn()
        if lost := poller.given_up():
            for gone in lost:
                self._owner.lost(gone, now)
            self._pump(self._time())  # it may have brought more to ask
            return
        self._hand_over(now)
        over = poller.done(now) and not (self.drains and self._waits_for_probe(now))
        if over or not port.is_open:
            self._finish()
        elif not port.drop_if_deaf(now):
            self._alarm.set(wake)

    def _transmit(self) -> None:
        """Send the request that is prepared, unless the gap is not over: then with the next look.

        That is decided by when the last one left, not by when it was decided upon.
        """
        if self._prepared and self._time() >= self._sent_at + self._pacer.gap:
            data, self._prepared = self._prepared, b""
            self.port.transmit(data)
            self._sent_at = self._time()  # sending may have taken long

    def _hand_over(self, now: float) -> None:
        """Have handed over what came, when it is time for that."""
        if not self._fast_told and self.poller.fast_settled():
            self._fast_told, self._told_at = True, now
            self._owner.fast_settled()
        elif self._fast_told and now - self._told_at >= HAND_OVER_S:
            self._told_at = now
            self._owner.going_on()
        elif self.drains and not self._end_told and self.poller.is_over(now):
            self._end_told = True  # what came does not wait for what is outstanding
            self._owner.going_on()

    def _waits_for_probe(self, now: float) -> bool:
        """Whether the round lasts until the line is drained, which tells whose the silence was."""
        if self.poller.is_over(now):
            return False
        return self.port.is_drained and not self.port.take_turn()

    def _time_has_come(self) -> None:
        try:
            self._pump(self._time())
        except Exception as error:
            # Nobody is above this to notice, and the round would wait for ever.
            if self._over is None or self._over.done():
                raise
            self._over.set_exception(error)

    def _finish(self) -> None:
        """End the round; what was to leave with the end of this look stays."""
        over, self._over, self._prepared = self._over, None, b""
        if over is not None and not over.done():
            over.set_result(None)
