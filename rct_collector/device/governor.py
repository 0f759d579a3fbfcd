"""How the pace gives way when answers get lost, and comes back.

The bridge of an RCT unit loses parts of what comes too close together, firmware from 2.3.5673 on
more than older, and another client on the line makes it worse. So a loss above a tenth halves
the window and doubles the gap, up to three times. But not every loss comes of haste: bad Wi-Fi
loses the same share at any pace, and a slower collector would only publish less. So
giving way is a trial. If it does not help it is taken back, and not tried again for a while.

Pure arithmetic on a monotonic clock in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

#: A decision is taken on what happened in this many seconds, and on at least so many requests.
SPAN_S = 60.0
LEAST_REQUESTS = 30

#: Share of lost answers above which the pace gives way, and below which it comes back.
TOO_MUCH = 0.10
LITTLE = 0.05

#: A step down has helped if what is left of the loss is at most this share of it.
HELPED = 0.67

#: Steps: each halves the window and doubles the gap. So many are tried before it is held that
#: slowness does not help.
MOST_STEPS = 3
LONGEST_TRIAL = 2

#: Seconds until a step that did not help is tried again, and until the pace comes back by one
#: step; both double each time that it was in vain.
RETRY_S = 900.0
RECOVER_S = 180.0
LONGEST_S = 4 * 3600.0


class _Trial(NamedTuple):
    """The step from which the pace gave way, and the loss that was the reason."""

    step: int
    loss: float


@dataclass(slots=True)
class Governor:
    """Decides on window and gap.

    Attributes:
        full_window: Requests under way at the same time, when all is well.
        full_gap: Seconds between two requests, when all is well.
        slowest_gap: The gap never gets longer than this: a round has to fit into its interval.
        step: How many times the pace has given way, 0 to 3.
    """

    full_window: int
    full_gap: float
    slowest_gap: float
    step: int = 0
    _answers: int = 0
    _lost: int = 0
    _since: float | None = None
    _changed_at: float = 0.0
    _trial: _Trial | None = None
    _not_before: float = -inf
    _sped_up_at: float = -inf
    _retry: float = RETRY_S
    _recover: float = RECOVER_S

    @property
    def window(self) -> int:
        """Requests that may be under way at the same time now."""
        return max(1, self.full_window >> self.step)

    @property
    def gap(self) -> float:
        """Least seconds between two requests now."""
        return min(self.full_gap * (1 << self.step), max(self.slowest_gap, self.full_gap))

    def note(self, now: float, answers: int, lost: int) -> float | None:
        """Take in what one round brought.

        Args:
            now: Monotonic seconds.
            answers: Requests answered in time.
            lost: Requests without a good answer in time, for objects that the unit is known to
                answer.

        Returns:
            The share of lost answers that has just changed the pace, None if nothing changed.
        """
        if self._since is None or not answers:
            # A unit that is silent altogether does not suffer from haste.
            self._begin(now)
            return None
        self._answers += answers
        self._lost += lost
        total = self._answers + self._lost
        if now - self._since < SPAN_S or total < LEAST_REQUESTS:
            return None
        loss = self._lost / total
        self._begin(now)
        before = self.step
        self._decide(now, loss)
        if self.step == before:
            return None
        self._changed_at = now
        return loss

    def _begin(self, now: float) -> None:
        self._since = now
        self._answers = self._lost = 0

    def _decide(self, now: float, loss: float) -> None:
        trial = self._trial
        if trial is not None and loss > max(HELPED * trial.loss, TOO_MUCH):
            # A smaller window alone may not be enough, one at a time may be.
            if self.step - trial.step < LONGEST_TRIAL and self._can_slow():
                self.step += 1
                return
            self.step = trial.step
            self._trial = None
            self._not_before = now + self._retry
            self._retry = min(2 * self._retry, LONGEST_S)
            return
        self._trial = None
        if loss > TOO_MUCH:
            if self._can_slow() and now >= self._not_before:
                self._slow_down(now, loss)
        elif self.step and loss < LITTLE and now - self._changed_at >= self._recover:
            self.step -= 1
            self._sped_up_at = now

    def _slow_down(self, now: float, loss: float) -> None:
        self._trial = _Trial(self.step, loss)
        self.step += 1
        # Was the last return to speed a mistake? Then the next one comes later.
        mistake = now - self._sped_up_at <= 2 * SPAN_S
        self._recover = min(2 * self._recover, LONGEST_S) if mistake else RECOVER_S

    def _can_slow(self) -> bool:
        return self.step < MOST_STEPS and (self.window > 1 or self.gap < self.slowest_gap)
