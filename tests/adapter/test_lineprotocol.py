"""Line protocol that every parser takes, whatever texts devices and users come up with."""

import math
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from line_protocol_parser import parse_line

from rct_collector.adapter.lineprotocol import LineProtocol, chunks, field_value, tag_value
from rct_collector.catalog import catalog
from rct_collector.drivers import series as every_series
from rct_collector.model import Batch, Health, Kind, Origin
from tests.work import calls

untimed = settings(deadline=None)

TIME_NS = 1_782_036_003_500_000_000

#: What one line may be, as strict as the strictest parser known.
NAME = r"[a-z][a-z0-9_]*"
FLOAT = r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?"
INTEGER = r"-?(?:0|[1-9][0-9]*)i"
STRING = r'"(?:[^"\\\x00-\x1f\x7f-\x9f\u2028\u2029]|\\["\\])*"'
FIELD = re.compile(rf"({NAME})=({FLOAT}|{INTEGER}|{STRING})(,| )")

#: The parser of the tests takes no subnormal numbers; Telegraf does.
floats = st.floats(allow_subnormal=False)

texts = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(list(" ,=\\\"'\n\r\t\0\x1b\x7f\x85\u2028\u2029\ud800#äx_")),
    ),
    max_size=30,
)
series = st.sampled_from(every_series())
labels = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), texts, max_size=4)
times = st.integers(10**18, 2 * 10**18)


def values_of(metric):
    return {
        float: floats,
        int: st.one_of(st.integers(-(2**31), 2**32), st.booleans()),
        str: texts,
    }[metric.value_type]


@st.composite
def batches(draw):
    found = draw(st.lists(series, max_size=12, unique=True), "series")
    return Batch(
        source=draw(texts, "source"),
        vendor=draw(st.sampled_from(["rct", "toy"]), "vendor"),
        labels=tuple(sorted(draw(labels, "labels").items())),
        time_ns=draw(times, "time"),
        values=tuple((item, draw(values_of(item.metric), item.name)) for item in found),
        interval_s=10.0,
    )


def batch(*values, labels=(), source="roof"):
    found = []
    for name, value in values:
        measurement, _, field = name.rpartition(".")
        tags = {}
        if "{" in measurement:
            measurement, inner = measurement.rstrip("}").split("{")
            tags = dict(pair.split("=") for pair in inner.split(","))
        found.append((catalog().series(f"{measurement}.{field}", **tags), value))
    return Batch(source, "rct", tuple(labels), TIME_NS, tuple(found), 10.0)


def written(*values, prefix="inverter", **more):
    return [line.decode() for line in LineProtocol(prefix).lines(batch(*values, **more))]


def clean(text):
    """What of a text the protocol can carry, by its rules rather than by our code."""
    kept = "".join("_" if is_control(char) else char for char in text).strip()
    return kept + "_" if kept.endswith("\\") else kept


def is_control(char):
    return char in "\u2028\u2029" or ord(char) < 32 or 127 <= ord(char) < 160 or is_half(char)


def is_half(char):
    return 0xD800 <= ord(char) < 0xE000


# -- known lines -------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", Origin)
def test_what_is_of_the_past_is_written_like_what_is_of_now(origin):
    found = batch(("inverter_power.grid_watts", -600.0))
    assert LineProtocol().lines(found._replace(origin=origin)) == LineProtocol().lines(found)


def test_a_batch_that_only_ends_a_round_is_no_line():
    assert LineProtocol().lines(batch()._replace(ends_round=True)) == []


def test_of_a_removed_device_nothing_is_remembered():
    lines = LineProtocol()
    for source in ("roof", "barn"):
        found = batch(("inverter_power.grid_watts", -600.0), source=source)
        written_first = lines.lines(found)
    assert lines.lines(batch(source="roof")._replace(health=Health(removed=True))) == []
    assert [source for source, *_ in lines._heads] == ["barn"]
    assert lines.lines(found) == written_first


