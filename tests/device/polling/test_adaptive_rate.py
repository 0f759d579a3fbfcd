"""The pace gives way where haste loses answers, and comes back."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.polling.adaptive_rate import (
    LONGEST_S,
    MOST_STEPS,
    RECOVER_S,
    SPAN_S,
    AdaptiveRate,
)
from rct_collector.device.polling.request import Outcome
from tests.slow import slow_but

ROUND_S = 10.0


class Life:
    """Rounds of a device: a governor's step → share of lost answers (alone, crowded)."""

    def __init__(self, loss, seed=1):
        self.rate = AdaptiveRate(4, 0.06, 0.3)
        self.loss = loss
        self.now = 0.0
        self.changes: list[tuple[float, int]] = []
        self.random = random.Random(seed)

    def rounds(self, seconds, alone=10, crowded=40):
        for _ in range(int(seconds / ROUND_S)):
            single, many = self.loss(self.rate.step)
            before = self.rate.step
            # One at a time, nothing is crowded.
            crowd = crowded if self.rate.window > 1 else 0
            told = self.rate.note(
                self.now,
                self._outcome(alone + crowded - crowd, single),
                self._outcome(crowd, many),
            )
            assert (told is not None) == (self.rate.step != before)
            if told is not None:
                self.changes.append((self.now, self.rate.step))
            self.now += ROUND_S
        return self.rate.step

    def _outcome(self, count, share):
        lost = sum(self.random.random() < share for _ in range(count))
        return Outcome(count - lost, lost)


def test_it_starts_with_what_was_configured():
    rate = AdaptiveRate(4, 0.06, 0.3)
    assert (rate.window, rate.gap) == (4, 0.06)


@pytest.mark.parametrize(
    ("step", "window", "gap"), [(0, 4, 0.06), (1, 2, 0.12), (2, 1, 0.24), (3, 1, 0.3)]
)
def test_each_step_halves_the_window_and_doubles_the_gap(step, window, gap):
    rate = AdaptiveRate(4, 0.06, 0.3, step=step)
    assert (rate.window, rate.gap) == (window, gap)


def test_a_configured_gap_beyond_the_slowest_stays():
    assert AdaptiveRate(4, 0.5, 0.3, step=2).gap == 0.5


def test_nothing_changes_without_loss():
    life = Life(lambda _: (0.0, 0.0))
    assert life.rounds(6 * 3600) == 0
    assert life.changes == []


def test_a_loss_that_comes_of_haste_slows_it_down_within_minutes():
    life = Life(lambda step: (0.0, [0.5, 0.3, 0.0, 0.0][step]))
    assert life.rounds(2 * SPAN_S + ROUND_S) == 2, "one step is not enough, two are"
    assert [step for _, step in life.changes] == [1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("seed", slow_but(0, range(5)))
@pytest.mark.parametrize("share", [0.05, 0.25, 0.6])
def test_a_loss_that_is_not_of_haste_is_not_answered_with_slowness(seed, share):
    life = Life(lambda _: (share, share), seed)
    life.rounds(24 * 3600)
    slow = sum(1 for _, step in life.changes if step)
    assert slow <= 2, "but by chance"


def test_the_pace_comes_back_when_the_line_is_well_again():
    life = Life(lambda step: (0.0, 0.4 if step < 2 else 0.0))
    assert life.rounds(2 * SPAN_S + ROUND_S) == 2
    life.loss = lambda _: (0.0, 0.0)
    assert life.rounds(4 * RECOVER_S) == 0


def test_the_pace_comes_back_when_the_loss_is_not_of_haste_any_more():
    life = Life(lambda step: (0.0, 0.4 if step < 1 else 0.0))
    assert life.rounds(2 * SPAN_S + ROUND_S) == 1
    life.loss = lambda _: (0.3, 0.3)
    assert life.rounds(4 * RECOVER_S) == 0


@pytest.mark.slow
def test_it_tries_less_and_less_often_where_only_slowness_helps():
    life = Life(lambda step: (0.0, 0.4 if step < 1 else 0.0))
    life.rounds(24 * 3600)
    fast_again = [at for at, step in life.changes if step == 0]
    waits = [b - a for a, b in zip(fast_again, fast_again[1:], strict=False)]
    assert waits == sorted(waits)
    assert waits[-1] >= LONGEST_S
    assert life.rate.step == 1 or life.now - life.changes[-1][0] <= 3 * SPAN_S


def test_a_silent_unit_is_not_hurried():
    life = Life(lambda _: (1.0, 1.0))
    assert life.rounds(3600) == 0


def test_few_requests_decide_nothing():
    life = Life(lambda _: (0.0, 0.5))
    life.rounds(SPAN_S, alone=1, crowded=3)
    assert life.changes == []


outcomes = st.builds(Outcome, st.integers(0, 60), st.integers(0, 60))


@pytest.mark.slow
@given(st.lists(st.tuples(outcomes, outcomes), max_size=300))
def test_window_and_gap_stay_within_their_bounds(rounds):
    rate = AdaptiveRate(4, 0.06, 0.3)
    for n, (alone, crowded) in enumerate(rounds):
        rate.note(n * ROUND_S, alone, crowded)
        assert 0 <= rate.step <= MOST_STEPS
        assert 1 <= rate.window <= 4
        assert 0.06 <= rate.gap <= 0.3
