"""Frames: one list of worked cases in both directions, the defects met in the field, and laws."""

from __future__ import annotations

import sys
from functools import cache
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rctclient.frame import ReceiveFrame, make_frame
from rctclient.types import Command, FrameType

from rct_collector.drivers.rct.frame import (
    LONG_RESPONSE,
    LONG_WRITE,
    LONGEST,
    LONGEST_PENDING,
    LONGEST_SHORT,
    PLANT,
    READ,
    READ_PERIODICALLY,
    RESPONSE,
    WRITE,
    Bad,
    Frame,
    FrameReader,
    assemble,
    crc16,
)
from tests.fuzz.flood import BoundedReader

relaxed = settings(deadline=None)

SHORT = (READ, WRITE, RESPONSE, READ_PERIODICALLY)
LONG = (LONG_WRITE, LONG_RESPONSE)
COMMANDS = (*SHORT, *LONG, *(command | PLANT for command in (*SHORT, *LONG)))


class Case(NamedTuple):
    """A frame, and its bytes on the wire without lead-in."""

    meaning: str
    wire: str
    command: int
    oid: int
    payload: str = ""
    address: int | None = None

    @property
    def data(self) -> bytes:
        return bytes.fromhex(self.wire)

    @property
    def frame(self) -> Frame:
        return Frame(self.command, self.oid, bytes.fromhex(self.payload), self.address)


# fmt: off
# ruff: noqa: E501 - one case is one line
CASES = (
    Case("read, no escape", "2b0104959930bf0d65", READ, 0x959930BF),
    Case("read, escape in the id", "2b0104db2d2d69ae55ab", READ, 0xDB2D69AE),
    Case("answer, 32-bit float", "2b0508959930bf3e97b1919c86", RESPONSE, 0x959930BF, "3e97b191"),
    Case("answer, recorded", "2b0508959930bf3f590f868810", RESPONSE, 0x959930BF, "3f590f86"),
    Case("answer, boolean, checksum padded", "2b0505437b81220125b5", RESPONSE, 0x437B8122, "01"),
    Case("answer, code, checksum padded", "2b05055f33284e0d95f1", RESPONSE, 0x5F33284E, "0d"),
    Case("write of a time to the logger", "2b02085293b6686553f100b9cb", WRITE, 0x5293B668, "6553f100"),
    Case("logger, two values", "2b0600185293b6686553f1006553efd43efae1486553eea83ef5c28f3322", LONG_RESPONSE, 0x5293B668, "6553f1006553efd43efae1486553eea83ef5c28f"),
    Case("event table, one event", "2b06001c6f3876bc6553f100000000736553f0c4ce266f0f3d8f5c293dcccccdbdd2", LONG_RESPONSE, 0x6F3876BC, "6553f100000000736553f0c4ce266f0f3d8f5c293dcccccd"),
    Case("plant read", "2b410801020304959930bf7a9c", READ | PLANT, 0x959930BF, "", 0x01020304),
    Case("plant answer", "2b450c01020304959930bf3f0000002789", RESPONSE | PLANT, 0x959930BF, "3f000000", 0x01020304),
    Case("text, garbage with escapes behind it", "2b0513ebc62737505320362e30204142434400002d2b2d2daec3", RESPONSE, 0xEBC62737, "505320362e30204142434400002b2d"),
    Case("answer cut by a request, checksum valid", "2b0506959930bf3e97f015", RESPONSE, 0x959930BF, "3e97"),
)

#: What is no frame, and the events it makes when it comes in one piece.
BAD = {
    "good payload, wrong checksum": (
        "2b050597e203f955bb9b",
        [Bad("crc", 10, bytes.fromhex("2b050597e203f955bb9b"))],
    ),
    "hello of the app": (
        "2b3ce1",
        [Bad("noise", 3, b"\x2b\x3c")],
    ),
    "keep-alive of the vendor's service": (
        "41542b0d",
        [Bad("noise", 4, b"AT")],
    ),
    "start twice": ("2b2b", [Bad("noise", 1, b"\x2b")]),
    "a command nobody knows": ("2b04", [Bad("command", 2, b"\x2b\x04")]),
    "rctclient's own sentinel for no command": ("2bff", [Bad("command", 2, b"\x2b\xff")]),
    "an escape where the command should be": ("2b2d", [Bad("command", 2, b"\x2b\x2d")]),
    "length 0": ("2b0500", [Bad("length", 3, b"\x2b\x05\x00")]),
    "length 3, shorter than the id": ("2b0503", [Bad("length", 3, b"\x2b\x05\x03")]),
    "length 7, shorter than address and id": ("2b4507", [Bad("length", 3, b"\x2b\x45\x07")]),
    "length 3 of a long frame": ("2b060003", [Bad("length", 4, b"\x2b\x06\x00\x03")]),
    "length above the limit": ("2b062001", [Bad("length", 4, b"\x2b\x06\x20\x01")]),
    "tail of a frame torn behind an escape": (
        "362d2b0d",
        [Bad("noise", 4, b"6\x2d")],
    ),
    "tail of a frame that looks like a header": (
        "2d2b0503",
        [Bad("noise", 4, b"\x2d")],
    ),
}
# fmt: on

