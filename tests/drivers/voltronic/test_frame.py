"""Frames: worked cases of both directions, what goes wrong in the field, and laws."""

from __future__ import annotations

import json
import os
from binascii import crc_hqx
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from rct_collector.drivers.voltronic.frame import (
    LONGEST,
    LONGEST_PENDING,
    Bad,
    Frame,
    FrameReader,
    checksum,
    is_question,
    pack,
)
from tests.work import calls

# -- questions ---------------------------------------------------------------------------------

#: (text, dialect, bytes on the wire)
QUESTIONS = (
    ("QPI", "pi30", "515049beac0d"),
    ("QID", "pi30", "514944d6ea0d"),
    ("QSID", "pi30max", "51534944bb050d"),
    ("QVFW", "pi30", "5156465762990d"),
    ("QVFW2", "pi30", "5156465732c3f50d"),
    ("QVFW3", "pi30", "5156465733d3d40d"),
    ("QMN", "pi30", "514d4ebb640d"),
    ("QGMN", "pi30", "51474d4e49290d"),  # 49 28
    ("QBOOT", "pi30", "51424f4f540b880d"),  # 0a 88
    ("QMOD", "pi30", "514d4f4449c10d"),
    ("QPIGS", "pi30", "5150494753b7a90d"),
    ("QPIGS2", "pi30max", "515049475332682d0d"),
    ("QPIRI", "pi41", "5150495249f8540d"),
    ("QFLAG", "pi30", "51464c414798740d"),
    ("QPIWS", "pi30", "5150495753b4da0d"),
    ("QDI", "pi30", "514449711b0d"),
    ("QMCHGCR", "pi30", "514d4348474352d8550d"),
    ("QMUCHGCR", "pi30", "514d554348474352" "26340d"),
    ("QOPM", "pi30", "514f504da5c50d"),
    ("QPGS0", "pi30", "51504753303fda0d"),
    ("QPGS1", "pi30", "51504753312ffb0d"),
    ("QPGS2", "pi30", "51504753321f980d"),
    ("QPGS4", "pi30", "51504753347f5e0d"),  # 5e looks like a start
    ("QET", "pi30max", "51455481b60d"),
    ("QLT", "pi30max", "514c543b2e0d"),
    ("QED20240615", "pi30max", "51454432303234303631350" "1900d"),  # 00 90
    ("QT", "pi30", "515427ff0d"),
    ("QBEQI", "pi30", "51424551492ea90d"),
    ("Q1", "pi30", "51311bfc0d"),
    ("POP00", "pi30", "504f503030c2480d"),
    ("POP01", "pi30", "504f503031d2690d"),
    ("POP02", "pi30", "504f503032e20b0d"),  # e2 0a
    ("PCP00", "pi30", "50435030308d7a0d"),
    ("PCP03", "pi30", "5043503033bd190d"),
    ("PI", "pi18", "5e503030355049718b0d"),
    ("GS", "pi18", "5e50303035475358140d"),
    ("PIRI", "pi18", "5e5030303750495249ee380d"),
    ("MOD", "pi18", "5e503030364d4f44ddbe0d"),
    ("FWS", "pi18", "5e503030354657535e9f0d"),  # its head breaks the rule
    ("FLAG", "pi18", "5e50303037464c41478e180d"),
    ("ET", "pi18", "5e5030303545544e910d"),
    ("ID", "pi18", "5e50303035494419cd0d"),
    ("VFW", "pi18", "5e50303036564657f6e60d"),
    ("T", "pi18", "5e5030303454df690d"),
    ("PI", "pi17", "5e5030303350490d"),
    ("GS", "pi17", "5e5030303347530d"),
    ("T", "pi17", "5e50303032540d"),
    ("EY2021", "pi17", b"^P010EY2021".hex() + b"162\r".hex()),
    ("ED20210523", "pi17", b"^P014ED20210523".hex() + b"091\r".hex()),
    ("QPI", "pi16", b"QPI\r".hex()),
    ("QPIGS", "pi16", b"QPIGS\r".hex()),
    ("QED20240615", "pi16", b"QED20240615110\r".hex()),
    ("QALL", "pi30revo", "51414c4c2b0d"),
    ("PQSE", "pi30revo", "505153453a0d"),
    ("QPIGS", "pi30revo", "5150494753b7a90d"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "dialect", "wire"), QUESTIONS, ids=lambda value: value)
