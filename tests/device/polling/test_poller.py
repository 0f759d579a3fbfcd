"""What is asked when, within a round and over many rounds, whatever the unit does."""

import heapq
import itertools
import math
import random
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.device.polling.catching_up import CAUTIOUS_S
from rct_collector.device.polling.courtesy import LONGEST_WAIT_S, PRESENT_S, QUIET_S
from rct_collector.device.polling.pacing import Pacer, TokenBucket
from rct_collector.device.polling.poller import OVERTAKEN, Poller
from rct_collector.device.polling.request import Outcome
from rct_collector.device.polling.response_time import LEAST_S, ResponseTime
from rct_collector.device.polling.standstill import Standstill
from rct_collector.drivers.base import Query
from rct_collector.lines.retry import ATTEMPTS, FIRST_ATTEMPTS

untimed = settings(deadline=None)

GAP = 0.1
TIMEOUT = 2.0


def queries(count, prefix="q", *, exclusive=False):
    return [Query(f"{prefix}{n}", "always", exclusive=exclusive) for n in range(count)]


def retry_delay(attempt):
    return 0.3 if attempt < 3 else None


def make(*, window=4, gap=GAP, rate=50.0, burst=50.0, timeout=TIMEOUT):
    pacer = Pacer(gap, TokenBucket(rate, burst))
    return Poller(pacer, window=window, timeout=timeout, retry_delay=retry_delay)


def begin(poller, fast=(), slow=(), *, now=0.0, deadline=None, next_round=10.0):
    poller.begin(
        now,
        deadline=next_round - 0.25 if deadline is None else deadline,
        next_round=next_round,
        fast=fast,
        slow=slow,
    )


def send(poller, now):
    """Send what may be sent now; the query, or None."""
    query, _ = poller.next(now)
    if query is not None:
        poller.sent(query, now)
    return query


def send_all(poller, now, until=math.inf, sent_one=lambda query, now: None):
    """Send as long as there is something to send; (query, time) each."""
    sent = []
    while now < until:
        query, wake = poller.next(now)
        if query is None:
            if poller.done(now) or wake >= until:
                break
            assert wake > now
            now = wake
            continue
        poller.sent(query, now)
        sent.append((query, now))
        sent_one(query, now)
    return sent


def answer_all(poller, now, until=math.inf):
    """The same, with a unit that answers at once."""
    return send_all(poller, now, until, poller.answered)


# -- rank, pace, window ------------------------------------------------------------------------


def test_idle_poller_has_nothing_to_do():
    poller = make()
    assert poller.next(5.0) == (None, 0.0)
    assert poller.done(5.0)
    assert poller.fast_settled()
    assert poller.unsettled() == ([], [])


def test_fast_come_first_then_slow_each_in_the_order_given():
    poller = make()
    fast, slow = queries(3, "f"), queries(3, "s")
    begin(poller, fast, slow)
    assert [query for query, _ in answer_all(poller, 0.0)] == fast + slow


def test_fast_go_out_back_to_back_at_the_gap():
    poller = make()
    begin(poller, queries(5))
    times = [now for _, now in answer_all(poller, 0.0)]
    assert times == pytest.approx([n * GAP for n in range(5)])


def test_slow_query_that_is_also_fast_is_asked_once():
    poller = make()
    both, other = queries(2)
    begin(poller, [both], [both, other, other])
    assert [query for query, _ in answer_all(poller, 0.0)] == [both, other]


def test_no_more_than_the_window_is_outstanding():
    poller = make(window=2)
    first, second, third = queries(3)
    begin(poller, [first, second, third])
    assert [send(poller, now) for now in (0.0, 0.1, 0.2, 1.9)] == [first, second, None, None]
    assert len(poller.pending) == 2
    assert poller.next(1.9) == (None, TIMEOUT)  # the first deadline opens the window again
    poller.answered(second, 1.9)
    assert send(poller, 1.9) == third


def test_exclusive_query_waits_until_nothing_is_outstanding():
    poller = make()
    (plain,), (long,) = queries(1), queries(1, "long", exclusive=True)
    begin(poller, [plain], [long])
    assert send(poller, 0.0) == plain
    assert poller.next(0.5) == (None, TIMEOUT)
    poller.answered(plain, 0.5)
    assert send(poller, 0.5) == long


def test_nothing_is_sent_while_an_exclusive_query_is_outstanding():
    poller = make()
    (long,), plain = queries(1, "long", exclusive=True), queries(2)
    begin(poller, [long, *plain])
    assert send(poller, 0.0) == long
    assert send(poller, 1.0) is None
    poller.answered(long, 1.1)
    assert send(poller, 1.1) == plain[0]


def test_a_long_gap_does_not_hold_up_the_end_of_a_round():
    """More waits, but not for this round: its last answer ends it, though the gap goes on."""
    poller = make(gap=3.0, timeout=1.0)
    begin(poller, queries(3, "f"), queries(2, "s"), deadline=11.0)
    assert [at for _, at in answer_all(poller, 0.0, until=9.1)] == [0.0, 3.0, 6.0, 9.0]
    assert poller.next(9.1)[0] is None
    assert not poller.waits_for_time
    assert poller.done(9.1)


def test_rate_slows_down_what_the_gap_would_allow():
    poller = make(rate=2.0, burst=2.0)
    begin(poller, queries(4))
    times = [now for _, now in answer_all(poller, 0.0)]
    assert times == pytest.approx([0.0, 0.1, 0.5, 1.0])


def test_added_query_is_asked_last_and_once():
    poller = make()
    (fast,), (slow,), (late,) = queries(1, "f"), queries(1, "s"), queries(1, "late")
    begin(poller, [fast], [slow])
    for query in (late, fast, slow, late):
        poller.add(query)
    assert [query for query, _ in answer_all(poller, 0.0)] == [fast, slow, late]


# -- answers, deadlines, repeats ---------------------------------------------------------------


def test_unanswered_query_is_repeated_after_its_deadline_and_given_up_after_three_attempts():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    times = [now for _, now in send_all(poller, 0.0)]
    assert times == pytest.approx([0.0, 2.3, 4.6])
    assert poller.done(6.6)
    assert poller.unsettled() == ([query], [])
    assert (poller.tally.requests, poller.tally.retries, poller.tally.timeouts) == (3, 2, 3)
    assert poller.tally.answers == 0


def test_answer_ends_the_wait():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    ask = poller.answered(query, 0.25)
    assert ask.query is query
    assert ask.attempts == 1
    assert poller.done(0.25)
    assert (poller.tally.answers, poller.tally.latency) == (1, 0.25)


def test_late_answer_saves_the_repeat():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    assert send(poller, 2.1) is None  # given up for now
    assert not poller.done(2.1)
    assert poller.answered(query, 2.2).attempts == 1
    assert poller.done(2.2)
    assert poller.unsettled() == ([], [])


