"""How long to wait before the next attempt, and when to give up."""

import importlib.util
import runpy

import pytest

from rct_collector.lines import retry
from rct_collector.lines.retry import ATTEMPTS, delay, reconnect_delay


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
    pauses = [reconnect_delay(attempt) for attempt in range(1, 15)]
    assert pauses == [1, 2, *[5] * 12]
    assert sum(pauses) > 60, "somebody changes a plug"
    night = [reconnect_delay(attempt) for attempt in range(15, 200)]
    assert all(15 <= pause <= 20 for pause in night)
    assert len(set(night)) > 100  # the units of a plant do not come back in one moment


def test_where_the_line_is_probed_in_between_no_time_is_lost_but_no_more_attempts_made():
    assert [delay(attempt, at_once=True) for attempt in range(1, ATTEMPTS)] == [0.0] * 4
    assert delay(ATTEMPTS, at_once=True) is None


def test_a_library_that_is_loaded_when_something_fails_is_missed_at_the_start(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModuleNotFoundError, match="No module named 'tenacity'"):
        runpy.run_path(retry.__file__)
