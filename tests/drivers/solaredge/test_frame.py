"""Frames: worked cases in both directions, what is no frame, and laws of the reader."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.drivers.base import Fault
from rct_collector.drivers.solaredge import checksum, functions, request
from rct_collector.drivers.solaredge.frame import (
    LONGEST,
    LONGEST_PENDING,
    MAGIC,
    Bad,
    Frame,
    FrameReader,
    assemble,
)
from rct_collector.errors import RefusedFrameError
from tests.fuzz import grammar, solaredge_frame

relaxed = settings(deadline=None)

SERVER, UNIT = 0xFFFFFFFE, 0x7E1A0823


class Case(NamedTuple):
    """A frame and its bytes."""

    meaning: str
    wire: str
    frame: Frame

    @property
    def data(self):
        return bytes.fromhex(self.wire)


# fmt: off
# ruff: noqa: E501 - one case is one line
CASES = (
    Case("bus grant", "123456790000ffff0700feffffff23081a7e0203e3fe", Frame(7, SERVER, UNIT, functions.GRANT)),
    Case("release of the bus", "123456790000ffff070023081a7efeffffff9a03f0cb", Frame(7, UNIT, SERVER, functions.RELEASE)),
    Case("empty post", "123456790000ffff7c0723081a7efeffffff0005092e", Frame(0x77C, UNIT, SERVER, functions.POST)),
    Case("its ACK", "123456790000ffff7c07feffffff23081a7e80001941", Frame(0x77C, SERVER, UNIT, functions.ACK)),
    Case("status is asked", "123456790000ffff0700feffffff4593197f210328cd", Frame(7, SERVER, 0x7F199345, functions.READ_S_OK)),
    Case("the status", "123456790200fdff07004593197ffeffffff8c030100e37e", Frame(7, 0x7F199345, SERVER, functions.S_OK, b"\1\0")),
    Case("text from another implementation", "123456791100eeff0c00efbeaddefdffffffd2044920616d206c6f7473206f6620646174612f69", Frame(0xC, 0xDEADBEEF, request.TOOL, 0x04D2, b"I am lots of data")),
    Case("two events", "123456794800b7ff1200164a107ffeffffff00050003164a107f1c00767e355600000000767e3556f60d35560000000000000000000000000003164a107f1c007b7e3556010000007a7e3556808fffff7b7e35560000000000000000ca6f",
         Frame(0x12, 0x7F104A16, SERVER, functions.POST, bytes.fromhex("0003164a107f1c00767e355600000000767e3556f60d35560000000000000000000000000003164a107f1c007b7e3556010000007a7e3556808fffff7b7e35560000000000000000"))),
    Case("encrypted", "123456792c00d3ffde0cfdffffffffffffff3d00cde8e9791f4841d9c5065ab13682851d3c4693cfc5355b149771c99c20fcd094457b4232197b67a5fcf96d1eb660",
         Frame(0xCDE, request.TOOL, 0xFFFFFFFF, functions.ENCRYPTED, bytes.fromhex("cde8e9791f4841d9c5065ab13682851d3c4693cfc5355b149771c99c20fcd094457b4232197b67a5fcf96d1e"))),
)
# fmt: on

GRANT, RELEASE = CASES[0], CASES[1]
INSIDE = Frame(9, UNIT, SERVER, functions.POST, b"before" + GRANT.data + b"after")
#: A frame whose checksum is wrong.
TORN = assemble(INSIDE)[:-1] + b"\0"

BAD = {
    "checksum damaged on a bus, and a stray byte": (
        bytes.fromhex("123456790000ffff0cc92049107f164a107f0203f873ff"),
        [(Fault.CRC, 22), (Fault.NOISE, 1)],
    ),
    "length and complement do not fit": (
        MAGIC + b"\2\0\xff\xff" + RELEASE.data,
        [(Fault.LENGTH, 8), RELEASE.frame],
    ),
    "longer than any": (
        MAGIC + b"\1\x20\xfe\xdf" + RELEASE.data,
        [(Fault.LENGTH, 8), RELEASE.frame],
    ),
    "zeros are padding": (bytes(7) + GRANT.data + bytes(6), [GRANT.frame]),
    "noise between zeros": (
        b"\0noise\0" + GRANT.data + b"\xff\0\x80" + RELEASE.data,
        [(Fault.NOISE, 5), GRANT.frame, (Fault.NOISE, 2), RELEASE.frame],
    ),
    "a magic twice": (MAGIC + GRANT.data, [(Fault.LENGTH, 4), GRANT.frame]),
    "torn, and the next one within its length": (
        assemble(INSIDE)[:24] + GRANT.data + RELEASE.data + bytes(8),
        [(Fault.CRC, 24), GRANT.frame, RELEASE.frame],
    ),
    "a whole frame in the payload of a damaged one": (
        TORN + RELEASE.data,
        [(Fault.CRC, 26), GRANT.frame, (Fault.NOISE, 6), RELEASE.frame],
    ),
    "the beginning of the next one within a damaged one": (
        GRANT.data[:19] + RELEASE.data + RELEASE.data,
        [(Fault.CRC, 19), RELEASE.frame, RELEASE.frame],
    ),
}


def told(items):
    return [(item.kind, item.size) if isinstance(item, Bad) else item for item in items]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.meaning)
def test_frames_are_read_and_made(case):
    reader = FrameReader()
    assert reader.feed(case.data) == [case.frame]
    assert reader.pending == 0
    assert assemble(case.frame) == case.data


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.meaning)
def test_a_frame_is_given_with_its_last_byte(case):
    reader = FrameReader()
    assert reader.feed(case.data[:-1]) == []
    assert reader.feed(case.data[-1:]) == [case.frame]


@pytest.mark.parametrize("meaning", BAD)
def test_what_is_no_frame_hides_none(meaning):
    data, expected = BAD[meaning]
    reader = FrameReader()
    assert told(reader.feed(data)) == expected
    assert reader.pending == 0


def test_a_magic_in_a_payload_is_part_of_it():
    assert FrameReader().feed(assemble(INSIDE) + GRANT.data) == [INSIDE, GRANT.frame]


def test_silence_ends_the_wait_and_shows_what_was_hidden():
    reader = FrameReader()
    torn = assemble(INSIDE._replace(payload=bytes(200)))[:50]
    assert reader.feed(torn + GRANT.data + RELEASE.data) == []
    assert told(reader.give_up()) == [(Fault.LENGTH, 50), GRANT.frame, RELEASE.frame]
    assert reader.pending == 0
    assert reader.give_up() == []


def test_a_line_that_is_opened_anew_begins_anew():
    reader = FrameReader()
    reader.feed(GRANT.data[:-1])
    reader.reset()
    assert reader.feed(RELEASE.data) == [RELEASE.frame]


@pytest.mark.parametrize(
    ("data", "expected"), [(b"123456789", 0x5B3A), (b"", 0x5A5A)], ids=["digits", "nothing"]
)
def test_checksum(data, expected):
    assert checksum.crc16(data) == expected


@relaxed
@given(st.binary(max_size=700), st.integers(0, 0xFFFF), st.integers(0), st.integers(1, 255))
def test_the_quick_check_is_that_of_the_checksum(data, register, place, change):
    whole = bytearray(data + checksum.crc16(data, register).to_bytes(2, "little"))
    assert checksum.fits(register, bytes(whole))
    whole[place % len(whole)] ^= change
    assert not checksum.fits(register, bytes(whole))


def test_the_quick_check_of_every_length():
    for size in (*range(300), LONGEST - 1, LONGEST):
        data = bytes(index * 7 & 0xFF for index in range(size))
        right = checksum.crc16(data, 1)
        assert checksum.fits(1, data + right.to_bytes(2, "little"))
        assert not checksum.fits(1, data + (right ^ 0x8001).to_bytes(2, "little"))


@pytest.mark.parametrize(
    "frame",
    [
        Frame(0x10000, 0, 0, 0),
        Frame(0, -1, 0, 0),
        Frame(0, 0, 1 << 32, 0),
        Frame(0, 0, 0, 0x10000),
        Frame(0, 0, 0, 0, bytes(0x10000)),
    ],
)
def test_what_fits_no_frame(frame):
    with pytest.raises(ValueError, match=r"bits|bytes"):
        assemble(frame)


frames = st.builds(
    Frame,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=60) | st.sampled_from([MAGIC, GRANT.data, GRANT.data[:20]]),
)
pieces = st.one_of(
    frames.map(assemble),
    frames.map(lambda frame: assemble(frame)[:-3]),
    st.binary(max_size=8),
    st.just(MAGIC),
    st.just(MAGIC + b"\x20\0\xdf\xff"),
)


@relaxed
@given(st.lists(frames), st.lists(st.integers(1, 40)))
def test_any_cut_gives_the_same_frames(sent, cuts):
    data = b"".join(map(assemble, sent))
    reader, found = FrameReader(), []
    for cut in (*cuts, len(data)):
        found += reader.feed(data[:cut])
        data = data[cut:]
    assert found == sent


@relaxed
@example([MAGIC + b"\x20\0\xdf\xff", GRANT.data[:-4], GRANT.data])
@given(st.lists(pieces, max_size=12))
def test_laws_of_the_reader(parts):
    solaredge_frame.check(b"".join(parts))


def test_it_holds_no_more_than_the_longest_frame():
    reader = FrameReader()
    wire = assemble(INSIDE._replace(payload=bytes(LONGEST)))
    for piece in grammar.singly(wire[:-1]):
        assert reader.feed(piece) == []
    assert reader.pending == LONGEST_PENDING
    assert reader.feed(wire[-1:]) == [INSIDE._replace(payload=bytes(LONGEST))]


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (functions.READ_PARAMETER, functions.PARAMETER),
        (functions.READ_VERSION, functions.VERSION),
        (functions.READ_TYPE, functions.TYPE),
        (functions.READ_S_OK, functions.S_OK),
        (functions.READ_ENERGIES, functions.ENERGIES),
        (functions.READ_STATUS, functions.STATUS),
        (functions.POST, functions.ACK),
        (functions.ASK_TIME, functions.TIME),
        (functions.GRANT, functions.RELEASE),
        (0x0030, functions.ACK),
        (0x9999, functions.ACK),
    ],
)
def test_answers(command, answer):
    assert functions.answer_to(command) == answer


def test_names():
    assert len(functions.names()) > 400
    assert functions.name(functions.POST) == "SERVER_POST_DATA"
    assert functions.name(0x9999) == "unknown"


# -- what may be sent ----------------------------------------------------------------------------


@pytest.mark.slow
def test_only_what_reads_may_be_sent():
    allowed = set()
    for function in range(0x10000):
        for payload in (b"", b"\x39\x02", bytes(8)):
            try:
                request.build(function, destination=UNIT, sequence=1, payload=payload)
            except RefusedFrameError:
                continue
            allowed.add(function)
    assert allowed == {0x12, 0x33, 0x34, 0x321, 0x322, 0x347, 0x80, 0x580, 0x302}


@pytest.mark.parametrize(
    ("function", "payload", "message"),
    [
        (0x0011, bytes(6), r"0011 \(PARAMS_SET_SINGLE\) is not sent to units"),
        (0x0012, b"", r"0012 \(PARAMS_GET_SINGLE\) does not go with 0 bytes"),
        (0x0012, b"\1\2\3", "does not go with 3 bytes"),
        (0x0080, b"\0", r"0080 \(ACK\) does not go with 1 bytes"),
        (0x0580, bytes(4), "does not go with 4 bytes"),
    ],
)
def test_what_is_refused(function, payload, message):
    with pytest.raises(RefusedFrameError, match=message):
        request.build(function, destination=UNIT, sequence=1, payload=payload)


def test_numbers_that_do_not_fit_are_refused():
    with pytest.raises(RefusedFrameError, match="sequence number has 16 bits"):
        request.grant(UNIT, 1 << 16)
    with pytest.raises(RefusedFrameError, match="no time of 32 bits"):
        request.tell_time(RELEASE.frame, 1 << 32, 0)


def test_grants_and_acknowledgements_are_those_of_real_masters():
    assert request.grant(UNIT, 7) == GRANT.data
    assert request.acknowledge(CASES[2].frame) == CASES[3].data


def test_the_time():
    question = Frame(5, UNIT, SERVER, functions.ASK_TIME)
    [answer] = FrameReader().feed(request.tell_time(question, 1_500_000_000, -25_200))
    assert answer == Frame(5, SERVER, UNIT, functions.TIME, bytes.fromhex("002f6859909dffff"))
