"""What a configuration may say, and the exact words for everything that is wrong with one."""

import math
import os
import re
import sys
import zlib
import zoneinfo
from dataclasses import fields
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector import config
from rct_collector.adapter.lineprotocol import tag_value
from rct_collector.catalog import catalog
from rct_collector.collector import share
from rct_collector.config import (
    Config,
    DeviceConfig,
    Intervals,
    Shard,
    checking,
    matches,
    values,
)
from rct_collector.drivers.rct.options import RctOptions, RctRequests
from rct_collector.errors import ConfigError
from rct_collector.model import Kind, PollClass
from rct_collector.option import Invalid, Unwritten, options, parse_duration, sections
from tests.addresses import tcp

untimed = settings(deadline=None)

ROOF = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10:8899"}

MINIMAL = """\
devices:
  - name: roof
    driver: rct
    address: tcp://192.0.2.10:8899
"""

FULL = """\
log_level: debug
state_dir: /srv/state
shard: 1/3
phase: aligned
prefix: solar
devices:
  - name: roof
    driver: rct
    address: tcp://[2001:db8::10]
    timezone: Europe/Berlin
    cells: true
    include: [inverter_output.*_filtered_*]
    exclude:
      - inverter_settings.*
      - inverter_battery{battery=1}.soc_percent
    labels: {site: home, row: 7}
    intervals: {fast: 5s, medium: 30s, slow: 10m, static: 6h}
    requests: {per_second: 4.4, gap: 100ms, window: 2, timeout: 1.5s}
  - name: barn.2
    driver: rct
    address: tcp://barn.example:8900
    timezone: local
    include: inverter_fault.active
"""


def problems(value: Any) -> list[str]:
    """What is wrong with a configuration, without the name of the file."""
    with pytest.raises(ConfigError) as caught:
        Config.parse(value, "x.yaml")
    assert str(caught.value) == "\n".join(caught.value.problems)
    assert all(text.startswith("x.yaml: ") for text in caught.value.problems)
    return [text.removeprefix("x.yaml: ") for text in caught.value.problems]


def device_problems(**changes: Any) -> list[str]:
    """What is wrong with one device, without its place."""
    found = problems({"devices": [{**ROOF, **changes}]})
    return [text.removeprefix("devices[0].") for text in found]


def file_problems(tmp_path: Path, content: bytes) -> list[str]:
    """What is wrong with a file, without its name."""
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert all(text.startswith(f"{path}: ") for text in caught.value.problems)
    return [text.removeprefix(f"{path}: ") for text in caught.value.problems]


# -- files -------------------------------------------------------------------------------------


