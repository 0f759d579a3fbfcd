"""The load of a device is plain arithmetic on its plan."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.cli.budget import would_fit
from rct_collector.config import Config, DeviceConfig, Intervals
from rct_collector.device.polling.budget import (
    LATEST_TOTALS,
    LEAST_SHARE,
    REPEATS,
    Budget,
    Share,
    budget,
)
from rct_collector.device.polling.plan import Plan
from rct_collector.drivers import driver
from rct_collector.drivers.rct.options import RctRequests
from rct_collector.model import PollClass
from tests.addresses import tcp
from tests.toys import nameless
from tests.toys.running import Run
from tests.toys.test_nameless import Late

RCT = driver("rct")
DEVICE = DeviceConfig(name="roof", driver="rct", address=tcp("192.0.2.1"))


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


@pytest.mark.slow
def test_it_fits_when_the_pace_leaves_room_for_repeats():
    needed = load({"always"}).needed
    exact = load({"always"}, requests=RctRequests(per_second=needed / (1 - REPEATS) + 1e-9))
    tight = load({"always"}, requests=RctRequests(per_second=needed))

    assert exact.fits
    assert exact.spare == pytest.approx(0, abs=1e-6)
    assert not tight.fits
    assert tight.spare == pytest.approx(-REPEATS * needed)


def test_the_gap_limits_the_pace_too():
    assert load({"always"}, requests=RctRequests(per_second=50, gap=0.1)).pace == 10


@pytest.mark.slow
def test_nothing_is_needed_for_nothing():
    found = load(())

    assert found.needed == 0
    assert found.fast_seconds == 0


# -- what gives way -----------------------------------------------------------------------------

FAST, MEDIUM, SLOW, STATIC = PollClass.POLLED


def crowd(pace, fast=30, medium=60, slow=90, totals=6, static=0, intervals=(10, 60, 300, 3600)):
    counts = (fast, medium, slow, static)
    shares = [
        Share(poll, count, float(seconds), totals if poll is SLOW else 0)
        for poll, count, seconds in zip(PollClass.POLLED, counts, intervals, strict=True)
    ]
    return Budget(tuple(shares), pace / (1 - REPEATS), 0.06)


def asked(found):
    """Requests per second at the intervals that the budget tells."""
    return sum(
        (share.queries - share.totals) / found.seconds(share.poll)
        + share.totals / found.seconds(share.poll, total=True)
        for share in found.shares
    )


@pytest.mark.parametrize(
    ("pace", "seconds", "totals"),
    [
        (4.3, (10, 60, 300, 3600), 300),  # exactly what it takes
        (4.0, (10, 78, 390, 4680), 390),  # 1.3 times what is left
        (3.65, (10, 120, 600, 7200), 440),  # a round less than 1.5 times 300 s
    ],
)
def test_slower_classes_are_stretched_in_proportion_and_totals_less(pace, seconds, totals):
    found = crowd(pace)
    assert [found.seconds(poll) for poll in PollClass.POLLED] == pytest.approx(seconds, rel=0.02)
    assert found.seconds(SLOW, total=True) == pytest.approx(totals, rel=1e-6)
    assert found.ticks == 1


@pytest.mark.parametrize("pace", [3.1, 2.5, 1.0, 0.2])
def test_fast_rounds_give_way_where_they_would_leave_next_to_nothing(pace):
    """Then all give way alike."""
    found = crowd(pace)
    assert found.ticks > 1
    assert found.seconds(FAST) == 10 * found.ticks
    assert found.seconds(MEDIUM) <= 60 * found.ticks
    assert crowd(pace, fast=0).ticks == 1


@pytest.mark.slow
@given(
    pace=st.floats(0.1, 20),
    counts=st.tuples(*[st.integers(0, 120)] * 4),
    totals=st.integers(0, 20),
    intervals=st.lists(st.floats(1, 7200), min_size=4, max_size=4).map(sorted),
)
def test_what_is_asked_always_fits_the_pace(pace, counts, totals, intervals):
    totals = min(totals, counts[2])
    found = crowd(pace, *counts[:3], totals, counts[3], intervals)
    assert found.fits or asked(found) <= found.usable * (1 + 1e-6)
    for share in found.shares:
        assert found.seconds(share.poll) >= share.interval
    slow = found.shares[2]
    few = totals / slow.interval <= 0.5 * found.usable
    if not found.fits and totals and few and found.seconds(FAST) <= slow.interval / 2:
        assert found.seconds(SLOW, total=True) <= LATEST_TOTALS * slow.interval
    if found.ticks > 1:
        left = found.usable - found.shares[0].per_second - totals / slow.interval
        assert left < LEAST_SHARE * found.usable + 1e-9


# -- lines so slow that bytes count -------------------------------------------------------------

#: At 2400 baud, of ten bits each: 1.2 times 240 bytes are 1.2 s, and the gap is 0.1 s.
BYTE_S = 10 / 2400


@pytest.fixture
def slow_line(register):
    """A family whose questions and answers are 240 bytes together, over TCP or a serial port."""

    def made(every_s=0.0, wire_bytes=240, **intervals):
        queries = tuple(
            replace(query, wire_bytes=wire_bytes, every_s=every_s)
            for query in nameless.QUERIES.values()
        )
        polled = replace(nameless.DRIVER.polled, queries=queries, byte_s=BYTE_S)
        ways = {"tcp": {"port": "1"}, "serial": {"baud": "2400"}}
        family = register(replace(nameless.DRIVER, polled=polled, ways=ways))
        device = {"name": "a", "driver": family.name, "address": "tcp://192.0.2.1"}
        return device | ({"intervals": intervals} if intervals else {})

    return made


def load_of(device):
    (config,) = Config.parse({"devices": [device]}).devices
    return budget(Plan(driver(config.driver), config), {""}, config)


def test_what_bytes_take_on_a_slow_line_counts(slow_line):
    found = load_of(slow_line())
    assert found.timed
    assert found.shares[0].line_s == pytest.approx(3 * (1.2 + 0.1))
    assert found.needed == pytest.approx(0.39)
    assert found.fast_seconds == pytest.approx(3.9)
    assert found.fits
    assert found.shares[0].requests_per_second == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("options", "bits_per_byte", "baud"),
    [("", 10, 2400), ("?baud=9600", 10, 9600), ("?baud=1200&parity=even&stopbits=2", 12, 1200)],
)
def test_a_serial_port_is_as_quick_as_its_address_says(slow_line, options, bits_per_byte, baud):
    found = load_of(slow_line() | {"address": f"serial:///dev/toy{options}"})
    assert found.shares[0].line_s == pytest.approx(3 * (1.2 * 240 * bits_per_byte / baud + 0.1))


def test_requests_count_where_they_are_scarcer_than_time(slow_line):
    found = load_of(slow_line(wire_bytes=10) | {"requests": {"per_second": 0.5}})
    assert not found.timed
    assert (found.needed, found.pace) == (pytest.approx(0.3), 0.5)


def test_answers_that_are_good_for_longer_take_less(slow_line):
    found = load_of(slow_line(every_s=100.0))
    assert found.shares[0].queries == 3
    assert found.needed == pytest.approx(0.039)


def test_where_the_line_has_no_time_rounds_give_way(slow_line):
    found = load_of(slow_line(fast="3s"))
    assert not found.fits
    assert (found.ticks, found.seconds(FAST)) == (2, 6.0)


@pytest.mark.slow
@given(
    bytes_each=st.integers(1, 2000),
    intervals=st.lists(st.integers(1, 600), min_size=4, max_size=4),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_said_to_fit_does(slow_line, bytes_each, intervals):
    usual = dict(
        zip(("fast", "medium", "slow", "static"), map("{}s".format, intervals), strict=True)
    )
    found = load_of(slow_line(wire_bytes=bytes_each, **usual))
    if not found.fits:
        better = usual | would_fit(found)
        assert load_of(slow_line(wire_bytes=bytes_each, **better)).fits


def test_all_is_asked_of_a_line_that_has_no_time_for_it(slow_line, caplog):
    """Else what is asked last would never be; and it is told, once."""
    device = slow_line(fast="4s", wire_bytes=340)
    run = Run(driver(device["driver"]), Late(usual=1.7), 300.0, intervals={"fast": "4s"})
    for name in ("load", "grid", "battery"):
        assert len([line for line in run.lines if f"{name}_watts" in line]) >= 36, name
    assert [r.getMessage() for r in caplog.records] == [
        "toy: what is wanted takes 135 % of the time on the line; rounds come every 8 s, and what"
        " is slower comes later than configured; longer intervals or fewer metrics would fit"
    ]


@pytest.mark.slow
def test_it_tells_how_often_each_series_comes():
    """As its slowest source does; what a line is too slow for, as much later."""
    usual, slow = replace(DEVICE), replace(DEVICE, requests=RctRequests(per_second=1.0, gap=0.5))
    for device, fits in ((usual, True), (slow, False)):
        plan = Plan(RCT, device)
        found = budget(plan, {"always"}, device)
        assert found.fits is fits
        fast, medium = found.seconds(PollClass.FAST), found.seconds(PollClass.MEDIUM)
        every = {s.name: found.every(s, plan) for s in plan.wanted}
        assert every["inverter_power.grid_watts"] == fast
        assert every["inverter_power.grid_import_watts"] == fast, "is computed from it"
        assert every["inverter_temperature{sensor=core}.celsius"] == medium
        assert every["inverter_energy{flow=pv}.watt_hours_total"] == found.seconds(
            PollClass.SLOW, total=True
        )
    assert found.every(catalog().series("inverter_collector.up"), plan) == fast


def test_an_answer_that_is_good_for_long_comes_as_rarely():
    family = driver("voltronic")
    device = DeviceConfig(name="axpert", driver="voltronic", address=tcp("192.0.2.1"))
    plan = Plan(family, device)
    found = budget(plan, set(family.conditions), device)
    rare = {
        s: query.every_s
        for query, bindings in plan.takes.items()
        if query.every_s
        for binding in bindings
        for s in binding.series
        if s in plan.wanted
    }
    assert rare
    assert all(found.every(s, plan) >= seconds for s, seconds in rare.items())