GOOD = CASES[2]


def ids(case: Case) -> str:
    return case.meaning


def by_byte(reader: FrameReader, data: bytes) -> list[list[Frame | Bad]]:
    return [reader.feed(bytes((byte,))) for byte in data]


def frames(items: list[Frame | Bad]) -> list[Frame]:
    return [item for item in items if isinstance(item, Frame)]


def bad(items: list[Frame | Bad]) -> list[Bad]:
    return [item for item in items if isinstance(item, Bad)]


# -- worked frames, both directions -------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=ids)
class TestWorkedFrames:
    def test_is_assembled(self, case):
        payload = bytes.fromhex(case.payload)
        assert assemble(case.command, case.oid, payload, case.address) == case.data

    def test_is_read_whole(self, case):
        reader = FrameReader()
        assert reader.feed(case.data) == [case.frame]
        assert reader.pending == 0
        assert reader.idle

    def test_is_read_byte_by_byte_with_no_event_before_the_last(self, case):
        events = by_byte(FrameReader(), case.data)
        assert events == [[]] * (len(case.data) - 1) + [[case.frame]]

    @pytest.mark.parametrize("zeros", [1, 3])
    def test_lead_in_is_no_noise(self, case, zeros):
        assert FrameReader().feed(bytes(zeros) + case.data) == [case.frame]
        assert FrameReader().feed(case.data + bytes(zeros)) == [case.frame]

    def test_junk_behind_it_is_noise_of_its_own(self, case):
        items = FrameReader().feed(case.data + b"junk")
        assert items == [case.frame, Bad("noise", 4, b"junk")]

    def test_another_frame_may_follow_at_once(self, case):
        assert FrameReader().feed(case.data + GOOD.data) == [case.frame, GOOD.frame]
        assert FrameReader().feed(GOOD.data + case.data) == [GOOD.frame, case.frame]

    def test_one_wrong_bit_anywhere_loses_no_frame_but_its_own(self, case):
        for place in range(1, len(case.data)):
            for bit in range(8):
                broken = bytearray(case.data)
                broken[place] ^= 1 << bit
                items = FrameReader().feed(bytes(broken) + b"\0" + GOOD.data + b"\0" + GOOD.data)
                assert frames(items)[-2:] == [GOOD.frame] * 2
                assert case.frame not in frames(items)[:-2]

    def test_torn_anywhere_hides_nothing_that_follows(self, case):
        """Not even without lead-in and torn behind an escape, so that a start looks escaped."""
        for size in range(len(case.data)):
            items = FrameReader().feed(case.data[:size] + GOOD.data + CASES[3].data)
            assert frames(items) == [GOOD.frame, CASES[3].frame], size

    def test_missing_head_hides_nothing_that_follows(self, case):
        """What is left of it is noise, unless the escape of a 2B is just what is missing."""
        for size in range(1, len(case.data)):
            items = FrameReader().feed(case.data[size:] + GOOD.data)
            assert frames(items) == [GOOD.frame], size
            if case.data[size - 1 : size + 1] != b"\x2d\x2b":
                assert {item.kind for item in bad(items)} <= {"noise"}


# -- what is no frame ---------------------------------------------------------------------


