"""One dialogue with an RCT unit: queries to frames, bytes to answers.

The network side of the unit is a bridge in front of one serial line, and every client sees the
answers to all. So an answer is matched by its object id alone, whoever asked; what a plant
master, the vendor's app or an echo puts on the line is counted and left.
"""

from __future__ import annotations

import struct
from binascii import crc_hqx
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rctclient.types import DataType

from rct_collector.drivers.base import Answer, Ask, Event, Fault, Garbled, Query, Resync, Whole
from rct_collector.drivers.rct import frame, request, wire
from rct_collector.drivers.rct.table import BY_OID, LoggerPlace, RctObject

#: Equal answers in a row that make a text believed although no padding follows it.
EQUAL_TEXTS = 3


class _Short(NamedTuple):
    """What is known of a scalar answer before it comes, of one that begins in a certain way.

    Attributes:
        query: What it answers.
        size: Bytes of all of it.
        pad: What its checksum takes in besides, so that it is of an even number of bytes.
        crc: The checksum up to where its value begins.
        unpack: Takes all of it, and where its value begins; the value, and the checksum.
    """

    query: RctObject
    size: int
    pad: bytes
    crc: int
    unpack: Callable[[bytes, int], tuple[Any, int]]


def _short_answers() -> dict[bytes, _Short]:
    """Start, command, length and id of every scalar answer, with the lead-in and without it."""
    table = {}
    for oid, item in BY_OID.items():
        code = wire.scalar_format(item.type)
        if code is None or item.type is DataType.BOOL:
            continue
        length = wire.LENGTHS[item.type]
        head = bytes((frame.START, frame.RESPONSE, 4 + length)) + oid.to_bytes(4, "big")
        crc, unpack = crc_hqx(head[1:], 0xFFFF), struct.Struct(f"{code}H").unpack_from
        short = _Short(item, 9 + length, b"\0" * (length & 1), crc, unpack)
        table[head] = short
        table[b"\0" + head] = short._replace(size=10 + length)
    return table


_SHORT = _short_answers()

#: Requests that are always the same, of all units.
_REQUESTS: dict[Query, bytes] = {}


class RctSession:
    """See :class:`rct_collector.drivers.base.Session`.

    Attributes:
        ready: Requests that were made before: nothing else is to be done to send them again.
        whole: Takes a scalar answer that comes alone; None while half a frame is there.
    """

    __slots__ = (
        "_known",
        "_reader",
        "_unpadded",
        "ready",
        "whole",
    )

    def __init__(self, known: Mapping[int, RctObject] = BY_OID) -> None:
        """Start with an empty line.

        Args:
            known: Object id → object whose answers are taken.
        """
        self._known = known
        self._reader = frame.FrameReader()
        self.whole: Whole | None = _whole
        self.ready: dict[Query, bytes] = _REQUESTS if known is BY_OID else {}
        self._unpadded: dict[Query, tuple[bytes, int]] = {}

    def request(self, ask: Ask) -> bytes:
        """The read frame of an object, made once; of the logger's, the query with a time."""
        query, argument = ask.query, ask.argument
        if argument is not None:
            time = argument.before if isinstance(argument, LoggerPlace) else argument
            return request.query_logger(query, time)
        data = self.ready.get(query)
        if data is None:
            data = request.read(query)
            assert isinstance(query, RctObject)  # noqa: S101 - else there is no request
            if query.oid not in self._known:
                self._known = {**self._known, query.oid: query}  # one beside the table
            elif BY_OID.get(query.oid) is query:
                self.ready[query] = data
        return data

    def abandon(self, _ask: Ask) -> Resync | None:
        """Nothing to be done: each answer names its object, however late it comes."""
        return None

    def receive(self, data: bytes, _wall_ns: int = 0) -> list[Event]:
        """Take bytes; see the base class."""
        if self.whole is not None:
            answer = self.whole(data)
            if answer is not None:
                return [answer]
        events: list[Event] = []
        for item in self._reader.feed(data):
            if type(item) is frame.Bad:
                events.append(Garbled(item.kind, None, item.size))
            else:
                events.append(self._judge(item))  # type: ignore[arg-type]
        self.whole = _whole if self._reader.idle else None
        return events

    def _judge(self, item: frame.Frame) -> Event:
        """Tell an answer from everything else that has a valid checksum."""
        if item.command not in (frame.RESPONSE, frame.LONG_RESPONSE):
            if item.command & frame.PLANT:
                return Garbled(Fault.PLANT)
            return Garbled(Fault.ECHO if item.command == frame.READ else Fault.WRITE)
        query = self._known.get(item.oid)
        if query is None:
            return Garbled(Fault.FOREIGN)
        whole = query.type is not DataType.STRING or self._is_whole(query, item.payload)
        try:
            answer = Answer(query, wire.decode(query.type, item.payload))
        except wire.PayloadError as error:
            return Garbled(error.kind, query, len(item.payload))
        return answer if whole else Garbled(Fault.LENGTH, query, len(item.payload))

    def _is_whole(self, query: Query, payload: bytes) -> bool:
        """Whether a text is not cut short, which its checksum would not tell.

        Units pad texts with zeros, so one without a zero is a stump, or fills its field to the
        last byte. That it comes again and again tells the two apart.
        """
        before, times = self._unpadded.pop(query, (b"", 0))
        if b"\0" in payload:
            return True
        times = times + 1 if payload == before else 1
        if times >= EQUAL_TEXTS:
            return True
        self._unpadded[query] = payload, times
        return False

    def reset(self) -> None:
        """Forget half a frame."""
        self._reader.reset()
        self.whole = _whole


def _whole(data: bytes) -> Answer | None:
    """The most frequent segment of all, taken at once: exactly one scalar answer, no escapes.

    Anything else is left to the frame reader, which comes to the same result (a test compares).
    """
    begin = 8
    entry = _SHORT.get(data[:8])
    if entry is None:
        begin = 7
        entry = _SHORT.get(data[:7])
    if (
        entry is None
        or len(data) != entry.size
        or data.find(b"-", begin) >= 0
        or data.find(b"+", begin) >= 0
    ):
        return None
    value, crc = entry.unpack(data, begin)
    if crc_hqx(data[begin:-2] + entry.pad, entry.crc) != crc:
        return None
    return Answer(entry.query, value)
