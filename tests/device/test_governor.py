"""The pace gives way where that helps, and comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.governor import (
    LONGEST_S,
    MOST_STEPS,
    RECOVER_S,
    RETRY_S,
    SPAN_S,
    Governor,
)

ROUND_S = 10.0


class Life:
    """Rounds of a device whose loss depends on its pace, or on nothing."""

    def __init__(self, loss, governor=None):
        self.governor = governor or Governor(4, 0.06, 0.3)
        self.loss = loss
        self.now = 0.0
        self.changes: list[tuple[float, int]] = []

    def rounds(self, seconds, requests=50):
        for _ in range(int(seconds / ROUND_S)):
            lost = round(requests * self.loss(self.governor))
            before = self.governor.step
            told = self.governor.note(self.now, requests - lost, lost)
            assert (told is not None) == (self.governor.step != before)
            if told is not None:
                assert told == pytest.approx(lost / requests, abs=0.2)
                self.changes.append((self.now, self.governor.step))
            self.now += ROUND_S
        return self.governor.step


def test_it_starts_with_what_was_configured():
    governor = Governor(4, 0.06, 0.3)
    assert (governor.window, governor.gap) == (4, 0.06)


@pytest.mark.parametrize(
    ("step", "window", "gap"), [(0, 4, 0.06), (1, 2, 0.12), (2, 1, 0.24), (3, 1, 0.3)]
)
def test_each_step_halves_the_window_and_doubles_the_gap(step, window, gap):
    governor = Governor(4, 0.06, 0.3, step=step)
    assert (governor.window, governor.gap) == (window, gap)


def test_a_configured_gap_beyond_the_slowest_stays():
    assert Governor(4, 0.5, 0.3, step=2).gap == 0.5


def test_nothing_changes_without_loss():
    life = Life(lambda _: 0.0)
    assert life.rounds(6 * 3600) == 0
    assert life.changes == []


def test_a_loss_that_comes_of_haste_slows_it_down_within_two_minutes():
    life = Life(lambda g: {0: 0.5, 1: 0.25, 2: 0.0, 3: 0.0}[g.step])
    life.rounds(RECOVER_S)
    assert [step for _, step in life.changes] == [1, 2]
    assert life.changes[0][0] <= 2 * SPAN_S


def test_a_loss_that_does_not_depend_on_the_pace_is_not_answered_with_slowness():
    life = Life(lambda _: 0.25)
    life.rounds(RETRY_S)
    assert [step for _, step in life.changes] == [1, 2, 0]
    life.rounds(24 * 3600)
    slow = sum(
        later - earlier
        for (earlier, step), (later, _) in zip(life.changes, life.changes[1:], strict=False)
        if step
    )
    assert slow < 0.02 * 24 * 3600, "trials take little of the day"
    assert len(life.changes) <= 30


def test_the_pace_comes_back_when_the_line_is_well_again():
    life = Life(lambda g: 0.4 if g.step < 2 else 0.0)
    assert life.rounds(RECOVER_S) == 2, "one step alone does not help, two do"
    life.loss = lambda _: 0.0
    assert life.rounds(3 * RECOVER_S + 4 * SPAN_S) == 0


def test_it_seesaws_less_and_less_where_only_slowness_helps():
    life = Life(lambda g: 0.4 if g.step < 1 else 0.0)
    life.rounds(24 * 3600)
    fast_again = [at for at, step in life.changes if step == 0]
    waits = [b - a for a, b in zip(fast_again, fast_again[1:], strict=False)]
    assert waits == sorted(waits)
    assert waits[-1] >= LONGEST_S
    assert life.governor.step == 1 or life.now - life.changes[-1][0] <= 3 * SPAN_S


def test_a_silent_unit_is_not_hurried():
    life = Life(lambda _: 1.0)
    assert life.rounds(3600) == 0


def test_few_requests_decide_nothing():
    life = Life(lambda _: 1 / 4)
    life.rounds(SPAN_S, requests=4)
    assert life.changes == []


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=300))
def test_window_and_gap_stay_within_their_bounds(rounds):
    governor = Governor(4, 0.06, 0.3)
    for n, (answers, lost) in enumerate(rounds):
        governor.note(n * ROUND_S, answers, lost)
        assert 0 <= governor.step <= MOST_STEPS
        assert 1 <= governor.window <= 4
        assert 0.06 <= governor.gap <= 0.3
