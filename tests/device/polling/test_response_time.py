"""An answer is waited for as long as answers take here."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.device.polling.response_time import LEAST_S, ResponseTime


def trained(*seconds, long=False):
    response_time = ResponseTime(2.0)
    for each in seconds:
        response_time.measured(each, long=long)
    return response_time


def test_nothing_known_means_the_configured_timeout():
    assert ResponseTime(2.0).wait(1, long=False) == 2.0


def test_a_quick_unit_is_waited_for_shortly():
    response_time = trained(*[0.05] * 50)
    assert response_time.wait(1, long=False) == LEAST_S


@pytest.mark.parametrize(("attempt", "factor"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_each_repeat_waits_twice_as_long_up_to_the_timeout(attempt, factor):
    response_time = trained(*[0.05] * 50)
    assert response_time.wait(attempt, long=False) == min(LEAST_S * factor, 2.0)


def test_long_answers_are_measured_by_themselves():
    response_time = trained(*[0.8] * 50, long=True)
    assert response_time.wait(1, long=True) == pytest.approx(0.8, abs=0.1)
    assert response_time.wait(1, long=False) == 2.0


def test_an_unsteady_unit_is_given_more_time_than_its_mean():
    rng = random.Random(1)
    seconds = [rng.choice([0.1, 0.7]) for _ in range(200)]
    assert trained(*seconds).wait(1, long=False) > 0.9


def test_a_unit_that_becomes_slow_is_soon_waited_for():
    response_time = trained(*[0.05] * 50)
    for _ in range(10):
        response_time.measured(0.9, long=False)
    assert response_time.wait(1, long=False) > 0.9


@given(st.lists(st.floats(0.0, 5.0), max_size=60), st.integers(1, 5), st.booleans())
def test_the_wait_is_never_outside_its_limits(seconds, attempt, long):
    wait = trained(*seconds, long=long).wait(attempt, long=long)
    assert LEAST_S <= wait <= 2.0


def test_another_unit_is_waited_for_as_if_nothing_were_known():
    response_time = trained(*[0.05] * 50)
    response_time.forget()
    assert response_time.wait(1, long=False) == 2.0
