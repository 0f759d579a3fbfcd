"""Receipts: settled when all who hold them have settled, and lost as soon as one of them is."""

from __future__ import annotations

import pytest

from rct_collector.receipt import MOST_WAITING, Receipt


def waiting(receipt):
    told = []
    receipt.then(told.append)
    return told


@pytest.mark.parametrize(
    ("settled", "taken"), [((True, True), True), ((True, False), False), ((False, True), False)]
)
def test_it_is_settled_by_the_last_who_holds_it(settled, taken):
    receipt = Receipt()
    receipt.hold()
    told = waiting(receipt)
    receipt.settle(settled[0])
    assert (told, receipt.is_pending) == ([], True)
    receipt.settle(settled[1])
    assert (told, receipt.is_pending, receipt.is_lost) == ([taken], False, not taken)


def test_who_comes_later_is_told_at_once():
    receipt = Receipt()
    receipt.settle(True)
    assert waiting(receipt) == [True]


def test_what_is_lost_is_told_when_all_is_settled():
    receipt = Receipt()
    told = waiting(receipt)
    receipt.lose()
    assert told == []
    receipt.settle(True)
    assert told == [False]


def test_it_follows_another_one():
    one, other = Receipt(), Receipt()
    other.follow(one)
    told = waiting(other)
    other.settle(True)
    assert told == []
    one.settle(False)
    assert told == [False]


def test_it_does_not_follow_itself():
    receipt = Receipt()
    receipt.follow(receipt)
    receipt.settle(True)
    assert not receipt.is_pending


def test_those_who_wait_are_bounded():
    receipt = Receipt()
    told = [waiting(receipt) for _ in range(MOST_WAITING + 2)]
    assert told == [[]] * MOST_WAITING + [[False]] * 2
    receipt.settle(True)
    assert told == [[True]] * MOST_WAITING + [[False]] * 2