def test_minimal_file_takes_all_defaults(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(MINIMAL)
    device = DeviceConfig(name="roof", driver="rct", address=tcp("192.0.2.10:8899"))
    assert Config.load(path) == Config(devices=(device,))
    assert device.intervals == Intervals(fast=10.0, medium=60.0, slow=300.0, static=3600.0)
    assert device.requests == RctRequests(per_second=5.0, gap=0.06, window=4, timeout=2.0)
    assert device.timezone is None
    assert device.options == RctOptions(cells=False)
    assert device.include == device.exclude == ()
    assert device.labels == {}


def test_full_file_says_everything_that_can_be_said(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(FULL)
    assert Config.load(path) == Config(
        log_level="debug",
        state_dir=Path("/srv/state"),
        shard=Shard(1, 3),
        phase="aligned",
        prefix="solar",
        devices=(
            DeviceConfig(
                name="roof",
                driver="rct",
                address=tcp("[2001:db8::10]"),
                timezone=ZoneInfo("Europe/Berlin"),
                options=RctOptions(cells=True),
                include=("inverter_output.*_filtered_*",),
                exclude=("inverter_settings.*", "inverter_battery{battery=1}.soc_percent"),
                labels={"site": "home", "row": "7"},
                intervals=Intervals(fast=5.0, medium=30.0, slow=600.0, static=21600.0),
                requests=RctRequests(per_second=4.4, gap=0.1, window=2, timeout=1.5),
            ),
            DeviceConfig(
                name="barn.2",
                driver="rct",
                address=tcp("barn.example:8900"),
                timezone=None,
                include=("inverter_fault.active",),
            ),
        ),
    )


def test_byte_order_mark_of_a_windows_editor_is_no_mistake(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert Config.load(path).devices[0].name == "roof"


def test_merge_keys_of_yaml_work_and_may_be_overridden(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "devices:\n"
        "- &first {name: a, driver: rct, address: 'tcp://a', cells: true}\n"
        "- {<<: *first, name: b, address: 'tcp://b'}\n"
    )
    assert [(d.name, d.options.cells) for d in Config.load(path).devices] == [
        ("a", True),
        ("b", True),
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "is empty; expected a list 'devices'", id="empty"),
        pytest.param(b"# nothing\n", "is empty; expected a list 'devices'", id="comments"),
        pytest.param(b"- a\n", "found ['a'], expected a mapping of options", id="list"),
        pytest.param(b"roof\n", "found 'roof', expected a mapping of options", id="text"),
        pytest.param(b"a: \xff\n", "is not UTF-8 text (byte 3)", id="latin-1"),
        pytest.param("a: b".encode("utf-16"), "is not UTF-8 text (byte 0)", id="utf-16"),
        pytest.param(b"devices: 1\na: 1\na: 2\n", "line 3: 'a' is given twice", id="twice"),
        pytest.param(
            b"devices:\n- {name: a, name: b}\n", "line 2: 'name' is given twice", id="twice inside"
        ),
        pytest.param(b"? [a]\n: 1\n", "line 1: found unhashable key", id="list as key"),
        pytest.param(b"\0", "not YAML", id="binary"),
    ],
)
def test_file_that_is_no_configuration_is_told_in_one_sentence(tmp_path, content, expected):
    assert file_problems(tmp_path, content) == [expected]


@pytest.mark.parametrize(
    ("content", "line"), [(b"a: [\n", 2), (b"a:\n\t- b\n", 2), (b"a: 1\nb: *x\n", 2)]
)
def test_text_that_is_no_yaml_is_told_with_its_line(tmp_path, content, line):
    (told,) = file_problems(tmp_path, content)  # the words are those of the YAML library in use
    assert told.startswith(f"line {line}: ")
    assert len(told) > len("line 2: ")


@pytest.mark.parametrize("tag", ["!!timestamp", "!!bool", "!!float", "!!int", "!!map"])
def test_wrong_yaml_tag_is_a_mistake_in_the_file_not_a_bug(tmp_path, tag):
    assert len(file_problems(tmp_path, f"devices: {tag} x\n".encode())) == 1


@untimed
@given(st.text(alphabet=st.sampled_from("ab:-[]{}?!&*#|>'\"%@ \n\t0.1,~é"), max_size=40))
def test_any_text_is_a_configuration_or_a_mistake(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:  # no such text names a device
        Config.load(path)
    assert caught.value.problems


def test_file_that_is_not_there_is_told(tmp_path):
    path = tmp_path / "missing.yaml"
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert caught.value.problems == (f"{path}: cannot be read: No such file or directory",)


def test_folder_in_place_of_a_file_is_told(tmp_path):
    with pytest.raises(ConfigError) as caught:
        Config.load(tmp_path)
    assert caught.value.problems == (f"{tmp_path}: cannot be read: Is a directory",)


def test_yaml_without_the_c_library_reads_the_same(tmp_path, monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    path = tmp_path / "config.yaml"
    path.write_text(FULL)
    assert [device.name for device in Config.load(path).devices] == ["roof", "barn.2"]
    assert file_problems(tmp_path, b"a: 1\na: 2\n") == ["line 2: 'a' is given twice"]


# -- the frame of a configuration --------------------------------------------------------------

NO_DEVICES = "expected a list with at least one device"


@pytest.mark.parametrize(
    ("devices", "shown"),
    [(None, "nothing"), ([], "[]"), ({}, "{}"), ("roof", "'roof'"), (3, "3")],
)
def test_devices_are_a_list_of_at_least_one(devices, shown):
    assert problems({"devices": devices}) == [f"devices: found {shown}, {NO_DEVICES}"]


def test_devices_are_required():
    assert problems({}) == [f"devices: found nothing, {NO_DEVICES}"]


def test_device_is_a_mapping():
    assert problems({"devices": ["roof"]}) == [
        "devices[0]: found 'roof', expected a mapping of options"
    ]


def test_device_has_a_name_a_driver_and_an_address():
    assert problems({"devices": [{}]}) == [
        "devices[0]: name is missing, for example name: roof",
        "devices[0]: driver is missing, for example driver: rct",
        "devices[0]: address is missing, for example address: tcp://192.0.2.10:8899",
    ]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("loglevel", "log_level"), ("device", "devices"), ("shards", "shard"), ("prefx", "prefix")],
)
def test_unknown_option_is_answered_with_the_nearest(typed, meant):
    assert problems({"devices": [ROOF], typed: 1}) == [
        f"{typed}: unknown option (did you mean {meant!r}?); known: log_level, logging,"
        " state_dir, shard, processes, phase, prefix, home_assistant, devices, fleet"
    ]


def test_unknown_option_that_resembles_none_gets_no_guess():
    assert problems({"devices": [ROOF], 7: 1}) == [
        "7: unknown option; known: log_level, logging, state_dir, shard, processes, phase, prefix,"
        " home_assistant, devices, fleet"
    ]


def test_unknown_option_of_a_device_is_told_with_its_place():
    assert device_problems(adress="x") == [
        "adress: unknown option (did you mean 'address'?); known to the driver rct: name,"
        " driver, address, timezone, include, exclude, labels, cells, intervals, history,"
        " requests"
    ]


def test_unknown_nested_option_is_told_with_its_place():
    assert device_problems(intervals={"quick": "1s"}, requests={"windows": 1}) == [
        "intervals.quick: unknown option; known: fast, medium, slow, static",
        "requests.windows: unknown option (did you mean 'window'?); known: per_second, gap,"
        " window, timeout",
    ]


@pytest.mark.parametrize("option", ["intervals", "requests"])
def test_nested_options_are_a_mapping(option):
    assert device_problems(**{option: "10s"}) == [
        f"{option}: found '10s', expected a mapping of options"
    ]


def test_long_values_are_shown_short():
    (told,) = device_problems(name="x" * 200)
    assert told.startswith("name: found 'xxxxxxxx")
    assert "x..., expected" in told
    assert len(told) < 200


def test_all_mistakes_of_a_file_are_told_at_once_each_with_its_place(tmp_path):
    content = """\
log_level: loud
phase: noon
colour: blue
devices:
  - name: roof
    driver: rtc
    address: 192.0.2.10
    cells: "yes"
    intervals: {fast: 10, slow: -5m}
    requests: {window: 9, pace: 1}
  - just a text
  - name: Dach über
    driver: rct
    address: tcp://192.0.2.11:99999
  - name: roof
    driver: rct
    address: tcp://192.0.2.12
    exclude: [xyz]
"""
    address = "an address such as tcp://192.0.2.10:8899"
    assert file_problems(tmp_path, content.encode()) == [
        "log_level: found 'loud', expected error or warning or info or debug",
        "phase: found 'noon', expected spread or aligned",
        "colour: unknown option; known: log_level, logging, state_dir, shard, processes, phase,"
        " prefix, home_assistant, devices, fleet",
        "devices[0].driver: found 'rtc', expected rct or voltronic or solaredge"
        " (did you mean 'rct'?)",
        f"devices[0].address: found '192.0.2.10', expected {address}",
        "devices[0].cells: found 'yes', expected true or false",
        "devices[0].intervals.fast: found 10, expected a duration with its unit, such as 10s, 5m"
        " or 1h",
        "devices[0].intervals.slow: found '-5m', expected a duration with its unit, such as 10s,"
        " 5m or 1h",
        "devices[0].requests.window: found 9, expected a whole number from 1 to 4",
        "devices[0].requests.pace: unknown option; known: per_second, gap, window, timeout",
        "devices[1]: found 'just a text', expected a mapping of options",
        f"devices[2].name: found 'Dach über', expected {NAME}",
        f"devices[2].address: found 'tcp://192.0.2.11:99999', expected {address}, with a port from"
        " 1 to 65535",
        "devices[3].exclude: found ['xyz'], expected globs that match a metric; 'xyz' matches none",
        "devices[3].name: found 'roof' a second time (first in devices[0]); names must differ",
    ]


# -- names and addresses -----------------------------------------------------------------------

NAME = "up to 63 ASCII letters, digits, '_', '-' or '.', with a letter or digit at both ends"


@pytest.mark.parametrize("name", ["a", "R2-d2", "roof.south_1", "x" * 63, "7"])
def test_names_are_taken_as_they_are(name):
    assert Config.parse({"devices": [{**ROOF, "name": name}]}).devices[0].name == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Dach über", "'Dach über'"),
        ("dächle", "'dächle'"),
        ("", "''"),
        ("-a", "'-a'"),
        ("a_", "'a_'"),
        (".", "'.'"),
        ("a/b", "'a/b'"),
        ("a b", "'a b'"),
        ("a\n", "'a\\n'"),
        (7, "7"),
        (True, "True"),
        (None, "nothing"),
        ("x" * 64, f"'{'x' * 56}..."),
    ],
)
def test_other_names_are_refused(name, shown):
    assert device_problems(name=name) == [f"name: found {shown}, expected {NAME}"]


