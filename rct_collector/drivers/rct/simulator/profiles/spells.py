"""Spells in which a unit answers, and does too much of something: bytes, faults, hang-ups.

No report of a whole one; each part has been seen: noise of a bridge whose serial side is set
wrongly, faults of an insulation monitor on a wet morning, wireless modules that close whatever
was answered.
"""

from __future__ import annotations

from math import floor

from rct_collector.drivers.chance import Range, Windows, key, octets
from rct_collector.drivers.rct.frame import READ, START, Frame, assemble
from rct_collector.drivers.rct.simulator.faults import BridgeView, Segment
from rct_collector.drivers.rct.simulator.profiles.chance import AtTimes
from rct_collector.drivers.rct.simulator.unit import RctUnit
from rct_collector.drivers.rct.table import OBJECTS
from rct_collector.drivers.tools import Cut

_FAULT_WORDS = frozenset(item.oid for item in OBJECTS if item.name.startswith("fault["))


class Spell(AtTimes):
    """Something that lasts for some time, now and then, while the unit can be reached."""

    def __init__(
        self, every: float = 1800.0, lasting: Range = Range(60.0, 180.0), *, seed: int = 0
    ) -> None:
        """Set the times.

        Args:
            every: Once in so many seconds, at no fixed time.
            lasting: Shortest and longest, in seconds.
            seed: When, follows from it.
        """
        super().__init__()
        self.every = every
        self._lasting = lasting
        self._of = key(seed, type(self).__name__)

    def plan(self) -> Windows:
        """From the start of the line on."""
        return Windows(self.every, self._lasting, of=self._of, origin=self.began)

    def on_time(self, now: float) -> list[Segment]:
        """Nothing but its beginnings and ends."""
        self.begun(now)
        return []

    def lasts(self, now: float) -> bool:
        """Whether it is one of those times."""
        return self.windows is not None and self.windows.at(now) is not None


class Flood(Spell):
    """The unit sends as fast as its module can, between its answers: start bytes, noise, frames.

    One of them in each spell, in turn. None of it is an answer.
    """

    #: Bytes per second, in pieces of which each is so many seconds long.
    RATE, PIECE_S = 2e6, 0.05

    def __init__(
        self,
        every: float = 3600.0,
        lasting: Range = Range(600.0, 1800.0),
        *,
        seed: int = 0,
    ) -> None:
        """See the base class."""
        super().__init__(every, lasting, seed=seed)
        size = int(self.RATE * self.PIECE_S)
        parts = (bytes((START,)), octets(size, self._of), assemble(READ, OBJECTS[0].oid))
        self._pieces = [part * (size // len(part)) for part in parts]
        self._next = 0.0

    def on_start(self, line: BridgeView, now: float) -> None:
        """Wait for the first."""
        super().on_start(line, now)
        self._next = now

    def on_time(self, now: float) -> list[Segment]:
        """Pieces, straight to the network: no serial line is so fast."""
        assert self.windows is not None  # noqa: S101 - since the start
        found = []
        while self._next <= now:
            if self.lasts(self._next):
                number = floor((self._next - self.began) / self.every)
                found.append(Segment(self._next, self._pieces[number % len(self._pieces)]))
                self._next += self.PIECE_S
            else:
                self._next = self.windows.next_edge(self._next)
        return found

    def next_due(self) -> float | None:
        """The next piece."""
        return None if self.windows is None else self._next


class Flapping(Spell):
    """All faults flip from reading to reading, and connections are reset behind each answer."""

    def __init__(
        self, every: float = 1800.0, lasting: Range = Range(60.0, 600.0), *, seed: int = 0
    ) -> None:
        """See the base class."""
        super().__init__(every, lasting, seed=seed)
        self._flipped: set[int] = set()

    def on_reading(self, unit: RctUnit, oid: int, payload: bytes, unix: float) -> bytes | None:
        """What the unit says of its faults, upside down each second time."""
        if oid not in _FAULT_WORDS or not self.lasts(self.line.bridge_time(unix)):
            return payload
        self._flipped ^= {oid}
        return bytes(byte ^ 0xFF for byte in payload) if oid in self._flipped else payload

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """Hang up behind it."""
        if not segments or not self.lasts(now):
            return segments
        return [*segments[:-1], segments[-1]._replace(cut=Cut.RESET)]
