"""Whose turn it is."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from math import ceil
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.config import DeviceConfig, Intervals
from rct_collector.device.clock import SystemClock
from rct_collector.device.polling.backlog import SLOW_CLASSES, Backlog, in_turn
from rct_collector.device.polling.budget import LATEST_TOTALS
from rct_collector.device.polling.freshness import Freshness
from rct_collector.device.polling.plan import Plan
from rct_collector.device.polling.unsupported import Unsupported
from rct_collector.drivers import driver
from rct_collector.drivers.base import Query
from rct_collector.drivers.rct.options import RctOptions, RctRequests
from rct_collector.model import PollClass
from tests.addresses import tcp
from tests.slow import slow_but

RCT = driver("rct")
DEVICE = DeviceConfig(name="roof", driver="rct", address=tcp("192.0.2.1"))
ALWAYS = Freshness(None, SystemClock())


def test_what_is_most_urgent_comes_first_and_of_equals_the_first():
    waiting = {"a": (0, 0.5), "b": (0, 2.0), "c": (1, 0.0), "d": (0, 2.0), "e": (2, 0.0)}
    assert in_turn(waiting, {}) == ["e", "c", "b", "d", "a"]


def test_what_belongs_together_is_asked_together():
    waiting = {"old": (0, 9.0), "b": (0, 1.0), "m1": (0, 3.0), "a": (0, 4.0), "m2": (0, 2.0)}
    companions = {"a": ("b", "answered"), "b": ("a", "answered")}
    assert in_turn(waiting, companions) == ["old", "a", "b", "m1", "m2"]


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1e6), st.integers(0, 20)), max_size=60))
def test_nothing_is_lost_and_nobody_waits_for_what_is_less_urgent_but_for_a_sum(entries):
    waiting = {query: (rank, share) for query, (rank, share, _) in enumerate(entries)}
    groups = {}
    for query, (_, _, group) in enumerate(entries):
        groups.setdefault(group, []).append(query)
    companions = {q: group for group in groups.values() for q in group}
    ordered = in_turn(waiting, companions)
    assert sorted(ordered) == sorted(waiting)
    best = [max(waiting[q] for q in group) for group in groups.values()]
    leaders = [max(waiting[q] for q in companions[query]) for query in ordered]
    assert leaders == sorted(leaders, reverse=True)
    assert sorted(set(leaders)) == sorted(set(best))
    for group in groups.values():
        places = [ordered.index(query) for query in group]
        assert max(places) - min(places) == len(group) - 1


# -- what the unit is asked, round by round -----------------------------------------------------


def unit(conditions, *, facts=None, still_open=()):
    """What discovery says of a unit with some equipment."""
    deciding = RCT.deciding()
    return SimpleNamespace(
        has=lambda condition: condition in conditions,
        among=lambda queries: [query for query in queries if query.condition in conditions],
        open=lambda: list(still_open),
        deciding=deciding,
        decides=deciding.__contains__,
        version=0,
        facts={query.name: 1 for query in deciding} if facts is None else facts,
    )


def shared_out(config, *, seconds, conditions=RCT.conditions):
    """Rounds of a unit that answers everything, with as much room in them as the pace leaves.

    Returns:
        The backlog, seconds from one round to the next, and query → times of its rounds.
    """
    backlog = Backlog(Plan(RCT, config), unit(conditions), Unsupported(), ALWAYS, config)
    asked = {}
    now, tokens, due = START, 0.0, dict.fromkeys(SLOW_CLASSES, START)
    while now < START + seconds:
        classes = [poll for poll in SLOW_CLASSES if now >= due[poll]]
        due |= {poll: due[poll] + config.intervals.seconds(poll) for poll in classes}
        backlog.queue(classes, now)
        budget = backlog.budget
        round_s = budget.seconds(PollClass.FAST)
        fast = budget.shares[0].queries
        tokens = min(tokens, fast) + budget.pace * round_s - fast
        turn = backlog.in_turn(now)
        room = min(int(tokens), len(turn))
        tokens -= room
        for query in turn[:room]:
            asked.setdefault(query, []).append(now)
        backlog.keep(turn[room:], (), now)
        now += round_s
    return backlog, round_s, asked


def test_a_fact_that_is_learnt_in_a_round_changes_the_pace_with_the_next_one():
    """When that begins was told when this one did, and is not put off in the middle of it."""
    bare, full = unit(["always"]), unit(RCT.conditions)
    backlog = Backlog(Plan(RCT, DEVICE), bare, Unsupported(), ALWAYS, DEVICE)
    backlog.queue(SLOW_CLASSES, START)
    before = backlog.budget
    bare.has, bare.among, bare.version = full.has, full.among, 1
    assert backlog.news(SLOW_CLASSES, START + 1)
    assert backlog.budget is before
    backlog.queue((), START + 10)
    assert backlog.budget.needed > before.needed


START = 1000.0

INTERVALS = {
    "usual": Intervals(),
    "short": Intervals(fast=5.0, medium=20.0, slow=60.0, static=600.0),
    "long": Intervals(fast=60.0, medium=300.0, slow=900.0, static=86400.0),
    "slow often": Intervals(medium=30.0, slow=60.0),
    "all alike": Intervals(fast=60.0, medium=60.0, slow=60.0, static=60.0),
}


@pytest.mark.slow
@pytest.mark.parametrize("pace", slow_but(4.4, [1.0, 2.0, 3.0, 4.0, 4.4, 5.0]))
@pytest.mark.parametrize("intervals", INTERVALS)
def test_no_query_is_later_than_its_stretched_interval_says(intervals, pace):
    """With two towers and single cells; by one round at most, and energy totals not at all."""
    intervals, requests = INTERVALS[intervals], RctRequests(per_second=pace)
    config = replace(DEVICE, options=RctOptions(cells=True), intervals=intervals, requests=requests)
    budget = Backlog(Plan(RCT, config), unit(RCT.conditions), Unsupported(), ALWAYS, config).budget
    slow_s = budget.seconds(PollClass.SLOW)
    backlog, round_s, asked = shared_out(config, seconds=6 * slow_s)
    assert round_s == budget.seconds(PollClass.FAST)

    begin = max(times[0] for times in asked.values()) + slow_s  # all was asked once
    end = START + 6 * slow_s
    assert end - begin > 3 * slow_s
    for query, poll in backlog._plan.classes.items():
        if poll is PollClass.FAST:
            continue
        total = query in backlog._plan.energy
        turn = ceil(budget.seconds(poll, total=total) / round_s) * round_s
        times = [at for at in asked[query] if at >= begin]
        gap = max(b - a for a, b in pairwise([begin, *times, end]))
        assert gap <= turn + round_s, query.name
        if total and not budget.fits:
            assert gap <= max(LATEST_TOTALS * intervals.slow, 2 * round_s), query.name


# -- the order, and rounds that are shorter than the pace promises --------------------------------


def names(queries):
    return [query.name for query in queries]


def test_what_decides_comes_first_then_energy_totals_then_what_is_new_and_then_the_rest():
    deciding = RCT.query("power_mng.n_batteries")
    total, new = RCT.query("energy.e_load_total"), RCT.query("db.temp1")
    old, older = RCT.query("db.core_temp"), RCT.query("iso_struct.Riso")
    backlog = Backlog(Plan(RCT, DEVICE), unit(["always"], facts={}), Unsupported(), ALWAYS, DEVICE)
    backlog.queue([], 0.0)
    backlog._waiting = dict.fromkeys([old, older, total], 0.0)
    backlog.keep([], (), 1.0)  # these were asked once
    backlog._waiting = {old: 30.0, older: 20.0, new: 50.0, total: 49.0, deciding: 50.0}
    assert names(backlog.in_turn(50.0)) == names([deciding, total, new, older, old])


def test_what_decides_but_was_asked_in_vain_waits_for_what_is_new():
    deciding, new = RCT.query("power_mng.n_batteries"), RCT.query("db.temp1")
    seen = unit(["always"], facts={}, still_open=[deciding])
    backlog = Backlog(Plan(RCT, DEVICE), seen, Unsupported(), ALWAYS, DEVICE)
    backlog.queue([], 0.0)
    assert backlog.in_turn(0.0) == [deciding]
    backlog.keep([deciding], [deciding], 1.0)
    backlog._waiting[new] = 1.0
    assert backlog.in_turn(2.0) == [new, deciding]


@pytest.mark.parametrize(
    ("minute_s", "hour_s", "first"),
    [(1.0, 30.0, "db.temp1"), (20.0, 900.0, "db.temp1"), (10.0, 900.0, "android_description")],
)
def test_what_waits_longest_in_proportion_to_its_interval_comes_first(minute_s, hour_s, first):
    minute, hour = RCT.query("db.temp1"), RCT.query("android_description")
    backlog = Backlog(Plan(RCT, DEVICE), unit(["always"]), Unsupported(), ALWAYS, DEVICE)
    backlog.queue([], 0.0)
    backlog._waiting = {minute: 0.0, hour: 0.0}
    backlog.keep([], (), 1.0)  # these were asked once
    backlog._waiting = {hour: 5000.0 - hour_s, minute: 5000.0 - minute_s}
    assert backlog.in_turn(5000.0)[0].name == first


class Planned(SimpleNamespace):
    """A plan, which is nobody else's."""

    __hash__ = object.__hash__