@pytest.mark.parametrize("driver", ["RCT", "modbus", 3, None, ["rct"]])
def test_unknown_driver_is_refused(driver):
    (told,) = device_problems(driver=driver)
    assert told.startswith("driver: found ")
    assert "expected rct" in told


ADDRESS = "expected an address such as tcp://192.0.2.10:8899"
HOST = f"{ADDRESS}, with a host name or an IP address"
PORT = f"{ADDRESS}, with a port from 1 to 65535"
NOTHING_ELSE = f"{ADDRESS} or tcp://[2001:db8::10]:8899, with nothing else"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.10", ADDRESS),
        ("192.0.2.10:8899", ADDRESS),
        ("", ADDRESS),
        (8899, ADDRESS),
        (None, ADDRESS),
        ("udp://192.0.2.10", f"{ADDRESS}; the scheme 'udp' is not known"),
        ("tpc://192.0.2.10", f"{ADDRESS}; the scheme 'tpc' is not known (did you mean 'tcp'?)"),
        ("TCP://192.0.2.10", f"{ADDRESS}; the scheme 'TCP' is not known (did you mean 'tcp'?)"),
        ("tcp://192.0.2.10:0", PORT),
        ("tcp://192.0.2.10:99999", PORT),
        ("tcp://192.0.2.10:65536", PORT),
        ("tcp://192.0.2.10:rct", PORT),
        ("tcp://192.0.2.10:", PORT),
        ("tcp://192.0.2.10:-1", PORT),
        ("tcp://192.0.2.10:٣", PORT),
        ("tcp://192.0.2.10:8899/state", NOTHING_ELSE),
        ("tcp://192.0.2.10?x=1", NOTHING_ELSE),
        ("tcp://192.0.2.10#top", NOTHING_ELSE),
        ("tcp://user@192.0.2.10", NOTHING_ELSE),
        ("tcp://2001:db8::10", NOTHING_ELSE),
        ("tcp://[2001:db8::10", NOTHING_ELSE),
        ("tcp://", HOST),
        ("tcp://:8899", HOST),
        ("tcp://-roof", HOST),
        ("tcp://roof..lan", HOST),
        ("tcp://roof lan", HOST),
        ("tcp://roof\n", HOST),
        ("tcp://dächle", HOST),
        ("tcp://192.0.2.300", HOST),
        ("tcp://192.0.2", HOST),
        ("tcp://[192.0.2.10]", HOST),
        ("tcp://[roof]", HOST),
        ("tcp://[fe80::1%]", HOST),
        ("tcp://[fe80::1%a b]", HOST),
        (f"tcp://{'x' * 64}", HOST),
        (f"tcp://{'x.' * 130}", HOST),
    ],
)
def test_other_addresses_are_refused_with_what_is_wrong(address, expected):
    (told,) = device_problems(address=address)
    found, _, told = told.rpartition(", expected ")
    assert found.startswith("address: found ")
    assert f"expected {told}" == expected


def two(**second: Any) -> list[str]:
    return problems({"devices": [ROOF, {**ROOF, "name": "barn", **second}]})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("tcp://192.0.2.10:8899", "tcp://192.0.2.10:8899"),
        ("tcp://192.0.2.10:8899", "tcp://192.0.2.10"),
        ("tcp://192.0.2.10", "tcp://192.0.2.10:8899"),
        ("tcp://192.0.2.10", "tcp://192.0.2.10/"),
        ("tcp://roof.lan", "tcp://ROOF.lan"),
        ("tcp://Roof.lan.:8899", "tcp://roof.LAN"),
        ("tcp://[2001:db8::1]", "tcp://[2001:DB8:0:0::1]:8899"),
        ("tcp://192.0.2.10", "tcp://[::ffff:192.0.2.10]"),
        ("tcp://[::ffff:c000:20a]", "tcp://192.0.2.10:8899"),
        ("tcp://127.0.0.1", "tcp://0x7f.1"),
        ("tcp://0x7F000001", "tcp://127.0.0.1"),
    ],
)
def test_one_address_in_two_spellings_is_given_once(first, second):
    value = [{**ROOF, "address": first}, {**ROOF, "name": "barn", "address": second}]
    assert problems({"devices": value}) == [
        f"devices[1].address: found {second!r} a second time (first in devices[0]);"
        " ask a device only once"
    ]


