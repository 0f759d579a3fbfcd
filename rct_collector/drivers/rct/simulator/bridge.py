"""The bridge between the network and the unit's one serial line, at the level of bytes.

What clients send is merged in the order of arrival; what the unit sends goes to every client,
whoever asked. An answer takes some time to begin, leaves the line at its speed, in the order of
the requests, and answers that follow each other closely come in one segment.

Sources: the manual of such bridges, as cited by other collectors' authors; measured times of
real units: an answer after 63 ms, 14 answers of a batch within 46 ms (about 4.2 kB/s), 36 of
them in one segment of 505 bytes.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from rct_collector.drivers.rct.frame import (
    LONG_RESPONSE,
    LONG_WRITE,
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
)
from rct_collector.drivers.rct.simulator.faults import Chain, Faults, Segment
from rct_collector.drivers.rct.simulator.noise import between, key
from rct_collector.drivers.rct.simulator.unit import Unit
from rct_collector.drivers.rct.table import BY_OID

#: Most bytes that the bridge sends in one piece.
LARGEST_SEGMENT = 512

#: Commands that change something in a unit, but for the queries of its logger.
_WRITES = frozenset({WRITE, LONG_WRITE, READ_PERIODICALLY})

#: Requests that wait for their answers; a unit forgets what comes on top.
MOST_WAITING = 256


@dataclass(slots=True)
class Observed:
    """What has been seen on the line, for tests of good manners.

    Attributes:
        requests: Requests by the object's name, or its id in hexadecimal.
        answers: Answers sent.
        writes: Writes that are no query of the logger. A collector sends none.
        others: Frames that are neither reads nor writes, or meant for another unit of a plant.
        noise: Pieces that were no frame: garbage, bad checksums, the app's greetings.
        lost: Requests dropped because too many were waiting.
        most_outstanding: Most requests that waited for their answer at a time.
        least_gap: Shortest time between two requests of one client, in seconds.
        bytes_in: Bytes received from all clients.
        bytes_out: Bytes sent, counted once for all clients.
    """

    requests: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    writes: int = 0
    others: int = 0
    noise: int = 0
    lost: int = 0
    most_outstanding: int = 0
    least_gap: float = inf
    bytes_in: int = 0
    bytes_out: int = 0


class Bridge:
    """A unit behind its bridge. No I/O: bytes and times go in, bytes and times come out.

    Attributes:
        unit: The unit.
        observed: What has been seen so far.
        clients: Numbers of the connected clients.
    """

    def __init__(
        self,
        unit: Unit,
        *,
        seed: int = 0,
        now0: float | None = None,
        speed: float = 1.0,
        latency: tuple[float, float] = (0.020, 0.070),
        rate: float = 4000.0,
        coalesce: float = 0.004,
        faults: Sequence[Faults] = (),
    ) -> None:
        """Connect a unit.

        Args:
            unit: The unit.
            seed: The latencies follow from it.
            now0: Time of the bridge's clock that is the unit's start; None for the first time
                that is heard of.
            speed: How many times faster the unit's world goes. The line does not.
            latency: Shortest and longest time until an answer begins, in seconds.
            rate: Bytes per second of the serial line.
            coalesce: Answers closer than this, in seconds, are sent in one piece.
            faults: Profiles of what goes wrong on the line, in order.
        """
        self.unit = unit
        self.observed = Observed()
        self.clients: set[int] = set()
        self._now0, self._speed = now0, speed
        self._latency, self._rate, self._coalesce = latency, rate, coalesce
        self._key = key(seed, "latency")
        self._faults = Chain(faults)
        self._reader = FrameReader()
        self._pending: list[Segment] = []
        self._line_free = -inf
        self._next_client = 0
        self._number = 0
        self._last_request: dict[int, float] = {}

    def unit_time(self, now: float) -> float:
        """Unix time in the unit's world."""
        if self._now0 is None:
            self._now0 = now
        return self.unit.start + (now - self._now0) * self._speed

    def connect(self) -> int:
        """A client comes.

        Returns:
            Its number, which is never used again.
        """
        self._next_client += 1
        self.clients.add(self._next_client)
        return self._next_client

    def disconnect(self, client: int) -> None:
        """A client goes. What it asked for is answered to the others."""
        self.clients.discard(client)
        self._last_request.pop(client, None)

    def receive(self, client: int, data: bytes, now: float) -> None:
        """Take bytes of a client.

        Args:
            client: Its number.
            data: Any bytes, cut anywhere.
            now: Seconds of the bridge's clock.
        """
        self.unit_time(now)  # the first bytes may set the clock
        self.observed.bytes_in += len(data)
        for item in self._reader.feed(self._faults.on_bytes(data, now)):
            if isinstance(item, Bad):
                self.observed.noise += 1
            else:
                self._request(client, item, now)

    def next_due(self) -> float | None:
        """When :meth:`pull` will have something; None for not before somebody asks."""
        times = [self._faults.next_due()]
        if self._pending:
            times.append(self._first_piece()[1])
        return min((time for time in times if time is not None), default=None)

    def pull(self, now: float) -> list[bytes]:
        """The segments that are due, each to be sent to every client."""
        for segment in self._faults.on_time(now):
            insort(self._pending, segment, key=_by_time)
        pieces = []
        while self._pending:
            count, due = self._first_piece()
            if due > now:
                break
            pieces.append(b"".join(segment.data for segment in self._pending[:count]))
            del self._pending[:count]
        self.observed.bytes_out += sum(map(len, pieces))
        return pieces

    @property
    def outstanding(self) -> int:
        """Requests whose answers are on their way."""
        return len({segment.request for segment in self._pending if segment.request})

    def _first_piece(self) -> tuple[int, float]:
        """How many pending segments go together next, and when."""
        first, *others = self._pending
        count, due, size = 1, first.due, len(first.data)
        for segment in others:
            size += len(segment.data)
            began = segment.due - len(segment.data) / self._rate
            if began - due > self._coalesce or size > LARGEST_SEGMENT:
                break
            count, due = count + 1, segment.due
        return count, due

    def _request(self, client: int, request: Frame, now: float) -> None:
        """Count a request, and answer it if the unit does."""
        self._note(client, request, now)
        found = self._faults.on_request(request, now)
        if found is None:
            return
        if self.outstanding >= MOST_WAITING:
            self.observed.lost += 1
            return
        self._number += 1
        begins = now + between(*self._latency, self._key, self._number)
        payload = self._payload(found, self.unit_time(begins))
        if payload is not None:
            payload = self._faults.on_payload(found, payload, now)
        if payload is None:
            return
        for segment in self._faults.on_answer(found, self._answer(found, payload, begins), now):
            insort(self._pending, segment, key=_by_time)
        self.observed.answers += 1
        self.observed.most_outstanding = max(self.observed.most_outstanding, self.outstanding)

    def _note(self, client: int, request: Frame, now: float) -> None:
        observed = self.observed
        item = BY_OID.get(request.oid)
        observed.requests[item.name if item else f"0x{request.oid:08X}"] += 1
        if request.command & ~PLANT in _WRITES and not _is_query(request):
            observed.writes += 1
        elif request.command not in (READ, WRITE):
            observed.others += 1
        last = self._last_request.get(client)
        if last is not None:
            observed.least_gap = min(observed.least_gap, now - last)
        self._last_request[client] = now

    def _payload(self, request: Frame, unix: float) -> bytes | None:
        """What the unit says, if it says anything; it has no way to say no."""
        if request.command == READ:
            return self.unit.read(request.oid, unix)
        if _is_query(request):
            return self.unit.history(request.oid, int.from_bytes(request.payload, "big"), unix)
        return None

    def _answer(self, request: Frame, payload: bytes, begins: float) -> list[Segment]:
        """Frame a payload and put it on the line, behind what is there."""
        long = request.command == WRITE or len(payload) > LONGEST_SHORT
        command = LONG_RESPONSE if long else RESPONSE
        data = b"\0" + assemble(command, request.oid, payload)
        time = max(begins, self._line_free)
        segments = []
        for position in range(0, len(data), LARGEST_SEGMENT):
            piece = data[position : position + LARGEST_SEGMENT]
            time += len(piece) / self._rate
            segments.append(Segment(time, piece, self._number))
        self._line_free = time
        return segments


def _by_time(segment: Segment) -> float:
    return segment.due


def _is_query(request: Frame) -> bool:
    """Whether a write asks the logger for what lies before a time."""
    if request.command != WRITE or len(request.payload) != 4:
        return False
    item = BY_OID.get(request.oid)
    return item is not None and item.logger
