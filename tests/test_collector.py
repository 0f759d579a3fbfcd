"""All devices of one process: one's trouble is none of the others'."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from rct_collector import collector as module
from rct_collector.collector import RESERVE, RESTART_S, Applied, Collector, begin_after, starts
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.polling.exchange import Exchange
from rct_collector.errors import BusyError, ConfigError
from rct_collector.limiter import MOST_EACH
from rct_collector.lines.lock import DeviceLock
from rct_collector.transport import transport
from tests.addresses import tcp
from tests.scripted import ScriptedUnit
from tests.virtual import START, Plug, Recorder, VirtualClock, run


def config(count, each=None, **more):
    return Config.parse(
        {
            "devices": [
                {
                    "name": f"unit{n}",
                    "driver": "rct",
                    "address": f"tcp://unit{n}.test",
                    **(each or {}),
                }
                for n in range(count)
            ],
            **more,
        }
    )


class Switchboard:
    """Leads each host to its own unit."""

    def __init__(self, units):
        self.plugs = {f"unit{n}.test": Plug(unit) for n, unit in enumerate(units)}

    async def __call__(self, address, *rest):
        return await self.plugs[transport("tcp").name(address)](address, *rest)


def collector(loop, units, out, **more):
    board = Switchboard(units)
    options = Options(clock=VirtualClock(loop), opener=board, lock=False)
    return Collector(config(len(units), **more), out, options), board


async def during(made, seconds):
    task = asyncio.create_task(made.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def rounds(out, source):
    return [b.time_ns for b in out.batches if b.source == source]


@pytest.mark.slow
def test_a_silent_and_a_refusing_device_do_not_delay_the_others():
    silent = ScriptedUnit()
    silent.mangle = lambda item, data, n: None
    units = [ScriptedUnit(), silent, ScriptedUnit(), ScriptedUnit()]
    out = Recorder()

    async def main(loop):
        made, board = collector(loop, units, out)
        board.plugs["unit2.test"].refuse = "connection refused"
        await during(made, 60)

    run(main)
    alone = Recorder()

    async def only(loop):
        made, _ = collector(loop, [ScriptedUnit()], alone)
        await during(made, 60)

    run(only)
    assert rounds(out, "unit0") == rounds(alone, "unit0")
    assert rounds(out, "unit3")


@pytest.mark.slow
def test_devices_do_not_begin_their_rounds_together():
    units = [ScriptedUnit() for _ in range(8)]

    async def main(loop):
        made, _ = collector(loop, units, Recorder())
        await during(made, 60)

    run(main)
    name = "g_sync.p_ac_grid_sum_lp"
    begins = {round(unit.times(name)[-1] % 10, 1) for unit in units}
    assert len(begins) >= 6


@pytest.mark.parametrize(
    ("count", "seconds"), [(1, 0.0), (20, 0.0095), (1000, 0.4995), (4000, 1.0)]
)
def test_many_devices_begin_one_after_the_other_within_a_second(count, seconds):
    begins = [begin_after(number, count) for number in range(count)]
    assert begins == sorted(set(begins))
    assert begins[0] == 0, "where there is but one, it waits for nothing"
    assert begins[-1] == pytest.approx(seconds, abs=0.001)


def test_all_devices_of_a_line_begin_together():
    """Else a unit that dials in could call before all listen whom it may be for."""
    places = ("one", "two", "one", "three", "two")
    devices = [
        replace(item, address=tcp(f"{place}.test"))
        for item, place in zip(config(5).devices, places, strict=True)
    ]
    assert starts(devices) == [begin_after(n, 3) for n in (0, 1, 0, 2, 1)]
    assert starts([]) == []


@pytest.mark.parametrize("before", [0, 1], ids=["at the start", "added"])
def test_devices_connect_one_after_the_other(before):
    opened = []

    async def main(loop):
        board = Switchboard([ScriptedUnit() for _ in range(20)])

        async def opener(address, *rest):
            opened.append((transport("tcp").name(address), loop.time()))
            return await board(address, *rest)

        options = Options(clock=VirtualClock(loop), opener=opener, lock=False)
        made = Collector(config(before or 20), Recorder(), options)
        task = asyncio.create_task(made.run())
        if before:
            await asyncio.sleep(1)
            opened.clear()
            await made.apply(config(20))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main)
    assert [name for name, _ in opened] == [f"unit{n}.test" for n in range(before, 20)]
    times = [at for _, at in opened]
    assert times == pytest.approx([times[0] + n / 2000 for n in range(len(times))])


def test_aligned_rounds_begin_at_full_multiples():
    unit = ScriptedUnit()
    out = Recorder()

    async def main(loop):
        board = Switchboard([unit])
        options = Options(clock=VirtualClock(loop), opener=board, lock=False, aligned=True)
        await during(Collector(config(1), out, options), 65)

    run(main)
    late = [t / 1e9 % 10 for t in rounds(out, "unit0")[4:]]
    assert late
    assert all(offset < 0.5 for offset in late)


@pytest.mark.slow
def test_a_defect_in_one_device_is_logged_and_its_collection_begins_anew(monkeypatch, caplog):
    real = Device.round
    broken = iter([True])

    async def round_(self, limit=None):
        if self.name == "unit0" and next(broken, False):
            raise ZeroDivisionError("a defect")
        await real(self, limit)

    monkeypatch.setattr(Device, "round", round_)
    out = Recorder()

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit(), ScriptedUnit()], out)
        await during(made, RESTART_S + 40)

    with caplog.at_level(logging.ERROR):
        run(main)
    assert rounds(out, "unit0")
    assert len(rounds(out, "unit1")) > len(rounds(out, "unit0"))
    assert [r.getMessage() for r in caplog.records] == ["unit0: bug; its collection begins anew"]


@pytest.mark.slow
def test_a_device_that_cannot_be_made_stops_no_other_and_is_tried_again(monkeypatch, caplog):
    real = Device.__init__
    broken = iter([True, True])

    def init(self, config, *rest):
        if config.name == "unit0" and next(broken, False):
            raise ZeroDivisionError("a defect")
        real(self, config, *rest)

    monkeypatch.setattr(Device, "__init__", init)
    out = Recorder()

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit(), ScriptedUnit()], out)
        assert [device.name for device in made.devices] == ["unit1"]
        assert await asyncio.wait_for(during_first_round(made), 30)
        await during(made, 2 * RESTART_S + 40)
        return made

    with caplog.at_level(logging.ERROR):
        made = run(main)
    assert {device.name for device in made.devices} == {"unit0", "unit1"}
    assert rounds(out, "unit0")
    assert len(rounds(out, "unit1")) > len(rounds(out, "unit0"))
    told = ["unit0: bug; it is tried again", "unit0: bug; its collection begins anew"]
    assert [r.getMessage() for r in caplog.records] == told


async def during_first_round(made):
    task = asyncio.create_task(made.run())
    try:
        return await made.first_round(10.0)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


HOSTILE = {
    "nested": lambda path: path.write_bytes(b"[" * 60_000),
    "fifo": os.mkfifo,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "folder": lambda path: path.mkdir(),
    "large": lambda path: path.write_bytes(b" " * 200_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_state_file_of_one_device_stops_neither_it_nor_others(tmp_path, make):
    make(tmp_path / "unit0.json")
    out = Recorder()

    async def main(loop):
        options = Options(
            clock=VirtualClock(loop),
            opener=Switchboard([ScriptedUnit(), ScriptedUnit()]),
            lock=False,
            state_dir=tmp_path,
        )
        await during(Collector(config(2), out, options), 40)

    run(main)
    assert rounds(out, "unit0")
    assert rounds(out, "unit1")
    assert (tmp_path / "unit1.json").exists(), "the end waits for what is to be written"


def test_what_killed_processes_have_left_half_written_is_removed_at_the_start(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    drafts = {name: tmp_path / f"{name}.{process.pid}.new" for name in ("unit0", "unit7")}
    for path in drafts.values():
        path.write_text("half")

    async def main(loop):
        Collector(config(1), Recorder(), Options(clock=VirtualClock(loop), state_dir=tmp_path))

    run(main)
    assert not drafts["unit0"].exists()
    assert drafts["unit7"].exists()


@pytest.mark.slow
def test_a_sink_that_fails_loses_its_batch_and_nothing_else(caplog):
    calls = []

    def sink(batch):
        calls.append(batch)
        raise OSError("full")

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit()], sink)
        await during(made, 40)

    with caplog.at_level(logging.CRITICAL):
        run(main)
    assert len(calls) > 4


def test_the_first_round_is_waited_for_but_not_for_ever():
    silent = ScriptedUnit()
    silent.mangle = lambda item, data, n: None

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit(), silent], Recorder())
        task = asyncio.create_task(made.run())
        begun = loop.time()
        in_time = await made.first_round(4.0)
        waited = loop.time() - begun
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return in_time, waited

    in_time, waited = run(main)
    assert waited <= 4.0
    assert in_time is (waited < 4.0)


def test_a_share_takes_its_devices_only():
    async def main(loop):
        names = []
        for n in range(3):
            made, _ = collector(
                loop, [ScriptedUnit() for _ in range(9)], Recorder(), shard=f"{n}/3"
            )
            names += [device.name for device in made.devices]
        return names

    assert sorted(run(main)) == [f"unit{n}" for n in range(9)]


@pytest.mark.slow
def test_dropped_samples_are_counted_with_their_device():
    out = Recorder()

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit(), ScriptedUnit()], out)
        made.dropped("unit1", 7)
        await during(made, 15)

    run(main)
    totals = {
        batch.source: value
        for batch in out.batches
        for series, value in batch.values
        if series.metric.field == "samples_dropped_total"
    }
    assert totals == {"unit0": 0, "unit1": 7}


@pytest.mark.slow
def test_what_was_dropped_is_found_without_a_look_at_each_device():
    """At a stop, each of 10,000 devices may have something dropped."""

    def lines_run(count):
        async def main(loop):
            made, _ = collector(loop, [ScriptedUnit()] * count, Recorder())
            counted = 0

            def trace(frame, event, _arg):
                nonlocal counted
                counted += event == "line"
                return trace

            before = sys.gettrace()
            sys.settrace(trace)
            try:
                made.dropped(f"unit{count - 1}", 1)
            finally:
                sys.settrace(before)
            return counted

        return run(main)

    assert lines_run(2) == lines_run(200) > 0


def test_dropped_samples_of_a_device_that_is_not_there_are_nobodys():
    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit()], Recorder())
        made.dropped("", 7)
        return made.devices[0].stats.totals["samples_dropped"]

    assert run(main) == 0


def test_it_collects_until_something_else_ends():
    out = Recorder()

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit()], out)
        await made.run_until(asyncio.sleep(30))
        return loop.time()

    assert run(main) < 1031
    assert rounds(out, "unit0")


def test_that_it_cannot_collect_is_noticed_by_who_waits_for_something_else(monkeypatch):
    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit()], Recorder())
        with pytest.raises(ExceptionGroup):
            await made.run_until(asyncio.Event().wait())

    def broken(*_args, **_more):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(module, "keep_running", broken)
    run(main)


def test_without_devices_it_does_not_end_either():
    async def main(loop):
        made = Collector(replace(config(1), devices=()), Recorder(), Options(lock=False))
        await made.run_until(asyncio.sleep(1000))
        return loop.time()

    assert run(main) >= 2000


def test_a_defect_in_a_timer_of_a_device_is_logged_and_its_collection_begins_anew(
    monkeypatch, caplog
):
    """Nobody is above a timer, and the round would wait for ever."""
    real = Exchange._pump
    failed = []

    def pump(self, now):
        if sys._getframe(1).f_code.co_name == "_time_has_come" and not failed:
            failed.append(self)
            raise ZeroDivisionError("a defect")
        real(self, now)

    monkeypatch.setattr(Exchange, "_pump", pump)
    out = Recorder()

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit()], out)
        await during(made, RESTART_S + 60)
        return loop.time()

    with caplog.at_level(logging.ERROR):
        end = run(main)
    assert failed
    assert [r.getMessage() for r in caplog.records] == ["unit0: bug; its collection begins anew"]
    assert rounds(out, "unit0")[-1] / 1e9 - START > end - 1000 - 20


# -- devices that come and go -------------------------------------------------------------------


def entry(number, host=None, **more):
    host = host or f"unit{number}.test"
    return {"name": f"unit{number}", "driver": "rct", "address": f"tcp://{host}", **more}


def parsed(*entries, **more):
    return Config.parse({"devices": list(entries), **more})


class Running:
    """A collector of several units, that runs while a test changes it."""

    def __init__(self, loop, count, out, **more):
        self.units = [ScriptedUnit() for _ in range(8)]
        self.board = Switchboard(self.units)
        options = {"clock": VirtualClock(loop), "opener": self.board, "lock": False}
        begin = replace(parsed(entry(0)), devices=parsed(*map(entry, range(8))).devices[:count])
        self.made = Collector(begin, out, Options(**{**options, **more}))
        self.out = out

    async def __aenter__(self):
        self.task = asyncio.create_task(self.made.run())
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def device(self, name):
        return next(device for device in self.made.devices if device.name == name)

    def lines(self, number):
        """Lines that lead to a unit at present."""
        return len(self.units[number]._readers)


def changing(job, count=4, **more):
    """What a collector hands over while ``job(running)`` changes it."""
    out = Recorder()

    async def main(loop):
        async with Running(loop, count, out, **more) as running:
            await job(running)

    run(main)
    return out


def last_of(out, source):
    return [batch for batch in out.batches if batch.source == source][-1]


@pytest.mark.slow
def test_a_new_configuration_changes_what_differs_and_nothing_else():
    new = parsed(
        entry(0),
        entry(2, intervals={"fast": "20s"}),
        entry(3),
        entry(4),
    )
    undisturbed = changing(lambda _: asyncio.sleep(305))
    result = []

    async def job(running):
        await asyncio.sleep(99)
        before = {name: running.device(name) for name in ("unit0", "unit2", "unit3")}
        running.at = len(running.out.batches)
        result.append(await running.made.apply(new))
        assert [running.lines(n) for n in range(5)] == [1, 0, 0, 1, 0]
        await asyncio.sleep(206)
        assert [running.lines(n) for n in range(5)] == [1, 0, 1, 1, 1]
        assert running.device("unit0") is before["unit0"]
        assert running.device("unit3") is before["unit3"]
        assert running.device("unit2") is not before["unit2"]
        assert len(running.board.plugs["unit0.test"].attempts) == 1
        assert len(running.board.plugs["unit2.test"].attempts) == 2

    out = changing(job)
    assert result == [Applied(("unit4",), ("unit1",), ("unit2",), ("unit0", "unit3"), {})]
    for name in ("unit0", "unit3"):
        assert rounds(out, name) == rounds(undisturbed, name)
    last = last_of(out, "unit1")
    assert last.health.removed
    assert last.values == ()
    assert last.time_ns / 1e9 == pytest.approx(START + 99)
    assert [b.source for b in out.batches if b.health.removed] == ["unit1", "unit2"]
    ends = [b.time_ns / 1e9 for b in out.batches if b.source == "unit2" and b.ends_round]
    later = [b - a for a, b in itertools.pairwise(t for t in ends if t > START + 121)]
    assert later == pytest.approx([20.0] * len(later), abs=0.1)
    assert len(later) >= 8
    assert rounds(out, "unit4")


@pytest.mark.slow
def test_the_same_configuration_read_again_changes_nothing():
    more = {"timezone": "Europe/Berlin", "labels": {"site": "home"}, "cells": True}
    entries = [entry(0, **more), entry(1, timezone="local"), entry(2, exclude=["*"])]
    results = []

    async def job(running):
        await asyncio.sleep(30)
        for _ in range(2):
            results.append(await running.made.apply(parsed(*entries)))
            await asyncio.sleep(30)

    out = changing(job, count=0)
    names = ("unit0", "unit1", "unit2")
    assert results == [Applied(names, (), (), (), {}), Applied((), (), (), names, {})]
    assert not any(batch.health.removed for batch in out.batches)


@pytest.mark.slow
def test_devices_may_change_places():
    results = []

    async def job(running):
        await asyncio.sleep(30)
        new = parsed(entry(0, "unit1.test"), entry(1, "unit0.test"))
        results.append(await running.made.apply(new))
        await asyncio.sleep(30)
        found = {d.name: transport("tcp").name(d.config.address) for d in running.made.devices}
        assert found == {"unit0": "unit1.test", "unit1": "unit0.test"}
        assert all(device.port.is_open for device in running.made.devices)

    changing(job, count=2)
    assert results == [Applied((), (), ("unit0", "unit1"), (), {})]


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.001, 0.1, 1.0, 33.0])
def test_what_was_read_of_a_removed_device_is_handed_over(seconds):
    async def job(running):
        await asyncio.sleep(seconds)
        await running.made.remove("unit1")
        running.removed = len(running.out.batches)
        assert running.lines(1) == 0
        assert [device.name for device in running.made.devices] == ["unit0"]
        await asyncio.sleep(100)
        assert "unit1" not in {b.source for b in running.out.batches[running.removed :]}

    out = changing(job, count=2)
    mine = [batch for batch in out.batches if batch.source == "unit1"]
    assert [batch.health.removed for batch in mine] == [False] * (len(mine) - 1) + [True]
    if seconds >= 0.1:
        assert mine[-1].health.up, "it did not fail, it was removed"
        assert mine[-2].ends_round
    if seconds >= 1.0:
        assert any(not s.metric.own for batch in mine for s, _ in batch.values)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="locks are Linux's own")
def test_the_lock_of_a_removed_device_is_free():
    host = f"removed-{os.getpid()}.test"  # runs of the tests on one host do not meet
    device = parsed(entry(1, host)).devices[0]
    other = DeviceLock(device.address, "other")

    async def job(running):
        running.board.plugs[host] = Plug(running.units[1])
        running.made.add(device)
        await asyncio.sleep(30)
        with pytest.raises(BusyError):
            other.acquire()
        await running.made.remove("unit1")
        other.acquire()
        running.made.add(device)
        await asyncio.sleep(30)
        assert running.lines(1) == 0
        other.release()
        await asyncio.sleep(120)
        assert running.lines(1) == 1

    out = changing(job, count=0, lock=True)
    assert rounds(out, "unit1")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "host", "message"),
    [
        (1, "elsewhere.test", "unit1 is not added: there is a device of that name already; names"),
        (7, "UNIT1.test:8899", "unit7 is not added: tcp://unit1.test:8899 is asked by unit1"),
    ],
)
def test_a_second_device_of_a_name_or_at_an_address_is_refused(number, host, message):
    async def job(running):
        await asyncio.sleep(30)
        with pytest.raises(ConfigError) as caught:
            running.made.add(parsed(entry(number, host)).devices[0])
        assert str(caught.value).startswith(message)
        assert [device.name for device in running.made.devices] == ["unit0", "unit1"]
        await running.made.remove("unit1")
        running.made.add(parsed(entry(number, host)).devices[0])

    changing(job, count=2)


def test_who_is_to_be_removed_must_be_there():
    async def job(running):
        with pytest.raises(ConfigError, match="no device 'barn' to be removed; known: unit0, unit"):
            await running.made.remove("barn")

    changing(job, count=2)


@pytest.mark.slow
@pytest.mark.measured
def test_a_device_that_cannot_be_added_stops_no_other_and_is_tried_again(monkeypatch, caplog):
    real = Device.__init__
    broken = iter([True])

    def init(self, config, *rest):
        if config.name == "unit2" and next(broken, False):
            raise ZeroDivisionError("a defect")
        real(self, config, *rest)

    async def job(running):
        await asyncio.sleep(30)
        monkeypatch.setattr(Device, "__init__", init)
        new = parsed(entry(0), entry(2), entry(3), entry(4))
        found = await running.made.apply(new)
        assert found == Applied(("unit2", "unit3", "unit4"), ("unit1",), (), ("unit0",), {})
        assert [device.name for device in running.made.devices] == ["unit0", "unit3", "unit4"]
        await asyncio.sleep(RESTART_S + 30)
        assert running.device("unit2")

    with caplog.at_level(logging.ERROR):
        out = changing(job, count=2)
    assert [r.getMessage() for r in caplog.records] == ["unit2: bug; it is tried again"]
    assert all(rounds(out, f"unit{n}") for n in (2, 3, 4))


@pytest.mark.slow
def test_a_device_that_could_not_be_made_can_be_removed(monkeypatch):
    def init(*_):
        raise ZeroDivisionError("a defect")

    async def job(running):
        monkeypatch.setattr(Device, "__init__", init)
        running.made.add(parsed(entry(3)).devices[0])
        await asyncio.sleep(10)
        await running.made.remove("unit3")
        monkeypatch.undo()
        running.made.add(parsed(entry(3)).devices[0])
        await asyncio.sleep(10)

    assert rounds(changing(job, count=1), "unit3")


@pytest.mark.slow
def test_devices_for_which_there_are_no_files_are_refused_and_told(monkeypatch, caplog):
    results = []

    async def job(running):
        await asyncio.sleep(30)
        monkeypatch.setattr(module, "descriptors", lambda: (10, 10 + RESERVE + 3))
        results.append(await running.made.apply(parsed(*(entry(n) for n in range(4)))))
        await asyncio.sleep(30)

    with caplog.at_level(logging.ERROR):
        out = changing(job, count=1)
    (found,) = results
    assert found[:4] == (("unit1",), (), (), ("unit0",))
    assert list(found.refused) == ["unit2", "unit3"]
    assert "needs" in found.refused["unit2"]
    assert [r.getMessage() for r in caplog.records] == list(found.refused.values())
    assert rounds(out, "unit1")


@pytest.mark.slow
def test_changes_that_overlap_take_their_turns():
    async def job(running):
        await asyncio.sleep(30)
        one, two = parsed(entry(0), entry(2)), parsed(entry(1), entry(2))
        found = await asyncio.gather(running.made.apply(one), running.made.apply(two))
        assert [item.added for item in found] == [("unit2",), ("unit1",)]
        assert {device.name for device in running.made.devices} == {"unit1", "unit2"}
        await asyncio.sleep(30)
        assert [running.lines(n) for n in range(4)] == [0, 1, 1, 0]

    changing(job, count=2)


def test_what_all_devices_depend_on_changes_all_of_them(tmp_path):
    async def main(loop):
        made = Collector(parsed(entry(0), entry(1)), Recorder())
        same = await made.apply(parsed(entry(0), entry(1), prefix="solar"))
        folder = parsed(entry(0), entry(1), state_dir=str(tmp_path), phase="aligned")
        return same, await made.apply(folder), await made.apply(folder)

    names = ("unit0", "unit1")
    same, changed, again = run(main)
    assert same == again == Applied((), (), (), names, {})
    assert changed == Applied((), (), names, (), {})


@pytest.mark.slow
def test_a_changed_device_knows_what_it_has_learnt_before(tmp_path):
    async def job(running):
        await asyncio.sleep(30)
        facts = dict(running.device("unit0").discovery.facts)
        assert facts
        await running.made.apply(parsed(entry(0, exclude=["inverter_settings.*"])))
        assert running.device("unit0").discovery.facts == facts

    changing(job, count=1, state_dir=tmp_path)


@pytest.mark.slow
def test_a_sink_that_fails_for_ever_does_not_fill_the_log(caplog):
    batches = []

    def sink(batch):
        batches.append(batch)
        raise OSError("full")

    # Far more often than it may be told, in the hour after which the rest is counted.
    each = {"intervals": {"fast": "1m", "medium": "5m", "slow": "15m"}}

    async def main(loop):
        made, _ = collector(loop, [ScriptedUnit(), ScriptedUnit()], sink, each=each)
        await during(made, 3700)

    with caplog.at_level(logging.ERROR):
        run(main)
    assert len(batches) > 100
    told = [record for record in caplog.records if "could not be handed over" in record.message]
    assert len(told) <= 2 * (MOST_EACH + 1)
    assert any("more in the last hour" in record.message for record in told)
    assert told[0].exc_info[0] is OSError


# -- open files --------------------------------------------------------------------------------


def names(configs):
    return [device.name for item in configs for device in item.devices]


@pytest.mark.parametrize(
    ("limit", "fit"),
    [(10 + RESERVE + 3 * 4, 4), (10 + RESERVE + 3 * 4 - 1, 3), (10 + RESERVE + 2, 0), (5, 0)],
)
def test_as_many_devices_are_taken_as_there_are_files_for(monkeypatch, caplog, limit, fit):
    monkeypatch.setattr(module, "descriptors", lambda: (10, limit))
    with caplog.at_level(logging.ERROR):
        found = Collector.fitting([config(4)])
    assert names(found) == [f"unit{n}" for n in range(fit)]
    if fit == 4:
        assert not caplog.records
        return
    (record,) = caplog.records
    need = 10 + RESERVE + 12
    assert record.getMessage() == (
        f"{4 - fit} of 4 devices are left out, unit{fit} and what follows: this process may have"
        f" {limit} open files and needs {need} for 4 devices; raise that with LimitNOFILE={need} in"
        f" its systemd service, or ulimit -n {need} where it is started"
    )


def test_an_address_needs_fewer_files_than_a_name(monkeypatch):
    monkeypatch.setattr(module, "descriptors", lambda: (0, RESERVE + 5))
    devices = [
        {"name": f"unit{n}", "driver": "rct", "address": f"tcp://{host}"}
        for n, host in enumerate(["192.0.2.1", "[2001:db8::1]", "unit.test"])
    ]
    forth, back = (Config.parse({"devices": found}) for found in (devices, devices[::-1]))
    assert names(Collector.fitting([forth])) == ["unit0", "unit1"]
    assert names(Collector.fitting([back])) == ["unit2", "unit1"]


def test_all_configurations_of_a_process_share_its_files(monkeypatch, caplog):
    monkeypatch.setattr(module, "descriptors", lambda: (0, 3 * 5 + 2))
    others = Config.parse(
        {"devices": [{"name": "barn", "driver": "rct", "address": "tcp://barn.test"}]}
    )
    found = Collector.fitting([config(5), others], reserve=2, who="collectd")
    assert [len(item.devices) for item in found] == [5, 0]
    assert "1 of 6 devices are left out, barn and what follows: collectd may have 17" in caplog.text
    assert "needs 20 for 6 devices" in caplog.text


@pytest.mark.slow
def test_without_a_limit_all_fit(monkeypatch):
    monkeypatch.setattr(module, "descriptors", lambda: (10, math.inf))
    assert names(Collector.fitting([config(1000)])) == names([config(1000)])


def test_only_the_devices_of_this_share_need_files(monkeypatch):
    monkeypatch.setattr(module, "descriptors", lambda: (0, RESERVE + 3 * 30))
    whole = config(40, shard="0/2")
    assert Collector.fitting([whole]) == [whole]
    assert len(Collector(whole, Recorder(), Options(lock=False)).devices) < 30
