"""The unit's logger as the driver reads it: every record once, whatever pages come, no other."""

from __future__ import annotations

import math
import struct
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.drivers.rct import DRIVER
from rct_collector.drivers.rct.clock import begin_after, begin_of, end_of_repeated, readings
from rct_collector.drivers.rct.history import JUMP_S, MOST_JUMPS, REACH_S
from rct_collector.drivers.rct.simulator import LoggerMemory, RctUnit
from rct_collector.drivers.rct.table import LOGGER
from rct_collector.model import Kind
from tests.drivers.rct.memory import (
    BY_NAME,
    MEMORY,
    SECOND,
    STEP,
    TABLE,
    Ring,
    first,
    read,
    unix_of,
)
from tests.drivers.rct.remembering import wall
from tests.work import calls

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # half an hour
DAY = 86400
NOON = unix_of("2026-11-20T12:00:00+00:00")


def ring(unixes, zone=UTC, **more):
    """A ring with a record of each time, whose value tells which one it is."""
    latest = sorted(unixes, reverse=True)
    return Ring([(wall(unix, zone), number(unix)) for unix in latest], **more)


def number(unix):
    """A value that 32 bits hold exactly."""
    return float(unix // STEP % 500_000)


def every(start, end):
    """The times of five minutes from one to another, without the latter."""
    return list(range(-(-start // STEP) * STEP, end, STEP))


def of_ring(found):
    return lambda _query, before: found.answer(before)


# -- what there is ----------------------------------------------------------------------------


def test_every_series_of_the_logger_and_the_table_can_be_read():
    assert len(MEMORY.queries) == 45
    assert {query.name for query in MEMORY.queries} == {q.name for q in DRIVER.queries if q.logger}
    assert set(MEMORY.kept) == set(MEMORY.queries)
    found = list(MEMORY.found())
    assert len({series for series, _, _ in found}) == len(found) == 44
    rows = [m for m in catalog().metrics if m.measurement == "inverter_history"]
    assert {s for m in rows for s in catalog().expand(m)} == {series for series, _, _ in found}


def test_it_is_told_how_often_a_value_comes_and_how_far_back_it_goes():
    found = {
        resolution: {
            (kept.resolution_s, kept.reach_s, kept.events)
            for query, kept in MEMORY.kept.items()
            if query.name.startswith(f"logger.{resolution}_")
        }
        for resolution in (*LOGGER, "error")
    }
    assert found == {
        "minutes": {(300, 90 * DAY, False)},
        "day": {(DAY, math.inf, False)},
        "month": {(30 * DAY, math.inf, False)},
        "year": {(365 * DAY, math.inf, False)},
        "error": {(0.0, math.inf, True)},
    }


@pytest.mark.parametrize(
    ("signal", "condition", "field", "raw", "value"),
    [
        ("ea", "genA", "pv_a_watts", 1234.5, 1234.5),
        ("eb", "genB", "pv_b_watts", 0.0, 0.0),
        ("eac", "always", "output_watts", -42.0, -42.0),
        ("eac2", "always", "output_l2_watts", 100.0, 100.0),
        ("ebat", "bat", "battery_watts", -2000.0, -2000.0),
        ("eext", "s0", "external_watts", 7.0, 7.0),
        ("egrid_feed", "always", "grid_export_watts", -3000.0, 3000.0),
        ("egrid_load", "always", "grid_import_watts", 250.0, 250.0),
        ("eload", "always", "load_watts", 333.25, 333.25),
        ("soc", "bat", "soc_percent", 0.49, 49.0),
        ("soc_targ", "bat", "soc_target_percent", 0.97, 97.0),
        ("temp", "always", "heatsink_celsius", 41.5, 41.5),
        ("temp2", "always", "battery_heatsink_celsius", 30.0, 30.0),
        ("temp_bat", "bat", "battery_celsius", 21.0, 21.0),
        ("ua", "genA", "pv_a_volts", 540.0, 540.0),
        ("ub", "genB", "pv_b_volts", 530.0, 530.0),
        ("ubat", "bat", "battery_volts", 230.5, 230.5),
        ("ul3", "always", "grid_l3_volts", 231.0, 231.0),
    ],
)
def test_signs_and_units_are_those_of_the_catalogue(signal, condition, field, raw, value):
    query = BY_NAME[f"logger.minutes_{signal}_log_ts"]
    assert query.condition == condition
    found = Ring([(NOON - STEP, raw)])
    ((at, values, tags),) = read(of_ring(found), NOON - 3600, NOON, query=query).rows
    assert (at, values) == ((NOON - STEP) * SECOND, {field: value})
    assert repr(values[field]) != "-0.0"
    assert tags == {(("resolution", "5m"),)}


def test_a_part_that_the_unit_lacks_is_asked_for_nothing():
    """Else zeros would be published of it; whether it is there is decided as for live values."""
    parts = {query.condition for query in MEMORY.queries}
    assert parts == {"always", "genA", "genB", "bat", "s0"}
    for series, query, _ in MEMORY.found():
        word = series.metric.field.split("_")
        wanted = {"pv": f"gen{word[1].upper()}", "soc": "bat", "external": "s0"}.get(word[0])
        if wanted is None:
            battery = word[0] == "battery" and "heatsink" not in word
            wanted = "bat" if battery else "always"
        assert query.condition == wanted, query.name


# -- frames ------------------------------------------------------------------------------------


def test_a_question_and_its_answer_byte_by_byte():
    """Both as rctclient makes them: minutes_soc at 1700000000, two records."""
    soc = BY_NAME["logger.minutes_soc_log_ts"]
    payload = bytes.fromhex("6553f1006553efd43efae1486553eea83ef5c28f")
    pages = {1_700_000_000: payload}
    found = read(
        lambda _query, before: pages.get(before, struct.pack(">I", before)),
        1_700_000_000 - 700,
        1_700_000_000,
        query=soc,
    )
    assert found.port.requests[0].hex() == "2b02085293b6686553f100b9cb"
    assert found.values == {1_699_999_700: 49.0, 1_699_999_400: 48.0}
    assert found.progress.complete


@pytest.mark.parametrize("payload", ["", "6553f1", "6553f1006553efd43e"])
def test_an_answer_that_is_cut_within_a_record_is_no_answer(payload):
    """It is asked for again, as if nothing had come."""
    kept = ring(every(NOON - 3600, NOON))
    spoilt = iter([bytes.fromhex(payload)])

    def answer(_query, before):
        found = next(spoilt, None)
        return kept.answer(before) if found is None else found

    found = read(answer, NOON - 3600, NOON)
    assert len(found.values) == 12
    assert len(found.port.requests) > len(kept.asked)


def test_an_answer_to_somebody_else_is_not_ours():
    times = every(NOON - DAY, NOON)
    kept = ring(times)
    foreign = [kept.whole(t) for t in (NOON - 7 * 3600, NOON - DAY - 300, 0xFFFFFFFF)] * 5
    found = read(of_ring(kept), NOON - DAY, NOON, foreign=foreign)
    assert found.values == {unix: number(unix) for unix in times}
    assert found.port.late, "and was seen"


# -- pages -------------------------------------------------------------------------------------


def test_a_day_takes_as_many_questions_as_real_units_need():
    times = every(NOON - DAY, NOON)
    kept = ring(times)
    found = read(of_ring(kept), NOON - DAY, NOON)
    assert found.values == {unix: number(unix) for unix in times}
    assert len(kept.asked) == 8  # seven full pages, and a last one with what is older
    assert found.progress.complete


@pytest.mark.parametrize("cuts", [[1] * 400, [0], [5, 0, 7, 0, 41, 0, 3], [None, 2, 0]])
def test_a_short_answer_is_a_short_page_and_not_the_end(cuts):
    times = every(NOON - DAY, NOON)
    kept = ring(times, cuts=cuts)
    assert read(of_ring(kept), NOON - DAY, NOON).values == {u: number(u) for u in times}


@pytest.mark.slow
@pytest.mark.parametrize("window", [math.inf, 4 * 3600])
@pytest.mark.parametrize("hours", [1, 5, 6, 7, 11, 12, 13, 30, 60, 24 * 6])
def test_holes_of_hours_and_days_are_jumped_over(hours, window):
    start = NOON - 10 * DAY
    times = [
        u for u in every(start, NOON) if not NOON - 2 * DAY - hours * 3600 < u < NOON - 2 * DAY
    ]
    kept = ring(times, window=window)
    found = read(of_ring(kept), start, NOON)
    assert found.values == {unix: number(unix) for unix in times}
    assert found.progress.complete
    assert min(kept.asked) > start - JUMP_S


def test_an_empty_memory_is_read_to_its_end():
    kept = ring([])
    found = read(of_ring(kept), NOON - 90 * DAY, NOON)
    assert (found.rows, found.progress.complete) == ([], True)
    assert len(kept.asked) == MOST_JUMPS + 2


def test_what_begins_in_the_range_ends_it_after_a_week_without_records():
    times = every(NOON - 3 * DAY, NOON)
    kept = ring(times)
    found = read(of_ring(kept), NOON - 90 * DAY, NOON)
    assert found.values == {unix: number(unix) for unix in times}
    assert found.progress.complete
    assert len(kept.asked) < 3 * 8 + MOST_JUMPS + 3


def test_nothing_is_asked_below_the_range():
    kept = ring(every(NOON - 2 * DAY, NOON))
    read(of_ring(kept), NOON - 3600, NOON)
    assert kept.asked == [NOON]


def test_what_lies_beside_the_range_is_left():
    kept = ring(every(NOON - DAY, NOON + DAY))
    found = read(of_ring(kept), NOON - 900, NOON)
    assert sorted(found.values) == [NOON - 900, NOON - 600, NOON - 300]


@pytest.mark.parametrize("raw", [math.nan, math.inf, -math.inf, 3.4e38, 2e6])
def test_a_value_that_cannot_be_is_left_out_and_counted(raw):
    kept = Ring([(NOON - 300, 1.0), (NOON - 600, raw), (NOON - 900, 3.0)])
    found = read(of_ring(kept), NOON - 3600, NOON)
    assert found.values == {NOON - 300: 1.0, NOON - 900: 3.0}
    assert found.progress.left_out == 1


def test_times_between_two_grids_stay_as_they_are():
    """Units were seen to be up to a minute beside it."""
    kept = Ring([(NOON - 270, 1.0), (NOON - 571, 2.0)])
    found = read(of_ring(kept), NOON - 3600, NOON)
    assert found.values == {NOON - 270: 1.0, NOON - 571: 2.0}


@pytest.mark.slow
@settings(deadline=None)
@given(
    holes=st.lists(st.tuples(st.integers(0, 3 * 288), st.integers(1, 400)), max_size=4),
    size=st.integers(4, 60),
    window=st.sampled_from([math.inf, 4 * 3600, 5 * 3600]),
    cuts=st.lists(st.one_of(st.none(), st.integers(0, 60)), max_size=40),
    foreign=st.lists(st.one_of(st.none(), st.integers(NOON - 5 * DAY, NOON + DAY)), max_size=20),
    start=st.integers(0, 3 * DAY),
    length=st.integers(300, 3 * DAY),
)
def test_whatever_the_memory_and_its_answers_are_each_record_comes_once(
    holes, size, window, cuts, foreign, start, length
):
    begin = NOON - 3 * DAY
    missing = {n for first_one, count in holes for n in range(first_one, first_one + count)}
    kept_times = [u for n, u in enumerate(every(begin, NOON)) if n not in missing]
    kept = ring(kept_times, size=size, window=window, cuts=cuts)
    others = [at if at is None else kept.whole(at) for at in foreign]
    found = read(of_ring(kept), begin + start, begin + start + length, foreign=others)
    wanted = [u for u in kept_times if begin + start <= u < begin + start + length]
    assert found.progress.complete
    assert found.values == {unix: number(unix) for unix in wanted}
    assert found.progress.left_out == 0


# -- clocks that are set for summer ------------------------------------------------------------

#: Zone, and when its clock is set back, and forward.
CHANGES = [
    (BERLIN, unix_of("2026-10-25T01:00:00+00:00"), unix_of("2026-03-29T01:00:00+00:00")),
    (NEW_YORK, unix_of("2026-11-01T06:00:00+00:00"), unix_of("2026-03-08T07:00:00+00:00")),
    (LORD_HOWE, unix_of("2026-04-04T15:00:00+00:00"), unix_of("2026-10-03T15:30:00+00:00")),
]


@pytest.mark.parametrize(("zone", "back", "_forward"), CHANGES)
@pytest.mark.parametrize("size", [41, 36, 30])
@pytest.mark.parametrize("offset", range(0, 41, 5))
def test_the_hour_that_comes_twice_is_told_apart_by_order(zone, back, _forward, size, offset):
    """Wherever the pages begin and end."""
    times = every(back - DAY // 4, back + DAY // 4)
    kept = ring(times, zone, size=size)
    end = back + DAY // 4 - offset * STEP
    found = read(of_ring(kept), back - DAY // 4, end, zone=zone)
    assert found.values == {unix: number(unix) for unix in times if unix < end}
    assert found.progress.left_out == 0


@pytest.mark.parametrize(("zone", "back", "_forward"), CHANGES)
def test_the_hour_is_also_told_apart_where_answers_are_sorted_by_what_the_clock_showed(
    zone, back, _forward
):
    times = every(back - DAY // 4, back + DAY // 4)
    records = [(wall(unix, zone), number(unix)) for unix in sorted(times, reverse=True)]
    kept = Ring(sorted(records, key=lambda record: -record[0]))
    found = read(of_ring(kept), times[0], times[-1] + 1, zone=zone)
    assert found.values == {unix: number(unix) for unix in times}


def test_an_answer_may_also_begin_with_the_oldest():
    zone, back, _ = CHANGES[0]
    times = every(back - DAY // 8, back + DAY // 8)
    kept = ring(times, zone, size=99)

    def turned(_query, before):
        payload = kept.answer(before)
        return payload[:4] + b"".join(payload[n : n + 8] for n in range(len(payload) - 8, 3, -8))

    found = read(turned, times[0], times[-1] + 1, zone=zone)
    assert found.values == {unix: number(unix) for unix in times}


@pytest.mark.parametrize(("zone", "back", "_forward"), CHANGES)
@pytest.mark.parametrize("half", ["first", "second"])
def test_half_of_it_alone_is_left_out_and_counted(zone, back, _forward, half):
    shift = 1800 if zone is LORD_HOWE else 3600
    times = every(back - DAY // 4, back + DAY // 4)
    twice = every(back - shift, back + shift)
    gone = every(back, back + shift) if half == "first" else every(back - shift, back)
    kept = ring([unix for unix in times if unix not in gone], zone)
    found = read(of_ring(kept), times[0], times[-1] + 1, zone=zone)
    assert found.values == {unix: number(unix) for unix in times if unix not in twice}
    assert found.progress.left_out == shift // STEP


@pytest.mark.parametrize(("zone", "_back", "forward"), CHANGES)
def test_the_hour_that_spring_leaves_out_does_not_exist(zone, _back, forward):
    times = every(forward - DAY // 4, forward + DAY // 4)
    shift = 1800 if zone is LORD_HOWE else 3600
    late = [(wall(forward - 1, zone) + 1 + n * STEP, 99.0) for n in range(shift // STEP)]
    records = [(wall(unix, zone), number(unix)) for unix in times]
    kept = Ring(sorted([*records, *late], reverse=True))
    found = read(of_ring(kept), times[0], times[-1] + 1, zone=zone)
    assert found.values == {unix: number(unix) for unix in times}
    assert found.progress.left_out == len(late)


@pytest.mark.slow
@settings(deadline=None)
@given(
    place=st.sampled_from(CHANGES),
    autumn=st.booleans(),
    missing=st.sets(st.integers(0, 143), max_size=80),
    size=st.integers(3, 50),
    cuts=st.lists(st.one_of(st.none(), st.integers(0, 50)), max_size=20),
    start=st.integers(0, 120),
    end=st.integers(1, 150),
)
def test_no_time_is_invented_around_a_change_of_clocks(
    place, autumn, missing, size, cuts, start, end
):
    zone, back, forward = place
    change = back if autumn else forward
    grid = every(change - DAY // 4, change + DAY // 4)
    times = [unix for n, unix in enumerate(grid) if n not in missing]
    kept = ring(times, zone, size=size, cuts=cuts)
    begin, over = grid[0] + start * STEP, grid[0] + (start + end) * STEP
    found = read(of_ring(kept), begin, over, zone=zone)
    wanted = {unix: number(unix) for unix in times if begin <= unix < over}
    assert found.values.items() <= wanted.items()
    once = {u for u in wanted if len(readings(wall(u, zone), zone)) == 1}
    assert once <= found.values.keys()
    assert found.progress.complete


@given(st.sampled_from(CHANGES), st.integers(-DAY, DAY))
def test_what_the_clock_shows_leads_back_to_the_time(place, offset):
    zone, back, forward = place
    for unix in (back + offset, forward + offset):
        shown = wall(unix, zone)
        assert unix in readings(shown, zone)
        if len(readings(shown, zone)) > 1:
            end = end_of_repeated(shown, zone)
            assert len(readings(end, zone)) == 1
            assert all(len(readings(n, zone)) == 2 for n in range(shown, end, 60))


def test_a_second_that_comes_twice_is_one_record():
    """Unix time has no leap second: the last second of 2016 and the one behind it are alike."""
    leap = unix_of("2017-01-01T00:00:00+00:00")
    records = [(leap + 300, 3.0), (leap, 2.0), (leap, 2.0), (leap - 300, 1.0)]
    found = read(of_ring(Ring(records)), leap - 600, leap + 600)
    assert found.values == {leap - 300: 1.0, leap: 2.0, leap + 300: 3.0}


# -- a clock that was set ----------------------------------------------------------------------


@pytest.mark.parametrize("hours", range(1, 20))
@pytest.mark.parametrize("window", [math.inf, 4 * 3600, 5 * 3600, 6 * 3600])
def test_a_few_records_in_the_middle_of_nothing_are_found(hours, window):
    times = [NOON - hours * 3600 - n * STEP for n in range(3)]
    kept = ring(times, window=window)
    for start in (NOON - 2 * DAY, times[-1]):
        found = read(of_ring(kept), start, NOON)
        assert found.values == {unix: number(unix) for unix in times}
        assert found.progress.complete


def test_work_grows_no_faster_than_the_records():
    """Those of an hour that comes twice are looked at together."""
    back = CHANGES[0][1]

    def work(count):
        shown = [wall(back, BERLIN) + n % 3600 for n in range(count)]
        ask, span = first(BY_NAME["logger.minutes_soc_log_ts"], back - DAY, back + DAY, BERLIN)
        value = (ask.argument.before, [(time, 0.5) for time in shown])
        return calls(MEMORY.page, ask, value, span)

    assert work(4000) < 2.2 * work(2000)


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_was_set_by_a_year_gives_what_it_says_once(years):
    """What was kept before has the times of then, and a hole of a year beside it, or an overlap."""
    step = years * 365 * DAY
    old = every(NOON - DAY, NOON)
    new = every(NOON, NOON + DAY // 4)
    records = [(unix + step, number(unix)) for unix in new] + [(u, number(u)) for u in old]
    kept = Ring(sorted(records, reverse=True))
    before = read(of_ring(kept), NOON - 2 * DAY, NOON)
    assert before.values == {unix: number(unix) for unix in old}
    after = read(of_ring(kept), NOON + step, NOON + step + DAY // 4)
    assert after.values == {unix + step: number(unix) for unix in new}
    assert before.progress.complete
    assert after.progress.complete


# -- days, months and years --------------------------------------------------------------------


@pytest.mark.parametrize("zone", [UTC, BERLIN, NEW_YORK])
@pytest.mark.parametrize("shown", [0, DAY - 1])
@pytest.mark.parametrize("resolution", ["day", "month", "year"])
def test_a_sum_is_of_the_time_at_which_what_it_covers_began(resolution, shown, zone):
    """Whether the unit stamps it with the begin, or with the last second of its first day."""
    query = BY_NAME[f"logger.{resolution}_eload_log_ts"]
    begins, at = [], begin_of(resolution, wall(unix_of("2024-02-27T12:00:00+00:00"), zone))
    for _ in range(40 if resolution != "year" else 6):
        begins.append(at)
        at = begin_after(resolution, at)
    records = [(begin + shown, float(n)) for n, begin in enumerate(begins)]
    if resolution == "year":
        records.insert(0, (946771200 + shown - DAY, 0.0))
    kept = Ring(sorted(records, reverse=True), size=7)
    start, end = readings(begins[2], zone)[0], readings(begins[-2], zone)[0]
    found = read(of_ring(kept), start, end, query=query, zone=zone)
    expected = {readings(begin, zone)[0]: float(n) for n, begin in enumerate(begins)}
    assert found.values == {unix: n for unix, n in expected.items() if start <= unix < end}
    assert found.progress.complete
    assert {tags for _, _, tags in ((a, b, tuple(c)) for a, b, c in found.rows)} == {
        ((("resolution", resolution),),)
    }


def test_years_end_with_the_record_of_2000():
    query = BY_NAME["logger.year_egrid_feed_log_ts"]
    years = [(unix_of(f"{year}-01-01T23:59:59+00:00"), -1000.0 * year) for year in (2025, 2024)]
    kept = Ring([*years, (946771200 - 1, 0.0)])
    found = read(of_ring(kept), 0, NOON, query=query)
    assert [values for _, values, _ in found.rows] == [
        {"grid_export_watt_hours": 2024000.0},
        {"grid_export_watt_hours": 2025000.0},
    ]
    assert len(kept.asked) == 1


def test_days_without_an_end_end_with_an_empty_answer():
    query = BY_NAME["logger.day_ea_log_ts"]
    kept = Ring([(NOON // DAY * DAY - n * DAY, 5000.0) for n in range(1, 20)])
    found = read(of_ring(kept), 0, NOON, query=query)
    assert (len(found.rows), found.progress.complete) == (19, True)
    assert len(kept.asked) == 3  # the records; then nothing, twice


@pytest.mark.parametrize("query", MEMORY.queries, ids=lambda query: query.name)
@pytest.mark.parametrize("zone", [None, UTC, NEW_YORK])
def test_ranges_that_reach_to_the_ends_of_time_can_be_asked_for(query, zone):
    for start, end in ((0, 1), (0, 1 << 33), ((1 << 32) - 1, 1 << 32)):
        ask, span = first(query, start, end, zone)
        while ask.argument is not None:
            assert 0 <= ask.argument.before < 1 << 32
            page = MEMORY.page(ask, (ask.argument.before, []), span)
            assert page.rows == ()
            ask = ask._replace(argument=page.more)


# -- the simulated unit ------------------------------------------------------------------------


def of_unit(unit, at):
    return lambda query, before: unit.history(query.oid, before, at)


@pytest.mark.parametrize("window", [math.inf, 4 * 3600])
def test_what_a_unit_remembers_of_the_hour_that_comes_twice_is_what_it_measured(window):
    """In autumn, with pages as real ones are."""
    back = unix_of("2026-10-25T01:00:00+00:00")
    at = back + DAY // 2
    holes = ((back - 7 * 3600, back - 4 * 3600), (back + 3 * 3600, back + 9 * 3600))
    memory = LoggerMemory(records=41, holes=holes, window=window)
    unit = RctUnit(start=at, zone=BERLIN, memory=memory)
    query = BY_NAME["logger.minutes_soc_log_ts"]
    found = read(of_unit(unit, at), back - DAY // 2, at, query=query, zone=BERLIN)
    times = [
        unix
        for unix in every(back - DAY // 2, at)
        if not any(begin <= unix <= end for begin, end in holes)
    ]
    assert sorted(found.values) == times
    soc = BY_NAME["battery.soc"]
    for unix in times[::7]:
        (value,) = struct.unpack(">f", unit.read(soc.oid, unix))
        assert found.values[unix] == pytest.approx(100 * value, rel=1e-6)


@pytest.mark.slow
def test_a_unit_whose_clock_was_set_tells_what_it_showed():
    at = NOON
    memory = LoggerMemory(records=41, steps=((NOON - DAY, 365 * DAY),))
    unit = RctUnit(start=at, memory=memory)
    found = read(of_unit(unit, at), NOON - 2 * DAY, NOON)
    assert sorted(found.values) == every(NOON - DAY, NOON)
    before = read(of_unit(unit, at), NOON - DAY - 366 * DAY, NOON - 365 * DAY)
    assert sorted(before.values)[-1] == NOON - DAY - 365 * DAY - STEP


def test_a_unit_with_an_empty_memory_tells_nothing():
    unit = RctUnit(start=NOON, memory=LoggerMemory(begin=math.inf))
    for name in ("logger.minutes_soc_log_ts", "logger.month_ea_log_ts", TABLE.name):
        found = read(of_unit(unit, NOON), NOON - 30 * DAY, NOON, query=BY_NAME[name])
        assert (found.rows, found.progress.complete) == ([], True)


@pytest.mark.slow
def test_the_ring_is_as_long_as_is_told():
    unit = RctUnit(start=NOON)
    found = read(of_unit(unit, NOON), NOON - 92 * DAY, NOON - 89 * DAY)
    assert min(found.values) == NOON - REACH_S + STEP


# -- events ------------------------------------------------------------------------------------


def event_ring(events, zone=UTC, **more):
    """A table with (kind, Unix time, element 2 …) as it is kept."""
    latest = sorted(events, key=lambda event: event[1], reverse=True)
    return Ring([(e[0], wall(e[1], zone), *e[2:]) for e in latest], stamp=1, **more)


@pytest.mark.slow
@settings(deadline=None)
@given(
    seconds=st.lists(st.integers(0, 60), max_size=40),
    kinds=st.lists(st.sampled_from([25, 114, 115]), min_size=40, max_size=40),
    size=st.integers(3, 20),
    cuts=st.lists(st.one_of(st.none(), st.integers(0, 20)), max_size=20),
    start=st.integers(0, 30),
    length=st.integers(1, 60),
)
def test_every_event_comes_once_though_several_share_a_second(
    seconds, kinds, size, cuts, start, length
):
    counts = {}
    events = []
    for n, (second, kind) in enumerate(zip(seconds, kinds, strict=False)):
        counts[second] = counts.get(second, 0) + 1
        if counts[second] <= 3:  # no more of one second than fit an answer
            events.append((kind, NOON - 3600 + second * 50, 0xF0000000 + n, 1, 2))
    kept = event_ring(events, size=size, cuts=cuts)
    begin = NOON - 3600 + start * 50
    found = read(of_ring(kept), begin, begin + length * 50, query=TABLE)
    wanted = [e for e in events if begin <= e[1] < begin + length * 50]
    seen = sorted((at // SECOND, next(iter(tags))[0][1]) for at, _, tags in found.rows)
    assert seen == sorted((e[1], str(e[0])) for e in wanted)
    assert len({(at, str(tags)) for at, _, tags in found.rows}) == len(found.rows)
    assert found.progress.complete


def test_two_changes_in_one_second_are_a_millisecond_apart_and_always_the_same():
    events = [
        (115, NOON - 60, BY_NAME["power_mng.soc_max"].oid, 0x3F800000, 0x3F666666),
        (115, NOON - 60, BY_NAME["power_mng.soc_min"].oid, 0x3D8F5C29, 0x3DCCCCCD),
        (118, NOON - 60, NOON - 40, 0, 0),
    ]
    expected = {
        (0, "power_mng.soc_max"), (1_000_000, "power_mng.soc_min"), (0, None),
    }  # fmt: skip
    for order in (events, events[::-1]):
        for size in (3, 7):
            found = read(of_ring(event_ring(order, size=size)), NOON - 90, NOON, query=TABLE)
            rows = {
                (at - (NOON - 60) * SECOND, values.get("object")) for at, values, _ in found.rows
            }
            assert rows == expected


def test_events_of_the_hour_that_comes_twice():
    back = unix_of("2026-10-25T01:00:00+00:00")
    times = [back - 7200, back - 3000, back - 600, back + 300, back + 2400, back + 7200]
    events = [(114, unix, wall(unix + 60, BERLIN), 7, 0) for unix in times]
    found = read(of_ring(event_ring(events, BERLIN)), times[0], NOON, query=TABLE, zone=BERLIN)
    assert sorted(at // SECOND for at, _, _ in found.rows) == times
    assert {values["duration_seconds"] for _, values, _ in found.rows} == {60.0}
    alone = event_ring(events[1:2], BERLIN)
    found = read(of_ring(alone), times[0], NOON, query=TABLE, zone=BERLIN)
    assert (found.rows, found.progress.left_out) == ([], 1)


def test_texts_of_the_past_are_of_events_alone():
    for query, kept in MEMORY.kept.items():
        kinds = {metric.kind for metric in kept.metrics} | {s.metric.kind for s in kept.series}
        assert (Kind.TEXT in kinds) == (query is TABLE)


@pytest.mark.slow
def test_the_events_of_a_unit_are_those_of_its_faults():
    unit = RctUnit(start=NOON, zone=BERLIN, memory=LoggerMemory(events=9))
    found = read(of_unit(unit, NOON), NOON - 120 * DAY, NOON, query=TABLE, zone=BERLIN)
    begun = {(at // SECOND, int(next(iter(tags))[0][1])) for at, _, tags in found.rows}
    incidents = list(unit.world.incidents.before(NOON, NOON, NOON - 130 * DAY))
    milestones = {(int(unit.world.updated), 119), (int(unit.world.updated) + 35, 118)}
    wanted = {(int(i.start), i.bit) for i in incidents} | milestones
    assert begun == {(at, kind) for at, kind in wanted if at >= NOON - 120 * DAY}
    assert datetime.fromtimestamp(min(at for at, _ in begun), UTC).year == 2026