def test_answer_that_comes_after_the_last_attempt_is_still_taken():
    poller = make()
    lost, other = queries(2)
    begin(poller, [lost, other], next_round=20.0)
    send_all(poller, 0.0, until=7.0)
    assert poller.unsettled()[0] == [lost, other]
    assert poller.answered(lost, 7.5).attempts == 3
    assert poller.unsettled()[0] == [other]


def test_second_answer_to_the_same_query_is_not_wanted():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    assert poller.answered(query, 0.1)
    assert poller.answered(query, 0.2) is None


def test_answer_to_something_else_is_not_wanted():
    poller = make()
    wanted, other = queries(2)
    begin(poller, [wanted])
    assert poller.answered(other, 0.1) is None


@pytest.mark.parametrize("kind", ["fast", "slow"])
def test_answer_that_somebody_else_asked_for_satisfies_the_round(kind):
    poller = make()
    (query,) = queries(1)
    begin(poller, **{kind: [query]})
    assert poller.answered(query, 0.0).attempts == 0
    assert poller.done(0.0)
    assert poller.tally.requests == 0


@pytest.mark.parametrize("heard", range(4))
def test_answer_that_is_too_old_leaves_the_order_as_it_is(heard):
    slow = queries(4)
    poller = make()
    begin(poller, slow=slow)
    poller.stale(0.0)
    assert poller.answered(slow[heard], 0.0) is None
    assert poller.unsettled() == ([], slow)
    assert [query for query, _ in answer_all(poller, 1.0)] == slow


@pytest.mark.parametrize("heard", range(4))
def test_answer_that_somebody_else_asked_for_leaves_the_order_of_the_others(heard):
    slow = queries(4)
    poller = make()
    begin(poller, slow=slow)
    assert poller.answered(slow[heard], 0.0) is not None
    others = [query for query in slow if query is not slow[heard]]
    assert [query for query, _ in answer_all(poller, 0.0)] == others


def test_spoiled_answer_is_asked_again_without_waiting_for_the_deadline():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    poller.spoiled(query, 0.2)
    assert poller.next(0.2) == (None, 0.5)
    assert send(poller, 0.5) == query
    assert poller.tally.timeouts == 0
    assert poller.tally.retries == 1


def test_spoiled_answer_to_what_is_not_outstanding_changes_nothing():
    poller = make()
    asked, other = queries(2)
    begin(poller, [asked])
    poller.spoiled(asked, 0.0)
    poller.spoiled(other, 0.0)
    assert send(poller, 0.0) == asked


def test_answer_that_needs_a_second_reading_is_asked_for_again_before_slower_ones():
    poller = make()
    first, second = queries(2)
    begin(poller, slow=[first, second])
    send(poller, 0.0)
    assert poller.repeat(poller.answered(first, 0.05))
    assert not poller.done(0.05)
    assert send(poller, 0.1) == first
    assert poller.answered(first, 0.15).attempts == 1
    assert poller.tally.retries == 0
    assert send(poller, 0.2) == second


def test_second_readings_end_after_the_third():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    asked = 0
    now = 0.0
    while send(poller, now):
        asked += 1
        again = poller.repeat(poller.answered(query, now))
        now += 1.0
        assert again == (asked < 3)
    assert asked == 3


def test_only_what_was_answered_can_be_read_a_second_time():
    poller = make()
    (asked,) = queries(1)
    begin(poller, [asked])
    request = poller.usual(0.0)
    assert request.query is asked
    assert not poller.repeat(request)
    poller.went(request, 0.0)
    assert not poller.repeat(request)


def test_earlier_repeat_goes_before_a_later_one():
    poller = make()
    first, second = queries(2)
    begin(poller, [first, second])
    send(poller, 0.0)
    send(poller, 0.1)
    poller.spoiled(second, 0.15)
    poller.spoiled(first, 0.2)
    assert [query for query, _ in send_all(poller, 0.2, until=1.0)] == [second, first]


# -- the end of a round ------------------------------------------------------------------------


def test_fast_part_is_settled_when_all_were_asked_and_answered_or_missed_once():
    poller = make()
    good, bad = queries(2)
    begin(poller, [good, bad])
    assert not poller.fast_settled()
    send(poller, 0.0)
    poller.answered(good, 0.05)
    assert not poller.fast_settled()
    send(poller, 0.1)
    assert not poller.fast_settled()
    poller.spoiled(bad, 0.2)
    assert poller.fast_settled()
    assert send(poller, 0.5) == bad
    assert poller.fast_settled()  # the second attempt is not waited for


def test_slow_part_does_not_hold_up_the_fast_part():
    poller = make()
    (fast,), slow = queries(1, "f"), queries(2, "s")
    begin(poller, [fast], slow)
    send(poller, 0.0)
    poller.answered(fast, 0.05)
    send(poller, 0.1)
    assert poller.fast_settled()
    assert not poller.done(0.1)


def test_nothing_is_sent_after_the_deadline_of_the_round():
    poller = make()
    begin(poller, queries(3), deadline=0.15)
    assert len(send_all(poller, 0.0)) == 2
    assert poller.next(0.15) == (None, 0.15)
    assert poller.done(0.15)


def test_what_was_not_asked_is_told_so_that_the_next_round_can():
    poller = make(window=1)
    fast = queries(2, "f")
    pending, waiting, queued = queries(3, "s")
    begin(poller, fast, [waiting, pending, queued])
    for now in (0.0, 0.5):
        poller.answered(send(poller, now), now)
    send(poller, 1.0)
    poller.spoiled(waiting, 1.0)
    assert send(poller, 1.1) == pending
    assert poller.unsettled() == ([], [waiting, pending, queued])


def test_fast_that_were_not_asked_are_not_carried_over():
    poller = make()
    begin(poller, queries(3))
    assert poller.unsettled() == ([], [])


def test_new_round_forgets_the_last_one():
    poller = make()
    (old,), (new,) = queries(1, "old"), queries(1, "new")
    begin(poller, [old])
    send(poller, 0.0)
    begin(poller, [new], now=10.0, next_round=20.0)
    assert len(poller.pending) == 0
    assert poller.tally.requests == 0
    assert poller.answered(old, 10.0) is None
    assert send(poller, 10.0) == new


def test_cleared_poller_wants_nothing():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    poller.clear()
    assert poller.answered(query, 0.1) is None
    assert poller.done(0.1)


# -- the budget --------------------------------------------------------------------------------


def steady(poller, fast, slow, rounds, *, interval=10.0):
    """Rounds on the grid with a perfect unit; per round (fast times, slow times)."""
    backlog = list(slow)
    log = []
    for n in range(rounds):
        start = n * interval
        begin(poller, fast, backlog, now=start, next_round=start + interval)
        sent = answer_all(poller, start)
        backlog = poller.unsettled()[1]
        log.append(
            (
                [now - start for query, now in sent if query in fast],
                [now - start for query, now in sent if query not in fast],
            )
        )
    return log


