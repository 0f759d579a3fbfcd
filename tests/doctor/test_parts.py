"""Traffic and the log of requests, by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.catalog import catalog
from rct_collector.config import DeviceConfig
from rct_collector.doctor.figures import Pace
from rct_collector.doctor.inventory import Inventory
from rct_collector.doctor.requests import Fate, RequestLog
from rct_collector.doctor.traffic import Traffic
from rct_collector.drivers import driver
from rct_collector.drivers.base import Binding, Condition, Polled, Query
from rct_collector.drivers.rct.tools.examination import EXAMINATION
from tests.addresses import tcp

CONFIG = DeviceConfig(name="roof", driver="rct", address=tcp("roof"))
PACE = Pace(0.1, 2)
ONE, OTHER = Query("one", "always"), Query("other", "always")


@pytest.mark.slow
@given(
    st.lists(st.sampled_from([b"AT+\r", b"\x2b\x3c\xe1", b"\0abc", b"\x2d\x2b\x3c\xe1"])), st.data()
)
def test_signs_are_counted_once_however_the_bytes_are_cut(pieces, data):
    stream = b"\0\0\0\0".join(pieces)
    traffic = Traffic(EXAMINATION.signs)
    rest = stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        traffic.listen(rest[:size])
        rest = rest[size:]
    assert traffic.others["the vendor's service"] == pieces.count(b"AT+\r")
    assert traffic.others["the vendor's app"] == pieces.count(b"\x2b\x3c\xe1")
    assert traffic.size == len(stream)


def test_others_and_damage_are_told_apart():
    traffic = Traffic({})
    for kind in ("plant", "crc", "echo", "noise", "write"):
        traffic.garbled(kind)
    traffic.foreign(5.0)
    assert set(traffic.others) == {"plant", "echo", "write", "answer"}
    assert set(traffic.damaged) == {"crc", "noise"}
    assert traffic.foreign_at == 5.0


def test_an_answer_is_in_time_late_repeated_or_somebody_elses():
    log = RequestLog(2.0)
    assert log.received(ONE, 1, 100.0) == (Fate.FOREIGN, 0.0)
    log.asked(ONE, PACE, 100.0)
    assert log.received(ONE, 1, 100.5) == (Fate.IN_TIME, 0.5)
    assert log.received(ONE, 1, 100.7)[0] is Fate.TWICE
    assert log.received(ONE, 2, 100.8)[0] is Fate.FOREIGN
    assert log.received(ONE, 1, 101.5)[0] is Fate.FOREIGN
    log.asked(ONE, PACE, 102.0)
    assert log.received(ONE, 1, 105.0) == (Fate.LATE, 3.0)
    log.asked(ONE, PACE, 110.0)
    assert log.received(ONE, 1, 121.0)[0] is Fate.FOREIGN, "too late for anything"
    figures = log.figures(PACE)
    assert (len(figures.latencies), figures.late, figures.missing) == (1, (3.0,), 1)
    assert (log.sent, log.answers) == (3, 2)


def test_what_is_never_answered_is_not_lost():
    log = RequestLog(2.0)
    log.asked(ONE, PACE, 0.0)
    log.asked(OTHER, PACE, 0.0)
    log.received(OTHER, 1, 0.1)
    log.sweep(10.0)
    assert log.figures(PACE).lost == 0
    log.asked(ONE, PACE, 20.0)
    log.received(ONE, 1, 20.1)
    assert log.figures(PACE).lost == 1, "now it is known to be answered"


def test_what_was_under_way_on_a_lost_line_does_not_count():
    log = RequestLog(2.0)
    log.asked(ONE, PACE, 0.0)
    log.drop()
    log.sweep(5.0)
    log.asked(ONE, PACE, 10.0)
    log.received(ONE, 1, 10.1)
    assert log.figures(PACE).requests == 1


@pytest.mark.slow
@pytest.mark.measured
@given(st.lists(st.tuples(st.sampled_from("asrx"), st.booleans(), st.floats(0, 4)), max_size=60))
def test_every_request_has_one_fate_at_most(happenings):
    log, now, asked = RequestLog(2.0), 0.0, 0
    for what, which, wait in happenings:
        now += wait
        query = ONE if which else OTHER
        if what == "a":
            log.asked(query, PACE, now)
            asked += 1
        elif what == "s":
            log.spoiled(query)
        elif what == "r":
            log.received(query, 1, now)
        else:
            log.sweep(now)
    figures = log.figures(PACE)
    assert 0 <= figures.lost <= figures.requests <= asked
    assert figures.missing >= 0


# -- what is found in several places -----------------------------------------------------------


def _known_by(name, condition):
    """A query of one dialect whose answer has the serial number in one of its parts."""
    binding = Binding((catalog().series("inverter.serial"),), "id", 1.0, lambda raw, *_: [raw[0]])
    return Query(name, condition, (binding,))


def test_who_it_is_comes_from_the_command_that_the_unit_knows():
    """Nothing is asked of which it is not known that the unit has it."""
    old, new, protocol = _known_by("ID", "A"), _known_by("GETID", "B"), Query("protocol")
    conditions = {
        name: Condition(("protocol",), lambda facts, name=name: facts.get("protocol") == name)
        for name in "AB"
    }
    polled = Polled(queries=(protocol, old, new), conditions=conditions)
    inventory = Inventory(CONFIG, replace(driver("rct"), polled=polled))
    assert inventory.open() == [protocol]
    assert inventory.who() == []
    inventory.take(protocol, "B")
    inventory.take(protocol, "B")
    assert inventory.who() == [new]
    inventory.hear(new, ["42", "more"], 0.0, 0.0)
    assert inventory.who() == []
    assert inventory.identity == {"serial": "42"}