def rounds(room, count, *, every):
    """What is asked in each round, when there is room for so many; two make up a sum."""
    config = replace(DEVICE, intervals=Intervals(medium=10.0 * every))
    asked = [Query(f"q{n}", "always") for n in range(12)]
    one, other = asked[2:4]
    plan = Planned(
        parts=("always",),
        queries=lambda poll: asked if poll is PollClass.MEDIUM else [],
        companions={one: (other,), other: (one,)},
        classes=dict.fromkeys(asked, PollClass.MEDIUM),
        places={query: number for number, query in enumerate(asked)},
        energy=frozenset(),
    )
    seen = unit(["always"], facts={})
    seen.deciding = []
    backlog = Backlog(plan, seen, Unsupported(), ALWAYS, config)
    for number in range(count):
        now = 10.0 * number
        backlog.queue([PollClass.MEDIUM] if number % every == 0 else [], now)
        turn = backlog.in_turn(now)
        yield names(turn[:room])
        backlog.keep(turn[room:], (), now)


@pytest.mark.parametrize("room", [1, 2, 3, 4])
@pytest.mark.parametrize("every", [1, 2, 3, 6, 50])
def test_rounds_too_short_for_all_are_shared(room, every):
    """A sum is not asked for again and again at the cost of everybody else."""
    counts = Counter(name for asked in rounds(room, 600, every=every) for name in asked)
    assert len(counts) == 12
    assert max(counts.values()) <= 3 * min(counts.values())