def test_two_units_behind_one_host_differ_by_port():
    devices = [
        {**ROOF, "name": name, "address": f"tcp://gateway:{port}"}
        for name, port in (("a", 8899), ("b", 8900))
    ]
    devices.append({**ROOF, "name": "c", "address": "tcp://gateway-2"})
    assert len(Config.parse({"devices": devices}).devices) == 3


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("tcp://localhost", "tcp://127.0.0.1"),  # or ::1: who knows
        ("tcp://127.0.0.1", "tcp://[::1]"),
        ("tcp://[fe80::1%eth0]", "tcp://[fe80::1%eth1]"),
        ("tcp://[::ffff:0:192.0.2.10]", "tcp://192.0.2.10"),
        ("tcp://face.cafe", "tcp://0xface"),
    ],
)
def test_addresses_of_which_it_is_not_certain_are_two(first, second):
    value = [{**ROOF, "address": first}, {**ROOF, "name": "barn", "address": second}]
    assert len(Config.parse({"devices": value}).devices) == 2


def test_names_are_given_once():
    assert two(name="roof", address="tcp://192.0.2.11") == [
        "devices[1].name: found 'roof' a second time (first in devices[0]); names must differ"
    ]


def test_name_and_address_of_the_same_device_twice_are_two_mistakes():
    assert two(name="roof") == [
        "devices[1].name: found 'roof' a second time (first in devices[0]); names must differ",
        "devices[1].address: found 'tcp://192.0.2.10:8899' a second time (first in devices[0]);"
        " ask a device only once",
    ]


def test_third_time_is_told_with_the_first():
    devices = [{**ROOF, "name": name} for name in ("a", "b", "c")]
    assert [text.split(";")[0] for text in problems({"devices": devices})] == [
        "devices[1].address: found 'tcp://192.0.2.10:8899' a second time (first in devices[0])",
        "devices[2].address: found 'tcp://192.0.2.10:8899' a second time (first in devices[0])",
    ]


@pytest.mark.parametrize("driver", ["none", ["rct"], None])
def test_address_of_an_unknown_driver_is_compared_as_well(driver):
    assert two(driver=driver)[-1].endswith("ask a device only once")


def test_two_wrong_addresses_that_are_the_same_are_told():
    value = [{**ROOF, "address": "x"}, {**ROOF, "name": "barn", "address": "x"}]
    assert len(problems({"devices": value})) == 3


# -- numbers, durations, flags -----------------------------------------------------------------

DURATION = "a duration with its unit, such as 10s, 5m or 1h"
BOUNDED = "a duration above 0 and up to a year"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10s", 10),
        ("250ms", 0.25),
        ("1.5m", 90),
        ("1 h", 3600),
        (" 1d ", 86400),
        ("366d", 31622400),
    ],
)
def test_durations_are_a_number_and_a_unit(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("value", "shown", "expected"),
    [
        ("0s", "'0s'", BOUNDED),
        ("0.0h", "'0.0h'", BOUNDED),
        ("367d", "'367d'", BOUNDED),
        ("9" * 400 + "d", f"'{'9' * 56}...", BOUNDED),
        ("-5s", "'-5s'", DURATION),
        ("10", "'10'", DURATION),
        ("", "''", DURATION),
        ("s", "'s'", DURATION),
        ("1e3s", "'1e3s'", DURATION),
        ("10 sec", "'10 sec'", DURATION),
        ("10S", "'10S'", DURATION),
        ("٣s", "'٣s'", DURATION),
        (".5s", "'.5s'", DURATION),
        (10, "10", DURATION),
        (1.5, "1.5", DURATION),
        (True, "True", DURATION),
        (None, "nothing", DURATION),
        ("999ms", "'999ms'", "an interval of at least 1s"),
    ],
)
def test_other_durations_are_refused(value, shown, expected):
    assert device_problems(intervals={"fast": value}) == [
        f"intervals.fast: found {shown}, expected {expected}"
    ]


def test_gap_and_timeout_may_be_shorter_than_a_second():
    requests = {"gap": "5ms", "timeout": "900ms"}
    device = Config.parse({"devices": [{**ROOF, "requests": requests}]}).devices[0]
    assert (device.requests.gap, device.requests.timeout) == (0.005, 0.9)


