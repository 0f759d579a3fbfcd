"""The load of a device is plain arithmetic on its plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rct_collector.config import Address, DeviceConfig, Intervals, Requests
from rct_collector.device.budget import REPEATS, budget
from rct_collector.device.plan import Plan
from rct_collector.drivers import driver
from rct_collector.model import PollClass

RCT = driver("rct")
DEVICE = DeviceConfig(name="roof", driver="rct", address=Address("tcp", "192.0.2.1", None))


def load(present, **options):
    device = replace(DEVICE, **options)
    return budget(Plan(RCT, device), present, device)


def test_it_counts_what_the_plan_asks_of_the_equipment_present():
    found = load({"always"})
    plan = Plan(RCT, DEVICE)

    assert [share.poll for share in found.shares] == list(PollClass)[:4]
    for share in found.shares:
        queries = [q for q in plan.queries(share.poll) if q.condition == "always"]
        assert share.queries == len(queries)


def test_all_equipment_takes_every_query():
    found = load(set(RCT.conditions))

    assert sum(share.queries for share in found.shares) == len(Plan(RCT, DEVICE).classes)


def test_an_interval_twice_as_long_takes_half_the_requests():
    usual = load({"always"}).shares[0]
    slower = load({"always"}, intervals=Intervals(fast=20.0)).shares[0]

    assert slower.per_second == pytest.approx(usual.per_second / 2)


def test_it_fits_when_the_pace_leaves_room_for_repeats():
    needed = load({"always"}).needed
    exact = load({"always"}, requests=Requests(per_second=needed / (1 - REPEATS) + 1e-9))
    tight = load({"always"}, requests=Requests(per_second=needed))

    assert exact.fits
    assert exact.spare == pytest.approx(0, abs=1e-6)
    assert not tight.fits
    assert tight.spare == pytest.approx(-REPEATS * needed)


def test_the_gap_limits_the_pace_too():
    assert load({"always"}, requests=Requests(per_second=50, gap=0.1)).pace == 10


def test_nothing_is_needed_for_nothing():
    found = load(())

    assert found.needed == 0
    assert found.fast_seconds == 0