def test_slow_get_what_the_rate_leaves_and_no_fast_round_is_ever_late():
    poller = make(gap=0.06, rate=5.0, burst=36.0)
    log = steady(poller, queries(36, "f"), queries(500, "s"), 20)
    for fast, _ in log:
        assert fast == pytest.approx([0.06 * n for n in range(36)], abs=1e-6)
    shares = [len(slow) for _, slow in log]
    assert 13 <= sum(shares[1:]) / len(shares[1:]) <= 14  # 5/s x 10 s - 36
    assert all(slow[-1] <= 8.0 for _, slow in log)  # answered or given up by the next round


def test_slow_wait_altogether_when_fast_need_the_whole_rate():
    poller = make(gap=0.06, rate=5.0, burst=50.0)
    log = steady(poller, queries(50, "f"), queries(50, "s"), 5)
    assert sum(len(slow) for _, slow in log) <= 1
    assert all(len(fast) == 50 for fast, _ in log)


def test_round_ends_early_when_nothing_more_can_be_spared():
    """It does not stay awake for tokens that are promised to the next round."""
    poller = make(gap=0.1, rate=1.0, burst=5.0)
    fast, slow = queries(5, "f"), queries(5, "s")
    begin(poller, fast, slow, next_round=5.0)
    sent = answer_all(poller, 0.0)
    assert [query for query, _ in sent] == fast
    assert poller.done(sent[-1][1])
    assert poller.unsettled() == ([], slow)


@pytest.mark.parametrize("interval", [1.0, 2.0])
def test_slow_are_asked_even_when_rounds_follow_faster_than_answers_time_out(interval):
    poller = make(gap=0.02, rate=20.0, burst=4.0, timeout=2.0)
    slow = queries(60, "s")
    log = steady(poller, queries(4, "f"), slow, 20, interval=interval)
    assert sum(len(asked) for _, asked in log) == 60
    assert all(at <= interval / 2 for _, asked in log for at in asked)


def test_slow_leave_room_for_the_repeats_of_what_is_outstanding():
    """Else a busy line would never find out what the unit does not answer."""
    poller = make(gap=0.06, rate=5.0, burst=40.0)
    fast, slow = queries(40, "f"), queries(200, "s")
    silent = fast[7]
    lost = 0
    for n in range(5):
        now = 10.0 * n
        begin(poller, fast, slow, now=now, next_round=now + 10.0)
        while not poller.done(now):
            query, wake = poller.next(now)
            if query is None:
                now = wake
                continue
            poller.sent(query, now)
            if query is not silent:
                poller.answered(query, now)
        lost += silent in poller.unsettled()[0]
    assert lost == 5


def test_single_complete_round_takes_everything_at_the_pace_allowed():
    poller = make(gap=0.06, rate=5.0, burst=10.0)
    fast, slow = queries(10, "f"), queries(90, "s")
    begin(poller, fast, slow, deadline=60.0, next_round=math.inf)
    sent = answer_all(poller, 0.0)
    assert [query for query, _ in sent] == fast + slow
    assert sent[-1][1] == pytest.approx(90 / 5.0, abs=0.1)
    assert poller.done(sent[-1][1])


# -- the advance -------------------------------------------------------------------------------


def advanced(fast=(), slow=(), *, advance=100.0, **more):
    """A poller whose average is used up, and whose advance is not."""
    bucket = TokenBucket(1.0, 4.0)
    pacer = Pacer(GAP, bucket, advance=TokenBucket(0.0, advance))
    poller = Poller(pacer, window=4, timeout=0.5, retry_delay=lambda _n: 0.0, **more)
    poller.opened()
    begin(poller, queries(1, "first"), now=90.0, next_round=100.0)
    answer_all(poller, 90.0)
    for _ in range(4):
        bucket.take(100.0)
    begin(poller, fast, slow, now=100.0, next_round=110.0)
    return poller


def sent_by(poller, until, now=100.0):
    return len(answer_all(poller, now, until=until))


def test_an_advance_lets_slow_ones_go_at_the_pace_of_the_gap():
    poller = advanced(slow=queries(60))
    assert sent_by(poller, 102.95) == 30
    assert poller._pacer.bucket.tokens(103.0) == pytest.approx(3.0), "the fast ones lose nothing"


def test_an_advance_is_not_used_on_a_line_that_has_not_answered():
    """Whatever is asked of a unit that sleeps is asked in vain."""
    poller = advanced()
    poller.opened()
    begin(poller, (), queries(60), now=100.0, next_round=110.0)
    assert len(send_all(poller, 100.0, until=109.0)) < 20
    assert poller._pacer.advance.tokens(109.0) == 100.0


def test_an_advance_is_used_until_nothing_is_left_to_ask():
    """Then it is saved for the next time that the line is opened."""
    poller = advanced(slow=queries(100))
    asked = [query for query, _ in answer_all(poller, 100.0, until=109.75)]
    left = poller.unsettled()[1]
    assert left
    poller.clear()
    begin(poller, (), left, now=110.0, next_round=120.0)
    assert len(answer_all(poller, 110.0)) == len(left) == 100 - len(asked)
    poller.clear()
    before = poller._pacer.advance.tokens(120.0)
    begin(poller, (), queries(100), now=120.0, next_round=130.0)
    answer_all(poller, 120.0, until=129.0)
    assert poller._pacer.advance.tokens(129.0) == before


def test_an_advance_sends_nothing_too_late_in_a_round_that_waits_for_answers():
    poller = advanced(slow=queries(60, exclusive=True))
    now, sent = 100.0, []
    while not poller.done(now):
        query, wake = poller.next(now)
        if query is not None:
            poller.sent(query, now)
            sent.append(now)
            now += 0.31
            poller.answered(query, now)
        else:
            now = wake
    assert 109.25 - 0.4 <= sent[-1] <= 109.75 - 0.5


def test_an_advance_that_is_used_up_leaves_the_average():
    poller = advanced(slow=queries(60), advance=10.0)
    assert 10 <= sent_by(poller, 109.0) <= 10 + 9


def test_fast_ones_touch_the_advance_only_where_the_average_is_used_up():
    """After a round that was cut short, they are to be there by the next tick."""
    poller = advanced(fast=queries(9))
    poller._pacer.bucket.left = 4.0
    times = [at for _, at in answer_all(poller, 100.0, until=109.0)]
    assert times == pytest.approx([100.0 + n * GAP for n in range(9)])
    assert poller._pacer.advance.tokens(109.0) == 95.0


def test_an_advance_is_not_used_while_others_are_heard():
    poller = advanced(slow=queries(60))
    assert sent_by(poller, 100.95) == 10
    poller.foreign(101.0)
    assert sent_by(poller, 109.0, now=101.0) <= 1.0 * 9
    begin(poller, (), queries(60), now=101.0 + PRESENT_S, next_round=121.0)
    assert sent_by(poller, 111.95, now=101.0 + PRESENT_S) == 10, "they have gone"