@untimed
@given(
    st.integers(0, 10**7),
    st.integers(0, 999),
    st.sampled_from([("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]),
    st.sampled_from(["", " ", "\t"]),
)
def test_duration_is_its_number_times_its_unit_or_out_of_bounds(whole, thousandths, unit, space):
    word, factor = unit
    seconds = (whole + thousandths / 1000) * factor
    text = f"{whole}.{thousandths:03}{space}{word}"
    if 1e-9 < seconds < 366 * 86400 - 1:
        assert parse_duration(text) == pytest.approx(seconds)
    elif not 0 < seconds < 366 * 86400 + 1:
        with pytest.raises(Invalid, match="up to a year"):
            parse_duration(text)


@untimed
@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans()))
@example("10s")
def test_any_duration_is_finite_and_positive_or_refused(value):
    try:
        seconds = parse_duration(value)
    except Invalid:
        return
    assert 0 < seconds < math.inf


@pytest.mark.parametrize(
    ("key", "value", "shown", "expected"),
    [
        ("window", 0, "0", "a whole number from 1 to 4"),
        ("window", 5, "5", "a whole number from 1 to 4"),
        ("window", 2.0, "2.0", "a whole number from 1 to 4"),
        ("window", True, "True", "a whole number from 1 to 4"),
        ("window", "2", "'2'", "a whole number from 1 to 4"),
        ("per_second", 0, "0", "a number from 0.1 to 50"),
        ("per_second", 51, "51", "a number from 0.1 to 50"),
        ("per_second", math.nan, "nan", "a number from 0.1 to 50"),
        ("per_second", True, "True", "a number from 0.1 to 50"),
        ("per_second", "5/s", "'5/s'", "a number from 0.1 to 50"),
    ],
)
def test_numbers_out_of_range_are_refused(key, value, shown, expected):
    assert device_problems(requests={key: value}) == [
        f"requests.{key}: found {shown}, expected {expected}"
    ]


@pytest.mark.parametrize(
    ("key", "value", "shown", "expected"),
    [
        ("backfill", "of", "'of'", "auto or off (did you mean 'off'?)"),
        ("backfill", 1, "1", "auto or off"),
        ("since", "91d", "'91d'", "a duration from 1h to 90d, since units remember no more"),
        ("since", "10m", "'10m'", "a duration from 1h to 90d, since units remember no more"),
        ("since", 7, "7", "a duration with its unit, such as 10s, 5m or 1h"),
        ("signals", 1, "1", 'a list of globs over signals, such as ["pv_*", "load_*"]'),
        ("signals", "a b", "'a b'", "globs of names, of up to 200 characters; 'a b' is none"),
        ("events", "1", "'1'", "true or false"),
    ],
)
def test_what_the_past_cannot_be_restored_by_is_refused(key, value, shown, expected):
    assert device_problems(history={key: value}) == [
        f"history.{key}: found {shown}, expected {expected}"
    ]


def test_signal_that_the_memory_does_not_have_is_told_with_those_that_it_has():
    (problem,) = device_problems(history={"signals": ["pv_*", "sock_percent"]})
    assert "'sock_percent' matches none of battery_celsius, " in problem
    assert problem.endswith("(did you mean 'soc_percent'?)")


def test_who_remembers_nothing_has_nothing_to_restore():
    device = {"name": "a", "driver": "voltronic", "address": "hidraw:///dev/hidraw0"}
    (problem,) = problems({"devices": [{**device, "history": {"backfill": "off"}}]})
    assert problem.startswith("devices[0].history: unknown option")


def test_flag_of_an_agent_turns_it_off():
    """For collectd ``off`` is one."""
    entry = {**ROOF, "history": {"backfill": Unwritten(False), "since": "30d"}}
    device = Config.parse({"devices": [entry]}).devices[0]
    assert (device.history.backfill, device.history.since) == ("off", 30 * 86400)


@pytest.mark.parametrize("value", ["true", "yes", "on", 1, 0, None])
def test_flag_as_text_or_number_is_refused(value):
    shown = "nothing" if value is None else repr(value)
    assert device_problems(cells=value) == [f"cells: found {shown}, expected true or false"]


# -- globs, labels, time zone ------------------------------------------------------------------


def test_single_glob_needs_no_list():
    device = Config.parse({"devices": [{**ROOF, "exclude": "inverter_grid.*"}]}).devices[0]
    assert device.exclude == ("inverter_grid.*",)


@pytest.mark.parametrize(
    "glob", ["inverter_event.*", "inverter_event*", "*.text", "inverter_event{code=115}.value"]
)
def test_what_only_a_memory_brings_can_be_left_out(glob):
    """Which events there are, no unit has told before."""
    assert Config.parse({"devices": [{**ROOF, "exclude": [glob]}]}).devices[0].exclude == (glob,)


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("inverter_[.*", "globs of names; 'inverter_[.*' has other characters or an open '['"),
        ("inverter_[].*", "globs of names; 'inverter_[].*' has other characters or an open '['"),
        ("inverter-*", "globs of names; 'inverter-*' has other characters or an open '['"),
        ("", "globs of names; '' has other characters or an open '['"),
        (
            "inverter_baterry.soc_percent",
            "globs that match a metric; 'inverter_baterry.soc_percent' matches none (did you mean"
            " 'inverter_battery.soc_percent'?)",
        ),
        ("xyz", "globs that match a metric; 'xyz' matches none"),
        (
            "inverter_battery{battery=9}.*",
            "globs that match a metric; 'inverter_battery{battery=9}.*' matches none (did you mean"
            " 'inverter_battery.state_code'?)",
        ),
    ],
)
@pytest.mark.parametrize("option", ["include", "exclude"])
def test_glob_that_is_none_or_matches_nothing_is_refused(option, glob, expected):
    (told,) = device_problems(**{option: [glob]})
    told, _, hint = told.partition(" (did you mean ")
    expected, _, expected_hint = expected.partition(" (did you mean ")
    assert told == f"{option}: found [{glob!r}], expected {expected}"
    assert bool(hint) == bool(expected_hint)
    if "soc_percent" in glob:
        assert hint == expected_hint


@pytest.mark.parametrize("value", [5, True, [5], ["*", None], {"a": "b"}, None])
def test_globs_are_a_list_of_texts(value):
    shown = "nothing" if value is None else repr(value)
    assert device_problems(include=value) == [
        f"include: found {shown}, expected a list of globs over metric names, such as"
        " [inverter_battery.*]"
    ]