@pytest.mark.parametrize(("wire", "events"), BAD.values(), ids=BAD.keys())
class TestBadBytes:
    def test_makes_these_events(self, wire, events):
        assert FrameReader().feed(bytes.fromhex(wire)) == events

    def test_is_of_the_same_kind_byte_by_byte(self, wire, events):
        found = [item for part in by_byte(FrameReader(), bytes.fromhex(wire)) for item in part]
        assert {item.kind for item in found} == {item.kind for item in events}
        assert sum(item.size for item in found) == sum(item.size for item in events)

    def test_hides_nothing_that_follows(self, wire, events):
        data = bytes.fromhex(wire)
        assert frames(FrameReader().feed(data + b"\0" + GOOD.data)) == [GOOD.frame]
        if data[-1] != 0x2B:  # else the next byte would be the command
            assert frames(FrameReader().feed(data + GOOD.data)) == [GOOD.frame]

    def test_is_not_told_before_the_byte_that_gives_it_away(self, wire, events):
        *before, last = by_byte(FrameReader(), bytes.fromhex(wire))
        assert last
        kinds = {item.kind for part in before for item in part}
        assert kinds <= {"noise"}


def test_header_with_a_false_length_swallows_no_frame():
    """Four frames behind a stump that announces 48 bytes: rctclient loses all of them."""
    stump = bytes.fromhex("2b0530959930bf3e97")
    good = [case for case in CASES if case.command == RESPONSE][:4]
    items = FrameReader().feed(stump + b"".join(b"\0" + case.data for case in good))
    assert items == [Bad("length", 10, stump + b"\0"), *(case.frame for case in good)]


def test_frame_behind_a_stump_comes_out_with_its_own_last_byte():
    """The raw start of the next frame ends a stump; its announced length is not waited for."""
    reader = FrameReader()
    events = by_byte(reader, bytes.fromhex("2b0660005293b668") + GOOD.data)
    assert events[-1] == [GOOD.frame]
    assert reader.pending == 0


def test_frame_torn_behind_an_escape_hides_no_frame():
    """The start that follows looks escaped, and the announced length would cover the frame."""
    torn = assemble(LONG_RESPONSE, 0x2B000000, bytes(200))[:5]
    assert torn[-1] == 0x2D
    items = FrameReader().feed(torn + GOOD.data + CASES[3].data)
    assert items == [Bad("length", 5, torn), GOOD.frame, CASES[3].frame]


def test_bad_frame_full_of_escaped_starts_is_given_up_at_once():
    """To try each of them would take time that grows with the square of their number."""
    wire = bytearray(assemble(LONG_RESPONSE, 1, b"\x2b\x06\x0f\xf0" * 2000))
    wire[-1] ^= 1
    assert FrameReader().feed(bytes(wire)) == [Bad("crc", len(wire), bytes(wire[:64]))]


def test_start_behind_a_start_is_the_true_one():
    assert FrameReader().feed(b"\x2b" + GOOD.data) == [Bad("noise", 1, b"\x2b"), GOOD.frame]


def test_broken_frame_behind_a_good_one_that_ends_in_an_escape_pair_is_no_noise():
    """The end of a whole frame says nothing about the start behind it."""
    first = next(
        data
        for value in range(1 << 16)
        if (data := assemble(RESPONSE, 1, value.to_bytes(2, "big")))[-2:] == b"\x2d\x2d"
    )
    broken = GOOD.data[:-1] + b"\xff"
    for parts in ([first + broken], [first, broken]):
        reader = FrameReader()
        items = [item for part in parts for item in reader.feed(part)]
        assert [item.kind for item in bad(items)] == ["crc"]


def test_broken_frame_is_told_once_and_its_payload_never():
    """A wrong checksum makes one event; the bytes are not told again as noise."""
    items = FrameReader().feed(GOOD.data[:-1] + b"\xff" + GOOD.data)
    assert [type(item) for item in items] == [Bad, Frame]


def test_what_is_shown_of_bad_bytes_is_short():
    frame = bytearray(assemble(WRITE, 1, bytes(200)))
    frame[-1] ^= 1
    items = FrameReader().feed(b"n" * 1000 + frame)
    assert [len(item.data) for item in items] == [64, 64]


def test_reset_forgets_half_a_frame_and_what_came_before():
    reader = FrameReader()
    reader.feed(GOOD.data[:5])
    assert reader.pending == 5
    reader.reset()
    assert reader.pending == 0
    assert reader.feed(GOOD.data) == [GOOD.frame]
    reader.feed(b"AT")
    assert not reader.idle
    reader.reset()
    assert reader.idle
    assert [item.kind for item in reader.feed(b"\x2b\x0d")] == ["command"]


