"""A device that does something at a pace of its own: how much of it is taken in, and told."""

from __future__ import annotations

import asyncio
import logging
import random
import struct
from itertools import pairwise

import pytest

from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.polling.rounds import MOST_MUTES
from rct_collector.drivers.rct.frame import READ, RESPONSE, assemble
from rct_collector.limiter import SPAN_S
from rct_collector.lines.inflow import BURST, CALM_S, RATE
from rct_collector.transport import READ_BYTES
from tests.scripted import BY_NAME, FULL, ScriptedUnit
from tests.slow import slow_but
from tests.virtual import MOST_HELD, START, Plug, Recorder, collect, options, run

GRID = "g_sync.p_ac_grid_sum_lp"
WATTS = "inverter_power.grid_watts"

#: Between two attempts to connect, in seconds.
LONGEST_PAUSE_S = 45.0


def device(loop, plug, **more):
    entry = {"name": "roof", "driver": "rct", "address": "tcp://unit.test", **more}
    out = Recorder()
    made = Device(Config.parse({"devices": [entry]}).devices[0], out, options(loop, plug))
    return made, out


class Flooding(ScriptedUnit):
    """A unit that sends something all the time, between its answers, at 350 kB/s."""

    EVERY_S = 0.01
    PIECE = 3500

    def __init__(self, part, begin, end):
        super().__init__()
        self._part = part
        self._next, self._end = begin, end
        self.sent = 0

    def next_due(self):
        times = [time for time in (super().next_due(), self._next) if time is not None]
        return min(times, default=None)

    def pull(self, now):
        found = super().pull(now)
        while self._next is not None and self._next <= now:
            part = self._part(self._next)
            data = part * (self.PIECE // len(part) + 1)
            self.sent += len(data)
            found.append(data)
            self._next = self._next + self.EVERY_S if self._next < self._end else None
        return found


def always(data):
    return lambda now: data


def the_time(now):
    """An answer that nobody asked for, with the time in it."""
    payload = struct.pack(">f", now)
    return b"\0" + assemble(RESPONSE, BY_NAME[GRID].oid, payload)


FLOODS = {
    "starts": always(b"\x2b"),
    "stumps": always(b"\x2b\x05\x08"),
    "noise": always(random.Random(1).randbytes(1000)),
    "requests": always(assemble(READ, BY_NAME[GRID].oid)),
    "answers about nothing": always(assemble(RESPONSE, 0x12345678, b"abcd")),
    "answers that nobody asked for": the_time,
}


@pytest.mark.slow
@pytest.mark.measured
@pytest.mark.parametrize("kind", slow_but("answers that nobody asked for", FLOODS))
def test_a_flood_is_read_slowly_told_of_once_and_over_when_it_ends(kind, caplog):
    caplog.set_level(logging.INFO)

    async def main(loop):
        begin, end = loop.time() + 60, loop.time() + 120
        unit = Flooding(FLOODS[kind], begin, end)
        made, out = device(loop, Plug(unit))
        task = asyncio.create_task(made.run())
        await asyncio.sleep(60)
        before = made.port.received_bytes
        await asyncio.sleep(60)
        during = made.port.received_bytes - before
        held = max(len(wire._held or b"") for wire in made.port.line.link._opener.wires)
        await asyncio.sleep(held / RATE + CALM_S + 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return unit, during, out, loop.time()

    unit, during, out, end = run(main)
    assert unit.sent > 60 * 350_000
    assert during <= 60 * RATE + BURST + READ_BYTES
    assert [r.levelname for r in caplog.records if "sends" in r.getMessage()] == ["WARNING", "INFO"]
    assert all(r.getMessage().startswith("roof: ") for r in caplog.records)
    last, _ = out.values()[WATTS][-1]
    assert end + START - 1000 - last / 1e9 < 20


@pytest.mark.slow
def test_a_flood_in_which_the_unit_hangs_up_all_the_time_is_told_of_once(caplog):
    """It cannot get rid of its bytes; that it is gone for good is told of all the same."""
    caplog.set_level(logging.INFO)

    async def main(loop):
        begin = loop.time() + 60
        unit = Flooding(always(b"\x2b"), begin, begin + 400)
        unit.EVERY_S, unit.PIECE = 0.1, 35_000
        plug = Plug(unit)
        made, _ = device(loop, plug)
        task = asyncio.create_task(made.run())
        while loop.time() < begin + 400:
            await asyncio.sleep(5)
            if len(plug.wires[-1]._held or b"") >= MOST_HELD and plug.wires[-1].lost:
                plug.cut()
        lines = [(r.levelname, r.getMessage().split()[1]) for r in caplog.records]
        plug.refuse = "cannot connect to unit.test:8899: connection refused"
        plug.cut()
        await asyncio.sleep(2 * CALM_S + LONGEST_PAUSE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return made.port.opened, lines, [r.getMessage() for r in caplog.records][len(lines) :]

    opened, during, after = run(main)
    assert opened > 8
    assert during == [("WARNING", "sends")]
    assert len(after) == 2
    assert "sends no more" in after[0]
    assert "connection refused; trying again" in after[1]


@pytest.mark.slow
def test_nothing_is_believed_that_may_have_waited_for_long():
    """What a flood leaves in the buffers of the network is old when it is read."""

    async def main(loop, begin):
        unit = Flooding(the_time, loop.time() + begin, loop.time() + 100)
        made, out = device(loop, Plug(unit))
        await collect(made, 130)
        return out

    told = []
    for begin in range(60, 70):  # before, within and after a round
        values = run(lambda loop, begin=begin: main(loop, begin)).values()[WATTS]
        told += [(at / 1e9 - START + 1000, value) for at, value in values if value]
    assert told, "what comes within the budget is taken"
    assert all(abs(at - value) <= 2.5 for at, value in told)


@pytest.mark.slow
def test_answers_within_a_flood_that_the_budget_bears_are_taken():
    async def main(loop):
        unit = Flooding(always(b"\x2b"), loop.time() + 60, loop.time() + 360)
        unit.EVERY_S = 0.1  # 35 kB/s, which is three times the fastest line
        made, out = device(loop, Plug(unit))
        await collect(made, 360)
        return out

    assert len(run(main).values()[WATTS]) >= 35


# -- connections that do not last -------------------------------------------------------------


class HangingUp(ScriptedUnit):
    """A unit that closes the connection after each answer, from a time on."""

    def __init__(self, begin):
        super().__init__()
        self._begin = begin
        self.plug = None

    def pull(self, now):
        found = super().pull(now)
        if found and now >= self._begin:
            asyncio.get_running_loop().call_soon(self.plug.cut)
        return found[:1] if now >= self._begin else found


@pytest.mark.slow
@pytest.mark.parametrize("fast", [1, 10, 60])
def test_rounds_keep_half_an_interval_apart_however_often_the_line_is_lost(fast):
    begun = []

    async def main(loop):
        unit = HangingUp(loop.time() + 30)
        plug = unit.plug = Plug(unit)
        made, _ = device(loop, plug, intervals={"fast": f"{fast}s", "medium": "60s"})
        schedule = made._schedule.begin
        made._schedule.begin = lambda wall: begun.append(loop.time()) or schedule(wall)
        await collect(made, 900)
        return plug

    plug = run(main)
    assert min(b - a for a, b in pairwise(begun)) >= 0.5 * fast - 1e-6
    assert len(plug.attempts) > 100 / fast, "the line is opened again all the same"


@pytest.mark.slow
def test_a_round_that_was_cut_short_is_done_again_before_the_next_is_due():
    async def main(loop):
        plug = Plug(ScriptedUnit())
        made, out = device(loop, plug, intervals={"fast": "60s", "medium": "60s"})
        task = asyncio.create_task(made.run())
        while made.rounds < 2:
            await asyncio.sleep(0.1)
        while made.exchange._over is None:
            await asyncio.sleep(0.01)
        rounds, before = made.rounds, len(out.values()[WATTS])
        plug.cut()
        await asyncio.sleep(45)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return made.rounds - rounds, len(out.values()[WATTS]) - before

    assert run(main) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("up_s", "down_s"), [(12.0, 1.0), (70.0, 20.0), (90.0, 90.0)])
def test_what_is_said_of_a_line_does_not_follow_its_pace(up_s, down_s, caplog):
    """A few lines an hour, and then how many more there would have been."""
    caplog.set_level(logging.INFO)
    hours = 2.5

    async def main(loop):
        plug = Plug(ScriptedUnit())
        made, _ = device(loop, plug)
        task = asyncio.create_task(made.run())
        end = loop.time() + 3600 * hours
        while loop.time() < end:
            await asyncio.sleep(up_s)
            plug.refuse = "cannot connect to unit.test:8899: connection refused"
            if plug.wires and plug.wires[-1].lost is not None:
                plug.cut()
            await asyncio.sleep(down_s)
            plug.refuse = ""
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return made

    made = run(main)
    lines = [r.getMessage() for r in caplog.records]
    assert 2 <= len(lines) <= 10 * (hours + 1)
    assert made.port.opened > 40
    assert any("more in the last hour" in line for line in lines)


@pytest.mark.slow
def test_of_what_becomes_silent_a_few_are_named_and_the_others_counted(caplog):
    caplog.set_level(logging.INFO)

    async def main(loop):
        unit = ScriptedUnit()
        made, _ = device(loop, Plug(unit))
        task = asyncio.create_task(made.run())
        unit.silent = {item.name for item in made.driver.queries if item.name not in (GRID, *FULL)}
        await asyncio.sleep(2 * SPAN_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return len(made.polling._unsupported)

    silent = run(main)
    lines = [r.getMessage() for r in caplog.records]
    named = [line for line in lines if line.endswith("now and then")]
    counted = [int(line.split()[-6]) for line in lines if line.endswith("more in the last hour")]
    assert len(named) <= 2 * MOST_MUTES < silent
    assert 0 < sum(counted) <= silent - len(named)