@pytest.mark.parametrize(
    ("glob", "name", "tags", "expected"),
    [
        ("inverter_power.*", "inverter_power.grid_watts", {}, True),
        ("inverter_grid.voltage_volts", "inverter_grid.voltage_volts", {"phase": "l1"}, True),
        ("inverter_grid{phase=l1}.*", "inverter_grid.voltage_volts", {"phase": "l1"}, True),
        ("inverter_grid{phase=l1}.*", "inverter_grid.voltage_volts", {"phase": "l2"}, False),
        ("inverter_grid{phase=l[!1]}.*", "inverter_grid.voltage_volts", {"phase": "l2"}, True),
        ("Inverter_power.*", "inverter_power.grid_watts", {}, False),
    ],
)
def test_globs_match_names_with_and_without_tags(glob, name, tags, expected):
    assert matches((glob,), catalog().series(name, **tags)) is expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"Site": "x"}, "label names in a-z, 0-9 and '_'; 'Site' is none"),
        ({"_x": "x"}, "label names in a-z, 0-9 and '_'; '_x' is none"),
        ({"größe": "x"}, "label names in a-z, 0-9 and '_'; 'größe' is none"),
        ({7: "x"}, "label names in a-z, 0-9 and '_'; 7 is none"),
        ({"site": True}, "texts as values; site is True (quote it)"),
        ({"site": ""}, "texts as values; site is '' (quote it)"),
        ({"site": None}, "texts as values; site is None (quote it)"),
        ({"site": [1]}, "texts as values; site is [1] (quote it)"),
        ("site", "labels and their values, such as {site: home}"),
        (["site"], "labels and their values, such as {site: home}"),
    ],
)
def test_labels_that_are_none_are_refused(labels, expected):
    assert device_problems(labels=labels) == [f"labels: found {labels!r}, expected {expected}"]


SET = "is set by the collector or its agent"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        *((name, SET) for name in ("source", "vendor", "host", "time", "phase", "battery", "cell")),
        *((name, SET) for name in ("serial", "model", "kind")),
        ("up", "is a field of inverter_collector, and a tag beside it cannot have its name"),
        ("info", "is a field of inverter, and a tag beside it cannot have its name"),
        ("slaves", "is a field of inverter_plant, and a tag beside it cannot have its name"),
        *((name, "has a meaning of its own in Prometheus") for name in ("le", "quantile")),
        *((name, "has a meaning of its own in Prometheus") for name in ("job", "instance")),
        ("name", "has a meaning of its own in Graphite"),
        ("timestamp", "has a meaning of its own in Telegraf's tables"),
    ],
)
def test_labels_that_mean_something_else_are_refused_with_the_reason(name, reason):
    assert device_problems(labels={name: "x"}) == [
        f"labels: found {{{name!r}: 'x'}}, expected label names of your own; {name!r} {reason}"
    ]


@pytest.mark.slow
def test_every_tag_and_field_of_the_catalogue_is_reserved():
    for metric in catalog().metrics:
        for name in (metric.field, *(key for key, _ in metric.dimensions)):
            (told,) = device_problems(labels={name: "x"})
            assert f"{name!r} is set by" in told or f"{name!r} is a field of " in told
        if metric.kind is Kind.TEXT:
            assert "is set by" in device_problems(labels={metric.field: "x"})[0]


UNFIT = (
    "texts of up to 255 characters, none of them a control character, without a blank at the ends"
    " or a backslash at the last; site is "
)


@pytest.mark.parametrize(
    "text", [" home", "home\t", "a\nb", "a\0", "a\x7fb", "a\u2028b", "a\\", "a\ud800", "x" * 256]
)
def test_labels_that_no_line_carries_as_they_are_are_refused(text):
    (told,) = device_problems(labels={"site": text})
    assert f", expected {UNFIT}" in told


@pytest.mark.slow
@untimed
@given(st.text(max_size=30) | st.text(alphabet=" \t\\a,= \x85\u2028", max_size=6))
def test_labels_that_are_taken_stand_in_the_lines_as_they_are(text):
    try:
        (device,) = Config.parse({"devices": [{**ROOF, "labels": {"site": text}}]}).devices
    except ConfigError:
        return
    assert device.labels == {"site": text}
    assert tag_value(text) == re.sub(r"([,= ])", r"\\\1", text)


def test_labels_are_texts_afterwards():
    labels = {"row": 7, "tilt": 0.5, "a": "ü"}
    device = Config.parse({"devices": [{**ROOF, "labels": labels}]}).devices[0]
    assert device.labels == {"row": "7", "tilt": "0.5", "a": "ü"}


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Europe/Atlantis", "'Europe/Atlantis'"),
        ("Europe", "'Europe'"),
        ("", "''"),
        ("../etc/passwd", "'../etc/passwd'"),
        ("a\0b", "'a\\x00b'"),
        (1, "1"),
        (["Europe/Berlin"], "['Europe/Berlin']"),
        (None, "nothing"),
    ],
)
def test_unknown_time_zone_is_refused(zone, shown):
    assert device_problems(timezone=zone) == [
        f"timezone: found {shown}, expected a time zone such as Europe/Berlin, or local"
    ]


@pytest.fixture
def bare_host(monkeypatch, tmp_path):
    """A host without the package tzdata, and a Python without that of the same name."""
    loaded = [name for name in sys.modules if name.startswith("tzdata.")]
    for name in ("tzdata", *loaded):
        monkeypatch.setitem(sys.modules, name, None)
    zoneinfo.reset_tzpath(to=[tmp_path])
    ZoneInfo.clear_cache()
    values._zone.cache_clear()
    yield tmp_path
    zoneinfo.reset_tzpath()
    ZoneInfo.clear_cache()
    values._zone.cache_clear()


@pytest.mark.usefixtures("bare_host")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "Europe/Atlantis"])
def test_host_without_time_zones_is_told_what_it_lacks(zone):
    assert device_problems(timezone=zone) == [
        f"timezone: found {zone!r}, expected time zone data, of which this host has none: install"
        " the package tzdata"
    ]


