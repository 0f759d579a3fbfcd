"""Options that only one family has: a file says them beside the others, and all else follows."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from rct_collector import Config, ConfigError
from rct_collector.adapter.blocks import from_blocks
from rct_collector.catalog import Catalog, catalog
from rct_collector.catalog.rows import row
from rct_collector.cli.options import TargetOptions
from rct_collector.cli.targets import targets
from rct_collector.config import DeviceConfig, device_options, device_sections
from rct_collector.device.polling.plan import is_wanted
from rct_collector.docs import samples, tables
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.base import Driver, Polled
from rct_collector.drivers.options import (
    FamilyOptions,
    Requests,
    gap,
    per_second,
    timeout,
    window,
)
from rct_collector.drivers.rct.options import RctOptions
from rct_collector.model import Kind, PollClass
from rct_collector.option import Shape, number, option, options, parse_bool, section

# -- a family of its own -----------------------------------------------------------------------


def parse_words(value):
    return tuple(map(str, value))


@dataclass(frozen=True, kw_only=True)
class Reset:
    """A section that only the toy has."""

    hours: int = option(
        number(1, 24, whole=True), "Hours between resets.",
        example="6", takes="1 to 24", default=12, shown="12",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ToyOptions(FamilyOptions):
    """What only the toy has."""

    wheels: bool = option(
        parse_bool, "Publish every wheel.",
        example="true", takes="true or false", default=False, shown="false",
    )  # fmt: skip
    bells: tuple[str, ...] = option(
        parse_words, "Bells to ring.",
        example="[a]", takes="list of words", default=(), shown="[]", shape=Shape.LIST,
    )  # fmt: skip
    reset: Reset = section(Reset, "When it begins anew.")


@dataclass(frozen=True, kw_only=True)
class ToyRequests(Requests):
    """What the toy stands well."""

    per_second: float = per_second(1.5)
    gap: float = gap("250ms")
    window: int = window(1)
    timeout: float = timeout("4s")


def family(name, **more):
    return Driver(
        name=name, vendor=name, title=name.title(), ways={"tcp": {"port": "7"}},
        session=SimpleNamespace, **more,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def toys(monkeypatch):
    """Two families beside those that are built in: one with options, and one that only talks."""
    polled = Polled(queries=(), conditions={}, pace=ToyRequests(), least_interval_s=5.0)
    for made in (family("toy", options=ToyOptions(), polled=polled), family("talker")):
        module = ModuleType(f"tests.{made.name}")
        module.DRIVER = made
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(BUILTIN, made.name, module.__name__)


TOY = {"name": "toy", "driver": "toy", "address": "tcp://192.0.2.1"}
ROOF = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.2"}
TALKER = {"name": "talk", "driver": "talker", "address": "tcp://192.0.2.3"}


def problems(*devices):
    with pytest.raises(ConfigError) as caught:
        Config.parse({"devices": [*devices]}, "x")
    return [text.removeprefix("x: ") for text in caught.value.problems]


# -- files -------------------------------------------------------------------------------------


def test_what_is_left_out_is_what_the_family_takes_for_right():
    toy, roof, talker = Config.parse({"devices": [TOY, ROOF, TALKER]}).devices
    assert toy.options == ToyOptions(wheels=False, bells=(), reset=Reset(hours=12))
    assert toy.requests == ToyRequests(per_second=1.5, gap=0.25, window=1, timeout=4.0)
    assert roof.options == RctOptions(cells=False)
    assert (roof.requests.per_second, roof.requests.gap, roof.requests.window) == (5, 0.06, 4)
    assert talker.options == FamilyOptions()
    assert talker.requests.window == talker.requests.per_second == 0


def test_options_of_a_family_stand_beside_those_of_all():
    more = {"wheels": True, "bells": ["a", "b"], "reset": {"hours": 3}, "requests": {"gap": "1s"}}
    (toy,) = Config.parse({"devices": [TOY | more]}).devices
    assert toy.options == ToyOptions(wheels=True, bells=("a", "b"), reset=Reset(hours=3))
    assert toy.requests == ToyRequests(gap=1.0)
    assert toy.enabled == {"wheels"}


@pytest.mark.parametrize("poll", ["fast", "medium", "slow", "static"])
def test_no_interval_is_shorter_than_units_of_the_family_stand(poll):
    (told,) = problems(TOY | {"intervals": {poll: "4s"}}, ROOF | {"intervals": {poll: "4s"}})
    assert told == (
        f"devices[0].intervals.{poll}: found '4s', expected an interval of at least 5s, since Toy"
        " units are not to be asked more often"
    )
    (toy,) = Config.parse({"devices": [TOY | {"intervals": {poll: "5s"}}]}).devices
    assert getattr(toy.intervals, poll) == 5


@pytest.mark.parametrize(
    ("device", "told"),
    [
        (
            TOY | {"cells": True},
            "devices[0].cells: unknown option (did you mean 'bells'?); known to the driver toy:"
            " name, driver, address, timezone, include, exclude, labels, wheels, bells,"
            " intervals, requests, reset",
        ),
        (
            ROOF | {"wheels": True},
            "devices[0].wheels: unknown option (did you mean 'cells'?); known to the driver rct:"
            " name, driver, address, timezone, include, exclude, labels, cells, intervals,"
            " history, requests",
        ),
        (
            TALKER | {"requests": {"gap": "1s"}},
            "devices[0].requests: unknown option (did you mean 'address'?); known to the driver"
            " talker: name, driver, address, timezone, include, exclude, labels, intervals",
        ),
        (TOY | {"wheels": "x"}, "devices[0].wheels: found 'x', expected true or false"),
        (
            TOY | {"reset": {"hours": 25}},
            "devices[0].reset.hours: found 25, expected a whole number from 1 to 24",
        ),
        (
            TOY | {"requests": {"window": 2}},
            "devices[0].requests.window: found 2, expected 1, since only one request can be under"
            " way to such a unit",
        ),
    ],
)
def test_what_a_family_has_not_is_refused(device, told):
    assert problems(device) == [told]


def test_of_a_name_that_is_wrong_the_family_that_was_probably_meant_tells_the_other_mistakes():
    known = " or ".join(BUILTIN)
    told = f"devices[0].driver: found 'toi', expected {known} (did you mean 'toy'?)"
    assert problems(TOY | {"driver": "toi", "wheels": "x"}) == [
        told,
        "devices[0].wheels: found 'x', expected true or false",
    ]


@pytest.mark.parametrize("name", ["zzz", None, 7])
def test_where_nothing_is_known_of_the_family_nothing_is_said_of_its_options(name):
    (told,) = problems(TOY | {"driver": name, "wheels": "x", "requests": {"gap": 3}})
    assert told.startswith("devices[0].driver: found ")
    lacking = {key: value for key, value in TOY.items() if key != "driver"}
    assert problems(lacking | {"wheels": "x"}) == [
        "devices[0]: driver is missing, for example driver: rct"
    ]


@pytest.mark.slow
def test_reading_a_file_loads_the_drivers_that_it_names_and_no_others():
    code = """
