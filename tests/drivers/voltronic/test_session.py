"""A dialogue: what is an answer, what is none, and what the line needs then."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.drivers.base import Answer, Ask, Garbled, Refused, Resync
from rct_collector.drivers.voltronic import table
from rct_collector.drivers.voltronic.command import PROTOCOL, Wording, command
from rct_collector.drivers.voltronic.frame import pack
from rct_collector.drivers.voltronic.options import VoltronicOptions
from rct_collector.drivers.voltronic.pi30 import COMMANDS
from rct_collector.drivers.voltronic.session import VoltronicSession
from rct_collector.errors import RefusedFrameError
from tests.drivers.voltronic.far_end import ACK, NAK, PI30, QPIGS, answer

ALL = frozenset({"pi30", "pi30max"})
ENERGY = Wording(r"(?P<energy>\d{8})", energy=int)
TOTAL = command("QET", ENERGY, 12, dialects=ALL)
YEAR = command("QEY", ENERGY, 12, dialects=ALL, date="%Y")
DAY = command("QED", ENERGY, 12, dialects=ALL, date="%Y%m%d")
CLOCK = command(
    "QT",
    Wording(
        r"(?P<device_time>\d{14})",
        device_time=lambda text: (
            f"{text[:4]}-{text[4:6]}-{text[6:8]}T{text[8:10]}:{text[10:12]}:{text[12:]}"
        ),
    ),
    18,
    dialects=ALL,
)
STATUS = command("GS", Wording(r"(?P<gs>\d+(?:,\d+)*)"), 100, dialects=frozenset({"pi18"}))
BY_NAME = {item.name: item for item in (*COMMANDS, TOTAL, YEAR, DAY, CLOCK, STATUS)}
MODE, POWERS, WARNINGS = (BY_NAME[name] for name in ("QMOD", "QPIGS", "QPIWS"))


def started(dialect="pi30", **options):
    """A session that knows what it talks to."""
    session = VoltronicSession(VoltronicOptions(**options), "", ())
    session.request(Ask(PROTOCOL))
    number = {"pi30": answer("PI30"), "pi18": answer("18", counted=True)}[dialect]
    while not any(type(event) is Answer for event in session.receive(number)):
        session.abandon(Ask(PROTOCOL))
        session.request(Ask(PROTOCOL))
    return session


def ask(session, query, wire, argument=None):
    """Ask, and take what comes."""
    session.request(Ask(query, argument=argument))
    return session.receive(wire)


# -- questions ---------------------------------------------------------------------------------


def test_question_is_framed_as_the_dialect_has_it():
    assert started().request(Ask(POWERS)) == pack("QPIGS")
    assert started(request_crc=False).request(Ask(POWERS)) == b"QPIGS\r"
    assert started("pi18").request(Ask(STATUS)) == pack("GS", "pi18")
    assert started("pi18", request_crc=False).request(Ask(STATUS)) == b"^P005GS\r"


def test_nothing_is_asked_before_the_dialect_is_known():
    session = VoltronicSession(VoltronicOptions(), "", ())
    with pytest.raises(RefusedFrameError, match="QMOD cannot be asked before it is known"):
        session.request(Ask(MODE))
    assert session.request(Ask(PROTOCOL)) == pack("QPI")


# -- what an answer is -------------------------------------------------------------------------


def test_answer_is_that_to_what_was_asked():
    (event,) = ask(started(), POWERS, answer(QPIGS))
    assert event.query is POWERS
    assert event.value["battery_voltage"] == 57.5


#: What comes when QMOD was asked → what that is.
COMING = {
    "its answer": (answer("B"), ["answer"]),
    "a no": (NAK, ["refused"]),
    "a no of PI18": (b"^0\x1b\xe3\r", ["refused"]),
    "a yes": (ACK, ["decode QMOD"]),
    "an answer to QPI": (answer("PI30"), ["decode QMOD"]),
    "an answer to QPIGS": (answer(QPIGS), ["decode QMOD"]),
    "an answer of PI18": (answer("B", counted=True), ["decode QMOD"]),
    "a wrong checksum": (b"(B\xe7\xca\r", ["crc QMOD"]),
    "a no with a wrong checksum": (b"(NAKst\r", ["crc QMOD"]),
    "a no without checksum": (b"(NAK\r", ["crc QMOD"]),
    "a damaged no": (b"(NAOss\r", ["crc QMOD"]),
    "an echo, and its answer": (pack("QMOD") + answer("B"), ["echo", "answer"]),
    "noise, and its answer": (b"\xff\x00\xfe\r" + answer("B"), ["noise", "answer"]),
    "the end of another one, and its answer": (b".0 010$\x8c\r" + answer("B"), ["noise", "answer"]),
    "the begin of another one, and its answer": (b"(230.0 " + answer("B"), ["length", "answer"]),
    "its answer twice": (answer("B") * 2, ["answer", "foreign"]),
    "its answer, and another one": (answer("B") + answer("L"), ["answer", "foreign"]),
    "damage, and its answer": (b"(B\xe7\xca\r" + answer("B"), ["crc QMOD", "foreign"]),
    "another answer, and its own": (answer(QPIGS) + answer("B"), ["decode QMOD", "foreign"]),
    "half of it": (answer("B")[:3], []),
}


def told(event):
    if type(event) is Garbled:
        return event.kind + (f" {event.query.name}" if event.query else "")
    return type(event).__name__.lower()


@pytest.mark.parametrize("name", COMING)
def test_what_comes_after_a_question(name):
    wire, expected = COMING[name]
    events = ask(started(), MODE, wire)
    assert [told(event) for event in events] == expected


def test_what_nobody_asked_for_is_no_answer():
    session = started()
    assert [told(event) for event in session.receive(answer("B"))] == ["foreign"]
    assert [told(event) for event in session.receive(b"(B\xe7\xca\r")] == ["crc"]


def test_what_came_before_the_question_is_no_answer_to_it():
    session = started()
    session.receive(answer("B")[:-2])
    assert [told(event) for event in ask(session, MODE, answer("B")[-2:])] == ["noise"]
    assert [told(event) for event in session.receive(answer("L"))] == ["answer"]


def given_up(query, session=None):
    """A session that has given up a question, and its events do not wait for it any more."""
    session = session or started()
    session.request(Ask(query))
    late = Ask(query) if query.shape is None else None
    silence = 1.0 if query.shape is None else 2.0
    assert session.abandon(Ask(query)) == Resync(silence, Ask(PROTOCOL), 2.5, late)
    return session


#: What comes before the answer to the probe when QMOD was given up → what that is.
LATE = {
    "its answer": (answer("B"), ["answer QMOD"]),
    "its answer twice": (answer("B") * 2, ["answer QMOD", "decode", "refused QPI"]),
    "an answer to another one": (answer(QPIGS), ["decode", "refused QPI"]),
    "a no": (NAK, []),
    "damage": (b"(B\xe7\xca\r", ["crc"]),
    "noise, and its answer": (b"\xff\x00\xfe\r" + answer("B"), ["noise", "answer QMOD"]),
    "half of it": (answer("B")[2:], ["noise"]),
}


def whose(event):
    query = "QPI" if getattr(event, "query", None) is PROTOCOL else getattr(event, "query", None)
    return (
        told(event)
        if query is None
        else f"{told(event).split()[0]} {query}".replace("<Command QMOD>", "QMOD")
    )


@pytest.mark.parametrize("name", LATE)
def test_what_comes_before_the_answer_to_the_probe_is_one_to_what_was_given_up(name):
    """No other answer looks like it. A no to it, or damage, says nothing of the probe."""
    wire, expected = LATE[name]
    session = given_up(MODE)
    session.request(Ask(PROTOCOL))
    assert [whose(event) for event in session.receive(wire)] == expected
    if "refused QPI" not in expected:
        assert session.receive(answer("PI30")) == [Answer(PROTOCOL, "pi30")]
        assert [told(event) for event in session.receive(answer("B"))] == ["foreign"]


def test_answer_comes_late_before_the_line_is_probed_or_to_a_second_probe():
    session = given_up(MODE)
    assert [told(event) for event in session.receive(answer("B"))] == ["answer"]
    session = given_up(MODE)
    for _ in range(2):
        session.request(Ask(PROTOCOL))
        session.abandon(Ask(PROTOCOL))
    session.request(Ask(PROTOCOL))
    assert [told(event) for event in session.receive(answer("B"))] == ["answer"]


def test_late_answer_that_looks_like_others_is_none():
    session = given_up(replace(TOTAL, shape="energy"))
    session.request(Ask(PROTOCOL))
    assert "answer" not in [told(event) for event in session.receive(answer("00238800"))]


def test_answer_behind_that_to_the_probe_or_to_the_next_question_is_none():
    session = given_up(MODE)
    ask(session, PROTOCOL, answer("PI30"))
    assert [told(event) for event in session.receive(answer("B"))] == ["foreign"]
    session = given_up(MODE)
    assert [told(event) for event in ask(session, WARNINGS, answer("B"))] == ["decode QPIWS"]


def test_late_answer_to_a_probe_is_none_to_what_is_asked_now():
    """One for each probe that was given up, and none any more when what came later is answered."""
    session = started()
    for _ in range(2):
        session.request(Ask(PROTOCOL))
        session.abandon(Ask(PROTOCOL))
    assert type(ask(session, PROTOCOL, answer("PI30"))[0]) is Answer
    late = answer("PI30") * 2 + answer("B")
    assert [told(event) for event in ask(session, MODE, late)] == ["foreign", "foreign", "answer"]
    assert [told(event) for event in ask(session, MODE, late)] == [
        "decode QMOD",
        "foreign",
        "foreign",
    ]
    session.request(Ask(PROTOCOL))
    session.abandon(Ask(PROTOCOL))
    ask(session, PROTOCOL, answer("PI30"))
    ask(session, MODE, answer("B"))
    assert [told(event) for event in ask(session, MODE, answer("PI30"))] == ["decode QMOD"]


def test_half_an_answer_is_forgotten_when_the_question_is_given_up():
    session = started()
    session.request(Ask(MODE))
    session.receive(answer("B")[:2])
    session.abandon(Ask(MODE))
    session.receive(answer("B")[2:])
    assert session.pending == 0


def test_line_that_was_silent_forgets_half_an_answer_but_not_the_question():
    session = started()
    session.request(Ask(MODE))
    session.receive(b"(2")
    session.reset()
    assert [told(event) for event in session.receive(answer("B"))] == ["answer"]


# -- an answer that comes twice ----------------------------------------------------------------


def test_answer_before_once_more_is_none():
    """A total that comes twice would be taken for that of the year."""
    session = started()
    assert told(ask(session, TOTAL, answer("00238800"))[0]) == "answer"
    (event,) = ask(session, YEAR, answer("00238800"), 1.8e9)
    assert told(event) == "decode QEY"
    assert session.abandon(Ask(YEAR)).probe == Ask(PROTOCOL)
    ask(session, PROTOCOL, answer("PI30"))
    (event,) = ask(session, YEAR, answer("00238800"), 1.8e9)
    assert told(event) == "answer", "after the probe it is one: both are the same in the first year"


def test_same_answer_to_the_same_question_is_one():
    session = started()
    for _ in range(3):
        assert told(ask(session, MODE, answer("B"))[0]) == "answer"


def test_same_answer_behind_another_one_is_one():
    session = started()
    ask(session, TOTAL, answer("00238800"))
    ask(session, MODE, answer("B"))
    assert told(ask(session, YEAR, answer("00238800"), 1.8e9)[0]) == "answer"


# -- yes and no --------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", [b"(NAK\r", b"(NAKst\r", b"^0\r"])
def test_no_without_a_right_checksum_is_believed_when_it_comes_twice(wire):
    session = started()
    assert [told(event) for event in ask(session, MODE, wire)] == ["crc QMOD"]
    assert [told(event) for event in ask(session, MODE, wire)] == ["crc", "refused"]


def test_no_without_a_right_checksum_says_nothing_of_another_question():
    session = started()
    ask(session, MODE, b"(NAK\r")
    assert [told(event) for event in ask(session, WARNINGS, b"(NAK\r")] == ["crc QPIWS"]
    ask(session, WARNINGS, NAK)
    assert [told(event) for event in ask(session, WARNINGS, b"(NAK\r")] == ["crc QPIWS"]


def test_yes_without_a_right_checksum_is_never_believed():
    session = started()
    for _ in range(3):
        assert [told(event) for event in ask(session, MODE, b"(ACK\r")] == ["crc QMOD"]


# -- the clock of the unit ---------------------------------------------------------------------

#: 2026-06-21 10:00:00 UTC.
NOW = 1_782_036_000


def test_dates_are_those_of_the_clock_of_the_unit():
    session = started()
    session.request(Ask(CLOCK))
    session.receive(answer("20260620235930"), NOW * 10**9)
    assert session.request(Ask(DAY, argument=float(NOW + 29))) == pack("QED20260620")
    assert session.request(Ask(DAY, argument=float(NOW + 30))) == pack("QED20260621")
    assert session.request(Ask(YEAR, argument=float(NOW + 30))) == pack("QEY2026")


def test_clock_is_that_of_the_last_time_it_was_asked():
    session = started()
    for text in ("20260620235930", "20251231235930"):
        session.request(Ask(CLOCK))
        session.receive(answer(text), NOW * 10**9)
    assert session.request(Ask(YEAR, argument=float(NOW))) == pack("QEY2025")


def test_without_a_time_no_date_is_asked_for():
    with pytest.raises(RefusedFrameError, match="QED asks for a date"):
        started().request(Ask(DAY))


# -- laws --------------------------------------------------------------------------------------

wires = st.one_of(
    st.sampled_from(
        [answer(text) for text in ("B", "L", "PI30", QPIGS, "00238800", PI30["QPIWS"])]
    ),
    st.sampled_from(
        [NAK, ACK, b"(NAK\r", b"(B\xe7\xca\r", pack("QMOD"), b"\r", b"(", b"^0\x1b\xe3\r"]
    ),
    st.binary(max_size=12),
)
steps = st.lists(
    st.one_of(
        st.sampled_from([MODE, POWERS, WARNINGS, TOTAL, PROTOCOL, "abandon", "reset"]), wires
    ),
    max_size=25,
)


@given(steps)
@settings(deadline=None)
def test_an_answer_is_always_one_to_the_open_question(steps):
    """It comes after it, complete and with its shape; and one at most for each question.

    A question that was given up stays open until the probe is answered, or something else asked.
    """
    session = started()
    open_question = late = None
    since = before = b""
    for step in steps:
        if isinstance(step, bytes):
            since += step
            for event in session.receive(step):
                if type(event) is Answer and late is not None and event.query is late:
                    late, since = None, before + since
                elif type(event) in (Answer, Refused):
                    assert event.query is open_question
                    open_question = None
                if type(event) is Answer and event.query is not PROTOCOL:
                    sent = [
                        t
                        for t in ("B", "L", QPIGS, "00238800", PI30["QPIWS"])
                        if answer(t) in since
                    ]
                    assert event.value in [event.query.decode(text) for text in sent]
        elif step == "abandon":
            if open_question is not None:
                assert session.abandon(Ask(open_question)).probe == Ask(PROTOCOL)
                if open_question is not PROTOCOL and open_question.shape is None:
                    late = open_question
            open_question = None
        elif step == "reset":
            session.reset()
        else:
            session.request(Ask(step))
            if step is not PROTOCOL:
                late = None
            open_question, before, since = step, since, b""


# -- what others have recorded -----------------------------------------------------------------

RECORDINGS = Path(os.environ.get("RCT_COLLECTOR_CAPTURES", "../shared/captures"), "voltronic")
WORDS = {name: (name.lower(),) for name in ("PI30MAX", "PI41", "PI18", "PI17", "PI16")}


def recorded():
    """(words of dialects, what was asked, bytes, what is said of the checksum, parts)."""
    for name in ("vectors.json", "field-cases.json"):
        for case in json.loads((RECORDINGS / name).read_text(encoding="utf-8")):
            if case.get("expected"):
                words = WORDS.get(case["protocol"], ("pi30", "pi30revo"))
                wire = bytes.fromhex(case["response_hex"])
                yield words, case["command"], wire, case["crc"], case["expected"]


@pytest.mark.captures
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="needs recorded answers")
def test_recorded_answers_are_read_by_the_dialogue():
    """Each by a command of its dialect, and a damaged one by none."""
    count = 0
    for words, asked, wire, crc, expected in recorded():
        text = re.sub(r"(?<=E[YMD])\d+|(?<=L[YMD])\d+", "", asked)
        for word in words:
            commands = [query for query in table.of_dialect(word) if query.text == text]
            if commands:
                break
        found = []
        for query in commands:
            session = VoltronicSession(VoltronicOptions(dialect=word), "", ())
            session._detection.dialect = word
            events = ask(session, query, wire, 1.8e9)
            found += [event.value for event in events if type(event) is Answer]
        if crc == "bad":
            assert not found, asked
        elif wire[:1] in b"(^" and commands:
            count += 1
            assert any(expected.items() <= value.items() for value in found), (asked, found)
    assert count > 75
