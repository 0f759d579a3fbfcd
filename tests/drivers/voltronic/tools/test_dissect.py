"""Bytes of a Voltronic line in words: questions, and answers by their shape."""

from __future__ import annotations

from binascii import crc_hqx

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.drivers.voltronic.frame import checksum, pack
from rct_collector.drivers.voltronic.tools.dissect import answering, line_of, pieces, resembles
from rct_collector.drivers.voltronic.tools.questions import read_question

relaxed = settings(deadline=None)

QPIGS = (
    "(231.4 50.0 229.9 49.9 0345 0299 006 398 52.10 004 083 0037 03.2 251.7 00.00 00000 00010110"
    " 00 00 00805 010"
)


def said(text, end=b"\r"):
    """An answer as a unit sends it."""
    line = text.encode()
    return line + checksum(line) + end


def one(data):
    (piece,) = pieces(data)
    assert piece.data == data
    return piece


# -- questions ---------------------------------------------------------------------------------

QUESTIONS = [
    (pack("QPIGS"), "question", "QPIGS", "pi30"),
    (pack("QED20261128"), "question", "QED20261128", "pi30max"),
    (pack("GS", "pi18"), "question", "GS", "pi18"),
    (pack("GS", "pi18", crc=False), "question", "GS", "pi18"),
    (pack("FWS", "pi18"), "question", "FWS", "pi18"),
    (pack("ED20261128", "pi18"), "question", "ED20261128", "pi18"),
    (pack("GS", "pi17"), "question", "GS", "pi17"),
    (pack("ED20261128", "pi17"), "question", "ED20261128", "pi17"),
    (pack("QPIGS", "pi16"), "question", "QPIGS", "pi16"),
    (pack("QED20261128", "pi16"), "question", "QED20261128", "pi16"),
    (pack("QALL", "pi30revo"), "question", "QALL", "pi30revo"),
    (pack("QNEW7"), "question", "QNEW7", "pi30"),
    (pack("POP02"), "setting", "POP02", "pi30"),
    (b"POP02\xe2\x0b\r", "setting", "POP02", "pi30"),
    (b"^S007POP1\x0e\x10\r", "setting", "POP1", "pi18"),
    (b"M\r", "question", "M", None),
]


@pytest.mark.parametrize(("data", "command", "text", "dialect"), QUESTIONS)
def test_questions_are_told_with_what_they_ask(data, command, text, dialect):
    piece = one(data)
    assert (piece.command, piece.direction, piece.verdict) == (command, "to device", "ok")
    assert (piece.text, piece.shown) == (text, text)
    assert not dialect or dialect in piece.dialects
    assert piece.question is not None


@pytest.mark.parametrize("text", ["QMCHGCR", "QDI", "QPGS4", "QEY2031", "QLT", "QVFW3"])
def test_a_checksum_with_the_begin_of_an_answer_in_it_spoils_no_question(text):
    """Some client does not escape it."""
    for n in range(4000):
        line = f"Q{n:04}".encode()
        raw = crc_hqx(line, 0).to_bytes(2, "big")
        if b"^" in raw and not set(raw) & set(b"\r\n\0("):
            assert one(line + raw + b"\r").text == line.decode()
            break
    assert one(pack(text)).text == text


@pytest.mark.parametrize(
    "line", [b"", b"Q", b"QPIGS\xb7\xaa", b"^P009GS", b"hello", b"\xff\xfe", b"^P005", b"^X005GS"]
)
def test_what_is_no_question(line):
    assert read_question(line) is None


# -- answers by their shape ----------------------------------------------------------------------

