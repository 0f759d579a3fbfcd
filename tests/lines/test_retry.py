"""How long to wait before the next attempt, and when to give up."""

import pytest
from tenacity import stop_never, wait_fixed

from rct_collector.lines.retry import ATTEMPTS, RECONNECT, delay


@pytest.mark.parametrize("attempt", range(1, ATTEMPTS))
def test_request_is_repeated_after_a_random_short_pause(attempt):
    pauses = [delay(attempt) for _ in range(200)]
    assert all(0.05 <= pause <= 0.5 for pause in pauses)
    assert len(set(pauses)) > 100  # not in step with another client


@pytest.mark.parametrize("attempt", [ATTEMPTS, ATTEMPTS + 1, 99])
def test_request_is_given_up_after_the_last_attempt(attempt):
    assert delay(attempt) is None


def test_answer_that_nobody_of_us_asked_for_does_not_count_as_an_attempt():
    assert delay(0) is not None


def test_connecting_is_tried_quickly_then_rarely_and_never_given_up():
    pauses = [delay(attempt, RECONNECT, stop_never) for attempt in range(1, 15)]
    assert pauses == [1, 2, *[5] * 12]
    assert sum(pauses) > 60, "somebody changes a plug"
    night = [delay(attempt, RECONNECT, stop_never) for attempt in range(15, 200)]
    assert all(15 <= pause <= 20 for pause in night)
    assert len(set(night)) > 100  # the units of a plant do not come back in one moment


def test_any_strategy_of_the_library_serves():
    assert delay(7, wait_fixed(3), stop_never) == 3.0
