"""A recorded unit that says everything again."""

from __future__ import annotations

import pytest

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.simulator.replay import Replay
from tests.scripted import BY_NAME

SOC, STATE = BY_NAME["battery.soc"], BY_NAME["prim_sm.state"]
READ = {item.oid: frame.assemble(frame.READ, item.oid) for item in (SOC, STATE)}


def ask(unit, oid, now=0.0, client=None):
    """Ask for an object; (time, bytes) of all that follows."""
    client = unit.connect() if client is None else client
    unit.receive(client, READ[oid], now)
    said = []
    while (due := unit.next_due()) is not None:
        said += [(due, data) for data in unit.pull(due)]
    return said


@pytest.fixture
def unit():
    """Asked for two objects, one of them three times, once in vain."""
    unit = Replay()
    unit.asked(10.0, SOC.oid)
    unit.asked(10.1, STATE.oid)
    unit.said(10.2, STATE.oid, b"state")
    unit.said(10.5, SOC.oid, b"first")
    unit.asked(20.0, SOC.oid)
    unit.asked(30.0, SOC.oid)
    unit.said(30.25, SOC.oid, b"third")
    unit.said(30.5, None, b"noise")
    unit.finish()
    return unit


def test_answers_come_in_recorded_order_with_recorded_delays_and_begin_anew(unit):
    assert ask(unit, SOC.oid, 100.0) == [(100.5, b"first")]
    assert ask(unit, SOC.oid, 200.0) == []
    assert ask(unit, SOC.oid, 300.0) == [(300.25, b"third"), (300.5, b"noise")]
    assert ask(unit, SOC.oid, 400.0) == [(400.5, b"first")]
    assert ask(unit, STATE.oid, 500.0) == [(pytest.approx(500.1), b"state")]
    assert unit.requests == {"battery.soc": 4, "prim_sm.state": 1}
    assert unit.objects == 2


def test_what_was_never_asked_for_is_not_answered(unit):
    oid = BY_NAME["inverter_sn"].oid
    client = unit.connect()
    unit.receive(client, frame.assemble(frame.READ, oid), 0.0)
    unit.receive(client, frame.assemble(frame.READ, 0xDEADBEEF), 0.0)

    assert unit.next_due() is None
    assert unit.requests == {"inverter_sn": 1, "0xDEADBEEF": 1}


def test_speed_shortens_delays():
    unit = Replay(speed=10)
    unit.asked(0.0, SOC.oid)
    unit.said(1.0, SOC.oid, b"answer")
    unit.finish()

    assert ask(unit, SOC.oid) == [(0.1, b"answer")]


def test_a_last_request_without_answer_fell_off_the_end():
    unit = Replay()
    for time in (1.0, 2.0):
        unit.asked(time, SOC.oid)
    unit.said(1.5, SOC.oid, b"answer to the second, in truth")
    unit = Replay()
    unit.asked(1.0, SOC.oid)
    unit.said(1.5, SOC.oid, b"answer")
    unit.asked(2.0, SOC.oid)
    unit.asked(2.0, STATE.oid)
    unit.finish()

    assert [data for _ in range(2) for _, data in ask(unit, SOC.oid)] == [b"answer"] * 2
    assert ask(unit, STATE.oid) == []
    assert unit.objects == 1


def test_what_nobody_asked_for_follows_the_request_before_it_or_the_first():
    unit = Replay()
    unit.said(1.0, STATE.oid, b"early")
    unit.asked(2.0, SOC.oid)
    unit.said(2.5, STATE.oid, b"foreign")
    unit.finish()

    assert ask(unit, SOC.oid) == [(0.0, b"early"), (0.5, b"foreign")]


def test_requests_may_be_torn_and_clients_come_and_go(unit):
    gone, client = unit.connect(), unit.connect()
    unit.disconnect(gone)
    unit.receive(client, READ[SOC.oid][:4], 0.0)
    assert unit.next_due() is None
    unit.receive(client, READ[SOC.oid][4:], 1.0)

    assert unit.next_due() == 1.5
    assert unit.clients == {client}
