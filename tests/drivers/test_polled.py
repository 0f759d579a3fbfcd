"""What a family is asked for is held against itself when its driver is loaded."""

from __future__ import annotations

import re

import pytest

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