@pytest.mark.usefixtures("bare_host")
def test_host_without_time_zones_has_the_one_of_its_own():
    assert Config.parse({"devices": [{**ROOF, "timezone": "local"}]}).devices[0].timezone is None


def test_zone_that_is_damaged_is_told_as_unknown(bare_host):
    (bare_host / "UTC").write_bytes(Path("/usr/share/zoneinfo/UTC").read_bytes())
    (bare_host / "Mars").write_bytes(b"TZif2" + bytes(30))
    (told,) = device_problems(timezone="Mars")
    assert told == "timezone: found 'Mars', expected a time zone such as Europe/Berlin, or local"


# -- the process: shard, level, folder, prefix -------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("shard", "4/4", "'4/4', expected i/n with i below n, such as 0/4"),
        ("shard", "0/0", "'0/0', expected i/n with i below n, such as 0/4"),
        ("shard", "1", "'1', expected i/n with i below n, such as 0/4"),
        ("shard", "-1/4", "'-1/4', expected i/n with i below n, such as 0/4"),
        ("shard", 0.25, "0.25, expected i/n with i below n, such as 0/4"),
        ("shard", f"0/{'9' * 5000}", f"'0/{'9' * 54}..., expected i/n with i below n, such as 0/4"),
        (
            "log_level",
            "warn",
            "'warn', expected error or warning or info or debug (did you mean 'warning'?)",
        ),
        ("log_level", False, "False, expected error or warning or info or debug"),
        ("log_level", ["info"], None),
        ("processes", 0, "0, expected a whole number from 1 to 64"),
        ("processes", 65, "65, expected a whole number from 1 to 64"),
        ("processes", 2.5, "2.5, expected a whole number from 1 to 64"),
        ("phase", 0, "0, expected spread or aligned"),
        ("prefix", "Solar", "'Solar', expected a word in a-z, 0-9 and '_'"),
        ("prefix", "", "'', expected a word in a-z, 0-9 and '_'"),
        ("prefix", 5, "5, expected a word in a-z, 0-9 and '_'"),
        ("state_dir", "state", "'state', expected an absolute path"),
        ("state_dir", "~/x", "'~/x', expected an absolute path"),
        ("state_dir", "", "'', expected an absolute path"),
        ("state_dir", 5, "5, expected an absolute path"),
    ],
)
def test_option_of_the_process_is_refused_when_wrong(option, value, expected):
    (told,) = problems({"devices": [ROOF], option: value})
    assert told.startswith(f"{option}: found ")
    if expected is not None:
        assert told == f"{option}: found {expected}"


@given(st.integers(1, 5), st.integers(1, 5), st.text(max_size=4))
def test_a_share_of_a_share_is_taken_by_one_of_both(of, inner, name):
    takers = [
        (n, m)
        for n in range(of)
        for m in range(inner)
        if Shard(n, of).part(Shard(m, inner)).takes(name)
    ]
    [(outer, _)] = takers
    assert Shard(outer, of).takes(name)


def test_one_of_several_processes_has_its_part_of_the_share_of_the_file():
    alone = Config.parse({"devices": [ROOF]})
    assert alone.part("1/2").shard == Shard(1, 2)
    assert Config.parse({"devices": [ROOF], "shard": "2/3"}).part("1/2").shard == Shard(5, 6)


def test_in_a_fleet_each_of_several_processes_is_a_member_without_a_share():
    config = Config.parse({"fleet": {"etcd": ["http://127.0.0.1:2379"]}, "processes": 2})
    assert config.part("1/2") == config


def test_a_share_that_is_none_is_a_mistake():
    with pytest.raises(ConfigError, match="--share: found '2/2', expected i/n with i below n"):
        Config.parse({"devices": [ROOF]}).part("2/2")


def test_state_folder_may_be_left_to_the_program():
    assert Config.parse({"devices": [ROOF], "state_dir": None}).state_dir is None


@pytest.mark.slow
@untimed
@given(st.integers(1, 64), st.lists(st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)))
def test_every_device_falls_into_exactly_one_share(count, names):
    shares = [Shard(share, count) for share in range(count)]
    for name in names:
        assert [shard.takes(name) for shard in shares].count(True) == 1


def test_shares_are_about_even_and_the_same_on_every_host():
    shares = [Config.parse({"devices": [ROOF], "shard": f"{n}/4"}).shard for n in range(4)]
    sizes = [sum(shard.takes(f"unit-{n}") for n in range(1000)) for shard in shares]
    assert sum(sizes) == 1000
    assert min(sizes) > 200
    assert [shard.takes("roof") for shard in shares].index(True) == zlib.crc32(b"roof") % 4


def test_configured_state_folder_wins():
    assert config.state_dir(Config(state_dir=Path("/srv/x"))) == Path("/srv/x")


@pytest.fixture
def system_folder(monkeypatch):
    """Say whether the system's folder can be written to."""
    writable = set()
    monkeypatch.setattr(os, "access", lambda path, _mode: str(path) in writable)
    return writable