def test_units_with_the_same_labels_share_what_is_worked_out():
    cell = "inverter_battery_cell{{battery=0,cell={},module=0}}.voltage_volts"
    values = [(cell.format(number), 3.3) for number in range(24)]
    lines, roof = LineProtocol(), batch(*values, source="roof", labels=[("site", "a")])
    lines.lines(roof)
    again = calls(lines.lines, roof)
    barn = roof._replace(source="barn")
    assert calls(lines.lines, barn) <= again + 40, "no more than its name"
    assert lines.lines(barn) == [line.replace(b"roof", b"barn") for line in lines.lines(roof)]
    for gone in (roof, barn):
        lines.lines(gone._replace(health=Health(removed=True)))
    assert (len(lines._heads), len(lines._places)) == (0, 0)


def test_a_number_costs_no_call_but_to_be_found_finite():
    few = batch(("inverter_power.grid_watts", -600.25), ("inverter_power.load_watts", 1.5))
    many, lines = few._replace(values=few.values * 10), LineProtocol()
    lines.lines(few)
    more = calls(lines.lines, many) - calls(lines.lines, few)
    assert more <= 9 * 2 * 2, "the other appends it"


def test_labels_and_units_have_their_places_around_the_name_of_the_device():
    labels = (("s", "1"), ("t", "2"), ("u", "3"), ("unit", "own"), ("z", "4"))
    found = batch(("inverter_power.grid_watts", 1.0), labels=labels)
    texts = [b"".join(LineProtocol().lines(found._replace(unit=unit))) for unit in ("", "7F", " ")]
    tags = [text.split(b" ")[0].decode().split(",", 1)[1] for text in texts]
    assert tags == [
        "s=1,source=roof,t=2,u=3,unit=own,vendor=rct,z=4",
        "s=1,source=roof,t=2,u=3,unit=7F,vendor=rct,z=4",
        "s=1,source=roof,t=2,u=3,vendor=rct,z=4",
    ]


def test_values_that_share_tags_share_a_line():
    assert written(
        ("inverter_power.grid_watts", -600.0),
        ("inverter_power.load_watts", 412.7),
        ("inverter_grid{phase=l1}.voltage_volts", 231.25),
        ("inverter_grid{phase=l2}.voltage_volts", 230.0),
        ("inverter_grid.frequency_hertz", 50.01),
        ("inverter_grid{phase=l1}.power_watts", 0.0),
    ) == [
        f"inverter_power,source=roof,vendor=rct grid_watts=-600.0,load_watts=412.7 {TIME_NS}\n",
        "inverter_grid,phase=l1,source=roof,vendor=rct voltage_volts=231.25,power_watts=0.0"
        f" {TIME_NS}\n",
        f"inverter_grid,phase=l2,source=roof,vendor=rct voltage_volts=230.0 {TIME_NS}\n",
        f"inverter_grid,source=roof,vendor=rct frequency_hertz=50.01 {TIME_NS}\n",
    ]


def test_tags_are_sorted_labels_and_component_alike():
    assert written(
        ("inverter_battery_cell{battery=0,cell=7,module=2}.voltage_volts", 3.3),
        labels=[("azimuth", "180"), ("row", "7"), ("site", "Haus am See")],
    ) == [
        "inverter_battery_cell,azimuth=180,battery=0,cell=7,module=2,row=7,site=Haus\\ am\\ See,"
        f"source=roof,vendor=rct voltage_volts=3.3 {TIME_NS}\n"
    ]


def test_texts_ride_with_the_info_flag():
    assert written(
        ("inverter.info", 1), ("inverter.model", 'PS "6.0"'), ("inverter.serial", "a\\b\n")
    ) == [
        f'inverter,source=roof,vendor=rct info=1i,model="PS \\"6.0\\"",serial="a\\\\b_" {TIME_NS}\n'
    ]


def test_first_word_of_every_measurement_can_be_exchanged():
    lines = written(("inverter.info", 1), ("inverter_power.grid_watts", 1.0), prefix="solar")
    assert [line.split(",")[0] for line in lines] == ["solar", "solar_power"]


