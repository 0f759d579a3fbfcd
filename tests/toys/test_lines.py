"""Families that share a line, or dial in: from the configuration to line protocol."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import re
from collections import Counter
from dataclasses import replace

import pytest

from rct_collector import collector as module
from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.cli.collect import read_once
from rct_collector.cli.snapshot import Snapshot
from rct_collector.collector import RESERVE, RESTART_S, Applied, Collector, fit, share
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.polling.rounds import Polling
from rct_collector.errors import ConfigError, TransportError
from rct_collector.exits import Exit
from rct_collector.transport import open_line
from tests.dialling import Doors
from tests.processes import free_port
from tests.toys import bus, dial_in
from tests.virtual import Plug, Recorder, VirtualClock, run


class Wires:
    """Units behind one line, each of which answers a while after it was asked.

    Attributes:
        silent: Units that do not answer.
        asked: Unit → requests.
        most: Units that were asked at the same time, at most.
    """

    LATENCY = 0.03

    def __init__(self, units):
        self.units, self.silent, self.asked, self.most = units, set(), Counter(), 0
        self._due, self._open, self._half = [], Counter(), b""

    def connect(self):
        return 1

    def disconnect(self, _client):
        self._due.clear()

    def receive(self, _client, data, now):
        *lines, self._half = (self._half + data).split(b"\n")
        for line in lines:
            unit, name = line.decode().rstrip("?").split(" ")
            self.asked[unit] += 1
            if unit in self.silent or unit not in self.units:
                continue
            self._open[unit] += 1
            self.most = max(self.most, sum(1 for count in self._open.values() if count))
            self._due.append((now + self.LATENCY, unit, f"{unit} {name}={self.units[unit]}\n"))

    def next_due(self):
        return min((at for at, _, _ in self._due), default=None)

    def pull(self, now):
        ready = [entry for entry in self._due if entry[0] <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        self._open.subtract(unit for _, unit, _ in ready)
        return [text.encode() for _, _, text in ready]


class Plant:
    """A collector of toys, the far end of their lines, and what became of it all."""

    def __init__(self, loop, devices, *, plug=None, doors=None, lock=False):
        self.out = Recorder()
        self.plug, self.doors = plug, doors
        options = Options(clock=VirtualClock(loop), opener=plug, listen=doors, lock=lock)
        self.collector = Collector(Config.parse({"devices": devices}), self.out, options)

    async def __aenter__(self):
        self._task = asyncio.create_task(self.collector.run())
        return self

    async def __aexit__(self, *_rest):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def lines(self, source):
        """Line protocol about a source, without what is about the collector, and without times."""
        written = LineProtocol()
        found = [line.decode() for batch in self.out.batches for line in written.lines(batch)]
        return [
            line.rsplit(" ", 1)[0]
            for line in found
            if f"source={source}," in line and not line.startswith("inverter_collector")
        ]

    def grid(self, source, since=0):
        """Times and values of one figure."""
        return [
            (batch.time_ns, value)
            for batch in self.out.batches[since:]
            for series, value in batch.values
            if batch.source == source and series.name == "inverter_power.grid_watts"
        ]

    def totals(self, source, field):
        """What was published of one counter, in order."""
        return [
            value
            for batch in self.out.batches
            for series, value in batch.values
            if batch.source == source and series.name == f"inverter_collector.{field}"
        ]


def unit(name, number, *, driver="bus", address="tcp://gateway.test", **more):
    return {"name": name, "driver": driver, "address": address, "unit": number, **more}


@pytest.fixture
def toys(register):
    register(bus.DRIVER)
    register(dial_in.DRIVER)


# -- a bus -------------------------------------------------------------------------------------


def test_units_on_a_bus_are_collected_each_as_its_own_device(toys):
    wires = Wires({"1": 100, "2": 200})

    async def main(loop):
        devices = [
            unit("east", "1", labels={"roof": "left"}),
            unit("west", "2", intervals={"fast": "30s"}, labels={"roof": "right"}),
        ]
        async with Plant(loop, devices, plug=Plug(wires)) as plant:
            await asyncio.sleep(120)
        return plant

    plant = run(main)
    assert len(plant.plug.wires) == 1, "one line for both"
    head = "inverter_power,roof=left,source=east,vendor=toy "
    fields = {field for line in plant.lines("east") for field in line.removeprefix(head).split(",")}
    assert all(line.startswith(head) for line in plant.lines("east"))
    assert {"grid_watts=100.0", "load_watts=100.0", "grid_import_watts=100.0"} <= fields
    assert {value for _, value in plant.grid("east")} == {100.0}
    assert {value for _, value in plant.grid("west")} == {200.0}
    assert all("roof=right" in line for line in plant.lines("west"))
    assert len(plant.grid("east")) >= 11
    assert 4 <= len(plant.grid("west")) <= 6
    assert wires.most == 1, "one is asked at a time"


@pytest.mark.slow
def test_a_silent_unit_does_not_stop_the_others(toys):
    """It keeps them waiting for as long as its answers are waited for, at most."""
    wires = Wires({"1": 100, "2": 200, "3": 300})
    wires.silent = {"2"}

    async def main(loop):
        devices = [unit(f"unit{n}", n) for n in wires.units]
        async with Plant(loop, devices, plug=Plug(wires)) as plant:
            await asyncio.sleep(600)
            heard = plant.collector.devices[1].port.last_error
            wires.silent.clear()
            await asyncio.sleep(60)
        return plant, heard

    plant, heard = run(main)
    assert len(plant.grid("unit1")) >= 60
    assert len(plant.grid("unit3")) >= 60
    assert plant.grid("unit2")
    assert plant.totals("unit2", "up")[:50] == [0] * 50
    assert (heard, len(plant.plug.attempts)) == ("", 1), "the line works, so it is kept"
    assert wires.most == 1


@pytest.mark.slow
@pytest.mark.measured
def test_a_busy_bus_gives_each_unit_its_share(toys):
    """More is wanted than the bus can carry: no unit gets it at the others' expense."""
    wires = Wires({str(n): n for n in range(8)})
    wires.LATENCY = 0.4

    async def main(loop):
        devices = [unit(f"unit{n}", n, intervals={"fast": "2s"}) for n in wires.units]
        async with Plant(loop, devices, plug=Plug(wires)):
            await asyncio.sleep(900)

    run(main)
    assert sum(wires.asked.values()) >= 0.9 * 900 / 0.4
    # Whose round is just over when its turn comes leaves it to the next.
    assert max(wires.asked.values()) <= 1.5 * min(wires.asked.values())


