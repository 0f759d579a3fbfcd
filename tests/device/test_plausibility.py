"""Which values are believed."""

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.device.plausibility import (
    GROWTH,
    GROWTH_SHARE,
    MOST_DOUBTS,
    Plausibility,
    Verdict,
)
from rct_collector.drivers import series as every_series
from rct_collector.model import Kind

GOOD, DROP, ASK_AGAIN = Verdict.GOOD, Verdict.DROP, Verdict.ASK_AGAIN

TOTAL = catalog().series("inverter_energy.watt_hours_total", flow="load")
OTHER_TOTAL = catalog().series("inverter_energy.watt_hours_total", flow="grid_import")
BALANCE = catalog().series("inverter_energy.balance_watt_hours", flow="output")
CHARGE = catalog().series("inverter_battery.charged_ampere_hours_total", battery="0")
CYCLES = catalog().series("inverter_battery.cycles_total", battery="0")
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
    one_of_each = {series.metric: series for series in every_series()}
    for metric, series in one_of_each.items():
        if metric.kind is Kind.TEXT:
            continue
        below = math.nextafter(metric.low, -math.inf)
        above = math.nextafter(metric.high, math.inf)
        verdicts = judge(metric.low, metric.high, below, above, series=series)
        assert verdicts == [GOOD, GOOD, DROP, DROP], metric.name


def test_balances_may_fall_and_be_negative():
    assert judge(-500.0, -502.8, 3.0, -1e7, series=BALANCE) == [GOOD] * 4


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


def test_total_that_keeps_falling_is_believed_at_the_third_reading():
    verdicts = judge(1000.0, 997.2, 994.4, 991.6, 988.8)
    assert verdicts == [GOOD, ASK_AGAIN, ASK_AGAIN, GOOD, ASK_AGAIN]


def test_single_zero_within_a_total_that_keeps_falling_is_not_believed():
    verdicts = judge(1000.0, 997.2, 0.0, 994.4, 991.6)
    assert verdicts == [GOOD, ASK_AGAIN, ASK_AGAIN, ASK_AGAIN, GOOD]


def test_doubt_ends_even_if_no_two_readings_agree():
    values = [5e5 - 1e4 * n for n in range(MOST_DOUBTS + 1)]
    assert judge(1e6, *values) == [GOOD, *[ASK_AGAIN] * MOST_DOUBTS, GOOD]


def timed(*readings, series=TOTAL):
    """Judge readings, each with its monotonic time."""
    plausibility = Plausibility()
    return [plausibility.judge(series, value, now=now) for now, value in readings]


@pytest.mark.parametrize(
    ("series", "good", "leap"),
    [(TOTAL, 83_000.0, 84_000.0), (CHARGE, 500.0, 520.0), (CYCLES, 395, 405)],
)
def test_total_that_grows_faster_than_any_unit_can_count_is_read_again(series, good, leap):
    """300 s after the last reading: a megawatt, 5000 A, one event a second."""
    assert timed((0.0, 0), (300.0, good), series=series) == [GOOD, GOOD]
    assert timed((0.0, 0), (300.0, leap), series=series) == [GOOD, ASK_AGAIN]


def test_single_spike_upward_is_not_believed_and_casts_no_doubt_on_what_follows():
    readings = ((0.0, 1e6), (300.0, 5e8), (300.3, 1e6 + 400), (600.0, 1e6 + 800))
    assert timed(*readings) == [GOOD, ASK_AGAIN, GOOD, GOOD]


def test_leap_that_stays_is_believed_at_the_second_reading():
    """So after a night without a unit, or on a host that slept."""
    assert timed((0.0, 1e6), (10.0, 1.02e6), (10.3, 1.02e6)) == [GOOD, ASK_AGAIN, GOOD]


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
def test_total_never_falls_without_readings_that_agree_and_no_doubt_is_for_ever(values):
    """Growing confirms at once; falling by little from the third on; anything after the last."""
    plausibility = Plausibility()
    published = None
    doubts = []  # the readings before, as far as they were in doubt
    for value in values:
        verdict = plausibility.judge(TOTAL, value)
        falls = published is not None and value < published
        if verdict is GOOD:
            if falls:
                assert doubts
                grown, most = value - doubts[-1], max(GROWTH, GROWTH_SHARE * doubts[-1])
                confirmed = 0 <= grown <= most or (len(doubts) > 1 and abs(grown) <= most)
                assert confirmed or len(doubts) == MOST_DOUBTS
            published, doubts = value, []
        else:
            assert verdict is ASK_AGAIN
            assert falls
            doubts.append(value)
            assert len(doubts) <= MOST_DOUBTS


@pytest.mark.slow
@untimed
@given(
    st.lists(st.tuples(st.floats(0.1, 400), st.floats(0, 270)), min_size=2, max_size=30),
    st.one_of(st.just(0.0), totals),
    st.data(),
)
def test_single_odd_reading_of_a_growing_total_is_never_published(steps, odd, data):
    """Whether it is too low or too high, and wherever it comes."""
    now, total, readings = 0.0, 1e6, []
    for seconds, per_second in steps:
        now, total = now + seconds, total + seconds * per_second
        readings.append((now, total))
    place = data.draw(st.integers(1, len(readings) - 1))
    at, true = readings[place]
    assume(odd < readings[place - 1][1] or odd > true + 400 * 280 + 1e-3 * true + GROWTH)
    readings.insert(place, (at - 0.05, odd))
    verdicts = timed(*readings)
    assert [v for v, (_, value) in zip(verdicts, readings, strict=True) if value == odd] == [
        ASK_AGAIN
    ]
    assert verdicts.count(GOOD) == len(readings) - 1


@untimed
@given(totals, totals)
def test_two_equal_readings_are_always_believed(before, value):
    verdicts = judge(before, value, value)
    assert verdicts[0] is verdicts[2] is GOOD
