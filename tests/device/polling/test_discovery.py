"""What a unit is believed to have."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rctclient.types import DataType

from rct_collector.device.polling.discovery import Discovery, facts_from
from rct_collector.drivers import driver as load_driver
from rct_collector.drivers.base import Condition, Driver, Polled, Query

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
    ways={"tcp": {}},
    session=lambda _options: None,
    polled=Polled(
        queries=tuple(QUERIES.values()),
        conditions={
            "always": Condition((), lambda _facts: True),
            "battery": known("battery"),
            "module": both("battery", "module"),
        },
        identity=("serial", "firmware"),
    ),
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
    assert {query.condition for query in discovery.among(TOY.queries)} == {"always"}
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


class Status(Query):
    """An answer with a measurement in it, so that no two are alike."""

    def fact(self, value):
        return value["model"]


def test_an_answer_of_many_parts_decides_by_what_stays_the_same():
    query = Status("status")
    toy = replace(
        TOY, polled=Polled(queries=(query,), conditions={"big": known("status")}, identity=())
    )
    discovery = Discovery(toy)
    discovery.observe(query, {"model": "big", "volts": 230.1})
    assert discovery.observe(query, {"model": "big", "volts": 230.2}) is True
    assert discovery.facts == {"status": "big"}
    assert discovery.has("big") is True


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
    assert discovery.among(TOY.queries) == list(TOY.queries)
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


@pytest.mark.slow
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


# -- whose facts they are ---------------------------------------------------------------------


def told(discovery, **facts):
    """Answer once each."""
    return [discovery.observe(QUERIES[name], value) for name, value in facts.items()]


def test_saved_facts_hold_only_once_the_unit_has_said_that_it_is_the_same():
    discovery = Discovery(TOY, COMPLETE)
    discovery.opened()
    assert discovery.has("battery") is True, "enough to ask for it"
    assert discovery.holds("battery") is None
    assert discovery.holds("always") is True
    assert names(discovery.unidentified) == ["serial", "firmware"]
    told(discovery, serial="S1")
    assert discovery.holds("battery") is None
    assert told(discovery, firmware="1.0") == [False], "one answer is enough"
    assert discovery.holds("battery") is True
    assert discovery.identified


def test_one_of_several_parts_is_there_if_any_is_and_none_if_none_is():
    discovery = Discovery(TOY)
    learn(discovery, serial="S1", firmware="1.0")
    assert discovery.holds("battery", "module") is None
    assert discovery.holds("battery", "always") is True
    learn(discovery, battery=1)
    assert (discovery.holds("module"), discovery.holds("module", "battery")) == (None, True)
    learn(discovery, battery=0)
    assert discovery.holds("battery", "module") is False
    assert discovery.holds("battery", "always") is True


def test_first_learning_needs_two_answers_of_everything():
    discovery = Discovery(TOY)
    discovery.opened()
    learn(discovery, battery=1, firmware="1.0")
    assert discovery.holds("battery") is None
    told(discovery, serial="S1")
    assert discovery.holds("battery") is None
    told(discovery, serial="S1")
    assert discovery.holds("battery") is True


def test_each_connection_begins_with_the_question_who_it_is():
    discovery = Discovery(TOY)
    learn(discovery, **COMPLETE)
    assert discovery.holds("module") is True
    discovery.opened()
    assert discovery.holds("module") is None
    told(discovery, serial="S1", firmware="1.0")
    assert discovery.holds("module") is True


def test_single_answer_that_fits_another_unit_puts_everything_on_hold():
    discovery = Discovery(TOY)
    learn(discovery, **COMPLETE)
    told(discovery, serial="S2")
    assert discovery.has("battery") is True
    assert discovery.holds("battery") is None
    told(discovery, serial="S1")
    assert discovery.holds("battery") is True
    assert discovery.change is None


def test_answers_of_two_connections_make_no_fact():
    discovery = Discovery(TOY)
    told(discovery, battery=1)
    discovery.opened()
    assert told(discovery, battery=1) == [None]


def test_another_unit_has_nothing_of_the_old_one():
    discovery = Discovery(TOY, COMPLETE)
    discovery.opened()
    learn(discovery, serial="S2", firmware="1.0")
    assert discovery.change == ("serial", "S1", "S2")
    assert discovery.identified
    assert discovery.holds("battery") is None
    learn(discovery, battery=0)
    assert discovery.holds("battery") is False


def test_unit_that_does_not_say_who_it_is_confirms_each_saved_fact_twice():
    discovery = Discovery(TOY, COMPLETE)
    discovery.opened()
    told(discovery, firmware="1.0", battery=1)
    assert discovery.unanswered(QUERIES["serial"]) is True
    assert discovery.holds("battery") is True, "it was answered on this connection"
    assert discovery.holds("module") is None
    assert names(discovery.open()) == ["module"]
    assert told(discovery, module="M1") == [None]
    assert discovery.holds("module") is None
    assert told(discovery, module="M1") == [False]
    assert discovery.holds("module") is True
    assert discovery.unanswered(QUERIES["serial"]) is False


def test_unit_that_never_says_who_it_is_confirms_its_facts_on_each_connection():
    discovery = Discovery(TOY)
    learn(discovery, firmware="1.0", battery=1, module="M1")
    discovery.unanswered(QUERIES["serial"])
    assert discovery.holds("module") is True
    discovery.opened()
    told(discovery, firmware="1.0")
    assert discovery.unidentified == []
    assert discovery.holds("battery") is None
    assert told(discovery, battery=1, module="M1") == [None, None]
    assert told(discovery, battery=1, module="M1") == [False, False]
    assert discovery.holds("module") is True


def test_saved_fact_that_an_anonymous_unit_leaves_unanswered_is_no_fact_any_more():
    discovery = Discovery(TOY, {"battery": 1, "module": "M1"})
    discovery.opened()
    discovery.unanswered(QUERIES["serial"])
    discovery.unanswered(QUERIES["firmware"])
    assert not discovery.identified
    assert discovery.unanswered(QUERIES["battery"]) is True
    assert discovery.facts["battery"] is None


def test_family_without_identity_confirms_its_facts_on_each_connection():
    driver = replace(TOY, polled=replace(TOY.polled, identity=()))
    discovery = Discovery(driver, {"battery": 1})
    discovery.opened()
    assert discovery.holds("battery") is None
    assert told(discovery, battery=1) == [None]
    assert told(discovery, battery=1) == [False]
    assert discovery.holds("battery") is True
    discovery.opened()
    assert discovery.holds("battery") is None


def test_single_reading_hands_over_what_it_learnt_and_the_unit_says_again_who_it_is():
    first = Discovery(TOY)
    learn(first, **COMPLETE)
    discovery = Discovery(TOY)
    discovery.adopt(first)
    discovery.opened()
    assert discovery.has("module") is True
    assert discovery.among(TOY.queries) == list(TOY.queries)
    assert discovery.holds("module") is None
    told(discovery, serial="S1", firmware="1.0")
    assert discovery.holds("module") is True


@pytest.mark.slow
@untimed
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["opened", "serial unanswered", "firmware unanswered"]),
            st.tuples(
                st.sampled_from(["serial", "firmware", "battery", "module"]),
                st.sampled_from(["a", "b"]),
            ),
        ),
        max_size=40,
    )
)
def test_nothing_conditional_holds_that_the_unit_on_this_connection_does_not_vouch_for(steps):
    """Either it has said its serial number as known, or each fact twice, since the line opened."""
    discovery = Discovery(TOY, {**dict.fromkeys(COMPLETE, "a")})
    discovery.opened()
    said = []
    for step in steps:
        if step == "opened":
            discovery.opened()
            said = []
        elif isinstance(step, str):
            discovery.unanswered(QUERIES[step.split()[0]])
        else:
            discovery.observe(QUERIES[step[0]], step[1])
            said.append(step)
        if discovery.holds("battery"):
            serial = ("serial", discovery.facts.get("serial"))
            assert serial in said or ("battery", discovery.facts["battery"]) in said


# -- what is kept ------------------------------------------------------------------------------


def test_content_carries_address_and_serial_number_and_no_silence():
    discovery = Discovery(TOY)
    learn(discovery, serial="S1", firmware="1.0")
    discovery.unanswered(QUERIES["battery"])
    content = discovery.content("tcp://unit:1")
    assert content == {
        "address": "tcp://unit:1",
        "serial": "S1",
        "facts": {"serial": "S1", "firmware": "1.0"},
    }
    assert facts_from(json.loads(json.dumps(content)), TOY, "tcp://unit:1") == content["facts"]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"facts": COMPLETE},
        {"address": "here", "serial": "S1"},
        {"address": "here", "serial": "S1", "facts": None},
        {"address": "here", "serial": "S1", "facts": ["battery"]},
        {"address": "there", "serial": "S1", "facts": COMPLETE},
        {"address": ["here"], "serial": "S1", "facts": COMPLETE},
        {"address": "here", "serial": "S2", "facts": COMPLETE},
        {"address": "here", "facts": COMPLETE},
        {"address": "here", "serial": None, "facts": COMPLETE},
    ],
)
def test_content_of_another_place_or_unit_or_kind_is_not_taken_up(content):
    assert facts_from(content, TOY, "here") == {}


def test_facts_that_no_unit_says_are_left_out():
    facts = {**COMPLETE, "battery": [1], "module": {"a": 1}}
    content = {"address": "here", "serial": "S1", "facts": facts}
    assert facts_from(content, TOY, "here") == {"serial": "S1", "firmware": "1.0"}


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


def test_rct_unit_that_answers_nothing_is_known_to_have_nothing_and_to_lack_nothing():
    discovery = Discovery(RCT)
    answer(discovery, {})
    assert [name for name in RCT.conditions if discovery.has(name)] == ["always"]
    assert not [name for name in RCT.conditions if discovery.has(name) is False]


def undecided(silent, unit=FULL, *, known=True):
    discovery = Discovery(RCT)
    answer(discovery, {name: value for name, value in unit.items() if name not in silent})
    if not known:  # it was asked, and answered differently each time
        for name in silent:
            del discovery.facts[name]
        discovery._known.clear()
    return [str(item) for item in discovery.undecided()]


ONE_TOWER = {**FULL, "power_mng.n_batteries": 1, "battery_placeholder[0].bms_sn": ""}


@pytest.mark.parametrize(
    ("silent", "told"),
    [
        ([], []),
        (["inverter_sn", "svnversion"], []),
        (
            ["rb485.available"],
            [
                "rb485.available (0x437B8122) is not answered, so it is not known whether there is"
                " a Power Switch"
            ],
        ),
        (
            ["dc_conv.dc_conv_struct[1].enabled"],
            [
                "dc_conv.dc_conv_struct[1].enabled (0xFED51BD2) is not answered, so it is not known"
                " whether there is generator B"
            ],
        ),
        (
            ["power_mng.battery_type"],
            [
                "power_mng.battery_type (0x682CDDA1) is not answered, so it is only assumed that"
                " there is a battery"
            ],
        ),
        (
            ["power_mng.n_batteries", "battery.bms_sn"],
            [
                "power_mng.n_batteries (0x663F1452) and battery.bms_sn (0x16A1F844) are not"
                " answered, so it is not known whether there is a battery"
            ],
        ),
        (
            ["battery.module_sn[2]"],
            [
                "battery.module_sn[2] (0x73489528) is not answered, so it is not known whether"
                " there is battery module 2"
            ],
        ),
        (["battery_placeholder[0].bms_sn"], []),  # there is one battery, and that is not it
    ],
)
def test_what_is_not_known_is_told_with_what_was_silent(silent, told):
    assert undecided(silent, ONE_TOWER) == told


def test_answers_that_never_agree_are_told_as_such():
    assert undecided(["rb485.available"], known=False) == [
        "rb485.available (0x437B8122) is not answered twice alike, so it is not known whether there"
        " is a Power Switch"
    ]


# -- units of one family that say in different ways who they are --------------------------------

SPOKEN = {
    "protocol": Query("protocol"),
    "east serial": Query("east serial", "east"),
    "west serial": Query("west serial", "west"),
}


def speaks(word):
    return Condition(("protocol",), lambda facts: facts.get("protocol") == word)


FOREIGNERS = replace(
    TOY,
    polled=Polled(
        queries=tuple(SPOKEN.values()),
        conditions={"east": speaks("east"), "west": speaks("west")},
        identity=tuple(SPOKEN),
    ),
)


def hear(discovery, **facts):
    for name, value in facts.items():
        for _ in range(2):
            discovery.observe(SPOKEN[name.replace("_", " ")], value)


def test_who_it_is_is_asked_as_the_unit_has_it():
    discovery = Discovery(FOREIGNERS)
    assert names(discovery.unidentified) == ["protocol"]
    hear(discovery, protocol="east")
    assert names(discovery.unidentified) == ["east serial"]
    assert not discovery.identified
    hear(discovery, east_serial="E1")
    assert discovery.identified
    assert names(discovery.unidentified) == []


def test_on_a_new_connection_it_is_asked_anew_and_nothing_holds_before():
    discovery = Discovery(FOREIGNERS, {"protocol": "east", "east serial": "E1"})
    assert names(discovery.unidentified) == ["protocol", "east serial"]
    assert discovery.holds("east") is None
    hear(discovery, protocol="east", east_serial="E1")
    assert discovery.holds("east") is True
    assert discovery.change is None


def test_unit_that_speaks_otherwise_is_another_one():
    discovery = Discovery(FOREIGNERS, {"protocol": "east", "east serial": "E1"})
    hear(discovery, protocol="west")
    assert discovery.change == ("protocol", "east", "west")
    assert discovery.facts == {"protocol": "west"}
    assert names(discovery.unidentified) == ["west serial"]