def test_all_units_hear_of_a_loss_which_is_told_once(toys, caplog):
    caplog.set_level(logging.INFO)
    wires = Wires({"1": 100, "2": 200})

    async def main(loop):
        async with Plant(loop, [unit("east", "1"), unit("west", "2")], plug=Plug(wires)) as plant:
            await asyncio.sleep(60)
            plant.plug.refuse = "cannot connect to gateway.test:1: refused"
            plant.plug.cut()
            await asyncio.sleep(120)
            down = [device.port.last_error for device in plant.collector.devices]
            plant.plug.refuse = ""
            await asyncio.sleep(60)
        return plant, down

    plant, down = run(main)
    assert down == ["cannot connect to gateway.test:1: refused"] * 2
    for name in ("east", "west"):
        ups = plant.totals(name, "up")
        assert (ups[0], 0 in ups, ups[-1]) == (1, True, 1)
        assert plant.totals(name, "reconnects_total")[-1] == 1
    assert [r.getMessage() for r in caplog.records] == [
        "east, west: the device reset the connection; trying again until it works",
        "east, west: gateway.test:1 answers again",
    ]


def test_a_bug_of_one_device_takes_neither_the_line_nor_the_others(toys, caplog, monkeypatch):
    wires = Wires({"1": 100, "2": 200})
    real, broken = Polling.answered, [True]

    def answered(self, answer, now):
        if self.exchange.name == "east" and broken:
            broken.clear()
            raise ZeroDivisionError("a defect")
        return real(self, answer, now)

    monkeypatch.setattr(Polling, "answered", answered)

    async def main(loop):
        async with Plant(loop, [unit("east", "1"), unit("west", "2")], plug=Plug(wires)) as plant:
            await asyncio.sleep(RESTART_S + 60)
        return plant

    with caplog.at_level(logging.ERROR):
        plant = run(main)
    assert [r.getMessage() for r in caplog.records] == ["east: bug; its collection begins anew"]
    assert len(plant.plug.attempts) == 1
    assert len(plant.grid("west")) >= (RESTART_S + 60) / 10 - 1
    assert len(plant.grid("east")) >= 4, "it is back"