# -- assemble -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "oid", "payload", "address"),
    [
        (0x00, 1, b"", None),
        (0x04, 1, b"", None),
        (0x3C, 1, b"", None),
        (0xFF, 1, b"", None),
        (READ, 1, b"", 1),
        (READ | PLANT, 1, b"", None),
        (READ, -1, b"", None),
        (READ, 1 << 32, b"", None),
        (READ | PLANT, 1, b"", -1),
        (READ | PLANT, 1, b"", 1 << 32),
        (RESPONSE, 1, bytes(LONGEST_SHORT + 1), None),
        (RESPONSE | PLANT, 1, bytes(LONGEST_SHORT - 3), 1),
        (LONG_RESPONSE, 1, bytes(65532), None),
    ],
)
def test_impossible_frames_are_refused(command, oid, payload, address):
    with pytest.raises(ValueError, match="."):
        assemble(command, oid, payload, address)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_payload_size_survives(command):
    """Long plant frames too, whose length rctclient writes in one byte and reads from two."""
    address = 0x2B2D2D2B if command & PLANT else None
    head = 8 if command & PLANT else 4
    sizes = range(256 - head)
    if command & ~PLANT in LONG:
        sizes = (*sizes, 256, 1020, 4096, LONGEST - head)
    for size in sizes:
        frame = Frame(command, 0x2D2B2B2D, (b"\x2b\x2d\x00\xff" * 2048)[:size], address)
        reader = FrameReader()
        assert reader.feed(assemble(*frame)) == [frame]
        assert reader.pending == 0


def test_padding_is_not_sent():
    """An odd number of bytes is padded for the checksum only."""
    content = bytes.fromhex("0505437b812201")
    assert crc16(content) == crc16(content + b"\0") == 0x25B5
    assert assemble(RESPONSE, 0x437B8122, b"\x01") == b"\x2b" + content + b"\x25\xb5"


# -- laws ---------------------------------------------------------------------------------

#: Bytes with many of those that matter.
tricky = st.lists(
    st.sampled_from([0x2B, 0x2D, 0x00, 0x05, 0x06, 0x08]) | st.integers(0, 255), max_size=300
).map(bytes)


@st.composite
def any_frame(draw, largest: int = 240) -> Frame:
    command = draw(st.sampled_from(COMMANDS))
    word = st.integers(0, 0xFFFFFFFF) | st.sampled_from([0x2B2B2B2B, 0x2D2D2D2D, 0x2B2D2B2D])
    payload = draw(tricky)[:largest]
    if command & ~PLANT in LONG and draw(st.booleans()):
        payload = payload * draw(st.integers(1, 20))
    return Frame(command, draw(word), payload, draw(word) if command & PLANT else None)


wires = any_frame().map(lambda frame: assemble(*frame))


@st.composite
def streams(draw) -> bytes:
    """Frames, stumps, broken frames, greetings and noise behind each other."""
    parts = []
    for _ in range(draw(st.integers(0, 6))):
        wire = draw(wires)
        cut = draw(st.integers(0, len(wire)))
        parts.append(
            draw(
                st.sampled_from(
                    [
                        b"\0" + wire,
                        wire,
                        wire[:cut],
                        wire[cut:],
                        wire[:cut] + b"\xff" + wire[cut + 1 :],
                        b"AT+\r",
                        b"\x2b\x3c\xe1",
                        b"\x2b\x2b",
                        b"\x2d",
                        b"\0\0",
                    ]
                )
                | tricky
            )
        )
    return b"".join(parts)


def chunked(draw: st.DrawFn, data: bytes) -> list[bytes]:
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.slow
@given(any_frame())
@relaxed
def test_what_is_assembled_is_read_back(frame):
    reader = FrameReader()
    assert reader.feed(assemble(*frame)) == [frame]
    assert reader.idle


@pytest.mark.slow
@given(st.data(), streams())
@relaxed
def test_cuts_change_nothing(data, stream):
    """However bytes are cut, frames and broken frames are the same, and so is what is pending.

    Noise alone is told as it comes, since nobody knows whether there will be more of it: in one
    piece or in many, but of the same total size.
    """
    whole, pieces = FrameReader(), FrameReader()
    expected = whole.feed(stream)
    found = [item for part in chunked(data.draw, stream) for item in pieces.feed(part)]

    def meaningful(items):
        return [item for item in items if isinstance(item, Frame) or item.kind != "noise"]

    assert meaningful(found) == meaningful(expected)
    assert sum(item.size for item in bad(found)) == sum(item.size for item in bad(expected))
    assert pieces.pending == whole.pending
    assert pieces.idle == whole.idle


