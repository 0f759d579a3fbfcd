"""Takes secrets out of the bytes of a line: texts, serial numbers, names, unknown objects.

Only what is known to be a number, a table of numbers or a time passes, and the version of the
firmware. Every other payload is replaced by letters, and so is everything that belongs to no
valid frame, since a torn frame may be the rest of a text. Each byte is replaced by one byte, so
that lengths and the places of frames stay; a valid frame keeps a valid checksum, and a broken
one stays broken.
"""

from __future__ import annotations

from itertools import product

from rctclient.registry import REGISTRY
from rctclient.types import DataType

from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.frame import ESCAPE, PLANT, START, Frame
from rct_collector.drivers.rct.table import BY_OID
from rct_collector.drivers.rct.walk import Span, walk

FILLER = ord("x")
#: Last letters that are tried, until the checksum is one that needs no escape.
_LETTERS = b"xyzabcdefghijklmnopqrstuvw"

#: Texts that are no secrets: which firmware was recorded.
PUBLIC_TEXTS = frozenset({"svnversion", "svnversion_factory"})

#: Bytes of the longest single number.
_LONGEST_NUMBER = 4

#: Types of any length: a time, then records of this size.
_RECORDS = {DataType.TIMESERIES: 8, DataType.EVENT_TABLE: 20}


class Redactor:
    """Takes secrets out of one direction of one line, in whatever pieces its bytes come."""

    def __init__(self) -> None:
        """Start between frames."""
        self._buffer = bytearray()

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
        for span in walk(self._buffer):
            if span.kind == "incomplete":
                break
            redacted += _redact(self._buffer, span)
        del self._buffer[: len(redacted)]
        return bytes(redacted)

    def flush(self) -> bytes:
        """The line has ended: what is left is no whole frame."""
        rest, self._buffer = self._buffer, bytearray()
        return _broken(rest)


def _redact(buffer: bytearray, span: Span) -> bytes:
    raw = buffer[span.start : span.end]
    if span.kind in ("hello", "keep_alive"):
        return bytes(raw)
    if span.frame is not None:
        harmless = _is_number(span.frame.oid, len(span.frame.payload)) or _is_public(span.frame)
        return bytes(raw) if harmless else _blanked(raw)
    return _masked(raw) if span.kind == "noise" else _broken(raw)


def _type(oid: int) -> DataType | None:
    """From our table, which knows better in places, or from rctclient's registry."""
    if oid in BY_OID:
        return BY_OID[oid].type
    try:
        return REGISTRY.get_by_id(oid).response_data_type
    except KeyError:
        return None


def _is_public(item: Frame) -> bool:
    """Whether it is a text that may be read, with nothing left over behind its end."""
    known = BY_OID.get(item.oid)
    if known is None or known.name not in PUBLIC_TEXTS:
        return False
    return not item.payload.partition(b"\0")[2].strip(b"\0")


def _is_number(oid: int, size: int) -> bool:
    """Whether so many bytes of payload of an object can only be numbers."""
    kind = _type(oid)
    if size == 0 or kind is None:
        return size == 0
    if kind in _RECORDS:
        return size % _RECORDS[kind] == 4
    usual = wire.LENGTHS.get(kind, 0)
    # A number that was cut short is still no text.
    return size == usual or size < usual <= _LONGEST_NUMBER


def _masked(raw: bytes | bytearray, filler: int = FILLER) -> bytes:
    """Bytes that are no frame, without what could be part of a text."""
    return bytes(byte if byte in (0, START, ESCAPE) else filler for byte in raw)


def _broken(raw: bytes | bytearray) -> bytes:
    """A broken frame: its head stays, and its payload if it is no more than one number."""
    content, ends = _unescaped(raw)
    head = _head(content)
    oid = int.from_bytes(content[head - 4 : head], "big")
    if len(content) < head or _type(oid) is None:  # perhaps never was a frame
        kept = 2 if raw[1:2] < b" " else 1
    else:
        width = _width(content)
        size = int.from_bytes(content[1 : 1 + width], "big") + 1 + width - head
        if size <= _LONGEST_NUMBER and _is_number(oid, size):
            return bytes(raw)
        kept = ends[head - 1]
    for filler in _LETTERS:  # the first will do, but for one frame in 65536
        masked = bytes(raw[:kept]) + _masked(raw[kept:], filler)
        if all(span.kind != "frame" for span in walk(masked)):
            break
    return masked


def _blanked(raw: bytes | bytearray) -> bytes:
    """A valid frame with letters in place of its payload, and the checksum of that.

    Zeros stay, so that an empty text is still one, and a padded one still padded.
    """
    content, ends = _unescaped(raw)
    head = _head(content)
    payload = content[head:-2]
    if not any(payload):
        return bytes(raw)
    body, checksum = _filled(content[:head], payload)
    start, end = ends[head - 1], ends[-3]
    return bytes(
        raw[:start]
        # An escape may precede any byte: as many as there were keep the length.
        + _stretched(body, end - start)
        + _stretched(checksum, len(raw) - end)
    )


def _filled(head: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """A payload of letters whose checksum needs no escape, and that checksum."""
    body = bytearray(FILLER if byte else 0 for byte in payload)
    varied = [n for n, byte in enumerate(body) if byte][-2:]
    for letters in product(_LETTERS, repeat=len(varied)):
        for n, letter in zip(varied, letters, strict=True):
            body[n] = letter
        checksum = frame.crc16(head + body).to_bytes(2, "big")
        if START not in checksum and ESCAPE not in checksum:
            break
    return bytes(body), checksum


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