@pytest.mark.parametrize("how", ["silent", "spoiled"])
def test_an_advance_is_not_used_after_a_lost_answer(how):
    known, *rest = queries(60)
    poller = advanced([known], rest)
    poller.sent(known, 100.0)
    poller.answered(known, 100.02)
    begin(poller, [known], rest, now=100.1, next_round=130.0)
    poller.sent(known, 100.1)
    if how == "spoiled":
        poller.spoiled(known, 100.2)
    at = 100.2 if how == "spoiled" else 100.6
    poller.next(at)
    assert sent_by(poller, at + 9.0, now=at) <= 1.0 * 10
    assert sent_by(poller, at + CAUTIOUS_S + 1.0, now=at + CAUTIOUS_S) >= 9


def test_an_answer_to_a_second_request_shows_that_the_first_was_lost():
    first, *rest = queries(60)
    poller = advanced([first], rest)
    poller.sent(first, 100.0)
    poller.next(100.5)
    poller.sent(first, 100.5)
    poller.answered(first, 100.55)
    assert sent_by(poller, 109.0, now=100.6) <= 1.0 * 9


def test_what_may_be_unknown_to_the_unit_is_asked_again_when_all_else_was_asked():
    """Each silence costs the time of several answers."""
    silent, *known = queries(10)
    poller = advanced(slow=[silent, *known])
    asked = []

    def note(query, now):
        asked.append(query)
        if query is not silent:
            poller.answered(query, now)

    send_all(poller, 100.0, until=109.0, sent_one=note)
    assert asked == [silent, *known, silent, silent]


# -- the end of a round, by a unit's own latency -------------------------------------------------


def test_a_unit_that_answers_soon_is_asked_until_soon_before_the_end():
    response_time = ResponseTime(2.0)
    for _ in range(50):
        response_time.measured(0.05, long=False)
    pacer = Pacer(GAP, TokenBucket(50.0, 50.0))
    poller = Poller(
        pacer, window=4, timeout=2.0, response_time=response_time, retry_delay=retry_delay
    )
    begin(poller, (), queries(200), next_round=10.0)
    last = answer_all(poller, 0.0)[-1][1]
    assert 9.75 - LEAST_S - GAP <= last <= 9.75 - LEAST_S


def test_what_is_not_fast_ends_by_the_next_round_where_the_fast_ones_may_take_longer():
    poller = make()
    begin(poller, queries(3, "f"), queries(200, "s"), deadline=25.0, next_round=10.0)
    assert answer_all(poller, 0.0)[-1][1] <= 10.0 - TIMEOUT


# -- who it is, ahead of the fast ones -----------------------------------------------------------


def test_what_is_asked_ahead_of_the_fast_ones_is_read_a_second_time_right_behind_them():
    serial, *rest = queries(4)
    poller = make()
    begin(poller, [serial, *rest], [serial, *queries(2, "s")])
    poller.sent(serial, 0.0)
    assert poller.repeat(poller.answered(serial, 0.05))
    asked = [query for query, _ in answer_all(poller, 0.1)]
    assert asked[:4] == [*rest, serial]
    assert not poller.fast_unsent


def test_what_is_asked_ahead_of_the_fast_ones_costs_them_no_token():
    serial, *rest = queries(4)
    poller = advanced([serial, *rest], [serial])
    poller._pacer.bucket.left = 4.0
    assert send(poller, 100.0) is serial
    assert poller._pacer.bucket.tokens(100.0) == 4.0


def test_what_is_asked_ahead_of_the_fast_ones_is_kept_if_it_was_not_answered():
    serial, fast, slow = queries(3)
    poller = make(window=1)
    begin(poller, [serial, fast], [serial, slow])
    assert poller.unsettled()[1] == [serial, slow]
    poller.sent(serial, 0.0)
    assert poller.unsettled()[1] == [serial, slow]
    poller.answered(serial, 0.1)
    assert poller.unsettled()[1] == [slow]


# -- any unit, any interleaving ----------------------------------------------------------------


@dataclass
class Unit:
    """A unit with moods, and other clients on the line; what it does hangs on a seed."""

    random: random.Random
    loss: float
    latency: float
    moods: float
    everything: list[Query]
    events: list[tuple[float, int, str, Query]] = field(default_factory=list)
    counter: itertools.count = field(default_factory=itertools.count)

    def asked(self, query, now):
        roll = self.random.random()
        if roll < self.loss / 2:
            return
        at = now + self.random.uniform(0, self.latency)
        said = "refused" if self.random.random() < self.moods / 2 else "answer"
        self._push(at, "spoiled" if roll < self.loss else said, query)
        if self.random.random() < self.moods:
            self._push(at, "answer", query)  # an echo of the bridge
        if self.random.random() < self.moods:
            self._push(at, "answer", self.random.choice(self.everything))  # another client
        if self.random.random() < self.moods / 2:
            self._push(at, "spoiled", self.random.choice(self.everything))

    def _push(self, at, kind, query):
        heapq.heappush(self.events, (at, next(self.counter), kind, query))

    def next_at(self):
        return self.events[0][0] if self.events else math.inf

    def pull(self, now):
        while self.events and self.events[0][0] <= now:
            _, _, kind, query = heapq.heappop(self.events)
            yield kind, query


@dataclass
class Settings:
    """A configuration that can be met: fast rounds fit the rate and the interval."""

    gap: float
    rate: float
    window: int
    timeout: float
    interval: float
    fast: int
    slow: int
    lateness: float


@st.composite
def achievable(draw):
    interval = draw(st.floats(2, 20), "interval")
    gap = draw(st.floats(0.01, 0.3), "gap")
    rate = draw(st.floats(0.5, 20), "rate")
    lateness = draw(st.floats(0, interval / 10), "lateness")
    most = int(min(rate * (interval - lateness), 0.7 * interval / gap, 40))
    return Settings(
        gap=gap,
        rate=rate,
        window=draw(st.integers(1, 4), "window"),
        timeout=draw(st.floats(0.2, 4), "timeout"),
        interval=interval,
        fast=draw(st.integers(0, most), "fast"),
        slow=draw(st.integers(0, 60), "slow"),
        lateness=lateness,
    )