def test_question_is_packed(text, dialect, wire):
    assert pack(text, dialect).hex() == wire


@pytest.mark.parametrize("text", ["ACCT", "ACLT"])
def test_heads_of_pi18_that_count_nothing(text):
    assert pack(text, "pi18").startswith(b"^P005" + text.encode())


def test_questions_without_checksum():
    assert pack("QPIGS", crc=False) == b"QPIGS\r"
    assert pack("GS", "pi18", crc=False) == b"^P005GS\r"  # the number in the head stays
    assert pack("GS", "pi17", crc=False) == pack("GS", "pi17")


@pytest.mark.parametrize("text", ["", "QPI\r", "QPI\0", "(NAK", "^P005PI", "QPIGS²"])
def test_what_is_no_question_is_not_packed(text):
    with pytest.raises(ValueError, match="is no question"):
        pack(text)


def test_checksum_of_the_standard():
    assert checksum(b"123456789") == b"\x31\xc3"


@given(st.binary(max_size=40))
def test_checksum_needs_no_byte_that_means_something(data):
    assert not set(checksum(data)) & set(b"(\r\n\0")


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,", min_size=1, max_size=30))
def test_question_has_one_end(text):
    for dialect in ("pi30", "pi18", "pi17", "pi16", "pi30revo"):
        wire = pack(text, dialect)
        assert wire.count(b"\r") == 1
        assert wire.endswith(b"\r")


@pytest.mark.parametrize(("text", "dialect", "wire"), QUESTIONS, ids=lambda value: value)
def test_question_that_the_line_throws_back_is_an_echo(text, dialect, wire):
    (item,) = FrameReader().feed(bytes.fromhex(wire))
    assert (type(item), item.kind) == (Bad, "echo")


# -- answers -----------------------------------------------------------------------------------

QPIGS = (
    "000.0 00.0 230.0 49.9 0161 0119 003 460 57.50 012 100 0069 0014 103.8 57.45 00000 00110110"
    " 00 00 00856 010"
)

#: (bytes on the wire, text, head)
ANSWERS = (
    (b"(PI30\x9a\x0b\r", "PI30", "("),  # 9a 0a
    (b"(9293333010501\xbb\x07\r", "9293333010501", "("),
    (b"(%b$\x8c\r" % QPIGS.encode(), QPIGS, "("),
    (b"(B\xe7\xc9\r", "B", "("),
    (b"(03.1 327.3 01026 \xc9\x8b\r", "03.1 327.3 01026 ", "("),
    (b"(EakxyDbjuvz/)\r", "EakxyDbjuvz", "("),  # 2f 28
    (b"(NAKss\r", "NAK", "("),
    (b"(ACK9 \r", "ACK", "("),
    (b"^D00518;\x03\r", "18", "^D"),
    (b"^D00517\xca\xec\r", "17", "^D"),
    (b"^D00505\xd9\x9f\r", "05", "^D"),
    (b"^D037000,010000,99,3,3,2300,2300,04,120U\x82\r", "000,010000,99,3,3,2300,2300,04,120", "^D"),
    (b"^1\x0b\xc2\r", "1", "^"),
    (b"^0\x1b\xe3\r", "0", "^"),
    # not escaped: an end within the checksum
    (b"^D01720210521234743\rR\r", "20210521234743", "^D"),
    (b"^D01720210521234743\x0eR\r", "20210521234743", "^D"),
    # ended by LF
    (b"(0 100 0 0 1 532 532 450 0000 0030\x0e^\n", "0 100 0 0 1 532 532 450 0000 0030", "("),
)  # fmt: skip


def answer(text, head="(", spelling=checksum, end=b"\r"):
    """The bytes of an answer."""
    line = head.encode() + (f"{len(text) + 3:03}".encode() if head == "^D" else b"")
    line += text.encode("latin-1")
    return line + spelling(line) + end


def plain(line):
    """A checksum as it is."""
    return crc_hqx(line, 0).to_bytes(2, "big")


def thrice(line):
    """A checksum as most firmware escapes it: NUL is not."""
    return bytes(byte + 1 if byte in b"(\r\n" else byte for byte in plain(line))


@pytest.mark.parametrize(("wire", "text", "head"), ANSWERS)
def test_answer_is_read(wire, text, head):
    reader = FrameReader()
    assert reader.feed(wire) == [Frame(text, head, True, len(wire))]
    assert reader.pending == 0


