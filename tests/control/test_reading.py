"""What a unit is asked for somebody at the door: its memory, and single things."""

import asyncio
import sys

import pytest

from rct_collector.control.batches import from_json
from rct_collector.control.messages import Code
from rct_collector.drivers import driver
from rct_collector.drivers.rct import frame, request
from rct_collector.drivers.rct.further import further
from rct_collector.errors import RpcError
from rct_collector.model import Origin
from rct_collector.simulator import SimulatedInverter
from tests.cli.test_history_reading import remembered
from tests.scripted import ScriptedUnit, payload
from tests.virtual import START
from tests.visiting import visited

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own"
)

END = int(START) // 300 * 300
GLOB = "inverter_history{resolution=5m}.pv_*"


def simulated():
    return SimulatedInverter("sunny", seed=1, start=START, sun=9.0)


async def refusal(house, method, params):
    async with await house.client() as client:
        with pytest.raises(RpcError) as caught:
            await client.call(method, params)
        return caught.value


def past(hours, **params):
    """What is told of some hours, and how it ends; and what the agent was handed meanwhile."""
    unit = simulated()

    async def job(house):
        before = len(house.out.batches)
        wanted = {"from": END - 3600 * hours, "to": END, "resolution": "5m", **params}
        async with await house.client() as client:
            told = []

            async def take():
                async for item in client.notifications:
                    told.append(item)

            taking = asyncio.create_task(take())
            answer = await client.call("history", wanted, timeout=900)
            taking.cancel()
            return answer, told, house.out.batches[before:]

    return unit, visited(job, unit=unit, timezone="UTC", history={"backfill": "off"})


@pytest.mark.slow
def test_the_memory_is_told_with_its_own_times_and_to_nobody_else():
    unit, (answer, told, _) = past(6, series=[GLOB])
    assert {method for method, _ in told} == {"past"}
    batches = [from_json(params) for _, params in told]
    found = {(s, b.time_ns): value for b in batches for s, value in b.values}
    queries = [
        query
        for query, kept in driver("rct").history.kept.items()
        if any(s.name.startswith("inverter_history{resolution=5m}.pv_") for s in kept.series)
    ]
    assert found == remembered(unit.unit, queries, END - 6 * 3600, END, END + 60)
    assert {batch.origin for batch in batches} == {Origin.HISTORY}
    assert {batch.interval_s for batch in batches} == {300.0}
    assert answer["complete"]
    assert answer["values"] == len(found)
    assert (answer["source"], answer["why"]) == ("roof", "")


@pytest.mark.slow
def test_rounds_go_on_while_the_memory_is_read():
    _, (_, _, published) = past(100, series=[GLOB])
    ends = [batch.time_ns / 1e9 for batch in published if batch.ends_round]
    assert len(ends) > 3
    assert {batch.origin for batch in published} == {Origin.LIVE}, "the agent has not asked for it"
    assert max(b - a for a, b in zip(ends, ends[1:], strict=False)) < 15


@pytest.mark.slow
def test_who_hangs_up_has_nothing_more_read():
    unit = simulated()

    async def job(house):
        client = await house.client()
        wanted = {"from": END - 90 * 86400, "resolution": "5m"}
        reading = asyncio.create_task(client.call("history", wanted, timeout=9000))
        await asyncio.sleep(30)
        await client.close()
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.sleep(30)
        inquiry = house.made.devices[0].exchange.inquiry
        before = inquiry.asked
        await asyncio.sleep(60)
        return before, inquiry.asked

    before, after = visited(job, unit=unit, history={"backfill": "off"})
    assert before == after > 0


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "from is a time, in seconds since 1970, not None"),
        ({"from": "today", "resolution": "5m"}, "from is a time"),
        ({"from": 2, "to": 1, "resolution": "5m"}, "from is before to"),
        ({"from": -1, "resolution": "5m"}, "from is a time from 1970 to 2100"),
        ({"from": 1, "to": 1e300, "resolution": "5m"}, "to is a time from 1970 to 2100"),
        ({"from": 1}, "resolution is missing"),
        ({"from": 1, "resolution": "1h"}, "resolution is one of events, 5m, day, month, year, not"),
        ({"from": 1, "resolution": "5m", "series": ["x*"]}, "nothing of 5m matches x*"),
    ],
)
def test_what_cannot_be_read_of_the_past_is_told(params, words):
    error = visited(lambda house: refusal(house, "history", params))
    assert error.code == Code.PARAMS
    assert words in error.message


def test_a_single_thing_is_read_by_name_or_id():
    async def job(house):
        house.unit.values["battery.soc"] = 0.5
        async with await house.client() as client:
            one = await client.call("read", {"query": "battery.soc"})
            return one, await client.call("read", {"query": one["id"]})

    one, other = visited(job)
    assert one == other
    assert (one["source"], one["name"], one["value"]) == ("roof", "battery.soc", 0.5)
    assert {"series": "inverter_battery{battery=0}.soc_percent", "value": 50.0, "unit": "%"} in one[
        "metrics"
    ]
    assert one["trouble"] is None


class Talkative(ScriptedUnit):
    """Answers one thing more than feeds metrics."""

    def __init__(self, item):
        super().__init__()
        self._item = item

    def receive(self, client, data, now):
        if data == request.read(self._item):
            content = payload(self._item, 1234.5)
            self.say(b"\0" + frame.assemble(frame.RESPONSE, self._item.oid, content), now + 0.02)
        else:
            super().receive(client, data, now)


def test_what_feeds_no_metric_is_read_too_and_rounds_go_on():
    item = next(item for item in further().values() if item.name == "energy.e_ext_day_sum")

    async def job(house):
        async with await house.client() as client:
            found = await client.call("read", {"query": item.name})
        before = len(house.out.batches)
        await asyncio.sleep(30)
        assert len(house.out.batches) > before
        return found

    found = visited(job, unit=Talkative(item))
    assert (found["name"], found["value"]) == (item.name, 1234.5)
    assert found["metrics"] == []


@pytest.mark.parametrize(
    ("word", "code", "words"),
    [
        ("battery.sox", Code.PARAMS, "there is no object 'battery.sox'; did you mean"),
        ("wifi.password", Code.PARAMS, "is never read"),
        ("battery.soc", Code.AWAY, "battery.soc"),
    ],
)
def test_what_is_not_read_is_told(word, code, words):
    async def job(house):
        house.unit.silent.add("battery.soc")
        return await refusal(house, "read", {"query": word})

    error = visited(job)
    assert error.code == code
    assert words in error.message


def test_a_unit_that_is_away_says_nothing():
    async def job(house):
        house.plug.refuse = "connection refused"
        house.plug.cut()
        await asyncio.sleep(5)
        return await refusal(house, "read", {"query": "battery.soc"})

    error = visited(job)
    assert error.code == Code.AWAY
    assert "connection refused" in error.message
