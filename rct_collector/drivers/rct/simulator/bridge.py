"""The bridge between the network and the unit's one serial line, at the level of bytes.

What clients send is merged in the order of arrival; what the unit sends goes to every client,
whoever asked. An answer takes some time to begin, leaves the line at its speed, in the order of
the requests, and answers that follow each other closely come in one segment.

Sources: the manual of such bridges, as cited by other collectors' authors; measured times of
real units: an answer after 63 ms, 14 answers of a batch within 46 ms (about 4.2 kB/s), 36 of
them in one segment of 505 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rctclient.types import DataType

from rct_collector.drivers.chance import Range, between, key
from rct_collector.drivers.rct.frame import (
    LONG_RESPONSE,
    LONGEST_SHORT,
    READ,
    RESPONSE,
    WRITE,
    Bad,
    Frame,
    FrameReader,
    assemble,
)
from rct_collector.drivers.rct.simulator.faults import (
    Chain,
    Faults,
    OtherClient,
    Response,
    Segment,
    Waiting,
    earliest,
)
from rct_collector.drivers.rct.simulator.observed import Observed, is_query
from rct_collector.drivers.rct.simulator.serial import SerialLine
from rct_collector.drivers.rct.simulator.unit import RctUnit
from rct_collector.drivers.rct.simulator.witness import Observer, Sent, Tracker
from rct_collector.drivers.rct.table import BY_OID
from rct_collector.drivers.tools import Access, Cut

#: Requests that wait for their answers; a unit forgets what comes on top.
MOST_WAITING = 256


class Bridge:
    """A unit behind its bridge. No I/O: bytes and times go in, bytes and times come out.

    Attributes:
        unit: The unit.
        observed: What has been seen so far.
        clients: Numbers of the connected clients.
        others: Clients of the line that belong to its faults, such as the vendor's app.
    """

    def __init__(
        self,
        unit: RctUnit,
        *,
        seed: int = 0,
        now0: float | None = None,
        speed: float = 1.0,
        latency: Range = Range(0.020, 0.070),
        rate: float = 4000.0,
        coalesce: float = 0.004,
        faults: Sequence[Faults] = (),
        witness: Observer | None = None,
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
            witness: Told of every answer that leaves, good or damaged.
        """
        self.unit = unit
        self.observed = Observed()
        self.clients: set[int] = set()
        self._now0, self._speed, self._started = now0, speed, False
        self._latency = latency
        self._key = key(seed, "latency")
        self._faults = Chain(faults)
        self._reader = FrameReader()
        self._line = SerialLine(rate, coalesce)
        self._witness = witness
        self._tracker = Tracker(self._left)
        self._cut: Cut | None = None
        self._next_client = 0
        self._number = 0
        self.others: tuple[OtherClient, ...] = tuple(self._faults.clients())
        self._numbers = [self.connect() for _ in self.others]
        self._waiting: tuple[Waiting, ...] = (self._faults, self._line, *self.others)

    @property
    def request_count(self) -> int:
        """Requests that have come so far."""
        return self.observed.requests.total()

    def start(self, now: float) -> None:
        """Put the line into operation; the first bytes do it too.

        Args:
            now: Seconds of the bridge's clock.
        """
        if not self._started:
            self._started = True
            self.unit_time(now)
            self._faults.on_start(self, now)

    def unit_time(self, now: float) -> float:
        """Unix time in the unit's world."""
        if self._now0 is None:
            self._now0 = now
        return self.unit.start + (now - self._now0) * self._speed

    def bridge_time(self, unix: float) -> float:
        """When it is, or was, that time in the unit's world; the bridge must have started."""
        return (self._now0 or 0.0) + (unix - self.unit.start) / self._speed

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
        self.observed.forget(client)

    def access(self, now: float) -> Access:
        """What happens at present to those who want something."""
        return self._faults.access(now)

    def receive(self, client: int, data: bytes, now: float) -> None:
        """Take bytes of a client.

        Args:
            client: Its number.
            data: Any bytes, cut anywhere.
            now: Seconds of the bridge's clock.
        """
        self._let_others_send(now)
        self._take(client, data, now)

    def next_due(self) -> float | None:
        """When :meth:`pull` will have something; None for not before somebody asks."""
        return earliest(self._waiting)

    def pull(self, now: float) -> list[bytes]:
        """The segments that are due, each to be sent to every client.

        Where all connections are cut, it stops: see :meth:`take_cut`, and pull again.
        """
        self._let_others_send(now)
        self._line.put(self._faults.on_time(now))
        pieces = []
        for piece in self._line.pull(now):
            data = self._deliver(piece)
            if data:
                pieces.append(data)
            self._cut = piece[-1].cut
            if self._cut is not None:
                break
        self.observed.bytes_out += sum(map(len, pieces))
        return pieces

    def take_cut(self) -> Cut | None:
        """How all connections end behind what was pulled last; None if they do not."""
        cut, self._cut = self._cut, None
        return cut

    # -- for the faults of the line -----------------------------------------------------------

    @property
    def rate(self) -> float:
        """Bytes per second of the serial line."""
        return self._line.rate

    @property
    def outstanding(self) -> int:
        """Requests whose answers are on their way."""
        return self._line.outstanding

    def say(self, data: bytes, now: float) -> list[Segment]:
        """Put bytes on the line, behind what is there."""
        return self._line.append([Segment(now, data)], now)

    def answer(self, oid: int, payload: bytes, now: float) -> list[Segment]:
        """Put an answer on the line that nobody asked for."""
        command = RESPONSE if len(payload) <= LONGEST_SHORT else LONG_RESPONSE
        whole = assemble(command, oid, payload)
        reply = Response(oid, payload, whole, now)
        return self._line.append([Segment(now, b"\0" + whole, reply)], now)

    def lay(self, segments: Iterable[Segment], begins: float) -> list[Segment]:
        """Give segments new times: one behind the other, at the speed of the line."""
        return self._line.lay(segments, begins)

    def occupy(self, until: float) -> None:
        """Let nothing else begin before ``until``."""
        self._line.occupy(until)

    # -----------------------------------------------------------------------------------------

    def _let_others_send(self, now: float) -> None:
        """Take what the other clients have sent meanwhile, each at its time."""
        self.start(now)
        if not self.others:
            return
        sent = [
            (time, number, data)
            for number, other in zip(self._numbers, self.others, strict=True)
            for time, data in other.send(now)
        ]
        for time, number, data in sorted(sent, key=_first):
            self._take(number, data, time)

    def _take(self, client: int, data: bytes, now: float) -> None:
        """Merge bytes of a client with those of all others."""
        if self.access(now) is not Access.OPEN:
            return
        self.observed.bytes_in += len(data)
        for item in self._reader.feed(self._faults.on_bytes(data, now)):
            if isinstance(item, Bad):
                self.observed.noise += 1
            else:
                self._request(client, item, now)

    def _deliver(self, piece: list[Segment]) -> bytes:
        """Let a piece leave the line, unless all bytes vanish at present."""
        due = piece[-1].due
        if self.access(due) is not Access.OPEN:
            return b""
        for segment in piece:
            self._tracker.left(segment)
        data = b"".join(segment.data for segment in piece)
        for other in self.others:
            other.hear(data, due)
        return data

    def _left(self, sent: Sent) -> None:
        """An answer has left the line, good or damaged."""
        self.observed.good += sent.good
        self.observed.damaged += not sent.good
        if self._witness is not None:
            self._witness(sent)

    def _request(self, client: int, request: Frame, now: float) -> None:
        """Count a request, and answer it if the unit does."""
        self.observed.note(client, request, now)
        found = self._faults.on_request(request, now)
        if found is None:
            self.observed.dropped += 1
            return
        if self._line.has_more_than(MOST_WAITING - 1):
            self.observed.lost += 1
            return
        self._number += 1
        begins = now + between(*self._latency, self._key, self._number)
        said = self._payload(found, self.unit_time(begins))
        if said is None:
            return
        payload = self._faults.on_payload(found, said, now)
        if payload is None:
            self.observed.dropped += 1
            return
        sent = frame = _frame(found, payload)
        if not _says_all(found.oid, said, payload):
            payload, frame = said, _frame(found, said)
        reply = Response(found.oid, payload, frame, now, client)
        whole = Segment(now, b"\0" + sent, reply)
        segments = self._line.append([whole], begins)
        self._line.put(self._faults.on_answer(found, segments, now))
        self.observed.answers += 1
        if self._line.has_more_than(self.observed.most_outstanding):
            self.observed.most_outstanding = self.outstanding

    def _payload(self, request: Frame, unix: float) -> bytes | None:
        """What the unit says, if it says anything; it has no way to say no."""
        unit = self._faults.on_unit(self.unit, unix)
        payload = None
        if request.command == READ:
            payload = unit.read(request.oid, unix)
        elif is_query(request):
            payload = unit.history(request.oid, int.from_bytes(request.payload, "big"), unix)
        if payload is None:
            return None
        return self._faults.on_reading(unit, request.oid, payload, unix)


def _says_all(oid: int, said: bytes, payload: bytes) -> bool:
    """Whether a payload is all that was to be said: of a text's padding, one zero is enough."""
    if payload == said:
        return True
    item = BY_OID.get(oid)
    text = item is not None and item.type is DataType.STRING
    return text and said.startswith(payload) and b"\0" in payload


def _frame(request: Frame, payload: bytes) -> bytes:
    """The frame of an answer."""
    long = request.command == WRITE or len(payload) > LONGEST_SHORT
    return assemble(LONG_RESPONSE if long else RESPONSE, request.oid, payload)


def _first(item: tuple[float, int, bytes]) -> float:
    return item[0]