import sys
from rct_collector.drivers import BUILTIN
BUILTIN["other"] = "rct_collector.drivers.other"  # there is none, so that loading it would fail
from rct_collector import Config
Config.parse({"devices": [{"name": "a", "driver": "rct", "address": "tcp://a", "cells": True}]})
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, rct_collector.config; sys.exit('rct_collector.drivers.rct' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- an agent's blocks -------------------------------------------------------------------------


def block(key, *values, inside=()):
    return SimpleNamespace(key=key, values=values, children=inside)


def test_blocks_say_the_same():
    device = block(
        "Device",
        "toy",
        inside=(
            block("Wheels", "yes"),
            block("Bells", "a"),
            block("Reset", inside=[block("Hours", 3.0)]),
            block("Requests", inside=[block("PerSecond", 2.0)]),
            block("Driver", "toy"),
            block("Address", "tcp://192.0.2.1"),
        ),
    )
    (toy,) = Config.parse(from_blocks([device])).devices
    assert toy.options == ToyOptions(wheels=True, bells=("a",), reset=Reset(hours=3))
    assert toy.requests == ToyRequests(per_second=2.0)


@pytest.mark.parametrize("name", ["zzz", 7.0])
def test_blocks_of_an_unknown_family_are_told(name):
    device = block("Device", "toy", inside=(block("Driver", name), block("Wheels", "yes")))
    _, told = Config.salvage(from_blocks([device]), "x")
    assert told[0].startswith("x: devices[0].driver: found ")


# -- what is published -------------------------------------------------------------------------


def test_a_row_of_the_catalogue_may_name_an_option_of_a_family():
    what = ("inverter_wheel", "speed_hertz", Kind.GAUGE, PollClass.FAST, "Speed.")
    (series,) = Catalog((row(*what, option="wheels"),))
    off, on, roof = Config.parse(
        {"devices": [TOY, TOY | {"name": "b", "address": "tcp://b", "wheels": True}, ROOF]}
    ).devices
    assert [is_wanted(series, device) for device in (off, on, roof)] == [False, True, False]


def test_rows_name_options_that_are_flags():
    flags = {
        name
        for family in BUILTIN
        for name in options(type(driver(family).options))
        if isinstance(getattr(driver(family).options, name), bool)
    }
    assert {metric.option for metric in catalog().metrics} <= {"", *flags}


# -- the command line --------------------------------------------------------------------------


def write(tmp_path, *devices):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"devices": [*devices]}))
    return path


