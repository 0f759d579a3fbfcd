"""Whose turn it is."""

from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.backlog import SHARE_OF_AGE, in_turn


def test_what_is_soonest_due_comes_first_and_the_oldest_gets_every_fourth_place():
    waiting = {"static": 3600.0, "slow": 300.0, "m1": 61.0, "m2": 62.0, "m3": 63.0, "m4": 64.0}
    assert in_turn(waiting, {}) == ["m1", "m2", "m3", "static", "m4", "slow"]


def test_what_belongs_together_is_asked_together():
    waiting = {"old": 900.0, "b": 70.0, "m1": 61.0, "a": 61.0, "m2": 62.0}
    companions = {"a": ("b", "answered"), "b": ("a", "answered")}
    assert in_turn(waiting, companions) == ["m1", "a", "b", "m2", "old"]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(0, 20)), max_size=60))
def test_nothing_is_lost_and_nobody_waits_for_ever(entries):
    waiting = {query: until for query, (until, _) in enumerate(entries)}
    groups = {}
    for query, (_, group) in enumerate(entries):
        groups.setdefault(group, []).append(query)
    companions = {q: group for group in groups.values() for q in group}
    ordered = in_turn(waiting, companions)
    assert sorted(ordered) == sorted(waiting)
    largest = max(map(len, groups.values()), default=1)
    for age, query in enumerate(waiting):
        assert ordered.index(query) < largest * SHARE_OF_AGE * (age + 1)
    assert not ordered or waiting[ordered[0]] == min(waiting.values())
    for group in groups.values():
        places = [ordered.index(query) for query in group]
        assert max(places) - min(places) == len(group) - 1
