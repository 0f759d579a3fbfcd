"""Alarms: each rings once it is due, with a beat at the next point of the grid; never sooner."""

from __future__ import annotations

import asyncio
import itertools
import math
import random

import pytest

from rct_collector.beat import EVERY_S, OFTEN_S, Alarm, Beat
from rct_collector.device.device import Device
from rct_collector.device.polling.pacing import Pacer, TokenBucket
from rct_collector.device.polling.poller import Poller
from rct_collector.drivers.base import Query
from tests.device.test_device import config
from tests.scripted import ScriptedUnit
from tests.virtual import Plug, Recorder, VirtualLoop, collect, options, run


def beating(loop, **more):
    loop.beat = Beat(loop, **more)
    return loop.beat


def noted(loop):
    """An alarm, and when it rang."""
    rang = []
    return Alarm(lambda: rang.append(loop.time())), rang


@pytest.mark.parametrize("beats", [False, True])
def test_an_alarm_rings_once_as_it_was_set_last(beats):
    async def main(loop):
        if beats:
            beating(loop)
        alarm, rang = noted(loop)
        begun = loop.time()
        for seconds in (0.5, 0.2, 0.9):
            alarm.set(begun + seconds)
        await asyncio.sleep(2)
        alarm.set(begun + 3.0)
        alarm.stop()
        await asyncio.sleep(2)
        return [at - begun for at in rang]

    (at,) = run(main)
    assert 0.9 - 1e-9 <= at < 0.9 + (EVERY_S if beats else 0.001)


def test_those_that_are_due_ring_together_at_a_point_of_the_grid():
    async def main(loop):
        beating(loop)
        alarms = [noted(loop) for _ in range(5)]
        for n, (alarm, _) in enumerate(alarms):
            alarm.set(1000.01 + 0.01 * n)
        await asyncio.sleep(1)
        return [rang for _, rang in alarms]

    found = run(main)
    due = [1000.01 + 0.01 * n for n in range(5)]
    assert found == [[pytest.approx(math.ceil(at / EVERY_S) * EVERY_S)] for at in due]
    assert len({at for (at,) in found}) <= 2


def test_what_becomes_due_while_others_are_rung_does_not_wait_for_another_point():
    async def main(loop):
        beating(loop)
        point = math.ceil(loop.time() / EVERY_S) * EVERY_S
        Alarm(lambda: loop.work(0.02)).set(point - 0.01)
        soon, found = noted(loop)
        soon.set(point + 0.01)
        later, missed = noted(loop)
        later.set(point + 0.03)
        await asyncio.sleep(1)
        return [at - point for at in (*found, *missed)]

    loop = Slow()
    try:
        assert loop.run_until_complete(main(loop)) == pytest.approx([0.02, EVERY_S])
    finally:
        loop.close()


def test_a_defect_of_one_is_told_and_holds_up_no_other():
    async def main(loop):
        told = []
        loop.set_exception_handler(lambda _loop, about: told.append(about["exception"]))
        beating(loop)

        def defect():
            raise ZeroDivisionError

        broken = Alarm(defect)
        alarm, rang = noted(loop)
        broken.set(loop.time() + 0.01)
        alarm.set(loop.time() + 0.01)
        await asyncio.sleep(1)
        return told, rang

    told, rang = run(main)
    assert [type(error) for error in told] == [ZeroDivisionError]
    assert len(rang) == 1


def test_who_cannot_wait_has_the_grid_made_finer_for_all():
    async def main(loop):
        paces = []
        beating(loop, pace=paces.append)
        first, rang = noted(loop)
        first.set(1000.1)
        other, _ = noted(loop)
        other.hasten()
        other.hasten()
        await asyncio.sleep(1)
        return paces, rang

    paces, (at,) = run(main)
    assert paces == [OFTEN_S]
    assert 1000.1 - 1e-9 <= at < 1000.1 + OFTEN_S + 1e-6


class Slow(VirtualLoop):
    """A loop whose clock goes on while work is done."""

    def work(self, seconds):
        self.now += seconds


class Asker:
    """Asks a unit that answers at the next look, as often as it may."""

    def __init__(self, loop, number, work):
        self.loop, self.work = loop, work
        self.pacer = Pacer(0.06, TokenBucket(5.0, 20.0))
        self.poller = Poller(self.pacer, window=4, timeout=2.0)
        self.sent = []
        self.alarm = Alarm(self.ring)
        self.queries = [Query(f"q{n}") for n in range(15)]
        self.alarm.set(loop.time() + number / 1000)

    def ring(self):
        self.work()
        now, poller = self.alarm.time(), self.poller
        if not self.sent:
            end = now + 10
            poller.begin(now, deadline=end, next_round=end, fast=self.queries, slow=())
        for query in list(poller.pending):
            poller.answered(query, now)
        request = poller.usual(now)
        if request is not None:
            self.sent.append(now)
            self.alarm.set(poller.went(request, now))
            return
        query, wake = poller.next(now, self.alarm.seen())
        assert query is None, "what is usual was told already"
        if not poller.done(now):
            self.alarm.set(wake)


@pytest.mark.slow
def test_gaps_are_kept_by_a_thousand_units_however_long_each_takes():
    """All of them ask at the same points, one after the other, and each reads the clock itself."""

    async def main(loop):
        beating(loop)
        chance = random.Random(1)
        askers = [
            Asker(loop, n, lambda: loop.work(chance.expovariate(1 / 30e-6))) for n in range(1000)
        ]
        await asyncio.sleep(9)
        return [asker.sent for asker in askers]

    loop = Slow()
    try:
        found = loop.run_until_complete(main(loop))
    finally:
        loop.close()
    gaps = [after - before for sent in found for before, after in zip(sent, sent[1:], strict=False)]
    assert len(gaps) == 14 * 1000, "nothing is left out"
    assert min(gaps) >= 0.06 - 1e-9
    assert sum(gaps) / len(gaps) < 1.1 * EVERY_S, "and hardly anybody waits for another point"
    assert max(gaps) < 0.3


def test_what_has_come_and_was_not_looked_at_is_not_given_up():
    """Others took a while at this point of the grid, in which the answer came."""
    pacer = Pacer(0.06, TokenBucket(5.0, 20.0))
    poller = Poller(pacer, window=4, timeout=0.5)
    query = Query("q")
    poller.begin(1000.0, deadline=1009.0, next_round=1010.0, fast=[query], slow=())
    poller.sent(poller.next(1000.0)[0], 1000.0)
    assert poller.next(1000.6, seen=1000.4) == (None, pytest.approx(1000.5))
    assert not poller.given_up()
    assert poller.tally.timeouts == 0
    assert poller.answered(query, 1000.6) is not None


def test_the_gap_begins_when_a_request_has_gone():
    """The system may let us wait for a long time between the decision and the sending."""

    async def main(loop):
        unit = ScriptedUnit()
        plug = Plug(unit)
        delays = itertools.cycle([0.05, 0.0])

        async def opener(*arguments):
            wire = await plug(*arguments)
            send = wire.send

            def late(data):
                loop.now += next(delays)
                send(data)

            wire.send = late
            return wire

        device = Device(config(), Recorder(), options(loop, opener))
        await collect(device, 60)  # after a start, and later
        return [at for at, _ in unit.asked]

    asked = run(main)
    assert len(asked) > 300
    gaps = [after - before for before, after in zip(asked, asked[1:], strict=False)]
    assert min(gaps) >= 0.06 - 1e-9