def test_batch_without_values_has_no_lines():
    assert written() == []


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_value_that_is_no_number_is_left_out_and_so_is_a_line_without_values(value):
    assert written(("inverter_power.grid_watts", value)) == []
    assert written(("inverter_power.grid_watts", value), ("inverter_power.load_watts", 1.0)) == [
        f"inverter_power,source=roof,vendor=rct load_watts=1.0 {TIME_NS}\n"
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e16, "1e+16"),
        (1e-5, "1e-05"),
        (3254567.891, "3254567.891"),
        (0.1 + 0.2, "0.30000000000000004"),
        (0, "0i"),
        (True, "1i"),
        (False, "0i"),
        (-(2**63), "-9223372036854775808i"),
        (2**63 - 1, "9223372036854775807i"),
        (2**63, None),
        (-(2**63) - 1, None),
        ("", '""'),
        ("\\", '"\\\\"'),
        ('\\"', '"\\\\\\""'),
        ("a\tb", '"a_b"'),
        ("ü\ud800", '"ü_"'),
    ],
)
def test_fields_are_written_as_every_parser_reads_them(value, expected):
    assert field_value(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("home", "home"),
        ("a b", "a\\ b"),
        ("a,b=c", "a\\,b\\=c"),
        ("a\\b", "a\\b"),
        ("a\\", "a\\_"),
        ("a\nb", "a_b"),
        ("  a  ", "a"),
        ("\u00a0", ""),
        ("", ""),
        ("#", "#"),
    ],
)
def test_tag_values_are_escaped_or_emptied(text, expected):
    assert tag_value(text) == expected


def test_empty_tag_is_left_out():
    assert written(("inverter_power.grid_watts", 1.0), labels=[("site", " ")], source="") == [
        f"inverter_power,vendor=rct grid_watts=1.0 {TIME_NS}\n"
    ]


def test_devices_do_not_get_each_others_tags():
    protocol = LineProtocol()
    value = ("inverter_power.grid_watts", 1.0)
    for source, site in (("a", "x"), ("b", "x"), ("a", "y"), ("a", "x")):
        (line,) = protocol.lines(batch(value, source=source, labels=[("site", site)]))
        assert line.startswith(f"inverter_power,site={site},source={source},".encode())


# -- any text, any value -----------------------------------------------------------------------


@pytest.mark.slow
@untimed
@given(batches())
def test_any_batch_can_be_read_back_by_an_independent_parser(batch):
    """One line per measurement and set of tags; every value that can be carried, in its type."""
    expected = {}
    for item, value in batch.values:
        if isinstance(value, float) and not math.isfinite(value):
            continue
        tags = {**dict(batch.labels), **dict(item.tags)}
        tags |= {"source": batch.source, "vendor": batch.vendor}
        tags = {key: clean(text) for key, text in tags.items() if clean(text)}
        fields = expected.setdefault((item.metric.measurement, frozenset(tags.items())), {})
        if isinstance(value, str):
            value = "".join("_" if is_control(char) else char for char in value)
        fields[item.metric.field] = value
    lines = LineProtocol().lines(batch)
    found = {}
    for line in lines:
        parsed = parse_line(line.decode().removesuffix("\n"))
        assert parsed["time"] == batch.time_ns
        found[parsed["measurement"], frozenset(parsed["tags"].items())] = parsed["fields"]
    assert found == expected
    assert len(lines) == len(expected)
    for key, fields in found.items():
        for field, value in fields.items():
            wanted = expected[key][field]
            assert type(value) is (int if isinstance(wanted, bool) else type(wanted))


@pytest.mark.slow
@untimed
@given(batches())
def test_any_line_is_strict_line_protocol(batch):
    """The parser used above is lax: it takes control characters and odd backslashes."""
    for line in LineProtocol().lines(batch):
        text = line.decode()
        assert text.endswith("\n")
        body = text[:-1]
        assert not any(is_control(char) for char in body)
        head, rest = split_head(body)
        measurement, *tags = head
        assert re.fullmatch(NAME, measurement)
        keys = [key for key, _ in tags]
        assert keys == sorted(keys)
        assert len(set(keys)) == len(keys)
        assert all(re.fullmatch(NAME, key) for key in keys)
        assert all(value and not value.endswith("\\") for _, value in tags)
        end = 0
        while (match := FIELD.match(rest, end)) and match[3] == ",":
            end = match.end()
        assert match, rest
        assert re.fullmatch(r"[0-9]{19}", rest[match.end() :])


