"""Takes secrets out of the bytes of a line.

Only what is known to be harmless passes: numbers, tables of numbers and times of the objects in
our table, and the version of the firmware. Every other payload is replaced by letters, and so are
the addresses of a plant's units. What belongs to no valid frame may be the rest of a torn one,
and is replaced by zeros. Each byte is replaced by one byte, so that lengths and the places of
frames stay; a valid frame keeps a valid checksum, and a broken one is still told as broken.
"""

from __future__ import annotations

import re
from itertools import pairwise, product

from rctclient.types import DataType

from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.frame import ESCAPE, PLANT, START, Frame
from rct_collector.drivers.rct.table import BY_OID
from rct_collector.drivers.rct.tools.walk import Partial, Span, walk

FILLER = ord("x")
#: Last letters that are tried, until the checksum is one that needs no escape.
_LETTERS = b"xyzabcdefghijklmnopqrstuvw"

#: Texts that are no secrets: which firmware was recorded.
PUBLIC_TEXTS = frozenset({"svnversion", "svnversion_factory"})
_VERSION = re.compile(rb"[0-9A-Za-z._-]{0,24}\0*")

#: Types of any length: a time, then records of this size.
_RECORDS = {DataType.TIMESERIES: 8, DataType.EVENT_TABLE: 20}


class Redactor:
    """Takes secrets out of one direction of one line, in whatever pieces its bytes come."""

    def __init__(self) -> None:
        """Start between frames."""
        self._buffer = bytearray()
        self._partial = Partial()

    def feed(self, data: bytes) -> bytes:
        """Take bytes.

        Args:
            data: Any number of bytes, cut anywhere.

        Returns:
            What is settled, in order, one byte for each that came; the bytes of an unfinished
            frame are kept until it is whole, or broken.
        """
        self._buffer += data
        redacted = bytearray()
        for span in walk(self._buffer, self._partial):
            if span.kind == "incomplete":
                break
            redacted += _redact(self._buffer, span)
        if redacted:
            del self._buffer[: len(redacted)]
            self._partial = Partial()
        return bytes(redacted)

    def flush(self) -> bytes:
        """The line has ended: what is left is no whole frame."""
        size = len(self._buffer)
        self._buffer.clear()
        return _broken(size)


def _redact(buffer: bytearray, span: Span) -> bytes:
    raw = bytes(buffer[span.start : span.end])
    if span.kind in ("hello", "keep_alive"):
        return raw
    if span.frame is None:
        return _broken(len(raw)) if span.kind in ("crc", "length") else bytes(len(raw))
    payload = not _is_harmless(span.frame)
    address = span.frame.address is not None
    return _blanked(raw, address=address, payload=payload) if address or payload else raw


def _is_harmless(item: Frame) -> bool:
    """Whether it is known that the payload holds no secret."""
    known = BY_OID.get(item.oid)
    if known is None or not item.payload:
        return not item.payload
    if known.type is DataType.STRING:
        return known.name in PUBLIC_TEXTS and _VERSION.fullmatch(item.payload) is not None
    if known.type in _RECORDS:
        return len(item.payload) % _RECORDS[known.type] == 4
    return len(item.payload) == wire.LENGTHS[known.type]


def _broken(size: int) -> bytes:
    """What stands for a frame that does not check out: a start, which all have, and nothing."""
    return bytes((START,)).ljust(size, b"\0")[:size]


def _blanked(raw: bytes, *, address: bool, payload: bool) -> bytes:
    """A valid frame with letters in place of address or payload, and the checksum of that."""
    content, ends = _unescaped(raw)
    head = _head(content)
    end = len(content) - 2
    places = list(range(head - 8, head - 4)) if address else []
    if payload:
        places += _secret(content[:end], head)
    if not places:
        return raw
    changed = _filled(content[:end], places)
    bounds = sorted({0, *((head - 8, head - 4) if address else ()), head, end, len(content)})
    result = raw[:1]
    for first, last in pairwise(bounds):
        before = raw[ends[first - 1] if first else 1 : ends[last - 1]]
        part = changed[first:last]
        # An escape may precede any byte: as many as there were keep the length.
        result += before if part == content[first:last] else _stretched(part, len(before))
    return result


def _secret(content: bytes, head: int) -> list[int]:
    """Places of the payload; without the zeros of a text, so that a padded one stays padded."""
    known = BY_OID.get(int.from_bytes(content[head - 4 : head], "big"))
    text = known is not None and known.type is DataType.STRING
    return [n for n in range(head, len(content)) if content[n] or not text]


def _filled(content: bytes, places: list[int]) -> bytes:
    """A frame with letters in some places and a checksum that needs no escape."""
    body = bytearray(content)
    for place in places:
        body[place] = FILLER
    for letters in product(_LETTERS, repeat=len(places[-2:])):
        for place, letter in zip(places[-2:], letters, strict=True):
            body[place] = letter
        checksum = frame.crc16(bytes(body)).to_bytes(2, "big")
        if START not in checksum and ESCAPE not in checksum:
            break
    return bytes(body) + checksum


def _stretched(data: bytes, size: int) -> bytes:
    """The same bytes with escapes before the first of them, to fill so many bytes."""
    escaped = size - len(data)
    return b"".join(
        bytes((ESCAPE, byte)) if n < escaped else bytes((byte,)) for n, byte in enumerate(data)
    )


def _unescaped(raw: bytes | bytearray) -> tuple[bytes, list[int]]:
    """The bytes from the command on, and where each of them ends in ``raw``."""
    content = bytearray()
    ends = []
    position = 1
    while position < len(raw):
        position += raw[position] == ESCAPE
        if position < len(raw):
            content.append(raw[position])
            position += 1
            ends.append(position)
    return bytes(content), ends


def _width(content: bytes) -> int:
    """Bytes of the length field."""
    return 2 if content[:1] and content[0] in frame.LONG else 1


def _head(content: bytes) -> int:
    """Bytes of command, length, address and id."""
    return 1 + _width(content) + (8 if content[:1] and content[0] & PLANT else 4)
