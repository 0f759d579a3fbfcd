"""A set of queries in a bit for each, beside Python's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.polling.marks import Marks
from rct_collector.drivers.base import Query

QUERIES = [Query(f"q{n}") for n in range(70)]

#: What is done to a set with one of them.
STEPS = st.lists(st.tuples(st.sampled_from(["add", "discard", "clear"]), st.sampled_from(QUERIES)))


@given(STEPS)
def test_it_holds_what_a_set_would(steps):
    marks, expected = Marks(), set()
    for what, query in steps:
        for each in (marks, expected):
            getattr(each, what)(*[query] if what != "clear" else [])
        assert {query for query in QUERIES if query in marks} == expected
        assert bool(marks) == bool(expected)
