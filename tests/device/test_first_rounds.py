"""After a start everything is there soon; with too much equipment everything comes in turn."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from math import ceil

import pytest

from rct_collector.device.polling.budget import LATEST_TOTALS, budget
from rct_collector.drivers.rct.simulator import SCENARIOS
from rct_collector.drivers.rct.simulator.profiles import Other, faults
from rct_collector.model import PollClass
from tests import virtual
from tests.device.test_device import Bench, bench
from tests.faulty import RCT, World
from tests.scripted import ScriptedUnit
from tests.virtual import collect

#: All that a unit has is there so soon after its first good answer, in seconds.
SOON_S = 30.0

FLOW = "inverter_power.grid_watts"

#: The grids of these devices begin at different times after the start.
NAMES = ("roof", "barn", "c7")


class Watched:
    """A simulated unit with a device, and what was published of it when."""

    def __init__(self, loop, scenario, profiles=(), **options):
        random.seed(1)  # the pauses before repeats
        self.loop = loop
        made = faults(profiles, 1)
        self.others = [fault.record for fault in made if isinstance(fault, Other)]
        self.world = World(loop, scenario, made, options=options)
        self.device = self.world.connect(self)
        self.first = {}
        self.times = {}

    def __call__(self, batch):
        for series, _ in batch.values:
            if not series.metric.own:
                self.first.setdefault(series, self.loop.time())
                self.times.setdefault(series, []).append(batch.time_ns / 1e9)

    async def run(self, seconds):
        await collect(self.device, seconds)
        self.world.inverter.hub().close()
        return self

    def late(self, seconds=SOON_S):
        """Names of the series that came later than so many seconds after the first ones."""
        begin = min(self.first.values())
        return sorted(series.name for series, at in self.first.items() if at - begin > seconds)

    def missing(self):
        """Names of what the unit has and answers, and of which nothing was published at all."""
        plan, has = self.device.plan, self.world.inverter.unit.scenario.has
        wanted = {s for s in plan.wanted - self.first.keys() for query, _ in plan.homes(s)
                  if has(query.condition) and self.world.truth.knows(query)}  # fmt: skip
        # The unit's value 0 means "none" for times, and "" for texts.
        return sorted(s.name for s in wanted - plan.texts if "time" not in s.metric.field)


def watched(scenario, seconds, profiles=(), **options):
    async def main(loop):
        return await Watched(loop, scenario, profiles, **options).run(seconds)

    with virtual.untraced():
        return virtual.run(main)


# -- after a start -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_all_that_a_unit_has_is_there_soon_after_its_first_answer(scenario, name):
    made = watched(scenario, 330.0, name=name)
    assert made.late() == []
    assert made.missing() == []
    assert made.device.stats.totals["ticks_missed"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_power_flows_keep_their_interval_meanwhile(name):
    made = watched("everything", 60.0, name=name)
    (flows,) = (times for series, times in made.times.items() if series.name == FLOW)
    assert max(b - a for a, b in pairwise(flows[1:])) < 10.5
    assert flows[1] - flows[0] <= 15.5, "the first tick is at least half an interval away"


@pytest.mark.slow
def test_it_is_there_soon_after_a_night_too():
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            await asyncio.sleep(600)
            made.plug.refuse = "cannot connect to unit.test:8899: no route to host"
            made.plug.cut()
            await asyncio.sleep(3600)
            made.plug.refuse = ""
            before = {name: len(items) for name, items in made.out.values().items()}
            while made.published(FLOW) == before[FLOW]:
                await asyncio.sleep(1)
            await asyncio.sleep(SOON_S)
        return {name for name, n in before.items() if made.published(name) == n}

    with virtual.untraced():
        missing = virtual.run(main)
    assert not {name for name in missing if not name.startswith("inverter_collector")}


@pytest.mark.slow
def test_it_is_there_soon_after_a_unit_that_was_connected_wakes():
    async def main(loop):
        made = Bench(loop)
        made.unit.mangle = lambda _item, _data, _n: None
        async with made.running():
            await asyncio.sleep(600)
            made.unit.mangle = None
            while FLOW not in made.out.values():
                await asyncio.sleep(1)
            await asyncio.sleep(SOON_S)
            soon = set(made.out.values())
            await asyncio.sleep(300)
        return soon, set(made.out.values())

    with virtual.untraced():
        soon, all_of_it = virtual.run(main)
    assert len(soon) > 250
    assert all_of_it == soon


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["app", "portal"])
def test_another_client_loses_nothing_by_it(profile):
    """The first pass takes longer then."""
    made = watched("everything", 600.0, [profile])
    (record,) = made.others
    assert record.answered == record.asked > 0
    assert made.missing() == []


def asked(seconds, unit=None, **settings):
    """Times of the requests to a scripted unit, from the first one on."""
    times = [at for at, _ in bench(seconds, unit, **settings).unit.asked]
    return [at - times[0] for at in times]


def test_a_line_that_loses_answers_is_not_hurried():
    chance = random.Random(1)
    unit = ScriptedUnit()
    unit.mangle = lambda _item, data, _n: data if chance.random() > 0.2 else None
    times = asked(40, unit)
    assert len([at for at in times if at < 30]) <= 36 + 7.5 * 30


def test_whoever_lowered_the_pace_is_not_hurried():
    times = asked(60, requests={"per_second": 3})
    assert len([at for at in times if at < 30]) <= 36 + 3 * 30


@pytest.mark.slow
def test_a_line_that_is_lost_all_the_time_is_not_hurried_all_the_time():
    async def main(loop):
        made = Bench(loop)
        async with made.running():
            for _ in range(120):
                await asyncio.sleep(30)
                made.plug.cut()
        return made.unit.asked

    with virtual.untraced():
        times = [at for at, _ in virtual.run(main)]
    late = [at for at in times if at > times[0] + 600]
    assert len(late) / 3000 <= 5.2


def test_who_it_is_is_asked_ahead_of_all_else_and_twice():
    names = [name for _, name in bench(5).unit.asked]
    first = names.index("dc_conv.dc_conv_struct[0].enabled")  # what the unit has
    assert names[:2] == names[first - 2 : first] == ["inverter_sn", "svnversion"]


# -- with more equipment than the pace allows ----------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pace", "intervals"),
    [
        (5.0, {}),
        (4.4, {"medium": "30s", "slow": "2m"}),
        (3.0, {"fast": "5s"}),
        (1.0, {"medium": "2m", "slow": "15m"}),
    ],
)
def test_no_value_is_later_than_its_stretched_interval_says(pace, intervals):
    """For hours; by one round at most, and energy totals not at all."""
    made = watched(
        "everything", 7200.0, cells=True, intervals=intervals, requests={"per_second": pace}
    )
    plan, config = made.device.plan, made.world.config
    found = budget(plan, RCT.conditions, config)
    assert not found.fits
    round_s, end = found.seconds(PollClass.FAST), made.world.clock.wall()
    settled = end - 3600.0
    totals = 0
    for series, times in made.times.items():
        homes = plan.homes(series)
        if not homes or series in plan.texts:
            continue
        ((query, _),) = homes
        total = query in plan.energy
        seconds = found.seconds(plan.classes[query], total=total)
        gap = max(b - a for a, b in pairwise([settled, *(t for t in times if t > settled), end]))
        # What becomes due between two rounds waits for the second one, and perhaps one more.
        assert gap <= (ceil(seconds / round_s) + 1) * round_s + 1.0, series.name
        if total:
            totals += 1
            assert gap <= LATEST_TOTALS * config.intervals.slow, series.name
    assert totals >= 7
    assert made.device.stats.totals["requests"] / 7200.0 <= 1.03 * pace + 0.05
