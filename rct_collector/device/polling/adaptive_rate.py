"""How the pace gives way when answers get lost by haste, and comes back.

The bridge of an RCT unit loses parts of what comes too close together, firmware from 2.3.5673 on
more than older. So a loss above a tenth halves the window and doubles the gap, up to three
times. But not every loss comes of haste: bad Wi-Fi loses the same share at any pace, and a slower
collector would only publish less. Which of both it is, shows in the requests themselves: some
had another one beside them, some were alone.

Pure arithmetic on a monotonic clock in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, sqrt

from rct_collector.device.polling.request import Outcome

#: A decision is taken on what happened in this many seconds, and on at least so many requests
#: of either kind.
SPAN_S = 60.0
LEAST_CROWDED = 30
LEAST_ALONE = 15

#: Share of lost answers above which the pace gives way, if it is so many times the share of those
#: that were lost although alone (and that not by chance: two standard errors are granted).
TOO_MUCH = 0.10
BY_HASTE = 1.5

#: Steps: each halves the window and doubles the gap.
MOST_STEPS = 3

#: Seconds until the pace comes back by one step; twice as many each time that it was in vain.
RECOVER_S = 180.0
LONGEST_S = 4 * 3600.0


@dataclass(slots=True)
class AdaptiveRate:
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
    _alone: Outcome = field(default_factory=Outcome)
    _crowded: Outcome = field(default_factory=Outcome)
    _since: float | None = None
    _changed_at: float = -inf
    _sped_up_at: float = -inf
    _recover: float = RECOVER_S

    @property
    def window(self) -> int:
        """Requests that may be under way at the same time now."""
        return max(1, self.full_window >> self.step)

    @property
    def gap(self) -> float:
        """Least seconds between two requests now."""
        return min(self.full_gap * (1 << self.step), max(self.slowest_gap, self.full_gap))

    def note(self, now: float, alone: Outcome, crowded: Outcome) -> float | None:
        """Take in what one round brought.

        Args:
            now: Monotonic seconds.
            alone: What became of requests that were under way alone.
            crowded: The same of those that had others beside them.

        Returns:
            The share of lost answers that has just changed the pace, None if nothing changed.
        """
        if self._since is None or not alone.answered + crowded.answered:
            # A unit that is silent altogether does not suffer from haste.
            self._begin(now)
            return None
        _add(self._alone, alone)
        _add(self._crowded, crowded)
        if now - self._since < SPAN_S:
            return None
        before, loss, hasty = self.step, _loss(self._alone, self._crowded), self._hasty()
        if hasty and self.step < MOST_STEPS:
            self._slow_down(now)
        elif self.step and not hasty and now - self._changed_at >= self._recover:
            self.step -= 1
            self._sped_up_at = now
        self._begin(now)
        if self.step == before:
            return None
        self._changed_at = now
        return loss

    def _begin(self, now: float) -> None:
        """Count anew; what was alone is rare, and half of it is remembered."""
        self._since = now
        self._crowded = Outcome()
        self._alone = Outcome(self._alone.answered // 2, self._alone.lost // 2)

    def _hasty(self) -> bool:
        """Whether answers get lost, and more of those that had others beside them."""
        count = _total(self._alone)
        if _total(self._crowded) < LEAST_CROWDED or count < LEAST_ALONE:
            return False
        alone = _loss(self._alone)
        chance = 2 * sqrt(alone * (1 - alone) / count) + 1 / count
        return _loss(self._crowded) > max(TOO_MUCH, BY_HASTE * (alone + chance))

    def _slow_down(self, now: float) -> None:
        self.step += 1
        # Was the last return to speed a mistake? Then the next one comes later.
        mistake = now - self._sped_up_at <= 2 * SPAN_S
        self._recover = min(2 * self._recover, LONGEST_S) if mistake else RECOVER_S


def _add(to: Outcome, more: Outcome) -> None:
    to.answered += more.answered
    to.lost += more.lost


def _total(*outcomes: Outcome) -> int:
    return sum(outcome.answered + outcome.lost for outcome in outcomes)


def _loss(*outcomes: Outcome) -> float:
    return sum(outcome.lost for outcome in outcomes) / max(_total(*outcomes), 1)
