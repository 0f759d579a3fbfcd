"""What goes over one open line: bytes through its session, metered, with all who ask over it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, cast

from rct_collector.drivers.base import (
    Answer,
    Ask,
    Event,
    Fault,
    Garbled,
    Query,
    Reply,
    Resync,
    Session,
    TimedSession,
)
from rct_collector.lines.inflow import Inflow
from rct_collector.lines.recovery import Recovery
from rct_collector.lines.turns import Turns
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

log = logging.getLogger(__name__)

#: Without any valid frame for this long, while answers are due, the line is taken for dead: a
#: connection that the unit has forgotten is to cost less than a minute of values.
WATCHDOG_S = 30.0

#: After this long without a byte, half an answer is not waited for any more, in seconds: what is
#: hidden behind it would be too old to be true.
SILENCE_S = 1.0


#: No request is ready.
_NOTHING: Mapping[Query, bytes] = MappingProxyType({})

#: Pieces of fewer bytes than the first, with one answer each, are no flood: so many of them, the
#: second, may come before they are accounted for, all together.
_SMALL, _SOME = 128, 16

#: A session that acts by time is not asked again sooner than this, in seconds.
LEAST_WAIT_S = 0.001


class Wire(Protocol):
    """What a conversation needs of its line.

    Attributes:
        excused: Something was told of that brings losses with it, which are not told of as well.
    """

    excused: bool

    @property
    def is_open(self) -> bool:
        """Whether bytes can be sent."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def pause(self) -> None:
        """Read nothing for now."""

    def resume(self) -> None:
        """Read again."""

    def drop(self, reason: str) -> None:
        """Give the line up."""

    def reject(self, reason: str) -> None:
        """Give the line up, since what is at its other end is of no use."""

    def proven(self) -> None:
        """Something useful came."""


#: Takes an answer that was expected, of how many bytes it was, and monotonic seconds; whether it is
#: what was expected.
Expect = Callable[[Answer, int, float], bool]

#: Takes what bytes have brought: the conversation, its events, how many bytes they were, and
#: monotonic seconds.
Deliver = Callable[["Conversation", list[Event], int, float], None]


