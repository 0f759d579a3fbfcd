"""When queries are due again."""

import sys

from rct_collector.device.polling.due import DueTimes
from rct_collector.drivers.base import Query

A, B, C = QUERIES = [Query(name) for name in "abc"]
PLACES = {query: number for number, query in enumerate(QUERIES)}


def test_a_query_is_new_until_it_was_asked_though_announced_before():
    due = DueTimes(PLACES)
    assert due.is_new(A)
    assert not due.was_announced(A)
    assert due.due(A, new=7.0) == 7.0

    due.announce(A)
    assert due.is_new(A)
    assert due.was_announced(A)
    assert due.due(A, new=7.0) == 7.0

    due.put(A, 60.0)
    due.announce(A)  # which it was already
    assert not due.is_new(A)
    assert due.due(A, new=7.0) == 60.0
    assert due.is_new(B)


def test_what_is_asked_again_is_new_and_no_news():
    due = DueTimes(PLACES)
    due.put(A, 60.0)
    due.ask_again(A)
    due.ask_again(B)
    assert [due.is_new(query) for query in (A, B)] == [True, True]
    assert [due.was_announced(query) for query in (A, B)] == [True, False]


def test_of_another_plan_what_both_have_is_kept():
    due = DueTimes(PLACES)
    due.put(A, 60.0)
    due.announce(B)
    due.put(C, 70.0)
    new = Query("d")

    moved = due.moved({new: 0, C: 1, B: 2})

    assert moved.due(C, new=0.0) == 70.0
    assert moved.is_new(B)
    assert moved.was_announced(B)
    assert not moved.was_announced(new)


def test_all_is_news_after_all_was_forgotten():
    due = DueTimes(PLACES)
    due.put(A, 60.0)
    due.forget()
    assert not due.was_announced(A)


def test_each_query_of_a_device_takes_eight_bytes():
    many = {Query(str(number)): number for number in range(1000)}
    due = DueTimes(many)
    for query in many:
        due.put(query, 1e6)
    assert sys.getsizeof(due._due) < 8 * 1000 + 100
