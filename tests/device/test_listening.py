"""Others who listen to a device: each gets what it wants, and the agent what it always got."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.catalog import catalog
from rct_collector.config import Config
from rct_collector.device.consumers import Consumers
from rct_collector.device.device import Device
from rct_collector.device.polling.plan import Choice
from rct_collector.model import Batch, Kind, Origin
from rct_collector.receipt import Receipt
from tests.scripted import ScriptedUnit
from tests.virtual import Plug, Recorder, options, run

ROWS = catalog()
SOC = "inverter_battery{battery=0}.soc_percent"
CELL = "inverter_battery_cell{battery=0,cell=0,module=0}.voltage_volts"

#: What the agent of the tests wants: power, and nothing of the battery.
FEW = {"include": ["inverter_power.*", "inverter.serial"], "exclude": ["*"]}

#: What changes with how hard the unit is asked.
EFFORT = {
    f"inverter_collector.{field}"
    for field in (
        "requests_total", "answers_total", "sent_bytes_total", "received_bytes_total",
        "poll_seconds", "answer_latency_seconds",
    )
}  # fmt: skip


def config(**more):
    device = {"name": "roof", "driver": "rct", "address": "tcp://roof", **more}
    return Config.parse({"devices": [device]}).devices[0]


class Bench:
    def __init__(self, loop, **more):
        self.unit = ScriptedUnit()
        self.out = Recorder()
        self.device = Device(config(**more), self.out, options(loop, Plug(self.unit)))

    async def __aenter__(self):
        self._task = asyncio.create_task(self.device.run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def told(batches):
    """Round by round what was told that does not depend on how hard the unit was asked."""
    rounds, values = [], set()
    for batch in batches:
        values.update((s.name, v) for s, v in batch.values if s.name not in EFFORT)
        if batch.ends_round:
            rounds.append((round(batch.time_ns / 1e9, 5), batch.interval_s, batch.health, values))
            values = set()
    return rounds


async def listened_to(loop, more, *choices):
    async with Bench(loop, **more) as made:
        await asyncio.sleep(95)
        ends = [made.device.listen(Recorder(), choice) for choice in choices]
        await asyncio.sleep(200)
        for end in ends:
            end()
        await asyncio.sleep(125)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("more", [FEW, {**FEW, "include": ["inverter_power.*", "inverter.*"]}, {}])
def test_the_agent_notices_nothing_of_who_listens(more):
    alone = run(lambda loop: listened_to(loop, more))
    others = (Choice(include=("*.soc_target_percent", "inverter.*"), exclude=("*",)), None)
    beside = run(lambda loop: listened_to(loop, more, *others))
    assert told(beside.out.batches) == told(alone.out.batches)


@pytest.mark.slow
def test_the_agent_gets_the_same_rounds_when_much_is_wanted_by_others():
    alone = run(lambda loop: listened_to(loop, FEW))
    beside = run(lambda loop: listened_to(loop, FEW, Choice(frozenset({"cells"})), Choice()))
    assert len(beside.unit.asked) > len(alone.unit.asked) + 100
    fast = "inverter_power.grid_watts"
    for found in (beside, alone):
        assert set(found.out.values()) == set(alone.out.values())
        assert len(found.out.values()[fast]) == len(told(found.out.batches)) == 42


def test_who_listens_gets_what_it_wants_while_it_does():
    other = Recorder()

    async def main(loop):
        async with Bench(loop, **FEW) as made:
            await asyncio.sleep(95)
            listened = loop.time()
            end = made.device.listen(other, Choice(include=("*.soc_percent",), exclude=("*",)))
            before = made.device.polling.asking
            await asyncio.sleep(60)
            assert before > made.device.polling.asking == 0
            end()
            end()  # once more is no harm
            ended = loop.time()
            await asyncio.sleep(60)
        return made, listened, ended

    made, listened, ended = run(main)
    assert set(other.values()) == {SOC}
    assert len(other.values()[SOC]) == 6
    assert SOC not in made.out.values()
    times = made.unit.times("battery.soc")
    assert listened < min(times)
    assert max(times) < ended, "nobody wants it any more"
    assert [b.time_ns for b in other.batches if b.ends_round] == [
        b.time_ns for b in made.out.batches if b.ends_round
    ][10:16]


@pytest.mark.slow
def test_what_nobody_has_wanted_before_does_not_wait_for_its_interval():
    other = Recorder()

    async def main(loop):
        async with Bench(loop, **FEW) as made:
            await asyncio.sleep(95)
            made.device.listen(other, Choice(frozenset({"cells"})))
            await asyncio.sleep(240)

    run(main)
    assert {CELL, "inverter_energy{flow=grid_export}.watt_hours_total"} <= set(other.values())


def test_texts_that_are_known_come_to_who_listens_with_the_next_round_on_one_line():
    other = Recorder()

    async def main(loop):
        async with Bench(loop) as made:
            await asyncio.sleep(95)
            made.device.listen(other)
            await asyncio.sleep(20)
        return made

    made = run(main)
    lines = [
        {series: value for series, value in batch.values if series.metric.kind is Kind.TEXT}
        for recorder in (made.out, other)
        for batch in recorder.batches
        if any(series is ROWS.info for series, _ in batch.values)
    ]
    own, seen = lines
    assert own == seen
    assert len(seen) > 3


@pytest.mark.slow
def test_a_line_about_the_unit_has_only_the_texts_that_are_wanted():
    other = Recorder()

    async def main(loop):
        async with Bench(loop) as made:
            made.device.listen(other, Choice(include=("inverter.serial",), exclude=("*",)))
            await asyncio.sleep(60)
        return made

    made = run(main)
    assert set(other.values()) == {"inverter.serial", "inverter.info"}
    assert len(made.out.values()["inverter.info"]) == 1


def test_who_cannot_be_told_is_not_told_any_more(caplog):
    def broken(_batch):
        raise RuntimeError("broken")

    async def main(loop):
        async with Bench(loop) as made:
            made.device.listen(broken)
            await asyncio.sleep(60)
        return made

    made = run(main)
    assert [r.levelname for r in caplog.records] == ["ERROR"]
    assert len([b for b in made.out.batches if b.ends_round]) == 6
    assert len(list(made.device.consumers)) == 1


def batch(*names, receipt=None, ends_round=False):
    values = tuple((ROWS.series(name), 1.0) for name in names)
    return Batch("roof", "toy", (), 1, values, 10.0, receipt=receipt, ends_round=ends_round)


GRID, PV = "inverter_power.grid_watts", "inverter_power.pv_watts"


def test_a_receipt_is_the_agents():
    own, other = Recorder(), Recorder()
    consumers = Consumers(Choice(include=(GRID,), exclude=("*",)), own)
    consumers.add(Choice(), other)
    receipt = Receipt()
    consumers.send(batch(GRID, PV, receipt=receipt))
    assert [len(b.values) for b in (*own.batches, *other.batches)] == [1, 2]
    assert own.batches[0].receipt is receipt
    assert other.batches[0].receipt is None


def test_what_is_for_nobody_else_comes_to_nobody_else():
    own, other = Recorder(), Recorder()
    consumers = Consumers(Choice(include=(GRID,), exclude=("*",)), own)
    consumer = consumers.add(Choice(), other)
    consumers.send(batch(PV))
    consumers.send(batch(PV, ends_round=True))
    assert [b.values for b in own.batches] == [()]
    consumers.remove(consumer)
    consumers.send(batch(PV))  # was asked for, while it was wanted
    assert len(own.batches) == 1
    consumers.settle()
    consumers.send(batch(GRID)._replace(origin=Origin.LATE))
    assert len(own.batches) == 2
    assert len(other.batches) == 2
