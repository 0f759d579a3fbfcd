"""Who should have which shard: the same for all, moved no more than must be, as the weights say."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.fleet import sharding
from rct_collector.fleet.sharding import Portion, owners, shard_of, wishes

names = st.text("abcxyz019/-", min_size=1, max_size=6)
weights = st.floats(sharding.LEAST_WEIGHT, sharding.GREATEST_WEIGHT) | st.sampled_from([0.5, 1, 2])
fleets = st.dictionaries(names, weights, min_size=1, max_size=6)
counts = st.integers(1, 80)

#: As other hosts and versions compute it. A change would have devices asked by nobody, or moved,
#: while a fleet is upgraded.
GOLDEN_SHARDS = {
    ("tcp/192.0.2.10/8899", 4096): 3391,
    ("tcp/192.0.2.11/8899", 4096): 2554,
    ("/dev/ttyUSB0", 7): 3,
    ("größe", 100_000): 65705,
}


def moved(before, after):
    """The shards whose owner differs: (from, to) of each."""
    return [(old, new) for old, new in zip(before, after, strict=True) if old != new]


@pytest.mark.parametrize(("key", "shards"), GOLDEN_SHARDS)
def test_the_shard_of_a_device_is_the_same_for_ever(key, shards):
    assert shard_of(key, shards) == GOLDEN_SHARDS[key, shards]


def test_owners_are_the_same_for_ever():
    found = owners({"a": 1, "b": 1.5, "c": 0.1, "größe/2": 3}, 32)
    assert "".join(name[0] for name in found) == "bcbgbgagbagggbggbgggggggbbaagagb"


@pytest.mark.slow
def test_owners_do_not_depend_on_the_seed_of_the_process():
    program = (
        "from rct_collector.fleet.sharding import owners\n"
        "print(*owners({f'host{n}': 1 + n % 3 for n in range(20)}, 200))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True, check=True, text=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert said == {" ".join(owners({f"host{n}": 1 + n % 3 for n in range(20)}, 200)) + "\n"}


@given(fleets, counts, st.randoms())
def test_the_order_of_members_is_of_no_account(members, shards, random):
    other = list(members.items())
    random.shuffle(other)
    assert owners(dict(other), shards) == owners(members, shards)


@given(fleets, counts, names, weights)
def test_who_joins_takes_from_others_and_moves_nothing_between_them(members, shards, name, weight):
    members.pop(name, None)
    before = owners(members, shards) or [""] * shards
    after = owners(members | {name: weight}, shards)
    assert {new for _, new in moved(before, after)} <= {name}


@given(fleets, counts, st.data())
def test_who_leaves_hands_out_its_own_and_nothing_else(members, shards, data):
    gone = data.draw(st.sampled_from(sorted(members)))
    before = owners(members, shards)
    rest = {name: weight for name, weight in members.items() if name != gone}
    after = owners(rest, shards) or [""] * shards
    assert {old for old, _ in moved(before, after)} <= {gone}
    assert gone not in after


@given(fleets, counts, st.data())
def test_a_greater_weight_only_takes_and_a_lesser_one_only_gives(members, shards, data):
    name = data.draw(st.sampled_from(sorted(members)))
    more = members | {name: min(2 * members[name], sharding.GREATEST_WEIGHT)}
    assert {new for _, new in moved(owners(members, shards), owners(more, shards))} <= {name}


@pytest.mark.parametrize(
    ("members", "shards"),
    [
        ({f"host{n}": 1.0 for n in range(20)}, 4096),
        ({f"host{n}": 1.0 + n % 4 for n in range(20)}, 4096),
        ({"small": 0.01, "large": 1.0}, 20_000),
        ({"a": 1000, "b": 1000, "c": 500}, 4096),
    ],
)
def test_shares_are_as_the_weights_say(members, shards):
    found = Counter(owners(members, shards))
    total = sum(members.values())
    for name, weight in members.items():
        expected = shards * weight / total
        assert abs(found[name] - expected) < 4 * math.sqrt(expected)


def test_shares_of_equals_differ_less_than_lots_would():
    members = {f"host{n:03}": 1.0 for n in range(100)}
    found = Counter(owners(members, 4096))
    mean = 4096 / 100
    variance = sum((found[name] - mean) ** 2 for name in members) / 100
    assert 0.3 * mean < variance < 0.7 * mean  # lots: the mean itself


@pytest.mark.parametrize("weight", [0, -1, math.nan, math.inf, 1e300, 1e-300])
def test_a_weight_that_is_none_takes_nothing_and_disturbs_nobody(weight):
    assert owners({"a": 1, "b": 1, "odd": weight, "odder": weight}, 64) == owners(
        {"a": 1, "b": 1}, 64
    )
    assert owners({"odd": weight}, 64) == ()


def test_nobody_has_nothing():
    assert owners({}, 64) == ()


@given(fleets, counts)
def test_how_far_is_looked_first_is_of_no_account(members, shards):
    expected = owners(members, shards)
    with pytest.MonkeyPatch.context() as patch:
        for far in (0.05, 0.5, 3):
            first = sharding._first_look
            patch.setattr(sharding, "_first_look", lambda *a, f=far, g=first: f * g(*a))
            assert owners(members, shards) == expected
            share = Portion(min(members), shards)
            share.update(members)
            assert share.shards == {n for n, who in enumerate(expected) if who == min(members)}
            patch.setattr(sharding, "_first_look", first)


@given(names, counts, st.lists(fleets | st.just({}), min_size=1, max_size=8))
def test_one_that_takes_note_of_changes_has_what_computing_anew_gives(name, shards, course):
    share = Portion(name, shards)
    for members in course:
        share.update(members)
        expected = {n for n, who in enumerate(owners(members, shards)) if who == name}
        assert share.shards == expected


def test_a_change_costs_what_one_member_wishes_for(monkeypatch):
    looked = []
    real = sharding.wishes

    def counted(member, *rest):
        found = real(member, *rest)
        looked.append(len(found))
        return found

    monkeypatch.setattr(sharding, "wishes", counted)
    members = {f"host{n}": 1.0 for n in range(200)}
    share = Portion("host7", 4096)
    share.update(members)
    whole = sum(looked)
    looked.clear()
    share.update(members | {"new": 1.0})
    share.update(members)
    assert len(looked) == 2
    assert sum(looked) < whole / 50


def test_the_work_grows_with_the_shards_and_hardly_with_the_members(monkeypatch):
    looked = Counter()
    real = sharding.wishes

    def counted(member, weight, shards, until):
        found = real(member, weight, shards, until)
        looked[members] += math.ceil(until * weight)
        return found

    monkeypatch.setattr(sharding, "wishes", counted)
    for members in (10, 1000):
        owners({f"host{n}": 1.0 for n in range(members)}, 2048)
    assert looked[1000] < 2 * looked[10]


def test_a_fleet_that_has_shrunk_to_one_gives_it_everything():
    share = Portion("host0", 512)
    for left in (100, 30, 9, 3, 1):
        share.update({f"host{n}": 1.0 for n in range(left)})
    assert share.shards == set(range(512))


@given(names, weights, counts, st.floats(0.01, 50))
def test_who_looks_further_sees_the_same_and_more(name, weight, shards, until):
    near = wishes(name, weight, shards, until / weight)
    far = wishes(name, weight, shards, 2 * until / weight)
    assert near == {shard: at for shard, at in far.items() if at < until / weight}
