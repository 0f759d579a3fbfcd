"""Inverters on a bus (RS485): each speaks when a master lets it, and gives the bus back.

In its turn a unit posts what it has, one post at a time, waits for each to be acknowledged, and
releases the bus with the number of the grant. One that encrypts offers a session first; grants and
releases stay as they are, and what it is answered is for everybody, so each looks what it can open.
The master is whoever is connected; or somebody else on the bus, who is simulated as well, and to
whom one can only listen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

from rct_collector.drivers.chance import key
from rct_collector.drivers.solaredge import request
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.functions import ACK, ENCRYPTED, GRANT, RELEASE, SESSION_KEY
from rct_collector.drivers.solaredge.simulator.outbox import Outbox
from rct_collector.drivers.solaredge.simulator.secrecy import Secrecy
from rct_collector.drivers.tools import Access, Cut

#: Seconds until a unit, or the other master, says the next thing; and that a reply is waited for.
LATENCY_S, REPLY_S = 0.05, 1.0

#: Posts of one turn, at most.
MOST_POSTS = 5

#: Seconds from one grant of the other master to the next.
_GRANT_S = 2.0


class _Slave:
    """One of them.

    Attributes:
        outbox: What it has to tell.
        secrecy: Its sessions, where it encrypts.
        offers: Numbers of the offers of a session that is not acknowledged yet.
    """

    def __init__(self, outbox: Outbox, secret: bytes | None) -> None:
        self.outbox = outbox
        self.secrecy = Secrecy(outbox, secret, of=key(outbox.id, "slave"))
        self.offers: set[int] = set()

    def acknowledged(self, number: int, now: float) -> bool:
        """A number was acknowledged; whether it is of what it waits for."""
        if number in self.offers:
            self.offers.clear()
            self.secrecy.begin()
            return True
        return self.outbox.acknowledged(number, now)

    def request(self, now: float) -> Frame:
        """What it says next: an offer, or a post."""
        outbox = self.outbox
        if self.secrecy.is_wanted(now):
            number = outbox.number()
            self.offers = {number}
            return Frame(number, outbox.id, request.SERVER, SESSION_KEY, self.secrecy.offer(now))
        frame = outbox.post()
        return frame._replace(payload=outbox.faults.on_payload(frame.payload, now))


class SolarEdgeBus:
    """All inverters on one bus. No I/O: bytes and times go in, bytes and times come out.

    Attributes:
        outboxes: What each has to tell.
        unit: The first of them.
    """

    def __init__(
        self,
        outboxes: Sequence[Outbox],
        *,
        foreign: bool = False,
        secrets: Mapping[int, bytes] | None = None,
    ) -> None:
        """Connect them.

        Args:
            outboxes: What each has to tell; what goes wrong on the bus is that of the first.
            foreign: Somebody else is the master, who has the keys.
            secrets: Id → key of 16 bytes, of those that encrypt.
        """
        self.outboxes = {outbox.id: outbox for outbox in outboxes}
        self.unit = outboxes[0].unit
        self._first, self._foreign = outboxes[0], foreign
        keys = secrets or {}
        self._slaves = {box.id: _Slave(box, keys.get(box.id)) for box in outboxes}
        self._order = cycle(outboxes)
        self._reader = FrameReader()
        self._turn: tuple[_Slave, int] | None = None  # whose, and the number of the grant
        self._said = self._replied = self._sequence = 0
        self._due: float | None = None

    @property
    def request_count(self) -> int:
        """Grants and replies that were heard."""
        return sum(outbox.observed.answers for outbox in self.outboxes.values())

    def start(self, now: float) -> None:
        """Put them into operation."""
        for outbox in self.outboxes.values():
            outbox.start(now)
        if self._foreign and self._due is None:
            self._due = now

    def connect(self) -> int:
        """Somebody is at the bus: it is one line, whoever comes."""
        return 1

    def disconnect(self, client: int) -> None:
        """They go."""

    def access(self, now: float) -> Access:
        """Whether anything comes through."""
        return self._first.faults.access(now)

    def take_cut(self) -> Cut | None:
        """A bus is not hung up."""
        return None

    def receive(self, client: int, data: bytes, now: float) -> None:  # noqa: ARG002 - one line
        """Take bytes of the master, cut anywhere."""
        self.start(now)
        for item in self._reader.feed(data):
            if isinstance(item, Frame):
                left = self._first.faults.on_reply(item, now)
                for frame in self._opened(left) if left is not None else ():
                    self._heard(frame, now)

    def _opened(self, frame: Frame) -> Sequence[Frame]:
        """A frame; or what is within it, by whichever of them can open it."""
        if frame.function != ENCRYPTED:
            return [frame]
        return [inner for slave in self._slaves.values() for inner in slave.secrecy.opened(frame)]

    def _heard(self, frame: Frame, now: float) -> None:
        slave = self._slaves.get(frame.destination)
        if slave is None:
            return
        outbox = slave.outbox
        if frame.function == GRANT:
            outbox.gather(now)
            outbox.observed.answers += 1
            self._turn, self._said, self._replied = (slave, frame.sequence), 0, 0
        elif frame.function == ACK and slave.acknowledged(frame.sequence, now):
            outbox.observed.answers += 1
            self._replied += 1
        elif frame.function != ACK:
            outbox.observed.writes += 1
            return
        if self._turn is not None:
            self._due = now + LATENCY_S

    def next_due(self) -> float | None:
        """When something is said; None for not before a grant."""
        dues = (self._due, self._first.faults.next_due())
        return min((due for due in dues if due is not None), default=None)

    def pull(self, now: float) -> list[bytes]:
        """What is said by now."""
        self.start(now)
        self._first.faults.cut(now)  # which is over by then, though a bus is not hung up
        said = [self._first.faults.unasked(now)]
        if self._due is not None and self._due <= now:
            said += self._speak(now) if self._turn else self._let_speak(now)
        return [data for data in said if data] if self.access(now) is Access.OPEN else []

    def _speak(self, now: float) -> list[bytes]:
        """Whose turn it is says the next thing, or gives the bus back."""
        assert self._turn is not None  # noqa: S101 - it is somebody's
        slave, number = self._turn
        outbox = slave.outbox
        if self._said >= MOST_POSTS and not self._replied:
            slave.secrecy.session = None  # nobody understands it: begin anew
        waits = outbox.waiting or slave.secrecy.is_wanted(now)
        if not waits or self._said >= MOST_POSTS:
            self._turn, self._due = None, now + _GRANT_S if self._foreign else None
            return [assemble(Frame(number, outbox.id, request.SERVER, RELEASE))]
        self._said += 1
        self._due = now + REPLY_S
        frame = slave.request(now)
        data = slave.secrecy.sealed(frame)
        arrives = outbox.faults.on_frame(data, now)
        if frame.function != SESSION_KEY:
            outbox.left(now, whole=data in arrives)
        return [arrives, *self._replies(slave, frame, now)] if self._foreign else [arrives]

    def _replies(self, slave: _Slave, frame: Frame, now: float) -> list[bytes]:
        """What the other master says: it has understood all, whatever is heard of it here."""
        reply = request.acknowledge(frame)
        session = slave.secrecy.offered if slave.offers else slave.secrecy.session
        slave.acknowledged(frame.sequence, now)
        self._replied += 1
        self._due = now + LATENCY_S
        return [request.encrypted(session, reply) if session else reply]

    def _let_speak(self, now: float) -> list[bytes]:
        """The other master grants the bus to the next."""
        outbox = next(self._order)
        self._sequence = (self._sequence + 1) & 0xFFFF
        grant = request.grant(outbox.id, self._sequence)
        (frame,) = FrameReader().feed(grant)
        assert isinstance(frame, Frame)  # noqa: S101 - we have made it
        self._heard(frame, now)
        return [grant]
