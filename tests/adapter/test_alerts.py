"""Changes are told once; what stays as it is, is not."""

from __future__ import annotations

import pytest

from rct_collector import Alerts, Batch, parse
from rct_collector.adapter.alerts import NIGHT_S, Severity
from rct_collector.catalog import catalog

FAILURE, WARNING, OKAY = Severity.FAILURE, Severity.WARNING, Severity.OKAY

UP = catalog().series("inverter_collector.up")
PV = catalog().series("inverter_power.pv_watts")
BATTERY = catalog().series("inverter_power.battery_watts")
WORDS = [catalog().series(f"inverter_status.fault_word_{n}") for n in range(4)]
PLACE = ("bool", "collector_up")


@pytest.fixture
def alerts():
    entry = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10"}
    return Alerts(parse({"devices": [entry]}).devices[0])


def told(alerts, *values, interval=10.0):
    found = alerts.take(Batch("roof", "rct", (), 1, values, interval))
    return [(*alert.place, alert.severity, alert.text) for alert in found]


def silence(alerts, rounds, interval=10.0):
    """What is told in so many silent rounds: number of the round → alerts."""
    found = ((n + 1, told(alerts, (UP, 0), interval=interval)) for n in range(rounds))
    return {n: alert for n, alert in found if alert}


def test_a_device_that_is_well_is_not_told_of(alerts):
    assert told(alerts, (UP, 1), *((word, 0) for word in WORDS)) == []


def test_a_device_that_goes_and_comes_back(alerts):
    told(alerts, (UP, 1), (PV, 3000.0))
    assert silence(alerts, 1000) == {
        30: [(*PLACE, WARNING, "roof has not answered for 5 min")],
    }
    assert told(alerts, (UP, 1)) == [(*PLACE, OKAY, "roof answers again")]
    assert told(alerts, (UP, 1)) == []
    assert list(silence(alerts, 100)) == [30]


@pytest.mark.parametrize(
    ("interval", "rounds", "text"),
    [(1, 30, "30 s"), (60, 5, "5 min"), (600, 3, "30 min"), (3600, 3, "3 h")],
)
def test_a_device_is_lost_after_five_minutes_and_some_rounds(alerts, interval, rounds, text):
    assert silence(alerts, 50, interval) == {
        rounds: [(*PLACE, WARNING, f"roof has not answered for {text}")]
    }


def test_hiccups_are_not_told(alerts):
    for _ in range(5):
        assert silence(alerts, 29) == {}
        assert told(alerts, (UP, 1)) == []


def test_a_device_that_is_silent_from_the_start_is_told(alerts):
    assert list(silence(alerts, 40)) == [30]


@pytest.mark.parametrize("battery", [[], [(BATTERY, 3.0)]], ids=["without", "empty"])
def test_a_device_that_sleeps_is_told_of_only_when_no_night_is_so_long(alerts, battery):
    for _ in range(3):  # evenings and mornings
        told(alerts, (UP, 1), (PV, 4000.0), *((series, -2000.0) for series, _ in battery))
        told(alerts, (UP, 1), (PV, 12.0), *battery)
        assert silence(alerts, round(16 * 360)) == {}
        assert told(alerts, (UP, 1), (PV, 1.0)) == []
    rounds = round(NIGHT_S / 10)
    assert silence(alerts, 24 * 360) == {
        rounds: [(*PLACE, WARNING, "roof has not answered for 20 h")]
    }
    assert told(alerts, (UP, 1)) == [(*PLACE, OKAY, "roof answers again")]


@pytest.mark.parametrize("watts", [-800.0, 400.0])
def test_a_device_whose_battery_works_at_night_does_not_sleep(alerts, watts):
    told(alerts, (UP, 1), (PV, 0.0), (BATTERY, watts))
    assert list(silence(alerts, 100)) == [30]


def test_each_fault_comes_and_goes_by_itself(alerts):
    insulation = "fault 25 (insulation too low / implausible)"
    can = "fault 107 (CAN timeout to battery)"
    assert told(alerts, (WORDS[0], 1 << 25)) == [
        ("bool", "fault_25_active", FAILURE, f"roof: {insulation}")
    ]
    assert told(alerts, (WORDS[0], 1 << 25), (WORDS[3], 1 << 11)) == [
        ("bool", "fault_107_active", FAILURE, f"roof: {can}")
    ]
    assert silence(alerts, 40) != {}
    assert told(alerts, (UP, 1), (WORDS[0], 0), (WORDS[3], 1 << 11))[1:] == [
        ("bool", "fault_25_active", OKAY, f"roof: {insulation} is over")
    ]


def test_a_fault_without_a_text_is_told_by_its_number(alerts):
    alerts._texts = {}
    assert told(alerts, (WORDS[1], 1))[0][3] == "roof: fault 32 (unknown)"
