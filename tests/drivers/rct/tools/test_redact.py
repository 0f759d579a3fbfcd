"""Redaction: no secret is left, however it was cut or torn, and what is no secret stays."""

from __future__ import annotations

import struct

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rctclient.registry import REGISTRY
from rctclient.types import DataType

from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.table import BY_OID, OBJECTS
from rct_collector.drivers.rct.tools.redact import PUBLIC_TEXTS, Redactor
from rct_collector.drivers.rct.tools.walk import walk
from tests.fuzz.flood import CALL, WORK, Counted
from tests.scripted import BY_NAME, payload

relaxed = settings(deadline=None)

RESPONSE, LONG, PLANT = frame.RESPONSE, frame.LONG_RESPONSE, frame.PLANT
TEXTS = [item for item in OBJECTS if item.type is DataType.STRING and item.name not in PUBLIC_TEXTS]
NUMBERS = [item for item in OBJECTS if item.type is not DataType.STRING and not item.logger]
SERIAL = BY_NAME["inverter_sn"]
PASSWORD = REGISTRY.get_by_name("wifi.password").object_id
SLAVE_DATA = 0xC0A7074F
NET_ID = REGISTRY.get_by_name("net.id").object_id
TUNNEL_ID = REGISTRY.get_by_name("net.net_tunnel_id").object_id

SECRET = b"SeCRet+42-"
#: Address of a plant's unit.
UNIT = int.from_bytes(SECRET[4:8], "big")
#: No two bytes of the secret in a row.
PARTS = [SECRET[n : n + 2] for n in range(len(SECRET) - 1)]


def redacted(data, cuts=()):
    redactor = Redactor()
    bounds = [0, *sorted(cuts), len(data)]
    pieces = [data[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    result = b"".join(redactor.feed(piece) for piece in pieces) + redactor.flush()
    assert len(result) == len(data)
    return result


def frames(data):
    return [span.frame for span in walk(data) if span.frame]


def unescaped(data):
    """As somebody who looks for texts would see it."""
    return data.replace(b"\x2d\x2b", b"+").replace(b"\x2d\x2d", b"-")


def answer(oid, data, command=RESPONSE, address=None):
    return b"\0" + frame.assemble(command, oid, data, address)


@pytest.mark.slow
@relaxed
@given(
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(TEXTS), st.binary(max_size=60)),
            st.sampled_from(NUMBERS).map(lambda item: (item, payload(item, None))),
        ),
        max_size=8,
    ),
    st.sets(st.integers(1, 500), max_size=10),
)
def test_every_frame_stays_valid_and_only_texts_change(items, cuts):
    data = b"".join(answer(item.oid, content) for item, content in items)
    found = frames(redacted(data, {cut for cut in cuts if cut < len(data)}))

    assert [item.oid for item in found] == [item.oid for item, _ in items]
    for (item, content), now in zip(items, found, strict=True):
        assert len(now.payload) == len(content)
        if item.type is DataType.STRING:
            assert all(b"a"[0] <= byte <= b"z"[0] for byte in now.payload if byte)
            assert [bool(byte) for byte in now.payload] == [bool(byte) for byte in content]
        else:
            assert now.payload == content


@pytest.mark.slow
@relaxed
@given(st.sampled_from(TEXTS), st.binary(max_size=100), st.binary(max_size=60), st.data())
def test_it_does_not_matter_how_bytes_are_cut(item, content, noise, data):
    line = noise + answer(item.oid, content) + noise
    cuts = data.draw(st.sets(st.integers(0, len(line)), max_size=20))

    # But for a keep-alive that is cut, which then looks like any other text.
    assume(b"AT" not in noise)
    assert redacted(line, cuts) == redacted(line)


SECRETS = [
    answer(SERIAL.oid, SECRET + b"\0" * 6),
    answer(PASSWORD, SECRET),
    answer(PASSWORD, SECRET, frame.WRITE),
    answer(SLAVE_DATA, b"\1\2" + SECRET),
    answer(NET_ID, SECRET[:4]),
    answer(TUNNEL_ID, SECRET[:4]),
    frame.assemble(frame.WRITE, TUNNEL_ID, SECRET[:4]),
    answer(BY_NAME["battery.soc"].oid, bytes(4), RESPONSE | PLANT, UNIT),
    frame.assemble(frame.READ | PLANT, SERIAL.oid, b"", UNIT),
    answer(SERIAL.oid, SECRET, RESPONSE | PLANT, 0x01020304),
    answer(0xDEADBEEF, SECRET),
    answer(BY_NAME["svnversion"].oid, b"2.3\0" + SECRET),
    answer(SERIAL.oid, SECRET * 30, LONG),
    # Bytes that are too many for a number are none.
    answer(BY_NAME["battery.soc"].oid, SECRET),
    answer(BY_NAME["battery.soc"].oid, SECRET[:3]),
    answer(BY_NAME["svnversion"].oid, b"2.3 " + SECRET),
    answer(BY_NAME["battery.cells[0]"].oid, SECRET),
]