def test_a_recording_that_is_not_there_is_told_and_harms_nobody(
    toys,
    register,  # noqa: F811 - a fixture
    caplog,
):
    register(replace(bus.DRIVER, name="early", ways={"file": {}}))
    plug = Plug(Wires({"1": 100}))

    async def opener(address, *more):
        return await (plug if address.scheme == "tcp" else open_line)(address, *more)

    async def main(loop):
        early = unit("early", "1", driver="early", address="file:///none")
        async with Plant(loop, [unit("east", "1"), early], plug=opener) as plant:
            await asyncio.sleep(60)
        return plant

    plant = run(main)
    assert plant.grid("east")
    assert {value for value in plant.totals("early", "up")} == {0}
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "early: /none: cannot be read: No such file or directory; trying again until it works"
    ]


def test_an_answer_of_a_unit_that_nobody_has_is_told_and_harms_nobody(toys, caplog):
    wires = Wires({"1": 100, "2": 200})

    async def main(loop):
        async with Plant(loop, [unit("east", "1")], plug=Plug(wires)) as plant:
            await asyncio.sleep(30)
            for _ in range(100):
                plant.plug.wires[-1]._receive(b"9 grid=5\n")
            await asyncio.sleep(30)
        return plant

    plant = run(main)
    assert {value for _, value in plant.grid("east")} == {100.0}
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == [
        "east: the unit '9' is on the line, too, and no device of the configuration is it"
    ]


def test_the_line_of_a_bus_is_closed_with_its_last_device(toys):
    wires = Wires({"1": 100, "2": 200})

    async def main(loop):
        plug = Plug(wires)
        async with Plant(loop, [unit("east", "1"), unit("west", "2")], plug=plug) as plant:
            await asyncio.sleep(30)
            lines = {id(device.port.line) for device in plant.collector.devices}
        return len(lines), plug.wires[-1].lost

    assert run(main) == (1, None)


def test_units_come_and_go_on_a_line_that_stays_open(toys):
    async def main(loop):
        wires = Wires({"1": 100, "2": 200, "3": 300})
        plug = Plug(wires)
        found = {}
        async with Plant(loop, [unit("one", "1"), unit("two", "2")], plug=plug) as plant:
            await asyncio.sleep(45)
            new = [unit("one", "1"), unit("three", "3"), unit("second", "2")]
            found = await plant.collector.apply(Config.parse({"devices": new}))
            await asyncio.sleep(60)
            lines = {device.port.line for device in plant.collector.devices}
        assert found == Applied(("three", "second"), ("two",), (), ("one",), {})
        assert len(lines) == len(plug.attempts) == 1
        times = [time_ns / 1e9 for time_ns, _ in plant.grid("one")]
        assert all(9.5 < b - a < 10.5 for a, b in itertools.pairwise(times[1:]))
        assert len(times) >= 10
        assert {value for _, value in plant.grid("three")} == {300.0}
        assert {value for _, value in plant.grid("second")} == {200.0}

    run(main)


