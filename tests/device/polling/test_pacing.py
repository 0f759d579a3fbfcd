"""How fast a device may be asked."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.device.polling.pacing import Pacer, TokenBucket

untimed = settings(deadline=None)

#: Float arithmetic on a clock of some days.
EPSILON = 1e-6


def test_bucket_is_full_before_first_use():
    bucket = TokenBucket(rate=5.0, burst=3.0)
    assert bucket.tokens(0.0) == bucket.tokens(1e6) == 3.0
    assert bucket.ready_at(7.0, 3.0) == 7.0


def test_bucket_fills_at_its_rate_up_to_its_burst():
    bucket = TokenBucket(rate=2.0, burst=3.0)
    for _ in range(3):
        bucket.take(10.0)
    assert [bucket.tokens(10.0 + passed) for passed in (0, 0.5, 1, 1.5, 100)] == [0, 1, 2, 3, 3]


def test_bucket_says_when_it_will_hold_what_is_needed():
    bucket = TokenBucket(rate=2.0, burst=3.0)
    for _ in range(3):
        bucket.take(10.0)
    assert bucket.ready_at(10.0) == 10.5
    assert bucket.ready_at(10.0, 3.0) == 11.5
    assert bucket.ready_at(11.0, 2.0) == 11.0


def test_bucket_owes_nothing_when_more_is_taken_than_it_holds():
    bucket = TokenBucket(rate=1.0, burst=1.0)
    bucket.take(0.0)
    bucket.take(0.0)
    assert bucket.tokens(1.0) == 1.0


def test_first_request_may_go_at_once():
    assert Pacer(0.1, TokenBucket(5.0, 1.0)).ready_at(123.0) == 123.0


def test_gap_holds_even_when_there_are_tokens():
    pacer = Pacer(0.1, TokenBucket(5.0, 10.0))
    pacer.sent(1.0)
    assert pacer.ready_at(1.0) == 1.1
    assert pacer.ready_at(1.25) == 1.25


def test_rate_holds_even_when_the_gap_has_passed():
    pacer = Pacer(0.1, TokenBucket(2.0, 1.0))
    pacer.sent(1.0)
    assert pacer.ready_at(1.2) == pytest.approx(1.5)


def test_reserve_stays_in_the_bucket():
    pacer = Pacer(0.1, TokenBucket(2.0, 3.0))
    pacer.sent(1.0)
    assert pacer.ready_at(1.2, reserve=1.0) == 1.2
    assert pacer.ready_at(1.2, reserve=2.0) == pytest.approx(1.5)


def test_an_advance_pays_until_it_is_used_up():
    pacer = Pacer(0.1, TokenBucket(5.0, 2.0), advance=TokenBucket(0.0, 2.0))
    for n in range(3):
        pacer.sent(n * 0.1, advance=True)
    assert (pacer.advance.tokens(0.2), pacer.bucket.tokens(0.2)) == (0.0, 1.0)


def test_a_repeat_is_paid_by_repeats_before_the_advance():
    one = TokenBucket(0.0, 1.0)
    pacer = Pacer(0.1, TokenBucket(5.0, 2.0), one, TokenBucket(0.0, 9.0))
    for n in range(2):
        pacer.sent(n * 0.1, repeat=True, advance=True)
    assert (one.tokens(0.1), pacer.advance.tokens(0.1), pacer.bucket.tokens(0.1)) == (0, 8, 2)


@pytest.mark.slow
@untimed
@given(
    gap=st.floats(0.001, 2),
    rate=st.floats(0.1, 50),
    burst=st.integers(1, 60),
    start=st.floats(0, 1e6),
    pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60),
)
def test_no_two_requests_are_closer_than_the_gap_nor_more_than_burst_and_rate_allow(
    gap, rate, burst, start, pauses
):
    """However the caller dawdles, in every stretch of time: at most burst + rate x time."""
    pacer = Pacer(gap, TokenBucket(rate, float(burst)))
    now = start
    sent = []
    for pause in pauses:
        now = max(now + pause, now)
        ready = pacer.ready_at(now)
        assert ready >= now
        now = ready
        assert pacer.ready_at(now) <= now + EPSILON
        pacer.sent(now)
        sent.append(now)
    for first in range(len(sent)):
        for last in range(first + 1, len(sent)):
            count = last - first + 1
            assert count <= burst + rate * (sent[last] - sent[first]) + EPSILON * rate + 1e-6
            assert sent[last] - sent[first] >= (last - first) * gap - EPSILON
