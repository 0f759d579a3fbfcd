"""Silence is believed after three rounds, for a quarter of an hour."""

from __future__ import annotations

from rct_collector.device.polling.unsupported import LONG_MUTE_S, MUTE_S, SILENT_ROUNDS, Unsupported
from rct_collector.drivers.base import Query

QUERY = Query(name="x", condition="always")
OTHER = Query(name="y", condition="always")


def test_a_query_is_given_up_after_three_silent_rounds_and_that_is_news_once():
    unsupported = Unsupported()
    assert [unsupported.lost(QUERY, 0.0) for _ in range(SILENT_ROUNDS + 2)] == [
        *[False] * (SILENT_ROUNDS - 1),
        True,
        False,
        False,
    ]
    assert QUERY in unsupported
    assert len(unsupported) == 1


def test_it_is_left_alone_for_a_while_and_then_tried_once():
    unsupported = Unsupported()
    for _ in range(SILENT_ROUNDS):
        unsupported.lost(QUERY, 0.0)
    assert unsupported.to_ask([QUERY], MUTE_S - 1) == []
    assert unsupported.to_ask([QUERY, OTHER], MUTE_S + 1) == [QUERY, OTHER]
    unsupported.lost(QUERY, MUTE_S + 1)
    assert unsupported.to_ask([QUERY, OTHER], MUTE_S + 2) == [OTHER]
    assert unsupported.answering([QUERY, OTHER]) == [OTHER]


def test_silence_counts_once_in_an_interval():
    unsupported = Unsupported(10.0)
    rounds = [0.0, 1.0, 5.0, 10.0, 15.0, 19.9]
    assert [unsupported.lost(QUERY, at) for at in rounds] == [False] * 5 + [True]


def test_a_new_connection_forgives_what_is_not_proven():
    unsupported = Unsupported(10.0)
    for at in (0.0, 10.0):
        unsupported.lost(QUERY, at)
    unsupported.reconnected(12.0)
    assert [unsupported.lost(QUERY, at) for at in (20.0, 30.0, 40.0)] == [False, False, True]


def test_a_new_connection_tries_once_what_was_given_up():
    unsupported = Unsupported(10.0)
    for at in (0.0, 10.0, 20.0):
        unsupported.lost(QUERY, at)
    unsupported.reconnected(30.0)
    assert unsupported.to_ask([QUERY], 30.0) == [QUERY]
    assert QUERY in unsupported
    assert not unsupported.lost(QUERY, 31.0), "that is no news"
    assert unsupported.to_ask([QUERY], 32.0) == []


def test_another_unit_may_answer_everything():
    unsupported = Unsupported()
    for _ in range(SILENT_ROUNDS):
        unsupported.lost(QUERY, 0.0)
    unsupported.forget()
    assert len(unsupported) == 0
    assert not unsupported.lost(QUERY, 1.0)


def test_an_answer_forgives_everything():
    unsupported = Unsupported()
    assert not unsupported.answered(QUERY)
    for _ in range(SILENT_ROUNDS):
        unsupported.lost(QUERY, 0.0)
    assert unsupported.answered(QUERY)
    assert QUERY not in unsupported
    assert not unsupported.lost(QUERY, 1.0)


def test_what_is_refused_may_be_left_alone_for_longer():
    unsupported = Unsupported(10.0)
    for at in (0.0, 10.0, 20.0):
        unsupported.lost(QUERY, at, LONG_MUTE_S)
    assert unsupported.to_ask([QUERY], 20.0 + LONG_MUTE_S - 1) == []
    assert unsupported.to_ask([QUERY], 20.0 + LONG_MUTE_S) == [QUERY]


def test_what_was_answered_before_is_left_alone_for_a_minute_at_first():
    unsupported = Unsupported(10.0)
    now, pauses = 0.0, []
    for _ in range(SILENT_ROUNDS + 9):
        unsupported.lost(QUERY, now, LONG_MUTE_S, grows=True)
        before = now
        while unsupported.to_ask([QUERY], now) != [QUERY] or now == before:
            now += 10.0
        pauses.append(now - before)
    assert pauses == [10, 10, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]
