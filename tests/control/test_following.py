"""Several collectors on one host: one asks the unit, and all have what it says."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from rct_collector.catalog import catalog
from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.control import following as module
from rct_collector.control.client import Client
from rct_collector.device.options import Options
from rct_collector.errors import RpcError, TransportError
from rct_collector.lines import lock as lock_module
from rct_collector.model import Batch, GapOrder, Health, Kind, Origin
from tests.scripted import ScriptedUnit
from tests.toys import bus, plant
from tests.toys.running import WALL, Unit
from tests.toys.running import Plug as Leading
from tests.toys.test_lines import Wires
from tests.virtual import START, Plug, Recorder, VirtualClock, run

ROWS = catalog()
GRID = "inverter_power.grid_watts"
UP = "inverter_collector.up"
ENERGY = "inverter_energy{flow=grid_export}.watt_hours_total"


class _Strangers(type(lock_module._ours)):
    """So that two collectors of a test are to each other as two processes would be."""

    def get(self, *_):
        return None


@pytest.fixture(autouse=True)
def processes(monkeypatch):
    monkeypatch.setattr(lock_module, "_ours", _Strangers())


class Host:
    """Collectors of one host, and the unit that they have.

    Attributes:
        unit: Answers.
        plug: Leads there; it counts the connections.
    """

    def __init__(self, loop, unit=None, **more):
        self.unit = unit or ScriptedUnit()
        self.plug = Plug(self.unit)
        self.clock = VirtualClock(loop)
        self._more = more
        self._tasks = {}

    def collector(self, name="roof", *, state_dir=None, prefix="inverter", **more):
        device = {
            "name": name,
            "driver": "rct",
            "address": f"tcp://shared-{os.getpid()}.test",
            **more,
        }
        made = Options(clock=self.clock, opener=self.plug, state_dir=state_dir, **self._more)
        out = Recorder()
        return Collector(Config.parse({"devices": [device], "prefix": prefix}), out, made), out

    def start(self, collector):
        self._tasks[collector] = asyncio.create_task(collector.run())

    async def end(self, collector):
        task = self._tasks.pop(collector)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def running(self, *names, **more):
        """Collectors that start one after the other, and what they hand over."""
        made = [self.collector(name, **more) for name in names]
        try:
            for collector, _ in made:
                self.start(collector)
                await asyncio.sleep(1)
            yield made
        finally:
            for collector in list(self._tasks):
                await self.end(collector)


def told(out):
    """All that was told, without the name."""
    return [
        (batch.time_ns, batch.ends_round, batch.health.up, series.name, value)
        for batch in out.batches
        for series, value in sorted(batch.values, key=lambda pair: pair[0].name)
    ]


def ends(out):
    return [batch.time_ns for batch in out.batches if batch.ends_round]


@pytest.mark.slow
def test_two_collectors_have_the_same_values_and_times_over_one_connection():
    async def main(loop):
        host = Host(loop)
        async with host.running("roof", "dach", labels={"site": "home"}) as ((_, a), (_, b)):
            await asyncio.sleep(400)
        return host, a, b

    host, a, b = run(main)
    assert len(host.plug.wires) == 1
    assert len(ends(b)) > 35
    assert set(told(b)) == set(told(a)), "nothing else, and nothing less"
    assert len(told(b)) == len(told(a))
    assert {batch.source for batch in b.batches} == {"dach"}
    assert {batch.labels for batch in b.batches} == {(("site", "home"),)}
    assert {batch.vendor for batch in b.batches} == {"rct"}


@pytest.mark.slow
def test_who_comes_later_has_soon_what_is_known_already():
    async def main(loop):
        host = Host(loop)
        async with host.running("roof") as ((_, a),):
            await asyncio.sleep(100)
            second, b = host.collector("dach")
            host.start(second)
            await asyncio.sleep(15)
        return a, b

    a, b = run(main)
    known = {n for n in a.values() if not n.startswith("inverter_collector")}
    assert known <= set(b.values())
    for name in (GRID, ENERGY, "inverter.serial"):
        assert set(b.values()[name]) <= set(a.values()[name]) or name == "inverter.serial"
    assert [batch.time_ns for batch in b.batches] == sorted(batch.time_ns for batch in b.batches)


@pytest.mark.slow
def test_when_the_owner_ends_another_takes_the_device_within_a_second(caplog):
    caplog.set_level(logging.INFO)

    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b", "c") as made:
            await asyncio.sleep(100)
            await host.end(made[0][0])
            ended = loop.time()
            attempts = len(host.plug.attempts)
            await asyncio.sleep(60)
            taken = host.plug.attempts[attempts] - ended
            before = [len(told(out)) for _, out in made]
            await asyncio.sleep(100)
            return host, made, taken, before

    host, made, taken, before = run(main)
    assert taken <= 1
    said = [record.getMessage() for record in caplog.records]
    assert sum("is taken from here" in text for text in said) == 2
    assert sum("from which all values are taken over" in text for text in said) == 3
    assert len(host.plug.wires) == 2
    _, b, c = (out for _, out in made)
    assert told(b)[-500:] == told(c)[-500:], "the third follows the second, or the other way round"
    assert len(told(b)) > before[1]
    assert sorted(ends(b)) == ends(b)
    gaps = [(later - sooner) / 1e9 for sooner, later in zip(ends(b), ends(b)[1:], strict=False)]
    assert max(gaps) < 20
    assert {v for _, v in b.values()[UP]} == {1}


@pytest.mark.slow
def test_each_has_what_it_wants_and_no_more():
    few = {"include": ["inverter_power.*", "inverter.serial"], "exclude": ["*"]}

    async def main(loop):
        host = Host(loop)
        async with host.running("roof", **few) as ((_, a),):
            await asyncio.sleep(50)
            more = {"include": ["*energy*"], "exclude": ["*"]}
            second, b = host.collector("dach", **more)
            host.start(second)
            await asyncio.sleep(100)
            await host.end(second)
            last = loop.time()
            await asyncio.sleep(400)
        return host, a, b, last

    host, a, b, last = run(main)
    assert ENERGY in b.values()
    assert GRID not in b.values()
    assert {n.split(".")[0].split("{")[0] for n in a.values()} == {"inverter_power", "inverter"}
    assert max(host.unit.times("energy.e_grid_feed_total")) <= last


@pytest.mark.slow
def test_an_owner_whose_unit_is_away_says_so_for_all():
    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as ((_, a), (_, b)):
            await asyncio.sleep(60)
            host.plug.refuse = "connection refused"
            host.plug.cut()
            await asyncio.sleep(120)
        return a, b

    a, b = run(main)
    last = [batch for batch in b.batches if batch.ends_round][-1]
    same = [batch for batch in a.batches if batch.time_ns == last.time_ns][-1]
    assert last.health == same.health
    assert last.health.missed > 5
    assert last.health.error


@pytest.mark.slow
def test_an_owner_that_hangs_is_told_of_and_followed_again(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    real, told, dead = Client.call, module.Following._told, []

    async def call(self, *args, **more):
        if dead:
            raise TransportError("status was not answered within 5 s", "timeout")
        return await real(self, *args, **more)

    def hear(self, said):
        if not dead:
            told(self, said)

    monkeypatch.setattr(module.Following, "_told", hear)

    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as (_, (_, b)):
            await asyncio.sleep(60)
            monkeypatch.setattr(Client, "call", call)
            dead.append(True)
            await asyncio.sleep(120)
            ups = [value for _, value in b.values()[UP]]
            dead.clear()
            await asyncio.sleep(120)
        return b, ups

    b, ups = run(main)
    assert ups[-5:] == [0] * 5, "each round that is missed is told"
    assert b.values()[UP][-1][1] == 1
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "and it does not answer" in warning.getMessage()
    error = next(batch.health.error for batch in b.batches if not batch.health.up)
    assert "and it does not answer" in error


@pytest.mark.slow
def test_an_owner_that_hangs_and_is_killed_is_followed_by_another_within_a_second(monkeypatch):
    real, told, dead = Client.call, module.Following._told, []

    async def call(self, *args, **more):
        if dead:
            raise TransportError("status was not answered within 5 s", "timeout")
        return await real(self, *args, **more)

    monkeypatch.setattr(Client, "call", call)
    monkeypatch.setattr(
        module.Following, "_told", lambda self, said: None if dead else told(self, said)
    )

    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as ((first, _), (_, b)):
            await asyncio.sleep(60)
            dead.append(True)
            await asyncio.sleep(100)
            attempts = len(host.plug.attempts)
            killed = loop.time()
            await host.end(first)
            dead.clear()
            await asyncio.sleep(20)
        return host.plug.attempts[attempts:], killed, b

    attempts, killed, b = run(main)
    assert attempts[0] - killed <= 1
    assert b.values()[UP][-1][1] == 1


@pytest.mark.slow
def test_what_this_version_does_not_know_is_left_out_and_told_once(monkeypatch, caplog):
    real = module.from_json

    def strange(said):
        said["values"]["inverter_power.of_tomorrow_watts"] = 1.0
        return real(said)

    monkeypatch.setattr(module, "from_json", strange)

    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as (_, (_, b)):
            await asyncio.sleep(100)
        return b

    b = run(main)
    assert len(b.values()[GRID]) > 8
    (text,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert text == "b: 1 series that its owner tells are not known to this version, and left out"


@pytest.mark.slow
def test_who_shares_nothing_keeps_the_device_as_ever(caplog):
    """A command, or a collector of a version before this one."""

    async def main(loop):
        host = Host(loop)
        held = lock_module.DeviceLock(host.collector()[0].devices[0].config.address)
        held.acquire()
        serving = asyncio.create_task(_hang_up(held))
        async with host.running("b") as ((_, b),):
            await asyncio.sleep(60)
            ups = [value for _, value in b.values()[UP]]
            serving.cancel()
            held.release()
            await asyncio.sleep(30)
        return b, ups

    b, ups = run(main)
    assert ups
    assert set(ups) == {0}
    assert b.values()[UP][-1][1] == 1
    (error,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert error.startswith("b: already collected by process ")


async def _hang_up(lock):
    while True:
        lock.tend()
        await asyncio.sleep(0.01)


@pytest.mark.slow
def test_of_two_that_keep_what_they_have_learnt_in_one_place_only_the_owner_writes(tmp_path):
    async def main(loop):
        host = Host(loop)
        async with host.running("roof", "roof", state_dir=tmp_path) as ((first, _), (_, b)):
            await asyncio.sleep(200)
            before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
            follower = host._tasks.keys() - {first}
            for collector in follower:
                await host.end(collector)
            after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        return before, after, b

    before, after, b = run(main)
    assert before
    assert after == before
    assert len(b.values()[GRID]) > 10


def test_late_and_past_values_stay_such(monkeypatch):
    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as ((first, _), (_, b)):
            await asyncio.sleep(20)
            (device,) = first.devices
            series = ROWS.series(GRID)
            for origin in (Origin.LATE, Origin.HISTORY):
                device._publisher.send(1_700_000_000_123_456_789, [(series, 5.0)], origin)
            await asyncio.sleep(1)
        return [batch for batch in b.batches if batch.origin is not Origin.LIVE]

    late, past = run(main)
    assert (late.origin, past.origin) == (Origin.LATE, Origin.HISTORY)
    assert late.time_ns == past.time_ns == 1_700_000_000_123_456_789


@pytest.mark.slow
def test_texts_of_the_unit_come_on_one_line():
    async def main(loop):
        host = Host(loop)
        async with host.running("a") as ((_, a),):
            await asyncio.sleep(100)
            second, b = host.collector("b")
            host.start(second)
            await asyncio.sleep(30)
        return a, b

    lines = [
        [
            {(s.name, v) for s, v in batch.values if s.metric.kind is Kind.TEXT}
            for batch in out.batches
            if any(series is ROWS.info for series, _ in batch.values)
        ]
        for out in run(main)
    ]
    (own,), seen = lines
    assert seen
    assert all(line == own for line in seen)


# -- lines of several units, and devices of many -----------------------------------------------


@asynccontextmanager
async def collecting(loop, devices, plug, clock=None):
    """A collector of some devices, and what it hands over."""
    out = Recorder()
    options = Options(clock=clock or VirtualClock(loop), opener=plug)
    made = Collector(Config.parse({"devices": devices}), out, options)
    task = asyncio.create_task(made.run())
    await asyncio.sleep(1)
    try:
        yield made, out
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def on_bus(**units):
    address = f"tcp://bus-{os.getpid()}.test"
    return [
        {"name": name, "driver": "bus", "address": address, "unit": unit}
        for name, unit in units.items()
    ]


def test_units_on_one_line_are_found_by_their_number_whatever_they_are_called(register, caplog):
    register(bus.DRIVER)
    wires = Wires({"1": 100.0, "2": 200.0})

    async def main(loop):
        plug = Plug(wires)
        async with (
            collecting(loop, on_bus(east="1", west="2"), plug),
            collecting(loop, on_bus(first="2", third="3"), plug) as (_, out),
        ):
            await asyncio.sleep(100)
        return plug, out

    plug, out = run(main)
    assert len(plug.wires) == 1
    values = {
        (batch.source, value)
        for batch in out.batches
        for series, value in batch.values
        if series.name == GRID
    }
    assert values == {("first", 200.0)}
    last = [batch.health for batch in out.batches if batch.source == "third"][-1]
    assert not last.up
    assert last.error.endswith("it collects east, west there, and not the unit 3")
    assert "3" not in wires.asked


def test_a_line_is_taken_at_once_though_others_on_it_could_follow_nobody(register):
    register(bus.DRIVER)
    wires = Wires({"1": 100.0, "2": 200.0, "3": 300.0})

    async def main(loop):
        plug = Plug(wires)
        async with (
            collecting(loop, on_bus(east="1", west="2"), plug) as (owner, _),
            collecting(loop, on_bus(first="2", third="3"), plug) as (_, out),
        ):
            await asyncio.sleep(100)
            before, ended = len(plug.attempts), loop.time()
            await owner.remove("east")
            await owner.remove("west")
            await asyncio.sleep(30)
            taken = plug.attempts[before:]
        return out, ended, taken

    out, ended, taken = run(main)
    assert taken[0] - ended <= 1
    last = {
        batch.source: value
        for batch in out.batches
        for series, value in batch.values
        if series.name == GRID
    }
    assert last == {"first": 200.0, "third": 300.0}


def test_all_units_of_a_device_that_takes_many_are_handed_over_and_removed_with_it(register):
    register(plant.DRIVER)
    unit = Unit()
    for n in range(8):
        for name in ("A1", "B2"):
            unit.say(f"{n};{name};inverter;{WALL + 10 * n};{100 + n}", 1000.0 + 10 * n)
    address = f"tcp://plant-{os.getpid()}.test"

    def plant_of(name):
        return [{"name": name, "driver": "plant", "address": address}]

    async def main(loop):
        plug = Leading(unit)
        clock = VirtualClock(loop)
        async with (
            collecting(loop, plant_of("owner"), plug, clock) as (_, own),
            collecting(loop, plant_of("other"), plug, clock) as (made, out),
        ):
            await asyncio.sleep(100)
            await made.remove("other")
        return plug, own, out

    plug, own, out = run(main)
    assert len(plug.wires) == 1

    def measured(recorder):
        return [
            (batch.unit, batch.time_ns, value)
            for batch in recorder.batches
            for series, value in batch.values
            if series.name == "inverter_power.load_watts"
        ]

    assert set(measured(out)) == set(measured(own))
    assert {name for name, _, _ in measured(out)} == {"A1", "B2"}
    removed = [batch.unit for batch in out.batches if batch.health.removed]
    assert removed == ["A1", "B2", ""]
    assert not any(batch.health.removed for batch in own.batches)


# -- what is known of it when it becomes ours --------------------------------------------------


def test_what_was_followed_is_not_restored_when_the_device_is_ours(tmp_path):
    async def main(loop):
        host = Host(loop)
        made, _ = host.collector("a", state_dir=tmp_path)
        (device,) = made.devices
        device._options = replace(device._options, restore=GapOrder.NEWEST)
        times = [START - 3600 + 10 * n for n in range(180)]
        for wall in times:
            up = Health(up=True, since=wall)
            ended = Batch("x", "rct", (), round(wall * 1e9), (), 10.0, ends_round=True, health=up)
            device.relay(ended)
        task = asyncio.create_task(device.run())
        await asyncio.sleep(1)
        coverage = device._restoring._coverage
        found = [wall in coverage for wall in (times[0], times[-1], START - 7200, START - 900)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    assert run(main) == [True, True, False, False]


def test_what_our_agent_has_not_taken_is_counted_in_place_of_what_the_owners_has_not():
    series = ROWS.series("inverter_collector.samples_dropped_total")

    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as ((first, a), (second, b)):
            first.dropped("a", 7)
            second.dropped("b", 3)
            await asyncio.sleep(30)
        return [out.values()[series.name][-1][1] for out in (a, b)]

    assert run(main) == [7, 3]


# -- a configuration that is read again ----------------------------------------------------------


def test_who_follows_reads_its_configuration_again_when_its_owner_does():
    """Nobody could tell it: it has no door while it follows. And it tells nobody in turn."""
    calls = []

    def reload_of(name):
        async def reload():
            calls.append(name)
            return {}

        return reload

    async def main(loop):
        host = Host(loop)
        async with host.running("roof", "dach", "toit") as made:
            for (collector, _), name in zip(made, ("roof", "dach", "toit"), strict=True):
                collector.broker.reload = collector._sharing._reload = reload_of(name)
            await asyncio.sleep(30)
            async with await Client.connect(made[0][0].devices[0].config.address) as client:
                await client.call("reload")
                await asyncio.sleep(1)

    run(main)
    assert sorted(calls) == ["dach", "roof", "toit"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "answer", "words"),
    [
        ("status", {}, "its answer cannot be understood: KeyError('devices')"),
        ("status", {"devices": [{"driver": "rct"}]}, "its answer cannot be understood: KeyError("),
        ("values", {"units": [{"unit": "", "values": []}]}, "its answer cannot be understood: "),
        ("subscribe", RpcError(-32001, "you may not"), "it does not share it: you may not"),
    ],
)
def test_an_owner_of_another_version_keeps_the_device(
    monkeypatch, caplog, tmp_path, method, answer, words
):
    real = Client.call

    async def call(self, name, *args, **more):
        if name == method:
            if isinstance(answer, Exception):
                raise answer
            return answer
        return await real(self, name, *args, **more)

    monkeypatch.setattr(Client, "call", call)

    async def main(loop):
        host = Host(loop)
        more = {"state_dir": tmp_path}
        async with host.running("a", **more) as ((_, a),):
            second, b = host.collector("a", **more)
            (device,) = second.devices
            device._options = replace(device._options, restore=GapOrder.OLDEST)
            host.start(second)
            await asyncio.sleep(100)
            await host.end(second)
        return a, b, second

    a, b, second = run(main)
    assert {value for _, value in b.values()[UP]} == {0}
    assert {value for _, value in a.values()[UP]} == {1}
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert words in warnings[0]
    assert words in [batch.health.error for batch in b.batches][-1]
    assert second.devices[0]._restoring is None, "nothing is restored by who has no device"


@pytest.mark.slow
def test_an_owner_that_has_nothing_to_tell_is_no_trouble(monkeypatch, caplog):
    real, told, quiet, asked = Client.call, module.Following._told, [], []

    async def call(self, name, *args, **more):
        asked.append(name)
        return await real(self, name, *args, **more)

    monkeypatch.setattr(Client, "call", call)
    monkeypatch.setattr(
        module.Following, "_told", lambda self, said: None if quiet else told(self, said)
    )

    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as (_, (_, b)):
            await asyncio.sleep(60)
            quiet.append(True)
            asked.clear()
            before = len(b.batches)
            await asyncio.sleep(300)
        return b.batches[before:], list(asked)

    batches, asked = run(main)
    assert batches == []
    assert 5 <= len(asked) <= 12, "once in three rounds"
    assert set(asked) == {"status"}
    assert not caplog.records


@pytest.mark.slow
def test_what_cannot_be_understood_is_left_out_and_told_once(monkeypatch, caplog):
    real, count = module.from_json, itertools.count()

    def strange(said):
        if next(count) % 3 == 0:
            raise ValueError("time_ns: None is no int")
        return real(said)

    monkeypatch.setattr(module, "from_json", strange)

    async def main(loop):
        host = Host(loop)
        async with host.running("a", "b") as (_, (_, b)):
            await asyncio.sleep(100)
        return b

    b = run(main)
    assert len(b.batches) > 8
    (text,) = [r.getMessage() for r in caplog.records]
    assert (
        text
        == "b: what its owner tells cannot be understood, and is left out: time_ns: None is no int"
    )


def test_a_unit_that_made_room_at_the_owner_is_gone_and_an_event_is_not_told_again():
    event = ROWS.series("inverter_event.duration_seconds", code="118")

    async def main(loop):
        made, out = Host(loop).collector()
        (device,) = made.devices
        start = Batch("x", "rct", (), 5 * 10**9, (), 10.0, health=Health(up=True))
        device.relay(start._replace(unit="A1"))
        device.relay(start._replace(unit="A1", health=Health(removed=True)))
        device.relay(start._replace(health=Health(removed=True)))
        device.relay(start._replace(values=((event, 1.0),)))
        device.removed()
        return out.batches, device._relay.events_to_ns

    batches, events_to_ns = run(main)
    assert [(b.unit, b.health.removed) for b in batches] == [
        ("A1", False),
        ("A1", True),
        ("", False),
        ("", True),
    ]
    assert events_to_ns == 5 * 10**9
