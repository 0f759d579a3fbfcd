"""Which dialect, and which unit: what is asked, in which order, and what is said of strangers."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from rct_collector.drivers.base import Answer, Ask, Garbled, Refused, SessionOptions, Unfit
from rct_collector.drivers.voltronic import DRIVER, table
from rct_collector.drivers.voltronic.command import PROTOCOL, Wording, command
from rct_collector.drivers.voltronic.frame import pack
from rct_collector.drivers.voltronic.options import VoltronicOptions
from rct_collector.drivers.voltronic.pi30 import COMMANDS
from rct_collector.drivers.voltronic.session import VoltronicSession
from tests.drivers.voltronic.far_end import NAK, PI30, answer, said, unit

PI18_ID = command(
    "pi18 ID", Wording(r"14(?P<serial_number>\d{14})\d{6}0?0?"), 30, dialects=frozenset({"pi18"})
)
REFUSAL = b"^0\x1b\xe3\r"
ALL = ("QPI", "^P005PI", "^P003PI bare", "QPI bare")


class Outcome(NamedTuple):
    """What came of it."""

    asked: list
    event: object
    pauses: list


def detect(reply, most=12, session=None, **options):
    """Ask as a line does that was opened, until it is known or hopeless."""
    if session is None:
        wanted = options.pop("wanted", "")
        session = VoltronicSession(VoltronicOptions(**options), wanted, (*COMMANDS, PI18_ID))
    asked, pauses = [], []
    for _ in range(most):
        data = session.request(Ask(PROTOCOL))
        asked.append(said(data))
        events = session.receive(reply(data))
        ends = [event for event in events if type(event) not in (Garbled, Refused)]
        if ends:
            return Outcome(asked, ends[-1], pauses)
        resync = session.abandon(Ask(PROTOCOL))
        assert resync.probe == Ask(PROTOCOL)
        pauses.append(resync.silence_s)
    return Outcome(asked, None, pauses)


def silent(_data):
    return b""


MAX = unit({**PI30, "QSID": "1492932105105335005535"})
PI18 = {"PI": "18", "ID": "1496161704100242000000"}

#: Unit → the answer, and what was asked until then.
UNITS = {
    "PI30": (unit(PI30), "pi30", ALL[:1]),
    "PI31 has the layouts of PI30": (unit({"QPI": "PI31"}), "pi30", ALL[:1]),
    "PI41": (unit({"QPI": "PI41"}), "pi41", ALL[:1]),
    "PI18 that says ^0": (unit(PI18, "pi18", REFUSAL), "pi18", ALL[:2]),
    "PI18 that says NAK": (unit(PI18, "pi18", NAK), "pi18", ALL[:2]),
    "PI18 that is silent": (unit(PI18, "pi18", b""), "pi18", ALL[:2]),
    "PI18 without checksums": (unit(PI18, "pi18", b"(NAK\r"), "pi18", ("QPI", *ALL[:2])),
    "PI17": (unit({"PI": "17"}, "pi17", REFUSAL), "pi17", ALL[:3]),
    "PI16": (unit({"QPI": "PI16"}, "pi16", b""), "pi16", ALL),
}  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
def test_dialect_is_found_out(name):
    reply, word, asked = UNITS[name]
    found = detect(reply)
    assert found.event == Answer(PROTOCOL, word)
    assert tuple(found.asked) == asked


@pytest.mark.parametrize("name", UNITS)
def test_dialect_that_is_known_is_asked_for_first(name):
    reply, word, asked = UNITS[name]
    session = VoltronicSession(VoltronicOptions(), "", ())
    detect(reply, session=session)
    again = detect(reply, session=session)
    assert (again.asked, again.event) == ([asked[-1]], Answer(PROTOCOL, word))


def test_nothing_else_is_sent_to_what_is_not_known():
    found = detect(silent, most=11)
    assert tuple(found.asked) == (*ALL, "M bare", *ALL, "M bare", ALL[0])
    assert set(found.pauses) == {1.0}


def test_what_was_a_unit_is_not_asked_whether_it_is_a_ups():
    session = VoltronicSession(VoltronicOptions(), "", ())
    detect(unit(PI30), session=session)
    again = ALL[:1] * 3  # its own question is asked four times: the answers may be lost, or late
    assert tuple(detect(silent, most=14, session=session).asked) == (*again, *ALL) * 2


def test_unit_that_says_no_is_asked_the_next_question_at_once():
    assert detect(unit(PI18, "pi18")).pauses == [0.1]


def test_unit_may_be_exchanged_for_one_of_another_dialect():
    session = VoltronicSession(VoltronicOptions(), "", ())
    detect(unit(PI30), session=session)
    assert detect(unit(PI18, "pi18"), session=session).event == Answer(PROTOCOL, "pi18")
    assert detect(unit(PI30), session=session).event == Answer(PROTOCOL, "pi30")


# -- a dialect that is named -------------------------------------------------------------------

NAMED = (
    ("pi30", unit(PI30), ALL[:1]),
    ("pi30max", unit(PI30), ALL[:1]),
    ("pi30revo", unit(PI30), ALL[:1]),
    ("pi41", unit(PI30), ALL[:1]),
    ("pi41", unit({"QPI": "PI41"}), ALL[:1]),
    ("pi41", unit({"QID": "92911906100045"}), ("QPI", "QID")),
    ("pi18", unit(PI18, "pi18"), ALL[1:2]),
    ("pi17", unit({"PI": "17"}, "pi17"), ALL[2:3]),
    ("pi16", unit({"QPI": "PI16"}, "pi16"), ALL[3:]),
)


@pytest.mark.parametrize(("dialect", "reply", "asked"), NAMED)
def test_dialect_that_is_named_is_asked_for_first(dialect, reply, asked):
    found = detect(reply, dialect=dialect)
    assert found.event == Answer(PROTOCOL, dialect)
    assert tuple(found.asked) == asked


#: Named dialect, unit, the number that it says, and what would be right.
WRONG = (
    ("pi18", unit(PI30), "PI30", "pi30 or pi30max or pi41 or pi30revo would be right, or auto"),
    ("pi18", unit(PI30, no=b""), "PI30", "pi30"),
    ("pi30", unit(PI18, "pi18"), "PI18", "pi18 would be right, or auto"),
    ("pi30", unit({"QPI": "PI41"}), "PI41", "pi41 would be right, or auto"),
    ("pi17", unit(PI18, "pi18"), "PI18", "pi18 would be right, or auto"),
    ("pi16", unit(PI30), "PI30", "pi30"),
)


@pytest.mark.parametrize(("dialect", "reply", "says", "right"), WRONG)
def test_unit_of_another_dialect_than_the_named_one_is_not_read(dialect, reply, says, right):
    found = detect(reply, dialect=dialect)
    assert type(found.event) is Unfit
    assert found.event.reason.startswith(
        f"the unit says that it speaks {says}, but the option dialect says {dialect}; {right}"
    )


def test_questions_are_sent_without_checksum_where_that_is_wanted():
    asked = detect(silent, most=4, request_crc=False).asked
    assert asked == ["QPI bare", "^P005PI bare", "^P003PI bare", "QPI bare"]


# -- strangers ---------------------------------------------------------------------------------

UPS_STATUS = b"(208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r"

STRANGERS = (
    (unit({"QPI": "PI34"}), "PI34: a solar charge controller, which is not supported"),
    (unit({"QPI": "PI99"}), "PI99: a device of another kind"),
    (lambda _data: b"#-1\r", "answers #-1 to what every Voltronic unit knows"),
    (lambda data: b"H\r" if data == b"M\r" else b"", "a UPS that speaks Megatec"),
    (lambda data: b"V\r" if data == b"M\r" else data, "a UPS that speaks Megatec"),
    (lambda _data: UPS_STATUS, "a UPS that speaks Megatec"),
    (unit({}), "refuses every question that would tell its dialect"),
    (unit({}, no=REFUSAL), "refuses every question that would tell its dialect"),
)


@pytest.mark.parametrize(("reply", "told"), STRANGERS)
def test_stranger_is_named(reply, told):
    found = detect(reply)
    assert type(found.event) is Unfit
    assert told in found.event.reason


def test_stranger_is_asked_no_more_than_it_takes():
    assert len(detect(lambda _data: b"#-1\r").asked) == 1
    assert tuple(detect(unit({})).asked) == (*ALL, *ALL), "a question may be damaged on its way"
    assert tuple(detect(STRANGERS[3][0]).asked) == (*ALL, "M bare")


def test_what_a_known_unit_says_besides_does_not_make_it_a_stranger():
    session = VoltronicSession(VoltronicOptions(), "", ())
    detect(unit(PI30), session=session)
    found = detect(lambda data: b"#-1\r" + UPS_STATUS + b"H\r" + unit(PI30)(data), session=session)
    assert found.event is None or type(found.event) is Answer


# -- damage, and answers that come late --------------------------------------------------------


def flaky(reply, *bad):
    """The first answers are these."""
    queue = list(bad)
    return lambda data: queue.pop(0) if queue else reply(data)


def test_damaged_answer_is_asked_for_again():
    found = detect(flaky(unit(PI30), b"(PI30\x9a\x0c\r"))
    assert found.asked == ["QPI", "QPI"]
    assert found.pauses == [1.0]
    assert found.event == Answer(PROTOCOL, "pi30")


def test_question_that_is_damaged_on_its_way_is_asked_again():
    reply = unit({"QPI": "PI30"})
    assert detect(flaky(reply, NAK, NAK, NAK, NAK)).event == Answer(PROTOCOL, "pi30")


def test_damage_that_stays_is_not_asked_for_for_ever():
    found = detect(lambda data: b"(PI30xx\r" if said(data) == "QPI" else unit(PI18, "pi18")(data))
    assert found.asked == ["QPI", "QPI", "^P005PI"]


def test_late_answer_tells_the_dialect_but_is_no_proof_of_the_line():
    """What was asked now is still to be answered."""
    found = detect(flaky(unit(PI30), b"", answer("PI30")))
    assert found.asked == ["QPI", "^P005PI", "QPI"]
    assert found.pauses == [1.0, 1.0]
    assert found.event == Answer(PROTOCOL, "pi30")


def test_answer_of_a_known_dialect_that_is_damaged_is_asked_for_again():
    session = VoltronicSession(VoltronicOptions(), "", ())
    detect(unit(PI30), session=session)
    damaged = [b"(PI30\x9a\x0c\r"] * 3
    assert detect(flaky(unit(PI30), *damaged), session=session).asked == ["QPI"] * 4


def test_answer_to_something_else_is_none():
    found = detect(flaky(unit(PI30), answer("B")))
    assert found.asked == ["QPI", "QPI"]


def test_mode_of_pi18_is_no_number_of_a_protocol():
    found = detect(flaky(unit(PI18, "pi18"), answer("05", counted=True)), dialect="pi18")
    assert found.asked == ["^P005PI", "^P005PI"]
    assert found.event == Answer(PROTOCOL, "pi18")


def test_echo_is_no_answer():
    found = detect(lambda data: data + unit(PI30)(data))
    assert found.event == Answer(PROTOCOL, "pi30")
    assert detect(lambda data: data, most=6).event is None


# -- which unit --------------------------------------------------------------------------------

SERIALS = (
    (unit(PI30), "92932004105315", ("QPI", "QID")),
    (MAX, "92932004105315", ("QPI", "QID")),
    (MAX, "92932105105335", ("QPI", "QID", "QSID")),
    (unit(PI18, "pi18"), "96161704100242", ("QPI", "^P005PI", "^P005ID")),
)


@pytest.mark.parametrize(("reply", "wanted", "asked"), SERIALS)
def test_unit_that_is_meant_is_found(reply, wanted, asked):
    session = VoltronicSession(VoltronicOptions(), wanted, (*COMMANDS, PI18_ID))
    found = detect(reply, session=session)
    assert type(found.event) is Answer
    assert tuple(found.asked) == asked
    assert detect(reply, session=session).asked == [asked[-1]], "who it is proves the line, too"


def test_serial_number_may_be_that_of_the_address():
    known = SessionOptions(VoltronicOptions(), {"serial_number": "92932004105315"})
    assert type(detect(unit(PI30), session=DRIVER.session(known)).event) is Answer
    found = detect(unit({**PI30, "QID": "92932004999999"}), session=DRIVER.session(known))
    assert "is 92932004999999, not 92932004105315" in found.event.reason


def test_option_has_precedence_over_the_address():
    options = VoltronicOptions(serial_number="92932004105315")
    session = DRIVER.session(SessionOptions(options, {"serial_number": "1234567890"}))
    assert type(detect(unit(PI30), session=session).event) is Answer


def test_no_command_of_the_table_sets_anything():
    """Settings begin with P, ^S, or one letter; PBMS looks like a question."""
    asks = re.compile(r"Q[A-Z0-9]+|VERFW:|PQSE")
    for command_ in table.COMMANDS:
        if command_.dialects & {"pi18", "pi17"}:
            assert pack(command_.text, min(command_.dialects)).startswith(b"^P")
        else:
            assert asks.fullmatch(command_.text), command_.name


OTHERS = (
    (unit(PI30), "the unit's serial number is 92932004105315, not 1234567890"),
    (MAX, "the unit's serial number is 92932004105315 or 92932105105335, not 1234567890"),
    (unit(PI30, no=b""), "the unit's serial number is 92932004105315, not 1234567890"),
    (unit({"QPI": "PI30"}), "the unit does not tell its serial number"),
    (unit({"QPI": "PI30"}, no=b""), "the unit does not tell its serial number"),
)


@pytest.mark.parametrize(("reply", "told"), OTHERS)
def test_unit_that_is_not_meant_is_not_read(reply, told):
    session = VoltronicSession(VoltronicOptions(), "1234567890", COMMANDS)
    for _ in range(2):  # whatever was learnt of the first one
        found = detect(reply, session=session)
        assert type(found.event) is Unfit
        assert told in found.event.reason


def test_unit_that_takes_the_place_of_the_one_that_is_meant_is_not_read():
    session = VoltronicSession(VoltronicOptions(), "92932004105315", (*COMMANDS, PI18_ID))
    detect(unit(PI30), session=session)
    found = detect(unit({**PI30, "QID": "92932004999999"}), session=session)
    assert type(found.event) is Unfit
    found = detect(unit(PI18, "pi18"), session=session)
    assert type(found.event) is Unfit
    assert detect(unit(PI30), session=session).event == Answer(PROTOCOL, "pi30")


def test_damaged_serial_number_is_asked_for_again():
    reply = flaky(unit(PI30), answer("PI30"), b"(92932004105315xx\r")
    found = detect(reply, wanted="92932004105315")
    assert found.asked == ["QPI", "QID", "QID"]
    assert found.event == Answer(PROTOCOL, "pi30")
