"""Makes a line trustworthy again, on which answers do not tell what they answer.

After a request that was given up its answer may still come, and would be taken for that to the
next one; and nobody knows what a line that was just opened still holds. So the line is ::

    given up, ─► silent: nothing is sent,  ─► probed: one thing is asked, ─► the others' again
     opened      what comes is dropped        what comes before its
                      ▲                       answer is dropped
                      │                             │
                      └─── refused, or no answer ◄──┘
                                in time

Meanwhile it is nobody's turn to ask. An answer that nothing else looks like is taken all the same,
if it comes before that to the probe (:attr:`Resync.late`): units answer in the order of the
questions.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from rct_collector.drivers.base import Answer, Ask, Event, Refused, Resync, Session
from rct_collector.lines.turns import Party, Turns

#: An answer to a probe that has begun to come, or what comes before it, may go on until it was
#: silent for so long, in seconds …
GOES_ON_S = 1.0
#: … but for no longer than so many times what a probe is waited for.
LONGEST_WAITS = 3


class Dialogue(Protocol):
    """What is needed of the dialogue over the line."""

    session: Session
    turns: Turns[Any]
    asked_at: float
    heard_at: float

    def asked(self, data: bytes, now: float) -> None:
        """Send a request, which is to be answered."""

    def answered(self) -> None:
        """Something valid came."""

    def drop_if_deaf(self, now: float) -> bool:
        """Give the line up if nothing valid has come over it for too long."""


class Recovery:
    """The recoveries of one line.

    Attributes:
        active: The line is not trusted; what comes is to be received here.
        count: Recoveries begun so far.
    """

    __slots__ = (
        "_begun",
        "_dialogue",
        "_drains",
        "_party",
        "_probed_at",
        "_resync",
        "_timer",
        "active",
        "count",
    )

    def __init__(self, dialogue: Dialogue) -> None:
        """Nothing is wrong yet."""
        self._dialogue = dialogue
        self._party: Party[Any] = Party(None, lambda: None)
        self._timer: asyncio.TimerHandle | None = None
        self._resync = Resync(0.0)
        self._begun = self._probed_at = 0.0
        self._drains = False
        self.active = False
        self.count = 0

    def begin(self, resync: Resync) -> None:
        """Take the line from everybody until it can be trusted.

        Args:
            resync: What it needs.
        """
        if not self.active:
            self.active = True
            self.count += 1
            self._dialogue.turns.seize(self._party)
            self._drain(resync)

    def cancel(self) -> None:
        """The line is gone, and so is what was wrong with it."""
        if self.active:
            self._end()

    def receive(self, data: bytes, wall_ns: int) -> list[Event]:
        """Take bytes while the line is not trusted; see :meth:`Session.receive`.

        Returns:
            What can be believed all the same: of answers the one that was given up, if no other
            looks like it.
        """
        late = self._resync.late
        if not self._drains:
            self._wait_on()
        elif late is None:
            return []
        kept: list[Event] = []
        for event in self._dialogue.session.receive(data, wall_ns):
            if type(event) is Answer and late is not None and event.query is late.query:
                kept.append(event)
            elif self._drains:
                pass
            elif type(event) is not Answer and type(event) is not Refused:
                kept.append(event)
            elif (probe := self._expected(event)) is None:
                pass  # an answer to something else, which nobody waits for any more
            elif type(event) is Answer:
                self._end()
                self._dialogue.answered()
            else:
                self._unanswered(probe)
        return kept

    def _expected(self, event: Answer | Refused) -> Ask | None:
        """The probe that is waited for, if this is said of it."""
        probe = self._resync.probe
        if not self.active or self._drains or not isinstance(probe, Ask):
            return None
        return probe if event.query is probe.query else None

    def _drain(self, resync: Resync) -> None:
        """Begin with the silence."""
        self._resync = resync
        self._drains = True
        now = asyncio.get_running_loop().time()
        self._begun = now if resync.late is None else self._dialogue.asked_at
        self._listen()

    def _listen(self) -> None:
        """Wait until nothing came for so long."""
        loop = asyncio.get_running_loop()
        quiet_at = max(self._begun, self._dialogue.heard_at) + self._resync.silence_s
        if quiet_at > loop.time():
            self._timer = loop.call_at(quiet_at, self._listen)
            return
        self._drains = False
        self._dialogue.session.reset()
        try:
            self._ask()
        except BaseException:
            self._end()  # or nobody could ask any more
            raise

    def _ask(self) -> None:
        """Send the probe, if there is one."""
        probe, now = self._resync.probe, asyncio.get_running_loop().time()
        if isinstance(probe, Ask):
            self._probed_at = now
            self._wait_for(probe, now + self._resync.wait_s)
            self._dialogue.asked(self._dialogue.session.request(probe), now)
            return
        self._end()
        if probe:
            self._dialogue.asked(probe, now)

    def _wait_on(self) -> None:
        """Bytes came while the answer to the probe is waited for: it is among them, or behind."""
        if isinstance(self._resync.probe, Ask):
            longest = self._probed_at + LONGEST_WAITS * self._resync.wait_s
            until = asyncio.get_running_loop().time() + GOES_ON_S
            self._wait_for(self._resync.probe, min(until, longest))

    def _wait_for(self, probe: Ask, until: float) -> None:
        """Give the probe up at a time, in monotonic seconds."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_at(until, self._timed_out, probe)

    def _timed_out(self, probe: Ask) -> None:
        """The probe was not answered; whoever waits for the line does not see how long it is dead.

        The session is told all the same: what it asks next, it may ask over another line.
        """
        self._unanswered(probe)
        self._dialogue.drop_if_deaf(asyncio.get_running_loop().time())

    def _unanswered(self, probe: Ask) -> None:
        """The probe was refused; or it is not answered in time, and may be answered late."""
        self._stop_timer()
        again = self._dialogue.session.abandon(probe)
        if again is None:
            self._end()
        else:
            self._drain(again._replace(late=self._resync.late))

    def _end(self) -> None:
        self.active = self._drains = False
        self._stop_timer()
        self._dialogue.turns.leave(self._party)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
