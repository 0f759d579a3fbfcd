"""Tags of which only drivers and units know the values: serial numbers, strings, modules."""

from __future__ import annotations

import itertools
import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.catalog import Catalog, TooManySeriesError
from rct_collector.catalog.rows import ROWS, row
from rct_collector.config import globs
from rct_collector.drivers import driver
from rct_collector.model import Batch, CollectdId, Kind, Pattern, PollClass, collectd_id
from tests.work import calls

SERIAL = Pattern("0-9A-F", 8, 8, most=3)
OPTIMIZER = (("optimizer", SERIAL),)
FAST, GAUGE = PollClass.FAST, Kind.GAUGE

POWER = row("inverter_optimizer", "power_watts", GAUGE, FAST, "Power.", over=OPTIMIZER)
HEAT = row("inverter_optimizer", "inner_celsius", GAUGE, FAST, "Heat.", over=OPTIMIZER)
TOTAL = row("inverter_optimizer", "all_watts", GAUGE, FAST, "All of them.",
            inputs=("inverter_optimizer.power_watts",), rule="total")  # fmt: skip
TWICE = row("inverter_optimizer", "spread_watts", GAUGE, FAST, "Of one.", over=OPTIMIZER,
            inputs=("inverter_optimizer.power_watts",), rule="spread")  # fmt: skip


@pytest.fixture
def rows():
    return Catalog((POWER, HEAT, TOTAL, TWICE))


# -- series that turn up -----------------------------------------------------------------------


def test_a_component_that_turns_up_gets_a_series_once(rows):
    first = rows.series("inverter_optimizer.power_watts", optimizer="1A2B3C4D")
    assert first.name == "inverter_optimizer{optimizer=1A2B3C4D}.power_watts"
    assert rows.series("inverter_optimizer.power_watts", optimizer="1A2B3C4D") is first
    assert rows.series("inverter_optimizer.power_watts", optimizer="1A2B3C4E") is not first


@pytest.mark.parametrize(
    "serial", ["", "1A2B3C4", "1A2B3C4D5", "1a2b3c4d", "1A2B3C4G", "1A2B3C4D\n", "١A2B3C4D", "*"]
)
def test_what_does_not_look_like_one_gets_none(rows, serial):
    with pytest.raises(KeyError, match="has no series with the tags"):
        rows.series("inverter_optimizer.power_watts", optimizer=serial)
    assert list(rows.expand(POWER)) == []


def test_a_unit_that_makes_up_components_fills_no_memory(rows):
    kept = [rows.series(POWER.name, optimizer=f"{n:08X}") for n in range(3)]
    for n in range(3, 100):
        with pytest.raises(TooManySeriesError, match="power_watts has 3 series already"):
            rows.series(POWER.name, optimizer=f"{n:08X}")
    assert list(rows.expand(POWER)) == kept
    assert rows.series(POWER.name, optimizer="00000002") is kept[2]
    assert rows.series(HEAT.name, optimizer="00000063")  # each metric has room of its own
    assert issubclass(TooManySeriesError, KeyError)  # a caller counts both in one place


def test_series_come_in_catalogue_order_whenever_they_were_made():
    over = (("module", Pattern("0-9", 1, 2)), ("phase", ("l2", "l1")))
    metric = row("inverter_x", "watts", GAUGE, FAST, "Power.", over=over)
    rows = Catalog((metric,))
    made = [
        rows.series(metric.name, module=module, phase=phase)
        for module, phase in itertools.product(("10", "9", "2"), ("l1", "l2"))
    ]
    values = [tuple(dict(series.tags).values()) for series in rows]
    assert values == [*itertools.product(("2", "9", "10"), ("l2", "l1"))]
    assert sorted(made, key=rows.place) == list(rows)
    assert rows.dimensions(metric) == (("module", ("2", "9", "10")), ("phase", ("l2", "l1")))


def test_series_are_not_put_in_order_again_for_the_sake_of_another_metric(rows):
    """Or each series that a table makes costs as much as all that are there already."""

    def find():
        rows.matching(POWER.name, optimizer="00000001")

    for n in range(3):
        rows.series(POWER.name, optimizer=f"{n:08X}")
    find()
    once_more = calls(find)
    rows.series(HEAT.name, optimizer="00000001")
    assert calls(find) == once_more


