"""When rounds begin, and which classes are asked in them."""

import math
import zlib
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.device.polling.schedule import Schedule, next_tick, phase
from rct_collector.model import PollClass

F, M, S, X = PollClass.FAST, PollClass.MEDIUM, PollClass.SLOW, PollClass.STATIC
USUAL = {F: 10.0, M: 60.0, S: 300.0, X: 3600.0}

untimed = settings(deadline=None)

#: Float arithmetic on Unix seconds.
EPSILON = 1e-5

#: 2026-06-21 00:00:00 UTC, a full multiple of all usual intervals.
MIDNIGHT = 1_782_000_000.0

names = st.from_regex(r"[A-Za-z0-9._-]{1,30}", fullmatch=True)
moments = st.floats(1.6e9, 2.6e9)
intervals = st.one_of(
    st.sampled_from([1.0, 2.5, 5.0, 7.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0]),
    st.floats(1, 5000),
)


def on_grid(moment: float, interval: float, shift: float) -> bool:
    off = (moment - shift) % interval
    return min(off, interval - off) < EPSILON


# -- the grid ----------------------------------------------------------------------------------


@pytest.mark.slow
@untimed
@given(names, intervals)
def test_phase_lies_within_the_interval_and_survives_restarts(name, interval):
    shift = phase(name, interval)
    assert 0 <= shift < interval
    assert shift == phase(name, interval)
    assert shift == zlib.crc32(name.encode()) % 8_640_000 / 100 % interval


def test_phase_of_a_known_name_never_changes():
    """Frozen: another value would move every user's rounds."""
    assert phase("roof", 10.0) == pytest.approx(zlib.crc32(b"roof") % 1000 / 100)
    assert phase("roof", 10.0) == pytest.approx(5.71)


def test_aligned_rounds_begin_at_full_multiples():
    assert phase("roof", 10.0, aligned=True) == 0.0
    assert next_tick(MIDNIGHT + 3.0, 10.0, 0.0) == MIDNIGHT + 10.0


@pytest.mark.parametrize("interval", [1.0, 10.0, 60.0, 300.0])
def test_thousand_devices_are_spread_evenly_over_the_interval(interval):
    tenths = Counter(int(phase(f"unit-{n}", interval) / interval * 10) for n in range(1000))
    assert sorted(tenths) == list(range(10))
    assert all(70 <= count <= 130 for count in tenths.values())


@untimed
@given(moments, intervals, st.floats(0, 1))
def test_next_tick_is_the_first_grid_point_after_now(now, interval, part):
    shift = part * interval
    tick = next_tick(now, interval, shift)
    assert now < tick <= now + interval + EPSILON
    assert on_grid(tick, interval, shift)


@untimed
@given(moments, intervals, st.floats(0, 1))
def test_ticks_follow_each_other_at_the_interval(now, interval, part):
    """Asked exactly on a tick, as a punctual caller does, the answer is the one after it."""
    shift = part * interval
    tick = next_tick(now, interval, shift)
    for _ in range(5):
        following = next_tick(tick, interval, shift)
        assert following - tick == pytest.approx(interval, abs=EPSILON)
        tick = following


@pytest.mark.slow
@untimed
@given(names, moments)
def test_tick_of_a_slow_class_is_a_tick_of_every_class_that_divides_it(name, now):
    slow = next_tick(now, 3600.0, phase(name, 3600.0))
    for interval in (5.0, 10.0, 60.0, 300.0):
        assert on_grid(slow, interval, phase(name, interval))


@pytest.mark.slow
@untimed
@given(names, moments)
def test_time_until_the_next_tick_leads_to_it(name, now):
    schedule = Schedule(name, USUAL)
    left = schedule.until_next(now)
    assert 0 < left <= 10.0 + EPSILON
    assert on_grid(now + left, 10.0, phase(name, 10.0))


# -- ticks and missed ticks --------------------------------------------------------------------


def test_pace_of_rounds_is_that_of_the_fastest_class():
    assert Schedule("roof", {M: 60.0, F: 20.0}).interval == 20.0


def test_ticks_that_passed_unserved_are_counted_not_made_up_for():
    schedule = Schedule("roof", USUAL, aligned=True)
    assert schedule.advance(MIDNIGHT + 1) == (MIDNIGHT + 10, 0)
    assert schedule.advance(MIDNIGHT + 11) == (MIDNIGHT + 20, 0)
    assert schedule.advance(MIDNIGHT + 45) == (MIDNIGHT + 50, 2)
    assert schedule.advance(MIDNIGHT + 51) == (MIDNIGHT + 60, 0)


def test_tick_that_is_announced_twice_is_not_missed():
    schedule = Schedule("roof", USUAL, aligned=True)
    schedule.advance(MIDNIGHT + 1)
    assert schedule.advance(MIDNIGHT + 2) == (MIDNIGHT + 10, 0)


def test_clock_set_back_misses_nothing():
    schedule = Schedule("roof", USUAL, aligned=True)
    schedule.advance(MIDNIGHT + 1)
    assert schedule.advance(MIDNIGHT - 7200) == (MIDNIGHT - 7190, 0)
    assert schedule.advance(MIDNIGHT - 7189) == (MIDNIGHT - 7180, 0)


