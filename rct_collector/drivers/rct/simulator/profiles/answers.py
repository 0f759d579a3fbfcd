"""What happens to single answers on their way: lost, late, cut, torn, spoiled, said twice.

Sources: reports of users and authors of other collectors, named at each class; recorded frames.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from rct_collector.drivers.rct.frame import ESCAPE, READ, START, Frame, assemble
from rct_collector.drivers.rct.simulator.faults import Segment
from rct_collector.drivers.rct.simulator.profiles.chance import Sometimes
from rct_collector.drivers.rct.table import BY_OID

#: Segments that stay in the unit's output buffer; of more, the oldest are lost.
MOST_HELD = 64

_SPECIAL = (START, ESCAPE)
#: Lead-in, start, command, length and id: where the payload begins, if nothing is escaped.
_HEADER = 8


class Dropped(Sometimes):
    """No answer at all: one of several pending requests is forgotten.

    Source: common experience; python-rctclient issue 14 counts up to half of them with old
    firmware.
    """

    def on_payload(self, request: Frame, payload: bytes, now: float) -> bytes | None:
        """Lose it."""
        return None if self.hits(request, now) else payload


class Truncated(Sometimes):
    """The payload is cut, and the checksum is that of the stump, so valid.

    A request that arrives while an answer is being prepared does that, mostly to texts, the
    logger, the event table and the cells. Source: python-rctclient issue 29 ("unpack requires a
    buffer of 4 bytes", at least hourly), and what other collectors' authors found.
    """

    def on_payload(self, request: Frame, payload: bytes, now: float) -> bytes | None:
        """Cut it anywhere."""
        if not payload or not self.hits(request, now):
            return payload
        return payload[: self.pick(0, len(payload), request, now)]


class Altered(Sometimes):
    """The bytes of an answer are changed after they were framed."""

    @abstractmethod
    def alter(self, data: bytes, request: Frame, now: float) -> bytes:
        """Change the bytes of one answer, lead-in included."""

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """Change those of the answer itself, not what other faults have put before it."""
        if not segments or not self.hits(request, now):
            return segments
        last = segments[-1]
        own = [segment for segment in segments if segment.reply is last.reply]
        before = [segment for segment in segments if segment.reply is not last.reply]
        data = b"".join(segment.data for segment in own)
        if not data:
            return segments
        changed = last._replace(data=self.alter(data, request, now))
        return self.line.lay([*before, changed], begin(self.line.rate, segments))


class BadChecksum(Altered):
    """The payload is right and the checksum is not.

    Source: a recorded answer ``2B 05 05 97E203F9 55 BB9B``, whose checksum should be 6E18.
    """

    def alter(self, data: bytes, request: Frame, now: float) -> bytes:
        """Change the last byte."""
        return data[:-1] + _another(data[-1], self.pick(1, 255, request, now))


class BadPayload(Altered):
    """A byte of the payload is wrong, and the checksum is that of the right one.

    That is what a disturbed serial line does; no source, but nothing excludes it.
    """

    def alter(self, data: bytes, request: Frame, now: float) -> bytes:
        """Change one byte; one that is no escape, and not behind one."""
        places = [
            place
            for place in range(_HEADER, len(data) - 2)
            if data[place] not in _SPECIAL and data[place - 1] != ESCAPE
        ] or [len(data) - 1]
        place = places[self.pick(0, len(places), request, now)]
        byte = _another(data[place], self.pick(1, 255, request, now))
        return data[:place] + byte + data[place + 1 :]


class Intruded(Altered):
    """The bytes of a request stand within the answer.

    Source: found in streams of real units, rarely, and with a bad checksum.
    """

    def alter(self, data: bytes, request: Frame, now: float) -> bytes:
        """Insert a read request of some object."""
        oids = list(BY_OID)
        oid = oids[self.pick(0, len(oids), request, now)]
        place = self.pick(3, len(data), request, now)  # behind the command
        return data[:place] + assemble(READ, oid) + data[place:]


class Torn(Altered):
    """The answer ends midway, and what follows on the line begins.

    Source: python-rctclient issues 13 and 16; its 2D 2B then hides the next start.
    """

    def alter(self, data: bytes, request: Frame, now: float) -> bytes:
        """Cut the frame anywhere behind its start."""
        return data[: self.pick(2, len(data), request, now)]


class Duplicated(Altered):
    """The answer comes twice.

    No source of its own; two clients that ask for the same have that effect on both.
    """

    def alter(self, data: bytes, request: Frame, now: float) -> bytes:
        """Say it twice."""
        return data + data


class Held(Sometimes):
    """Something stays in the unit's output buffer, until it leaves before a later answer."""

    def __init__(self, rate: float = 1.0, *, seed: int = 0) -> None:
        """See the base class."""
        super().__init__(rate, seed=seed)
        self._held: deque[tuple[float, Segment]] = deque(maxlen=MOST_HELD)

    @abstractmethod
    def split(
        self, segments: list[Segment], request: Frame, now: float
    ) -> tuple[list[Segment], list[Segment]]:
        """What of an answer is sent, and what is kept."""

    def releases(self, held: float, now: float) -> bool:
        """Whether what was kept at a time leaves now."""
        return True

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """Send what was kept before, if anything is sent."""
        if not segments:
            return segments
        at = begin(self.line.rate, segments)
        kept: list[Segment] = []
        if self.hits(request, now):
            segments, kept = self.split(segments, request, now)
        if segments:
            ready = []
            while self._held and self.releases(self._held[0][0], now):
                ready.append(self._held.popleft()[1])
            if ready or kept:
                segments = self.line.lay([*ready, *segments], at)
        self._held.extend((now, segment) for segment in kept)
        return segments


class Late(Held):
    """The whole answer is late: it comes with that of the first request after the deadline.

    Source: python-rctclient issue 16, firmware 2.3.5673: what is stuck in the output buffer
    leaves with the next request.
    """

    def __init__(self, rate: float = 1.0, *, seed: int = 0, after: float = 2.5) -> None:
        """Set the odds.

        Args:
            rate: See the base class.
            seed: See the base class.
            after: Seconds before which it does not leave; more than a client's deadline.
        """
        super().__init__(rate, seed=seed)
        self._after = after

    def split(
        self, segments: list[Segment], request: Frame, now: float
    ) -> tuple[list[Segment], list[Segment]]:
        """Keep all."""
        return [], segments

    def releases(self, held: float, now: float) -> bool:
        """Not before the deadline is over."""
        return now - held >= self._after


class Stuck(Held):
    """The end of an answer stays in the buffer, so that what comes next begins midway.

    Source: python-rctclient issue 16, firmware 2.3.5673 and newer.
    """

    def split(
        self, segments: list[Segment], request: Frame, now: float
    ) -> tuple[list[Segment], list[Segment]]:
        """Keep the end of the last segment."""
        *before, last = segments
        place = self.pick(3, max(len(last.data), 4), request, now)  # behind the command
        head = last._replace(data=last.data[:place], cut=None)
        return [*before, head], [last._replace(data=last.data[place:])]


def begin(rate: float, segments: list[Segment]) -> float:
    """When the first byte of some segments leaves."""
    return segments[0].due - len(segments[0].data) / rate


def _another(byte: int, other: int) -> bytes:
    """A byte that differs and has no meaning of its own.

    Args:
        byte: What it shall differ from.
        other: A first idea, 1 … 254.
    """
    while other == byte or other in _SPECIAL:
        other = other % 254 + 1
    return bytes((other,))
