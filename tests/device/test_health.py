"""What a device says of its unit besides values: that a round is over, and how the unit does."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest

from rct_collector.adapter.alerts import Alerts, AlertSeverity
from rct_collector.catalog import catalog
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.lines.conversation import WATCHDOG_S
from rct_collector.model import Origin
from tests.scripted import ScriptedUnit
from tests.virtual import START, Plug, Recorder, collect, options, run

UP = "inverter_collector.up"

#: What a user may leave out: nothing, all about the collector, all that is read often, all.
CHOICES = {
    "nothing": {},
    "the collector": {"exclude": ["inverter_collector*"]},
    "all but totals": {"exclude": ["*"], "include": ["inverter_energy.*"]},
    "all but the serial number": {"exclude": ["*"], "include": ["inverter.serial"]},
    "all but up": {"exclude": ["*"], "include": [UP]},
    "all": {"exclude": ["*"]},
}
#: Without sun and battery a device may be asleep, which is told of by values.
AWAKE = {"dc_conv.dc_conv_struct[0].p_dc_lp": 3000.0}

chosen = pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)


class Bench:
    """A device, its unit and what it handed over."""

    def __init__(self, loop, **settings):
        self.loop = loop
        self.unit = ScriptedUnit(AWAKE)
        self.plug = Plug(self.unit)
        self.out = Recorder()
        device = {"name": "roof", "driver": "rct", "address": "tcp://unit.test", **settings}
        self.config = Config.parse({"devices": [device]}).devices[0]
        self.device = Device(self.config, self.out, options(loop, self.plug))

    @property
    def health(self):
        return self.out.batches[-1].health

    def ends(self):
        return [batch for batch in self.out.batches if batch.ends_round]

    async def silence(self, seconds):
        self.unit.mangle = lambda item, data, n: None
        await asyncio.sleep(seconds)
        self.unit.mangle = None


def during(job, **settings):
    """A device that collects while ``job(bench)`` goes on."""

    async def main(loop):
        bench = Bench(loop, **settings)
        task = asyncio.create_task(bench.device.run())
        try:
            await job(bench)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return bench

    return run(main)


@chosen
def test_every_round_ends_with_one_batch_whatever_is_excluded(choice):
    async def job(bench):
        await asyncio.sleep(125)
        await bench.silence(20)

    bench = during(job, **choice)
    assert bench.device.rounds >= 14
    assert len(bench.ends()) == bench.device.rounds
    times = [batch.time_ns for batch in bench.out.batches]
    assert times == sorted(times)
    assert {batch.origin for batch in bench.out.batches} == {Origin.LIVE}
    wanted = {*bench.device.plan.wanted, catalog().info}
    assert {s for b in bench.out.batches for s, _ in b.values if not s.metric.own} <= wanted


@pytest.mark.slow
@pytest.mark.measured
@chosen
def test_losses_and_recoveries_are_told_whatever_is_excluded(choice):
    async def job(bench):
        await asyncio.sleep(905)
        assert [b.health.up for b in bench.ends()] == [True] * bench.device.rounds
        await bench.silence(900)
        await asyncio.sleep(95)

    bench = during(job, **choice)
    alerts = Alerts(bench.config, clock=lambda: 0.0)
    told = [(a.severity, a.text) for batch in bench.out.batches for a in alerts.take(batch)]
    assert told == [
        (AlertSeverity.WARNING, "roof has not answered for 5 min"),
        (AlertSeverity.OKAY, "roof answers again"),
    ]


@chosen
def test_what_is_published_and_the_health_agree(choice):
    async def job(bench):
        await asyncio.sleep(60)
        await bench.silence(60)
        await asyncio.sleep(30)

    bench = during(job, **choice)
    for batch in bench.ends():
        values = {series.name: value for series, value in batch.values}
        assert values.get(UP, batch.health.up) == batch.health.up
        assert batch.health.missed == 0 if batch.health.up else batch.health.error


def test_a_unit_of_which_nothing_is_wanted_often_is_asked_one_thing_in_each_round():
    async def job(bench):
        await asyncio.sleep(900)
        bench.asked = len(bench.unit.asked)
        bench.begun = bench.device.rounds
        await asyncio.sleep(600)

    bench = during(job, **CHOICES["all"])
    rounds = bench.device.rounds - bench.begun
    asked = Counter(name for _, name in bench.unit.asked[bench.asked :])
    assert asked.pop("inverter_sn") == rounds >= 59
    assert set(asked.values()) == {1}, "what the unit has is looked at once an hour"


@pytest.mark.slow
def test_what_is_asked_only_to_see_whether_the_unit_is_there_is_published_no_sooner():
    async def job(bench):
        await asyncio.sleep(3000)

    found = during(job, **CHOICES["all but the serial number"]).out.values()
    assert len(found["inverter.serial"]) <= 2, "at the start, and once an hour"


def test_another_question_takes_the_place_of_one_that_the_unit_does_not_answer():
    async def job(bench):
        bench.unit.silent |= {"inverter_sn", "svnversion"}
        await asyncio.sleep(900)
        assert all(batch.health.up for batch in bench.ends()[-60:])

    during(job, **CHOICES["all but totals"])


def test_a_device_that_cannot_be_reached_says_why_and_since_when():
    async def main(loop):
        bench = Bench(loop, exclude=["*"])
        bench.plug.refuse = "connection refused"
        await collect(bench.device, 60)
        return bench

    bench = run(main)
    healths = [batch.health for batch in bench.ends()]
    assert [health.missed for health in healths] == list(range(1, len(healths) + 1))
    assert {health.up for health in healths} == {False}
    assert {health.error for health in healths} == {"connection refused"}
    assert {health.since for health in healths} == {START}


@pytest.mark.slow
def test_it_is_told_since_when_a_unit_answers_and_since_when_it_does_not():
    async def job(bench):
        await asyncio.sleep(65)
        bench.first = bench.ends()[0]
        bench.last = bench.ends()[-1]
        await bench.silence(60)
        bench.gone = bench.health
        await asyncio.sleep(30)

    bench = during(job)
    assert bench.first.health.since == bench.last.health.since == bench.first.time_ns / 1e9
    assert not bench.gone.up
    assert bench.gone.since == pytest.approx(bench.last.time_ns / 1e9)
    assert bench.gone.missed >= 4
    assert bench.health.up
    assert bench.health.since > bench.gone.since + 60


@pytest.mark.parametrize(
    ("seconds", "error"),
    [
        (20, "the line is open, but nothing is answered"),
        (WATCHDOG_S + 25, f"no valid answer for {WATCHDOG_S:.0f} s"),
    ],
)
def test_the_words_are_those_of_what_is_wrong_now(seconds, error):
    async def job(bench):
        await asyncio.sleep(45)
        await bench.silence(seconds)
        bench.errors = {batch.health.error for batch in bench.ends()}

    assert error in during(job).errors


@pytest.mark.slow
def test_the_first_values_after_a_silence_say_that_the_unit_is_back():
    async def job(bench):
        await asyncio.sleep(45)
        await bench.silence(60)
        await asyncio.sleep(30)

    batches = during(job).out.batches
    pairs = [(a, b) for a, b in itertools.pairwise(batches) if b.health.up and not a.health.up]
    assert len(pairs) == 1
    ((_, back),) = pairs
    assert not back.ends_round
    assert any(not series.metric.own for series, _ in back.values)
