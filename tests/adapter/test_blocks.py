"""An agent's own blocks say the same as the YAML file, with the same checks."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from rct_collector import Config, ConfigError
from rct_collector.adapter.blocks import from_blocks
from rct_collector.drivers.options import Limit, Permission


@dataclass
class Block:
    """A line, or a block with lines in it."""

    key: str
    values: tuple = ()
    children: tuple = ()


def line(key, *values):
    return Block(key, values)


def device(*lines, name="roof"):
    address = line("Address", "tcp://192.0.2.10")
    return Block("Device", (name,), (line("Driver", "rct"), address, *lines))


def of_yaml(more=None, **common):
    entry = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.10"}
    return Config.parse({"devices": [entry | (more or {})], **common})


def read(*blocks):
    return Config.parse(from_blocks(blocks))


def mistakes(*blocks):
    with pytest.raises(ConfigError) as caught:
        read(*blocks)
    return [text.removeprefix("configuration: ") for text in caught.value.problems]


def test_all_options_can_be_written():
    blocks = read(
        line("LogLevel", "debug"),
        line("StateDir", "/var/lib/x"),
        line("Shard", "0/1"),
        line("Phase", "aligned"),
        line("Prefix", "solar"),
        device(
            line("TimeZone", "Europe/Berlin"),
            line("Cells", True),
            line("Include", "inverter_output.*", "inverter_grid.*"),
            line("Include", "inverter_battery.*"),
            line("Exclude", "inverter_settings.*"),
            Block("Labels", (), (line("site", "home"), line("house", "007"))),
            Block("Intervals", (), (line("Fast", "5s"), line("Static", "2h"))),
            Block("Requests", (), (line("PerSecond", 7.0), line("Window", 2.0))),
        ),
    )
    yaml = of_yaml(
        {
            "timezone": "Europe/Berlin",
            "cells": True,
            "include": ["inverter_output.*", "inverter_grid.*", "inverter_battery.*"],
            "exclude": ["inverter_settings.*"],
            "labels": {"site": "home", "house": "007"},
            "intervals": {"fast": "5s", "static": "2h"},
            "requests": {"per_second": 7, "window": 2},
        },
        log_level="debug",
        state_dir="/var/lib/x",
        shard="0/1",
        phase="aligned",
        prefix="solar",
    )
    assert blocks == yaml


@pytest.mark.parametrize("key", ["LogLevel", "log_level", "LOGLEVEL", "loglevel"])
def test_names_may_be_written_in_any_way(key):
    assert read(line(key, "error"), device()).log_level == "error"


@pytest.mark.parametrize("value", [True, "true", "True", "YES", "on"])
def test_flags_may_be_texts(value):
    assert read(device(line("Cells", value))).devices[0].options.cells is True


def test_numbers_may_be_texts():
    requests = Block("Requests", (), (line("PerSecond", "7.5"), line("Window", "3")))
    (found,) = read(device(requests)).devices
    assert (found.requests.per_second, found.requests.window) == (7.5, 3)


#: What collectd hands over of 04103, of a number that it rounds, and of yes.
LOST = [
    (4103.0, "4103"),
    (0.1, "0.1"),
    (12345678901234567890.0, "12345678901234567168"),
    (7, "7"),
    (True, "true"),
]


@pytest.mark.parametrize(("value", "shown"), LOST)
def test_texts_of_which_it_is_lost_how_they_were_written_are_refused(value, shown):
    labels = Block("Labels", (), (line("site", value),))
    (told,) = mistakes(device(labels))
    assert told == (
        f"devices[0].labels: found {{'site': {shown}}}, expected texts as values; site is {shown}"
        " (quote it)"
    )


@pytest.mark.parametrize(("value", "shown"), LOST)
def test_names_of_which_it_is_lost_how_they_were_written_are_refused(value, shown):
    told = f"found {shown}, expected a text in quotes, without which it is not known how it was"
    assert mistakes(device(name=value)) == [f"devices[0].name: {told} written"]
    assert mistakes(line("Prefix", value), device()) == [f"prefix: {told} written"]


@pytest.mark.parametrize("text", ["04103", "0x1F", "12:30", "1.10", "1_000", "no", "null", "~"])
def test_texts_in_quotes_are_taken_as_they_are(text):
    (found,) = read(device(Block("Labels", (), (line("site", text),)))).devices
    assert found.labels == {"site": text}


def test_a_label_that_is_given_twice_is_refused():
    labels = Block("Labels", (), (line("site", "a"), line("site", "b")))
    (told,) = mistakes(device(labels))
    assert told.endswith("site is ['a', 'b'] (quote it)")


def test_several_devices():
    other = Block("Device", ("b",), (line("Driver", "rct"), line("Address", "tcp://192.0.2.11")))
    assert [d.name for d in read(device(), other).devices] == ["roof", "b"]


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ((), "devices: found [], expected a list with at least one device"),
        ((line("Moon", 1.0), device()), "Moon: unknown option"),
        ((device(line("Cels", True)),), "devices[0].Cels: unknown option"),
        ((device(line("Cells", "maybe")),), "devices[0].cells: found 'maybe', expected true or"),
        (
            (device(Block("Intervals", (), (line("Fast", 10.0),))),),
            "devices[0].intervals.fast: found 10, expected a duration with its unit",
        ),
        (
            (Block("Device", ("a",), (line("Driver", "rct"), line("Address", "host", "example"))),),
            "devices[0].address: found ['host', 'example'], expected an address",
        ),
        ((Block("Device", (), device().children),), "devices[0]: name is missing"),
        ((device(line("Name", "b")),), "devices[0].name: found ['roof', 'b'], expected"),
        ((device(line("Timezone", "a"), line("Timezone", "b")),), "devices[0].timezone: found"),
        ((device(), device()), "devices[1].name: found 'roof' a second time"),
    ],
)
def test_mistakes_are_told_in_the_words_of_the_yaml_file(blocks, words):
    with pytest.raises(ConfigError) as caught:
        read(*blocks)
    assert any(problem.startswith(f"configuration: {words}") for problem in caught.value.problems)


def test_what_may_be_written_to_a_unit():
    """Limits are a block; names of settings are written as they are."""
    limits = (line("battery_float_volts", "53.5..54.5"), line("battery_type", "agm"))
    lines = (
        line("Driver", "voltronic"),
        line("Address", "tcp://192.0.2.10:23"),
        line("Writes", "output_priority", "battery_float_volts"),
        line("AllowBatteryLimits", True),
        Block("Limits", (), limits),
    )
    found = read(Block("Device", ("shed",), lines))
    assert found.devices[0].options.permission == Permission(
        ("output_priority", "battery_float_volts"),
        True,  # noqa: FBT003
        {"battery_float_volts": Limit(low=53.5, high=54.5), "battery_type": Limit(("agm",))},
    )
