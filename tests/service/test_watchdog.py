"""Who goes on doing rounds, and who hangs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rct_collector.service.watchdog import GRACE_S, ROUNDS, Watchdog

PAUSE_S = 5.0


@dataclass
class Unit:
    name: str
    interval_s: float = 10.0
    rounds: int = 0


def look(watchdog, units, begin, seconds, pause=PAUSE_S):
    """Look now and then for some time; the names each time."""
    count = round(seconds / pause)
    return [watchdog.stalled(units, begin + pause * (n + 1)) for n in range(count)]


def test_a_device_whose_rounds_end_is_well():
    unit, found = Unit("roof"), []
    watchdog = Watchdog(PAUSE_S)
    for n in range(400):
        unit.rounds += n % 2
        found += watchdog.stalled([unit], 1000 + n * PAUSE_S)
    assert not found


@pytest.mark.parametrize("interval", [1.0, 10.0, 300.0])
def test_one_whose_rounds_do_not_end_is_named_after_a_while(interval):
    good, bad = Unit("roof", interval), Unit("barn", interval)
    watchdog = Watchdog(PAUSE_S)
    patience = ROUNDS * interval + GRACE_S
    watchdog.stalled([good, bad], 1000)
    for n in range(1, int(patience / PAUSE_S) + 3):
        good.rounds += 1
        now = 1000 + n * PAUSE_S
        assert watchdog.stalled([good, bad], now) == (["barn"] if n * PAUSE_S > patience else [])
    bad.rounds += 1
    assert watchdog.stalled([good, bad], now + PAUSE_S) == []


def test_one_that_is_made_anew_begins_anew():
    watchdog = Watchdog(PAUSE_S)
    for n in range(200):
        assert watchdog.stalled([Unit("roof")], 1000 + n * PAUSE_S) == []


def test_one_that_was_removed_is_forgotten():
    watchdog, unit = Watchdog(PAUSE_S), Unit("roof")
    assert look(watchdog, [unit], 1000, 1000)[-1] == ["roof"]
    assert watchdog.stalled([], 2005) == []
    assert watchdog.stalled([unit], 2010) == []


def test_where_all_stood_still_nobody_hangs():
    """The process was stopped, or the host: no device could do anything."""
    watchdog, unit = Watchdog(PAUSE_S), Unit("roof")
    assert watchdog.stalled([unit], 1000) == []
    assert watchdog.stalled([unit], 5000) == []
    assert look(watchdog, [unit], 5000, 1000)[-1] == ["roof"]