class Play:
    """Plays rounds and checks the laws at every step."""

    def __init__(self, settings, seed, loss, latency, moods=0.1):
        self.settings = settings
        self.random = random.Random(seed)
        self.fast = queries(settings.fast, "f")
        self.slow = [
            Query(f"s{n}", "always", exclusive=self.random.random() < 0.2)
            for n in range(settings.slow)
        ]
        everything = [*self.fast, *self.slow, *queries(2, "unknown")]
        self.unit = Unit(self.random, loss, latency, moods, everything)
        self.burst = float(max(settings.fast, 1))
        self.pacer = Pacer(settings.gap, TokenBucket(settings.rate, self.burst))
        self.poller = Poller(
            self.pacer,
            window=settings.window,
            timeout=settings.timeout,
            retry_delay=lambda n: None if n >= 3 else self.random.uniform(0.05, 0.5),
        )
        self.sent: list[float] = []
        self.outstanding: dict[Query, float] = {}
        self.attempts: dict[Query, int] = {}
        self.satisfied: set[Query] = set()
        self.refused: set[Query] = set()
        self.waiting: set[Query] = set()
        self.owed: Counter[Query] = Counter()
        self.silent: Counter[Query] = Counter()
        self.overtakers: Counter[Query] = Counter()
        self.held_up = False
        self.usual = 0

    def round(self, n, backlog):
        settings, poller = self.settings, self.poller
        now = 1000.0 + n * settings.interval + self.random.uniform(0, settings.lateness)
        next_round = 1000.0 + (n + 1) * settings.interval
        deadline = next_round - 0.1
        poller.begin(now, deadline=deadline, next_round=next_round, fast=self.fast, slow=backlog)
        # Unless the window held up the fast ones of an earlier round, nothing may these.
        self.punctual, self.held_up = not self.held_up, False
        self.owed |= self.silent + Counter(self.outstanding.keys())
        self.silent.clear()
        self.outstanding.clear()
        self.attempts = dict.fromkeys([*self.fast, *backlog], 0)
        self.unasked = sorted(self.fast, key=lambda query: self.owed[query] > 0)
        self.satisfied, self.refused, self.waiting = set(), set(), set()
        if self.fast and self.punctual and (not self.sent or now - self.sent[-1] >= settings.gap):
            assert poller.next(now)[0] is self.unasked[0], "the first request goes at once"
        wakes = 0
        while True:
            usual = poller.usual(now)
            query, wake = poller.next(now)
            assert usual is None or usual.query is query, "the usual way has the same answer"
            if query is not None:
                self._sent(query, now, usual)
                continue
            if poller.done(now):
                break
            self._check_idle(now, wake)
            wakes += 1
            now = min(max(wake, now), self.unit.next_at())
            self._deliver(now)
        assert now <= deadline, "every round ends"
        requests = poller.tally.requests
        assert wakes <= 4 * requests + 2 * len(self.unit.everything) + 20, (
            "nobody wakes for nothing"
        )
        assert now >= deadline or not self.unasked
        lost, unasked = poller.unsettled()
        assert not (self.satisfied | self.refused) & {*lost, *unasked}
        assert all(self.attempts[query] == 3 for query in lost)
        return unasked

    def _sent(self, query, now, usual=None):
        settings, poller = self.settings, self.poller
        assert query not in self.outstanding or self._expired(query, now)
        assert query not in self.satisfied, "what was answered is not asked again"
        assert query not in self.refused, "nor is what was refused"
        self._forget_expired(now)
        assert not any(other.exclusive for other in self.outstanding)
        assert not (query.exclusive and self.outstanding), "a long answer is waited for alone"
        if self.sent:
            assert now - self.sent[-1] >= settings.gap - 1e-6
        if usual is None:
            poller.sent(query, now)
        else:
            self.usual += 1
            wake = poller.went(usual, now)
            waits = poller.waits_for_time
            assert poller.next(now) == (None, wake), "and it is asked again at the same time"
            assert poller.waits_for_time == waits
        self.sent.append(now)
        self.outstanding[query] = now
        self.overtakers[query] = 0
        self.owed[query] = 0
        self.waiting.discard(query)
        assert len(self.outstanding) == len(poller.pending) <= settings.window
        self.attempts[query] += 1
        assert self.attempts[query] <= 3
        if query in self.unasked:
            assert self.unasked[0] is query, "fast ones go in their order"
            self.unasked.remove(query)
        else:
            assert not self.unasked, "nothing goes before the fast ones"
        self.unit.asked(query, now)

    def _check_idle(self, now, wake):
        """A fast request waits for the gap or the window, never for tokens."""
        assert wake > now
        self._forget_expired(now)
        free = len(self.outstanding) < self.settings.window
        if self.unasked and not free:
            self.held_up = True
        elif self.unasked:
            last = self.sent[-1] if self.sent else now
            at_gap_pace = wake <= max(last + self.settings.gap, now) + 1e-6
            assert at_gap_pace or not self.punctual
            self.held_up |= not at_gap_pace

    def _deliver(self, now):
        for kind, query in self.unit.pull(now):
            if kind == "spoiled":
                self.poller.spoiled(query, now)
                if self.outstanding.pop(query, None) is not None and self.attempts[query] < 3:
                    self.waiting.add(query)
                continue
            if kind == "refused":
                self._refuse(query, now)
                continue
            ask = self.poller.answered(query, now)
            wanted = query in self.attempts and query not in self.satisfied
            stale = wanted and self.owed[query] > 0  # of the last round's request
            assert (ask is not None) == (wanted and not stale)
            self.owed[query] -= stale
            if ask is None:
                continue
            assert ask.attempts == self.attempts[query]
            if query in self.outstanding:
                self._overtake(query)
            self.outstanding.pop(query, None)
            self.waiting.discard(query)
            self.refused.discard(query)  # somebody else was answered
            if query in self.unasked:
                self.unasked.remove(query)
            if self.random.random() < self.unit.moods and self.poller.repeat(ask):
                self.attempts[query] = 0
                self.waiting.add(query)
            else:
                self.satisfied.add(query)

    def _refuse(self, query, now):
        """A "no" to what is outstanding or to be repeated is its end."""
        is_open = query in self.outstanding or query in self.waiting
        assert (self.poller.refused(query, now) is not None) == is_open
        if is_open:
            if query in self.outstanding:
                self._overtake(query)
            self.outstanding.pop(query, None)
            self.waiting.discard(query)
            self.refused.add(query)

    def _expired(self, query, now):
        return self.outstanding[query] + self.settings.timeout <= now

    def _forget_expired(self, now):
        for query in [query for query in self.outstanding if self._expired(query, now)]:
            self._given_up(query)

    def _overtake(self, answered):
        """A line that answers in order has lost what two later requests have overtaken."""
        for query in list(self.outstanding):
            if query is answered:
                return
            self.overtakers[query] += 1
            if self.overtakers[query] >= OVERTAKEN:
                self._given_up(query)

    def _given_up(self, query):
        del self.outstanding[query]
        self.silent[query] += 1
        if self.attempts[query] < 3:
            self.waiting.add(query)


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(
    achievable(),
    st.integers(0, 2**32),
    st.sampled_from([0.0, 0.02, 0.3, 1.0]),
    st.sampled_from([0.01, 0.2, 3.0]),
)
def test_any_unit_is_asked_within_window_gap_and_rate_and_fast_rounds_are_never_late(
    settings, seed, loss, latency
):
    """Over many rounds of a unit that answers late, twice, garbled or not at all."""
    play = Play(settings, seed, loss, latency)
    backlog = play.slow
    for n in range(12):
        backlog = play.round(n, backlog)
        if play.random.random() < 0.3:
            backlog = list(dict.fromkeys([*backlog, *play.slow]))
    sent = play.sent
    if loss < 0.02 and latency < settings.gap and settings.fast > 1:
        assert play.usual > 0, "the usual way is taken"
    for first in range(0, len(sent), 7):
        for last in range(first, len(sent), 3):
            allowed = play.burst + settings.rate * (sent[last] - sent[first])
            assert last - first + 1 <= allowed + 1e-3


