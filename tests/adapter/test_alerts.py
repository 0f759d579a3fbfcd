"""Changes are told once, when they are sure; what stays as it is, is not."""

from __future__ import annotations

import re

import pytest

from rct_collector import Alerts, Batch, Config
from rct_collector.adapter.alerts import MOST_EACH, MOST_TOGETHER, NIGHT_S, AlertSeverity
from rct_collector.catalog import catalog
from rct_collector.limiter import SPAN_S
from rct_collector.model import Health, Origin

FAILURE, WARNING, OKAY = AlertSeverity.FAILURE, AlertSeverity.WARNING, AlertSeverity.OKAY

UP = catalog().series("inverter_collector.up")
PV = catalog().series("inverter_power.pv_watts")
BATTERY = catalog().series("inverter_power.battery_watts")
FLAGS = [catalog().series("inverter_fault.active", fault=str(n)) for n in range(128)]
WORDS = [catalog().series(f"inverter_status.fault_word_{n}") for n in range(4)]
PLACE = ("bool", "collector_up")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


class Watched(Alerts):
    """Alerts, and how many rounds the unit has missed."""

    missed = 0
    excluded = False


@pytest.fixture(params=[False, True], ids=["all is published", "the collector is excluded"])
def alerts(request, clock):
    entry = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10"}
    found = Watched(Config.parse({"devices": [entry]}).devices[0], clock)
    found.excluded = request.param
    return found


def told(alerts, *values, interval=10.0):
    """What a batch brings; one with ``UP`` ends a round, published or not."""
    health, ends = Health(), False
    for series, value in values:
        if series is UP:
            ends = True
            alerts.missed = 0 if value else alerts.missed + 1
            health = Health(up=bool(value), missed=alerts.missed)
    values = tuple(v for v in values if not (alerts.excluded and v[0] is UP))
    batch = Batch("roof", "rct", (), 1, values, interval, ends_round=ends, health=health)
    return [(*alert.place, alert.severity, alert.text) for alert in alerts.take(batch)]


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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(("watts", "first"), [(3.0, 7200), (3000.0, 30)])
def test_of_a_device_that_tells_no_sun_its_output_stands_for_it(alerts, watts, first):
    told(alerts, (UP, 1), (catalog().series("inverter_power.output_watts"), watts))
    assert min(silence(alerts, 8000)) == first


@pytest.mark.parametrize("watts", [-800.0, 400.0])
def test_a_device_whose_battery_works_at_night_does_not_sleep(alerts, watts):
    told(alerts, (UP, 1), (PV, 0.0), (BATTERY, watts))
    assert list(silence(alerts, 100)) == [30]


def test_each_fault_comes_and_goes_by_itself(alerts):
    insulation = "fault 25 (insulation too low / implausible)"
    can = "fault 107 (CAN timeout to battery)"
    assert told(alerts, (WORDS[0], 1 << 25)) == []
    assert told(alerts, (WORDS[0], 1 << 25)) == [
        ("bool", "fault_25_active", FAILURE, f"roof: {insulation}")
    ]
    assert told(alerts, (WORDS[0], 1 << 25), (WORDS[3], 1 << 11)) == []
    assert told(alerts, (WORDS[0], 1 << 25), (WORDS[3], 1 << 11)) == [
        ("bool", "fault_107_active", FAILURE, f"roof: {can}")
    ]
    assert silence(alerts, 40) != {}
    assert told(alerts, (UP, 1), (WORDS[0], 0), (WORDS[3], 1 << 11))[1:] == []
    assert told(alerts, (UP, 1), (WORDS[0], 0), (WORDS[3], 1 << 11)) == [
        ("bool", "fault_25_active", OKAY, f"roof: {insulation} is over")
    ]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ("0101010101", ""),
        ("1", ""),
        ("11", "+"),
        ("1101", "+"),
        ("110100", "+-"),
        ("11010101011", "+"),
        ("0110011001100110", "+-+-"),
        ("1110001110001", "+-+-"),
    ],
)
def test_a_fault_is_told_when_two_readings_agree(alerts, readings, expected):
    """Raised or over; each bit by itself, whatever the others of its word do."""
    found = ""
    for n, bit in enumerate(readings):
        word = int(bit) << 25 | 1 << n % 20
        for alert in told(alerts, (WORDS[0], word)):
            found += "+" if alert[2] is FAILURE else "-"
    assert found == expected


