"""The curves of the last 24 hours."""

import math

from hypothesis import given
from hypothesis import strategies as st

from rct_collector.web.past import KEPT, STEP_S, DayCurves

T0 = 1_700_000_100.0 // STEP_S * STEP_S


def curve(past, now, name="pv"):
    """Time → mean, of those that there are."""
    told = past.to_json(now)
    times = (told["begin"] + n * told["step"] for n in range(KEPT))
    return {t - T0: v for t, v in zip(times, told["values"][name], strict=True) if v is not None}


def test_means_of_five_minutes():
    past = DayCurves()
    for second, watts in ((0, 100.0), (10, 200.0), (299, 300.0), (300, 1000.0)):
        past.take("pv", T0 + second, watts)

    assert curve(past, T0 + 310) == {0: 200.0, 300: 1000.0}


def test_a_gap_stays_a_gap():
    past = DayCurves()
    past.take("pv", T0, 100.0)
    past.take("pv", T0 + 1200, 300.0)

    assert curve(past, T0 + 1200) == {0: 100.0, 1200: 300.0}


def test_what_is_a_day_old_is_forgotten():
    past = DayCurves()
    past.take("pv", T0, 100.0)

    assert curve(past, T0 + (KEPT - 1) * STEP_S) == {0: 100.0}
    assert curve(past, T0 + KEPT * STEP_S) == {}


def test_silence_of_many_days_leaves_nothing():
    past = DayCurves()
    for step in range(KEPT):
        past.take("pv", T0 + step * STEP_S, 100.0)

    assert curve(past, T0 + 40 * 86400) == {}


def test_late_values_find_their_place_and_too_late_ones_none():
    past = DayCurves()
    past.take("pv", T0 + 3600, 500.0)
    past.take("pv", T0, 100.0)
    past.take("pv", T0 - 90000, 900.0)

    assert curve(past, T0 + 3600) == {0: 100.0, 3600: 500.0}


def test_memory_fills_only_what_was_not_measured():
    past = DayCurves()
    past.take("pv", T0 + 300, 500.0)
    for second in (0, 300):
        past.restore("pv", T0 + second, 100.0)

    assert curve(past, T0 + 300) == {0: 100.0, 300: 500.0}


@given(st.lists(st.tuples(st.integers(0, 3 * 86400), st.floats(-1e5, 1e5)), max_size=60))
def test_it_is_the_mean_of_what_was_taken_in_time(values):
    past, newest = DayCurves(), 0
    taken = {}
    for second, watts in values:
        newest = max(newest, second // STEP_S)
        past.take("pv", T0 + second, watts)
        if second // STEP_S > newest - KEPT:
            taken.setdefault(second // STEP_S, []).append(watts)
    if not values:
        return

    found = curve(past, T0 + newest * STEP_S)

    wanted = {n: v for n, v in taken.items() if n > newest - KEPT}
    assert set(found) == {n * STEP_S for n in wanted}
    for n, watts in wanted.items():
        assert math.isclose(found[n * STEP_S], sum(watts) / len(watts), rel_tol=1e-5, abs_tol=0.5)
