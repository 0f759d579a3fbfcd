"""A batch that is told is the batch that is read, of every family."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector import drivers
from rct_collector.catalog import catalog
from rct_collector.control.batches import from_json, series_named, to_json
from rct_collector.control.messages import LONGEST, parse
from rct_collector.control.subscriptions import updates
from rct_collector.drivers import BUILTIN
from rct_collector.model import Batch, Health, Origin

for family in BUILTIN:
    drivers.driver(family)  # with its components
SERIES = sorted(catalog(), key=lambda series: series.name)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
OF_TYPE = {float: FLOATS, int: st.integers(-(2**63), 2**64), str: st.text(max_size=20)}
PAIRS = st.sampled_from(SERIES).flatmap(
    lambda series: st.tuples(st.just(series), OF_TYPE[series.metric.value_type])
)
BATCHES = st.builds(
    Batch,
    source=st.text(max_size=20),
    vendor=st.text(max_size=10),
    labels=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3).map(
        lambda labels: tuple(labels.items())
    ),
    time_ns=st.integers(0, 2**63),
    values=st.lists(PAIRS, max_size=8, unique_by=lambda pair: pair[0]).map(tuple),
    interval_s=FLOATS,
    origin=st.sampled_from(Origin),
    ends_round=st.booleans(),
    health=st.builds(
        Health,
        up=st.booleans(),
        since=FLOATS,
        missed=st.integers(0, 2**40),
        error=st.text(max_size=20),
        removed=st.booleans(),
    ),
    unit=st.text(max_size=8),
    receipt=st.none(),
)


def through(batch):
    return from_json(json.loads(json.dumps(to_json(batch))))


def typed(batch):
    return [(series, type(value), value) for series, value in batch.values]


def test_what_json_cannot_tell_is_left_out():
    """A unit that nobody asks has an infinite gap between requests; the rest of it is told."""
    gap, up = map(
        catalog().series, ("inverter_collector.request_gap_seconds", "inverter_collector.up")
    )
    batch = Batch("roof", "toy", (), 1, ((gap, float("inf")), (up, 1)), 10.0)
    assert through(batch).values == ((up, 1),)


@pytest.mark.slow
@given(BATCHES)
def test_it_is_the_same_when_it_is_read_again(batch):
    found = through(batch)
    assert found == batch
    assert typed(found) == typed(batch)
    assert type(found.interval_s) is float
    assert type(found.origin) is Origin


def test_every_series_is_found_by_its_name():
    assert [series_named(series.name) for series in SERIES] == SERIES


@pytest.mark.parametrize(
    "name",
    ["", "x", "inverter_power", "inverter_power.", ".grid_watts", "inverter_power{}.grid_watts",
     "inverter_power{phase=9}.grid_watts", "inverter_power{x}.grid_watts",
     "inverter_power{.grid_watts", "inverter_power{name=1}.grid_watts",
     "inverter_power{self=1}.grid_watts"],
)  # fmt: skip
def test_a_name_that_nothing_has_is_of_nothing(name):
    assert series_named(name) is None


def plain():
    values = ((catalog().series("inverter_power.grid_watts"), 1.5),)
    return to_json(Batch("roof", "rct", (("site", "home"),), 5, values, 10.0))


def test_what_a_newer_collector_tells_is_left_out():
    said = plain()
    said["values"]["inverter_power.new_watts"] = 1.0
    said["novelty"] = True
    assert from_json(said) == from_json(plain())


def test_a_whole_number_may_have_lost_its_point():
    """Some programs write 1.0 as 1."""
    said = plain()
    said["values"]["inverter_power.grid_watts"] = 2
    said["interval"] = 10
    found = from_json(said)
    assert typed(found)[0][1:] == (float, 2.0)
    assert found.interval_s == 10.0


@pytest.mark.parametrize(
    ("path", "wrong", "words"),
    [
        ((), [], "an object"),
        (("source",), 1, "source: 1 is no str"),
        (("labels",), None, "labels: None is no dict"),
        (("labels", "site"), 1, "site: 1 is no str"),
        (("time_ns",), 1.5, "time_ns: 1.5 is no int"),
        (("time_ns",), True, "time_ns: True is no int"),
        (("interval",), "1", "interval: '1' is no number"),
        (("interval",), math.inf, "interval: inf is no number"),
        (("interval",), 10**400, "is no number"),
        (("origin",), "never", "origin: 'never' is none of live, late, history"),
        (("ends_round",), 0, "ends_round: 0 is no bool"),
        (("health",), {}, "up: None is no bool"),
        (("values", "inverter_power.grid_watts"), "1", "grid_watts: '1' is no float"),
        (("values", "inverter_power.grid_watts"), math.nan, "grid_watts: nan is no float"),
        (("values", "inverter_power.grid_watts"), True, "grid_watts: True is no float"),
        (("values", "inverter.info"), 1.0, "inverter.info: 1.0 is no int"),
    ],
)
def test_what_is_no_batch_is_told_with_its_key(path, wrong, words):
    said = whole = plain()
    if path:
        *above, last = path
        for key in above:
            said = said[key]
        said[last] = wrong
    else:
        whole = wrong
    with pytest.raises(ValueError, match=words.replace("[", r"\[")):
        from_json(whole)


def test_a_batch_that_is_too_long_for_a_line_comes_in_several():
    numbers = [series for series in SERIES if series.metric.value_type is float]
    values = tuple((series, 1234.5678) for series in numbers)
    batch = Batch("roof", "rct", (), 5, values, 10.0, ends_round=True)
    lines = list(updates(batch))
    assert len(lines) > 1
    assert all(len(line) <= LONGEST for line in lines)
    parts = [from_json(parse(line)["params"]) for line in lines]
    assert tuple(pair for part in parts for pair in part.values) == values
    assert [part.ends_round for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part._replace(values=(), ends_round=True) for part in parts} == {
        batch._replace(values=())
    }
