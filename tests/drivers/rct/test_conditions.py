"""Which parts a unit has, for every state of what is known about it."""

from __future__ import annotations

import itertools

import pytest

from rct_collector.drivers.rct.conditions import CONDITIONS

TYPE, COUNT = "power_mng.battery_type", "power_mng.n_batteries"
SERIAL, SERIAL_2 = "battery.bms_sn", "battery_placeholder[0].bms_sn"
GEN_A, GEN_B = "dc_conv.dc_conv_struct[0].enabled", "dc_conv.dc_conv_struct[1].enabled"
IO_1, IO_2 = "io_board.io1_usage", "io_board.io2_usage"
ROLE, SLAVES = "wifi.sockb_protocol", "net.n_slaves"
FIRMWARE = "svnversion"
MODULE, MODULE_2 = "battery.module_sn[3]", "battery_placeholder[0].module_sn[3]"

#: A unit with one tower, and with two.
ONE = {TYPE: 3, COUNT: 1, SERIAL: "B1", SERIAL_2: ""}
TWO = {TYPE: 3, COUNT: 2, SERIAL: "B1", SERIAL_2: "B2"}


@pytest.mark.parametrize(
    ("name", "facts", "present"),
    [
        ("always", {}, True),
        # one object that is true
        ("genA", {}, None),
        ("genA", {GEN_A: True}, True),
        ("genA", {GEN_A: False}, False),
        ("genA", {GEN_A: None}, None),
        ("genA", {GEN_B: True}, None),
        ("genB", {GEN_B: True}, True),
        ("psw", {"rb485.available": True}, True),
        ("psw", {"rb485.available": None}, None),
        ("sensor", {"i_ac_extern_connected": False}, False),
        # one of several: present as soon as one is, absent when all are known
        ("gen", {}, None),
        ("gen", {GEN_A: True}, True),
        ("gen", {GEN_B: True}, True),
        ("gen", {GEN_A: False}, None),
        ("gen", {GEN_A: False, GEN_B: None}, None),
        ("gen", {GEN_A: None, GEN_B: True}, True),
        ("s0", {IO_1: 0}, None),
        ("s0", {IO_1: 3}, True),
        ("s0", {IO_2: 10}, True),
        ("s0", {IO_1: 1, IO_2: 9}, False),
        ("s0", {IO_1: None, IO_2: None}, None),
        ("s0", {IO_1: 0, IO_2: None}, None),
        ("s0", {IO_1: 3, IO_2: None}, True),
        ("plant", {ROLE: 0, SLAVES: 0}, False),
        ("plant", {ROLE: 1}, True),
        ("plant", {ROLE: None, SLAVES: 2}, True),
        ("plant", {ROLE: 0}, None),
        ("plant", {ROLE: None, SLAVES: 0}, None),
        ("plant", {ROLE: 0, SLAVES: None}, False),
        # the battery: type 5 is none, type 0 is a real one
        ("bat", {}, None),
        ("bat", {TYPE: 5}, False),
        ("bat", {TYPE: 5, COUNT: 1, SERIAL: "B1"}, False),
        ("bat", {TYPE: 3}, None),
        ("bat", {TYPE: 3, SERIAL: "B1"}, True),
        ("bat", {TYPE: 3, COUNT: 1}, True),
        ("bat", {TYPE: 0, SERIAL: "B1"}, True),
        ("bat", {TYPE: 0, COUNT: 1, SERIAL: ""}, True),
        ("bat", {TYPE: 0, COUNT: 0, SERIAL: ""}, False),
        ("bat", {TYPE: 3, COUNT: 0, SERIAL: "B1"}, True),
        ("bat", {TYPE: 3, COUNT: None, SERIAL: ""}, None),
        ("bat", {TYPE: 3, COUNT: None}, None),
        ("bat", {TYPE: None, COUNT: None, SERIAL: "B1"}, True),
        ("bat", {TYPE: None, COUNT: None, SERIAL: None}, None),
        ("bat", {TYPE: None, COUNT: 0, SERIAL: ""}, False),
        ("bat", {TYPE: None, COUNT: 0, SERIAL: None}, None),
        ("bat", {COUNT: 1, SERIAL: "B1"}, None),
        # the second tower
        ("bat2", {}, None),
        ("bat2", {TYPE: 5}, False),
        ("bat2", ONE, False),
        ("bat2", TWO, True),
        ("bat2", {TYPE: 3, SERIAL: "B1"}, None),
        ("bat2", {TYPE: 3, COUNT: 2}, True),
        ("bat2", {TYPE: 3, COUNT: 1}, None),
        ("bat2", {TYPE: 3, COUNT: 1, SERIAL: "B1", SERIAL_2: None}, False),
        ("bat2", {TYPE: 3, COUNT: None, SERIAL: "B1", SERIAL_2: "B2"}, True),
        ("bat2", {SERIAL_2: "B2"}, None),
        ("bat2", {TYPE: 3, COUNT: None, SERIAL: "B1", SERIAL_2: ""}, False),
        ("bat2", {TYPE: 3, COUNT: None, SERIAL: "B1", SERIAL_2: None}, None),
        ("bat2", {TYPE: 3, COUNT: None, SERIAL: "B1", SERIAL_2: None, FIRMWARE: "2.3.5"}, None),
        ("bat2", {TYPE: 3, COUNT: None, SERIAL: "B1", SERIAL_2: None, FIRMWARE: "2.2.9"}, False),
        # modules: one is there when its tower is and it has a serial number
        ("mod 3", {MODULE: "M3"}, None),
        ("mod 3", ONE, None),
        ("mod 3", ONE | {MODULE: "M3"}, True),
        ("mod 3", ONE | {MODULE: ""}, False),
        ("mod 3", ONE | {MODULE: None}, None),
        ("mod 3", {TYPE: 5, MODULE: "M3"}, False),
        ("mod 3", {TYPE: 5}, False),
        ("mod2 3", ONE | {MODULE_2: "M3"}, False),
        ("mod2 3", TWO, None),
        ("mod2 3", TWO | {MODULE_2: "M3"}, True),
        ("mod2 3", TWO | {MODULE: "M3", MODULE_2: ""}, False),
    ],
)
def test_follows_from_the_facts(name, facts, present):
    assert CONDITIONS[name].test(facts) is present


