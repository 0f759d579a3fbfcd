"""The reader of Voltronic lines, with a recording of a line: the bytes as they are."""

from __future__ import annotations

import re
from random import Random

from rct_collector.drivers.voltronic.frame import (
    LONGEST,
    LONGEST_PENDING,
    Bad,
    Frame,
    FrameReader,
    pack,
)
from tests.fuzz import grammar

KINDS = {"crc", "length", "noise", "echo"}

#: Understood without a checksum.
BARE = {("NAK", "("), ("ACK", "("), ("0", "^"), ("1", "^")}

#: Texts whose checksums are easy, hold a CR at the first or the second place, or twice, or a NUL.
TEXTS = ("B", "PI30", "00000033", "00000052", "00029247", "00000226", "230.0 49.9 ---.- 0161")


def crc(data):
    """CRC-16/XMODEM, bit by bit."""
    value = 0
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ 0x1021 if value & 0x8000 else value << 1) & 0xFFFF
    return value.to_bytes(2, "big")


def spellings(line):
    """The checksum of a line in each of the three spellings."""
    plain = crc(line)
    return [
        plain,
        *(bytes(b + 1 if b in escaped else b for b in plain) for escaped in (b"(\r\n", b"(\r\n\0")),
    ]


def line_of(text, head="("):
    """An answer without its checksum."""
    counted = f"{len(text) + 3:03}" if head == "^D" else ""
    return f"{head}{counted}{text}".encode("latin-1")


def any_answer(random):
    line = line_of(random.choice(TEXTS), random.choice(("(", "^D")))
    return line + random.choice(spellings(line)) + random.choice((b"\r", b"\n", b"\r\n", b"\r\0\0"))


def mutate(data, random):
    place = random.randrange(len(data) + 1)
    piece = random.choice((any_answer(random), *dictionary()))
    if random.random() < 0.3:
        piece = piece[: random.randrange(len(piece) + 1)]
    return data[:place] + piece + data[place + random.choice((0, 0, len(piece))) :]


def dictionary():
    return [
        *(b"(NAKss\r", b"(ACK9 \r", b"^0\x1b\xe3\r", b"^1\x0b\xc2\r", b"(NAK\r", b"^0\r", b"#-1\r"),
        *(pack("QPIGS"), pack("GS", "pi18"), pack("GS", "pi17"), pack("QPGS4"), b"QPI\r"),
        *(b"(", b"^D", b"^", b"\r", b"\n", b"\0"),
    ]


def check(data):
    whole = FrameReader()
    items = whole.feed(data)
    invents_nothing(data, items)
    loses_no_line(data, items)
    random = Random(data)
    for pieces in (grammar.singly(data), grammar.random_cuts(data, random)):
        grammar.cut_changes_nothing(pieces, items, whole, FrameReader(), LONGEST_PENDING)
    hides_nothing_that_follows(data, random)


def invents_nothing(data, items):
    """What is told of is there, in this order, each byte once; each answer with its checksum."""
    place = 0
    for item in items:
        if type(item) is Bad:
            assert item.kind in KINDS
            assert 0 < len(item.data) <= 64
            place = data.index(item.data, place) + len(item.data)
            continue
        assert type(item) is Frame
        assert item.sound or (item.text, item.head) in BARE
        line = line_of(item.text, item.head)
        place = data.index(line, place)
        written = data[place : place + item.size]
        assert len(written) == item.size
        assert written[-1:] in (b"\r", b"\n")
        if item.sound:
            assert written[:-3] == line
            assert written[-3:-1] in spellings(line)
        place += item.size
    assert sum(item.size for item in items) <= len(data)


def loses_no_line(data, items):
    """What is an answer from end of line to end of line is read."""
    texts = iter([item.text for item in items if type(item) is Frame])
    for line in re.split(rb"[\r\n]", data)[:-1]:
        line = line.lstrip(b"\0")
        if 4 <= len(line) <= LONGEST and line[:1] == b"(" and line[-2:] in spellings(line[:-2]):
            assert line[1:-2].decode("latin-1") in texts, "in this order"


def hides_nothing_that_follows(data, random):
    """An answer that begins a line is read with its last byte, however it is spelt."""
    text, head = random.choice(TEXTS), random.choice(("(", "^D"))
    line = line_of(text, head)
    wire = line + random.choice(spellings(line)) + b"\r"
    reader = FrameReader()
    before = reader.feed(data + b"\r\r\r" + wire[:-1])
    after = reader.feed(wire[-1:])
    assert after[-1:] == [Frame(text, head, True, len(wire))], before[-1:]
    assert reader.pending == 0
