"""After a start everything is wanted at once, and may go so, as long as that troubles nobody."""

from __future__ import annotations

import math

from rct_collector.device.polling.courtesy import Courtesy
from rct_collector.device.polling.pacing import Pacer

#: After a lost answer it goes at the average rate for so long, in seconds, whatever the advance.
CAUTIOUS_S = 10.0


class CatchingUp:
    """Whether requests may go ahead of the average rate, on a given monotonic clock.

    From the opening of the line, once it answers, until nothing is left to ask; not while another
    client is heard, nor just after an answer was lost.

    Attributes:
        answers: The line works; to be set with each answer.
        is_behind: Much is wanted, since the line is new.
    """

    __slots__ = ("_courtesy", "_lost_at", "_pacer", "answers", "is_behind")

    def __init__(self, pacer: Pacer, courtesy: Courtesy) -> None:
        """Begin with a line that is not new.

        Args:
            pacer: Has the advance.
            courtesy: Knows of others on the line.
        """
        self._pacer = pacer
        self._courtesy = courtesy
        self.is_behind = self.answers = False
        self._lost_at = -math.inf

    def opened(self) -> None:
        """A new line: much is wanted, and once it answers, the advance pays for that."""
        self.is_behind, self.answers = True, False

    def lost(self, now: float) -> None:
        """An answer was lost that the unit is known to give."""
        self._lost_at = now

    def round_over(self, *, left: bool) -> None:
        """A round is over.

        Args:
            left: It was too short for something.
        """
        self.is_behind &= left or not self.answers

    def advance(self, now: float) -> float:
        """Requests that may go without waiting for the average rate."""
        if not (self.is_behind and self.answers):
            return 0.0
        if self._courtesy.are_present(now) or now - self._lost_at < CAUTIOUS_S:
            return 0.0
        return self._pacer.advance.tokens(now)
