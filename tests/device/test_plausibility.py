"""Which values are believed."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.device.plausibility import GROWTH, GROWTH_SHARE, Plausibility, Verdict
from rct_collector.model import Kind

GOOD, DROP, ASK_AGAIN = Verdict.GOOD, Verdict.DROP, Verdict.ASK_AGAIN

TOTAL = catalog().series("inverter_energy.watt_hours_total", flow="load")
OTHER_TOTAL = catalog().series("inverter_energy.watt_hours_total", flow="output")
GAUGE = catalog().series("inverter_power.grid_watts")
TEXT = catalog().series("inverter.serial")

untimed = settings(deadline=None)

totals = st.floats(0, 1e9, allow_nan=False)


def judge(*values, series=TOTAL):
    plausibility = Plausibility()
    return [plausibility.judge(series, value) for value in values]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_dropped(value):
    assert judge(value, series=GAUGE) == [DROP]
    assert judge(value) == [DROP]


def test_texts_are_not_judged():
    assert judge("", "anything", series=TEXT) == [GOOD, GOOD]


def test_gauges_may_fall():
    assert judge(5.0, -5.0, 0.0, series=GAUGE) == [GOOD, GOOD, GOOD]


def test_range_of_every_metric_includes_its_ends_and_nothing_beyond():
    for metric in catalog().metrics:
        series = next(catalog().expand(metric))
        if metric.kind is Kind.TEXT:
            continue
        below = math.nextafter(metric.low, -math.inf)
        above = math.nextafter(metric.high, math.inf)
        verdicts = judge(metric.low, metric.high, below, above, series=series)
        assert verdicts == [GOOD, GOOD, DROP, DROP], metric.name


def test_growing_total_is_believed():
    assert judge(0.0, 1.0, 1.0, 1e6) == [GOOD] * 4


def test_total_that_falls_once_is_not_believed():
    assert judge(1000.0, 0.0, 1001.0, 1002.0) == [GOOD, ASK_AGAIN, GOOD, GOOD]


def test_total_that_falls_for_good_is_believed_at_the_second_reading():
    assert judge(1000.0, 3.0, 3.0, 4.0) == [GOOD, ASK_AGAIN, GOOD, GOOD]


def test_second_reading_may_have_grown_a_little():
    assert judge(1e9, 5.0, 5.0 + GROWTH) == [GOOD, ASK_AGAIN, GOOD]
    assert judge(1e9, 1e8, 1e8 * (1 + GROWTH_SHARE)) == [GOOD, ASK_AGAIN, GOOD]


@pytest.mark.parametrize("second", [4.9, 5.0 + GROWTH + 0.1, 900.0])
def test_second_reading_that_says_something_else_confirms_nothing(second):
    assert judge(1000.0, 5.0, second) == [GOOD, ASK_AGAIN, ASK_AGAIN]


def test_two_odd_readings_far_apart_do_not_confirm_each_other():
    """A good reading between them clears the doubt."""
    assert judge(1000.0, 0.0, 1001.0, 0.0) == [GOOD, ASK_AGAIN, GOOD, ASK_AGAIN]


def test_value_out_of_range_confirms_nothing_and_clears_nothing():
    assert judge(1000.0, 5.0, math.nan, 5.0) == [GOOD, ASK_AGAIN, DROP, GOOD]


def test_totals_are_judged_each_for_itself():
    plausibility = Plausibility()
    assert plausibility.judge(TOTAL, 1000.0) is GOOD
    assert plausibility.judge(OTHER_TOTAL, 5.0) is GOOD
    assert plausibility.judge(TOTAL, 5.0) is ASK_AGAIN
    assert plausibility.judge(OTHER_TOTAL, 5.0) is GOOD


def test_totals_of_another_unit_are_not_compared():
    plausibility = Plausibility()
    plausibility.judge(TOTAL, 1000.0)
    plausibility.judge(OTHER_TOTAL, 1000.0)
    plausibility.judge(OTHER_TOTAL, 7.0)
    plausibility.forget()
    assert plausibility.judge(TOTAL, 5.0) is GOOD
    assert plausibility.judge(OTHER_TOTAL, 9.0) is GOOD


def test_derived_total_is_as_good_as_its_inputs():
    """They were read twice already; a second doubt would withhold the sum for a day."""
    plausibility = Plausibility()
    for value in (1000.0, 0.0, 500.0, 200.0):
        assert plausibility.judge(TOTAL, value, derived=True) is GOOD
    assert plausibility.judge(TOTAL, math.nan, derived=True) is DROP


@untimed
@given(st.lists(st.one_of(totals, st.sampled_from([0.0, 1.0, 500.0, 1000.0])), max_size=40))
def test_total_never_falls_without_two_readings_that_agree(values):
    plausibility = Plausibility()
    published = None
    before = None  # the reading before, if it was in doubt
    for value in values:
        verdict = plausibility.judge(TOTAL, value)
        falls = published is not None and value < published
        if verdict is GOOD:
            if falls:
                assert before is not None
                assert 0 <= value - before <= max(GROWTH, GROWTH_SHARE * before)
            published, before = value, None
        else:
            assert verdict is ASK_AGAIN
            assert falls
            before = value


@untimed
@given(totals, totals)
def test_two_equal_readings_are_always_believed(before, value):
    verdicts = judge(before, value, value)
    assert verdicts[0] is verdicts[2] is GOOD
