"""What the targets know of the wire: taking escapes out, and changes that get past a checksum."""

from __future__ import annotations

import struct

from rctclient.types import DataType

from rct_collector.drivers.rct.frame import (
    ESCAPE,
    LONG_RESPONSE,
    LONG_WRITE,
    PLANT,
    READ,
    READ_PERIODICALLY,
    RESPONSE,
    START,
    WRITE,
    Bad,
    Frame,
    FrameReader,
    assemble,
)
from rct_collector.drivers.rct.table import OBJECTS
from rct_collector.drivers.rct.wire import LENGTHS

_PLAIN = (READ, WRITE, LONG_WRITE, RESPONSE, LONG_RESPONSE, READ_PERIODICALLY)
_COMMANDS = (*_PLAIN, *(command | PLANT for command in _PLAIN))

#: What lines carry beside frames, and what is hard on a parser.
_ODDITIES = (
    b"AT+\r",
    b"\x2b\x3c\xe1",
    b"\x2b\x2b",
    b"\x2d\x2b",
    b"\x2d\x2d",
    b"\x2d",
    b"\0\0",
    b"\x2b\x06\x1f\xfc",
    b"\x2b\x46\x20\x00",
)

#: Four bytes that mean something of their own in one type or another.
_WORDS = (
    *(struct.pack(">f", value) for value in (0.5, -0.0, 1e-45, 3.4e38, float("inf"), float("nan"))),
    bytes(4),
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\x65\x53\xf1\0",
    b"\x2b\x2d\x2b\x2d",
)


def unescape(data, start, count):
    """Take ``count`` unescaped bytes behind the start at ``start``; they, and where they end."""
    assert data[start] == START
    content, position = bytearray(), start + 1
    while len(content) < count:
        assert position + 1 < len(data) or data[position:] not in (b"", b"\x2d"), "cut short"
        if data[position] == ESCAPE:
            position += 1
        else:
            assert data[position] != START, "a raw start within a frame"
        content.append(data[position])
        position += 1
    return bytes(content), position


def singly(data):
    """The bytes one by one."""
    return [data[place : place + 1] for place in range(len(data))]


def random_cuts(data, random):
    """The bytes in pieces of any sizes, empty ones too."""
    cuts = sorted(random.randint(0, len(data)) for _ in range(random.randint(0, 12)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def words():
    """What libFuzzer puts in by itself: oddities, values, and the heads of answers."""
    yield from _ODDITIES
    yield from _WORDS
    for item in OBJECTS:
        head = bytes((RESPONSE, 4 + LENGTHS.get(item.type, 8))) + item.oid.to_bytes(4, "big")
        yield b"\x2b" + head.replace(b"\x2d", b"\x2d\x2d").replace(b"\x2b", b"\x2d\x2b")


# -- changes -------------------------------------------------------------------------------


def any_payload(item, random):
    """Bytes of the length that the object's type has; now and then of another."""
    size = LENGTHS.get(item.type)
    if size is None:
        size = random.choice((0, 1, 4, 12, 20, 24, 28, 44, 64))
    if random.random() < 0.1:
        size = max(0, size + random.choice((-4, -1, 1, 4)))
    if item.type is DataType.STRING and random.random() < 0.8:
        return bytes(random.choice(b"PS 6.0-+AB\0\0") for _ in range(size))
    chosen = (random.choice((*_WORDS, random.randbytes(4))) for _ in range(size // 4 + 1))
    return b"".join(chosen)[:size]


def any_frame(random):
    """A valid frame, mostly the answer to something that the collector asks."""
    if random.random() < 0.7:
        item = random.choice(OBJECTS)
        command = random.choice((RESPONSE, RESPONSE, LONG_RESPONSE))
        return assemble(command, item.oid, any_payload(item, random))
    command = random.choice(_COMMANDS)
    oid = random.choice(
        (0x2B2B2B2B, 0x2D2D2D2D, random.choice(OBJECTS).oid, random.getrandbits(32))
    )
    payload = bytes(random.choice((START, ESCAPE, 0, 5, 255)) for _ in range(random.randrange(60)))
    return assemble(command, oid, payload, random.getrandbits(32) if command & PLANT else None)


def mutate(data, random):
    """Change a recording so that checksums stay right, or go wrong in ways that lines know."""
    parts = _parts(data)
    place = random.randrange(len(parts))
    deed = random.randrange(6)
    if deed == 0:
        parts.insert(place, random.choice((b"", b"\0")) + any_frame(random))
    elif deed == 1:
        parts.insert(place, random.choice(_ODDITIES))
    elif deed == 2:  # torn
        parts[place] = parts[place][: random.randint(0, len(parts[place]))]
    elif deed == 3:  # without its head
        parts[place] = parts[place][random.randint(0, len(parts[place])) :]
    elif deed == 4:
        parts.insert(random.randrange(len(parts)), parts.pop(place))
    else:
        parts[place] = _reworded(parts[place], random)
    return b"".join(parts)


def _parts(data):
    """Cut before whatever looks like the start of a frame."""
    cuts = [
        place
        for place, byte in enumerate(data)
        if place and byte == START and data[place - 1] not in (START, ESCAPE)
    ]
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _reworded(part, random):
    """A frame with another command, id or payload, and its checksum computed anew."""
    found = [item for item in FrameReader().feed(part) if not isinstance(item, Bad)]
    if not found:
        return part + any_frame(random)
    command, oid, payload, address = found[0]
    change = random.randrange(3)
    if change == 0:
        command = random.choice(_COMMANDS)
        address = random.getrandbits(32) if command & PLANT else None
    elif change == 1:
        oid = random.choice(OBJECTS).oid
    else:
        payload = changed(payload, random)
    return assemble(*Frame(command, oid, payload[:240], address))


def changed(payload, random):
    """A few bytes replaced, put in or taken out."""
    payload = bytearray(payload)
    for _ in range(random.randint(1, 3)):
        place = random.randint(0, len(payload))
        width = random.choice((0, 0, 1, 4))
        payload[place : place + width] = random.choice(
            (b"", b"\x2b", b"\x2d", random.choice(_WORDS), random.randbytes(1))
        )
    return bytes(payload)


def behind_zeros(data, place):
    """Where the next byte is that must be part of an event."""
    while data[place : place + 1] == b"\0":
        place += 1
    assert place < len(data), "more is told than came"
    return place


def joined(items):
    """What a reader gave, its neighbouring noise as one."""
    told = []
    for item in items:
        if getattr(item, "kind", "") == "noise":
            before = told.pop() if told and type(told[-1]) is int else 0
            told.append(before + item.size)
        else:
            told.append(item)
    return told


def cut_changes_nothing(pieces, expected, whole, reader, longest):
    """Bytes in pieces are what they are at once, and memory is bounded.

    Noise may be told in other pieces.

    Args:
        pieces: The bytes.
        expected: What they are at once.
        whole: The reader that they were given at once.
        reader: A new one.
        longest: Bytes that it may keep.
    """
    found = []
    for piece in pieces:
        found += reader.feed(piece)
        assert reader.pending <= longest
    assert joined(found) == joined(expected)
    assert reader.pending == whole.pending
