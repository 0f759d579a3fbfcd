"""What a configuration makes of any bytes: a configuration or mistakes, at a cost that is bounded.

The bytes are a YAML file, read with and without PyYAML's parser in C; what it says is checked as
it is, and once more as blocks of an agent's own configuration. Beside the families that there are
a device may be of one that is reached in every way, and has units on its lines.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from unittest.mock import patch

import yaml

from rct_collector.adapter.blocks import from_blocks
from rct_collector.config import Config, interpret
from rct_collector.drivers import BUILTIN
from rct_collector.drivers.base import Driver
from rct_collector.errors import ConfigError
from rct_collector.option import Invalid, Option
from rct_collector.transport import parse_address
from tests.work import calls, peak

#: Calls of functions per byte, and without any. A few bytes can be a device, whose three options
#: are missing then; the parser in Python looks at each character several times. What takes long
#: (the search for the word that was meant) is done a limited number of times.
CALLS, CALLS_AT_ALL = 200, 500_000

#: Bytes held at the same time per byte of the file, and without any.
HELD, HELD_AT_ALL = 700, 400_000

#: Parts that what is read may have, those that aliases stand for included, per byte; and levels.
PARTS, LEVELS = 5, 20

#: Characters of all mistakes together, per byte.
TOLD = 200

#: Longest mistake, in characters.
LONGEST = 600

WORDS = (
    *("devices:", "- ", "  ", "\n", ": ", ", ", "{", "}", "[", "]", "&a ", "*a", "<<: ", "!!str "),
    *("!!int ", "'", '"', "\\x00", "|", ">", "? ", "#", "---", "...", "%YAML 1.1", "~", "null"),
    *("name: roof", "driver: rct", "address: tcp://a", "labels: {up: 1}", "timezone: UTC"),
    *("include: ['*']", "exclude: [inverter_[!a]*.*]", "intervals: {fast: 5s}", "cells: yes"),
    *("requests: {window: 2}", "shard: 0/2", "prefix: solar", "phase: aligned", "04103", "0x1F"),
    *("12:30", "1_000", "2026-13-45", ".inf", "log_level: debug", "state_dir: /x", "- - - - "),
    *("driver: any", "unit: 7F1A", "address: ", "serial:///dev/a", "serial:/b", "?baud=9600"),
    *("&parity=even", "&stopbits=2", "&rs485=on", "%2F", "%", "hidraw:///dev/hidraw0", "usb://"),
    *("0665:5161", "?path=1-1.4", "listen://0.0.0.0:22222", "listen://[::]", "[fe80::1%eth0]:5"),
    *("file:///a.pcap", "file:/a", "tcp://0x7f.1:5"),
)


def parse_unit(value):
    if isinstance(value, str) and value.isalnum():
        return value.upper()
    raise Invalid("the id of the unit, such as 7F1A")


#: A family that is reached in every way.
DRIVER = Driver(
    name="any",
    vendor="toys",
    title="Any",
    ways={
        "tcp": {"port": "8899"},
        "listen": {},
        "serial": {"baud": "2400"},
        "usb": {"ids": "0665:5161"},
        "hidraw": {},
        "file": {},
    },
    session=SimpleNamespace,
    unit=Option("Id of the unit.", parse_unit, "7F1A", "id"),
)


def dictionary():
    return (word.encode() for word in WORDS)


def mutate(data, random):
    """Exchange, repeat or insert pieces that mean something; blind changes seldom do."""
    pieces = re.split(rb"(\n|, |: )", data)
    place = random.randrange(len(pieces))
    change = random.randrange(4)
    if change == 0:
        pieces[place] = random.choice(WORDS).encode()
    elif change == 1:
        pieces.insert(place, random.choice(WORDS).encode())
    elif change == 2:
        end = random.randint(place, len(pieces))
        pieces[place:place] = pieces[place:end] * random.randint(1, 9)
    else:
        del pieces[place]
    return b"".join(pieces)


def check(data):
    everything(data)  # what is kept for later is none of the file's cost
    assert calls(everything, data) <= CALLS * len(data) + CALLS_AT_ALL
    assert peak(everything, data) <= HELD * len(data) + HELD_AT_ALL


def everything(data):
    """All that is made of a file."""
    said = [read(data)]
    with patch.object(yaml, "CSafeLoader", yaml.SafeLoader):
        said.append(read(data))
    with patch.dict(BUILTIN, {DRIVER.name: __name__}):
        for value in said:
            if value is not None:
                assert size(value) <= PARTS * (len(data) + 1)
                is_checked(value, len(data))
                is_checked(from_blocks(blocks(value)), len(data))


def read(data):
    try:
        return interpret(data, "x")
    except ConfigError as error:
        (told,) = error.problems
        assert len(told) <= LONGEST
        return None


def size(value, level=0):
    """Parts of a value; those that are shared are as many as they look like."""
    assert level <= LEVELS
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(size(part, level + 1) for part in inner)


def is_checked(value, count):
    config, problems = Config.salvage(value, "x")
    assert config is None or isinstance(config, Config)
    assert config is not None or problems
    assert all(text.startswith("x: ") and len(text) <= LONGEST for text in problems)
    assert sum(map(len, problems)) <= TOLD * count + LONGEST
    for device in config.devices if config is not None else ():
        for text in (device.name, *device.labels, *device.labels.values(), *device.include):
            assert type(text) is str
        if device.driver == DRIVER.name:
            assert parse_address(str(device.address), DRIVER.ways) == device.address


def blocks(value):
    """What an agent would hand over: keys with values, and blocks within."""
    items = value.items() if isinstance(value, dict) else []
    for key, item in items:
        for part in item if isinstance(item, list) else [item]:
            inner = list(blocks(part))
            values = [part] if isinstance(part, str) else []
            name = "Device" if key == "devices" else key
            yield SimpleNamespace(key=name, values=values, children=inner)
