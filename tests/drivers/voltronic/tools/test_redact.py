"""Redaction: no serial number is left, however it was cut or torn, and what is none stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rct_collector.drivers.voltronic.frame import Frame, FrameReader, pack
from rct_collector.drivers.voltronic.tools import Tools
from rct_collector.drivers.voltronic.tools.dissect import pieces
from tests.drivers.voltronic.tools.test_dissect import QPIGS, said

relaxed = settings(deadline=None)

SECRET = "92932107101234"
OTHER = "92932107105678"

#: Where serial numbers stand.
WITH_SECRET = [
    f"({SECRET}",
    f"({SECRET[:13]}",
    f"(14{SECRET}005535",
    f"(1 {SECRET} B 00 000.0 00.00 230.6 50.00 0275 0141 005 51.4 001 100 083.3 002 00574 00312"
    " 003 10100110 1 2 060 120 10 04 000",
    f"(11 {SECRET} L 00 124.2 59.98 124.2 59.98 0186 0186 006 52.6 000 100 000 00.0 00000110",
    f"^D02514{SECRET}000000",
    f"(serial={SECRET}",
]

HARMLESS = [QPIGS, "(PI30", "(B", "(00238800", "(NAK", "(ACK", "(20261128071500", "(VERFW:00072.70",
            "(EakxyDbjuvz", "^D00518", "^1"]  # fmt: skip


def redactor():
    return Tools("voltronic").redactor()


def redacted(data, cuts=(), new=None):
    found = (new or redactor())()
    bounds = [0, *sorted(cuts), len(data)]
    parts = [data[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    result = b"".join(found.feed(part) for part in parts) + found.flush()
    assert len(result) == len(data)
    return result


def texts(data):
    return [item.text for item in FrameReader().feed(data) if isinstance(item, Frame)]


@pytest.mark.parametrize("text", WITH_SECRET)
def test_no_serial_number_is_left_and_the_answer_stays_whole(text):
    data = said(text)
    result = redacted(data)
    assert SECRET.encode() not in result
    assert SECRET[4:12].encode() not in result
    (before,), (after,) = pieces(data), pieces(result)
    assert after.valid
    assert after.fits == before.fits
    assert len(after.text) == len(before.text)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text):
    assert redacted(said(text)) == said(text)


@pytest.mark.parametrize("text", ["QPIGS", "QED20261128", "POP02"])
def test_questions_and_settings_stay(text):
    assert redacted(pack(text)) == pack(text)


def test_units_of_a_system_still_differ_in_all_answers_of_a_recording():
    new = redactor()
    stand_ins = {
        text: texts(redacted(said(f"({text}"), new=new))[0] for text in (SECRET, OTHER, SECRET)
    }
    assert len(set(stand_ins.values())) == 2
    system = redacted(said(WITH_SECRET[3]), new=new)
    assert stand_ins[SECRET].encode() in system
    assert texts(redacted(said(f"(14{OTHER}005535"), new=new)) == [f"14{stand_ins[OTHER]}000000"]


@pytest.mark.parametrize(
    "data",
    [
        said(f"({SECRET}")[:-3] + b"xx\r",  # a wrong checksum
        said(f"({SECRET}")[:-3],  # cut at the end of the line
        f"{SECRET}\r".encode(),  # no answer
        f"(B {SECRET}".encode() + said("(B"),  # one that was cut, glued to the next
    ],
)
def test_nothing_is_left_of_what_is_no_whole_answer(data):
    result = redacted(data)
    assert not any(SECRET[n : n + 4].encode() in result for n in range(10))


def test_a_broken_answer_is_still_told_as_broken():
    (piece,) = pieces(redacted(said("(B")[:-3] + b"xx\r"))
    assert (piece.verdict, piece.valid) == ("checksum wrong", False)


LINES = st.lists(
    st.one_of(
        st.sampled_from([said(text) for text in WITH_SECRET + HARMLESS]),
        st.sampled_from([pack("QPIGS"), b"\0" * 3, b"\n"]),
        st.binary(max_size=20),
    ),
    max_size=6,
).map(b"".join)


@relaxed
@given(LINES, st.sets(st.integers(0, 600), max_size=8))
def test_it_does_not_matter_how_bytes_are_cut(data, cuts):
    assert redacted(data, {cut for cut in cuts if cut <= len(data)}) == redacted(data)


@relaxed
@given(LINES)
def test_whatever_comes_no_serial_number_is_left(data):
    result = redacted(data)
    assert SECRET.encode() not in result
    assert redacted(result) == redacted(redacted(result))


def test_what_is_settled_is_given_at_once():
    found = redactor()()
    assert found.feed(said("(B")) == said("(B")
    assert found.feed(b"(23") == b""
    assert found.flush() == b"(\0\0"
