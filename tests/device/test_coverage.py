"""Which times need nothing from the memory: slots, gaps, the file, and a clock that is set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.coverage import (
    EVENTS_S,
    LONGEST_S,
    MOST,
    MOST_EVENTS,
    SETTLED_S,
    SLOT_S,
    STEADY_S,
    Coverage,
    SlotRange,
    SlotRanges,
    ToldEvent,
    floor,
)

WALL = 1_782_036_000.0
SINCE_S = 3600.0
END = floor(WALL - SETTLED_S)
SECOND = 1_000_000_000


class Kept:
    """A file, in memory."""

    def __init__(self, content=None):
        self.content = content or {}
        self.unsaved = None

    def load(self):
        return self.content

    def save(self, kept):
        self.unsaved = kept

    def tick(self, now):
        pass

    def close(self):
        if self.unsaved is not None:
            self.content = self.unsaved


def made(kept=None, wall=WALL, now=0.0):
    return Coverage("roof", kept, wall=wall, now=now)


SPANS = st.builds(
    lambda start, length: SlotRange(start * SLOT_S, (start + length) * SLOT_S),
    st.integers(0, 60),
    st.integers(0, 20),
)


def slots(spans):
    return {at for span in spans for at in range(*span, SLOT_S)}


@given(st.lists(SPANS, max_size=12), SPANS)
def test_spans_are_sets_of_slots(some, window):
    spans = SlotRanges(some)
    assert slots(spans) == slots(some)
    listed = list(spans)
    assert all(a.end < b.start for a, b in zip(listed, listed[1:], strict=False))
    missing = list(spans.missing(window))
    assert slots(missing) == slots([window]) - slots(some)
    assert all(a.end < b.start for a, b in zip(missing, missing[1:], strict=False))
    assert all((at in spans) == (at in slots(some)) for at in range(0, 81 * SLOT_S, SLOT_S))
    spans.clip(window)
    assert slots(spans) == slots([window]) & slots(some)


@given(st.sets(st.integers(0, 400)), st.integers(1, 10))
def test_shortened_spans_lose_nothing_but_their_oldest_gaps(some, most):
    spans = SlotRanges(SlotRange(n * SLOT_S, (n + 1) * SLOT_S) for n in some)
    before = slots(spans)
    given_up = spans.shorten(most)
    assert len(spans) <= most
    more = slots(spans) - before
    assert given_up == len(more) * SLOT_S
    left = {at for span in list(spans)[1:] for at in range(*span, SLOT_S)}
    assert not more & left


def test_what_was_never_covered_is_a_gap_up_to_what_is_too_new():
    assert made(Kept()).gaps(WALL, SINCE_S) == [(floor(WALL - SINCE_S), END)]


def test_without_a_file_nothing_before_the_start_is_missing():
    coverage = made(None)
    assert coverage.gaps(WALL, SINCE_S) == []
    assert coverage.gaps(WALL + 3600, SINCE_S) == [(floor(WALL), END + 3600)]


def test_live_and_restored_slots_close_gaps():
    coverage = made(Kept())
    coverage.handed_over(END - 1000.0)
    slot = floor(END - 1000.0)
    assert slot + 1.0 in coverage
    start = floor(WALL - SINCE_S)
    assert coverage.gaps(WALL, SINCE_S) == [(start, slot), (slot + SLOT_S, END)]
    coverage.restored(SlotRange(start, slot))
    assert coverage.gaps(WALL, SINCE_S) == [(slot + SLOT_S, END)]


def test_next_run_takes_it_up():
    kept = Kept()
    first = made(kept)
    first.restored(SlotRange(END - 600, END))
    first.happened([ToldEvent(5 * SECOND, 7)])
    second = made(kept)
    assert second.gaps(WALL, SINCE_S) == [(floor(WALL - SINCE_S), END - 600)]
    assert second.events == {(5 * SECOND, 7)}


@pytest.mark.parametrize("step", [-86400.0, 86400.0 * 365])
def test_clock_that_was_set_takes_back_what_was_marked_live(step):
    """Nobody knows which of the readings was right; what was restored has the unit's own times."""
    coverage = made(Kept())
    coverage.restored(SlotRange(END - 1200, END - 900))
    coverage.handed_over(END - 300.0)
    assert not coverage.tick(WALL + 10, 10.0)
    assert coverage.tick(WALL + 20 + step, 20.0)
    assert END - 1200.0 in coverage
    assert END - 300.0 not in coverage
    assert not coverage.tick(WALL + 30 + step, 30.0)