def test_a_configuration_applied_later_leads_to_the_lines_that_there_are(toys):
    async def main(_loop):
        made = Collector(Config.parse({"devices": [unit("one", "1")]}), Recorder())
        await made.apply(Config.parse({"devices": [unit("one", "1"), unit("two", "2")]}))
        assert len({device.port.line for device in made.devices}) == 1

    run(main)


@pytest.mark.parametrize("running", [True, False])
def test_a_line_whose_address_has_changed_is_opened_as_that_says(toys, register, running):
    """Though who was on it before may not be forgotten by everybody yet."""
    register(replace(bus.DRIVER, name="wired", ways={"serial": {"baud": "9600"}}))
    port, rates = {"driver": "wired", "address": "serial:///dev/ttyTEST"}, []

    async def main(loop):
        plug = Plug(Wires({"1": 100, "2": 200}))

        async def opener(address, *rest):
            rates.append(address.options["baud"])
            return await plug(address, *rest)

        plant = Plant(loop, [unit(name, name, **port) for name in "12"], plug=opener)
        port["address"] += "?baud=2400"
        new = Config.parse({"devices": [unit(name, name, **port) for name in "12"]})
        if not running:
            await plant.collector.apply(new)
        async with plant:
            await asyncio.sleep(30)
            if running:
                await plant.collector.apply(new)
            await asyncio.sleep(30)
            assert len({device.port.line for device in plant.collector.devices}) == 1

    run(main)
    assert rates == ["9600", "2400"][not running :]


def test_a_unit_that_has_left_is_not_asked_any_more_by_anybody(toys):
    """A setting or its past may be under way, or wanted later by who has not noticed."""
    wires = Wires({"1": 100, "2": 200})
    load = bus.QUERIES["load"]

    async def main(loop):
        async with Plant(loop, [unit("east", "1"), unit("west", "2")], plug=Plug(wires)) as plant:
            await asyncio.sleep(35)
            inquiry = plant.collector.devices[0].exchange.inquiry
            wires.silent = {"1"}
            asking = asyncio.create_task(inquiry.ask(load))
            await asyncio.sleep(0.5)
            await plant.collector.remove("east")
            left, asked = loop.time(), wires.asked["1"]
            with pytest.raises(TransportError, match="the line was lost"):
                await asking
            with pytest.raises(TransportError, match="the line is not open"):
                await inquiry.ask(load)
            assert loop.time() == left
            await asyncio.sleep(30)
            assert wires.asked["1"] == asked

    run(main)


def test_a_device_that_would_set_the_line_of_others_is_not_added(toys, register):
    register(replace(bus.DRIVER, name="wired", ways={"serial": {"baud": "9600"}}))
    port = {"driver": "wired", "address": "serial:///dev/ttyTEST"}
    made = Collector(Config.parse({"devices": [unit("one", "1", **port)]}), Recorder())
    port["address"] += "?baud=2400"
    (other,) = Config.parse({"devices": [unit("two", "2", **port)]}).devices
    with pytest.raises(ConfigError, match=r"two is not added: .* say baud=9600; all must"):
        made.add(other)
    assert [device.name for device in made.devices] == ["one"]


def test_a_device_that_could_never_be_made_says_nothing_of_its_line(
    toys,
    register,
    monkeypatch,
):
    def init(*_rest, **_more):
        raise ZeroDivisionError("a defect")

    register(replace(bus.DRIVER, name="wired", ways={"serial": {"baud": "9600"}}))
    port = {"driver": "wired", "address": "serial:///dev/ttyTEST"}

    async def main(_loop):
        with monkeypatch.context() as patch:
            patch.setattr(Polling, "__init__", init)
            made = Collector(Config.parse({"devices": [unit("one", "1", **port)]}), Recorder())
            assert made.devices == []
        await made.remove("one")
        port["address"] += "?baud=2400"
        (other,) = Config.parse({"devices": [unit("two", "2", **port)]}).devices
        made.add(other)
        assert [device.name for device in made.devices] == ["two"]

    run(main)


