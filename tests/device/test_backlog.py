"""Whose turn it is."""

from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.backlog import SHARE_OF_AGE, in_turn


def test_what_is_soonest_due_comes_first_and_the_oldest_gets_every_fourth_place():
    waiting = {"static": 3600.0, "slow": 300.0, "m1": 61.0, "m2": 62.0, "m3": 63.0, "m4": 64.0}
    assert in_turn(waiting) == ["m1", "m2", "m3", "static", "m4", "slow"]


@given(st.lists(st.floats(0, 1e6), max_size=60))
def test_nothing_is_lost_and_nobody_waits_for_ever(deadlines):
    waiting = dict(enumerate(deadlines))
    ordered = in_turn(waiting)
    assert sorted(ordered) == sorted(waiting)
    for age, query in enumerate(waiting):
        assert ordered.index(query) < SHARE_OF_AGE * (age + 1)
    assert not ordered or waiting[ordered[0]] == min(deadlines)
