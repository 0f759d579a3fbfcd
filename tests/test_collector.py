"""All devices of one process: one's trouble is none of the others'."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from rct_collector import collector as module
from rct_collector.collector import RESERVE, RESTART_S, Collector
from rct_collector.config import Config
from rct_collector.device.device import Device, Options
from rct_collector.device.polling.exchange import Exchange
from rct_collector.transport import transport
from tests.scripted import ScriptedUnit
from tests.virtual import START, Plug, Recorder, VirtualClock, run


def config(count, **more):
    return Config.parse(
        {
            "devices": [
                {"name": f"unit{n}", "driver": "rct", "address": f"tcp://unit{n}.test"}
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


def test_devices_do_not_begin_their_rounds_together():
    units = [ScriptedUnit() for _ in range(8)]

    async def main(loop):
        made, _ = collector(loop, units, Recorder())
        await during(made, 60)

    run(main)
    name = "g_sync.p_ac_grid_sum_lp"
    begins = {round(unit.times(name)[-1] % 10, 1) for unit in units}
    assert len(begins) >= 6


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

    def pump(self):
        if sys._getframe(1).f_code.co_name == "_time_has_come" and not failed:
            failed.append(self)
            raise ZeroDivisionError("a defect")
        real(self)

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


def test_without_a_limit_all_fit(monkeypatch):
    monkeypatch.setattr(module, "descriptors", lambda: (10, math.inf))
    assert names(Collector.fitting([config(1000)])) == names([config(1000)])


def test_only_the_devices_of_this_share_need_files(monkeypatch):
    monkeypatch.setattr(module, "descriptors", lambda: (0, RESERVE + 3 * 30))
    whole = config(40, shard="0/2")
    assert Collector.fitting([whole]) == [whole]
    assert len(Collector(whole, Recorder(), Options(lock=False)).devices) < 30