class Conversation:
    """The dialogue over one line.

    Attributes:
        session: Makes bytes of requests, and events of bytes.
        ready: Requests that it has made before, see :class:`.drivers.base.Session`.
        wire: The line; to be set before anything goes over it.
        turns: Whose turn it is to ask, of the ports.
        recovery: Makes the line trustworthy again.
        query: What was asked last on behalf of a port; None since the line was probed.
        asked_at: When a request was sent last, in monotonic seconds.
        heard_at: When bytes came last, in monotonic seconds.
        answered_at: When something valid came last, in monotonic seconds.
        expected: Takes what comes next without a detour, if it is one whole answer: requests were
            sent, and nothing else has come since. None to look at all of it.
        is_stale: What has just come may have waited for too long to be believed.
    """

    wire: Wire

    __slots__ = (
        "_alarm",
        "_deliver",
        "_has_whole",
        "_held",
        "_inflow",
        "_is_proven",
        "_may_say",
        "_pause",
        "_reports",
        "_resync",
        "_sent",
        "_small",
        "_small_bytes",
        "_time",
        "_timed",
        "_unanswered_since",
        "_wall_ns",
        "answered_at",
        "asked_at",
        "expected",
        "heard_at",
        "is_stale",
        "query",
        "ready",
        "recovery",
        "session",
        "turns",
        "wire",
    )

    def __init__(
        self,
        session: Session,
        deliver: Deliver,
        *,
        wall_ns: Callable[[], int],
        reports: Reports,
        sent: Callable[[str, int], object] = lambda _unit, _size: None,
    ) -> None:
        """Begin with an empty line.

        Args:
            session: Of the family whose units are on the line.
            deliver: Takes the events.
            wall_ns: Tells the time, in nanoseconds since the epoch.
            reports: Where what is worth a message goes.
            sent: Told of bytes that nobody has asked to send: for which unit, and how many.
        """
        self.session = session
        self._timed = cast("TimedSession", session) if hasattr(session, "next_due") else None
        self.ready: Mapping[Query, bytes] = getattr(session, "ready", _NOTHING)
        self._has_whole = hasattr(session, "whole")
        self._may_say: Callable[[Reply], bool] | None = getattr(session, "may_say", None)
        self._alarm: asyncio.TimerHandle | None = None
        self._sent = sent
        self.turns: Turns[Any] = Turns()
        self.expected: Expect | None = None
        self.is_stale = self._is_proven = False
        self._deliver = deliver
        self._wall_ns = wall_ns
        self._reports = reports
        self._inflow = Inflow()
        self._small = self._small_bytes = 0  # pieces that are not accounted for yet
        self._time = _time
        self._pause: asyncio.TimerHandle | None = None
        self.query: Query | None = None
        self.asked_at = self.heard_at = self.answered_at = -math.inf
        self._resync: Resync | None = None
        self.recovery = Recovery(self)
        self._unanswered_since: float | None = None
        self._held: set[_HeldReply] = set()

    def received(self, data: bytes) -> None:
        """Bytes came."""
        now = self._time()
        expected = self.expected
        if expected is not None:
            # By far the most frequent case: it is what was asked for last, alone and complete.
            self.expected = None
            whole = self.session.whole  # type: ignore[attr-defined]
            answer = whole(data) if whole is not None else None
            if answer is not None and self._small < _SOME and self._inflow.behind_since is None:
                size = len(data)
                self._small += 1
                self._small_bytes += size
                self.heard_at = self.answered_at = now
                self._unanswered_since = None
                if not expected(answer, size, now):
                    self._deliver(self, [answer], size, now)
                return
        if now - self.heard_at > SILENCE_S and self._timed is None:
            self.session.reset()
        self.heard_at = now
        receive = self.recovery.receive if self.recovery.active else self.session.receive
        events = receive(data, self._wall_ns())
        size = len(data)
        if (
            size < _SMALL
            and self._small < _SOME
            and len(events) == 1
            and type(events[0]) is Answer
            and self._inflow.behind_since is None
        ):
            self._small += 1
            self._small_bytes += size
        else:
            self._meter(size, events, now)
        self._deliver(self, events, size, now)
        if self._timed is not None:
            self._act(self._timed)

    def asked(self, data: bytes, now: float) -> None:
        """Send a request, which is to be answered.

        Args:
            data: Its bytes.
            now: Monotonic seconds.
        """
        self.asks(now, None)
        self.wire.send(data)

    def asks(self, now: float, expected: Expect | None) -> None:
        """A request is about to be sent, which is to be answered.

        Args:
            now: Monotonic seconds.
            expected: Takes its answer if that is the next thing that comes, see :attr:`expected`.
        """
        if self._unanswered_since is None:
            self._unanswered_since = now
        self.asked_at = now
        self.expected = expected if self._has_whole and self._is_proven else None

    def reply(self, reply: Reply, receipt: Receipt | None) -> None:
        """Send what a unit waits for; never once the line is another one.

        Args:
            reply: What it is.
            receipt: Of what is acknowledged by that: it is sent when that was taken over, and not
                at all when it could not be. None to send it at once.
        """
        if receipt is None:
            self._sent(reply.unit, len(reply.data))
            self.wire.send(reply.data)
            return
        held = _HeldReply(self, reply)
        self._held.add(held)
        receipt.then(held.settled)

    def settled(self, held: _HeldReply, *, taken: bool) -> None:
        """What was waited for was taken over, or cannot be."""
        self._held.discard(held)
        if taken and (self._may_say is None or self._may_say(held.reply)):
            self.reply(held.reply, None)

    def answered(self) -> None:
        """Something valid came, whoever said it; the line proves useful once it can be trusted."""
        self._unanswered_since = None
        self.answered_at = self.heard_at
        if not self._is_proven and not self.recovery.active:
            self._is_proven = True  # until the line is another one
            self.wire.proven()

    def abandon(self, ask: Ask) -> None:
        """A request is not waited for any more, though its answer may still come."""
        resync = self.session.abandon(ask)
        if resync is not None and self.wire.is_open:
            self.query = self.expected = None
            self.recovery.begin(resync)

    def opened(self, resync: Resync | None) -> None:
        """The line is open.

        Args:
            resync: What it needs before anything is asked; None for nothing.
        """
        self.reset()
        self._time = asyncio.get_running_loop().time
        self._resync = resync
        if resync is not None:
            self.recovery.begin(resync)
        self._arm()

    def confuses(self, query: Query) -> bool:
        """Whether an answer to what was asked last would be taken for one to a query."""
        last = self.query
        if last is None or query.shape is None or self._resync is None:
            return False
        return last is not query and last.shape == query.shape

    def probe(self) -> None:
        """Ask what the line is probed with, so that all that was asked before is done with."""
        if self._resync is not None:
            self.query = self.expected = None
            self.recovery.begin(self._resync._replace(silence_s=0.0))

    def drop_if_deaf(self, now: float) -> bool:
        """Give the line up if nothing valid has come over it for too long, from nobody.

        Returns:
            Whether it was given up.
        """
        if self._unanswered_since is None or now - self._unanswered_since <= WATCHDOG_S:
            return False
        self._unanswered_since = None
        self.wire.drop(f"no valid answer for {WATCHDOG_S:.0f} s")
        return True

    def reset(self) -> None:
        """The line is another one."""
        self._disarm()
        self.recovery.cancel()
        self.query = self.expected = None
        while self._held:
            self._held.pop().conversation = None
        self.session.reset()
        self._inflow.reset()
        self.is_stale = self._is_proven = False
        self._read_on()
        self._unanswered_since = None

    def tend(self, now: float) -> None:
        """Tell of the end of a flood; to be called now and then."""
        if self._inflow.calms(now):
            self.wire.excused = False
            self._reports.say(log, logging.INFO, "calm", "sends no more than others again")

    def _arm(self) -> None:
        """Have the session act when it wants to, where it does so by time."""
        self._disarm()
        session = self._timed
        if session is not None and self.wire.is_open and (due := session.next_due()) is not None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_at(max(due, loop.time() + LEAST_WAIT_S), self._act, session)

    def _disarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _act(self, session: TimedSession) -> None:
        """The session does what is due; nobody has said anything by that."""
        now = asyncio.get_running_loop().time()
        try:
            events = session.pull(now) if self.wire.is_open else []
        except Exception as error:
            text = "bug; the line is opened anew"
            self._reports.say(log, logging.ERROR, "defect", text, most=1, exc_info=error)
            self.wire.drop("a bug")
            return
        for event in events:
            if type(event) is Reply:
                self.reply(event, None)
        if said := [event for event in events if type(event) is not Reply]:
            self._deliver(self, said, 0, now)
        self._arm()

    def _meter(self, size: int, events: list[Event], now: float) -> None:
        """Read on later, where more was sent than anybody's share."""
        inflow, flooded = self._inflow, self._inflow.floods
        if self._small:
            inflow.spend(self._small, self._small_bytes)
            self._small = self._small_bytes = 0
        noise = 0
        for event in events:
            if type(event) is Garbled and event.kind is Fault.NOISE:
                noise += event.size
        pause = inflow.take(now, size, len(events), noise)
        self.is_stale = inflow.is_stale(now)
        if pause:
            self.wire.pause()
            self._pause = asyncio.get_running_loop().call_later(pause, self._read_on)
            if not flooded:
                self._tell_flood(now)

    def _tell_flood(self, now: float) -> None:
        inflow = self._inflow
        self.wire.excused = True  # who cannot get rid of what he sends may hang up all the time
        self._reports.say(
            log,
            logging.WARNING,
            "flood",
            "sends far more than it is asked for: %.0f kB within %.1f s, %.0f %% of it noise;"
            " it is read slowly now so that nobody else has to wait",
            inflow.size / 1e3,
            now - inflow.begun_at,
            100 * inflow.noise / inflow.size,
        )

    def _read_on(self) -> None:
        """The pause is over."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
            self.wire.resume()


def _time() -> float:
    """What time it is by the loop that runs."""
    return asyncio.get_running_loop().time()


class _HeldReply:
    """A reply that is not sent yet, and may never be."""

    __slots__ = ("conversation", "reply")

    def __init__(self, conversation: Conversation, reply: Reply) -> None:
        self.conversation: Conversation | None = conversation
        self.reply = reply

    def settled(self, taken: bool) -> None:  # noqa: FBT001 - a callback
        if self.conversation is not None:
            self.conversation.settled(self, taken=taken)
