"""So much of each kind, and a count of the rest."""

from __future__ import annotations

import pytest

from rct_collector.limiter import MOST_EACH, SPAN_S, Limiter, and_more


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_each_kind_has_its_own_share(clock):
    limiter = Limiter(clock)
    assert [limiter.passes("a") for _ in range(MOST_EACH + 2)] == [True] * MOST_EACH + [False] * 2
    assert limiter.passes("b")
    assert not list(limiter.overdue())


def test_what_was_withheld_is_told_once_when_the_span_is_over(clock):
    limiter = Limiter(clock, each=1)
    assert [limiter.passes("a") for _ in range(38)] == [True] + [False] * 37
    clock.now += SPAN_S - 1
    assert not list(limiter.overdue())
    clock.now += 1
    assert list(limiter.overdue()) == [("a", 37)]
    assert not list(limiter.overdue())
    assert limiter.passes("a")


def test_nothing_passes_before_the_count_of_what_did_not(clock):
    limiter = Limiter(clock, each=1)
    limiter.passes("a")
    limiter.passes("a")
    clock.now += 2 * SPAN_S
    assert not limiter.passes("a")
    assert list(limiter.overdue()) == [("a", 2)]


def test_a_span_without_excess_is_forgotten(clock):
    limiter = Limiter(clock, each=1)
    for _ in range(5):
        assert limiter.passes("a")
        clock.now += SPAN_S
    assert not list(limiter.overdue())
    assert not limiter._kinds


def test_all_kinds_together_have_a_share_too(clock):
    limiter = Limiter(clock, each=2, altogether=3)
    assert [limiter.passes(kind) for kind in "aabbc"] == [True, True, True, False, False]
    clock.now += SPAN_S
    assert sorted(limiter.overdue()) == [("b", 1), ("c", 1)]
    assert limiter.passes("c")


def test_one_kind_may_have_less(clock):
    limiter = Limiter(clock)
    assert [limiter.passes("a", 1) for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    "pace",
    [pytest.param(0.01, marks=pytest.mark.slow), 1.0, 61.0, 700.0, 3600.0, 5000.0],
)
def test_at_any_pace_all_is_said_or_counted(clock, pace):
    limiter = Limiter(clock)
    passed = counted = 0
    times = 0
    while clock.now < 100 + 5 * SPAN_S:
        times += 1
        passed += limiter.passes("a")
        clock.now += pace
        counted += sum(count for _, count in limiter.overdue())
    clock.now += SPAN_S
    counted += sum(count for _, count in limiter.overdue())
    assert passed + counted == times
    assert passed <= 6 * MOST_EACH


def test_the_summary_says_how_much_more():
    assert and_more(37) == " … and 37 more in the last hour"