#: Text → its checksum, not escaped: each byte that is escaped, at either place and at both.
SPECIAL = {
    "00000004": "283e",
    "00000413": "b728",
    "00000033": "0d8a",
    "00000052": "b70d",
    "00000130": "0ad9",
    "00000189": "470a",
    "00000226": "007e",
    "00000292": "9c00",
    "00029247": "0d0d",
    "00012487": "0a0d",
    "00005830": "280d",
    "00228189": "0d0a",
    "00408141": "000d",
    "00408500": "0028",
}


@pytest.mark.parametrize("text", SPECIAL)
def test_special_texts_are_special(text):
    assert plain(b"(" + text.encode()).hex() == SPECIAL[text]


@pytest.mark.parametrize("end", [b"\r", b"\n"])
@pytest.mark.parametrize("spelling", [checksum, thrice, plain])
@pytest.mark.parametrize("text", SPECIAL)
def test_checksum_is_taken_in_three_spellings(text, spelling, end):
    wire = answer(text, spelling=spelling, end=end)
    expected = [Frame(text, "(", True, len(wire))]
    assert FrameReader().feed(wire) == expected
    reader = FrameReader()
    assert [item for byte in wire for item in reader.feed(bytes((byte,)))] == expected


def test_only_these_three_spellings_are_taken():
    text = "00408500"
    for crc in (b"\x00\x29", b"\x01\x29", b"\x00\x28"):
        assert [type(item) for item in FrameReader().feed(b"(" + text.encode() + crc + b"\r")] == [
            Frame
        ]
    for crc in (b"\x01\x28", b"\x01\x2a", b"\xff\x29"):
        (item,) = FrameReader().feed(b"(" + text.encode() + crc + b"\r")
        assert item.kind == "crc"


#: What goes wrong: bytes → texts of answers, and (kind, size) of what is none.
FIELD = {
    "LF behind CR": (b"(B\xe7\xc9\r\n(B\xe7\xc9\r\n", ["B", "B"], []),
    "padding of reports": (b"(B\xe7\xc9\r\0\0\0(NAKss\r\0", ["B", "NAK"], []),
    "doubled": (b"(B\xe7\xc9\r(B\xe7\xc9\r", ["B", "B"], []),
    "echo before the answer": (pack("QMOD") + b"(B\xe7\xc9\r", ["B"], [("echo", 6)]),
    "echo of PI18": (pack("GS", "pi18") + b"^D00518;\x03\r", ["18"], [("echo", 9)]),
    "echo of PI17, with a number": (b"^P003GS\r^D00518;\x03\r", ["18"], [("echo", 7)]),
    "wrong checksum": (b"(Sd9\r", [], [("crc", 4)]),
    "wrong by one": (b"(VERFW:00072.70S\xa6\r", [], [("crc", 17)]),
    "checksum of another": (b"^D00518\xca\xed\r", [], [("crc", 9)]),
    "damaged NAK is none": (b"(NAOss\r", [], [("crc", 6)]),
    "NUL in the checksum": (answer("00000226", spelling=plain), ["00000226"], []),
    "start of one cut, another follows": (b"(230.0 49(B\xe7\xc9\r", ["B"], [("length", 9)]),
    "end of one cut": (b".0 010$\x8c\r(B\xe7\xc9\r", ["B"], [("noise", 8)]),
    "end damaged, another follows": (b"(B\xe7\xc9\x8d(B\xe7\xc9\r", ["B"], [("length", 5)]),
    "noise before the start": (b"\xff\xfe(B\xe7\xc9\r", ["B"], [("noise", 2)]),
    "end in the text": (b"(230.0 \r9.9\x11\x22\r(B\xe7\xc9\r", ["B"], [("crc", 7), ("noise", 5)]),
    "many starts": (b"(" * 20 + b"B\xe7\xc9\r", ["B"], [("length", 19)]),
    "ends without lines": (b"\r\n\r\r\n\0\0\r", [], []),
    "number of PI18 too large": (answer("18", "^D").replace(b"005", b"006", 1), [], [("crc", 9)]),
    "number of PI18 wrong, checksum right": (b"^D006" b"18" + checksum(b"^D00618") + b"\r", [], [("length", 9)]),  # noqa: E501
    "UPS without checksum": (b"(208.4 140.0 208.4 034 59.9 2.05 35.0 00110000\r", [], [("crc", 46)]),  # noqa: E501
    "no protocol at all": (b"#-1\r", [], [("noise", 3)]),
    "separator damaged": (answer(QPIGS).replace(b" 00000 ", b"\xe000000 "), [], [("crc", 109)]),
    "half an answer": (b"(230.0 49.9", [], []),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELD)