def test_clock_that_was_set_takes_back_what_was_searched_in_vain():
    coverage = made(Kept())
    coverage.restored(SlotRange(END - 1200, END - 900))
    coverage.searched(SlotRange(END - 900, END))
    assert END - 300.0 in coverage
    assert coverage.tick(WALL - 3600.0, 10.0)
    assert END - 1200.0 in coverage
    assert END - 300.0 not in coverage


def test_slow_drift_and_small_corrections_are_no_setting():
    coverage = made(Kept())
    coverage.handed_over(WALL)
    assert not coverage.tick(WALL + 100.0, 10.0)
    assert WALL in coverage


def test_what_a_wrong_clock_has_marked_beyond_the_present_is_forgotten_in_time():
    future = floor(WALL + 86400 * 30)
    kept = Kept({"covered": [[future, future + SLOT_S]]})
    coverage = made(kept)
    coverage.tick(WALL + 10, 10.0)
    assert future in coverage, "this clock may be the wrong one"
    coverage.tick(WALL + STEADY_S + 10, STEADY_S + 10)
    assert future not in coverage


@pytest.mark.slow
def test_file_stays_small():
    kept = Kept()
    coverage = made(kept)
    for n in range(3 * MOST):
        coverage.handed_over(WALL - n * 2 * SLOT_S)
        coverage.happened([ToldEvent(round(WALL * SECOND) - n * SECOND, n)])
    assert len(kept.content["covered"]) <= MOST
    assert len(kept.content["events"]) <= MOST_EVENTS
    assert made(kept).gaps(WALL, 3600.0) == coverage.gaps(WALL, 3600.0)


def test_older_gaps_than_any_memory_are_none():
    (gap,) = made(Kept()).gaps(WALL, 10 * LONGEST_S)
    assert gap.start == floor(WALL - LONGEST_S)


def test_events_of_a_day_are_known_again_and_older_ones_are_past():
    coverage = made(Kept())
    newest = 10 * EVENTS_S * SECOND
    coverage.happened([ToldEvent(SECOND, 1), ToldEvent(newest - SECOND, 2), ToldEvent(newest, 3)])
    assert coverage.events == {(newest - SECOND, 2), (newest, 3)}
    assert coverage.events_from_ns == newest - EVENTS_S * SECOND
    assert coverage.newest_event_ns == newest


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"covered": [[0, 300, 600]]}, ""),
        ({"covered": 5}, ""),
        ({"covered": [[0, 299]]}, "[0, 299] is no interval of whole 300 seconds"),
        ({"covered": [[600, 300]]}, "[600, 300] is no interval"),
        ({"covered": [[0, 300.0]]}, "300.0 is no time"),
        ({"covered": [[-300, 300]]}, "-300 is no time"),
        ({"covered": [[0, True]]}, "True is no time"),
        ({"covered": [[n * 600, n * 600 + 300] for n in range(MOST + 1)]}, "intervals are more"),
        ({"events": [[0, 0]] * (MOST_EVENTS + 1)}, "events are more than"),
        ({"events": [["now", 1]]}, "'now' is no time"),
        ({"events_from_ns": None}, "None is no time"),
    ],
)
def test_damaged_file_is_told_of_and_all_is_missing(content, words, caplog):
    good = {"covered": [[0, 300]], "events": [], "events_from_ns": 0}
    coverage = made(Kept({**good, **content}))
    assert list(coverage.gaps(1200.0, 86400.0)) == [(floor(1200.0 - 86400.0), 600)]
    assert "roof: which times are covered is not known" in caplog.text
    assert words in caplog.text
