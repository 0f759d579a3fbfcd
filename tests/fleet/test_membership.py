"""What one process of a fleet does when, told event by event."""

import math

import pytest

from rct_collector.fleet import membership
from rct_collector.fleet.engine import Entry
from rct_collector.fleet.fence import Fence, since_boot
from rct_collector.fleet.membership import (
    Claim,
    Close,
    Grant,
    Join,
    Look,
    Membership,
    Open,
    Prolong,
    Release,
)

TTL = 9.0


class Allotment:
    """Who should have what, as the test says: all shards, but for those that others want."""

    def __init__(self, shards=2):
        self.all = frozenset(range(shards))
        self.shards = frozenset()
        self.others = {}

    def update(self, members):
        wanted = {shard for who in members for shard in self.others.get(who, ())}
        self.shards = self.all - wanted if "me" in members else frozenset()


@pytest.fixture
def share():
    return Allotment()


@pytest.fixture
def new(share):
    """A process that has not begun."""
    return Membership("me", 1.0, TTL, share)


@pytest.fixture
def running(new):
    """A process at 100 s, alone, that collects from both shards under 11 and 12."""
    assert new.step(100.0) == [Grant()]
    new.granted(100.0, 7, TTL)
    assert new.step(100.0) == [Join(7)]
    new.members_are({})
    new.joined(100.0, 7, done=True)
    assert new.step(100.0) == [Claim(0, 7), Claim(1, 7)]
    new.claimed(100.0, 7, 0, 11)
    new.claimed(100.0, 7, 1, 12)
    assert new.step(100.0) == [Open(0, 11), Open(1, 12)]
    return new


def give_one_away(process, share):
    """Another process comes, which should have shard 1."""
    share.others["you"] = {1}
    process.member_is("you", 1.0)


def test_a_process_alone_takes_everything(running):
    assert running.open_shards == {0: 11, 1: 12}
    assert (running.token(0), running.token(5)) == (11, 0)
    assert running.is_settled
    assert running.step(100.0) == []
    assert running.members == {"me": 1.0}  # of which the watch will tell


def test_nothing_is_claimed_before_it_is_known_who_there_is(new):
    new.step(100.0)
    new.granted(100.0, 7, TTL)
    new.step(100.0)
    new.joined(100.0, 7, done=True)

    assert new.step(101.0) == []


def test_nothing_is_claimed_before_we_are_a_member(new):
    """The watch may tell of our key before it is clear that it came into a fleet that we know."""
    new.step(100.0)
    new.granted(100.0, 7, TTL)
    new.step(100.0)
    new.members_are({"me": 1.0})

    assert new.step(101.0) == []
    new.joined(101.0, 7, done=True)
    assert new.step(101.0) == [Claim(0, 7), Claim(1, 7)]


def test_the_deadline_counts_from_before_the_question(running):
    assert running.deadline == 100.0 + TTL - membership.MARGIN_S
    assert running.next_due() == 103.0
    assert running.step(103.0) == [Prolong(7)]
    running.kept(103.0, TTL)  # however long the answer took

    assert running.deadline == 103.0 + TTL - membership.MARGIN_S
    assert running.next_due() == 106.0


def test_an_answer_of_before_does_not_bring_the_deadline_back(running):
    running.step(103.0)
    running.kept(99.0, TTL)

    assert running.deadline == 100.0 + TTL - membership.MARGIN_S


def test_what_is_not_answered_is_asked_again_soon(running):
    running.step(103.0)
    running.not_kept(104.0)

    assert running.next_due() == 104.5
    assert running.step(104.4) == []
    assert running.step(104.5) == [Prolong(7)]
    assert running.open_shards  # the lease may be there still


def test_at_the_deadline_everything_stops_and_goes_on_with_the_same_lease(running):
    running.step(103.0)
    running.not_kept(108.0)

    assert running.step(108.5) == [Prolong(7), Close(0, 11), Close(1, 12)]
    assert running.lapsed
    running.closed(0, 11)
    running.closed(1, 12)
    assert running.step(109.0) == []
    running.kept(109.0, TTL)
    assert running.step(109.1) == [Open(0, 11), Open(1, 12)]


def test_an_answer_that_comes_too_late_opens_nothing(running):
    running.step(103.0)
    running.step(108.5)
    running.closed(0, 11)
    running.closed(1, 12)
    running.kept(103.0, 5.0)

    assert running.step(120.0) == [Prolong(7)]


def test_without_the_lease_all_begins_anew_once_lines_are_closed(running):
    running.step(103.0)
    running.kept(103.0, 0.0)

    assert running.deadline == -math.inf
    assert running.step(103.1) == [Close(0, 11), Close(1, 12)]
    assert running.next_due() == math.inf
    running.closed(1, 12)
    assert running.step(103.15) == []  # with another lease the line of 0 would be let speak again
    running.closed(0, 11)
    assert running.step(103.2) == [Grant()]
    running.granted(103.2, 8, TTL)
    assert running.step(103.2) == [Join(8)]
    running.joined(103.2, 8, done=True)
    assert running.step(103.2) == [Claim(0, 8), Claim(1, 8)]
    running.claimed(103.2, 8, 0, 21)
    running.claimed(103.2, 8, 1, None)
    assert running.step(103.25) == [Open(0, 21)]
    assert running.step(103.35) == [Claim(1, 8)]


def test_what_is_told_of_a_lease_that_is_gone_is_not_believed(running):
    give_one_away(running, running._share)
    running.step(102.0)
    running.closed(1, 12)
    assert running.step(102.1) == [Release(1, 7, 12)]
    running.step(103.0)
    running.kept(103.0, 0.0)
    running.released(7, 1)
    running.claimed(103.0, 7, 0, 31)

    assert running.open_shards == {}
    assert running.step(103.0) == [Close(0, 11)]