def test_what_goes_wrong_in_the_field(name):
    wire, texts, bad = FIELD[name]
    found = FrameReader().feed(wire)
    assert [item.text for item in found if type(item) is Frame] == texts
    assert [item[:2] for item in found if type(item) is Bad] == bad
    assert all(item.sound for item in found if type(item) is Frame)


#: Understood without a right checksum, and known to be so.
BARE = (
    (b"(NAK\r", "NAK", "("),
    (b"(NAK\n", "NAK", "("),
    (b"(ACK\r", "ACK", "("),
    (b"(NAKst\r", "NAK", "("),
    (b"^0\r", "0", "^"),
    (b"^1\r", "1", "^"),
    (b"^0\x1b\xe4\r", "0", "^"),
    (b"(23(NAK\r", "NAK", "("),
)


@pytest.mark.parametrize(("wire", "text", "head"), BARE)
def test_yes_and_no_are_understood_without_checksum(wire, text, head):
    *bad, last = FrameReader().feed(wire)
    assert last[:3] == (text, head, False)
    assert [item.kind for item in bad] == ["length"] * len(bad)


def test_garbled_no_of_the_field_is_one_no():
    found = FrameReader().feed(b"(NAK\rs\r")
    assert [type(item) for item in found] == [Frame, Bad]
    assert found[1][:2] == ("noise", 1)


def test_what_no_answer_is_shows_its_first_bytes():
    (item,) = FrameReader().feed(b"#-1\r")
    assert item.data == b"#-1"
    (item,) = FrameReader().feed(b"x" * 500 + b"\r")
    assert (item.size, item.data) == (500, b"x" * 64)


def test_line_without_end_is_given_up():
    reader = FrameReader()
    found = reader.feed(b"(" + b"7" * 2000)
    assert [item.kind for item in found] == ["length"] + ["noise"] * (len(found) - 1)
    assert reader.pending <= LONGEST
    assert reader.feed(b"\r(B\xe7\xc9\r")[-1].text == "B"


def test_reset_forgets_half_an_answer():
    reader = FrameReader()
    reader.feed(b"(230.0 4")
    reader.reset()
    assert reader.pending == 0
    assert [item.text for item in reader.feed(b"(B\xe7\xc9\r")] == ["B"]


# -- laws --------------------------------------------------------------------------------------

letters = st.characters(min_codepoint=0, max_codepoint=255)
words = st.text(st.sampled_from("0123456789. -ABDENQ,"), min_size=1, max_size=60)
spellings = st.sampled_from([checksum, thrice, plain])
heads = st.sampled_from(["(", "^D"])
ends = st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\0\0\0"])
answers = st.builds(answer, words, heads, spellings, ends)
junk = st.one_of(
    st.binary(max_size=20),
    st.text(st.sampled_from("(^\r\n\0DN1"), max_size=12).map(str.encode),
    st.builds(lambda wire, place: wire[: place % (len(wire) + 1)], answers, st.integers(0)),
    st.sampled_from([pack("QPIGS"), pack("GS", "pi18"), b"(NAK\r", b"^0\r", b"(NAKss\r"]),
)
streams = st.lists(st.one_of(answers, junk), max_size=8).map(b"".join)


def cut(data, places):
    """Pieces of some bytes."""
    places = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def joined(items):
    """Neighbouring noise as one."""
    found = []
    for item in items:
        if type(item) is Bad and item.kind == "noise" and found and type(found[-1]) is int:
            found[-1] += item.size
        else:
            found.append(item.size if type(item) is Bad and item.kind == "noise" else item)
    return found


@given(streams, st.lists(st.integers(0), max_size=12))
@example(b"(00000000" + b"\r\r\r", [9, 10])
@settings(deadline=None)
def test_cuts_change_nothing(data, places):
    whole, pieces, singly = FrameReader(), FrameReader(), FrameReader()
    expected = joined(whole.feed(data))
    found = []
    for piece in cut(data, places):
        found += pieces.feed(piece)
        assert pieces.pending <= LONGEST_PENDING
    assert joined(found) == expected
    assert joined([item for byte in data for item in singly.feed(bytes((byte,)))]) == expected
    assert whole.pending == pieces.pending == singly.pending


