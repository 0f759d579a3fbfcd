"""Bytes of an RCT line cut into frames and noise, each with what it means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rctclient.registry import REGISTRY
from rctclient.types import DataType

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.frame import Frame
from rct_collector.drivers.rct.table import BY_OID, RctObject
from rct_collector.drivers.rct.tools.payload import decode
from rct_collector.drivers.rct.tools.walk import walk
from rct_collector.drivers.tools import Dissector, Piece, finite

_COMMANDS = {
    frame.READ: "read",
    frame.WRITE: "write",
    frame.LONG_WRITE: "long write",
    frame.RESPONSE: "response",
    frame.LONG_RESPONSE: "long response",
    frame.READ_PERIODICALLY: "read periodically",
}
_ANSWERS = (frame.RESPONSE, frame.LONG_RESPONSE)

#: Kind of a :class:`~.walk.Span` → what is wrong with it, or its meaning.
_WRONG = {
    "crc": "checksum wrong",
    "length": "length wrong, or cut short",
    "command": "no known command",
    "noise": "skipped",
    "incomplete": "incomplete",
    "hello": "greeting of the vendor's app",
    "keep_alive": "keep-alive of the vendor's service",
}

#: Bytes of noise that are shown.
_SHOWN = 16

#: Bytes of the longest head of a frame, up to the object id, each of them escaped.
_LONGEST_HEAD = 1 + 2 * 11
_ESCAPED = re.compile(rb"\x2d(.)", re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class RctPiece(Piece):
    """One frame, or bytes that are none.

    Attributes:
        address: Plant address, or None.
        oid: Object id, or None for noise.
        name: Name of the object, or "".
        type: Wire type of the object, or "".
        payload: Payload, escapes removed.
        value: Decoded value, or None.
        unit: Unit of the value on the wire.
    """

    address: int | None = None
    oid: int | None = None
    name: str = ""
    type: str = ""
    payload: bytes = b""
    value: Any = None
    unit: str = ""

    @property
    def label(self) -> str:
        """Object name and id."""
        if self.oid is None:
            return ""
        return f"{self.name or 'unknown object'} (0x{self.oid:08X})"

    def details(self) -> dict[str, Any]:
        """What the object is, and what the frame says of it."""
        return {
            "address": None if self.address is None else f"{self.address:08X}",
            "oid": None if self.oid is None else f"{self.oid:08X}",
            "object": self.name or None,
            "type": self.type or None,
            "payload": self.payload.hex(),
            "value": finite(self.value),
            "unit": self.unit,
        }


def explain(data: bytes) -> list[RctPiece]:
    """Cut bytes into frames and noise.

    Args:
        data: Any bytes.
    """
    return list(pieces(data))


def pieces(data: bytes) -> Iterator[RctPiece]:
    """The same, one by one."""
    return _joined(_pieces(data), data)


def resembles(data: bytes) -> bool:
    """Whether bytes may be those of a unit's line, and not something else altogether.

    They may if a frame is there, whole or broken, of an object that is known, or if they begin
    with a whole frame of any; or if all of them are what lines carry beside frames.

    Args:
        data: Any bytes.
    """
    beside, heard = True, False
    for span in walk(data):
        raw = data[span.start : span.end]
        if span.kind in ("hello", "keep_alive"):
            heard = True
            continue
        if not raw.strip(b"\0"):
            continue
        if span.frame is not None:
            if beside or _is_known(span.frame.oid):
                return True
        elif _is_known(_oid(data, span.start)):
            return True
        beside = False
    return beside and heard


def _is_known(oid: int) -> bool:
    name, _, _ = _object(oid, BY_OID.get(oid))
    return bool(name)


def _oid(data: bytes, start: int) -> int:
    """Object id in what may be a broken frame, or 0."""
    raw = data[start : start + _LONGEST_HEAD]
    if len(raw) < 2 or raw[0] != frame.START or not _command(raw[1]):
        return 0
    head = _ESCAPED.sub(rb"\1", raw[1:])
    place = 1 + (2 if head[0] in frame.LONG else 1) + (4 if head[0] & frame.PLANT else 0)
    return int.from_bytes(head[place : place + 4], "big")


def _pieces(data: bytes) -> Iterator[RctPiece]:
    for span in walk(data):
        covered = data[span.start : span.end]
        if span.frame is not None:
            yield _frame(span.start, covered, span.frame)
        elif span.kind != "noise":
            yield _bad(span.start, covered, _WRONG[span.kind])
        elif covered.strip(b"\0"):
            yield _noise(span.start, covered)


def _joined(pieces: Iterator[RctPiece], data: bytes) -> Iterator[RctPiece]:
    """Put neighbouring bytes of noise together."""
    first = end = 0
    for piece in pieces:
        noise = piece.verdict == _WRONG["noise"]
        if first < end and not (noise and piece.offset == end):
            yield _noise(first, data[first:end])
            first = end
        if not noise:
            yield piece
            continue
        if first == end:
            first = piece.offset
        end = piece.offset + len(piece.data)
    if first < end:
        yield _noise(first, data[first:end])


def _noise(offset: int, data: bytes) -> RctPiece:
    return RctPiece(
        offset=offset, data=data, shown=_hex(data), verdict=_WRONG["noise"], valid=False
    )


def _bad(offset: int, data: bytes, verdict: str) -> RctPiece:
    """A broken frame; what can be read of its head is told with reserve."""
    command = data[1] if len(data) > 1 and data[0] == frame.START else 0
    return RctPiece(
        offset=offset,
        data=data,
        direction=_direction(command) if _command(command) else "",
        command=_command(command),
        shown=_hex(data),
        verdict=verdict,
        valid=False,
    )


def _hex(data: bytes) -> str:
    """The first bytes."""
    return data[:_SHOWN].hex(" ") + (" …" if len(data) > _SHOWN else "")


def _direction(command: int) -> str:
    """Who sends such frames: only units answer."""
    return "from device" if command & ~frame.PLANT in _ANSWERS else "to device"


def _command(command: int) -> str:
    name = _COMMANDS.get(command & ~frame.PLANT, "")
    return f"plant {name}" if name and command & frame.PLANT else name


def _frame(offset: int, data: bytes, item: Frame) -> RctPiece:
    known = BY_OID.get(item.oid)
    name, kind, unit = _object(item.oid, known)
    meaning = decode(item, known, kind, unit)
    shown = meaning.shown
    if item.address is not None:
        shown = f"plant address 0x{item.address:08X}" + (f": {shown}" if shown else "")
    return RctPiece(
        offset=offset,
        data=data,
        direction=_direction(item.command),
        command=_command(item.command),
        address=item.address,
        oid=item.oid,
        name=name,
        type=kind.name if kind else "",
        payload=item.payload,
        value=meaning.value,
        shown=shown,
        unit=unit,
        verdict=meaning.verdict,
        published=meaning.published,
    )


def _object(oid: int, known: RctObject | None) -> tuple[str, DataType | None, str]:
    """Name, type and unit on the wire, from our table or from rctclient's registry."""
    try:
        entry = REGISTRY.get_by_id(oid)
    except KeyError:
        entry = None
    unit = (entry.unit or "") if entry else ""
    if known is not None:
        return known.name, known.type, unit
    return (entry.name, entry.response_data_type, unit) if entry else ("", None, "")


DISSECTOR = Dissector(frame="RCT frame", unit="an RCT unit", pieces=pieces, resembles=resembles)
