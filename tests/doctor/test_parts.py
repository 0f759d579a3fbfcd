"""The ear and the ledger, by themselves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rct_collector.doctor.ear import Ear
from rct_collector.doctor.figures import Pace
from rct_collector.doctor.ledger import Fate, Ledger
from rct_collector.drivers.base import Query
from rct_collector.drivers.rct.examination import EXAMINATION

PACE = Pace(0.1, 2)
ONE, OTHER = Query("one", "always"), Query("other", "always")


@given(
    st.lists(st.sampled_from([b"AT+\r", b"\x2b\x3c\xe1", b"\0abc", b"\x2d\x2b\x3c\xe1"])), st.data()
)
def test_signs_are_counted_once_however_the_bytes_are_cut(pieces, data):
    stream = b"\0\0\0\0".join(pieces)
    ear = Ear(EXAMINATION.signs)
    rest = stream
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        ear.listen(rest[:size])
        rest = rest[size:]
    assert ear.others["the vendor's service"] == pieces.count(b"AT+\r")
    assert ear.others["the vendor's app"] == pieces.count(b"\x2b\x3c\xe1")
    assert ear.size == len(stream)


def test_others_and_damage_are_told_apart():
    ear = Ear({})
    for kind in ("plant", "crc", "echo", "noise", "write"):
        ear.garbled(kind)
    ear.foreign(5.0)
    assert set(ear.others) == {"plant", "echo", "write", "answer"}
    assert set(ear.damaged) == {"crc", "noise"}
    assert ear.foreign_at == 5.0


def test_an_answer_is_in_time_late_repeated_or_somebody_elses():
    ledger = Ledger(2.0)
    assert ledger.received(ONE, 1, 100.0) == (Fate.FOREIGN, 0.0)
    ledger.asked(ONE, PACE, 100.0)
    assert ledger.received(ONE, 1, 100.5) == (Fate.IN_TIME, 0.5)
    assert ledger.received(ONE, 1, 100.7)[0] is Fate.TWICE
    assert ledger.received(ONE, 2, 100.8)[0] is Fate.FOREIGN
    assert ledger.received(ONE, 1, 101.5)[0] is Fate.FOREIGN
    ledger.asked(ONE, PACE, 102.0)
    assert ledger.received(ONE, 1, 105.0) == (Fate.LATE, 3.0)
    ledger.asked(ONE, PACE, 110.0)
    assert ledger.received(ONE, 1, 121.0)[0] is Fate.FOREIGN, "too late for anything"
    figures = ledger.figures(PACE)
    assert (len(figures.latencies), figures.late, figures.missing) == (1, (3.0,), 1)
    assert (ledger.requests, ledger.answers) == (3, 2)


def test_what_is_never_answered_is_not_lost():
    ledger = Ledger(2.0)
    ledger.asked(ONE, PACE, 0.0)
    ledger.asked(OTHER, PACE, 0.0)
    ledger.received(OTHER, 1, 0.1)
    ledger.sweep(10.0)
    assert ledger.figures(PACE).lost == 0
    ledger.asked(ONE, PACE, 20.0)
    ledger.received(ONE, 1, 20.1)
    assert ledger.figures(PACE).lost == 1, "now it is known to be answered"


def test_what_was_under_way_on_a_lost_line_does_not_count():
    ledger = Ledger(2.0)
    ledger.asked(ONE, PACE, 0.0)
    ledger.drop()
    ledger.sweep(5.0)
    ledger.asked(ONE, PACE, 10.0)
    ledger.received(ONE, 1, 10.1)
    assert ledger.figures(PACE).requests == 1


@given(st.lists(st.tuples(st.sampled_from("asrx"), st.booleans(), st.floats(0, 4)), max_size=60))
def test_every_request_has_one_fate_at_most(happenings):
    ledger, now, asked = Ledger(2.0), 0.0, 0
    for what, which, wait in happenings:
        now += wait
        query = ONE if which else OTHER
        if what == "a":
            ledger.asked(query, PACE, now)
            asked += 1
        elif what == "s":
            ledger.spoiled(query)
        elif what == "r":
            ledger.received(query, 1, now)
        else:
            ledger.sweep(now)
    figures = ledger.figures(PACE)
    assert 0 <= figures.lost <= figures.requests <= asked
    assert figures.missing >= 0