def test_clock_set_forward_by_hours_misses_nothing():
    schedule = Schedule("roof", USUAL, aligned=True)
    schedule.advance(MIDNIGHT + 1)
    assert schedule.advance(MIDNIGHT + 86400) == (MIDNIGHT + 86410, 0)


# -- which classes are due ---------------------------------------------------------------------


def served(schedule: Schedule, walls: list[float]) -> dict[PollClass, list[float]]:
    """When each class was served, if rounds begin at the given times."""
    times: dict[PollClass, list[float]] = {poll: [] for poll in PollClass}
    for wall in walls:
        for poll in schedule.begin(wall):
            times[poll].append(wall)
    return times


def test_first_round_is_at_once_off_the_grid_and_takes_everything():
    schedule = Schedule("roof", USUAL, aligned=True)
    assert schedule.begin(MIDNIGHT + 123.4) == {F, M, S, X}
    assert schedule.begin(MIDNIGHT + 130) == {F}


def test_class_that_the_first_round_has_just_served_is_not_served_again_right_after():
    schedule = Schedule("roof", USUAL, aligned=True)
    schedule.begin(MIDNIGHT + 299)
    assert schedule.begin(MIDNIGHT + 300) == {F}
    assert schedule.begin(MIDNIGHT + 360) == {F, M}
    assert schedule.begin(MIDNIGHT + 600) == {F, M, S}


def test_round_that_begins_a_little_early_serves_its_tick():
    schedule = Schedule("roof", USUAL, aligned=True)
    schedule.begin(MIDNIGHT + 1)
    assert schedule.begin(MIDNIGHT + 56) == {F, M}
    assert schedule.begin(MIDNIGHT + 61) == {F}


def test_class_as_fast_as_the_fastest_is_served_in_every_round():
    schedule = Schedule("roof", {F: 10.0, M: 10.0, S: 20.0}, aligned=True)
    times = served(schedule, [MIDNIGHT + 10 * n for n in range(10)])
    assert len(times[M]) == 10
    assert len(times[S]) == 5


@pytest.mark.slow
@untimed
@given(names, moments, st.integers(100, 800), st.data())
def test_each_class_is_served_at_its_rate_over_any_long_run(name, start, rounds, data):
    """Exactly once per point of its own grid, whatever its ratio to the fastest class."""
    fast = data.draw(intervals, "fast")
    slow = fast * data.draw(st.one_of(st.sampled_from([2, 6, 30]), st.floats(1.01, 40)), "ratio")
    schedule = Schedule(name, {F: fast, S: slow})
    first = next_tick(start, fast, phase(name, fast))
    walls = [first + n * fast for n in range(rounds)]
    times = served(schedule, walls)
    assert times[F] == walls
    # The first round takes all, then one per grid point from half a round later.
    shift = phase(name, slow)
    due = next_tick(first + 0.5 * fast, slow, shift)
    expected = max(0, math.floor((walls[-1] + 0.5 * fast - due) / slow) + 1)
    assert abs(len(times[S]) - 1 - expected) <= 1
    for wall in times[S][1:]:
        off = (wall - shift) % slow
        assert min(off, slow - off) <= 0.5 * fast + EPSILON
    for earlier, later in zip(times[S][1:], times[S][2:], strict=False):
        assert slow - fast - EPSILON <= later - earlier <= slow + fast + EPSILON


@pytest.mark.slow
@untimed
@given(names, moments, st.lists(st.integers(1, 40), min_size=5, max_size=100))
def test_missed_rounds_are_not_replayed(name, start, steps):
    """After any pause a class that fell due is served once, in the next round, then on its grid."""
    schedule = Schedule(name, USUAL)
    wall = next_tick(start, 10.0, phase(name, 10.0))
    schedule.begin(wall)
    last = wall
    for step in steps:
        wall += 10.0 * step
        due = schedule.begin(wall)
        between = next_tick(last + 5.0, 300.0, phase(name, 300.0)) <= wall + 5.0
        assert (S in due) == between
        if S in due:
            last = wall


@pytest.mark.slow
@untimed
@given(names, moments, st.floats(-1e8, 1e8), st.integers(5, 50))
def test_step_of_the_wall_clock_silences_no_class_and_causes_no_burst(name, start, step, before):
    schedule = Schedule(name, USUAL)
    wall = next_tick(start, 10.0, phase(name, 10.0))
    for _ in range(before):
        schedule.begin(wall)
        wall += 10.0
    wall = next_tick(wall + step, 10.0, phase(name, 10.0))
    times = served(schedule, [wall + 10.0 * n for n in range(800)])
    for poll, interval in ((M, 60.0), (S, 300.0), (X, 3600.0)):
        # Twice its interval at most until it comes, then at its pace, with one extra for the step.
        assert times[poll][0] <= wall + 2 * interval
        assert 8000 / interval - 2 <= len(times[poll]) <= 8000 / interval + 2
        gaps = [b - a for a, b in zip(times[poll][1:], times[poll][2:], strict=False)]
        assert all(gap == pytest.approx(interval, abs=EPSILON) for gap in gaps)