def test_units_of_a_bus_come_and_go_while_the_others_stay(toys):
    wires = Wires({"1": 100, "2": 200, "3": 300})

    async def main(loop):
        plug = Plug(wires)
        async with Plant(loop, [unit("east", "1")], plug=plug) as plant:
            await asyncio.sleep(30)
            (later,) = Config.parse({"devices": [unit("west", "2")]}).devices
            plant.collector.add(later)
            await asyncio.sleep(30)
            await plant.collector.remove("east")
            asked = wires.asked["1"]
            await asyncio.sleep(30)
            stayed = len(plug.attempts), wires.asked["1"] - asked, plug.wires[-1].lost is not None
            await plant.collector.remove("west")
            closed = plug.wires[-1].lost is None
            (last,) = Config.parse({"devices": [unit("north", "3")]}).devices
            plant.collector.add(last)
            await asyncio.sleep(30)
        return plant, stayed, closed

    plant, stayed, closed = run(main)
    assert stayed == (1, 0, True), "one line, on which the unit that left is not asked any more"
    assert closed
    assert len(plant.plug.attempts) == 2
    assert [len(plant.grid(name)) >= 3 for name in ("east", "west", "north")] == [True] * 3


def test_one_process_cannot_have_two_families_on_one_line(toys, register, caplog):
    """Where the lock tells them apart: bytes of one mean nothing to the other."""
    register(replace(bus.DRIVER, name="other"))
    wires = Wires({"1": 100, "2": 200})

    async def main(loop):
        address = f"tcp://shared-{os.getpid()}.test"  # runs of the tests on one host do not meet
        devices = [
            unit("east", "1", address=address),
            unit("west", "2", address=address, driver="other"),
        ]
        async with Plant(loop, devices, plug=Plug(wires), lock=True) as plant:
            await asyncio.sleep(60)
        return plant

    plant = run(main)
    assert plant.grid("east")
    assert not plant.grid("west")
    assert re.search("west: already collected by process .*, as device east", caplog.text)


def test_a_line_is_one_process_s_with_all_its_units_and_its_files_are_counted_once(
    toys, monkeypatch
):
    devices = [unit(f"unit{n}", str(n), address=f"tcp://192.0.2.{n % 3}") for n in range(30)]
    whole = [Config.parse({"devices": devices, "shard": f"{n}/4"}) for n in range(4)]
    shares = [{str(item.address) for item in share(config)} for config in whole]
    assert sum(map(len, shares)) == 3
    monkeypatch.setattr(module, "descriptors", lambda: (0, RESERVE + 6))
    assert fit(Config.parse({"devices": devices}).devices)[0] == 30
    calls = [calling(f"unit{n}", str(n)) for n in range(30)]
    assert fit(Config.parse({"devices": calls}).devices)[0] == 4


def test_a_bug_beside_the_rounds_is_told_and_harms_nobody(toys, caplog, monkeypatch):
    wires = Wires({"1": 100, "2": 200})
    real = Device.opened

    def opened(self):
        if self.name == "east":
            raise ZeroDivisionError("a defect")
        real(self)

    monkeypatch.setattr(Device, "opened", opened)

    async def main(loop):
        async with Plant(loop, [unit("east", "1"), unit("west", "2")], plug=Plug(wires)) as plant:
            await asyncio.sleep(60)
        return plant

    with caplog.at_level(logging.ERROR):
        plant = run(main)
    (record,) = caplog.records
    assert record.getMessage() == "east: bug; what came is not used"
    assert record.exc_info
    assert plant.grid("east")
    assert plant.grid("west")