@pytest.mark.parametrize("every", [1, 3, 6, 50])
def test_a_sum_comes_as_often_as_its_parts_if_there_is_room_for_it(every):
    together = Counter(len({"q2", "q3"} & set(asked)) for asked in rounds(2, 600, every=every))
    assert together[2] >= 0.9 * together[1]


def test_on_a_new_line_what_the_unit_cannot_have_is_not_asked_again():
    battery = RCT.query("battery.bms_sn").condition
    for conditions in ({*RCT.conditions}, {*RCT.conditions} - {battery}):
        backlog = Backlog(Plan(RCT, DEVICE), unit(conditions), Unsupported(), ALWAYS, DEVICE)
        backlog.decide_again(START)
        wanted = {query for query in RCT.deciding() if query.condition in conditions}
        assert set(backlog.in_turn(START)) == wanted


@pytest.mark.slow
def test_what_decides_and_is_left_alone_stays_so_where_not_all_fits():
    """Each query has a turn of its own then, that of a class that comes often, too."""
    unsupported = Unsupported()
    config = replace(DEVICE, requests=RctRequests(per_second=0.5))
    plan, (decides, *_) = Plan(RCT, config), RCT.deciding()
    plan.classes[decides] = PollClass.MEDIUM  # as if it also told something of that class
    backlog = Backlog(plan, unit(["always"]), unsupported, ALWAYS, config)
    backlog.queue(SLOW_CLASSES, 0.0)
    assert not backlog.budget.fits
    assert decides in backlog.in_turn(0.0)
    unsupported.give_up(decides, 0.0)
    backlog.keep([], [], 0.0)
    for now in range(10, 890, 10):
        backlog.queue(SLOW_CLASSES, float(now))
        assert decides not in backlog.in_turn(float(now))
