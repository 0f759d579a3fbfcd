"""What a fleet would be like, computed and not made up."""

from __future__ import annotations

import pytest

from rct_collector.drivers import DEFAULT, driver
from rct_collector.fleet import plan
from rct_collector.fleet.membership import Grant, Membership, Prolong
from rct_collector.fleet.plan import Size, Spread, forecast, shards_for
from rct_collector.fleet.sharding import Portion, owners, shard_of
from rct_collector.transport import parse_address


def size(**changes):
    usual = {
        "devices": 3000, "processes": 12, "per_host": 3, "shards": 600, "ttl": 10.0,
        "restart": 60.0,
    }  # fmt: skip
    return Size(**(usual | changes))


@pytest.fixture(scope="module")
def found():
    return forecast(size(), events=3)


def test_shares_are_those_of_the_code_that_shares(found):
    members = {f"host{n // 3}/{n % 3}": 1.0 for n in range(12)}
    who = owners(members, 600)
    counts = dict.fromkeys(members, 0)
    for n in range(3000):
        counts[who[shard_of(plan.address_key(n), 600)]] += 1
    assert found.shares == Spread.of(list(counts.values()))
    assert found.shares.mean == 250
    assert found.shards_each.mean == 50
    assert found.devices_each.mean == 5


def test_each_event_moves_only_what_it_must(found):
    assert [move.event for move in found.moves] == [
        "a process joins", "a process is lost", "a host of 3 is lost",
    ]  # fmt: skip
    for move, share in zip(found.moves, (3000 / 13, 3000 / 12, 3000 / 4), strict=True):
        assert move.events == 3
        assert move.needless == 0
        assert 0.7 * share < move.devices < 1.3 * share
    joined, lost, _ = found.moves
    assert joined.heaviest > 4 * lost.heaviest  # one takes all; what is lost goes to many


def test_a_move_between_two_who_stay_is_told():
    move = plan._move([5, 7, 1], ["a", "b", "c"], ["b", "b", "a"])
    assert (move.shards, move.devices, move.needless, move.heaviest) == (2, 6, 5, 5)


def test_the_work_of_the_engine(found):
    assert found.keepalives == pytest.approx(12 * 3 / 10)
    assert found.told == 12
    assert found.told_per_second == pytest.approx(2 * 12 * 12 / 60)
    with_devices = len({shard_of(plan.address_key(n), 600) for n in range(3000)})
    assert found.keys == 1 + 12 + 600 + with_devices
    assert found.first_writes == 612
    assert found.portion_steps == 1
    assert found.portion_bytes > 4 * 600


@pytest.mark.parametrize(
    ("changes", "events"),
    [
        ({"processes": 1, "per_host": 1}, ["a process joins"]),
        ({"processes": 2, "per_host": 1}, ["a process joins", "a process is lost"]),
        ({"processes": 2, "per_host": 4}, ["a process joins", "a process is lost"]),
    ],
)
def test_what_would_leave_nobody_is_left_out(changes, events):
    found = forecast(size(devices=10, shards=8, **changes), events=5)
    assert [move.event for move in found.moves] == events


def test_it_tells_how_far_it_is():
    said = []
    forecast(size(devices=10, shards=8), events=1, told=lambda what, done: said.append(done))
    assert said == sorted(said)
    assert said[0] == 0
    assert said[-1] < 1


@pytest.mark.parametrize(
    ("processes", "shards"), [(1, 4096), (102, 4096), (103, 8192), (2000, 81_920)]
)
def test_the_number_of_shards_leaves_each_process_forty(processes, shards):
    assert shards_for(processes) == shards
    assert shards >= 40 * processes


@pytest.mark.parametrize("n", [0, 255, 256, 70_000, (1 << 24) - 1])
def test_what_stands_for_a_device_looks_like_the_key_of_an_address(n):
    host = plan.address_key(n).split("/")[1]
    address = parse_address(f"tcp://{host}:8899", driver(DEFAULT).ways)
    assert plan.address_key(n) == address.key


def test_keepalives_are_counted_as_often_as_a_process_sends_them():
    member = Membership("a", 1.0, 9.0, Portion("a", 8))
    assert Grant() in member.step(0.0)
    member.granted(0.0, 1, 9.0)
    due = next(t for t in range(1, 10) if Prolong in map(type, member.step(float(t))))
    assert due == 9 / plan.KEEPALIVES_PER_TTL
