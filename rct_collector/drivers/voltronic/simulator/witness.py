"""What was really sent: which answers left the line whole, to what, and when.

A collector is true if whatever it publishes was said in an answer of this record, in time.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile
from typing import NamedTuple

from rct_collector.drivers.voltronic.simulator.answer import Saying


@dataclass(slots=True, eq=False)
class Replied:
    """What the unit says to one request.

    Attributes:
        request: Text of the request; "" of one that it did not understand.
        answer: What it says.
        asked: When the request had come, in seconds of the line's clock.
        valid: There is a whole answer in its bytes.
    """

    request: str
    answer: Saying
    asked: float
    valid: bool = True


class SentAnswer(NamedTuple):
    """One answer that left the line.

    Attributes:
        reply: What the unit said, and to what.
        at: When the last byte had left, in seconds of the line's clock.
        good: It is valid, and all of it left.
    """

    reply: Replied
    at: float
    good: bool


#: Told of every answer that leaves; must not raise.
Observer = Callable[[SentAnswer], None]


class VoltronicWitness:
    """Keeps the last answers to each request, for tests and benchmarks.

    Attributes:
        good: Number of good ones.
        damaged: Number of others.
    """

    def __init__(self, most: int = 256) -> None:
        """Start with an empty record.

        Args:
            most: Answers that are kept of each request.
        """
        self.good = self.damaged = 0
        self._most = most
        self._by_request: dict[str, deque[SentAnswer]] = {}

    def __call__(self, sent: SentAnswer) -> None:
        """Take one answer."""
        if not sent.good:
            self.damaged += 1
            return
        self.good += 1
        request = sent.reply.request
        self._by_request.setdefault(request, deque(maxlen=self._most)).append(sent)

    @property
    def requests(self) -> list[str]:
        """What has had a good answer."""
        return list(self._by_request)

    def of(self, request: str) -> list[SentAnswer]:
        """Good answers to a request, the oldest first."""
        return list(self._by_request.get(request, ()))

    def since(self, request: str, begin: float) -> list[SentAnswer]:
        """Good answers to a request from a time on, the newest first."""
        newest = reversed(self._by_request.get(request, ()))
        return list(takewhile(lambda sent: sent.at >= begin, newest))


@dataclass(slots=True)
class ObservedLine:
    """What has been seen on the line, for tests of good manners.

    Attributes:
        requests: Requests by their texts.
        answers: Answers that were begun, refusals among them.
        refused: Requests that the unit did not know, or not understand.
        offences: One-letter requests, which a UPS with the same USB id obeys. A collector sends
            none before the probes of all dialects have failed, and then ``M`` only.
        writes: Requests that would change something. A collector sends none that nobody asked for.
        dropped: Requests and answers that the faults of the line have lost.
        most_outstanding: Most requests that waited for their answers at a time.
        least_gap: Shortest time from the last byte of an answer to the next request, in seconds.
        bytes_in: Bytes received.
        bytes_out: Bytes sent.
    """

    requests: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    refused: int = 0
    offences: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    most_outstanding: int = 0
    least_gap: float = float("inf")
    bytes_in: int = 0
    bytes_out: int = 0
