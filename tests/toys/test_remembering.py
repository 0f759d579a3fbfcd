"""The memory of a unit, read while the device runs: HISTORY batches under past times."""

from __future__ import annotations

import asyncio

import pytest

from rct_collector.model import Origin
from tests.toys import nameless, remembering
from tests.toys.remembering import LOG, SECOND
from tests.toys.running import WALL, Run, Unit

STEP = 300
NEWEST = WALL - WALL % STEP


class Remembering(Unit):
    """Has kept so many times, each five minutes before the next; some questions get lost."""

    def __init__(self, count, lost=()):
        super().__init__()
        self._times = [NEWEST - n * STEP for n in range(count)]
        self._lost = lost

    def read(self, line, now):
        if len(self.heard) in self._lost:
            return
        before = int(line.split()[1])
        rows = [f"{time}:{time // STEP % 100}" for time in self._times if time < before][:4]
        self.say(",".join(rows) or "-", now + 0.3)


@pytest.fixture
def driver(register):
    return register(remembering.DRIVER)


def read(driver, unit, start, end):
    return Run(
        driver,
        unit,
        5.0,
        during=lambda run: run.device.history(LOG, start * SECOND, end * SECOND),
    )


def test_past_reaches_line_protocol_with_its_own_times(driver):
    run = read(driver, Remembering(10), NEWEST - 6 * STEP, NEWEST)
    assert run.result.complete
    assert run.result.rows == 6
    wanted = [NEWEST - n * STEP for n in range(1, 7)]
    assert sorted(run.lines) == sorted(
        f"inverter_battery,battery=0,source=toy,vendor=toys"
        f" soc_percent={float(time // STEP % 100)} {time}000000000"
        for time in wanted
    )
    past = [batch for batch in run.batches if batch.origin is Origin.HISTORY]
    assert len(past) == 6


def test_lost_question_is_asked_again(driver):
    run = read(driver, Remembering(10, lost={2}), NEWEST - 6 * STEP, NEWEST)
    assert run.result.complete
    assert len(run.lines) == 6


def test_line_that_is_lost_is_told_and_what_came_stays(driver):
    async def during(run):
        reading = asyncio.create_task(run.device.history(LOG, 0, WALL * SECOND))
        await asyncio.sleep(0.5)
        run.plug.refuse = "the device is away"
        run.plug.cut()
        return await reading

    run = Run(driver, Remembering(10), 5.0, during=during)
    assert not run.result.complete
    assert "the device" in run.result.why
    assert len(run.lines) == 4


def test_family_without_memory_says_so(register):
    register(nameless.DRIVER)

    async def during(run):
        with pytest.raises(ValueError, match="Nameless units have no memory"):
            await run.device.history(LOG, 0, 1)

    Run(nameless.DRIVER, Unit(), 1.0, during=during)
