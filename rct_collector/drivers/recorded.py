"""A unit that says again what a recorded one said, of any family.

Each request gets what the recorded unit sent after its next recorded one of that kind, byte for
byte and after the same delay; after the last one it begins anew with the first. What was not
answered stays unanswered, and so does what was never asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from rct_collector.drivers.tools import Access, Cut

#: Bytes of a client → what has been asked with them.
Reader = Callable[[bytes], Iterable[Hashable]]


@dataclass(slots=True)
class _Exchange:
    """A recorded request and what followed it: delay in seconds, bytes."""

    time: float
    answers: list[tuple[float, bytes]] = field(default_factory=list)


class RecordedUnit(ABC):
    """A recorded unit; every client sees the answers to all.

    What is asked is told apart by something that the family chooses, such as the number of an
    object or the text of a question.

    Attributes:
        requests: Name of what was asked → number of requests.
        clients: Numbers of those that are connected.
    """

    calls = False

    def __init__(self, *, speed: float = 1.0) -> None:
        """Know nothing yet.

        Args:
            speed: How many times faster than recorded it answers.
        """
        self.requests: Counter[str] = Counter()
        self.clients: set[int] = set()
        self._speed = speed
        self._recorded: dict[Hashable, list[_Exchange]] = {}
        self._latest: _Exchange | None = None
        self._early: list[bytes] = []
        self._readers: dict[int, Reader] = {}
        self._pending: list[tuple[float, int, bytes]] = []  # a heap
        self._number = 0

    # -- what was recorded, in order of time -------------------------------------------------

    def asked(self, time: float, what: Hashable) -> None:
        """The recorded unit was asked for something at a time, in seconds."""
        exchange = _Exchange(time, [(0.0, data) for data in self._early])
        self._early.clear()
        self._recorded.setdefault(what, []).append(exchange)
        self._latest = exchange

    def said(self, time: float, what: Hashable | None, data: bytes) -> None:
        """The recorded unit sent bytes at a time, in seconds.

        Args:
            time: When all of them were there.
            what: What a valid answer tells that it answers. It belongs to the last request for
                that; anything else, and what nobody asked for, to the last request before it.
            data: As on the wire.
        """
        known = self._recorded.get(what) if what is not None else None
        exchange = known[-1] if known else self._latest
        if exchange is None:
            self._early.append(data)
        else:
            exchange.answers.append((time - exchange.time, data))

    def finish(self) -> None:
        """All is told: a last request without answer fell off the end of the recording."""
        for exchanges in self._recorded.values():
            if len(exchanges) > 1 and not exchanges[-1].answers:
                exchanges.pop()

    @property
    def objects(self) -> int:
        """Number of different requests that are answered at all."""
        return sum(any(e.answers for e in recorded) for recorded in self._recorded.values())

    @property
    def request_count(self) -> int:
        """Requests that have come so far."""
        return self.requests.total()

    # -- the other end of the wire; see the bridge -------------------------------------------

    def connect(self) -> int:
        """A client comes; returns its number."""
        self._number += 1
        self.clients.add(self._number)
        self._readers[self._number] = self.new_reader()
        return self._number

    def disconnect(self, client: int) -> None:
        """A client goes."""
        self.clients.discard(client)
        self._readers.pop(client, None)

    def receive(self, client: int, data: bytes, now: float) -> None:
        """Take bytes of a client at a time of the bridge's clock, in seconds."""
        for what in self._readers[client](data):
            self._answer(what, now)

    def next_due(self) -> float | None:
        """When :meth:`pull` will have something; None for not before somebody asks."""
        return self._pending[0][0] if self._pending else None

    def pull(self, now: float) -> list[bytes]:
        """The segments that are due, each to be sent to every client."""
        due = []
        while self._pending and self._pending[0][0] <= now:
            due.append(heappop(self._pending)[2])
        return due

    def start(self, now: float) -> None:  # noqa: B027 - of every unit
        """Nothing to be done: a recording begins with its first request."""

    def access(self, now: float) -> Access:
        """Everybody is let in."""
        return Access.OPEN

    def take_cut(self) -> Cut | None:
        """No connection is ever cut."""
        return None

    # -- what the family knows ----------------------------------------------------------------

    @abstractmethod
    def new_reader(self) -> Reader:
        """What finds requests in the bytes of one client."""

    def name(self, what: Hashable) -> str:
        """Name of something that is asked."""
        return str(what)

    def _answer(self, what: Hashable, now: float) -> None:
        name, recorded = self.name(what), self._recorded.get(what)
        if recorded:
            exchange = recorded[self.requests[name] % len(recorded)]
            for delay, data in exchange.answers:
                self._number += 1  # keeps the order of what is due at once
                heappush(self._pending, (now + delay / self._speed, self._number, data))
        self.requests[name] += 1
