"""What a device may send before it has to wait."""

from __future__ import annotations

import pytest

from rct_collector.lines.inflow import (
    BURST,
    CALM_S,
    EVENT,
    LEAST_PAUSE_S,
    PIECE,
    RATE,
    STALE_S,
    Inflow,
)
from rct_collector.transport import READ_BYTES


def feed(inflow, seconds, *, pace, size, events=0, noise=0, begin=0.0):
    """Pieces at a pace, which wait while nothing is read; gives the bytes taken and the end."""
    now, waiting, taken = begin, 0.0, 0
    while now < begin + seconds:
        waiting += size
        piece = min(int(waiting), READ_BYTES)
        waiting -= piece
        taken += piece
        now += max(inflow.take(now, piece, events, noise and piece), pace)
    return taken, now


def test_what_a_line_can_bring_is_never_held_up():
    """A serial line at its highest speed, full of answers, each of them in its own piece."""
    inflow = Inflow()
    for n in range(60 * 500):
        assert inflow.take(n / 500, 23, 1, 0) == 0.0
    for n in range(60 * 100):  # or as they come in segments
        assert inflow.take(100 + n / 100, 115, 8, 0) == 0.0
    assert not inflow.floods
    assert not inflow.is_stale(160.0)


def test_half_a_minute_of_answers_at_once_is_not_held_up():
    inflow = Inflow()
    pauses = [inflow.take(50.0 + n / 1000, READ_BYTES, 40, 0) for n in range(8)]
    assert pauses == [0.0] * 8


@pytest.mark.parametrize("size", [1, 14, 1460, READ_BYTES])
def test_a_flood_is_taken_in_at_the_rate_that_is_set(size):
    inflow = Inflow()
    taken, seconds = feed(inflow, 60.0, pace=size / 350e3, size=size, noise=size)
    pieces = taken / READ_BYTES
    assert taken + PIECE * pieces <= RATE * seconds + BURST + READ_BYTES
    assert inflow.floods


def test_events_are_work_too():
    inflow = Inflow()
    events = 0
    now = 0.0
    while now < 60.0:
        now += max(inflow.take(now, READ_BYTES, READ_BYTES // 9, 0), 0.001)
        events += READ_BYTES // 9
    assert events * EVENT < RATE * now + BURST + READ_BYTES * EVENT


def test_single_bytes_at_any_pace_are_read_in_pieces():
    """Each piece that is read is a turn of the loop."""
    inflow = Inflow()
    turns, now = 0, 0.0
    while now < 60.0:
        now += max(inflow.take(now, 1, 1, 1), 1e-5)
        turns += 1
    assert turns * (PIECE + EVENT) < RATE * now + BURST + 1e4


def test_a_pause_is_never_too_short_to_be_worth_it():
    inflow = Inflow()
    pauses = {inflow.take(0.0, 300, 0, 0) for _ in range(1000)} - {0.0}
    assert min(pauses) >= LEAST_PAUSE_S


def test_what_waits_for_long_is_stale_until_all_of_it_was_read():
    inflow = Inflow()
    for n in range(40):
        inflow.take(n * STALE_S / 20, READ_BYTES, 0, READ_BYTES)
    assert inflow.is_stale(2 * STALE_S)
    inflow.take(2 * STALE_S, READ_BYTES - 1, 0, 0)
    assert not inflow.is_stale(2 * STALE_S)


def test_a_full_piece_after_a_long_silence_is_not_stale():
    inflow = Inflow()
    inflow.take(0.0, 14, 1, 0)
    inflow.take(5000.0, READ_BYTES, 0, 0)
    assert not inflow.is_stale(5000.0)


def test_what_has_waited_on_another_line_makes_nothing_stale():
    inflow = Inflow()
    for n in range(200):
        inflow.take(n / 100, READ_BYTES, 0, 0)
    inflow.reset()
    assert not inflow.is_stale(2.0)
    assert inflow.take(2.0, READ_BYTES, 0, 0) > 0, "what was spent is spent on any line"


def test_it_is_over_when_no_pause_was_needed_for_a_while():
    inflow = Inflow()
    _, end = feed(inflow, 10.0, pace=0.01, size=4000, noise=1)
    for second in range(int(CALM_S) - 1):
        inflow.take(end + second, 14, 1, 0)
        assert not inflow.calms(end + second)
    assert inflow.calms(end + CALM_S + 1)
    assert not inflow.calms(end + CALM_S + 2)


def test_the_figures_are_those_since_it_began():
    inflow = Inflow()
    for n in range(100):
        inflow.take(float(n), 1000, 1, 10)
    feed(inflow, 1.0, pace=0.01, size=4000, noise=1, begin=200.0)
    assert inflow.begun_at == pytest.approx(200.0, abs=0.1)
    assert inflow.noise == inflow.size >= 100_000
