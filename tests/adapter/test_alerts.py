"""Changes are told once; what stays as it is, is not."""

from __future__ import annotations

import pytest

from rct_collector import Alerts, Batch, parse
from rct_collector.catalog import catalog

UP = catalog().series("inverter_collector.up")
WORDS = [catalog().series(f"inverter_status.fault_word_{n}") for n in range(4)]


@pytest.fixture
def alerts():
    entry = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10"}
    return Alerts(parse({"devices": [entry]}).devices[0])


def told(alerts, *values):
    found = alerts.take(Batch("roof", "rct", (), 1, values, 10.0))
    return [(*alert.place, alert.bad, alert.text) for alert in found]


def test_a_device_that_is_well_is_not_told_of(alerts):
    assert told(alerts, (UP, 1), *((word, 0) for word in WORDS)) == []


def test_a_device_that_goes_and_comes_back(alerts):
    place = ("bool", "collector_up")
    assert told(alerts, (UP, 0)) == [(*place, True, "roof does not answer")]
    assert told(alerts, (UP, 0)) == []
    assert told(alerts, (UP, 1)) == [(*place, False, "roof answers again")]


def test_each_fault_comes_and_goes_by_itself(alerts):
    insulation = "fault 25 (insulation too low / implausible)"
    can = "fault 107 (CAN timeout to battery)"
    assert told(alerts, (WORDS[0], 1 << 25)) == [
        ("bool", "fault_25_active", True, f"roof: {insulation}")
    ]
    assert told(alerts, (WORDS[0], 1 << 25), (WORDS[3], 1 << 11)) == [
        ("bool", "fault_107_active", True, f"roof: {can}")
    ]
    assert told(alerts, (UP, 0)) != []
    assert told(alerts, (UP, 1), (WORDS[0], 0), (WORDS[3], 1 << 11))[1:] == [
        ("bool", "fault_25_active", False, f"roof: {insulation} is over")
    ]


def test_a_fault_without_a_text_is_told_by_its_number(alerts):
    alerts._texts = {}
    assert told(alerts, (WORDS[1], 1))[0][3] == "roof: fault 32 (unknown)"
