"""What a family is asked for is held against itself when its driver is loaded."""

from __future__ import annotations

import random
import re

import pytest

from rct_collector.drivers import driver, families
from rct_collector.drivers.base import Condition, Polled, Query

BATTERY = Condition(("cells",), lambda facts: facts.get("cells"), "a battery")


def test_every_unit_has_what_hangs_on_nothing():
    polled = Polled(
        queries=(Query("cells"), Query("charge", "battery")), conditions={"battery": BATTERY}
    )
    assert list(polled.conditions) == ["", "battery"]
    assert polled.conditions[""].test({}) is True


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {
                "queries": (Query("charge", "batery"), Query("cells")),
                "conditions": {"battery": BATTERY},
            },
            "charge hangs on the condition 'batery'; known: '', 'battery'",
        ),
        (
            {"queries": (Query("charge", "battery"),), "conditions": {"battery": BATTERY}},
            "cells is to tell which unit it is, or what it has: no query",
        ),
        (
            {"queries": (Query("charge"),), "identity": ("serial",)},
            "serial is to tell which unit it is, or what it has: no query",
        ),
    ],
)
def test_a_name_of_nothing_is_told(given, message):
    """And not, much later, as a bug of a device."""
    with pytest.raises(ValueError, match=re.escape(message)):
        Polled(**given)


class Noting(dict):
    """Facts that note which of them somebody looks at."""

    def __init__(self, facts):
        super().__init__(facts)
        self.seen = set()

    def __getitem__(self, name):
        self.seen.add(name)
        return super().__getitem__(name)

    def __contains__(self, name):
        self.seen.add(name)
        return super().__contains__(name)

    def get(self, name, default=None):
        self.seen.add(name)
        return super().get(name, default)


#: What units of a family may say where something is decided by it.
SAID = {
    "rct": (None, 0, 1, 3, 5),
    "voltronic": (
        *(None, "", "pi30", "pi30max", "pi41", "pi18", "second string", "three strings"),
        *("second phase", "9635 0", "9635 1", "7712 1"),
    ),
    "solaredge": (None,),
}
CONDITIONS = [(family.name, name) for family in families() for name in family.conditions]


@pytest.mark.parametrize(("family", "name"), CONDITIONS)
def test_a_condition_looks_at_its_inputs_alone(family, name):
    """What a new fact changes is told by them."""
    condition = driver(family).conditions[name]
    chance = random.Random(name)
    for _ in range(300):
        known = [fact for fact in condition.inputs if chance.random() < 0.9]
        facts = Noting({fact: chance.choice(SAID[family]) for fact in known})
        condition.test(facts)
        assert facts.seen <= set(condition.inputs)
