"""What RCT units are asked in an examination, and what is known of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers.rct import DRIVER, wire
from rct_collector.drivers.rct.conditions import CONDITIONS
from rct_collector.drivers.rct.simulator import SCENARIOS
from rct_collector.drivers.rct.tools.examination import EXAMINATION, PROBES


def test_probes_are_short_distinct_and_known_to_every_firmware():
    queries = [DRIVER.query(name) for name in PROBES]
    assert len(set(queries)) == len(queries) >= 16
    assert all(query.condition == "always" and not query.exclusive for query in queries)
    assert all(wire.LENGTHS[query.type] <= 4 for query in queries)
    assert all(scenario.knows(name) for scenario in SCENARIOS.values() for name in PROBES)


@pytest.mark.parametrize(
    ("firmware", "word"),
    [
        ("2.3.5673", "lose parts"),
        ("2.3.5674", "lose parts"),
        ("2.10.1", "lose parts"),
        ("3.0.0", "lose parts"),
        ("2.3.5000", ""),
        ("2.2.4421", "older than 2.3"),
        ("1.9", "older than 2.3"),
        ("what?", ""),
        (None, ""),
    ],
)
def test_quirks_follow_from_the_firmware(firmware, word):
    titles = [quirk.title for quirk in EXAMINATION.quirks({"svnversion": firmware})]
    assert word in "".join(titles)
    assert bool(titles) == bool(word)


_NAMES = sorted({name for condition in CONDITIONS.values() for name in condition.inputs})


_TEXTS = st.sampled_from([None, "", "X1"])
_NUMBERS = st.sampled_from([None, True, False, 0, 1, 2, 3, 5, 10])


@pytest.mark.slow
@given(
    st.fixed_dictionaries(
        {}, optional={name: _TEXTS if "_sn" in name else _NUMBERS for name in _NAMES}
    )
)
def test_any_facts_can_be_told(facts):
    told = dict(EXAMINATION.equipment(facts))
    assert all(told.values())
    assert list(told) == [
        "strings", "battery", "Power Switch", "S0 meter", "current sensors", "plant"
    ]  # fmt: skip


def test_nothing_is_claimed_before_it_is_known():
    assert set(dict(EXAMINATION.equipment({})).values()) == {"not known"}


def test_what_is_not_known_of_the_battery_is_not_claimed():
    facts = {"power_mng.battery_type": 3, "battery.bms_sn": "B", "battery.module_sn[0]": "M"}
    assert dict(EXAMINATION.equipment(facts))["battery"] == "one tower with at least 1 module"
    facts |= {"power_mng.n_batteries": 1, "battery_placeholder[0].bms_sn": ""}
    facts |= {f"battery.module_sn[{n}]": "" for n in range(1, 7)}
    assert dict(EXAMINATION.equipment(facts))["battery"] == "one tower with 1 module"


@pytest.mark.parametrize(
    ("code", "slaves", "words"),
    [
        (0, 0, "stands alone"),
        (1, 2, "master, 2 slaves"),
        (None, 2, "master, 2 slaves"),
        (2, 0, "slave"),
        (9, None, "role 9"),
    ],
)
def test_the_role_in_a_plant(code, slaves, words):
    facts = {"wifi.sockb_protocol": code, "net.n_slaves": slaves}
    assert dict(EXAMINATION.equipment(facts))["plant"] == words


@pytest.mark.parametrize(
    ("data", "who"),
    [
        (b"\x2b\x3c\xe1", {"the vendor's app"}),
        (b"\x2d\x2b\x3c\xe1", set()),
        (b"AT+\r", {"the vendor's service"}),
        (b"AT\r", set()),
    ],
)
def test_signs_of_others(data, who):
    assert {name for name, sign in EXAMINATION.signs.items() if sign.search(data)} == who
