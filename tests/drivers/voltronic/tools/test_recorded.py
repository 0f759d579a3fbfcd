"""A recorded unit says again what it said, to whoever asks the same."""

from __future__ import annotations

import pytest

from rct_collector.drivers.tools import TraceItem
from rct_collector.drivers.voltronic.frame import pack
from rct_collector.drivers.voltronic.tools import Tools
from rct_collector.drivers.voltronic.tools.dissect import pieces
from tests.drivers.voltronic.tools.test_dissect import said


def recorded(*lines):
    """A unit of (milliseconds, whether it answers, bytes)."""
    items = [
        TraceItem(at * 10**6, 1, data, piece, answer)
        for at, answer, data in lines
        for piece in pieces(data)
    ]
    return Tools("voltronic").replay()(items, 1.0)


def ask(unit, data, now=0.0):
    client = unit.connect()
    unit.receive(client, data, now)
    heard = []
    while (due := unit.next_due()) is not None:
        heard += [(due, answer) for answer in unit.pull(due)]
    return heard


@pytest.fixture
def unit():
    return recorded(
        (0, False, pack("QPI")),
        (100, True, said("(PI30")),
        (1000, False, pack("QMOD")),
        (1200, True, said("(B")),
        (2000, False, pack("QMOD")),
        (2500, True, said("(L")),
        (3000, False, pack("QPIGS2")),
        (3100, True, said("(NAK")),
        (4000, False, pack("QBEQI")),
        (5000, False, pack("QPI")),
        (5100, True, said("(PI30")),
    )


def test_each_question_gets_its_next_recorded_answer_with_its_delay(unit):
    assert ask(unit, pack("QMOD"), 10.0) == [(10.2, said("(B"))]
    assert ask(unit, pack("QMOD"), 20.0) == [(20.5, said("(L"))]
    assert ask(unit, pack("QMOD"), 30.0) == [(30.2, said("(B"))]
    assert ask(unit, pack("QPI"), 40.0) == [(pytest.approx(40.1), said("(PI30"))]
    assert ask(unit, pack("QPIGS2"), 50.0) == [(pytest.approx(50.1), said("(NAK"))]
    assert unit.objects == 3
    assert unit.requests == {"QMOD": 3, "QPI": 1, "QPIGS2": 1}


@pytest.mark.parametrize("data", [pack("QBEQI"), pack("QID"), pack("QMOD")[:-1], b"hello\r"])
def test_what_was_not_answered_or_not_asked_stays_unanswered(unit, data):
    assert ask(unit, data) == []


def test_questions_come_in_whatever_pieces(unit):
    client, data = unit.connect(), b"\0\0" + pack("QMOD") + pack("QPI")
    for n in range(len(data)):
        unit.receive(client, data[n : n + 1], 0.0)
    assert unit.requests == {"QMOD": 1, "QPI": 1}
    unit.receive(client, b"x" * 10**5, 0.0)
    unit.receive(client, b"\r" + pack("QPI"), 0.0)
    assert unit.requests["QPI"] == 2


def test_questions_of_dialects_are_told_apart():
    unit = recorded(
        (0, False, pack("QPI", "pi16")), (100, True, said("(PI16")),
        (200, False, pack("GS", "pi18")), (300, True, said("^0")),
    )  # fmt: skip
    assert ask(unit, pack("QPI")) == []
    assert ask(unit, pack("QPI", "pi16")) != []
    assert ask(unit, pack("GS", "pi17")) == []