def test_a_fault_that_flips_for_hours_is_told_a_few_times_and_then_counted(alerts, clock):
    """And what is told last is what is."""
    by_hour = []
    for _ in range(3):
        found = []
        for n in range(360):
            found += told(alerts, (WORDS[0], (n // 2 % 2) << 25))
            clock.now += 10.0
        by_hour.append(found)
    assert [len(found) for found in by_hour] == [MOST_EACH, MOST_EACH + 1, MOST_EACH + 1]
    for found in by_hour[1:]:
        more = re.search(r" … and (\d+) more in the last hour$", found[0][3])
        assert int(more[1]) == pytest.approx(180 - MOST_EACH, abs=2)
    for _ in range(2):
        told(alerts, (WORDS[0], 1 << 25))
    clock.now += SPAN_S
    assert [alert[2] for alert in told(alerts, (WORDS[0], 1 << 25))] == [FAILURE]
    clock.now += SPAN_S
    assert told(alerts, (WORDS[0], 1 << 25)) == []


@pytest.mark.slow
def test_all_faults_that_flip_at_once_do_not_drown_their_reader(alerts, clock):
    found = []
    hours = 4
    for n in range(360 * hours):
        word = 0xFFFFFFFF * (n // 2 % 2)
        found += told(alerts, *((series, word) for series in WORDS))
        clock.now += 10.0
    assert len(found) <= (128 + MOST_TOGETHER) * hours
    assert len({alert[1] for alert in found}) == 128


def test_a_fault_that_flips_hides_no_other(alerts, clock):
    for n in range(100):
        told(alerts, (WORDS[0], (n // 2 % 2) << 25))
    told(alerts, (WORDS[3], 1 << 11))
    assert [alert[1] for alert in told(alerts, (WORDS[3], 1 << 11))] == ["fault_107_active"]


def test_a_device_that_comes_and_goes_is_told_a_few_times_and_then_counted(alerts, clock):
    found = []
    for _ in range(60):
        for _ in range(30):
            found += told(alerts, (UP, 0), interval=1.0)
            clock.now += 1.0
        found += told(alerts, (UP, 1), interval=1.0)
        clock.now += 30.0
    clock.now += 30.0
    found += told(alerts, (UP, 1))
    assert len(found) == MOST_EACH + 1
    assert found[-1][3].endswith(f" … and {2 * 60 - MOST_EACH} more in the last hour")


def test_a_fault_without_a_text_is_told_by_its_number(alerts):
    alerts._texts = {}
    told(alerts, (WORDS[1], 1))
    assert told(alerts, (WORDS[1], 1))[0][3] == "roof: fault 32 (unknown)"


def test_a_fault_of_which_only_the_single_bits_are_published_is_told_too(alerts):
    raised = [("bool", "fault_25_active", FAILURE)]
    flags = [(flag, int(n == 25)) for n, flag in enumerate(FLAGS)]
    assert told(alerts, *flags) == []
    assert [alert[:3] for alert in told(alerts, *flags)] == raised


def test_words_and_single_bits_of_one_round_are_one_reading(alerts):
    both = [(WORDS[0], 1 << 25), (FLAGS[25], 1), (FLAGS[24], 0)]
    assert told(alerts, *both) == []
    assert len(told(alerts, *both)) == 1
    assert told(alerts, (FLAGS[24], 0)) == []
    assert told(alerts, (FLAGS[24], 0)) == [], "which says nothing of the others"


def event(number, *words):
    rows = catalog()
    return [
        (rows.series(f"inverter_event.word_{n}", event=str(number)), word)
        for n, word in enumerate(words, start=2)
    ]


def test_an_event_is_told_each_time_and_nothing_ends_it(clock):
    entry = {"name": "plant", "driver": "solaredge", "address": "listen://127.0.0.1:22222"}
    alerts = Alerts(Config.parse({"devices": [entry]}).devices[0], clock, unit="7F101234")
    clock_set, unknown = event(1, 0x56353E7A, 0xFFFF8F80), event(118, 1)
    batch = Batch("plant", "solaredge", (), 1, (*clock_set, *unknown), 10.0, unit="7F101234")
    expected = [
        ("event_1_word_2", OKAY, "plant 7F101234: event 1 (its clock was set): 56353e7a ffff8f80"),
        ("event_118_word_2", OKAY, "plant 7F101234: event 118 (unknown): 00000001"),
    ]
    for _ in range(2):
        found = [(a.place.type_instance, a.severity, a.text) for a in alerts.take(batch)]
        assert found == expected
    late = batch._replace(origin=Origin.LATE)
    assert [alert.text for alert in alerts.take(late)] == [text for _, _, text in expected]
    assert list(alerts.take(batch._replace(origin=Origin.HISTORY))) == []


def test_an_event_comes_with_all_that_is_known_of_it(alerts):
    rows = catalog()
    facts = {"occurred": 1, "text": "changed", "object": "p_buf", "old": "1", "new": "2"}
    values = tuple((rows.series(f"inverter_event.{k}", code="115"), v) for k, v in facts.items())
    batch = Batch("roof", "rct", (), 1, ((UP, 1), *values), 10.0)
    (found,) = alerts.take(batch)
    assert found.facts == {"code": "115", **facts}
    assert told(alerts, (WORDS[0], 1 << 25)) == []
    assert not alerts.take(batch._replace(values=((WORDS[0], 1 << 25),))).__next__().facts


def test_an_event_that_tells_what_it_means_is_told_in_its_words(alerts):
    series = [
        catalog().series(f"inverter_event.{field}", code="100")
        for field in ("text", "duration_seconds", "value")
    ]
    values = zip(series, ("battery over-voltage: 52.5 V", 5.0, 52.5), strict=True)
    batch = Batch("roof", "rct", (), 1, tuple(values), 10.0)
    (found,) = alerts.take(batch)
    assert (found.place.type_instance, found.severity) == ("event_100_occurred", OKAY)
    assert found.text == "roof: battery over-voltage: 52.5 V"
    assert list(alerts.take(batch._replace(origin=Origin.HISTORY))) == []


@pytest.mark.parametrize("origin", [Origin.LATE, Origin.HISTORY])
def test_what_was_is_not_told_as_if_it_were_now(alerts, origin):
    told(alerts, (UP, 1), (PV, 4000.0))
    past = ((WORDS[0], 1 << 25), (PV, 0.0), (BATTERY, 0.0))
    for n in range(3):
        assert list(alerts.take(Batch("roof", "rct", (), n, past, 10.0, origin))) == []
    assert list(silence(alerts, 40)) == [30], "it does not sleep either"


def test_nothing_that_was_told_of_a_device_stands_when_it_is_removed(alerts):
    told(alerts, (UP, 1), (PV, 3000.0))
    for word in (1 << 25, 1 << 25 | 1 << 3, 1 << 25, 1 << 25):
        told(alerts, (WORDS[0], word))
    silence(alerts, 40)
    removed = Health(up=False, missed=40, removed=True)
    last = Batch("roof", "rct", (), 1, (), 10.0, health=removed)
    text = "roof is not collected from any more"
    found = [(a.place.type_instance, a.severity, a.text) for a in alerts.take(last)]
    assert found == [("fault_25_active", OKAY, text), ("collector_up", OKAY, text)]
    assert list(alerts.take(last)) == []


def test_a_device_that_was_well_is_removed_without_a_word(alerts):
    told(alerts, (UP, 1), *((word, 0) for word in WORDS))
    last = Batch("roof", "rct", (), 1, (), 10.0, health=Health(removed=True))
    assert list(alerts.take(last)) == []
