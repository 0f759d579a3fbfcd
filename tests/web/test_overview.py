"""What browsers look at, when collectors come and go."""

from __future__ import annotations

import asyncio
import json
import os

import pytest

from rct_collector.config import Config
from rct_collector.control import door
from rct_collector.control.client import Client
from rct_collector.control.rights import Rights
from rct_collector.errors import RpcError
from rct_collector.web import overview
from rct_collector.web.overview import Overview
from rct_collector.web.prometheus import page
from tests.inverter import running_inverter
from tests.website import roof, running_site, wait

QUICK = {"latency": (0.0, 0.0), "rate": 1e9}
PV = "inverter_power.pv_watts"


@pytest.fixture(scope="module")
def inverter():
    with running_inverter(**QUICK) as running:
        yield running


@pytest.fixture
def site(inverter):
    with running_site(roof(inverter.address, include=["inverter_power.*"])) as running:
        wait(lambda: PV in shown(running))
        running.told = []
        with running.overview.listening(lambda text: running.told.append(json.loads(text))):
            yield running


def shown(site, source="roof"):
    """The present values of a device."""
    unit = site.unit(source)
    return {series.name for series in unit.readings} if unit else set()


def told(site, method):
    return [said["params"] for said in site.told if said["method"] == method]


async def end(site):
    site.collecting.cancel()
    await asyncio.gather(site.collecting, return_exceptions=True)


async def begin(site):
    site.collect()


@pytest.mark.slow
def test_when_a_collector_ends_nothing_is_taken_for_present(site):
    site.run(end(site))
    wait(lambda: not site.unit().up)

    assert shown(site) == set()
    assert site.unit().error == "its collector has ended"
    wait(lambda: told(site, "device"))
    last = told(site, "device")[-1]["units"][0]
    assert (last["up"], last["values"]) == (False, {})
    assert [
        line for line in page(site.overview.expired()).splitlines() if not line.startswith("#")
    ] == ['inverter_collector_up{source="roof",vendor="rct"} 0']
    with pytest.raises(RpcError, match="nobody collects from 'roof' now; known: none"):
        site.run(site.overview.call("values", {}))
    (device,) = site.run(site.overview.call("status", {}))["devices"]
    assert (device["source"], device["driver"], device["collector"]) == ("roof", "rct", None)
    assert (device["up"], device["error"]) == (False, "its collector has ended")


@pytest.mark.slow
def test_status_without_a_source_tells_all_devices(inverter):
    with (
        running_inverter(**QUICK) as other,
        running_site(roof(inverter.address), {**roof(other.address), "name": "barn"}) as site,
    ):
        wait(lambda: all(site.unit(name) and site.unit(name).up for name in ("roof", "barn")))
        found = site.run(site.overview.call("status", {}))["devices"]
        assert [(one["source"], one["up"]) for one in found] == [("barn", True), ("roof", True)]
        assert {one["collector"]["pid"] for one in found} == {os.getpid()}
        (one,) = site.run(site.overview.call("status", {"source": "barn"}))["devices"]
        assert one["source"] == "barn"


@pytest.mark.slow
def test_who_takes_over_is_followed_with_the_curves_that_are_there(site):
    before = site.unit().past
    site.run(end(site))
    site.run(begin(site))

    wait(lambda: site.unit().up and PV in shown(site))
    assert site.unit().past is before


@pytest.mark.slow
def test_who_takes_over_may_have_another_name_for_it(site, inverter):
    before = site.unit().past
    site.run(end(site))
    devices = [{**roof(inverter.address), "name": "barn"}]
    site.config = Config.parse({"state_dir": str(site.config.state_dir), "devices": devices})
    site.run(begin(site))

    wait(lambda: site.unit("barn") and site.unit("barn").up)
    assert set(site.overview.devices) == {"barn"}
    assert site.unit("barn").past is before
    assert told(site, "removed") == [{"source": "roof"}]