@pytest.mark.slow
@untimed
@given(achievable(), st.integers(0, 2**32))
def test_unit_that_answers_in_time_is_asked_for_more_in_each_round_if_there_is_room(settings, seed):
    """Room: two requests and their time, beyond what the fast ones take."""
    latency = min(settings.timeout, settings.gap) / 2
    play = Play(settings, seed, loss=0.0, latency=latency, moods=0.0)
    spare = settings.rate * (settings.interval - settings.lateness) - settings.fast
    time = max(settings.interval - settings.timeout, settings.interval / 2)
    time -= settings.lateness + (settings.fast + 2) * settings.gap
    backlog = play.slow
    for n in range(40):
        before = len(backlog)
        backlog = play.round(n, backlog)
        assert not backlog or len(backlog) < before or spare < 2 or time < 0


# -- others on the line ------------------------------------------------------------------------


def begun(fast, slow=(), **more):
    poller = Poller(Pacer(0.06, TokenBucket(5.0, 50.0)), window=4, timeout=2.0, **more)
    poller.begin(100.0, deadline=110.0, next_round=110.0, fast=fast, slow=slow)
    return poller


def test_a_round_begins_when_the_line_is_quiet():
    fast = queries(2)
    poller = begun(fast)
    poller.foreign(100.0)
    assert poller.next(100.0) == (None, 100.0 + QUIET_S)
    poller.foreign(100.1)
    assert poller.next(100.1) == (None, pytest.approx(100.1 + QUIET_S))
    assert poller.next(100.1 + QUIET_S)[0] is fast[0]


def test_a_line_that_is_never_quiet_is_waited_for_one_second():
    (query,) = queries(1)
    poller = begun([query])
    for tenth in range(10):
        poller.foreign(100.0 + tenth / 10)
        assert poller.next(100.0 + tenth / 10)[0] is None
    assert poller.next(100.0 + LONGEST_WAIT_S)[0] is query


def test_the_fast_ones_stay_together_once_they_have_begun():
    fast = queries(2)
    poller = begun(fast)
    poller.sent(fast[0], 100.0)
    poller.foreign(100.05)
    assert poller.next(100.06)[0] is fast[1]


def test_slow_ones_let_others_speak_each_time():
    slow = queries(2)
    poller = begun([], slow)
    poller.sent(slow[0], 100.0)
    poller.answered(slow[0], 100.04)
    poller.foreign(100.05)
    assert poller.next(100.1) == (None, pytest.approx(100.05 + QUIET_S))
    poller.sent(slow[1], 100.2)


def test_another_client_has_half_of_the_window():
    fast = queries(4)
    poller = begun(fast)
    poller.foreign(95.0)
    for n in range(2):
        poller.sent(fast[n], 100.0 + n * 0.06)
    assert poller.next(100.2)[0] is None
    assert poller.next(95.0 + PRESENT_S)[0] is fast[2], "it has gone"


def test_an_answer_that_is_a_round_late_is_not_taken():
    """What was asked for in the last round was measured then."""
    (query,) = queries(1)
    poller = begun([query])
    poller.sent(query, 100.0)
    poller.begin(110.0, deadline=120.0, next_round=120.0, fast=[query], slow=())
    assert poller.answered(query, 110.0) is None
    assert poller.next(110.0)[0] is query
    poller.sent(query, 110.0)
    assert poller.answered(query, 110.1).attempts == 1


def test_an_answer_that_is_some_rounds_late_is_not_taken_either():
    """Rounds that ended before they asked, since the line was lost, change nothing."""
    (query,) = queries(1)
    poller = begun([query])
    poller.sent(query, 100.0)
    poller.clear()
    for n in range(1, 4):
        poller.begin(n * 110.0, deadline=500.0, next_round=500.0, fast=[query], slow=())
    assert poller.answered(query, 330.0) is None
    assert poller.answered(query, 330.1).attempts == 0, "somebody else asked"


def test_only_what_the_unit_has_ever_answered_counts_as_lost():
    known, unknown = queries(2)
    poller = begun([known, unknown], retry_delay=lambda _n: None)
    poller.sent(known, 100.0)
    poller.answered(known, 100.1)
    poller.sent(unknown, 100.1)
    poller.next(103.0)
    assert poller.tally.timeouts == 1
    assert lost(poller) == 0
    poller.begin(110.0, deadline=120.0, next_round=120.0, fast=[known], slow=())
    poller.sent(known, 110.0)
    poller.spoiled(known, 110.1)
    assert poller.tally.timeouts == 0
    assert lost(poller) == 1


def lost(poller):
    return poller.tally.alone.lost + poller.tally.crowded.lost


def test_a_request_that_two_later_ones_overtook_is_not_waited_for():
    first, second, third = queries(3)
    poller = begun([first, second, third], retry_delay=lambda _n: 0.1)
    for n, query in enumerate([first, second, third]):
        poller.sent(query, 100.0 + n * 0.06)
    poller.answered(second, 100.2)
    assert len(poller.pending) == 2
    poller.answered(third, 100.21)
    assert (len(poller.pending), poller.tally.timeouts) == (0, 1)
    assert poller.next(100.31)[0] is first
    assert poller.answered(first, 100.32) is not None, "a late answer is taken all the same"


def test_what_the_unit_never_answered_is_given_up_sooner():
    known, unknown = queries(2)
    poller = begun([known, unknown], retry_delay=lambda n: 0.0 if n < ATTEMPTS else None)
    poller.sent(known, 100.0)
    poller.answered(known, 100.05)
    poller.begin(200.0, deadline=300.0, next_round=310.0, fast=[known, unknown], slow=())
    now, sent = 200.0, Counter()
    while not poller.done(now):
        query, wake = poller.next(now)
        if query is not None:
            poller.sent(query, now)
            sent[query] += 1
        now = max(now + 0.01, wake) if query is None else now
    assert sent == {known: ATTEMPTS, unknown: FIRST_ATTEMPTS}


def test_requests_close_behind_another_are_told_from_those_alone():
    first, second, third = queries(3)
    poller = begun([first, second, third])
    for query, at in ((first, 100.0), (second, 100.06), (third, 101.0)):
        poller.sent(query, at)
        poller.answered(query, at + 0.05)
    assert (poller.tally.alone, poller.tally.crowded) == (Outcome(2, 0), Outcome(1, 0))


def test_repeats_have_an_average_of_their_own():
    """A line that loses much does not cost what is asked for last."""
    fast, slow = queries(3, "f"), queries(3, "s")
    pacer = Pacer(0.06, TokenBucket(2.0, 6.0), TokenBucket(1.0, 3.0))
    poller = Poller(pacer, window=4, timeout=0.5, retry_delay=lambda _n: 0.1)
    poller.begin(100.0, deadline=103.0, next_round=103.0, fast=fast, slow=slow)
    now, sent = 100.0, Counter()
    while not poller.done(now):
        query, wake = poller.next(now)
        if query is None:
            now = max(now + 0.01, wake)
            continue
        poller.sent(query, now)
        sent[query] += 1
        if sent[query] == 2 or query in slow:
            poller.answered(query, now)
    assert sent == {**dict.fromkeys(fast, 2), **dict.fromkeys(slow, 1)}