@given(st.one_of(answers, streams))
@example(b"(\r")
@example(answer("\r"))
@example(answer("00029247", spelling=plain))
@settings(deadline=None)
def test_whole_answer_is_read_like_its_bytes(data):
    """Those of one piece are not read line by line."""
    whole, singly = FrameReader(), FrameReader()
    expected = [item for byte in data for item in singly.feed(bytes((byte,)))]
    assert joined(whole.feed(data)) == joined(expected)
    assert whole.pending == singly.pending


@given(st.lists(st.tuples(words, heads, spellings, ends), max_size=8))
@settings(deadline=None)
def test_what_was_sent_is_what_is_read(sent):
    data = b"".join(answer(*item) for item in sent)
    found = FrameReader().feed(data)
    assert [(item.text, item.head) for item in found] == [item[:2] for item in sent]


@given(streams, words, heads, spellings)
@settings(deadline=None)
def test_nothing_hides_an_answer_that_begins_a_line(data, text, head, spelling):
    last = FrameReader().feed(data + b"\r\r\r" + answer(text, head, spelling))[-1]
    assert last[:3] == (text, head, True)


@given(answers, st.integers(0), st.integers(1, 255))
@settings(deadline=None)
def test_one_wrong_byte_is_never_an_answer(wire, place, wrong):
    """But for those that only change the spelling of the checksum, or the end."""
    text = FrameReader().feed(wire)[0].text
    place %= len(wire)
    data = bytearray(wire)
    data[place] ^= wrong
    assume(data[place] not in b"(^")
    for item in FrameReader().feed(bytes(data)):
        assert type(item) is Bad or not item.sound or item.text == text


@given(st.binary(max_size=3 * LONGEST))
@settings(deadline=None)
def test_an_answer_is_never_invented(data):
    """Each is there, with a checksum in one of the spellings."""
    for item in FrameReader().feed(data):
        if type(item) is Frame and item.sound:
            line = item.head.encode()
            line += data[data.find(line) + 2 :][:3] if item.head == "^D" else b""
            line += item.text.encode("latin-1")
            assert any(line + spell(line) in data for spell in (checksum, thrice, plain))


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", [b"(", b"^", b"x", b"(\r", b"(NAK\r", b"((((((((((1\r", b"\r", b"\0"]
)
def test_work_grows_with_the_input(piece):
    """Counted; twice as many bytes take twice the work."""

    def work(size):
        reader = FrameReader()
        count = calls(reader.feed, piece * (size // len(piece)))
        assert reader.pending <= LONGEST_PENDING
        return count

    small, large = work(4_000), work(8_000)
    assert large <= 2.2 * small + 100


def test_is_question():
    assert is_question(b"QPI")
    assert is_question(pack("POP02")[:-1])
    assert not is_question(b"#-1")
    assert not is_question(b"H")
    assert not is_question(b"")


# -- what others have recorded -----------------------------------------------------------------

RECORDINGS = Path(os.environ.get("RCT_COLLECTOR_CAPTURES", "../shared/captures"), "voltronic")


def recorded():
    """(command, bytes, what is said of the checksum) of every answer."""
    for name in ("vectors.json", "field-cases.json"):
        for case in json.loads((RECORDINGS / name).read_text(encoding="utf-8")):
            if case.get("response_hex"):
                yield case["command"], bytes.fromhex(case["response_hex"]), case["crc"]


@pytest.mark.captures
@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="needs recorded answers")
@pytest.mark.parametrize("size", [1, 8, 1000])
def test_recorded_answers(size):
    cases = list(recorded())
    assert len(cases) > 90
    for command, wire, crc in cases:
        reader = FrameReader()
        pieces = (wire[place : place + size] for place in range(0, len(wire), size))
        (item,) = (item for piece in pieces for item in reader.feed(piece))
        assert reader.pending == 0, command
        if crc in ("bad", "no CRC"):
            assert type(item) is Bad, command
        elif wire[:1] in b"(^":
            assert (item.sound, item.size) == (True, len(wire)), command
        else:
            assert item.kind == "echo", command
