"""Bytes of a SolarEdge line cut into frames and noise, each with what it means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rct_collector.drivers.base import Fault, Record
from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.frame import HEADER, LONGEST, MAGIC, Frame
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import EVENT, LAYOUTS, RawRecord, split, title
from rct_collector.drivers.solaredge.session import FIRST_SERVICE, SolarEdgeSession, id_text
from rct_collector.drivers.solaredge.tools.payload import describe, utc
from rct_collector.drivers.solaredge.tools.walk import Passage, walk
from rct_collector.drivers.tools import Dissector, Piece, finite
from rct_collector.model import Value

_WRONG = {
    Fault.CRC: "checksum wrong",
    Fault.LENGTH: "length wrong, or too long",
    Fault.NOISE: "skipped",
    None: "incomplete",
}

#: Bytes of noise, and of what nobody knows, that are shown.
_SHOWN = 16

#: Columns of a record that are shown first, of those that it has.
_FIRST = ("power", "input_voltage", "input_current", "energy_total", "event", "meter", "battery")

#: Column → what it is in, the same in all types; what is computed has no column everywhere.
_UNITS = {"power": "W", "energy_total": "Wh"} | {
    column.name: column.unit for layout in LAYOUTS.values() for column in layout.columns
}


class Posted(NamedTuple):
    """One record of a post.

    Attributes:
        kind: Its type.
        device: Id of its device.
        time: Unix seconds.
        values: What its body says; empty where nobody knows.
        body: Its bytes.
    """

    kind: int
    device: int
    time: int
    values: dict[str, Any]
    body: bytes

    @property
    def absent(self) -> int:
        """Values of which the unit says that there are none, or that are no numbers."""
        return sum(value is None for value in self.values.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarEdgePiece(Piece):
    """One frame, or bytes that are none.

    Attributes:
        frame: The frame; None for what is none.
        records: Those of a post.
        values: What any other payload says.
    """

    frame: Frame | None = None
    records: tuple[Posted, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Who says it to whom, and which number it has."""
        if self.frame is None:
            return ""
        source, destination = self.frame.source, self.frame.destination
        return f"{id_text(source)} → {id_text(destination)} #{self.frame.sequence}"

    def details(self) -> dict[str, Any]:
        """The header, and what the payload says."""
        if self.frame is None:
            return {}
        return {
            "sequence": self.frame.sequence,
            "source": id_text(self.frame.source),
            "destination": id_text(self.frame.destination),
            "function": f"{self.frame.function:04x}",
            "name": functions.name(self.frame.function),
            "payload": self.frame.payload.hex(),
            "values": {name: finite(value) for name, value in self.values.items()},
            "records": [_as_mapping(record) for record in self.records],
        }


def _as_mapping(record: Posted) -> dict[str, Any]:
    return {
        "type": f"{record.kind:04x}",
        "title": title(record.kind),
        "device": id_text(record.device),
        "time": record.time,
        "values": record.values,
        "absent": record.absent,
        "body": record.body.hex(),
    }


def pieces(data: bytes) -> Iterator[SolarEdgePiece]:
    """Cut bytes into frames and noise, one by one.

    Args:
        data: Any bytes, of one direction or of both.
    """
    session = SolarEdgeSession(SolarEdgeOptions(), answers=False)
    for passage in walk(data):
        raw = data[passage.start : passage.end]
        if isinstance(passage.found, Frame):
            yield _frame(passage.start, raw, passage.found, session)
        elif passage.found is not Fault.NOISE or raw.strip(b"\0"):
            yield _bad(passage, raw)


def resembles(data: bytes) -> bool:
    """Whether bytes may be those of a unit's line: a frame is there, or the head of one.

    Args:
        data: Any bytes.
    """
    start = data.find(MAGIC)
    while start >= 0:
        head = data[start + 4 : start + 8]
        length = int.from_bytes(head[:2], "little")
        if len(head) == 4 and length ^ int.from_bytes(head[2:], "little") == 0xFFFF:
            return length <= LONGEST
        start = data.find(MAGIC, start + 1)
    return False


def _bad(passage: Passage, raw: bytes) -> SolarEdgePiece:
    """What is no frame; what can be read of its head is told with reserve."""
    found = passage.found if isinstance(passage.found, Fault) else None
    is_frame = found is not Fault.NOISE and len(raw) >= HEADER
    function = int.from_bytes(raw[HEADER - 2 : HEADER], "little")
    return SolarEdgePiece(
        offset=passage.start,
        data=raw,
        command=functions.name(function) if is_frame else "",
        shown=_hex(raw),
        verdict=_WRONG[found],
        valid=False,
    )


def _hex(data: bytes) -> str:
    return data[:_SHOWN].hex(" ") + (" …" if len(data) > _SHOWN else "")


def _frame(offset: int, raw: bytes, found: Frame, session: SolarEdgeSession) -> SolarEdgePiece:
    blank: dict[str, Any] = {
        "offset": offset,
        "data": raw,
        "direction": "to device" if found.source >= FIRST_SERVICE else "from device",
        "command": functions.name(found.function),
        "frame": found,
    }
    if found.function != functions.POST or not found.payload:
        meaning = describe(found.function, found.payload)
        return SolarEdgePiece(
            **blank, shown=meaning.shown, values=meaning.values, verdict=meaning.verdict
        )
    telemetry, rest = split(found.payload)
    records = tuple(map(_posted, telemetry))
    unknown = sum(record.kind not in LAYOUTS for record in records)
    many = "s" if unknown > 1 else ""
    odd = [f"{unknown} record{many} that nobody knows"] if unknown else []
    odd += [f"{rest} bytes that are no record"] if rest else []
    return SolarEdgePiece(
        **blank,
        shown="; ".join(map(_words, records)),
        records=records,
        verdict="ok" + (f", with {' and '.join(odd)}" if odd else ""),
        published=tuple(_published(raw, session)),
    )


def _posted(record: RawRecord) -> Posted:
    layout = LAYOUTS.get(record.kind)
    values = layout.decode(record.body) if layout else {}
    return Posted(record.kind, record.device, record.time, values, record.body)


def _words(record: Posted) -> str:
    """A record in a few words."""
    about = f"{record.kind:04x} {title(record.kind)} {id_text(record.device)} at {utc(record.time)}"
    if not record.values:
        return f"{about}: {_hex(record.body[4:])}"
    known = (
        f"{name} {_number(record.values[name])} {_UNITS.get(name, '')}".rstrip()
        for name in _FIRST
        if record.values.get(name) is not None
    )
    said = ", ".join(known)
    if record.kind == EVENT:
        words = (value for name, value in record.values.items() if name.startswith("word_"))
        said += f", words {' '.join(f'{word:08x}' for word in words)}"
    absent = f" ({record.absent} absent)" if record.absent else ""
    return f"{about}: {said}{absent}"


def _number(value: Any) -> str:  # noqa: ANN401 - of whatever column
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _published(raw: bytes, session: SolarEdgeSession) -> Iterator[tuple[str, Value, str]]:
    for event in session.receive(raw, 0):
        if type(event) is Record:
            for series, value in event.values:
                yield series.name, value, series.metric.unit.symbol


DISSECTOR = Dissector(
    frame="SolarEdge frame",
    unit="a SolarEdge unit",
    pieces=pieces,
    resembles=resembles,
    directed=True,
)