def test_what_never_answers_is_told_although_the_round_was_too_short_for_all_repeats():
    known, silent, unasked = queries(3)
    poller = begun([], [known, silent, unasked])
    poller.sent(known, 100.0)
    poller.answered(known, 100.1)
    poller.sent(silent, 100.2)
    assert poller.unheard() == [silent]
    assert poller.unsettled() == ([], [silent, unasked])


def test_a_line_that_stood_still_at_the_end_of_a_round_is_told():
    """What the unit is known to answer was asked for last, and is not answered."""
    known, other = queries(2)
    poller = begun([], [known, other])
    poller.sent(known, 100.0)
    poller.answered(known, 100.1)
    poller.sent(other, 100.2)
    assert poller.stood(), "nobody knows whether it can be answered"
    poller.begin(110.0, deadline=120.0, next_round=120.0, fast=[known, other], slow=())
    poller.sent(known, 110.0)
    assert not poller.stood()
    poller.foreign(110.5)
    assert poller.stood(), "that was lost, but the line works"


def test_an_answer_that_was_stuck_proves_that_the_unit_knows_the_object():
    (query,) = queries(1)
    poller = begun([], [query], retry_delay=lambda _n: None)
    poller.sent(query, 100.0)
    poller.begin(110.0, deadline=120.0, next_round=120.0, fast=[query], slow=())
    poller.sent(query, 110.0)
    poller._owed[query] = 1
    assert poller.answered(query, 110.1) is None
    assert poller.unheard() == []
    poller.next(113.0)
    assert poller.unsettled()[0] == []


def test_what_is_given_up_for_the_round_is_told_once():
    (query,) = queries(1)
    poller = begun([query], retry_delay=lambda _n: None)
    poller.sent(query, 100.0)
    assert poller.given_up() == []
    poller.next(103.0)
    assert poller.given_up() == [query]
    assert poller.given_up() == []


def test_nothing_is_known_of_another_unit():
    (query,) = queries(1)
    poller = begun([query], retry_delay=lambda _n: None)
    poller.sent(query, 100.0)
    poller.answered(query, 100.1)
    poller.forget()
    poller.begin(110.0, deadline=120.0, next_round=120.0, fast=[query], slow=())
    poller.sent(query, 110.0)
    poller.next(113.0)
    assert lost(poller) == 0


# -- a "no", and what nobody waits for any more --------------------------------------------------


def test_refusal_is_an_answer():
    """It is not repeated, not lost, and says nothing bad of the pace."""
    poller = make(window=1)
    query, other = queries(2)
    begin(poller, [query, other])
    assert send(poller, 0.0) is query
    assert poller.refused(query, 0.2)
    assert poller.refusals() == [], "nothing is answered at all"
    assert send(poller, 0.2) is other
    poller.answered(other, 0.3)
    assert poller.refusals() == [query]
    assert poller.unsettled() == ([], [])
    assert poller.unheard() == []
    assert poller.done(0.3)
    assert poller.stood()
    assert (poller.tally.requests, poller.tally.retries, poller.tally.timeouts) == (2, 0, 0)
    assert poller.tally.alone == Outcome(answered=2)


def test_refusal_leaves_room_for_the_next():
    poller = make(window=1)
    first, second = queries(2)
    begin(poller, [first, second])
    send(poller, 0.0)
    assert send(poller, 0.2) is None
    poller.refused(first, 0.3)
    assert send(poller, 0.3) is second


def test_refusal_of_what_was_answered_before_is_a_damaged_request():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    poller.answered(query, 0.1)
    begin(poller, [query], now=10.0, next_round=20.0)
    send(poller, 10.0)
    assert poller.refused(query, 10.1)
    assert poller.refusals() == []


@pytest.mark.parametrize("asked", [False, True], ids=["never wanted", "answered already"])
def test_refusal_that_nobody_waits_for_changes_nothing(asked):
    poller = make()
    (query,) = queries(1)
    begin(poller, [query] if asked else [])
    if asked:
        send(poller, 0.0)
        poller.answered(query, 0.1)
    assert not poller.refused(query, 0.2)
    assert poller.refusals() == []


def abandoned(poller):
    found, poller.abandoned = poller.abandoned, []
    return found


def test_what_is_given_up_is_told_once():
    """After the deadline, when it is spoiled, and at the end of the round."""
    poller = make(window=3)
    silent, spoiled, cut = queries(3)
    begin(poller, [silent, spoiled, cut], deadline=2.05)
    for now in (0.0, 0.1, 0.2):
        send(poller, now)
    assert abandoned(poller) == []
    poller.spoiled(spoiled, 0.3)
    assert abandoned(poller) == [spoiled]
    poller.next(2.0)
    assert abandoned(poller) == [silent]
    poller.clear()
    assert abandoned(poller) == [cut]
    assert abandoned(poller) == []


def test_answered_is_not_abandoned():
    poller = make()
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    poller.answered(query, 0.1)
    poller.clear()
    assert abandoned(poller) == []


@pytest.mark.parametrize("drain_s", [0.0, 1.5])
def test_answer_to_what_only_the_round_before_has_asked_is_too_old(drain_s):
    """Where the line is drained, nobody else asks; elsewhere it may be owed."""
    pacer = Pacer(GAP, TokenBucket(50.0, 50.0))
    poller = Poller(pacer, window=1, timeout=TIMEOUT, drain_s=drain_s)
    (query,) = queries(1)
    begin(poller, [query])
    send(poller, 0.0)
    begin(poller, [query], now=10.0, next_round=20.0)
    send(poller, 10.0)
    # Answered by somebody else's request, since its own took away what was owed.
    poller.next(12.5)
    begin(poller, [query], now=20.0, next_round=30.0)
    assert poller.answered(query, 20.1) is None
    send(poller, 20.2)
    assert poller.answered(query, 20.3) is not None


# -- where the line is drained after each request that was given up -------------------------------


def drained():
    pacer = Pacer(GAP, TokenBucket(50.0, 50.0))
    return Poller(
        pacer,
        window=1,
        timeout=TIMEOUT,
        response_time=ResponseTime(TIMEOUT, 1.0),
        drain_s=1.5,
        retry_delay=lambda attempt: 0.0 if attempt < 5 else None,
    )


def play(poller, now, until, lost=()):
    """Answer what is asked within 0.2 s, except for what is lost; what was asked, and when."""
    asked = []
    while now < until:
        query, wake = poller.next(now)
        if query is None:
            if poller.done(now):
                break
            now = wake
            continue
        poller.sent(query, now)
        asked.append((query, round(now, 3)))
        if query not in lost:
            now += 0.2
            poller.answered(query, now)
    return asked


