"""All devices of one process: one's trouble is none of the others'."""

from __future__ import annotations

import asyncio
import logging

from rct_collector.collector import RESTART_S, Collector
from rct_collector.config import parse
from rct_collector.device.device import Device, Options
from tests.scripted import ScriptedUnit
from tests.virtual import Plug, Recorder, VirtualClock, run


def config(count, **more):
    return parse(
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

    async def __call__(self, host, *rest):
        return await self.plugs[host](host, *rest)


def collector(loop, units, out, **more):
    board = Switchboard(units)
    options = Options(clock=VirtualClock(loop), openers={"tcp": board}, lock=False)
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
        options = Options(
            clock=VirtualClock(loop), openers={"tcp": board}, lock=False, aligned=True
        )
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
