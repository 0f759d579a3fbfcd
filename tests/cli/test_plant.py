"""A device of many units on the screen: a line for each, and tables of their optimizers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from rich.console import Console, ConsoleDimensions

from rct_collector.catalog import catalog
from rct_collector.cli import summary, view
from rct_collector.cli.snapshot import Snapshot
from rct_collector.config import Config
from rct_collector.model import Batch, Health
from tests.cli.handmade import TIME_NS


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """It is a minute after the values were taken."""
    monkeypatch.setattr(view, "time", SimpleNamespace(time=lambda: TIME_NS / 1e9 + 60))


def plant(units, optimizers):
    """What was heard of some inverters with some optimizers each."""
    entry = {"name": "roof", "driver": "solaredge", "address": "listen://127.0.0.1:22222"}
    found = Snapshot(Config.parse({"devices": [entry]}).devices[0])
    series = catalog().series
    for unit in range(units):
        values = [(series("inverter_power.output_watts"), 3210.0 + unit)]
        for number in range(optimizers):
            tag = f"10EC{unit:02X}{number:02X}"
            values.append((series("inverter_optimizer.power_watts", optimizer=tag), 200.0 + number))
            values.append((series("inverter_optimizer.input_volts", optimizer=tag), 31.5))
        name = f"7F1000{unit:02X}"
        health = Health(up=True)
        found.take(
            Batch("roof", "solaredge", (), TIME_NS, tuple(values), 10.0, health=health, unit=name)
        )
    return found


def screen(snapshot, width=120, height=40):
    console = Console(width=width, height=height, highlight=False)
    size = ConsoleDimensions(width, height)
    with console.capture() as capture:
        console.print(view.screen_view([snapshot], size, complete=False, footer=("Ctrl-C ends",)))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_optimizers_of_all_units_are_shown_below_their_lines():
    lines = screen(plant(3, 5))
    heading = "device sun output battery SoC grid load state age"
    assert " ".join(lines[0].split()) == heading
    assert [line.split()[1:4] for line in lines[1:4]] == [
        [f"7F10000{unit}", f"321{unit}", "W"] for unit in range(3)
    ]
    text = " ".join(" ".join(lines).split())
    for unit in range(3):
        assert f"roof 7F10000{unit}: optimizers 60 s" in text
        for number in range(5):
            assert f"10EC{unit:02X}{number:02X} {200 + number} W 31.5 V" in text


def test_one_unit_with_optimizers_is_shown_like_any_device():
    text = " ".join(" ".join(screen(plant(1, 5))).split())
    assert "output 3210 W" in text
    assert "10EC0004 204 W 31.5 V" in text


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [14, 24, 50])
@pytest.mark.parametrize(("units", "optimizers"), [(3, 20), (2, 60), (7, 1)])
def test_the_screen_never_exceeds_the_terminal(width, height, units, optimizers):
    lines = screen(plant(units, optimizers), width, height)
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines)


def test_each_unit_has_its_share_of_the_room_and_what_has_none_is_counted():
    lines = screen(plant(3, 20), 80, 40)
    assert sum("… " in line and " more" in line for line in lines) >= 1
    for unit in range(3):
        assert any(f"roof 7F10000{unit}: optimizers" in line for line in lines)


def test_what_comes_when_the_unit_likes_is_never_late(monkeypatch):
    monkeypatch.setattr(view, "time", SimpleNamespace(time=lambda: TIME_NS / 1e9 + 3000))
    text = "\n".join(screen(plant(2, 3)))
    assert "3000 s" in text
    assert "late" not in text


def test_an_inverter_that_tells_of_the_sun_has_no_output_beside_it():
    (unit,) = plant(1, 0).each
    assert [flow.name for flow in summary.flows(unit)] == ["output"]
    values = ((catalog().series("inverter_power.pv_watts"), 3300.0),)
    unit.take(Batch("roof", "solaredge", (), TIME_NS, values, 10.0, unit=unit.unit))
    assert [flow.name for flow in summary.flows(unit)] == ["sun"]