def split_head(body):
    """Measurement, then (key, value) of each tag, and what follows, by the rules alone."""
    parts, current, n = [], "", 0
    while n < len(body) and body[n] != " ":
        if body[n] == "\\" and body[n + 1] in ",= ":
            current += body[n + 1]
            n += 2
        elif body[n] == ",":
            parts.append(current)
            current = ""
            n += 1
        elif body[n] == "=":
            current += "\0"  # cannot occur in a text
            n += 1
        else:
            current += body[n]
            n += 1
    parts.append(current)
    measurement, *tags = parts
    return [measurement, *(tag.split("\0") for tag in tags)], body[n + 1 :]


@untimed
@given(floats.filter(math.isfinite))
def test_floats_come_back_as_the_same_number(value):
    parsed = parse_line(f"m f={field_value(value)}")["fields"]["f"]
    assert isinstance(parsed, float)
    assert parsed == value
    assert math.copysign(1, parsed) == math.copysign(1, value)


@untimed
@given(st.integers())
def test_integers_come_back_or_are_left_out(value):
    text = field_value(value)
    if -(2**63) <= value < 2**63:
        assert parse_line(f"m f={text}")["fields"]["f"] == value
    else:
        assert text is None


@pytest.mark.slow
@untimed
@given(texts)
def test_texts_come_back_but_for_control_characters(text):
    parsed = parse_line(f"m f={field_value(text)}")["fields"]["f"]
    assert parsed == "".join("_" if is_control(char) else char for char in text)


@untimed
@given(texts)
def test_tags_come_back_but_for_what_tags_cannot_carry(text):
    assume(clean(text))
    assert parse_line(f"m,t={tag_value(text)} f=1")["tags"] == {"t": clean(text)}


@untimed
@given(st.sampled_from(catalog().metrics), st.data())
def test_field_has_one_type_for_ever(metric, data):
    """The first value decides the type of a column; the next must not be refused."""
    value = data.draw(values_of(metric))
    text = field_value(value)
    if text is None:
        assert not math.isfinite(value)
        return
    shape = {float: FLOAT, int: INTEGER, str: STRING}[metric.value_type]
    assert re.fullmatch(shape, text)
    others = {FLOAT, INTEGER, STRING} - {shape}
    assert not any(re.fullmatch(other, text) for other in others)
    assert (metric.kind is Kind.TEXT) == text.startswith('"')


@pytest.mark.slow
@untimed
@given(st.lists(batches(), max_size=4), st.lists(st.integers(0, 3), max_size=8))
def test_line_does_not_depend_on_what_was_written_before(known, order):
    protocol = LineProtocol()
    for n in order:
        if n < len(known):
            assert protocol.lines(known[n]) == LineProtocol().lines(known[n])


def test_names_of_the_catalogue_need_no_escaping():
    for metric in catalog().metrics:
        assert re.fullmatch(NAME, metric.measurement)
        assert re.fullmatch(NAME, metric.field)
        for key, texts_of_key in catalog().dimensions(metric):
            assert re.fullmatch(NAME, key)
            assert all(tag_value(text) == text for text in texts_of_key)
            assert key not in ("time", "source", "vendor", "host")
        assert metric.field != "time"


# -- pieces ------------------------------------------------------------------------------------

line_lists = st.lists(st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"") + b"\n"))


@untimed
@given(line_lists, st.integers(1, 150))
def test_pieces_are_whole_lines_within_the_limit_and_as_few_as_possible(lines, limit):
    pieces = chunks(iter(lines), limit)
    assert b"".join(pieces) == b"".join(lines)
    rest = list(lines)
    for n, piece in enumerate(pieces):
        count = piece.count(b"\n")
        assert count
        assert b"".join(rest[:count]) == piece
        assert len(piece) <= limit or count == 1
        rest = rest[count:]
        if n + 1 < len(pieces):
            assert len(piece) + len(rest[0]) > limit


def test_no_lines_make_no_pieces():
    assert chunks([], 4096) == []
