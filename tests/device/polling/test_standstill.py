"""What was stuck in the unit while its line stood still is not taken for an answer."""

import pytest

from rct_collector.device.polling.pacing import Pacer, TokenBucket
from rct_collector.device.polling.poller import Poller
from rct_collector.device.polling.standstill import QUIET_S, REQUESTS, TIMEOUTS, Standstill
from rct_collector.drivers.base import Query

TIMEOUT = 2.0
SILENCE = TIMEOUTS * TIMEOUT


def asked(times):
    standstill = Standstill(TIMEOUT)
    for time in times:
        standstill.asked(time)
    return standstill


@pytest.mark.parametrize(
    ("times", "answer", "believed"),
    [
        ([0.0] * REQUESTS, SILENCE + 0.1, False),
        ([0.0] * REQUESTS, SILENCE, True),
        ([0.0] * (REQUESTS - 1), SILENCE + 60.0, True),  # some loss at the end of a round
        ([0.0, 1.0, 2.0, SILENCE], SILENCE + 0.1, False),
        ([], 100.0, True),
    ],
)
def test_answers_after_a_long_silence_are_not_believed(times, answer, believed):
    assert asked(times).answered(answer) is believed


def test_any_answer_ends_the_silence():
    standstill = asked([0.0] * REQUESTS)
    assert standstill.answered(SILENCE)
    for _ in range(REQUESTS):
        standstill.asked(SILENCE + 1.0)
    assert standstill.answered(2 * SILENCE)


def test_nothing_is_believed_until_the_line_is_quiet():
    standstill = asked([0.0] * REQUESTS)
    assert not standstill.answered(100.0)
    now = 100.0
    for _ in range(20):
        now += QUIET_S / 2
        standstill.heard(now)
        assert not standstill.answered(now)
    assert standstill.over_at == now + QUIET_S
    standstill.heard(now + QUIET_S)
    assert standstill.answered(now + QUIET_S)


def test_what_comes_after_a_standstill_is_asked_for_anew():
    queries = [Query(f"q{n}", "always") for n in range(REQUESTS)]
    poller = Poller(
        Pacer(0.1, TokenBucket(50.0, 50.0)),
        window=REQUESTS,
        timeout=TIMEOUT,
        standstill=Standstill(TIMEOUT),
        retry_delay=lambda _n: 0.1,
    )
    poller.begin(0.0, deadline=9.0, next_round=10.0, fast=queries, slow=())
    assert all(poller.answered(query, 0.1) for query in queries)
    poller.begin(10.0, deadline=39.0, next_round=40.0, fast=queries, slow=())
    flood = ask(poller, 10.0, until=16.0)
    for query in queries:
        poller.heard(flood)
        assert poller.answered(query, flood) is None
    assert poller.next(flood)[0] is None
    requests = poller.tally.requests
    again = ask(poller, flood + QUIET_S, until=flood + TIMEOUT)
    assert poller.tally.requests > requests
    assert all(poller.answered(query, again) for query in queries)


def ask(poller, now, *, until):
    """Send all that may be sent until a time; returns the time of the last decision."""
    while now < until:
        query, wake = poller.next(now)
        if query is not None:
            poller.sent(query, now)
        else:
            assert wake > now
            now = wake
    return now