ANSWERS = [
    ("(PI30", "QPI", "protocol_id PI30"),
    ("(B", "QMOD", "mode"),
    (QPIGS, "QPIGS", "grid_voltage 231.4"),
    ("(EakxyDbjuvz", "QFLAG", "buzzer yes"),
    ("(" + "0" * 16 + "1" + "0" * 15, "QPIWS", "active_bits 16"),
    ("(92932107101234", "QID", "serial_number 92932107101234"),
    ("(010 020 030 040", "QMCHGCR", "10 20 30 40"),
    ("(00238800", "QET", "238800"),
    ("(20261128071500", "QT", "2026-11-28T07:15:00"),
    ("(VERFW:00072.70", "QVFW", "00072.70"),
]


@pytest.mark.parametrize(("text", "name", "shown"), ANSWERS)
def test_answers_are_told_by_their_shape(text, name, shown):
    piece = one(said(text))
    assert (piece.command, piece.direction, piece.verdict) == ("answer", "from device", "ok")
    assert name in [fit.rpartition(" ")[2] for fit in piece.fits]
    assert piece.label.startswith(name)
    assert shown in piece.shown
    assert "".join(["(", piece.text]) == text


def test_where_several_commands_fit_all_are_named():
    piece = one(said("(00238800"))
    texts = {fit.rpartition(" ")[2] for fit in piece.fits}
    assert {"QET", "QEY", "QEM", "QED", "QLT"} <= texts
    assert "others" in piece.label
    assert piece.shown.startswith("as QET: ")
    assert piece.as_mapping()["fits"] == list(piece.fits)


def test_the_question_before_it_decides():
    question, answer = pieces(pack("QLT") + said("(00238800"))
    assert question.label == answer.label == "QLT"
    assert answer.fits == ("QLT",)
    assert not answer.shown.startswith("as ")


def test_an_answer_of_another_shape_than_was_asked_for_is_told():
    _, answer = pieces(pack("QMOD") + said("(00238800"))
    assert answer.verdict == "has not the shape of an answer to QMOD"
    assert "QET" in answer.label


def test_answers_to_questions_that_nobody_knows_are_left_as_they_are():
    _, answer = pieces(pack("QNEW7") + said("(00238800"))
    assert (answer.verdict, len(answer.fits) > 1) == ("ok", True)


@pytest.mark.parametrize(
    ("data", "command", "verdict"),
    [
        (said("(NAK"), "refused", "ok"),
        (said("(ACK"), "accepted", "ok"),
        (said("^0"), "refused", "ok"),
        (said("^1"), "accepted", "ok"),
        (b"(NAK\r", "refused", "ok, without a right checksum"),
    ],
)
def test_yes_and_no(data, command, verdict):
    piece = one(data)
    assert (piece.command, piece.verdict) == (command, verdict)
    _, after = pieces(pack("POP02") + data)
    assert after.label == "POP02"


def test_a_refusal_belongs_to_one_question_only():
    *_, refused, answer = pieces(pack("QLT") + said("(NAK") + said("(00238800"))
    assert refused.label == "QLT"
    assert len(answer.fits) > 1


@pytest.mark.parametrize("text", ["(something new", "(1 2 3 4.5 6,7"])
def test_whole_answers_of_no_known_shape_are_told(text):
    piece = one(said(text))
    assert (piece.fits, piece.valid) == ((), True)
    assert piece.verdict == "checksum right, of a shape that no known answer has"
    assert piece.shown == text[1:]


# -- what is broken ------------------------------------------------------------------------------


def test_a_wrong_checksum_is_told_with_what_it_may_have_been():
    data = said("(B")[:-3] + b"xx\r"
    piece = one(data)
    assert (piece.verdict, piece.valid) == ("checksum wrong", False)
    assert piece.label == "QMOD"


@pytest.mark.parametrize("spelling", [b"\n", b"\r\n"])
def test_lines_that_end_in_other_ways(spelling):
    first, second = pieces(said("(B", spelling) + said("(L", spelling))
    assert (first.verdict, second.verdict) == ("ok", "ok")


def test_padding_of_reports_is_no_noise():
    data = pack("QPIGS2").ljust(16, b"\0") + said("(B").ljust(8, b"\0")
    question, answer = pieces(data)
    assert (question.text, answer.text) == ("QPIGS2", "B")
    assert data[answer.offset : answer.offset + len(answer.data)] == answer.data


