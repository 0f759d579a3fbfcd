"""What is seen on the line, for tests of good manners."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import inf

from rct_collector.drivers.rct.frame import (
    LONG_WRITE,
    PLANT,
    READ,
    READ_PERIODICALLY,
    WRITE,
    Frame,
)
from rct_collector.drivers.rct.table import BY_OID

#: Commands that change something in a unit, but for the queries of its logger.
_WRITES = frozenset({WRITE, LONG_WRITE, READ_PERIODICALLY})


@dataclass(slots=True)
class Observed:
    """What has been seen on the line.

    Attributes:
        requests: Requests by the object's name, or its id in hexadecimal.
        answers: Answers that the unit gave.
        good: Answers that left the line in a good frame.
        damaged: Answers that left it damaged.
        dropped: Requests and answers that the faults of the line have lost.
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
    good: int = 0
    damaged: int = 0
    dropped: int = 0
    writes: int = 0
    others: int = 0
    noise: int = 0
    lost: int = 0
    most_outstanding: int = 0
    least_gap: float = inf
    bytes_in: int = 0
    bytes_out: int = 0
    _last: dict[int, float] = field(default_factory=dict, repr=False)

    def note(self, client: int, request: Frame, now: float) -> None:
        """Count a request."""
        item = BY_OID.get(request.oid)
        self.requests[item.name if item else f"0x{request.oid:08X}"] += 1
        if request.command & ~PLANT in _WRITES and not is_query(request):
            self.writes += 1
        elif request.command not in (READ, WRITE):
            self.others += 1
        last = self._last.get(client)
        if last is not None:
            self.least_gap = min(self.least_gap, now - last)
        self._last[client] = now

    def forget(self, client: int) -> None:
        """A client has gone."""
        self._last.pop(client, None)


def is_query(request: Frame) -> bool:
    """Whether a write asks the logger for what lies before a time."""
    if request.command != WRITE or len(request.payload) != 4:
        return False
    item = BY_OID.get(request.oid)
    return item is not None and item.logger
