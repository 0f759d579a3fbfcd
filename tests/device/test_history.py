"""The past of a unit: every time of the range once, whatever pages its memory gives."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.device import reading as module
from rct_collector.device.history import ATTEMPTS, HistoryReader
from rct_collector.device.reading import MOST_EMPTY
from rct_collector.drivers import base
from rct_collector.drivers.base import Page, Past, Query
from rct_collector.model import Origin
from tests import virtual
from tests.answering import REFUSES, Answering

ROWS = catalog()
SOC = ROWS.series("inverter_battery.soc_percent", battery="0")
LOG, OTHER = Query("log", "always"), Query("other", "always")
STEP = 300


def backwards(page_rows):
    """A memory that is read from the end: asked with a time, it gives some rows before that."""
    return base.History(
        queries=(LOG,),
        first=lambda _query, span: span.end_ns,
        page=lambda _ask, value, span: Page(
            tuple(Past(at, ((SOC, float(at % 100)),)) for at in value),
            min(value) if len(value) == page_rows and min(value) > span.start_ns else None,
        ),
    )


class Reading:
    def __init__(self, answer, memory=None, **more):
        self.port = Answering(answer)
        self.batches = []
        self.history = HistoryReader(
            memory or backwards(10),
            self.port.inquiry,
            lambda *batch: self.batches.append(batch),
            wanted=more.pop("wanted", lambda _series: True),
            lacks=more.pop("lacks", lambda _query: False),
            zone=None,
        )

    def read(self, start=0, end=10**6, query=LOG):
        return virtual.run(lambda _loop: self.history.read(query, start, end))

    @property
    def times(self):
        return [at for at, _, _ in self.batches]


def kept(times, page_rows=10):
    """A unit that has kept some times."""
    return lambda _query, before: tuple(sorted(at for at in times if at < before)[-page_rows:])


@settings(deadline=None)
@given(
    st.sets(st.integers(1, 400), max_size=60),
    st.integers(1, 200),
    st.integers(1, 200),
    st.integers(1, 12),
)
def test_every_time_of_the_range_comes_once_as_history(times, start, length, page_rows):
    reading = Reading(kept(times, page_rows), backwards(page_rows))
    end = start + length
    progress = reading.read(start, end)
    assert sorted(reading.times) == sorted(at for at in times if start <= at < end)
    assert progress.complete
    assert progress.rows == len(reading.times)
    assert all(origin is Origin.HISTORY for _, _, origin in reading.batches)
    assert all(values == [(SOC, float(at % 100))] for at, values, _ in reading.batches)


def test_each_page_is_handed_over_in_the_order_of_time():
    reading = Reading(kept(range(1, 26)))
    reading.read()
    pages = [reading.times[:10], reading.times[10:20], reading.times[20:]]
    assert pages == [list(range(16, 26)), list(range(6, 16)), list(range(1, 6))]


def test_several_rows_may_be_of_one_time():
    """Of each battery one, on one page or on two; what comes twice is left out all the same."""
    first, second = (ROWS.series("inverter_battery.soc_percent", battery=n) for n in "01")
    pages = [[(first, 1), (second, 1)], [(first, 2)], [(first, 1), (second, 2), (second, 2)]]
    memory = base.History(
        queries=(LOG,),
        first=lambda _query, _span: 0,
        page=lambda ask, value, _span: Page(
            tuple(Past(at, ((series, 50.0),)) for series, at in value),
            ask.argument + 1 if ask.argument < len(pages) - 1 else None,
        ),
    )
    reading = Reading(lambda _query, page: pages[page], memory)
    assert reading.read().rows == 4
    found = [(series, at) for at, ((series, _),), _ in reading.batches]
    assert found == [(first, 1), (second, 1), (first, 2), (second, 2)]


def test_the_line_is_left_to_others_between_two_pages():
    reading = Reading(kept(range(1, 26)))
    reading.read()
    times = [at for at, _, _ in reading.port.asked]
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise(times))


def test_page_that_is_lost_is_asked_for_again():
    answers = itertools.chain([None], itertools.repeat(None, ATTEMPTS - 2), [(5,)])
    reading = Reading(lambda *_: next(answers))
    assert reading.read().complete
    assert reading.times == [5]


def test_silence_ends_it_with_the_reason_and_what_came_stays():
    answers = iter([tuple(range(91, 101))])
    reading = Reading(lambda *_: next(answers, None))
    progress = reading.read()
    assert not progress.complete
    assert "log was not answered" in progress.why
    assert reading.times == list(range(91, 101))


def test_refusal_ends_it():
    reading = Reading(lambda *_: REFUSES)
    progress = reading.read()
    assert (progress.complete, progress.why) == (False, "the unit refuses log")
    assert len(reading.port.asked) == 1


def test_unit_that_comes_no_further_is_left():
    stuck = base.History(
        queries=(LOG,), first=lambda *_: 7, page=lambda *_: Page((Past(5, ((SOC, 1.0),)),), 7)
    )
    reading = Reading(lambda *_: 1, stuck)
    assert reading.read().why == "the unit comes no further"
    assert reading.times == [5]


@pytest.mark.parametrize(("hole", "found"), [(MOST_EMPTY - 1, True), (MOST_EMPTY, False)])
def test_hole_is_passed_and_the_end_is_not_waited_for(hole, found):
    """Each page says how to go on; so many empty ones in a row are the end."""
    memory = base.History(
        queries=(LOG,),
        first=lambda *_: 0,
        page=lambda ask, *_: (
            Page((Past(5, ((SOC, 1.0),)),)) if ask.argument == hole else Page((), ask.argument + 1)
        ),
    )
    reading = Reading(lambda *_: 1, memory)
    assert reading.read().complete is found
    assert bool(reading.times) is found


def test_unit_that_never_ends_is_left(monkeypatch):
    monkeypatch.setattr(module, "MOST_PAGES", 3)
    endless = base.History(
        queries=(LOG,),
        first=lambda *_: 1,
        page=lambda ask, *_: Page((Past(ask.argument, ((SOC, 1.0),)),), ask.argument + 1),
    )
    reading = Reading(lambda *_: 1, endless)
    assert reading.read().why == "it goes on after 3 pages"


def test_a_part_that_the_unit_lacks_is_not_asked_about():
    """Units keep zeros of it."""
    reading = Reading(kept([1, 2]), lacks=lambda query: query is LOG)
    assert reading.read().complete
    assert (reading.batches, reading.port.asked) == ([], [])


def test_what_the_user_does_not_want_is_left_out():
    reading = Reading(kept([1, 2]), wanted=lambda _series: False)
    assert reading.read().complete
    assert reading.batches == []


@pytest.mark.parametrize(
    ("query", "start", "end", "message"),
    [(OTHER, 0, 1, "has no other; it has log"), (LOG, 5, 5, "the range ends at 5")],
)
def test_what_makes_no_sense_is_refused(query, start, end, message):
    with pytest.raises(ValueError, match=message):
        Reading(kept([])).read(start, end, query)