def test_cells_are_for_devices_that_have_the_option(tmp_path):
    path = write(tmp_path, TOY, ROOF)
    toy, roof = targets(TargetOptions(config=path, cells=True)).devices
    assert toy.options == ToyOptions()
    assert roof.options == RctOptions(cells=True)
    with pytest.raises(ConfigError, match="--cells: is no option of the driver toy"):
        targets(TargetOptions(config=path, device=("toy",), cells=True))


# -- documentation -----------------------------------------------------------------------------


def test_tables_say_whose_an_option_is_where_families_differ():
    table = tables.options()
    assert (
        "| `devices[].cells` | true or false | `false` | Publish every single battery cell;"
        " minimum, maximum and spread come anyway. Only with driver rct. |" in table
    )
    assert "| `devices[].wheels` | true or false | `false` | Publish every wheel. Only" in table
    assert "| `devices[].reset.hours` | 1 to 24 | `12` |" in table
    gaps = [line.split(" | ")[2:] for line in table.splitlines() if "requests.gap" in line]
    assert [default for default, _ in gaps] == ["`60ms`", "`100ms`", "`250ms`"]
    assert [text.split(".")[-2] for _, text in gaps] == [
        " Only with driver rct",
        " Only with driver voltronic",
        " Only with driver toy",
    ]
    assert "`devices[].timezone`" in table
    assert "Only" not in next(line for line in table.splitlines() if "[].timezone" in line)
    assert "| `Wheels` | Device | true or false |" in tables.collectd_options()
    assert "| `Bells` | Device | words, each quoted |" in tables.collectd_options()
    assert "| `Hours` | Device, Reset | 1 to 24 |" in tables.collectd_options()


def test_places_of_options_stand_together():
    places = [place[:-1] for place, _ in tables.every_option()]
    groups = [place for n, place in enumerate(places) if n == 0 or places[n - 1] != place]
    assert [place for place, count in Counter(groups).items() if count > 1] == []


@pytest.mark.parametrize("name", ["rct", "toy", "talker"])
def test_a_sample_is_for_a_family(name):
    text = samples.config_yaml(name)
    (device,) = Config.parse(yaml.safe_load(text)).devices
    assert device.driver == name
    assert ("cells: " in text) is (name == "rct")
    assert ("wheels: " in text) is ("reset:" in text) is (name == "toy")
    assert ("requests:" in text) is (name != "talker")


@pytest.mark.parametrize("name", [*BUILTIN])
def test_no_family_has_an_option_of_all_devices(name):
    own = type(driver(name).options)
    common = {*options(DeviceConfig), *device_sections(None), "requests", "options", "unit"}
    assert not common & {*options(own)}
    assert {*device_options(driver(name))} >= {*options(own)}


@pytest.mark.parametrize("name", [*BUILTIN])
def test_options_of_families_document_themselves_truthfully(name):
    family = driver(name)
    for kind in (family.options, *([family.polled.pace] if family.polled else [])):
        for key, item in options(type(kind)).items():
            assert item.doc.endswith(".")
            assert item.parse(yaml.safe_load(item.default)) == getattr(kind, key)
            item.parse(yaml.safe_load(item.example))
