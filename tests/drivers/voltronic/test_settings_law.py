"""What is sent to set something was approved, is sent once, and is on record.

Whatever is asked, whatever goes wrong on the line, and whenever the process is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.config import Config
from rct_collector.device import settings as gate_module
from rct_collector.device.device import Device
from rct_collector.device.journal import APART_S, MOST_A_DAY
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.drivers.base import Approved
from rct_collector.drivers.voltronic.frame import pack_order
from rct_collector.drivers.voltronic.settings import GUARDED
from rct_collector.drivers.voltronic.simulator import LineFaults
from rct_collector.drivers.voltronic.simulator.unit import _WRITES
from rct_collector.simulator import SimulatedInverter
from tests import virtual
from tests.memory import MemoryPlug

NAMES = [
    name
    for name in dict.fromkeys(setting.name for setting in driver("voltronic").settings)
    if name not in GUARDED
]

#: What most units take, and what they do not.
WISHES = [
    *(("output_priority", word) for word in ("solar", "sbu")),
    *(("charger_priority", word) for word in ("solar", "only_solar")),
    *(("input_range", word) for word in ("ups", "appliance")),
    *((name, is_on) for name in ("buzzer", "backlight") for is_on in (True, False)),
    *(("battery_recharge_volts", volts) for volts in (47, 48, 49)),
    *(("max_charge_amperes", amperes) for amperes in (50, 60, 65)),
    *((name, "sbu") for name in NAMES),
]

wishes = st.one_of(st.sampled_from(WISHES[: -len(NAMES)]), st.sampled_from(WISHES))

#: What is asked for, seconds until something else happens, and seconds after that.
moves = st.tuples(
    wishes,
    st.floats(0, 6),
    st.one_of(st.sampled_from(["nothing", "kill", "kill", "unplug"]), wishes),
    st.sampled_from([0, 1, 12, 15, 70]),
)


class Listening(LineFaults):
    """Keeps what comes to set something, with its time."""

    def __init__(self):
        self.heard = []

    def on_request(self, line, now):
        if _WRITES.match(line.decode("latin-1")):
            self.heard.append((now, line))
        return line


class House:
    """A collector at a simulated unit, which is killed now and then and starts anew."""

    def __init__(self, loop, dialect, faults, folder):
        self.listening = Listening()
        self.inverter = SimulatedInverter(
            "sbu", driver="voltronic", dialect=dialect, faults=[self.listening, *faults], seed=1,
            start=virtual.START, sun=12.0,
        )  # fmt: skip
        self.plug = MemoryPlug(self.inverter)
        entry = {"name": "house", "driver": "voltronic", "address": "tcp://unit:1",
                 "dialect": dialect, "writes": NAMES}  # fmt: skip
        self.config = Config.parse({"devices": [entry]}).devices[0]
        self.options = Options(
            clock=virtual.VirtualClock(loop), opener=self.plug, lock=False, state_dir=folder
        )
        self.tasks = []

    async def start(self):
        self.device = Device(self.config, lambda _batch: None, self.options)
        self.tasks = [asyncio.create_task(self.device.run())]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(200):
                while not self.device.discovery.identified:
                    await asyncio.sleep(1)

    async def kill(self):
        """Nothing of it is done any more, but what is on the disk."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.options.leave(self.config)

    async def do(self, move):
        wish, pause, event, after = move
        self.ask(wish)
        await asyncio.sleep(pause)
        if event == "unplug":
            self.inverter.hub().hang_up()
        elif event == "kill":
            await self.kill()
            await self.start()
        elif event != "nothing":
            self.ask(event)
        await asyncio.sleep(after)

    def ask(self, wish):
        self.tasks.append(asyncio.create_task(self.device.settings.set(*wish, who="me")))


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.CRITICAL, "rct_collector")


@pytest.fixture
def approvals(monkeypatch):
    """All that the gate has approved."""
    found = []
    approve = gate_module.approve

    def seen(*arguments):
        made = approve(*arguments)
        if isinstance(made, Approved):
            found.append(made)
        return made

    monkeypatch.setattr(gate_module, "approve", seen)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["pi30max", "pi30", "pi18"])
def test_whatever_is_sent_was_approved_once_and_is_on_record(approvals, dialect):
    @settings(max_examples=12, deadline=None)
    @given(
        st.lists(moves, min_size=3, max_size=6),
        st.lists(st.sampled_from(["set-unheard", "late", "nak", "harsh"]), max_size=2, unique=True),
    )
    def law(todo, faults):
        nonlocal sent
        approvals.clear()
        with tempfile.TemporaryDirectory() as folder:
            house = virtual.run(lambda loop: main(loop, Path(folder), todo, faults))
            path = Path(folder) / "house+settings.json"
            entries = json.loads(path.read_text())["entries"] if path.exists() else []
        heard = house.listening.heard
        packed = [pack_order(made.text, dialect)[:-1] for made in approvals]
        for _, line in heard:
            assert line in packed, "it was not approved, or was sent more often than that"
            packed.remove(line)
        assert len(heard) <= len(entries) <= MOST_A_DAY
        sent += len(heard)
        times = [time for time, _ in heard]
        assert all(
            then - first >= APART_S - 0.5 for first, then in zip(times, times[1:], strict=False)
        )

    async def main(loop, folder, todo, faults):
        house = House(loop, dialect, faults, folder)
        await house.start()
        for move in todo:
            await house.do(move)
        await asyncio.sleep(100)
        await house.kill()
        house.inverter.hub().close()
        return house

    sent = 0
    law()
    assert sent >= 10, "what is tried must not be refused all the time"
