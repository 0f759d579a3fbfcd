"""A unit's logger made of what a test says, read the way a device reads it: by its frames."""

from __future__ import annotations

import asyncio
import itertools
import struct
from datetime import UTC, datetime
from typing import NamedTuple

from rct_collector.device.history import HistoryReader
from rct_collector.drivers.base import Answer, Ask, TimeRange
from rct_collector.drivers.rct import DRIVER
from rct_collector.drivers.rct.frame import LONG_RESPONSE, WRITE, Frame, FrameReader, assemble
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.table import OBJECTS
from tests import virtual
from tests.answering import Answering

MEMORY = DRIVER.history
BY_NAME = {item.name: item for item in OBJECTS}
LOAD = BY_NAME["logger.minutes_eload_log_ts"]
TABLE = BY_NAME["logger.error_log_time_stamp"]
SECOND = 1_000_000_000
STEP = 300


def unix_of(text):
    """Unix seconds of a time in ISO 8601."""
    return int(datetime.fromisoformat(text).timestamp())


class Ring:
    """Answers questions of the logger: what is older than a time, the newest first.

    Attributes:
        asked: Times that it was asked for.
    """

    def __init__(self, records, *, size=41, window=float("inf"), cuts=(), stamp=0):
        """Keep some records.

        Args:
            records: In the order in which they were kept, the newest first.
            size: Most records of an answer.
            window: Seconds that an answer looks back.
            cuts: So many records are left of each answer to a time that was not asked for before,
                None for all of them; but none only of one that comes after some.
            stamp: Place of the time in a record.
        """
        self._records = records
        self._size, self._window, self._stamp = size, window, stamp
        self._cuts = itertools.chain(cuts, itertools.repeat(None))
        self._form = ">If" if not stamp else ">5I"
        self._told = True
        self.asked = []

    def whole(self, before):
        """The payload for somebody else."""
        return self._payload(before, self._older(before))

    def answer(self, before):
        """The payload."""
        found = self._older(before)
        if before not in self.asked:
            cut = next(self._cuts)
            found = found[: cut if cut or self._told else None]
        self._told = bool(found)
        self.asked.append(before)
        return self._payload(before, found)

    def _older(self, before):
        return [
            record
            for record in self._records
            if before - self._window <= record[self._stamp] < before
        ][: self._size]

    def _payload(self, before, found):
        return struct.pack(">I", before) + b"".join(struct.pack(self._form, *r) for r in found)


class Speaking(Answering):
    """The unit's end of the line: frames in both directions, and answers to others between.

    Attributes:
        requests: The frames that came.
    """

    def __init__(self, answer, *, foreign=()):
        super().__init__(answer)
        self.requests = []
        self._session = RctSession()
        self._foreign = itertools.chain(foreign, itertools.repeat(None))

    def ask(self, ask, now):
        assert self.busy, "asked out of turn"
        data = self._session.request(ask)
        (request,) = FrameReader().feed(data)
        assert isinstance(request, Frame)
        assert (request.command, len(request.payload)) == (WRITE, 4)
        self.requests.append(data)
        before = int.from_bytes(request.payload, "big")
        loop = asyncio.get_running_loop()
        other = next(self._foreign)
        if other is not None and other[:4] != request.payload:
            loop.call_later(self.latency / 2, self._say, ask.query.oid, other)
        payload = self.answer(ask.query, before)
        if payload is not None:
            loop.call_later(self.latency, self._say, ask.query.oid, payload)

    def _say(self, oid, payload):
        for event in self._session.receive(b"\0" + assemble(LONG_RESPONSE, oid, payload)):
            if type(event) is Answer:
                self._arrive(event)


class Read(NamedTuple):
    """What was read.

    Attributes:
        rows: (nanoseconds, {field: value}, tags) in the order in which they came.
        progress: How far it came.
        port: The unit's end of the line.
    """

    rows: list
    progress: object
    port: Speaking

    @property
    def values(self):
        """Unix seconds → the only value."""
        found = [(at // SECOND, *values.values()) for at, values, _ in self.rows]
        assert len({at for at, _ in found}) == len(found)
        return dict(found)


def read(answer, start, end, *, query=LOAD, zone=UTC, foreign=()):
    """Read a range of a memory.

    Args:
        answer: Query, time → payload, or None for silence.
        start: Unix seconds.
        end: Unix seconds.
        query: What is read.
        zone: The unit's time zone.
        foreign: Answers to others meanwhile, one for each question; None for nobody.
    """
    port = Speaking(answer, foreign=foreign)
    batches = []
    reader = HistoryReader(
        MEMORY, port.inquiry, lambda *batch: batches.append(batch),
        wanted=lambda _series: True, zone=zone,
    )  # fmt: skip
    progress = virtual.run(lambda _loop: reader.read(query, start * SECOND, end * SECOND))
    rows = [
        (at, {s.metric.field: value for s, value in values}, {s.tags for s, _ in values})
        for at, values, *_ in batches
    ]
    return Read(rows, progress, port)


def first(query, start, end, zone=UTC):
    """The first question of a range."""
    span = TimeRange(start * SECOND, end * SECOND, zone)
    return Ask(query, argument=MEMORY.first(query, span)), span
