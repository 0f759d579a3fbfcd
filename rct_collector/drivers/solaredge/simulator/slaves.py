"""Inverters on a bus (RS485): each speaks when a master lets it, and gives the bus back.

In its turn a unit posts what it has, one post at a time, waits for each to be acknowledged, and
releases the bus with the number of the grant. The master is whoever is connected; or somebody else
on the bus, who is simulated as well, and to whom one can only listen.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from rct_collector.drivers.solaredge import request
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.functions import ACK, GRANT, RELEASE
from rct_collector.drivers.solaredge.simulator.outbox import Outbox
from rct_collector.drivers.tools import Access, Cut

#: Seconds until a unit, or the other master, says the next thing; and that a reply is waited for.
LATENCY_S, REPLY_S = 0.05, 1.0

#: Posts of one turn, at most.
MOST_POSTS = 5

#: Seconds from one grant of the other master to the next.
_GRANT_S = 2.0


class SolarEdgeBus:
    """All inverters on one bus. No I/O: bytes and times go in, bytes and times come out.

    Attributes:
        outboxes: What each has to tell.
        unit: The first of them.
    """

    def __init__(self, outboxes: Sequence[Outbox], *, foreign: bool = False) -> None:
        """Connect them.

        Args:
            outboxes: What each has to tell; what goes wrong on the bus is that of the first.
            foreign: Somebody else is the master.
        """
        self.outboxes = {outbox.id: outbox for outbox in outboxes}
        self.unit = outboxes[0].unit
        self._first, self._foreign = outboxes[0], foreign
        self._order = cycle(outboxes)
        self._reader = FrameReader()
        self._turn: tuple[Outbox, int] | None = None  # whose, and the number of the grant
        self._posts = self._sequence = 0
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
                if left is not None:
                    self._heard(left, now)

    def _heard(self, frame: Frame, now: float) -> None:
        outbox = self.outboxes.get(frame.destination)
        if outbox is None:
            return
        if frame.function == GRANT:
            outbox.gather(now)
            outbox.observed.answers += 1
            self._turn, self._posts = (outbox, frame.sequence), 0
        elif frame.function == ACK and outbox.acknowledged(frame.sequence, now):
            outbox.observed.answers += 1
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
        said = [self._first.faults.unasked(now)]
        if self._due is not None and self._due <= now:
            said += self._speak(now) if self._turn else self._let_speak(now)
        return [data for data in said if data] if self.access(now) is Access.OPEN else []

    def _speak(self, now: float) -> list[bytes]:
        """Whose turn it is posts, or gives the bus back."""
        assert self._turn is not None  # noqa: S101 - it is somebody's
        outbox, number = self._turn
        if not outbox.waiting or self._posts >= MOST_POSTS:
            self._turn, self._due = None, now + _GRANT_S if self._foreign else None
            return [assemble(Frame(number, outbox.id, request.SERVER, RELEASE))]
        self._posts += 1
        self._due = now + REPLY_S
        frame = outbox.post()
        frame = frame._replace(payload=outbox.faults.on_payload(frame.payload, now))
        data = assemble(frame)
        arrives = outbox.faults.on_frame(data, now)
        outbox.left(now, whole=data in arrives)
        if not self._foreign:
            return [arrives]
        # The other master has understood it, whatever is heard of it here.
        reply = request.acknowledge(frame)
        outbox.acknowledged(frame.sequence, now)
        self._due = now + LATENCY_S
        return [arrives, reply]

    def _let_speak(self, now: float) -> list[bytes]:
        """The other master grants the bus to the next."""
        outbox = next(self._order)
        self._sequence = (self._sequence + 1) & 0xFFFF
        grant = request.grant(outbox.id, self._sequence)
        (frame,) = FrameReader().feed(grant)
        assert isinstance(frame, Frame)  # noqa: S101 - we have made it
        self._heard(frame, now)
        return [grant]