def test_what_another_one_should_have_is_closed_before_its_key_is_deleted(running, share):
    give_one_away(running, share)

    assert running.step(101.0) == [Close(1, 12)]
    assert running.step(102.0) == []
    running.closed(1, 12)
    assert running.step(102.0) == [Release(1, 7, 12)]
    running.unclear(102.0, 7, 1)
    assert running.step(102.5) == [Release(1, 7, 12)]  # which may be said twice
    running.released(7, 1)
    assert running.step(102.6) == []
    assert running.is_settled


def test_a_key_that_another_one_holds_is_tried_for_each_tenth_of_a_second(running, share):
    give_one_away(running, share)
    running.step(101.0)
    running.closed(1, 12)
    running.step(101.0)
    running.released(7, 1)
    running.member_is("you", None)

    assert running.step(102.0) == [Claim(1, 7)]
    running.claimed(102.0, 7, 1, None)
    assert running.next_due() == pytest.approx(102.1)
    assert running.step(102.05) == []
    assert running.step(102.11) == [Claim(1, 7)]


def test_a_claim_without_an_answer_is_looked_at(new):
    new.step(100.0)
    new.granted(100.0, 7, TTL)
    new.members_are({"me": 1.0})
    new.joined(100.0, 7, done=True)
    new.step(100.0)
    new.unclear(100.0, 7, 0)
    new.unclear(100.0, 7, 1)

    assert new.step(100.5) == [Look(0, 7), Look(1, 7)]
    new.looked(100.5, 7, 0, Entry("shard/0", b"me", 31, 31, 7))
    new.looked(100.5, 7, 1, None)
    assert new.step(100.5) == [Open(0, 31)]
    assert new.step(100.7) == [Claim(1, 7)]
    new.claimed(100.7, 7, 1, None)  # so it came about after all, or somebody was quicker
    assert new.step(100.9) == [Look(1, 7)]
    new.looked(100.9, 7, 1, Entry("shard/1", b"me", 32, 32, 7))
    assert new.step(100.9) == [Open(1, 32)]


def test_a_claim_in_doubt_is_not_forgotten_when_the_shard_is_anothers(new, share):
    """It may come about when nobody waits for it any more, and then nobody would have the shard."""
    new.step(100.0)
    new.granted(100.0, 7, TTL)
    new.members_are({"me": 1.0})
    new.joined(100.0, 7, done=True)
    new.step(100.0)
    new.claimed(100.0, 7, 0, 11)
    new.unclear(100.0, 7, 1)
    assert new.step(100.5) == [Open(0, 11), Look(1, 7)]
    new.looked(100.5, 7, 1, None)
    give_one_away(new, share)

    assert new.step(100.6) == [Look(1, 7)]
    new.looked(100.6, 7, 1, Entry("shard/1", b"me", 31, 31, 7))
    assert new.step(100.6) == [Release(1, 7, 31)]


def test_news_of_the_own_key_moves_nothing(running):
    running.member_is("me", 1.0)
    running.member_is("me", None)

    assert running.step(101.0) == [Join(7)]
    assert running.open_shards == {0: 11, 1: 12}


def test_a_list_without_us_is_put_right(running):
    running.members_are({"you": 1.0})

    assert running.step(101.0) == [Join(7)]
    running.joined(101.0, 7, done=False)
    assert running.next_due() == 101.0 + membership.AGAIN_S


def test_so_many_keys_are_asked_for_at_a_time(share, new):
    share.all = frozenset(range(1000))
    new.step(100.0)
    new.granted(100.0, 7, TTL)
    new.members_are({"me": 1.0})
    new.joined(100.0, 7, done=True)
    claims = [action for action in new.step(100.0) if isinstance(action, Claim)]
    assert len(claims) == membership.MOST_AT_ONCE

    opened = set()
    while claims:
        shard = claims.pop(0).shard
        new.claimed(100.0, 7, shard, 1000 + shard)
        for action in new.step(100.0):
            if isinstance(action, Open):
                opened.add(action.shard)
            else:
                claims.append(action)
        assert len(claims) <= membership.MOST_AT_ONCE
    assert opened == share.all


# -- the fence ---------------------------------------------------------------------------------


def test_a_fence_is_closed_until_it_is_told_a_deadline_and_from_then_on():
    now = 50.0
    fence = Fence(lambda: now)
    assert not fence.may_send()
    fence.deadline = 60.0
    assert fence.may_send()
    now = 60.0
    assert not fence.may_send()


def test_the_clock_counts_what_a_suspended_host_misses(monkeypatch):
    asked = []
    monkeypatch.setattr("time.clock_gettime", lambda which: asked.append(which) or 5.0)

    import time

    assert since_boot() == 5.0
    assert asked == [time.CLOCK_BOOTTIME]


def test_what_an_event_costs_does_not_grow_with_the_shards(new, share):
    """Else a process that takes thousands would be busy with nothing else meanwhile."""

    class Counting(dict):
        looks = 0

        def get(self, *arguments):
            Counting.looks += 1
            return super().get(*arguments)

    share.all = frozenset(range(4096))
    new.step(100.0)
    new.granted(100.0, 7, TTL)
    new.members_are({"me": 1.0})
    new.joined(100.0, 7, done=True)
    claims = [action for action in new.step(100.0) if isinstance(action, Claim)]
    new._shards = Counting(new._shards)
    events = 0
    while claims:
        events += 1
        new.claimed(100.0, 7, claims.pop().shard, 11)
        claims += [action for action in new.step(100.0) if isinstance(action, Claim)]
    assert new.is_settled
    assert Counting.looks < 5 * events
