"""Makes an inverter that calls of what was recorded of one.

It says frame by frame what it said, also twice what it said twice, and waits for an answer to each,
as inverters do. What is encrypted is said as it was: a collector that has the key understands it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from rct_collector.drivers.solaredge.frame import Frame, FrameReader
from rct_collector.drivers.solaredge.functions import ASK_TIME, ENCRYPTED, POST, SESSION_KEY
from rct_collector.drivers.solaredge.session import FIRST_SERVICE
from rct_collector.drivers.solaredge.tools.dissect import SolarEdgePiece
from rct_collector.drivers.tools import Access, Cut, TraceItem

#: Seconds after which a frame that nobody has answered is said again.
AGAIN_S = 10.0

_ANSWERED = (POST, ASK_TIME, SESSION_KEY, ENCRYPTED)


class _Recorded(NamedTuple):
    """A frame, and seconds from the first one of its connection until it was said."""

    after: float
    data: bytes


class RecordedCaller:
    """One connection; see :class:`rct_collector.drivers.tools.Recorded`.

    Attributes:
        objects: Frames that wait for an answer.
        told: How many of them were answered so far.
    """

    calls = True

    def __init__(self, frames: Sequence[_Recorded], *, speed: float) -> None:
        """Have nothing said yet.

        Args:
            frames: In the order in which they were said.
            speed: How many times faster they are said.
        """
        self._frames, self._speed = frames, speed
        self.objects, self.told, self.request_count = len(frames), 0, 0
        self._reader = FrameReader()
        self._client = self._clients = 0
        self._begun: float | None = None
        self._waits_until: float | None = None

    def start(self, now: float) -> None:
        """Nothing to be done: a recording begins with the first call."""

    def connect(self) -> int:
        """Somebody was reached; what was not answered is said again."""
        self._clients += 1
        self._client, self._waits_until = self._clients, None
        self._reader.reset()
        return self._client

    def disconnect(self, client: int) -> None:
        """A connection is over."""
        if client == self._client:
            self._client = 0

    def access(self, now: float) -> Access:
        """Connections can be made at any time."""
        return Access.OPEN

    def take_cut(self) -> Cut | None:
        """No connection is ever cut."""
        return None

    def next_due(self) -> float | None:
        """When the next frame is said, or the last one again."""
        if not self._client or self.told == self.objects:
            return None
        if self._waits_until is not None:
            return self._waits_until
        if self._begun is None:
            return 0.0
        return self._begun + self._frames[self.told].after / self._speed

    def pull(self, now: float) -> list[bytes]:
        """The frame that is due."""
        due = self.next_due()
        if due is None or due > now:
            return []
        if self._begun is None:
            self._begun = now
        self._waits_until = now + AGAIN_S
        return [self._frames[self.told].data]

    def receive(self, client: int, data: bytes, now: float) -> None:  # noqa: ARG002 - at any time
        """Take bytes of who was called: any frame is the answer to what was said last."""
        for item in self._reader.feed(data):
            self.request_count += 1
            if isinstance(item, Frame) and client == self._client and self._waits_until is not None:
                self.told, self._waits_until = self.told + 1, None


def replay(items: Sequence[TraceItem], speed: float) -> RecordedCaller:
    """Make an inverter of what was recorded of one connection.

    Args:
        items: In order of time, of this family's dissector.
        speed: How many times faster than recorded it speaks.
    """
    said = [item for item in items if _is_said(cast("SolarEdgePiece", item.piece).frame)]
    first = said[0].time_ns if said else 0
    return RecordedCaller(
        [_Recorded((item.time_ns - first) / 1e9, item.piece.data) for item in said], speed=speed
    )


def _is_said(frame: Frame | None) -> bool:
    """Whether it is a frame of an inverter that is always answered."""
    return frame is not None and frame.source < FIRST_SERVICE and frame.function in _ANSWERED
