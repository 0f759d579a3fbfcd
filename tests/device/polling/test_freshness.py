"""What was answered lately is not asked, until its time or its day is over."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from rct_collector.device.polling.freshness import Freshness
from rct_collector.drivers.base import Query

ALWAYS, HOURLY, DAILY = (
    Query("always"),
    Query("hourly", every_s=3600),
    Query("daily", every_s=86400),
)
ALL = [ALWAYS, HOURLY, DAILY]


class Clock:
    """A wall clock that runs with the monotonic one, which begins at 0, unless it is stepped."""

    def __init__(self, begin):
        self.begin, self.now = begin.timestamp(), 0.0

    def wall(self):
        return self.begin + self.now


def bench(when, zone="Europe/Berlin"):
    clock = Clock(datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(zone)))
    return Freshness(ZoneInfo(zone), clock), clock


def due(fresh, clock, now):
    clock.now = now
    return [query.name for query in fresh.to_ask(ALL, now)]


def test_all_is_asked_before_it_was_answered():
    fresh, clock = bench("2026-06-21T10:00:00")
    assert due(fresh, clock, 0.0) == ["always", "hourly", "daily"]


def test_what_was_answered_is_asked_when_its_time_is_over():
    fresh, clock = bench("2026-06-21T10:00:00")
    for query in ALL:
        fresh.answered(query, 0.0)
    assert due(fresh, clock, 1.0) == ["always"]
    assert due(fresh, clock, 3599.0) == ["always"]
    assert due(fresh, clock, 3600.0) == ["always", "hourly"]
    fresh.answered(HOURLY, 3600.0)
    assert due(fresh, clock, 3601.0) == ["always"]


@pytest.mark.parametrize(
    ("when", "zone", "midnight"),
    [
        ("2026-06-21T23:30:00", "Europe/Berlin", 1800.0),
        ("2026-06-21T23:59:59", "Asia/Tokyo", 1.0),
        ("2026-10-25T00:30:00", "Europe/Berlin", 24.5 * 3600),  # the day of 25 hours
        ("2026-03-29T00:30:00", "Europe/Berlin", 22.5 * 3600),  # the day of 23 hours
    ],
)
def test_what_was_answered_is_asked_when_its_day_is_over(when, zone, midnight):
    fresh, clock = bench(when, zone)
    long = Query("long", every_s=1e6)
    fresh.answered(long, 0.0)
    for now, asked in ((midnight - 0.5, []), (midnight, [long]), (midnight + 3600, [long])):
        clock.now = now
        assert fresh.to_ask([long], now) == asked


def test_a_clock_that_is_set_to_another_day_makes_it_asked():
    fresh, clock = bench("1970-01-02T10:00:00")
    fresh.answered(DAILY, 0.0)
    clock.begin += 20_000 * 86400
    assert due(fresh, clock, 10.0) == ["always", "hourly", "daily"]


def test_of_another_unit_nothing_was_answered():
    fresh, clock = bench("2026-06-21T10:00:00")
    fresh.answered(DAILY, 0.0)
    fresh.forget()
    assert due(fresh, clock, 1.0) == ["always", "hourly", "daily"]
