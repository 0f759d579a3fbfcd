"""Whose turn it is."""

from collections import Counter
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.backlog import SHARE_OF_AGE, Backlog, in_turn
from rct_collector.device.muting import Muting
from rct_collector.drivers.base import Query
from rct_collector.model import PollClass


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


def rounds(room, count, *, every, queries):
    """What is asked in each round, when there is room for so many; two make up a sum."""
    asked = [Query(f"q{n}", "always") for n in range(queries)]
    one, other = asked[2:4]
    plan = SimpleNamespace(queries=lambda _: asked, companions={one: (other,), other: (one,)})
    discovery = SimpleNamespace(has=lambda _: True, open=list, deciding=[], facts={})
    backlog = Backlog(plan, discovery, Muting(), lambda _: 10.0 * every)
    for number in range(count):
        now = 10.0 * number
        backlog.queue([PollClass.MEDIUM] if number % every == 0 else [], now)
        turn = backlog.in_turn()
        yield [query.name for query in turn[:room]]
        backlog.keep(turn[room:], now)


@pytest.mark.parametrize("room", [1, 2, 3, 4])
@pytest.mark.parametrize("every", [1, 2, 3, 6, 50])
def test_rounds_too_short_for_all_are_shared(room, every):
    """A sum is not asked for again and again at the cost of everybody else."""
    counts = Counter(name for asked in rounds(room, 600, every=every, queries=12) for name in asked)
    assert len(counts) == 12
    assert max(counts.values()) <= 3 * min(counts.values())


@pytest.mark.parametrize("every", [1, 3, 6, 50])
def test_a_sum_comes_as_often_as_its_parts_if_there_is_room_for_it(every):
    together = Counter(
        len({"q2", "q3"} & set(asked)) for asked in rounds(2, 600, every=every, queries=12)
    )
    assert together[2] >= 0.9 * together[1]
