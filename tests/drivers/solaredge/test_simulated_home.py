"""Simulated inverters that call home: what they say, and what they do without an answer."""

from __future__ import annotations

from functools import cache

import pytest

from rct_collector.drivers.solaredge.frame import FrameReader
from rct_collector.drivers.solaredge.functions import ASK_TIME, POST, SESSION_KEY
from rct_collector.drivers.solaredge.request import acknowledge
from rct_collector.drivers.solaredge.simulator import bodies
from rct_collector.drivers.solaredge.simulator.home import HEARTBEAT_S, REPLY_S, TRIES
from rct_collector.drivers.solaredge.simulator.outbox import MOST_KEPT
from rct_collector.drivers.solaredge.simulator.profiles import PROFILES, MagicId, NoReply, faults
from tests.drivers.solaredge.home import Portal, caller, live
from tests.needs import library
from tests.slow import slow_among
from tests.virtual import START

HOUR = 3600.0


def posts(portal):
    return [frame for frame in portal.frames if frame.function == POST]


def held(payload):
    """(type, device, body) of the records of a post."""
    while payload:
        size = int.from_bytes(payload[6:8], "little")
        yield payload[:2], payload[2:6], payload[8 : 8 + size]
        payload = payload[8 + size :]


@pytest.mark.parametrize("scenario", ["roofs", "three-phase", "battery", "old"])
@pytest.mark.parametrize("encrypt", [False, True])
def test_all_that_is_made_is_posted_and_acknowledged(scenario, encrypt):
    if encrypt:
        library("cryptography")
    unit, witness = caller(scenario, encrypt=encrypt)
    secret = unit.outbox.unit.world.secret(0)
    portal = Portal(secret)
    live(unit, portal, HOUR)
    told = [told for told in witness.told if told.record.time < START + HOUR - 10]
    assert len(told) > 60
    assert all(item.acknowledged is not None and item.whole for item in told)
    sent = [record for post in posts(portal) for record in held(post.payload)]
    assert len(sent) == len({(kind, device, body) for kind, device, body in sent})
    assert len(sent) >= len(told)
    assert not portal.bad
    assert unit.outbox.observed.writes == 0
    assert any(frame.function == SESSION_KEY for frame in portal.frames) is encrypt


def test_one_with_nothing_to_say_says_so_twice_a_minute():
    unit, _ = caller(sun=1.0, optimizers=1)
    portal = Portal()
    live(unit, portal, 600)
    empty = [frame for frame in posts(portal) if not frame.payload]
    assert 600 / HEARTBEAT_S - 4 <= len(empty) <= 600 / HEARTBEAT_S + 1


def test_what_is_not_acknowledged_is_said_again_with_the_same_number_and_with_new_ones():
    unit, witness = caller(faults=[NoReply()])
    portal = Portal()
    calls = live(unit, portal, HOUR)
    first = posts(portal)[0].payload
    assert {frame.payload for frame in posts(portal)} == {first}
    assert min(witness.repeated) > 10
    assert len(calls) >= HOUR / (REPLY_S * TRIES) - 2, "it hangs up and calls anew"
    assert not any(told.acknowledged for told in witness.told)


def test_any_of_the_numbers_a_post_had_acknowledges_it_and_an_old_one_does_not():
    unit, _ = caller(seed=4)
    client = unit.connect()
    said = []
    for now in (0.0, 1.0, 12.0, 23.0):
        said += [item for data in unit.pull(now) for item in FrameReader().feed(data)]
    frames = [frame for frame in said if frame.function == POST]
    assert len({frame.payload for frame in frames}) == 1
    waiting = len(unit.outbox.waiting)
    unit.receive(client, acknowledge(frames[0]), 24.0)
    assert len(unit.outbox.waiting) < waiting
    left = len(unit.outbox.waiting)
    unit.receive(client, acknowledge(frames[0]), 24.1)
    assert len(unit.outbox.waiting) == left
    assert unit.outbox.observed.strange == 1


def test_what_nobody_took_is_told_after_an_outage_with_its_own_times():
    unit, witness = caller()
    portal = Portal()
    unit.start(0.0)
    unit.outbox.gather(5 * HOUR)
    live(unit, portal, 5 * HOUR + 600, now=5 * HOUR)
    times = [
        int.from_bytes(body[:4], "little") for p in posts(portal) for *_, body in held(p.payload)
    ]
    assert min(times) < START + 300
    assert sum(t < START + 4 * HOUR for t in times) > 200
    assert all(told.acknowledged for told in witness.told if told.record.time < START + 5 * HOUR)


@pytest.mark.slow
@pytest.mark.measured
def test_an_outage_of_weeks_costs_the_oldest_records():
    unit, witness = caller(optimizers=60)
    for day in range(4):
        unit.outbox.gather(day * 24 * HOUR)
    assert len(unit.outbox.waiting) == MOST_KEPT
    forgotten = [told for told in witness.told if told.forgotten]
    assert forgotten == witness.told[: len(forgotten)]
    assert len(witness.told) == MOST_KEPT + len(forgotten)


def test_a_wrong_clock_is_set_and_told_as_an_event():
    unit, witness = caller()
    unit.outbox.unit.clock = 5000.0
    portal = Portal()
    live(unit, portal, 2 * HOUR)
    assert any(frame.function == ASK_TIME for frame in portal.frames)
    assert unit.outbox.unit.clock == pytest.approx(0.0, abs=1.0)
    assert {zone for _, zone in unit.told_times} == {3600}
    (event,) = [told for told in witness.told if told.record.kind == bodies.EVENT]
    assert event.record.said == {"event": 1}


def test_an_id_may_be_the_beginning_of_a_frame():
    unit, _ = caller(faults=[MagicId()])
    portal = Portal()
    live(unit, portal, 1000)
    devices = {device for post in posts(portal) for _, device, _ in held(post.payload)}
    assert b"\x12\x34\x56\x79" in devices
    assert not portal.bad


@pytest.mark.slow
@pytest.mark.parametrize("name", slow_among(sorted(PROFILES), "flood"))
def test_whatever_goes_wrong_in_the_end_all_is_acknowledged(name):
    unit, witness = caller(faults=faults([name], 3))
    portal = Portal()
    live(unit, portal, 6 * HOUR)
    old = [told for told in witness.told if told.record.time < START + 4 * HOUR]
    assert len(old) > 200
    unheard = [told for told in old if not told.acknowledged]
    assert len(unheard) <= (0 if name != "clock" else 300)


@pytest.mark.parametrize("name", slow_among(sorted(PROFILES), "flood"))
def test_a_profile_does_what_it_says(name):
    """Each leaves a trace: something that a unit without faults does not do."""
    plain, troubled = traces(), traces(name)
    assert plain[:3] == [1, 0, [0, 0]]
    assert plain != troubled


@cache
def traces(*profiles):
    """What can be seen of five hours."""
    unit, witness = caller(faults=faults(list(profiles), 3))
    portal = Portal()
    calls = live(unit, portal, 5 * HOUR)
    return [
        len(calls),
        len(portal.bad),
        witness.repeated,
        {frame.function for frame in portal.frames},
        len(portal.frames),
        {told.record.kind for told in witness.told},
        unit.outbox.observed,
        {bytes(told.record.body) for told in witness.told},
        {told.record.device for told in witness.told},
    ]
