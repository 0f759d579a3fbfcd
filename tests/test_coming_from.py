"""What the page for users of other Voltronic collectors promises is there, and all is mapped."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from rct_collector.catalog import catalog
from rct_collector.cli.main import COMMANDS
from rct_collector.drivers import driver
from tests.needs import library

PAGE = (Path(__file__).parents[1] / "docs/coming-from-voltronic.md").read_text(encoding="utf-8")


def section(title):
    """Text below a heading, up to the next one."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S)[1]


def words():
    """All that stands in backticks."""
    return set(re.findall(r"`([^`\n]+)`", PAGE))


def test_every_metric_is_in_the_catalogue():
    names = {word for word in words() if re.fullmatch(r"inverter(_\w+)?\.\w+", word)}
    assert len(names) > 35
    assert {name for name in names if name.startswith("inverter_collector.")}
    assert names <= {metric.name for metric in catalog().metrics}


def test_every_command_is_there():
    commands = {word.split()[1] for word in words() if re.match(r"rct-collector \w+", word)}
    assert commands <= set(COMMANDS)


def test_every_setting_is_one_of_the_driver():
    cells = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", section("Settings"), re.M)
    told = set(re.findall(r"`(\w+)`", " ".join(cells)))
    settings = driver("voltronic").settings
    known = {s.name for s in settings} | {value for s in settings for value in s.choices}
    assert told - known == {"allow_battery_limits"}
    assert {"output_priority", "battery_type", "only_solar"} <= told


@pytest.mark.parametrize("part", [
    "common", "comms", "service", "log", "db", "api", "web", "cloud", "mqtt", "display",
])  # fmt: skip
def test_every_part_of_voltronic_dotnet_is_mapped(part):
    assert re.search(rf"\binverter\.{part}\b", section("voltronic-dotnet"))


def test_every_output_of_mpp_solar_is_mapped():
    folder = Path(library("mppsolar").__file__).parent / "outputs"
    outputs = {path.stem for path in folder.glob("[a-z]*.py")} - {"baseoutput"}
    assert len(outputs) > 15
    assert outputs <= set(re.findall(r"`(\w+)`", section("mpp-solar")))


def test_every_value_of_mpp_solar_is_mapped():
    """Those of the two answers that all units give; ratings are told together."""
    # Other protocols of that library change its tables when they are loaded.
    pi30 = importlib.reload(library("mppsolar.protocols.pi30")).pi30()
    for command, told_together in (("QPIGS", set()), ("QPIRI", _RATINGS)):
        rows = pi30.COMMANDS[command]["response"]
        names = {next(cell for cell in row[1:3] if isinstance(cell, str)) for row in rows}
        assert {name for name in names if name not in section("Names")} <= told_together


_RATINGS = {"AC Input Voltage", "AC Input Current", "AC Output Current"}