def test_commands_read_all_units_of_a_line_over_one_line(toys):
    wires = Wires({"1": 100, "2": 200})

    async def main(_loop):
        plug = Plug(wires)
        devices = Config.parse({"devices": [unit("east", "1"), unit("west", "2")]}).devices
        snapshots = [Snapshot(device) for device in devices]
        options = Options(opener=plug, lock=False)
        results = await asyncio.gather(*(read_once(s, 30.0, options=options) for s in snapshots))
        return plug, snapshots, [status for _, status in results]

    plug, snapshots, statuses = run(main)
    assert statuses == [Exit.OK, Exit.OK]
    assert [snapshot.trouble for snapshot in snapshots] == ["", ""]
    assert len(plug.attempts) == 1


def test_who_reads_once_is_promised_no_other_attempt(toys, caplog):
    """Neither by a line that is opened, nor by one that waits for a call."""

    async def main(loop):
        plug, doors = Plug(Wires({})), Doors()
        plug.refuse = "cannot connect to gateway.test:1: refused"
        loop.call_later(1.0, lambda: doors.call().hang_up())
        devices = [unit("east", "1"), calling("west", "2")]
        snapshots = [Snapshot(item) for item in Config.parse({"devices": devices}).devices]
        options = Options(opener=plug, listen=doors, lock=False)
        await asyncio.gather(*(read_once(s, 30.0, options=options) for s in snapshots))
        return [snapshot.trouble for snapshot in snapshots]

    assert run(main) == [
        "cannot connect to gateway.test:1: refused",
        "the device closed the connection",
    ]
    assert caplog.records == []


# -- units that dial in ------------------------------------------------------------------------


class Calling:
    """A unit that dials in, says hello, and answers once it was welcomed."""

    def __init__(self, doors, number, watts):
        self.number, self.watts, self.welcomed = number, watts, 0
        self.call = doors.call()
        self.call.send = self._asked
        self.call.say(f"{number} hello\n".encode())

    def _asked(self, data):
        text = data.decode()
        if text == f"{self.number} welcome\n":
            self.welcomed += 1
        elif self.welcomed:
            asyncio.get_running_loop().call_later(0.05, self._answer, text)

    def _answer(self, text):
        self.call.say(f"{text.rstrip()[:-1]}={self.watts}\n".encode())


def calling(name, number, **more):
    more.setdefault("address", "listen://127.0.0.1:7777")
    return unit(name, number, driver="dial_in", **more)


def test_units_that_dial_in_are_collected_each_as_its_own_device(toys, caplog):
    caplog.set_level(logging.INFO)

    async def main(loop):
        doors = Doors()
        async with Plant(loop, [calling("east", "1"), calling("west", "2")], doors=doors) as plant:
            await asyncio.sleep(25)
            waits = [device.port.last_error for device in plant.collector.devices]
            east = Calling(doors, "1", 100)
            await asyncio.sleep(30)
            west = Calling(doors, "2", 200)
            await asyncio.sleep(60)
            east.call.hang_up()
            await asyncio.sleep(30)
            Calling(doors, "1", 110)
            await asyncio.sleep(30)
            assert doors.is_open
        return plant, waits, east, west, doors

    plant, waits, east, west, doors = run(main)
    assert waits == ["it has not called yet"] * 2
    assert (east.welcomed, west.welcomed) == (1, 1)
    assert {value for _, value in plant.grid("east")} == {100.0, 110.0}
    assert {value for _, value in plant.grid("west")} == {200.0}
    assert any("grid_watts=110.0" in line for line in plant.lines("east"))
    assert plant.totals("east", "up")[0] == 0
    assert plant.totals("east", "up")[-1] == 1
    assert plant.totals("east", "reconnects_total")[-1] == 1
    assert not doors.is_open
    assert doors.held == 0
    assert [r.getMessage() for r in caplog.records] == [
        "east: the device closed the connection; waiting until it calls again",
        "east: calls again",
    ]


def test_a_new_call_of_a_unit_takes_the_place_of_a_half_open_one(toys):
    async def main(loop):
        doors = Doors()
        async with Plant(loop, [calling("east", "1"), calling("west", "2")], doors=doors) as plant:
            await asyncio.sleep(1)
            old = Calling(doors, "1", 100)
            await asyncio.sleep(30)
            old.call.is_open = False  # it has lost its power, and nobody was told
            new = Calling(doors, "1", 110)
            await asyncio.sleep(30)
        return plant, new

    plant, new = run(main)
    assert new.welcomed == 1
    assert plant.grid("east")[-1][1] == 110.0