TRAFFIC = [
    *SECRETS,
    answer(BY_NAME["battery.soc"].oid, b"\x3f\0\0\0"),
    answer(BY_NAME["battery.cells[0]"].oid, bytes(96)),
    frame.assemble(frame.READ, SERIAL.oid),
    b"AT+\r",
    b"\x2b\x3c\xe1",
    SECRET,
]


@pytest.mark.parametrize("data", SECRETS)
def test_secrets_are_gone(data):
    found = redacted(data)

    assert not any(part in unescaped(found) for part in PARTS)
    assert [item.oid for item in frames(found)] == [item.oid for item in frames(data)]


@pytest.mark.slow
@relaxed
@given(
    st.lists(
        st.tuples(st.sampled_from(TRAFFIC), st.integers(0, 400), st.integers(0, 400)), max_size=6
    ),
    st.sets(st.integers(1, 2000), max_size=10),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
)
def test_no_secret_is_left_of_what_was_torn_or_garbled(torn, cuts, flips):
    """Frames lose their heads and tails, and some bytes are others."""
    line = bytearray(b"".join(data[: max(1, len(data) - tail)][head:] for data, head, tail in torn))
    for position, value in flips:
        if position < len(line):
            line[position] = value
    found = redacted(bytes(line), {cut for cut in cuts if cut < len(line)})
    for n in range(len(SECRET) - 2):  # two bytes may be a checksum
        assert SECRET[n : n + 3] not in unescaped(found)


@pytest.mark.parametrize(
    "data",
    [
        b"AT+\r",
        b"\x2b\x3c\xe1",
        b"\0\0",
        frame.assemble(frame.READ, SERIAL.oid),
        answer(BY_NAME["svnversion"].oid, b"2.3.5673\0\0\0"),
        answer(BY_NAME["battery.soc"].oid, b"\x3e\x97\xb1\x91"),
        answer(BY_NAME["logger.minutes_soc_log_ts"].oid, struct.pack(">IIf", 2, 1, 0.5), LONG),
        answer(SERIAL.oid, b"\0" * 8),
        answer(0xDEADBEEF, b""),
    ],
)
def test_what_is_no_secret_stays(data):
    assert redacted(data) == data


@relaxed
@given(
    st.sampled_from(TEXTS + NUMBERS),
    st.binary(min_size=1, max_size=40),
    st.integers(1, 50),
    st.integers(1, 255),
)
def test_nothing_is_kept_of_a_frame_that_does_not_check_out(item, content, place, flip):
    """But what any line has: a start byte, a greeting, a keep-alive."""
    data = bytearray(answer(item.oid, content))
    place = min(place, len(data) - 1)
    data[place] ^= flip
    assume(not frames(data))
    found = redacted(bytes(data))

    kept = found.replace(b"\x2b\x3c\xe1", b"").replace(b"AT+\r", b"")
    assert not any(byte for byte in kept if byte != frame.START)
    assert not frames(found)
    if place == len(data) - 1:  # a wrong checksum
        assert [span.kind for span in walk(found)][:2] == ["noise", "command"]


@pytest.mark.parametrize(
    "data",
    [
        answer(SERIAL.oid, SECRET)[:-3],
        answer(SERIAL.oid, SECRET)[3:],
        answer(BY_NAME["battery.soc"].oid, b"\x3e\x97\xb1\x91")[:-1] + b"\0",
        b"\x2b\x42\x0c" + SECRET,
        SECRET,
    ],
)
def test_damaged_bytes_are_zeros(data):
    assert redacted(data).strip(b"\0") in (b"", b"\x2b")


def test_of_what_is_not_known_to_be_harmless_nothing_passes():
    """All objects of the registry, and which of their payloads stay as they are."""
    for entry in REGISTRY.all():
        known = BY_OID.get(entry.object_id)
        kind = known.type if known else entry.response_data_type
        size = wire.LENGTHS.get(kind, 24 if kind is DataType.EVENT_TABLE else 12)
        (found,) = frames(redacted(answer(entry.object_id, b"a" * size)))
        harmless = known is not None and (
            known.name in PUBLIC_TEXTS or known.type is not DataType.STRING
        )

        assert (found.payload == b"a" * size) == harmless, entry
        assert harmless or not set(found.payload) - set(b"xyzabc"), entry


def test_zeros_of_what_is_no_text_are_replaced_too():
    (found,) = frames(redacted(answer(NET_ID, b"\0\0\1\0")))

    assert 0 not in found.payload


@pytest.mark.slow
def test_work_grows_with_the_bytes_however_they_are_cut():
    """A frame whose end never comes, all of it escaped, byte by byte."""
    data = b"\x2b\x06\x1f\xfc" + b"\x2d\x2d" * 4000
    redactor = Redactor()
    redactor._buffer = Counted()
    for position in range(len(data)):
        redactor._buffer.allowed += WORK + CALL
        redactor.feed(data[position : position + 1])


def test_bytes_are_settled_as_soon_as_their_frame_is_whole():
    redactor, data = Redactor(), answer(SERIAL.oid, SECRET)

    assert redactor.feed(data[:-1]) == b"\0"
    assert len(redactor.feed(data[-1:])) == len(data) - 1
    assert redactor.flush() == b""
