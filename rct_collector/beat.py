"""Alarms of many, rung together.

With many devices something is due every other millisecond. A process that wakes up for each of
them finds cold caches each time, and a timer of the loop for each request costs more than the
request. So where the loop has a *beat* it looks around at points of a fixed grid only, and all
alarms that have become due are rung at the next of them, one after the other, as those of one or a
few devices are by timers of the loop::

    grid      |         |         |         |
    due         a   b c       d
    rung                abc       d

Who is rung looks at the clock anew: what others have done meanwhile took its time. With many of
them the last one is rung long after the point, and what has become due by then is rung as well.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from math import floor

#: Seconds from one point of the grid to the next: with the least gap that requests of some families
#: have, 60 ms, to look more often finds nothing that may be sent …
EVERY_S = 0.065
#: … and where a line is so slow that each answer is waited for before anything else is asked.
OFTEN_S = 0.02


class Alarm:
    """One thing that is due at a time, over and over; it belongs to the loop that first sets it.

    Attributes:
        due: When it is due, in monotonic seconds; infinite while it is not.
        place: The point of the grid at which it is looked at next, if its loop has a beat.
        ring: Called once it is due.
    """

    __slots__ = ("_beat", "_loop", "_timer", "due", "place", "ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        """Begin without anything due.

        Args:
            ring: Called once it is due.
        """
        self.ring = ring
        self.due = math.inf
        self.place: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._beat: Beat | None = None
        self._timer: asyncio.TimerHandle | None = None

    def time(self) -> float:
        """What time it is by the loop, in monotonic seconds."""
        loop = self._loop
        return (loop if loop is not None else self._found()).time()

    def seen(self) -> float:
        """What came until then was handed on, in monotonic seconds; what came since may wait."""
        loop = self._loop if self._loop is not None else self._found()
        return self._beat.seen() if self._beat is not None else loop.time()

    def at_end(self, call: Callable[[], None]) -> None:
        """Call at the end of the look that goes on, together with others; without a beat now.

        What is sent to many at a time costs less than half: the code that sends stays in the
        caches of the processor, and who reads it all need not be woken up for each.

        Args:
            call: May also find that it has nothing to do any more.
        """
        if self._loop is None:
            self._found()
        beat = self._beat
        if beat is None:
            call()
            return
        if not beat.at_end:
            beat.end_soon()
        beat.at_end.append(call)

    def hasten(self) -> None:
        """Look every :data:`OFTEN_S` from now on: each answer is waited for first."""
        if self._loop is None:
            self._found()
        if self._beat is not None:
            self._beat.hasten(OFTEN_S)

    def set(self, due: float) -> None:
        """Ring at a time, and no more when it was set to before.

        Args:
            due: Monotonic seconds.
        """
        loop = self._loop if self._loop is not None else self._found()
        self.due = due
        beat = self._beat
        if beat is not None:
            place = self.place
            if place is None or place > floor(due / beat.every):  # else it is looked at before
                beat.expect(self)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._due)

    def stop(self) -> None:
        """Do not ring."""
        self.due = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _found(self) -> asyncio.AbstractEventLoop:
        loop = self._loop = asyncio.get_running_loop()
        self._beat = getattr(loop, "beat", None)
        return loop

    def _due(self) -> None:
        self._timer = None
        self.due = math.inf
        self.ring()


class Beat:
    """The alarms of one loop, by the points of the grid.

    An alarm stands at one point at a time, the last one before it is due: where many are rung it
    takes a while until it is looked at there, and it may be due by then. One that is not moves on,
    as one does that was set to a later time than before: nearly all are set again and again.

    Attributes:
        every: Seconds from one point of the grid to the next.
        at_end: What is to be called at the end of the look that goes on; see :meth:`end_soon`.
        seen: Tells until when all that had come was found by a look, in monotonic seconds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        every: float = EVERY_S,
        *,
        seen: Callable[[], float] | None = None,
        pace: Callable[[float], None] = lambda _every: None,
    ) -> None:
        """Begin without alarms.

        Args:
            loop: Whose alarms they are.
            every: Seconds from one point of the grid to the next.
            seen: Tells when it was last looked for what has come; None for always.
            pace: Told of another distance between the points.
        """
        self._loop = loop
        self.every = every
        self._pace = pace
        self.seen = seen or loop.time
        self._places: dict[int, list[Alarm]] = {}
        self.at_end: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._first: float = math.inf

    def hasten(self, every: float) -> None:
        """Look more often from now on, if it is not often enough.

        Args:
            every: Seconds from one point of the grid to the next, at most.
        """
        if every >= self.every:
            return
        self.every = every
        self._pace(every)
        there, self._places = self._places, {}
        for place, alarms in there.items():
            for alarm in alarms:
                if alarm.place == place:
                    alarm.place = None
                    if alarm.due < math.inf:
                        self.expect(alarm)
        self._wait()

    def expect(self, alarm: Alarm) -> None:
        """Look at an alarm that was set, which is not looked at before it is due.

        Args:
            alarm: It.
        """
        every = self.every
        place = floor(alarm.due / every)
        # The point that the loop has reached is over for whoever was not due there.
        alarm.place = place = max(place, floor(self.seen() / every + 1e-6) + 1)
        there = self._places.get(place)
        if there is not None:
            there.append(alarm)
            return
        self._places[place] = [alarm]
        if place < self._first:
            self._wait()

    def end_soon(self) -> None:
        """End the look, once all is dealt with that it has brought."""
        self._loop.call_soon(self._end)

    def _end(self) -> None:
        calls, self.at_end = self.at_end, []
        for call in calls:
            try:
                call()
            except Exception as error:  # it is nobody else's trouble
                self._defect("what was to be done at the end of a look met a defect", error)

    def _defect(self, text: str, error: Exception) -> None:
        self._loop.call_exception_handler({"message": text, "exception": error})

    def _wait(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._first = min(self._places, default=math.inf)
        if self._places:
            self._timer = self._loop.call_at(self._first * self.every, self._ring)

    def _ring(self) -> None:
        """Ring what is due."""
        time, every = self._loop.time, self.every
        # The clock may lie a hair before the point at which the loop takes it to be reached.
        here = floor(time() / every + 1e-6)
        self._timer = None
        for place in sorted(p for p in self._places if p <= here):
            self._first = place  # what is set meanwhile needs no timer: one is set at the end
            for alarm in self._places.pop(place):
                if alarm.place != place:
                    continue  # it was set to an earlier time since, and stood there
                alarm.place = None
                if alarm.due <= time():
                    alarm.due = math.inf
                    try:
                        alarm.ring()
                    except Exception as error:  # it is nobody else's trouble
                        self._defect("an alarm met a defect", error)
                elif alarm.due < math.inf:
                    alarm.place = max(floor(alarm.due / every), here + 1)
                    self._places.setdefault(alarm.place, []).append(alarm)
        self._first = math.inf
        self._wait()