def rounds_of(poller, *lost, fast=(), slow=()):
    """What was asked in rounds of ten seconds, for what was lost in each."""
    found = []
    for n, gone in enumerate(lost):
        begin(poller, fast, slow, now=10.0 * n, next_round=10.0 * n + 10)
        found.append(play(poller, 10.0 * n, 10.0 * n + 10, gone))
    return found


def test_what_is_lost_by_chance_keeps_its_place_and_is_asked_four_times():
    first, second = fast = queries(2)
    _, asked, again, healed = rounds_of(drained(), (), {first}, {first}, (), fast=fast)
    assert [query for query, _ in asked] == [first, first, second, first, first]
    assert [query for query, _ in again] == [second, first, first], "it is doubtful now"
    assert [query for query, _ in healed] == [second, first]


def test_what_was_never_answered_is_no_loss_by_chance():
    first, second = fast = queries(2)
    asked, again = rounds_of(drained(), {first}, {first}, fast=fast)
    assert [query for query, _ in asked] == [first, second, first]
    assert [query for query, _ in again] == [second, first]


def test_answer_is_waited_for_as_long_as_the_answers_of_the_unit_take():
    first, second = fast = queries(2)
    _, asked = rounds_of(drained(), (), {first}, fast=fast)
    waits = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(asked)]
    assert waits[0] == pytest.approx(1.0), "no less than the silence"
    assert waits[-1] == pytest.approx(1.0), "the line was probed in between"


def test_answer_that_looks_like_others_is_waited_for_as_long_as_the_timeout_says():
    """It is not taken when it comes late."""
    fast = [Query("alike", "always", shape="alike")]
    _, asked = rounds_of(drained(), (), fast, fast=fast)
    assert asked[1][1] - asked[0][1] == pytest.approx(TIMEOUT)


def test_late_answer_is_taken_and_nothing_is_learnt_of_its_time():
    poller = drained()
    (query,) = queries(1)
    rounds_of(poller, (), (), fast=[query])
    begin(poller, [query], now=20.0, next_round=30.0)
    assert send(poller, 20.0) is query
    poller.next(21.0)
    assert abandoned(poller) == [query]
    assert poller.answered(query, 25.0) is not None
    assert poller.done(25.0)
    begin(poller, [query], now=30.0, next_round=40.0)
    asked = play(poller, 30.0, 40.0, {query})
    assert asked[1][1] - asked[0][1] == pytest.approx(1.0)


@pytest.mark.parametrize("heard", range(4))
def test_late_answer_to_what_was_not_asked_yet_changes_nothing(heard):
    """It is one to an earlier round, and its query keeps its place."""
    slow = queries(4)
    poller = drained()
    begin(poller, slow=slow)
    assert poller.answered(slow[heard], 0.0) is None
    assert poller.unsettled() == ([], slow)
    assert [query for query, _ in play(poller, 0.0, 10.0)] == slow


def test_what_is_slow_does_not_delay_the_next_round_of_a_line_that_loses_answers():
    first, slow = queries(2)
    poller = drained()
    rounds_of(poller, (), fast=[first], slow=[slow])
    begin(poller, [first], [slow], now=10.0, next_round=14.0)
    send(poller, 10.0)
    poller.next(11.0)
    assert send(poller, 11.9) is first
    poller.answered(first, 12.1)
    assert send(poller, 12.3) is None
    begin(poller, [first], [slow], now=14.0, next_round=16.5)
    send(poller, 14.0)
    poller.answered(first, 14.2)
    assert send(poller, 15.5) is slow, "it takes 0.2 s"


class Mishaps:
    """What may happen between two requests, in any order: the usual way is that of all questions.

    Attributes:
        usual: Requests that were sent by it.
    """

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.everything = [
            Query(f"q{n}", "always", exclusive=self.random.random() < 0.1) for n in range(30)
        ]
        bucket = TokenBucket(self.random.uniform(2.0, 8.0), 12.0)
        pacer = Pacer(GAP, bucket, TokenBucket(2.0, 12.0), TokenBucket(0.1, 50.0))
        self.poller = Poller(
            pacer,
            window=self.random.randint(1, 4),
            timeout=TIMEOUT,
            response_time=ResponseTime(TIMEOUT),
            standstill=Standstill(TIMEOUT),
            retry_delay=retry_delay,
        )
        self.often = self.random.choice((0.002, 0.01, 0.05))
        self.now = 1000.0
        self.usual = 0

    def round(self):
        some = self.random.sample(self.everything, 25)
        next_round = self.now + 10.0
        begin(self.poller, some[:8], some[8:], now=self.now, next_round=next_round)
        while not self.poller.is_over(self.now):
            self._ask()
            self._happen()
            self.now += self.random.choice((0.0, 0.01, 0.06, 0.1, 0.3))
        if self.random.random() < 0.9:
            self.poller.clear()

    def _ask(self):
        poller, now = self.poller, self.now
        assert not poller.calm or poller._is_calm(now), "what may end it takes it back"
        usual = poller.usual(now)
        query, _ = poller.next(now)
        assert usual is None or usual.query is query
        if self.random.random() < 0.95:
            poller.abandoned.clear()
            poller.given_up()
        if query is None:
            return
        if usual is None:
            poller.sent(query, now)
            return
        self.usual += 1
        wake, waits = poller.went(usual, now), poller.waits_for_time
        assert poller.next(now) == (None, wake)
        assert poller.waits_for_time == waits

    def _happen(self):
        poller, now, chance = self.poller, self.now, self.random.random()
        query = next(iter(poller.pending), None)
        if query is None or self.random.random() < self.often:
            query = self.random.choice(self.everything)
        if not poller.calm:  # as whoever calls it may leave out
            poller.heard(now)
        if chance > self.often + 0.1:
            answered = poller.answered(query, now)
            if answered is not None and self.random.random() < self.often:
                poller.repeat(answered)
        elif chance < self.often:
            mishap = self.random.choice(
                (
                    poller.spoiled,
                    poller.refused,
                    self._foreign,
                    self._stale,
                    self._opened,
                    self._overdue,
                )
            )
            mishap(query, now)

    def _foreign(self, _query, now):
        self.poller.foreign(now)

    def _stale(self, _query, now):
        self.poller.stale(now)

    def _overdue(self, _query, _now):
        self.now += TIMEOUT
        self.poller.wake_at(self.now)

    def _opened(self, query, _now):
        self.poller.opened()
        self.poller.add(query)


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(st.integers(0, 2**32))
def test_the_usual_way_is_that_of_all_questions_whatever_has_happened(seed):
    play = Mishaps(seed)
    for _ in range(8):
        play.round()


@pytest.mark.slow
def test_the_usual_way_is_taken_again_after_what_has_happened():
    play = Mishaps(1)
    play.often = 0.005
    for _ in range(50):
        play.round()
    assert play.usual > 100