def test_what_lies_between_is_noise_and_what_has_no_end_is_incomplete():
    found = list(pieces(b"\xfe\xff\r" + said("(B") + b"(231.4 50"))
    assert [piece.verdict for piece in found] == ["skipped", "ok", "incomplete"]


def test_a_time_whose_checksum_holds_the_end_of_a_line_is_whole():
    """Firmware of PI17 that does not escape."""
    for second in range(3600):
        line = f"^D01720261128{second // 60:02}{second % 60:02}00".encode()
        raw = crc_hqx(line, 0).to_bytes(2, "big")
        if raw[0] == 0x0D and raw[1] not in b"\r\n\0(":
            piece, following = pieces(line + raw + b"\r" + said("(B"))
            assert "T" in piece.label.split(" or ")
            assert following.text == "B"
            return
    pytest.fail("no such time")


# -- any bytes -----------------------------------------------------------------------------------

PARTS = st.one_of(
    st.sampled_from([data for data, *_ in QUESTIONS]),
    st.sampled_from([said(text) for text, *_ in ANSWERS]),
    st.binary(max_size=40),
    st.binary(min_size=500, max_size=600),
    st.sampled_from([b"(B\x0d", b"\r", b"\n", b"\0" * 8, b"(", b"^", b"^D0", b"(NAK\r"]),
)


@relaxed
@example(b"\x01" + b"\0" * 520 + b"\x01" + said("(B") * 2)
@example(b"\x01" + b"\0" * 520 + b"\x01" + pack("QPIGS") * 2)
@given(st.lists(PARTS, max_size=8).map(b"".join))
def test_pieces_are_in_order_and_hold_what_is_on_the_line(data):
    place = 0
    for piece in pieces(data):
        end = piece.offset + len(piece.data)
        assert place <= piece.offset < end <= len(data)
        assert piece.data == data[piece.offset : end]
        assert not data[place : piece.offset].strip(b"\r\n\0"), "nothing is left out"
        place = end
    assert not data[place:].strip(b"\r\n\0")
    resembles(data)


@pytest.mark.slow
@relaxed
@given(st.lists(st.sampled_from([data for data, *_ in QUESTIONS[:-1]] + [said("(B")]), max_size=9))
def test_whole_lines_are_all_found(lines):
    assert [piece.data for piece in pieces(b"".join(lines))] == lines


# -- texts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("(B", said("(B")),
        (QPIGS, said(QPIGS)),
        ("(NAKss", said("(NAK")),
        ("^D00518", said("^D00518")),
        ("QPIGS", pack("QPIGS")),
        ("GS", pack("GS", "pi18")),
        ("^P003PI", b"^P003PI\r"),
        ("QPIGS\n(B\n\n", pack("QPIGS") + said("(B")),
        ("QNEW7", pack("QNEW7")),
    ],
)
def test_texts_stand_for_lines(text, data):
    assert line_of(text) == data


@pytest.mark.parametrize("text", ["", "2b 01 04", "51504947", "hello", "(B\nhello", "QPIGS roof"])
def test_other_texts_stand_for_none(text):
    assert line_of(text) is None


# -- what it resembles ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (said("(B"), True),
        (b"(NAK\r", True),
        (pack("QPIGS"), True),
        (said("(B")[:-3] + b"xx\r", True),
        (b"\0\1\2\3\r", False),
        (bytes.fromhex("2b0104959930bf0d65"), False),
        (b"QUITE some prose (with a note)\r\n", False),
        (b"", False),
    ],
)
def test_what_may_be_a_line_of_such_a_unit(data, found):
    assert resembles(data) is found


def test_answering_takes_what_it_cannot_read_as_it_is():
    question, answer = one(pack("QMOD")), one(b"\xfe\xff\r")
    assert answering(question, answer) is answer
    assert answering(answer, question) is question