@pytest.mark.slow
@given(streams(), any_frame())
@relaxed
def test_whatever_came_before_a_frame_is_found_with_its_last_byte(stream, frame):
    """As long as it has its lead-in, which units send: nothing can escape its start then."""
    reader = FrameReader()
    wire = b"\0" + assemble(*frame)
    reader.feed(stream + wire[:-1])
    assert frames(reader.feed(wire[-1:])) == [frame]
    assert reader.pending == 0


@pytest.mark.slow
@given(streams())
@relaxed
def test_every_byte_is_accounted_for_once(stream):
    """Frames, bad bytes and what is pending add up to what came, but for zeros between frames."""
    reader = FrameReader()
    items = reader.feed(stream)
    told = sum(len(assemble(*frame)) for frame in frames(items))
    told += sum(item.size for item in bad(items)) + reader.pending
    assert len(stream) - stream.count(0) <= told <= len(stream)


@pytest.mark.slow
@given(st.lists(st.tuples(tricky.map(lambda noise: noise.replace(b"\x2b", b"")), any_frame())))
@relaxed
def test_noise_without_a_start_hides_no_frame(parts):
    """Not even when it ends in an escape. And no byte of it is lost to the count."""
    items = FrameReader().feed(b"".join(noise + assemble(*frame) for noise, frame in parts))
    assert frames(items) == [frame for _, frame in parts]
    noise = b"".join(noise for noise, _ in parts)
    assert sum(item.size for item in bad(items)) == len(noise) - noise.count(0)
    assert {item.kind for item in bad(items)} <= {"noise"}


@pytest.mark.slow
@given(st.lists(st.binary(max_size=600) | tricky, max_size=8))
@example([b"\x2b\x06\x2d\x20\x2d\x00" + b"\x2d\x2b" * 9000])
@example([b"\x2b\x06\x20\x00" * 5000])
@example([b"\x2b" * 20000, b"\x2d" * 40000])
@relaxed
def test_any_bytes_give_events_and_bounded_memory(pieces):
    """Whatever comes, nothing is raised, and at most one longest frame is held."""
    reader = FrameReader()
    for piece in pieces:
        for item in reader.feed(piece):
            if isinstance(item, Bad):
                assert item.kind in {"crc", "length", "command", "noise"}
                assert item.size > 0
                assert len(item.data) <= 64
        assert reader.pending <= LONGEST_PENDING


def test_the_bound_of_what_is_held_is_reached_and_not_passed():
    """The longest frame with every byte escaped is waited for, up to its last byte."""
    worst = b"\x2b\x06" + b"\x2d\x20\x2d\x00" + b"\x2d\x2b" * (LONGEST + 2)
    reader = FrameReader()
    for first in range(0, len(worst) - 1, 1460):
        assert reader.feed(worst[first : min(first + 1460, len(worst) - 1)]) == []
    assert reader.pending == LONGEST_PENDING == len(worst) - 1
    assert reader.feed(worst[-1:]) == [Bad("crc", len(worst), worst[:64])]
    assert reader.pending == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stream", "size"),
    [
        (b"\x2b\x06\x2d\x20\x2d\x00" + b"\x2d\x2b" * LONGEST, 1),
        (b"\x2b\x06\x2d\x20\x2d\x00" + b"\x2d\x2d" * LONGEST, 1),
        (b"\x2b\x06\x20\x00" + b"a" * LONGEST, 1),
        (b"\x2b\x06\x1f\xfc\0\0\0" * 5000, 35000),
        (b"\x2b\x06\x1f\xfc" + b"\x2d\x2d" * LONGEST, 20000),
    ],
    ids=["starts", "escapes", "plain", "many that announce much", "escapes at once"],
)
def test_no_byte_is_touched_again_for_each_piece_or_escape(stream, size):
    """A long frame that came byte by byte took time with the square of its length: half a minute."""
    reader = BoundedReader()
    for first in range(0, len(stream), size):
        reader.feed(stream[first : first + size])