def test_state_folder_of_the_system_is_used_where_it_can_be_written_to(system_folder, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    system_folder.add("/var/lib/rct-collector")
    assert config.state_dir(Config()) == Path("/var/lib/rct-collector")


@pytest.mark.usefixtures("system_folder")
def test_state_folder_of_the_user_is_used_otherwise(monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/home/me/state")
    assert config.state_dir(Config()) == Path("/home/me/state/rct-collector")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert config.state_dir(Config()) == Path("/home/me/.local/state/rct-collector")


@pytest.mark.usefixtures("system_folder")
def test_user_without_a_home_keeps_nothing(monkeypatch):
    def homeless(_path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert config.state_dir(Config()) is None


def test_file_is_named_by_the_environment(monkeypatch):
    monkeypatch.delenv("RCT_COLLECTOR_CONFIG", raising=False)
    assert Config.default_path() == Path("/etc/rct-collector/config.yaml")
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG", "")
    assert Config.default_path() == Path("/etc/rct-collector/config.yaml")
    monkeypatch.setenv("RCT_COLLECTOR_CONFIG", "/srv/rct.yaml")
    assert Config.default_path() == Path("/srv/rct.yaml")


# -- the options as documentation --------------------------------------------------------------


KINDS = [Config, DeviceConfig, *(section.kind for section in sections(DeviceConfig).values())]


@pytest.mark.parametrize("of", KINDS)
def test_every_option_documents_itself_truthfully(of):
    """The example can be parsed, and the shown default is the default."""
    defaults = {f.name: f for f in fields(of)}
    assert options(of)
    for name, option in options(of).items():
        assert option.doc.endswith(".")
        assert option.takes
        option.parse(yaml.safe_load(option.example))
        if option.default:
            shown = option.parse(yaml.safe_load(option.default))
            present = getattr(of(**({} if of is not DeviceConfig else REQUIRED)), name)
            assert shown == present
        else:
            assert option.required or not defaults[name].default


REQUIRED = {"name": "roof", "driver": "rct", "address": tcp("roof")}


def test_interval_of_every_class_is_an_option_except_on_demand():
    assert (
        tuple(poll for poll in PollClass if poll.option in options(Intervals)) == PollClass.POLLED
    )
    intervals = Intervals()
    assert [intervals.seconds(poll) for poll in PollClass] == [10, 60, 300, 3600, math.inf]


def test_defaults_are_not_shared_between_devices():
    first, second = DeviceConfig(**REQUIRED), DeviceConfig(**REQUIRED)
    first.labels["x"] = "y"
    assert second.labels == {}


# -- what can be used all the same -------------------------------------------------------------


def entry(name, address="tcp://192.0.2.{}", **more):
    return {"name": name, "driver": "rct", "address": address.format(len(name))} | more


def test_a_right_configuration_is_used_as_it_is():
    value = {"devices": [entry("a")], "prefix": "solar"}
    assert Config.salvage(value) == (Config.parse(value), ())


def test_a_device_with_a_mistake_is_left_out_and_all_mistakes_are_told():
    value = {"devices": [entry("a", cells=3), entry("bb"), entry("bb"), entry("ccc"), 7]}
    found, problems = Config.salvage(value, "x.yaml")
    assert [device.name for device in found.devices] == ["bb", "ccc"]
    with pytest.raises(ConfigError) as caught:
        Config.parse(value, "x.yaml")
    assert problems == caught.value.problems


@pytest.mark.parametrize(
    "value", [None, 7, [], {}, {"devices": 7}, {"devices": [entry("a")], "phase": "new"}]
)
def test_a_mistake_in_common_options_spoils_everything(value):
    found, problems = Config.salvage(value)
    assert found is None
    assert problems


# -- a process that takes a share --------------------------------------------------------------


def plant(*more, devices=300, of=10):
    """Many devices in one file, and the share of one process."""
    names = [f"unit{n}" for n in range(devices)]
    found = [
        {"name": name, "driver": "rct", "address": f"tcp://192.0.2.10:{10_000 + n}"}
        for n, name in enumerate(names)
    ]
    return {"devices": [*found, *more], "shard": f"0/{of}"}


def named(*, ours):
    """Names of devices that are the first share's of ten, or not."""
    return [name for n in range(99) if Shard(0, 10).takes(name := f"more{n}") is ours]


def test_a_process_reads_the_devices_of_its_share_and_no_others(monkeypatch):
    whole = Config.parse(plant())
    read = []
    real = checking._Checker.device
    monkeypatch.setattr(
        checking._Checker, "device", lambda *args: read.append(args[1]["name"]) or real(*args)
    )

    config = Config.parse(plant(), own=True)

    assert config.devices == share(whole)
    assert read == [device.name for device in config.devices]
    assert 10 < len(read) < 60 < len(whole.devices)


def test_a_unit_on_a_line_is_read_by_all_since_its_line_decides():
    device = {"name": named(ours=False)[0]}
    assert checking._is_others(device, Shard(0, 10))
    assert not checking._is_others({**device, "unit": "1"}, Shard(0, 10))


def test_a_share_may_have_no_device():
    value = plant(devices=1, of=10)
    assert not Shard(0, 10).takes("unit0")
    assert Config.parse(value, own=True).devices == ()
    with pytest.raises(ConfigError, match="at least one device"):
        Config.parse({**value, "devices": []}, own=True)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"name": "unit1", "driver": "rct", "address": "tcp://192.0.2.12"}, "a second time"),
        (
            {"name": named(ours=False)[0], "driver": "rct", "address": "tcp://192.0.2.10:10001"},
            "a second time",
        ),
        ({"name": named(ours=True)[0], "driver": "rct"}, "address is missing"),
        ({"driver": "rct", "address": "tcp://192.0.2.12"}, "name is missing"),
        ("unit", "expected a mapping"),
    ],
    ids=["name", "address", "ours", "nameless", "no mapping"],
)
def test_what_concerns_a_share_is_told_whosever_it_is(more, told):
    with pytest.raises(ConfigError, match=told):
        Config.parse(plant(more), own=True)


def test_a_mistake_in_a_device_of_another_share_is_its_own_affair():
    wrong = {"name": named(ours=False)[0], "driver": "rct", "address": "nowhere"}
    assert Config.parse(plant(wrong), own=True).devices
    with pytest.raises(ConfigError, match="nowhere"):
        Config.parse(plant(wrong))
