"""What to ask next: one device's requests within one round. Pure, on a given monotonic clock.

A round has two kinds of requests. The *fast* ones, power flows first, go out back to back at
the least gap. The *slow* ones (slower classes, discovery) and all repeats share what the average
rate leaves: they are never sent when that would delay the next fast round, and wait for later
rounds when they do not fit. What becomes of a request is in :mod:`.request`.

Each time that something may be sent, :meth:`Poller.next` asks these, in this order; the first that
objects decides, and says when to ask again:

==  ==============================================  ===============================================
1   overdue (:mod:`.response_time`)                 what was not answered in time is given up first
2   gap (:mod:`.pacing`)                            the last request is too recent
3   standstill (:mod:`.standstill`)                 what comes now is old; nothing is to be added
4   end of the round                                nothing is begun any more
5   window, half of it beside others                too much is unanswered
6   rank: fast, else repeats, else slow             who is next
7   average rate (:mod:`.pacing`), or the advance   it is too soon for one more; after a start, an
    after a start (:mod:`.catching_up`)             advance pays
8   others (:mod:`.courtesy`)                       they speak; but fast ones, once begun, go on
9   reserve                                         the next fast round needs what is there
10  in time                                         it could not be answered by the next fast round
11  exclusive                                       it goes alone, when nothing is outstanding
==  ==============================================  ===============================================

An answer is taken whoever asked for it, as long as the round wants it; unless the unit may still
owe one to an earlier round, which is too old for this one. Where answers do not name what they
answer, nobody else asks, and one to what this round has not asked is such an old one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable

from rct_collector.device.polling.catching_up import CatchingUp
from rct_collector.device.polling.courtesy import Courtesy
from rct_collector.device.polling.marks import Marks
from rct_collector.device.polling.pacing import Pacer
from rct_collector.device.polling.request import (
    ANSWERED,
    LOST,
    OPEN,
    PENDING,
    QUEUED,
    REFUSED,
    WAITING,
    Outcome,
    Phase,
    Request,
    Tally,
)
from rct_collector.device.polling.response_time import ResponseTime
from rct_collector.device.polling.standstill import REQUESTS, Standstill
from rct_collector.drivers.base import Query
from rct_collector.lines.conversation import SILENCE_S
from rct_collector.lines.retry import FIRST_ATTEMPTS, delay

#: A request that follows on another one within this time, in seconds, meets it in the unit.
CLOSE_S = 0.1

#: The line answers in order: a request that so many later ones have overtaken is lost.
OVERTAKEN = 2

#: Times of the last answer that the next one hardly exceeds.
LIKELY = 1.5

#: Requests for one thing in a round, where the line is drained after each that is given up …
DRAINED_ATTEMPTS = 2
#: … and for what was answered when it was asked last: it is lost by chance, and hardly thrice.
LATELY_ATTEMPTS = 4

#: There an answer that has begun may go on for so many seconds after the longest wait for its first
#: byte, but no longer than it takes to be silent for :data:`SILENCE_S`.
GOES_ON_S = 1.0

#: A second reading that does not agree either is followed by one more, then by the next round.
MOST_REPEATS = 2


class Poller:
    """Decides what is sent when. The caller sends, and tells what came back.

    Attributes:
        tally: What happened in the round.
        window: Requests that may be unanswered at the same time.
        abandoned: What nobody waits for any more, though its answer may still come; the caller
            takes it from here.
        pending: Requests that are unanswered at present, by their queries, the oldest first.
        waits_for_time: Whatever comes next waits for its time, so that answers that come before
            need no new decision.
        calm: Nothing was out of the ordinary when it was looked last, and nothing has happened
            since but that requests were sent, and answered at once; see :meth:`_is_calm`.
    """

    __slots__ = (
        "_asks",
        "_catching_up",
        "_courtesy",
        "_deadline",
        "_done",
        "_doubtful",
        "_drain_s",
        "_fast",
        "_fast_begun",
        "_given_up",
        "_heard_at",
        "_later",
        "_middle",
        "_next_round",
        "_owed",
        "_pacer",
        "_proven",
        "_reserve",
        "_response_time",
        "_retry_delay",
        "_sent_at",
        "_slow",
        "_standstill",
        "_timeout",
        "_tokens",
        "_took",
        "_waiting",
        "abandoned",
        "calm",
        "pending",
        "tally",
        "waits_for_time",
        "window",
    )  # fmt: skip - with more than 30, each would have a dict of its own for them

    def __init__(
        self,
        pacer: Pacer,
        *,
        window: int,
        timeout: float,
        response_time: ResponseTime | None = None,
        standstill: Standstill | None = None,
        drain_s: float = 0.0,
        retry_delay: Callable[[int], float | None] = delay,
    ) -> None:
        """Start idle.

        Args:
            pacer: When the next request may go out.
            window: Requests that may be unanswered at the same time.
            timeout: Seconds to wait for an answer; where the line is drained, for its first byte.
            response_time: Shortens the wait to what the unit's answers take; None for always the
                same. Where the line is drained, what has a :attr:`.Query.shape` is waited for as
                long as the timeout says all the same, since it is not taken when it comes late.
            standstill: Tells answers that were stuck in the unit; None believes all of them.
            drain_s: Seconds that it takes to drain the line, where that is done after a request
                that was given up, so that it is answered until then or never; else an answer may
                still come, and is too old when it does. As draining costs the time of several
                answers, what a round has asked in vain comes after all else that is as fast in the
                next ones, until it is answered, and is asked less often; once, if it was never
                answered.
            retry_delay: Attempts so far → seconds to wait, or None to give up.
        """
        self._pacer = pacer
        self.window = window
        self._timeout = timeout
        self._response_time = response_time
        self._standstill = standstill or Standstill(math.inf)
        self._drain_s = drain_s
        self._doubtful = Marks()  # on a line that is drained: what was in vain lately
        self._took: dict[Query, float] = {}  # there, too: seconds that the last answer took
        self._retry_delay = retry_delay
        self._asks: dict[Query, Request] = {}  # of this round: what is open, or may be owed
        self._done = Marks()  # what was answered in it
        self._fast: list[Request] = []
        self._slow: list[Request] = []  # the next one, and all up to what others have asked
        # What follows: it may be a lot, so that no requests are made yet.
        self._later: list[Query] = []
        self._waiting: list[Request] = []
        self.pending: dict[Query, Request] = {}
        self._proven = Marks()
        self._owed: dict[Query, int] = {}
        self._courtesy = Courtesy()
        self._catching_up = CatchingUp(pacer, self._courtesy)
        self._sent_at = self._heard_at = -math.inf
        self._given_up: list[Query] = []
        self.abandoned: list[Query] = []
        self.tally = Tally()
        self.waits_for_time = self.calm = False
        self._deadline = 0.0
        self._middle = 0.0
        self._next_round = 0.0
        self._reserve = 0.0
        self._fast_begun = False
        self._tokens = 0.0  # that usual() has found

    def begin(
        self,
        now: float,
        *,
        deadline: float,
        next_round: float,
        fast: Iterable[Query],
        slow: Iterable[Query],
    ) -> None:
        """Begin a round.

        Args:
            now: Monotonic seconds.
            deadline: When the round ends at the latest.
            next_round: When the next fast round will want its tokens.
            fast: Asked back to back, in this order.
            slow: Asked in this order as far as the budget allows. What of it is also fast is asked
                there, and kept for the next round like the others.
        """
        self.abandoned += self.pending
        if (self.pending or self.tally.timeouts) and not self._drain_s:
            self._owed |= {ask.query: owed for ask in self._asks.values() if (owed := ask.owed)}
        self._asks.clear()
        self._done.clear()
        self._waiting.clear()
        self.pending.clear()
        self._given_up.clear()
        # What the unit may still have an answer to comes last, so that the old answer, which the
        # first request may flush out, is not taken for a new one.
        last = self._doubtful if self._drain_s else self._owed
        ordered = sorted(dict.fromkeys(fast), key=last.__contains__)
        self._fast = [self._ask(query, fast=True) for query in ordered]
        self._slow.clear()
        later = dict.fromkeys(slow)
        for ask in self._asks.values():
            ask.kept = ask.query in later
            later.pop(ask.query, None)
        self._later = list(later)
        self._draw()
        self.tally = Tally()
        self._fast_begun = False
        self._deadline = deadline
        self._next_round = next_round
        self._middle = now + (next_round - now) / 2
        self._reserve = float(len(self._fast))
        self.calm = self._is_calm(now)

    def opened(self) -> None:
        """A new line: much is wanted at once."""
        self.calm = False
        self._catching_up.opened()

    def clear(self) -> None:
        """The round is over: nothing is wanted any more."""
        self._catching_up.round_over(left=bool(self.unsettled()[1]))
        self.begin(0.0, deadline=0.0, next_round=0.0, fast=(), slow=())

    def add(self, query: Query) -> None:
        """Want one more slow query in this round."""
        ask = self._asks.get(query)
        if ask is not None:
            ask.kept = True
        elif query not in self._done and query not in self._later:
            self._later.append(query)
            self._draw()

    def _draw(self) -> None:
        """Have a request for what is the next slow one."""
        if not self._slow and self._later:
            self._slow.append(self._ask(self._later.pop(0), fast=False))

    def _draw_up_to(self, query: Query) -> Request:
        """Have a request for a later query, and for all before it, so that each keeps its place."""
        count = self._later.index(query) + 1
        drawn = [self._ask(other, fast=False) for other in self._later[:count]]
        del self._later[:count]
        self._slow += drawn
        return drawn[-1]

    def next(self, now: float, seen: float | None = None) -> tuple[Query | None, float]:
        """What to do now.

        Args:
            now: Monotonic seconds.
            seen: What has come until then was told; None for until now. Nothing that has become
                overdue since is given up: its answer may be there, and nobody has looked yet.

        Returns:
            A query to send at once (then call :meth:`sent`), or None and when to ask again.
        """
        wake = self.wake_at(now, seen)
        self.calm = self._is_calm(now)
        free_at = self._pacer.free_at
        if now < free_at:  # the most frequent case of all: one was sent just now
            more = bool(self._slow) and self._is_in_time(self._slow[0], free_at)
            self.waits_for_time = self.fast_unsent or (more and self.fast_settled())
            return None, min(wake, free_at)
        self.waits_for_time = False
        if now < self._standstill.over_at:
            return None, min(wake, self._standstill.over_at)
        if now >= self._deadline or self._blocked(now):
            return None, wake
        ask, at = self._candidate(now)
        if ask is None or (ask.query.exclusive and self.pending):
            return None, wake
        if at <= now:
            return ask.query, now
        self.waits_for_time = self.fast_unsent or self.fast_settled()
        return None, min(wake, at)

    def usual(self, now: float) -> Request | None:
        """What to send now, where nothing is out of the ordinary: :meth:`next`, only quicker.

        That is nearly always so, and then most of the questions above have the same answer: nothing
        is overdue or waits to be repeated, nobody else is on the line, and the round has time. They
        are not asked each time, since to look at what answers them costs more than all else here.

        Args:
            now: Monotonic seconds.

        Returns:
            What :meth:`next` has to send (then call :meth:`went`); None where it has nothing, or
            is to be asked itself.
        """
        pacer = self._pacer
        if not self.calm or now < pacer.last + pacer.gap or now >= self._deadline:
            return None
        pending = self.pending
        for ask in pending.values():
            if ask.until <= now or ask.query.exclusive:
                return None
        bucket = pacer.bucket
        tokens = bucket.left + (now - bucket.at) * bucket.rate
        if bucket.left < 0.0 or tokens > bucket.burst:
            tokens = bucket.burst
        if tokens < 1.0 or len(pending) >= self.window:
            return None
        self._tokens = tokens
        if self._fast:
            ask = self._fast[0]
        elif self._slow:
            ask = self._slow[0]
            income = (self._next_round - now) * bucket.rate
            needed = 1.0 + (self._reserve if self._reserve < bucket.burst else bucket.burst)
            lacking = len(pending) + 1 - pacer.repeats.tokens(now)
            if lacking > 0.0:
                needed += lacking
            # What is not quite clear is left to those who ask all questions.
            if income < 0.0 or tokens + income < needed or not self._is_in_time(ask, now):
                return None
        else:
            return None
        return None if pending and ask.query.exclusive else ask

    def went(self, ask: Request, now: float) -> float:
        """What :meth:`usual` has named was sent: :meth:`sent`, and when to ask again.

        Args:
            ask: What was sent.
            now: Monotonic seconds.
        """
        query, pacer, pending = ask.query, self._pacer, self.pending
        if ask.fast:
            self._fast.pop(0)
            self._fast_begun = True
        else:
            self._slow.pop(0)
            if self._later:
                self._draw()
        ask.phase = PENDING
        ask.attempts += 1
        ask.sent_at = now
        times = self._response_time
        wait = self._timeout if times is None else times.wait(1, long=query.exclusive)
        until = ask.until = now + wait
        ask.overtaken = 0
        ask.crowded = now - self._sent_at < CLOSE_S
        self._sent_at = now
        standstill = self._standstill
        if not standstill.unanswered:
            standstill.asked_at = now
        standstill.unanswered += 1
        pacer.last = now
        bucket = pacer.bucket
        bucket.left, bucket.at = self._tokens - 1.0, now
        self.tally.requests += 1
        # When to ask again, as :meth:`next` would tell.
        wake = now + pacer.gap
        settled = not (ask.fast and ask.attempts == 1)
        for other in pending.values():
            if other.until < until:
                until = other.until
            if other.fast and other.attempts == 1:
                settled = False
        pending[query] = ask
        if self._fast:
            self.waits_for_time = True
        elif self._slow and settled:
            self.waits_for_time = self._is_in_time(self._slow[0], wake)
        else:
            self.waits_for_time = False
        if until < wake:
            wake = until
        return wake if wake < self._deadline else self._deadline

    def wake_at(self, now: float, seen: float | None = None) -> float:
        """When something happens by itself: an answer is overdue, or the round ends.

        Args:
            now: Monotonic seconds.
            seen: As for :meth:`next`.
        """
        first = self._expire(now if seen is None else seen)
        if now >= self._deadline and self._drain_s:
            return first
        return first if first < self._deadline else self._deadline

    def sent(self, query: Query, now: float) -> None:
        """A query was sent."""
        ask = self._asks[query]
        self._unqueue(ask)
        self._fast_begun |= ask.fast
        ask.phase = PENDING
        ask.attempts += 1
        ask.sent_at = now
        ask.until = now + self._wait(ask, ask.attempts)
        ask.overtaken = 0
        # Judged by what went out before, not by what is still open: what is lost stays open.
        ask.crowded = now - self._sent_at < CLOSE_S
        self._sent_at = now
        self.pending[query] = ask
        self._standstill.asked(now)
        self._owed.pop(query, None)
        self._courtesy.spoke()
        advance = self._draws(ask, now) and self._catching_up.advance(now) >= 1.0
        self._pacer.sent(now, repeat=ask.attempts > 1, advance=advance)
        self.tally.requests += 1
        self.tally.retries += ask.attempts > 1

    def heard(self, now: float) -> None:
        """Bytes came, whatever they are; what they mean is told next. Not needed while calm."""
        self._standstill.heard(now)
        if self._drain_s:
            for ask in self.pending.values():  # at most one: the bytes are of its answer
                longest = ask.sent_at + self._timeout + GOES_ON_S
                ask.until = min(longest, now + SILENCE_S)

    def stale(self, now: float) -> None:
        """What comes now has waited for too long to be believed."""
        self.calm = False
        self._standstill.begin(now)

    def _is_believed(self, now: float) -> bool:
        """Something came that is not quite as usual: whether it may be believed."""
        self.calm = False
        self._heard_at = now
        return self._standstill.answered(now)

    def answered_usual(self, query: Query, now: float) -> Request | None:
        """A valid answer came: :meth:`answered`, where nothing is out of the ordinary.

        Returns:
            The request it satisfies, if none that is open was sent before it, and it was sent
            once; else None, and nothing has changed.
        """
        standstill, pending = self._standstill, self.pending
        ask = pending.get(query)
        if (
            ask is None
            or not self.calm
            or ask.attempts != 1
            or standstill.unanswered >= REQUESTS
            or (len(pending) > 1 and next(iter(pending)) is not query)
        ):
            return None
        standstill.asked_at, standstill.unanswered = math.inf, 0
        self._heard_at = now
        bit = 1 << query.number
        self._proven.bits |= bit
        self._done.bits |= bit
        self._in_time(ask, now - ask.sent_at)
        ask.phase = ANSWERED
        if not ask.silent:
            del self._asks[query]
        return ask

    def answered(self, query: Query, now: float) -> Request | None:
        """A valid answer came.

        Returns:
            The request it satisfies, or None when this round does not want it (any more).
            ``attempts`` is 0 when somebody else asked.
        """
        usual = self.answered_usual(query, now)
        if usual is not None:
            return usual
        fresh = self._is_believed(now)
        ask = self._asks.get(query)
        if ask is None and not self._drain_s and query in self._later:  # somebody else has asked
            ask = self._draw_up_to(query)
        if ask is None or ask.phase is ANSWERED or (self._drain_s and not ask.attempts):
            return None
        if not fresh:
            ask.late = True
            return None
        if query in self._owed:
            # Asked for in an earlier round and stuck in the unit since: too old for this one.
            ask.late = True
            self._owed[query] -= 1
            if not self._owed[query]:
                del self._owed[query]
            return None
        if ask.attempts > 1 and query not in self._proven and not ask.late:
            self._catching_up.lost(now)  # it is answered, so the first one was not in vain
        self._proven.add(query)
        if self._doubtful:
            self._doubtful.discard(query)
        self._catching_up.answers = True
        self._settle(ask, ANSWERED, now)
        self._done.add(query)
        if not ask.silent:
            del self._asks[query]
        return ask

    def refused(self, query: Query, now: float) -> Request | None:
        """The unit said "no" to a query: that it is there and answers, but not this.

        Where the line is drained, a "no" to what it has answered before came of a request that was
        damaged on its way. As that leaves nothing on the line, it is asked again at once.

        Returns:
            The request that it was said to, which may be repeated; or None when this round has
            not asked for it.
        """
        fresh = self._is_believed(now)
        ask = self._asks.get(query)
        if ask is None or not fresh or ask.phase not in (PENDING, WAITING):
            return None
        self._catching_up.answers = True
        self._settle(ask, REFUSED, now)
        if self._drain_s and query in self._proven and ask.attempts < FIRST_ATTEMPTS:
            ask.phase = WAITING
            ask.not_before = now
            self._waiting.append(ask)
        return ask

    def spoiled(self, query: Query, now: float) -> None:
        """The answer to a query came cut short: ask again without waiting for the deadline."""
        self._is_believed(now)
        ask = self.pending.pop(query, None)
        if ask is not None:
            self.abandoned.append(query)
            self._failed(ask, now)

    def foreign(self, now: float) -> None:
        """An answer to somebody else passed: another client is on the line."""
        self._is_believed(now)
        self._courtesy.heard(now)

    def are_others_present(self, now: float) -> bool:
        """Whether another client was heard a moment ago."""
        return self._courtesy.are_present(now)

    @property
    def quiet_at(self) -> float:
        """When others have had their turn."""
        return self._courtesy.quiet_at

    def repeat(self, ask: Request) -> bool:
        """Ask once more for something that was answered, to be sure of it.

        What is asked ahead of the fast ones, to be kept, follows on them with its second reading.

        Returns:
            False when it was asked often enough.
        """
        if ask.phase is not ANSWERED or ask.repeats >= MOST_REPEATS:
            return False
        self._asks[ask.query] = ask
        self._done.discard(ask.query)
        self.calm = False
        ask.repeats += 1
        ask.attempts = 0
        ask.not_before = 0.0
        if ask.fast and ask.kept and self._fast:
            ask.phase = QUEUED
            self._fast.append(ask)
        else:
            ask.phase = WAITING
            self._waiting.append(ask)
        return True

    @property
    def proven(self) -> Container[Query]:
        """What the unit has ever answered."""
        return self._proven

    @property
    def fast_unsent(self) -> bool:
        """Some fast query waits for its first request."""
        return bool(self._fast)

    def fast_settled(self) -> bool:
        """All fast queries were asked, and either answered or missed at least once."""
        return not self._fast and not any(
            ask.fast and ask.attempts == 1 for ask in self.pending.values()
        )

    def is_over(self, now: float) -> bool:
        """The time of this round is over."""
        return now >= self._deadline

    def done(self, now: float) -> bool:
        """Nothing more can come of this round."""
        if now >= self._deadline:
            # To give it up costs more than to wait for it, where the line is drained then.
            return not (self._drain_s and self.pending)
        return not self.pending and self._candidate(now)[0] is None

    def unsettled(self) -> tuple[list[Query], list[Query]]:
        """At the end of a round: what was asked in vain, and what was not asked at all."""
        asks = self._asks.values()
        lost = [ask.query for ask in asks if ask.phase is LOST and not ask.late]
        unasked = [ask.query for ask in asks if ask.phase in OPEN and ask.kept]
        return lost, [*unasked, *self._later]

    def refusals(self) -> list[Query]:
        """At the end of a round: what was refused, and has never been answered either.

        A "no" to anything else came of a request that was damaged on its way, and one to all
        that was asked says nothing of each.
        """
        if not self._done:
            return []
        return [
            ask.query
            for ask in self._asks.values()
            if ask.phase is REFUSED and ask.query not in self._proven
        ]

    def unheard(self) -> list[Query]:
        """At the end of a round that was too short for all repeats: what never was answered.

        Where the line is drained, also what was answered in other rounds: that it was probed since
        tells that the silence is the unit's own.
        """
        drained = (QUEUED, WAITING) if self._drain_s else ()
        return [
            ask.query
            for ask in self._asks.values()
            if ask.phase in OPEN
            and ask.attempts
            and not ask.late
            and (ask.query not in self._proven or ask.phase in drained)
        ]

    def stood(self, alive_at: float = -math.inf) -> bool:
        """At the end of a round: the line did not stand still.

        It did when something that the unit is known to answer was asked for after the last sign
        of life, and is not answered.

        Args:
            alive_at: When else there was a sign of life, in monotonic seconds.
        """
        heard_at, proven = max(self._heard_at, alive_at), self._proven
        for ask in self._asks.values():
            asked_since = ask.sent_at > heard_at and ask.attempts
            if asked_since and ask.phase is not ANSWERED and ask.query in proven:
                return False
        return True

    def given_up(self) -> list[Query]:
        """What was given up for this round since the last call."""
        found, self._given_up = self._given_up, []
        return found

    def forget(self) -> None:
        """Another unit answers now: what the old one has answered, and how fast, is void."""
        self._proven.clear()
        self._doubtful.clear()
        self._took.clear()
        self._owed.clear()
        if self._response_time is not None:
            self._response_time.forget()

    def _ask(self, query: Query, *, fast: bool) -> Request:
        ask = self._asks[query] = Request(
            query, fast, kept=not fast, doubtful=self._drain_s > 0.0 and query in self._doubtful
        )
        return ask

    def _is_calm(self, now: float) -> bool:
        """Whether nothing is out of the ordinary.

        Then requests go as :meth:`usual` says, and answers are what was just asked for. Whatever
        may end it takes :attr:`calm` back, and it is looked anew with all other questions.
        """
        return not (
            self._drain_s
            or self._waiting
            or self._given_up
            or self.abandoned
            or self._owed
            or self._catching_up.is_behind
            or self._courtesy.are_present(now)
            or now < self._standstill.over_at
        )

    def _expire(self, now: float) -> float:
        """Give up what was not answered in time; when the next one will be due."""
        first = math.inf
        late = []
        for ask in self.pending.values():
            if ask.until <= now:
                late.append(ask)
            elif ask.until < first:
                first = ask.until
        for ask in late:
            self._silent(ask, now)
        return first

    def _wait(self, ask: Request, attempt: int) -> float:
        if self._response_time is None or (self._drain_s and ask.query.shape is not None):
            return self._timeout
        if self._drain_s:
            attempt = 1  # the unit has answered the probe since
        return self._response_time.wait(attempt, long=ask.query.exclusive)

    def _outcome(self, ask: Request) -> Outcome:
        return self.tally.crowded if ask.crowded else self.tally.alone

    def _overtake(self, answered: Request, now: float) -> None:
        """Give up what later requests have overtaken, without waiting for the deadline."""
        for ask in list(self.pending.values()):
            if ask is answered:
                return
            ask.overtaken += 1
            if ask.overtaken >= OVERTAKEN:
                self._silent(ask, now)

    def _settle(self, ask: Request, phase: Phase, now: float) -> None:
        """It is answered in one way or another."""
        took, in_time = now - ask.sent_at, ask.phase is PENDING
        if self._drain_s and in_time:
            self._took[ask.query] = took
        # Where the line is drained, a late answer is taken, however short the wait for it was.
        if self._response_time is not None and ask.phase is WAITING and not self._drain_s:
            self._response_time.measured(took, long=ask.query.exclusive)
        if in_time:
            self._overtake(ask, now)
            self._in_time(ask, took)
        else:
            self._unqueue(ask)
        ask.phase = phase

    def _in_time(self, ask: Request, took: float) -> None:
        """What was open is answered, after so many seconds."""
        if self._response_time is not None:
            self._response_time.measured(took, long=ask.query.exclusive)
        del self.pending[ask.query]
        tally = self.tally
        (tally.crowded if ask.crowded else tally.alone).answered += 1
        tally.latency += took
        tally.answers += 1

    def _silent(self, ask: Request, now: float) -> None:
        """Nothing came."""
        del self.pending[ask.query]
        self.abandoned.append(ask.query)
        ask.silent += 1
        self.tally.timeouts += 1
        self._failed(ask, now)

    def _failed(self, ask: Request, now: float) -> None:
        self.calm = False
        known = ask.query in self._proven
        if known:
            if not ask.late:  # what came too old to be believed is not lost by haste
                self._catching_up.lost(now)
            self._outcome(ask).lost += 1
        pause = self._retry_delay(ask.attempts)
        if self._drain_s and self._next_round < math.inf:
            self._doubtful.add(ask.query)
            if ask.attempts >= self._drained_attempts(ask):
                pause = math.inf  # the next round
            elif ask.attempts == 1 and ask.fast and known and not ask.doubtful:
                ask.phase = QUEUED  # lost by chance: it keeps its place
                self._fast.insert(0, ask)
                return
        if pause is None or (ask.attempts >= FIRST_ATTEMPTS and not known):
            ask.phase = LOST
            self._given_up.append(ask.query)
            return
        ask.phase = WAITING
        ask.not_before = now + pause
        self._waiting.append(ask)

    def _drained_attempts(self, ask: Request) -> int:
        """Requests for one thing in this round, where the line is drained after each."""
        if ask.query in self._proven:
            return DRAINED_ATTEMPTS if ask.doubtful else LATELY_ATTEMPTS
        return 1 if ask.doubtful else DRAINED_ATTEMPTS

    def _blocked(self, now: float) -> bool:
        pending = self.pending
        if not pending:
            return False
        window = max(1, self.window >> self._courtesy.are_present(now))
        # An exclusive request is only ever sent alone.
        return len(pending) >= window or next(iter(pending)).exclusive

    def _is_in_time(self, ask: Request, at: float) -> bool:
        """Whether what is not fast may go at a time: answered or given up by the next round.

        Where rounds follow too closely for that, at least half of the time is used. Where the line
        is drained, an answer is believed to take as long as the last one; but on a line that loses
        some in this round, what is slow does not delay the next one.
        """
        if at > self._deadline:
            return False
        if at <= self._middle:
            return True
        needed = self._wait(ask, ask.attempts + 1) + self._drain_s
        doubted = self.tally.timeouts > 0 or ask.query in self._doubtful
        if ask.query in self._took and (ask.fast or not doubted):
            needed = LIKELY * self._took[ask.query]  # the timeout is far longer than that
        return at <= min(self._deadline, self._next_round) - needed

    def _draws(self, ask: Request, now: float) -> bool:
        """Whether a request goes at the expense of the advance, if there is any.

        A fast one only where the average is used up, by a round that was cut short.
        """
        return ask.kept or self._pacer.bucket.tokens(now) < 1.0

    def _candidate(self, now: float) -> tuple[Request | None, float]:
        """The next request by rank, fast, repeats, slow, and when it may go; None when none may."""
        first = self._fast[0] if self._fast else None
        advance = self._catching_up.advance(now)
        at_once = advance >= 1.0 and (first is None or self._draws(first, now))
        ready = max(self._pacer.free_at, now) if at_once else self._pacer.ready_at(now)
        if first is not None and self._fast_begun:
            return first, ready
        ready = max(ready, self._courtesy.quiet_at)
        if first is not None:
            return first, ready
        spare = self._spare(now) + advance
        best, best_at = self._repeat(now) if spare < 1.0 else (None, math.inf)
        asks = self._waiting if spare >= 1.0 else []
        if self._slow and advance >= 1.0:
            asks = [ask for ask in asks if not self._may_be_unknown(ask)]
        # A new request may be lost like those that are out already: each of them keeps a token
        # for a repeat, or a busy line would never find out what the unit does not answer.
        open_asks = len(self._waiting) + len(self.pending) + 1
        if self._slow and spare >= 1.0 + max(0.0, open_asks - self._pacer.repeats.tokens(now)):
            asks = [*asks, self._slow[0]]
        for ask in asks:
            at = max(ready, ask.not_before)
            if at < best_at and self._is_in_time(ask, at):
                best, best_at = ask, at
        return best, best_at

    def _may_be_unknown(self, ask: Request) -> bool:
        """Whether the unit stayed silent so far, perhaps for ever, about what is not fast.

        On a line that works it is asked again when all else was asked once: each silence costs
        the time of several answers.
        """
        return ask.attempts > 0 and not ask.fast and ask.query not in self._proven

    def _repeat(self, now: float) -> tuple[Request | None, float]:
        """The next repeat that the average of repeats pays for."""
        ready = max(self._pacer.repeat_at(now), self._courtesy.quiet_at)
        if not self._waiting:
            return None, math.inf
        ask = min(self._waiting, key=lambda ask: ask.not_before)
        at = max(ready, ask.not_before)
        return (ask, at) if self._is_in_time(ask, at) else (None, math.inf)

    def _spare(self, now: float) -> float:
        """Tokens that the next fast round can do without.

        Those that are there and those that are yet to come count alike, so that waiting changes
        nothing: what cannot be spared now cannot be spared later in the round.
        """
        bucket = self._pacer.bucket
        income = max(0.0, self._next_round - now) * bucket.rate
        return bucket.tokens(now) + income - min(self._reserve, bucket.burst) + 1e-9

    def _unqueue(self, ask: Request) -> None:
        if ask.phase is QUEUED:
            (self._fast if ask.fast else self._slow).remove(ask)
            self._draw()
        elif ask.phase is WAITING:
            self._waiting.remove(ask)