@pytest.mark.parametrize("name", CONDITIONS)
def test_is_decided_by_its_inputs_alone(name):
    """It names every fact it looks at, so it can be decided once all of them are known."""
    condition = CONDITIONS[name]
    for values in itertools.product((0, 1), repeat=len(condition.inputs)):
        facts = dict(zip(condition.inputs, values, strict=True))
        assert condition.test(facts) in (True, False)


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name != "always"])
def test_silence_alone_is_not_absence(name):
    condition = CONDITIONS[name]
    assert condition.test(dict.fromkeys(condition.inputs)) is None


@pytest.mark.parametrize("name", CONDITIONS)
def test_more_facts_never_change_a_decision(name):
    """What is decided early stays so when the rest arrives."""
    condition = CONDITIONS[name]
    for values in itertools.product((None, 0, 1, 5), repeat=min(len(condition.inputs), 5)):
        facts = dict(zip(condition.inputs, values, strict=False))
        final = condition.test(facts)
        for size in range(len(facts)):
            for known in itertools.combinations(facts, size):
                early = condition.test({fact: facts[fact] for fact in known})
                assert early in (None, final)


def test_towers_have_seven_modules_each():
    assert [f"mod {n}" in CONDITIONS and f"mod2 {n}" in CONDITIONS for n in range(8)] == [
        *[True] * 7,
        False,
    ]


@pytest.mark.parametrize("name", [name for name in CONDITIONS if name != "always"])
def test_every_part_has_a_name_for_people(name):
    assert CONDITIONS[name].part
