"""``rct-collector settings``: shows and writes settings, and its last word is what became of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from functools import partial

import pytest

from rct_collector.cli import setting
from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.control import door
from rct_collector.control.client import Client
from rct_collector.control.rights import Rights
from rct_collector.device import inquiry
from rct_collector.device.options import Options
from rct_collector.exits import Exit
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.memory import MemoryPlug

_numbers = itertools.count()

WRITES = "[output_priority, buzzer, battery_float_volts, max_charge_amperes]"


class House:
    """A configuration, and a simulated unit that is there while a command runs."""

    def __init__(self, run, folder, monkeypatch, *, collected=False, **unit):
        """``collected``: a collector of this host holds the unit meanwhile, and answers for it."""
        self._run, self._unit, self._collected = run, unit, collected
        self._host = f"settings-{os.getpid()}-{next(_numbers)}.test"
        self.path = folder / "config.yaml"
        self.state = folder / "state"
        self.written = {}
        self.configure()
        monkeypatch.setattr(setting, "run", self._in_virtual_time)
        monkeypatch.setattr(setting, "Options", self._options)
        monkeypatch.setattr(inquiry, "LONGEST_S", 30.0)
        self._start = virtual.START

    def configure(self, driver="voltronic", **more):
        options = {"writes": WRITES, **more}
        lines = [f"    {name}: {value}" for name, value in options.items() if value]
        self.path.write_text(
            "\n".join([f"state_dir: {self.state}", "devices:", "  - name: house",
                       f"    driver: {driver}", f"    address: tcp://{self._host}:1", *lines, ""])
        )  # fmt: skip

    def _options(self, **more):
        loop = asyncio.get_running_loop()
        clock = virtual.VirtualClock(loop, self._start)
        self._start += 3600.0  # the next command comes later
        return Options(clock=clock, opener=self.plug, lock=False, **more)

    def _in_virtual_time(self, coroutine):
        async def main(_loop):
            inverter = SimulatedInverter(
                "sbu", driver="voltronic", seed=1, start=virtual.START, sun=12.0,
                **{"dialect": "pi30max", **self._unit},
            )  # fmt: skip
            self.plug = MemoryPlug(inverter)
            inverter.bridge.unit.shows_after = self.shows_after
            running = asyncio.create_task(self._collect()) if self._collected else None
            try:
                if running is not None:
                    await asyncio.sleep(60)
                return await coroutine
            finally:
                if running is not None:
                    running.cancel()
                    await asyncio.gather(running, return_exceptions=True)
                self.written = dict(inverter.bridge.observed.writes)
                inverter.hub().close()

        return virtual.run(main)

    async def _collect(self):
        config = Config.load(self.path)
        clock = virtual.VirtualClock(asyncio.get_running_loop())
        common = Options(clock=clock, opener=self.plug, state_dir=self.state)
        await Collector(config, lambda _batch: None, common).run()

    shows_after = 1.0

    def __call__(self, *words, **more):
        first, *rest = words
        return self._run("settings", first, "house", *rest, "--config", self.path, **more)

    def set(self, *words, **more):
        return self("set", *words, **more)


@pytest.fixture
def house(run, tmp_path, monkeypatch):
    return partial(House, run, tmp_path, monkeypatch)


def lines(result):
    return result.stdout.splitlines()


def test_settings_are_listed(house):
    result = house()("list")
    rows = {line.split()[0]: line for line in lines(result) if line}
    assert rows["output_priority"].split()[1:6] == ["sbu", "utility,", "solar,", "sbu", "yes"]
    assert rows["battery_bulk_volts"].split()[1:3] == ["56.4", "V"]
    # What stands against many of them is told once, below.
    assert result.output.count("is not among the settings") == 1
    for name, why in (
        ("battery_bulk_volts", "it is not among the settings"),
        ("battery_float_volts", "battery or supply depend on"),
    ):
        assert why in rows[rows[name].split()[-1]]
    assert result.exit_code == 0


def test_settings_are_listed_for_programs(house):
    found = {item["name"]: item for item in json.loads(house()("list", "--format", "json").stdout)}
    assert found["buzzer"]["value"] is True
    assert found["buzzer"]["enabled"] is True
    assert found["max_charge_amperes"]["choices"][-1] == 120


def test_values_are_printed(house):
    result = house()("get", "output_priority", "buzzer", "battery_float_volts")
    assert lines(result) == ["sbu", "on", "54"]


def test_name_that_was_meant_is_told(house):
    result = house()("get", "output_priorty")
    assert "did you mean 'output_priority'?" in result.stderr
    assert result.exit_code == Exit.USAGE


def test_setting_is_written(house):
    made = house()
    result = made.set("output_priority", "utility", "--yes")
    assert lines(result) == ["house: output_priority: sbu → utility", "applied"]
    assert made.written == {"POP00": 1}
    ((_, who, *entry),) = json.loads((made.state / "house+settings.json").read_text())["entries"]
    assert entry == ["output_priority", "sbu", "utility", "applied"]
    assert f"uid {os.getuid()}, process {os.getpid()}" in who


@pytest.mark.parametrize(
    ("words", "state", "why", "status"),
    [
        (["output_priority", "sbu"], "applied", "has this value", Exit.OK),
        (["output_priority", "sub"], "refused", "takes utility, solar or sbu", Exit.REFUSED),
        (["battery_float_volts", "53.5"], "refused", "allow_battery_limits", Exit.REFUSED),
        (["backlight", "off"], "refused", "not among the settings", Exit.REFUSED),
        (["buzzer", "loud"], "refused", "takes on or off", Exit.REFUSED),
        (["max_charge_amperes", "much"], "refused", "takes a number", Exit.REFUSED),
        (["max_charge_amperes", "65"], "refused", "takes 10, 20", Exit.REFUSED),
    ],
)
def test_what_is_not_written(house, words, state, why, status):
    made = house()
    result = made.set(*words, "--yes")
    assert lines(result)[-1] == state
    assert why in lines(result)[-2]
    assert result.exit_code == status
    assert made.written == {}


@pytest.mark.slow
def test_what_battery_or_supply_depend_on_is_written_within_the_limits_of_the_user(house):
    made = house()
    made.configure(allow_battery_limits="true", limits='{battery_float_volts: "53.5..54.5"}')
    assert lines(made.set("battery_float_volts", "53.8", "--yes"))[-1] == "applied"
    result = made.set("battery_float_volts", "53.4", "--yes")
    assert "limited to 53.5 to 54.5" in result.stdout
    assert made.written == {}


def test_unit_that_says_no(house):
    made = house(faults=["set-refused"])
    result = made.set("buzzer", "off", "--yes")
    assert lines(result)[-2:] == ["the unit says no", "refused"]
    assert result.exit_code == Exit.REFUSED


@pytest.mark.parametrize(
    ("faults", "state"), [((), "accepted_not_visible"), (("set-unheard",), "unknown")]
)
def test_unit_that_does_not_show_it(house, faults, state):
    made = house(faults=list(faults))
    made.shows_after = 1e6
    result = made.set("output_priority", "solar", "--yes")
    assert lines(result)[-1] == state
    assert result.exit_code == Exit.UNCONFIRMED
    assert made.written == {"POP01": 1}


def test_dry_run_writes_nothing(house):
    made = house()
    result = made.set("output_priority", "solar", "--dry-run")
    assert lines(result)[-1] == "'POP01' would be sent"
    assert result.exit_code == 0
    assert made.written == {}
    assert not (made.state / "house+settings.json").exists()


def test_without_a_terminal_it_is_not_asked(house):
    result = house().set("output_priority", "solar")
    assert "--yes" in result.stderr
    assert result.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("answer", "last", "status", "written"),
    [("y\n", "applied", 0, {"POP01": 1}), ("n\n", "Write it?", Exit.INTERRUPTED, {})],
)
def test_on_a_terminal_it_is_asked_first(house, monkeypatch, answer, last, status, written):
    made = house()
    monkeypatch.setattr(setting, "may_ask", lambda: True)
    result = made.set("output_priority", "solar", stdin=answer)
    assert "Write it? [y/N]" in result.stdout
    assert lines(result)[-1].startswith(last)
    assert result.exit_code == status
    assert made.written == written


def test_limits_hold_from_one_command_to_the_next(house):
    made = house()
    assert lines(made.set("buzzer", "off", "--yes"))[-1] == "applied"
    made._start -= 3600.0 - 5.0
    result = made.set("buzzer", "on", "--yes")
    assert "10 s must pass" in result.stdout
    assert made.written == {}


@pytest.mark.parametrize(
    "words", [("list",), ("get", "buzzer"), ("set", "output_priority", "solar", "--yes")]
)
def test_family_without_settings(house, monkeypatch, words):
    """It is told so, whether somebody collects from the unit or not."""
    monkeypatch.setattr(Client, "connect", None)
    made = house()
    made.configure(driver="rct", writes="")
    result = made(*words)
    assert "RCT Power units have no settings that can be written" in result.stderr
    assert result.exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["list", "hose"], "did you mean 'house'?"),
        (["list", "house", "--config", "/nowhere.yaml"], "/nowhere.yaml does not exist"),
    ],
)
def test_device_that_is_not_there(house, run, words, why):
    made = house()
    if "--config" not in words:
        words = [*words, "--config", made.path]
    result = run("settings", *words)
    assert why in result.stderr
    assert result.exit_code == Exit.USAGE


def test_unit_that_does_not_answer(house, monkeypatch):
    made = house()
    monkeypatch.setattr(setting, "_FIRST_S", 20.0)

    async def refused(*_):
        raise setting.TransportError("cannot connect: refused")

    options = made._options

    def unreachable(**more):
        made.plug = refused
        return options(**more)

    monkeypatch.setattr(setting, "Options", unreachable)
    result = made.set("buzzer", "off", "--yes")
    assert "cannot connect: refused" in result.stderr
    assert result.exit_code == Exit.UNREACHABLE


# -- through whoever collects from the unit --------------------------------------------------------


@pytest.fixture
def collected(house, monkeypatch):
    def made(*, sets=True, **more):
        monkeypatch.setattr(door, "rights_of", lambda _caller: Rights(reads=True, sets=sets))
        return house(collected=True, **more)

    return made


@pytest.mark.slow
def test_collector_that_holds_the_unit_does_it(collected):
    made = collected()
    result = made.set("output_priority", "utility", "--yes")
    assert lines(result) == ["house: output_priority: sbu → utility", "applied"]
    assert made.written == {"POP00": 1}
    ((_, who, *_),) = json.loads((made.state / "house+settings.json").read_text())["entries"]
    assert f"process {os.getpid()}" in who


@pytest.mark.slow
def test_collector_that_holds_the_unit_tells_its_settings(collected):
    assert lines(collected()("get", "output_priority", "max_charge_amperes")) == ["sbu", "80"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "sets", "why", "status"),
    [
        (["buzzer", "off", "--yes"], False, "rct-collector-control", Exit.REFUSED),
        (["backlight", "off", "--yes"], True, "not among the settings", Exit.REFUSED),
        (["max_charge_amperes", "65", "--yes"], True, "takes 10, 20", Exit.REFUSED),
        (["output_priority", "sbu", "--yes"], True, "has this value", Exit.OK),
    ],
)
def test_what_the_collector_does_not_write(collected, words, sets, why, status):
    made = collected(sets=sets)
    result = made.set(*words)
    assert why in lines(result)[-2]
    assert lines(result)[-1] == ("applied" if status is Exit.OK else "refused")
    assert result.exit_code == status
    assert made.written == {}


def test_dry_run_through_the_collector_writes_nothing(collected):
    made = collected()
    result = made.set("output_priority", "solar", "--dry-run")
    assert lines(result)[-1] == "'POP01' would be sent"
    assert made.written == {}
