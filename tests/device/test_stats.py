"""Figures about the collector itself."""

import pytest

from rct_collector.catalog import catalog
from rct_collector.device.polling.request import Tally
from rct_collector.device.stats import Stats

GAUGES = {
    "poll_seconds": 1.5,
    "muted_objects": 2.0,
    "request_gap_seconds": 0.06,
    "sample_age_seconds": 0.5,
    "answer_latency_seconds": 0.02,
    "units": 3,
    "callers": 4,
}


def named(samples):
    return {series.name: value for series, value in samples}


def test_every_figure_of_the_catalogue_is_given_once():
    stats = Stats()
    stats.totals["callers_rejected"] = stats.totals["units_replaced"] = 0
    for kind in ("sent", "applied", "refused", "unconfirmed"):
        stats.totals[f"settings_{kind}"] = 0
    samples = stats.samples(up=True, **GAUGES)
    own = [series.name for series in catalog() if series.metric.own]
    assert sorted(series.name for series, _ in samples) == sorted(own)


def test_every_figure_has_the_type_of_its_metric():
    for series, value in Stats().samples(up=False, **GAUGES):
        assert type(value) is series.metric.value_type, series.name


def test_counters_begin_at_zero_and_count():
    stats = Stats()
    stats.totals["requests"] += 3
    stats.errors["foreign"] += 2
    found = named(stats.samples(up=True))
    assert found["inverter_collector.requests_total"] == 3
    assert found["inverter_collector.retries_total"] == 0
    assert found["inverter_collector_errors{kind=foreign}.frames_total"] == 2
    assert found["inverter_collector_errors{kind=crc}.frames_total"] == 0


def test_rounds_add_up():
    stats = Stats()
    for up in (True, False):
        stats.count_round(Tally(requests=5, retries=2, timeouts=3), up=up, implausible=1)
    found = named(stats.samples(up=True))
    assert found["inverter_collector.requests_total"] == 10
    assert found["inverter_collector.retries_total"] == 4
    assert found["inverter_collector.timeouts_total"] == 6
    assert found["inverter_collector.implausible_total"] == 2
    assert found["inverter_collector.poll_errors_total"] == 1


@pytest.mark.parametrize(("opened", "reconnects"), [(0, 0), (1, 0), (3, 2)])
def test_line_has_counts_of_its_own_and_the_first_connection_is_no_reconnect(opened, reconnects):
    stats = Stats()
    for _ in range(2):
        stats.count_line(opened, 90, 130)
    found = named(stats.samples(up=True))
    assert found["inverter_collector.reconnects_total"] == reconnects
    assert found["inverter_collector.sent_bytes_total"] == 90
    assert found["inverter_collector.received_bytes_total"] == 130


@pytest.mark.parametrize("up", [True, False])
def test_a_round_that_brought_something_is_up(up):
    assert named(Stats().samples(up=up))["inverter_collector.up"] == int(up)


def test_what_few_devices_count_is_told_of_those_alone():
    name = "inverter_collector.callers_rejected_total"
    stats = Stats()
    assert name not in named(stats.samples(up=True))
    stats.totals["callers_rejected"] = 2
    assert named(stats.samples(up=True))[name] == 2


def test_gauges_that_have_no_value_are_left_out():
    found = named(Stats().samples(up=False, poll_seconds=0.5))
    assert found["inverter_collector.poll_seconds"] == 0.5
    assert "inverter_collector.answer_latency_seconds" not in found
    assert "inverter_collector.sample_age_seconds" not in found


def test_errors_are_the_mistakes_not_the_traffic_of_others():
    stats = Stats()
    for kind in ("crc", "length", "command", "decode", "foreign", "noise", "echo", "plant"):
        stats.errors[kind] += 1
    assert named(stats.samples(up=True))["inverter_collector.errors_total"] == 4
    assert named(stats.samples(up=True))["inverter_collector.errors_total"] == 4  # not summed up


def test_kinds_of_mistakes_are_kinds_of_the_catalogue():
    (metric,) = catalog().named("inverter_collector_errors.frames_total")
    assert set(Stats.MISTAKES) <= set(dict(metric.dimensions)["kind"])