@pytest.mark.parametrize("added", [False, True], ids=["at the start", "added"])
def test_a_unit_that_calls_as_soon_as_anybody_listens_is_heard(toys, added):
    """Whatever other devices there are, and though they do not begin together."""
    others = [unit("other", "1", address="tcp://other.test")]
    devices = [*others, calling("east", "1"), unit("north", "2"), calling("west", "2")]

    async def main(loop):
        doors, plug = Doors(), Plug(Wires({}))
        async with Plant(loop, others if added else devices, plug=plug, doors=doors) as plant:
            if added:
                await asyncio.sleep(1)
                await plant.collector.apply(Config.parse({"devices": devices}))
            while not doors.is_open:
                await asyncio.sleep(1e-6)
            west = Calling(doors, "2", 200)
            await asyncio.sleep(30)
        return plant, west

    plant, west = run(main)
    assert west.welcomed == 1
    assert plant.grid("east") == []
    assert {value for _, value in plant.grid("west")} == {200.0}


def test_a_unit_alone_need_not_say_who_it_is(toys):
    async def main(loop):
        doors = Doors()
        async with Plant(loop, [calling("east", "1")], doors=doors) as plant:
            await asyncio.sleep(1)
            mute = Calling.__new__(Calling)
            mute.number, mute.watts, mute.welcomed, mute.call = "1", 100, 1, doors.call()
            mute.call.send = mute._asked
            await asyncio.sleep(30)
        return plant

    assert {value for _, value in run(main).grid("east")} == {100.0}


def test_who_cannot_listen_says_so_and_tries_again(toys, caplog):
    caplog.set_level(logging.INFO)

    async def main(loop):
        doors = Doors()
        doors.refuse = "cannot listen at 127.0.0.1:7777: address already in use"
        async with Plant(loop, [calling("east", "1")], doors=doors) as plant:
            await asyncio.sleep(60)
            why = plant.collector.devices[0].port.last_error
            doors.refuse = ""
            await asyncio.sleep(60)
            Calling(doors, "1", 100)
            await asyncio.sleep(30)
        return plant, why

    plant, why = run(main)
    assert why == "cannot listen at 127.0.0.1:7777: address already in use"
    assert plant.grid("east")
    assert [r.getMessage() for r in caplog.records] == [
        "east: cannot listen at 127.0.0.1:7777: address already in use; trying again until it"
        " works",
        "east: 127.0.0.1:7777 can be listened at again",
    ]


def test_units_dial_in_over_real_sockets(toys):
    port = free_port()
    out = Recorder()
    config = Config.parse(
        {
            "devices": [
                calling(name, number, address=f"listen://127.0.0.1:{port}")
                for name, number in (("east", "1"), ("west", "2"))
            ]
        }
    )

    async def dial(number, watts):
        """Call until somebody listens; then answer as long as one is asked."""
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0)
        writer.write(f"{number} hello\n".encode())
        assert await reader.readline() == f"{number} welcome\n".encode()
        while line := await reader.readline():
            writer.write(line.rstrip()[:-1] + f"={watts}\n".encode())
        writer.close()

    def published():
        wanted = "inverter_power.grid_watts"
        return {b.source: v for b in out.batches for s, v in b.values if s.name == wanted}

    async def main():
        task = asyncio.create_task(Collector(config, out, Options(lock=False)).run())
        units = [asyncio.create_task(dial("1", 100)), asyncio.create_task(dial("2", 200))]
        async with asyncio.timeout(60):
            while len(published()) < 2:
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.gather(*units, return_exceptions=True)

    asyncio.run(main())
    assert published() == {"east": 100.0, "west": 200.0}
