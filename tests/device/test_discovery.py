"""What a unit is believed to have."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rctclient.types import DataType

from rct_collector.device.discovery import Discovery
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Condition, Driver, Query

untimed = settings(deadline=None)


def known(name):
    """Present when the fact is true; unknown while it is missing."""
    return Condition((name,), lambda facts: bool(facts[name]) if name in facts else None)


def both(first, second):
    def test(facts):
        if first in facts and not facts[first]:
            return False
        if first in facts and second in facts:
            return bool(facts[second])
        return None

    return Condition((second, first), test)


QUERIES = {
    name: Query(name, condition)
    for name, condition in {
        "power": "always",
        "module": "battery",  # asked only where there is a battery
        "battery": "always",
        "serial": "always",
        "firmware": "always",
        "soc": "battery",
    }.items()
}

TOY = Driver(
    name="toy",
    vendor="toy",
    title="Toy",
    schemes=("tcp",),
    port=1,
    queries=tuple(QUERIES.values()),
    conditions={
        "always": Condition((), lambda _facts: True),
        "battery": known("battery"),
        "module": both("battery", "module"),
    },
    identity=("serial", "firmware"),
    session=lambda: None,
)

COMPLETE = {"serial": "S1", "firmware": "1.0", "battery": 1, "module": "M1"}


def learn(discovery, **facts):
    """Answer twice each."""
    for name, value in facts.items():
        discovery.observe(QUERIES[name], value)
        discovery.observe(QUERIES[name], value)


def names(queries):
    return [query.name for query in queries]


def test_nothing_is_known_at_first_except_what_every_unit_has():
    discovery = Discovery(TOY)
    assert discovery.has("always") is True
    assert discovery.has("battery") is None
    assert discovery.has("module") is None
    assert not discovery.complete()


def test_identity_is_asked_first_then_what_conditions_name_in_their_order():
    assert names(Discovery(TOY).deciding) == ["serial", "firmware", "battery", "module"]
    assert names(Discovery(TOY).open()) == ["serial", "firmware", "battery", "module"]


def test_only_the_deciding_queries_decide():
    discovery = Discovery(TOY)
    assert discovery.decides(QUERIES["battery"])
    assert not discovery.decides(QUERIES["soc"])
    assert not discovery.decides(Query("battery", "always"))  # of another driver


def test_first_answer_decides_nothing():
    discovery = Discovery(TOY)
    assert discovery.observe(QUERIES["battery"], 1) is None
    assert discovery.facts == {}
    assert discovery.has("battery") is None


def test_second_equal_answer_makes_a_fact():
    discovery = Discovery(TOY)
    discovery.observe(QUERIES["battery"], 1)
    assert discovery.observe(QUERIES["battery"], 1) is True
    assert discovery.facts == {"battery": 1}
    assert discovery.has("battery") is True


def test_different_second_answer_needs_a_third():
    discovery = Discovery(TOY)
    answers = [discovery.observe(QUERIES["battery"], value) for value in (1, 0, 1, 1)]
    assert answers == [None, None, None, True]


def test_answer_as_known_changes_nothing():
    discovery = Discovery(TOY, COMPLETE)
    assert discovery.observe(QUERIES["battery"], 1) is False


def test_single_odd_answer_is_forgotten_when_the_known_one_comes_again():
    discovery = Discovery(TOY, COMPLETE)
    answers = [discovery.observe(QUERIES["battery"], value) for value in (0, 1, 0, 1)]
    assert answers == [None, False, None, False]
    assert discovery.has("battery") is True


def test_changed_fact_changes_what_the_unit_has():
    discovery = Discovery(TOY, COMPLETE)
    assert discovery.has("module") is True
    learn(discovery, battery=0)
    assert discovery.has("battery") is False
    assert discovery.has("module") is False
    assert discovery.facts == {**COMPLETE, "battery": 0}


def test_absent_parts_are_not_asked_about():
    discovery = Discovery(TOY)
    learn(discovery, battery=0)
    assert names(discovery.open()) == ["serial", "firmware"]
    learn(discovery, serial="S1", firmware="1.0")
    assert discovery.complete()


def test_present_parts_are_asked_about():
    discovery = Discovery(TOY)
    learn(discovery, serial="S1", firmware="1.0", battery=1)
    assert names(discovery.open()) == ["module"]


@pytest.mark.parametrize("name", ["serial", "firmware"])
def test_other_identity_clears_all_that_was_learnt(name):
    discovery = Discovery(TOY, COMPLETE)
    discovery.observe(QUERIES["battery"], 0)  # half a fact about the old unit
    learn(discovery, **{name: "new"})
    assert discovery.facts == {name: "new"}
    assert discovery.has("battery") is None
    assert discovery.observe(QUERIES["battery"], 0) is None


def test_single_wrong_identity_clears_nothing():
    discovery = Discovery(TOY, COMPLETE)
    discovery.observe(QUERIES["serial"], "garbage")
    assert discovery.facts == COMPLETE


def test_unanswered_query_counts_as_an_answer():
    """Older firmware lacks newer objects; waiting for them for ever would find nothing."""
    discovery = Discovery(TOY)
    assert discovery.unanswered(QUERIES["battery"]) is True
    assert discovery.facts == {"battery": None}
    assert discovery.has("battery") is False
    assert discovery.unanswered(QUERIES["battery"]) is False


def test_silence_takes_back_nothing_that_was_answered_before():
    discovery = Discovery(TOY, COMPLETE)
    assert discovery.unanswered(QUERIES["battery"]) is False
    assert discovery.facts == COMPLETE


def test_query_that_is_answered_after_all_is_believed_after_two_answers():
    discovery = Discovery(TOY)
    discovery.unanswered(QUERIES["battery"])
    learn(discovery, battery=1)
    assert discovery.has("battery") is True


def test_identity_that_was_unanswered_and_comes_later_clears_nothing():
    discovery = Discovery(TOY, {"battery": 1})
    discovery.unanswered(QUERIES["serial"])
    learn(discovery, serial="S1")
    assert discovery.facts == {"battery": 1, "serial": "S1"}


def test_facts_of_an_earlier_run_hold_from_the_start():
    discovery = Discovery(TOY, COMPLETE)
    assert discovery.complete()
    assert discovery.has("module") is True


def test_saved_facts_that_decide_nothing_any_more_are_left_out():
    discovery = Discovery(TOY, {**COMPLETE, "gone": 1})
    assert discovery.facts == COMPLETE


@untimed
@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(QUERIES)), st.sampled_from([0, 1, 2, "a", "b"])),
        max_size=40,
    )
)
def test_no_fact_rests_on_a_single_answer(answers):
    """Of two values in a row that differ, the later one is never believed at once."""
    discovery = Discovery(TOY)
    last = {}
    for name, value in answers:
        if name not in ("power", "soc"):
            believed = discovery.facts.get(name)
            discovery.observe(QUERIES[name], value)
            if discovery.facts.get(name) not in (None, believed):
                assert discovery.facts[name] == value == last[name]
            last[name] = value


# -- the RCT driver ----------------------------------------------------------------------------

RCT = load_driver("rct")

FULL = {q.name: "X1" if q.type is DataType.STRING else 1 for q in RCT.deciding()}


def answer(discovery, unit):
    """Answer whatever is asked first, twice, until nothing is; the names of what was asked."""
    asked = []
    while not discovery.complete():
        query = discovery.open()[0]
        assert query.name not in asked
        asked.append(query.name)
        for _ in range(2):
            if query.name in unit:
                discovery.observe(query, unit[query.name])
            else:
                discovery.unanswered(query)
    return asked


def test_full_rct_unit_is_known_completely_and_its_facts_can_be_saved():
    unit = {**FULL, "power_mng.n_batteries": 2, "io_board.io1_usage": 3}
    discovery = Discovery(RCT)
    answer(discovery, unit)
    assert {name for name in RCT.conditions if not discovery.has(name)} == set()
    saved = json.loads(json.dumps(discovery.facts))
    again = Discovery(RCT, saved)
    assert again.complete()
    assert all(again.has(name) == discovery.has(name) for name in RCT.conditions)


def test_rct_unit_without_battery_is_asked_nothing_about_modules():
    discovery = Discovery(RCT)
    asked = answer(discovery, {**FULL, "power_mng.battery_type": 5})
    assert not [name for name in asked if "module" in name]
    assert not any(discovery.has(f"mod {n}") or discovery.has(f"mod2 {n}") for n in range(7))
    assert discovery.has("bat") is False


def test_rct_unit_that_answers_nothing_is_known_to_have_nothing():
    discovery = Discovery(RCT)
    answer(discovery, {})
    assert [name for name in RCT.conditions if discovery.has(name)] == ["always"]
