"""Tells old answers that were stuck in the unit from fresh ones, after the line stood still.

A unit whose line stands still, or is kept busy by one long answer, sends everything once it goes
on: what was asked for long ago first, by us or by others. Answers do not tell when they were
asked for. So what comes after such a silence is not believed until the line is quiet again, and
asked for anew.

Source: python-rctclient issue 16, firmware 2.3.5673: what is stuck in the output buffer leaves
with the next request.
"""

from __future__ import annotations

import math

#: So many requests without any answer to anybody, for so long as a multiple of the time that one
#: answer is waited for, are silence; less is loss.
REQUESTS = 4
TIMEOUTS = 2.5

#: The flood is over when nothing came for so long, in seconds.
QUIET_S = 0.15


class Standstill:
    """Follows one line, on a given monotonic clock.

    Attributes:
        over_at: Nothing is to be sent or believed before; in the past while all is well.
        asked_at: When the first request since the last answer was sent; infinite if there is none.
        unanswered: How many there were since then.
    """

    __slots__ = ("_longest", "asked_at", "over_at", "unanswered")

    def __init__(self, timeout: float) -> None:
        """Start with a line that works.

        Args:
            timeout: Seconds that an answer is waited for.
        """
        self._longest = TIMEOUTS * timeout
        self.asked_at = math.inf
        self.unanswered = 0
        self.over_at = -math.inf

    def asked(self, now: float) -> None:
        """A request was sent."""
        self.asked_at = min(self.asked_at, now)
        self.unanswered += 1

    def heard(self, now: float) -> None:
        """Bytes came, whatever they are."""
        if now < self.over_at:
            self.over_at = now + QUIET_S

    def begin(self, now: float) -> None:
        """What comes now is old, for another reason."""
        self.over_at = now + QUIET_S

    def answered(self, now: float) -> bool:
        """An answer came, to whomever.

        Returns:
            Whether it may be believed.
        """
        if self.unanswered >= REQUESTS and now - self.asked_at > self._longest:
            self.begin(now)
        self.asked_at, self.unanswered = math.inf, 0
        return now >= self.over_at