def test_what_is_computed_has_the_components_of_its_inputs(rows):
    first, second = (rows.series(POWER.name, optimizer=f"0000000{n}") for n in (1, 2))
    spread = list(rows.expand(TWICE))
    assert [series.tags for series in spread] == [first.tags, second.tags]
    assert rows.inputs(spread[1]) == [[second]]
    assert rows.inputs(rows.series(TOTAL.name)) == [[first, second]]


def test_a_driver_says_which_components_it_knows(rows):
    known = {"optimizer": ("0000000B", "0000000A")}
    found = rows.across(POWER.name, known)
    assert [series.tags[0][1] for series in found] == ["0000000B", "0000000A"]  # its own order
    assert rows.across(POWER.name, known, optimizer="0000000A") == [found[1]]
    with pytest.raises(KeyError):
        rows.across(POWER.name, {})
    with pytest.raises(KeyError):
        rows.across(POWER.name, {"optimizer": ("roof",)})


@pytest.mark.parametrize("letters", ["", "_", "a_", "a-", "-a", ".", "a-z ", "^a", "\\d", "ä"])
def test_only_letters_and_digits_make_a_pattern(letters):
    with pytest.raises(ValueError, match="letters and digits"):
        Pattern(letters, 1, 2)


# -- in the agents -----------------------------------------------------------------------------


def test_a_component_that_turns_up_goes_through_to_the_agents(rows):
    protocol = LineProtocol()
    for serial in ("1A2B3C4D", "00000001"):
        power = rows.series(POWER.name, optimizer=serial)
        heat = rows.series(HEAT.name, optimizer=serial)
        batch = Batch(
            source="roof", vendor="toy", labels=(), time_ns=7, interval_s=10.0,
            values=((power, 250.5), (heat, 41.0)),
        )  # fmt: skip
        (line,) = protocol.lines(batch)
        tags = f"optimizer={serial},source=roof,vendor=toy"
        assert (
            line.decode() == f"inverter_optimizer,{tags} power_watts=250.5,inner_celsius=41.0 7\n"
        )
        assert power.collectd == CollectdId("power", f"optimizer_{serial}")
        assert heat.collectd == CollectdId("temperature", f"optimizer_{serial}_inner")


def segments(metric):
    """The words of a metric's id in collectd, the values of its tags as patterns."""
    values = [f"@{n}@" for n in range(len(metric.dimensions))]
    tags = tuple((key, value.replace("@", "Q")) for (key, _), value in
                 zip(metric.dimensions, values, strict=True))  # fmt: skip
    found = collectd_id(metric, tags)
    if found is None:
        return None
    words = found.type_instance.split("_")
    known = {f"Q{n}Q": values for n, (_, values) in enumerate(metric.dimensions)}
    return found.type, tuple(known.get(word, word) for word in words)


def could_be_alike(one, other):
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    if isinstance(one, str):
        return other.fits(one) if isinstance(other, Pattern) else one in other
    if isinstance(other, str):
        return could_be_alike(other, one)
    if isinstance(one, tuple) or isinstance(other, tuple):
        given = one if isinstance(one, tuple) else other
        rest = other if given is one else one
        return any(could_be_alike(word, rest) for word in given)
    return True  # as far as this looks


def test_no_component_gives_two_series_one_name_in_collectd():
    """A value is one word, so that ids are alike only where all words may be."""
    closed = [m for m in ROWS if any("_" in v for _, vs in m.dimensions
                                     if isinstance(vs, tuple) for v in vs)]  # fmt: skip
    assert {m.measurement for m in closed} == {"inverter_temperature", "inverter_energy",
                                               "inverter_reserve"}  # fmt: skip
    found = [(m, segments(m)) for m in ROWS if segments(m) and m not in closed]
    opened = [(m, words) for m, words in found if m.most is not None]
    assert len(opened) > 100
    for metric, (kind, words) in opened:
        for other, (other_kind, others) in found:
            if other is not metric and kind == other_kind and len(words) == len(others):
                alike = all(map(could_be_alike, words, others))
                assert not alike, (metric.name, other.name)


