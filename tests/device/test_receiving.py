"""Records that come unasked: each once, under its own time, whatever a unit makes of it."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.device import receiving
from rct_collector.device.plausibility import Plausibility, Verdict
from rct_collector.device.receiving import AHEAD_S, EARLIEST_NS, Receiving
from rct_collector.drivers.base import Fault, Pushed, Record
from rct_collector.model import Origin
from rct_collector.receipt import Receipt

ROWS = catalog()
POWER = ROWS.series("inverter_power.load_watts")
GRID = ROWS.series("inverter_power.grid_watts")
TOTAL = ROWS.series("inverter_string.energy_watt_hours_total", string="a")
ALIEN = ROWS.series("inverter_power.pv_watts")

S = 1_000_000_000
NOW_NS = 1_782_036_003 * S


class Made:
    """A receiver whose batches are kept."""

    def __init__(
        self, *, unwanted=(), heartbeat_s=60.0, plausibility=None, many=False, doubtful=False
    ):
        self.doubtful = doubtful
        self.batches, self.receipts, self.holds = [], [], False
        self.faults = Counter()
        self.told = []
        self.receiving = Receiving(
            Pushed(
                records={"inverter": (POWER.metric, GRID.metric, TOTAL.metric)},
                heartbeat_s=heartbeat_s,
                many=many,
            ),
            wanted=lambda series: series not in unwanted,
            plausibility=plausibility or Plausibility(),
            send=self._send,
            faults=lambda fault: self.faults.update([fault]),
            reports=self,
            doubt=self,
        )

    def _send(self, time_ns, values, origin, receipt):
        self.batches.append((time_ns, values, origin))
        self.receipts.append(receipt)
        if receipt is not None and self.holds:
            receipt.hold()

    def is_ours(self):
        return self.doubtful

    def say(self, _log, _level, _kind, text, *arguments, most):
        assert most
        self.told.append(text % arguments)

    def take(self, *records, now=1000.0, receipt=None, step_s=0):
        self.receiving.take(records, now=now, wall_ns=NOW_NS + step_s * S, receipt=receipt)

    @property
    def values(self):
        """(age in seconds, value, origin) of every value in the order handed over."""
        return [
            ((NOW_NS - at) // S, value, str(origin))
            for at, values, origin in self.batches
            for _, value in values
        ]


def record(age_s=0, *values, key="inverter"):
    return Record("A", key, NOW_NS - age_s * S, values or ((POWER, 1.0),))


@pytest.fixture
def made():
    return Made()


def test_record_becomes_a_batch_of_its_own_time(made):
    made.take(record(90, (POWER, 5.0), (GRID, -5.0)))
    assert made.batches == [(NOW_NS - 90 * S, [(POWER, 5.0), (GRID, -5.0)], Origin.LIVE)]
    assert made.receiving.age(NOW_NS) == 90.0


def test_records_of_one_time_that_come_together_make_one_batch(made):
    made.take(record(3), record(3, (GRID, 2.0), key="meter"), record(2))
    assert [len(values) for _, values, _ in made.batches] == [2, 1]


def test_record_that_comes_twice_is_taken_once(made):
    made.take(record(3), record(3))
    made.take(record(3))
    assert len(made.batches) == 1
    assert (made.receiving.records, made.receiving.repeated) == (1, 2)


def test_older_than_the_last_of_its_series_is_late(made):
    made.take(record(10))
    made.take(record(300, (POWER, 7.0), (GRID, 8.0)))
    assert made.values == [(10, 1.0, "live"), (300, 7.0, "late"), (300, 8.0, "live")]


def test_stored_records_that_come_before_the_newest_are_not_late(made):
    """After an outage a unit sends what it has kept, oldest first."""
    made.take(*(record(age) for age in (900, 600, 300)))
    assert [origin for _, _, origin in made.values] == ["live"] * 3


def test_what_is_not_wanted_any_more_is_left_out_and_what_is_again_is_not():
    unwanted = set()
    made = Made(unwanted=unwanted)
    for age, some in ((30, ()), (20, (GRID,)), (10, ())):
        unwanted.clear()
        unwanted.update(some)
        made.receiving.choose()
        made.take(record(age, (GRID, float(age))))
    assert made.values == [(30, 30.0, "live"), (10, 10.0, "live")]


def test_same_time_from_another_component_is_no_second_live_value(made):
    made.take(record(10))
    made.take(record(10, key="copy"))
    assert [origin for _, _, origin in made.values] == ["live", "late"]


@pytest.mark.parametrize(
    "time_ns",
    [0, -1, EARLIEST_NS - 1, NOW_NS + round(AHEAD_S * S) + 1, 0xFFFFFFFF * S, 10**30],
)
def test_time_that_cannot_be_is_counted_and_left_out(made, time_ns):
    made.take(Record("A", "inverter", time_ns, ((POWER, 1.0),)))
    assert made.batches == []
    assert made.receiving.misdated == 1
    assert made.faults == {Fault.DECODE: 1}
    assert "look at its clock" in made.told[0]
    made.take(record())
    assert len(made.batches) == 1, "the series is not spoilt by it"


def ahead(seconds=3600):
    return record(-seconds)


def test_what_comes_from_the_future_comes_again_while_our_clock_is_in_doubt():
    made = Made(doubtful=True)
    receipt = Receipt()
    made.take(record(), ahead(), receipt=receipt)
    receipt.settle(True)
    assert receipt.is_lost
    assert made.values == [(0, 1.0, "live")], "the rest is taken"
    assert "they are not acknowledged, and come again" in made.told[0]
    assert "kept by NTP" in made.told[0]
    again = Receipt()
    made.take(record(), ahead(), receipt=again, step_s=3600)
    again.settle(True)
    assert not again.is_lost
    assert made.values == [(0, 1.0, "live"), (-3600, 1.0, "live")]
    assert made.faults == {Fault.DECODE: 1}


@pytest.mark.parametrize(
    ("doubtful", "time_ns", "lost"),
    [
        (False, NOW_NS + 3600 * S, False),
        (True, NOW_NS + 30 * 365 * 86400 * S, True),
        (True, 0xFFFFFFFF * S, False),
        (True, 0, False),
        (True, EARLIEST_NS - 1, False),
    ],
    ids=["we are right", "we are years behind", "all ones", "none", "never set"],
)
def test_what_nobody_will_believe_later_is_acknowledged(doubtful, time_ns, lost):
    made = Made(doubtful=doubtful)
    receipt = Receipt()
    made.take(Record("A", "inverter", time_ns, ((POWER, 1.0),)), receipt=receipt)
    receipt.settle(True)
    assert receipt.is_lost is lost
    assert made.batches == []
    assert made.receiving.misdated == 1


def test_who_waits_for_nothing_is_not_kept_waiting():
    made = Made(doubtful=True)
    made.take(ahead())
    assert "look at its clock" in made.told[0]


@pytest.mark.parametrize("time_ns", [EARLIEST_NS, NOW_NS + round(AHEAD_S * S)])
def test_skewed_clock_is_believed(made, time_ns):
    made.take(Record("A", "inverter", time_ns, ((POWER, 1.0),)))
    assert [at for at, _, _ in made.batches] == [time_ns]


def test_implausible_values_are_left_out_one_by_one(made):
    made.take(record(1, (POWER, math.nan), (GRID, 1e9)), record(0, (POWER, 1e9), (GRID, 4.0)))
    assert made.values == [(0, 4.0, "live")]
    assert made.receiving.implausible == 3


@given(
    st.lists(
        st.tuples(
            st.sampled_from([POWER, GRID, TOTAL]),
            st.floats()
            | st.integers(-(10**9), 10**9)
            | st.text(max_size=3)
            | st.sampled_from([POWER.metric.low, POWER.metric.high, 0.0, 1.0, 1.1]),
        ),
        max_size=20,
    )
)
def test_each_value_is_judged_as_the_judge_would(pairs):
    """Of most that is done without a call, which must not differ."""
    made, judge = Made(), Plausibility()
    wanted = []
    for age, pair in enumerate(pairs, -len(pairs)):
        made.take(record(-age, pair))
        if judge.judge(*pair, now=1000.0 + age) is Verdict.GOOD:
            wanted.append(pair)
    assert [pair for _, values, _ in made.batches for pair in values] == wanted
    assert made.receiving.implausible == len(pairs) - len(wanted)


def test_total_that_falls_is_doubted_and_one_of_the_past_is_not(made):
    made.take(record(300, (TOTAL, 5000.0)))
    made.take(record(100, (TOTAL, 0.0)))
    made.take(record(600, (TOTAL, 4000.0)))
    made.take(record(50, (TOTAL, 5001.0)))
    assert made.values == [(300, 5000.0, "live"), (600, 4000.0, "late"), (50, 5001.0, "live")]


def test_growth_is_judged_by_the_times_of_the_records(made):
    """A day that was stored comes within a second."""
    made.take(record(86400, (TOTAL, 1e6)), record(0, (TOTAL, 1e6 + 80_000)))
    assert [value for _, value, _ in made.values] == [1e6, 1e6 + 80_000]


def test_a_step_of_our_clock_costs_no_total_of_units_that_only_talk():
    made = Made(many=True)
    made.take(record(600, (TOTAL, 1e6)))
    made.take(record(300, (TOTAL, 1e6 + 5000)), now=1300.0, step_s=3600)
    assert [value for _, value, _ in made.values] == [1e6, 1e6 + 5000]


def test_growth_is_judged_beside_what_the_unit_is_asked_for():
    """The same total may come in answers, whose times are those of the loop."""
    plausibility = Plausibility()
    made = Made(plausibility=plausibility)
    assert plausibility.judge(TOTAL, 1e6, now=900.0) is Verdict.GOOD
    made.take(record(50, (TOTAL, 2e6)), record(0, (TOTAL, 1e6 + 2e4)), now=1000.0)
    assert made.values == [(0, 1e6 + 2e4, "live")]
    assert plausibility.judge(TOTAL, 1e6 + 4e4, now=1100.0) is Verdict.GOOD


def test_series_of_other_families_are_counted(made):
    made.take(record(1, (ALIEN, 50.0), (POWER, 1.0)))
    assert made.values == [(1, 1.0, "live")]
    assert made.receiving.unknown == 1


def test_what_the_user_does_not_want_is_left_out():
    made = Made(unwanted=[GRID])
    made.take(record(1, (GRID, 1.0), (POWER, 1.0)), record(0, (GRID, 1.0)))
    assert made.values == [(1, 1.0, "live")]
    assert made.receiving.unknown == 0


def test_memory_is_bounded_whatever_comes(made, monkeypatch):
    monkeypatch.setattr(receiving, "MOST_REMEMBERED", 4)
    monkeypatch.setattr(receiving, "MOST_SERIES", 1)
    for age in range(100, 0, -1):
        made.take(record(age, (POWER, 1.0), (GRID, 1.0)))
    assert len(made.receiving._seen) == 4
    assert made.receiving.unknown == 100
    assert len(made.batches) == 100
    made.take(record(1))
    assert made.receiving.repeated == 1


def test_heartbeat_tells_whether_the_unit_is_heard():
    made = Made(heartbeat_s=60.0)
    unit = made.receiving
    assert (unit.is_up(1000.0), unit.age(NOW_NS)) == (False, None)
    made.take(record(300), now=1000.0)
    assert unit.is_up(1060.0)
    assert not unit.is_up(1060.5)
    unit.heard(2000.0)  # an empty message: it is there, and has nothing new to tell
    assert unit.is_up(2000.0)
    assert unit.age(NOW_NS) == 300.0


@given(st.lists(st.tuples(st.integers(0, 20), st.sampled_from("ab"), st.booleans()), max_size=40))
def test_no_time_of_a_series_is_live_twice_or_out_of_order(arrivals):
    """Whatever the order, and however often each record comes."""
    made = Made()
    for age, key, at_once in arrivals:
        twice = [record(age, (POWER, float(age)), key=key)] * (1 + at_once)
        made.take(*twice)
    live = [-age for age, _, origin in made.values if origin == "live"]
    assert live == sorted(set(live))
    assert len(made.values) == len({(age, key) for age, key, _ in arrivals})
    assert all(age == value for age, value, _ in made.values)


# -- what a unit keeps until it was taken over ---------------------------------------------------


def waited_for(made, *records, holds=True):
    """Take records whose unit waits for that; the receipt of all of them together."""
    made.holds = holds
    whole = Receipt()
    made.take(*records, receipt=whole)
    whole.settle(True)
    return whole


def test_what_is_taken_at_once_is_acknowledged_at_once(made):
    whole = waited_for(made, record(3), record(2), holds=False)
    assert (whole.is_pending, whole.is_lost) == (False, False)


def test_all_that_came_together_has_to_be_taken(made):
    whole = waited_for(made, record(3), record(2))
    first, second = made.receipts
    first.settle(True)
    assert whole.is_pending
    second.settle(True)
    assert (whole.is_pending, whole.is_lost) == (False, False)


def test_only_what_was_lost_is_new_when_all_is_repeated(made):
    """Else what an agent has got already would reach it twice."""
    whole = waited_for(made, record(3), record(2))
    taken, lost = made.receipts
    lost.settle(False)
    taken.settle(True)
    assert whole.is_lost
    whole = waited_for(made, record(3), record(2), holds=False)
    assert not whole.is_lost
    assert made.values == [(3, 1.0, "live"), (2, 1.0, "live"), (2, 1.0, "live")]
    assert made.receiving.repeated == 1


def test_what_was_lost_is_still_late_behind_what_is_newer(made):
    waited_for(made, record(9))
    made.receipts[-1].settle(False)
    waited_for(made, record(5), holds=False)
    waited_for(made, record(9), holds=False)
    assert [origin for _, _, origin in made.values] == ["live", "live", "late"]


def test_a_repetition_is_not_acknowledged_before_the_first_was_taken(made):
    first = waited_for(made, record(3))
    again = waited_for(made, record(3))
    assert len(made.batches) == 1
    assert again.is_pending
    made.receipts[0].settle(True)
    assert (first.is_lost, again.is_lost) == (False, False)
    assert not again.is_pending


def test_a_repetition_of_what_is_lost_meanwhile_is_lost_too(made):
    waited_for(made, record(3))
    again = waited_for(made, record(3))
    made.receipts[0].settle(False)
    assert again.is_lost
    assert not waited_for(made, record(3), holds=False).is_lost


def test_a_record_twice_in_one_message_does_not_wait_for_itself(made):
    whole = waited_for(made, record(3), record(3))
    made.receipts[0].settle(True)
    assert (whole.is_pending, whole.is_lost) == (False, False)


@pytest.mark.parametrize("spoilt", ["unwanted", "misdated", "implausible", "unknown"])
def test_what_nobody_is_to_get_is_acknowledged_at_once(spoilt):
    made = Made(unwanted=(POWER,))
    records = {
        "unwanted": record(3),
        "misdated": Record("A", "inverter", 0, ((GRID, 1.0),)),
        "implausible": record(3, (GRID, math.nan)),
        "unknown": record(3, (ALIEN, 1.0)),
    }
    whole = waited_for(made, records[spoilt])
    assert made.batches == []
    assert (whole.is_pending, whole.is_lost) == (False, False)


MESSAGES = st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.integers(0, 3)),
        st.tuples(st.just("take"), st.integers(0, 9)),
        st.tuples(st.just("lose"), st.integers(0, 9)),
    ),
    max_size=40,
)


@given(messages=MESSAGES, steps=STEPS)
def test_each_record_is_taken_once_whatever_is_repeated_taken_or_lost(messages, steps):
    """And no message is acknowledged before all in it was taken."""
    made = Made()
    made.holds = True
    waiting, taken, acknowledged = [], Counter(), set()

    def say(number):
        before = len(made.batches)
        whole = Receipt()
        ages = sorted(messages[number])
        made.take(*(record(60 + age, (POWER, float(age))) for age in ages), receipt=whole)
        waiting.extend(zip(made.batches[before:], made.receipts[before:], strict=True))

        def settled(was_taken):
            if was_taken:
                assert all(taken[age] == 1 for age in ages)
                acknowledged.add(number)

        whole.then(settled)
        whole.settle(True)

    def settle(number, was_taken):
        (_, values, _), receipt = waiting.pop(number)
        taken.update(int(value) for _, value in values if was_taken)
        receipt.settle(was_taken)

    for what, number in steps:
        if what == "say":
            say(number % len(messages))
        elif waiting:
            settle(number % len(waiting), what == "take")
    for number in range(len(messages)):
        while number not in acknowledged:
            say(number)
            while waiting:
                settle(0, True)
    assert taken == Counter(set().union(*messages))
