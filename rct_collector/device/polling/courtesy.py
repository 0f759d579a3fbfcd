"""Others who ask the same unit: their answers pass, and their turn is left to them."""

from __future__ import annotations

import math

#: While others' answers pass, a request waits until the line was quiet for so long, but not longer
#: than the second figure, in seconds. The fast requests wait only as a whole: the power flows
#: are to be read together.
QUIET_S = 0.15
LONGEST_WAIT_S = 1.0

#: Another client that was heard within this time is still there, and has half of the window.
PRESENT_S = 10.0


class Courtesy:
    """What was heard of others on the line, on a given monotonic clock.

    Attributes:
        present_until: Another client is believed to be there until then.
        since: When its present turn began; infinite once we have asked.
    """

    __slots__ = ("_at", "present_until", "since")

    def __init__(self) -> None:
        """Nobody was heard."""
        self._at = self.present_until = self.since = -math.inf

    def heard(self, now: float) -> None:
        """An answer to somebody else passed."""
        if now - self._at > QUIET_S or self.since == math.inf:
            self.since = now
        self._at = now
        self.present_until = now + PRESENT_S

    def spoke(self) -> None:
        """We asked: whoever speaks next begins a new wait."""
        self.since = math.inf

    def are_present(self, now: float) -> bool:
        """Whether another client is on the line."""
        return now < self.present_until

    @property
    def quiet_at(self) -> float:
        """When others have had their turn."""
        return min(self._at + QUIET_S, self.since + LONGEST_WAIT_S)