#: Streams that a unit may flood its client with, as repeated parts; their looks at headers, their
#: escapes and their rescans are what costs.
HOSTILE = {
    **{
        part: bytes.fromhex(part)
        for part in (
            *("2b", "2b01", "2b04", "2b05", "2b2d", "2d2b", "2b00", "002b", "612b", "2b41"),
            *("2b2b05", "2b0503", "2b0508", "2b052d04", "2b052d2b", "2b06", "2b060003"),
            *("2b061ffc", "2b061ffc000000", "2b062001", "2b4507", "2b3ce1", "41542b0d"),
            *("2b052d2d", "2b050895992d", "2b05042d2b", "2d", "61"),
        )
    },
    **{
        f"{case.meaning}, {what}": data
        for case in CASES
        for what, data in (
            ("good", case.data),
            ("spoiled", case.data[:-1] + bytes((case.data[-1] ^ 1,))),
            ("without its end", case.data[:-1]),
            ("half", case.data[: len(case.data) // 2]),
        )
    },
    **{
        f"a spoiled frame with {count} x {part.hex()} in it": spoiled
        for part in (b"\x2b", b"\x2b\x01", b"\x2b\x05\x04", b"\x2b\x06\x0f\x00", b"\x2d")
        for count in (1, 3, 8, 60)
        for spoiled in (assemble(RESPONSE, 1, part * count)[:-1] + b"\xff",)
    },
}

#: How many times more steps than for ordinary answers a byte may cost: the time that a device can
#: make us spend is then known from the bytes that are taken of it.
WORST = 3.0


def steps(data: bytes, size: int) -> float:
    """Calls, in Python and in C, that a reader makes per byte; each does a bounded work."""
    reader = FrameReader()
    pieces = [data[first : first + size] for first in range(0, len(data), size)]
    count = 0

    def note(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    for warm in (True, False):  # patterns that are compiled when first needed
        count = 0
        sys.setprofile(None if warm else note)
        try:
            for piece in pieces:
                reader.feed(piece)
        finally:
            sys.setprofile(None)
    return count / len(data)


@cache
def least_steps(size: int) -> float:
    """Those for ordinary answers, in pieces of a size."""
    answer = b"\0" + GOOD.data
    return steps(answer * (6000 // len(answer)), size)


@pytest.mark.parametrize("size", [1460, 65536])
@pytest.mark.parametrize("part", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_bytes_cost_much_more_than_answers(part, size):
    assert steps(part * (6000 // len(part)), size) <= WORST * least_steps(size)


@pytest.mark.parametrize("part", ["2b", "2b01", "2b04", "2d2b", "2b2b05", "2b0503", "00ff", "61"])
def test_a_flood_of_noise_is_one_event_with_its_size(part):
    """And not one for each start that is none; what can be a frame is still found."""
    data = bytes.fromhex(part) * 5000
    reader = FrameReader()
    reader.feed(data)  # after the first few it is known for what it is
    items = reader.feed(data + b"\0" + GOOD.data + b"\0" + GOOD.data)
    assert frames(items) == [GOOD.frame] * 2
    (noise,) = bad(items)
    assert noise.kind == "noise"
    assert noise.size >= len(data) - data.count(0) - 2  # the last may have been pending before


def test_false_starts_are_told_apart_again_after_a_frame():
    reader = FrameReader()
    stump = bytes.fromhex("2b04")
    assert [item.kind for item in bad(reader.feed(stump * 9))] == [*["command"] * 3, "noise"]
    assert not reader.idle
    assert reader.feed(GOOD.data + stump) == [GOOD.frame, Bad("command", 2, stump)]


# -- against rctclient --------------------------------------------------------------------


@pytest.mark.slow
@given(any_frame())
@relaxed
def test_reads_what_rctclient_reads(frame):
    wire = assemble(*frame)
    theirs = ReceiveFrame()
    assert theirs.consume(wire) == len(wire)
    assert theirs.complete()
    assert theirs.crc_ok
    command, oid, payload, address = FrameReader().feed(wire)[0]
    assert (theirs.command, theirs.id, theirs.data) == (command, oid, payload)
    assert theirs.address == (address or 0)


@pytest.mark.slow
@given(any_frame())
@relaxed
def test_assembles_what_rctclient_assembles(frame):
    """But for long plant frames, which rctclient cannot, and payloads of a READ, which it drops."""
    command, oid, payload, address = frame
    if command & PLANT and command & ~PLANT in LONG:
        return
    if command == READ:
        payload = b""
    kind = FrameType.STANDARD if address is None else FrameType.PLANT
    theirs = make_frame(Command(command), oid, payload, address or 0, kind)
    assert assemble(command, oid, payload, address) == theirs