@pytest.mark.slow
def test_a_device_that_nobody_collects_from_is_forgotten_after_a_day(site, monkeypatch):
    site.run(site.collector.remove("roof"))
    wait(lambda: not site.unit().up)
    since = site.unit().since

    for hours, there in ((24, {"roof"}), (25, set())):
        monkeypatch.setattr(site.overview, "_clock", lambda now=since + hours * 3600: now)
        site.overview.expired()
        assert set(site.overview.devices) == there
    assert told(site, "removed") == [{"source": "roof"}]


@pytest.mark.slow
def test_what_does_not_come_again_is_told(site, monkeypatch):
    monkeypatch.setattr(overview, "ASK_S", 0.05)
    ahead = site.overview._clock() + 1000
    monkeypatch.setattr(site.overview, "_clock", lambda: ahead)

    site.run(asyncio.to_thread(lambda: None))
    site.overview.expired()
    assert PV in told(site, "expired")[0]["series"]
    assert "inverter.serial" not in told(site, "expired")[0]["series"]


def test_time_goes_on_though_nothing_comes(inverter, monkeypatch):
    monkeypatch.setattr(overview, "ASK_S", 0.01)
    ticks = []

    async def job():
        idle = Overview(list)
        with idle.listening(ticks.append):
            task = asyncio.create_task(idle.run())
            while len(ticks) < 3:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(job())
    assert {json.loads(text)["method"] for text in ticks} == {"tick"}


@pytest.mark.slow
def test_who_cannot_be_understood_harms_nobody(site, monkeypatch, caplog):
    """Another version of the collector may say things that this one does not know."""
    monkeypatch.setattr(overview, "ASK_S", 0.05)
    site.run(end(site))
    wait(lambda: not site.unit().up)
    asked = []
    call = Client.call

    async def strange(self, method, params=None, **more):
        asked.append(method)
        found = await call(self, method, params, **more)
        return {"devices": [{}]} if len(asked) == 1 else found

    monkeypatch.setattr(Client, "call", strange)
    site.run(begin(site))

    wait(lambda: site.unit().up and PV in shown(site))
    said = [record for record in caplog.records if "is not understood" in record.getMessage()]
    assert [record.levelname for record in said] == ["ERROR"]
    assert "'collector'" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.slow
def test_why_nothing_is_seen_is_told(inverter, monkeypatch, caplog):
    monkeypatch.setattr(overview, "ASK_S", 0.05)
    with monkeypatch.context() as patch, running_site(roof(inverter.address)) as site:
        patch.setattr(door, "rights_of", lambda _caller: Rights())
        wait(lambda: site.overview.state()["troubles"])
        (why,) = site.overview.state()["troubles"]
        assert f"process {os.getpid()}" in why
        assert "group rct-collector" in why

        patch.undo()
        site.run(end(site))
        site.run(begin(site))
        wait(lambda: PV in shown(site))
        wait(lambda: site.overview.state()["troubles"] == [])
    assert caplog.text.count(why) == 1


def test_the_outcome_of_a_setting_is_known_before_and_after_it_is_asked_for():
    async def job():
        idle = Overview(list)
        waiting = asyncio.create_task(idle.outcome("1"))
        await asyncio.sleep(0)
        for ticket in ("1", "2"):
            idle._take("setting", {"ticket": ticket, "state": "applied"})
        return [await waiting, await idle.outcome("2")]

    assert [end["ticket"] for end in asyncio.run(job())] == ["1", "2"]


def test_an_outcome_that_is_told_twice_ends_nothing():
    async def job():
        idle = Overview(list)
        for state in ("applied", "unknown"):
            idle._take("setting", {"ticket": "1", "state": state})
        return await idle.outcome("1")

    assert asyncio.run(job())["state"] == "applied"


def test_outcomes_that_nobody_asks_for_do_not_pile_up():
    async def job():
        idle = Overview(list)
        for n in range(1000):
            idle._take("setting", {"ticket": str(n), "state": "applied"})
        return len(idle._tickets)

    assert asyncio.run(job()) == overview.MOST_TICKETS