# -- globs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("inverter_optimizer{optimizer=1A2B3C4D}.power_watts", True),
        ("inverter_optimizer{optimizer=1A*}.power_watts", True),
        ("inverter_optimizer{optimizer=*}.*", True),
        ("*optimizer=????????}*celsius", True),
        ("*=1A2B[0-9A-F]*D}.inner_celsius", True),
        ("inverter_optimizer{*}.[!p]*", True),
        ("inverter_optimizer{optimizer=1a*}.power_watts", False),
        ("inverter_optimizer{optimizer=1A2B3C4D5}.power_watts", False),
        ("inverter_optimizer{optimizer=1A2B3C4}.power_watts", False),
        ("inverter_optimizer{optimizer=?????????}.*", False),
        ("inverter_optimizer{optimizer=G*}.power_watts", False),
        ("inverter_optimizer{module=*}.power_watts", False),
        ("inverter_optimizer{optimizer=*}.voltage_volts", False),
        ("inverter_optimizer{optimizer=*", True),
        ("inverter_battery*", False),
        ("", False),
        ("*", True),
    ],
)
def test_globs_match_names_that_there_may_be(glob, expected):
    assert globs.may_match(glob, [POWER, HEAT]) is expected


def every_name():
    """All names of a metric whose tags may have many values, but few enough to try each."""
    for text in itertools.chain("ab", map("".join, itertools.product("ab", repeat=2))):
        for place in ("x", "yz"):
            for field in ("watts", "volts"):
                yield f"m{{k={text},p={place}}}.{field}"


SMALL = [
    row("m", field, GAUGE, FAST, "X.", over=(("k", Pattern("ab", 1, 2)), ("p", ("x", "yz"))))
    for field in ("watts", "volts")
]
PIECES = ["*", "?", "a", "b", "[ab]", "[!a]", "[a-x]", "m", "{", "k=", "p=", ",", "}", ".", "watts",
          "volts", "x", "yz", "[y-z]", "m{k=", "},", "**"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("m{k=a*,p=x}.watts")
@example("m{k=???,p=x}.watts")
@example("**a**b**")
@example("m{k=[!a][!a],p=y[!y]}.*")
def test_a_glob_matches_where_it_matches_any_of_all_names(glob):
    assert globs.may_match(glob, SMALL) == any(fnmatchcase(name, glob) for name in every_name())


@pytest.mark.parametrize("glob", ["*?" * 60 + "zz", "*" * 150, "*a" * 75, "[0-9A-F]*" * 20 + "!"])
def test_the_cost_of_a_glob_grows_with_its_length_only(glob):
    shorter = glob[: len(glob) // 2].rpartition("[")[0] or glob[: len(glob) // 2]
    assert calls(globs.may_match, glob, SMALL) <= 3 * calls(globs.may_match, shorter, SMALL) + 200


# -- the rows that are there -------------------------------------------------------------------


def test_rows_leave_components_to_the_driver_or_the_unit():
    rows = Catalog()
    own = {"string", "battery", "module", "cell", "fault", "unit", "optimizer", "meter", "event"}
    own |= {"code"}
    for metric in ROWS:
        opened = {key for key, values in metric.dimensions if isinstance(values, Pattern)}
        assert opened == own & {key for key, _ in metric.dimensions}
        assert bool(list(rows.expand(metric))) is not bool(opened), metric.name  # none is loaded


def test_the_driver_of_rct_says_which_there_are():
    names = (
        *("inverter_string.power_watts", "inverter_fault.active", "inverter_battery.soc_percent"),
        *("inverter_battery.soc_target_percent", "inverter_battery_cell.voltage_volts"),
    )
    known = {}
    for name in names:
        found = [s.tags for s, _, _ in driver("rct").found() if s.metric.name == name]
        values = {key: dict.fromkeys(dict(tags)[key] for tags in found) for key, _ in found[0]}
        known[name] = {key: tuple(each) for key, each in values.items()}
    numbers = [tuple(map(str, range(n))) for n in (2, 7, 24, 128)]
    assert known == {
        "inverter_string.power_watts": {"string": ("a", "b")},
        "inverter_battery.soc_percent": {"battery": numbers[0]},
        "inverter_battery.soc_target_percent": {"battery": ("0",)},
        "inverter_battery_cell.voltage_volts": {
            "battery": numbers[0], "cell": numbers[2], "module": numbers[1]},
        "inverter_fault.active": {"fault": numbers[3]},
    }  # fmt: skip


def test_patterns_read_as_regular_expressions():
    assert str(SERIAL) == "[0-9A-F]{8}"
    assert str(Pattern("0-9", 1, 2)) == "[0-9]{1,2}"
    assert re.fullmatch(str(SERIAL), "1A2B3C4D")
