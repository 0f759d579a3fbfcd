"""What one inverter has to tell: records in posts, each kept until it is acknowledged.

A post that is not acknowledged is sent again, with the number that it had or with a new one: units
do both. Until then nothing else is posted, so that what was acknowledged is clear.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rct_collector.drivers.chance import fraction, key
from rct_collector.drivers.solaredge.frame import Frame, assemble
from rct_collector.drivers.solaredge.functions import POST
from rct_collector.drivers.solaredge.request import SERVER
from rct_collector.drivers.solaredge.simulator.bodies import Telemetry
from rct_collector.drivers.solaredge.simulator.faults import FaultRow, UnitFaults
from rct_collector.drivers.solaredge.simulator.unit import SolarEdgeUnit
from rct_collector.drivers.solaredge.simulator.witness import ObservedUnit, SolarEdgeWitness, Told

#: Records that a unit keeps while nobody acknowledges them; then it forgets the oldest.
MOST_KEPT = 20_000

#: Bytes of records in a post.
_MOST_BYTES = 480

#: Share of the repetitions that have the number of the post they repeat.
_SAME_NUMBER = 0.5


class Outbox:
    """The records of one unit, and its numbers.

    Attributes:
        unit: The unit.
        observed: What has been seen.
        faults: What goes wrong.
        waiting: Records that were not acknowledged, the oldest first.
    """

    def __init__(
        self,
        unit: SolarEdgeUnit,
        *,
        seed: int,
        start: float,
        now0: float | None,
        faults: Sequence[UnitFaults] = (),
        witness: SolarEdgeWitness | None = None,
    ) -> None:
        """Begin.

        Args:
            unit: The unit.
            seed: Numbers follow from it.
            start: Unix time at which its world begins.
            now0: When that is on the line's clock; None for the first time that is heard of.
            faults: What goes wrong, in order.
            witness: Is told of every record.
        """
        self.unit, self.observed, self.faults = unit, ObservedUnit(), FaultRow(faults)
        self.waiting: deque[Told] = deque()
        self._witness = witness
        self._start, self._now0, self._begun = start, now0, False
        self._key = key(seed, "outbox", unit.id)
        self._sequence = int(fraction(self._key) * 0x10000)
        self._posted = 0  # how many of those that wait are in the post that is out
        self._numbers: set[int] = set()
        self._payload = b""

    @property
    def id(self) -> int:
        """Number of the inverter."""
        return self.unit.id

    @property
    def is_out(self) -> bool:
        """Whether a post waits to be acknowledged."""
        return bool(self._numbers)

    def start(self, now: float) -> None:
        """Put it into operation; the first time that is told does it too."""
        if not self._begun:
            self._begun = True
            if self._now0 is None:
                self._now0 = now
            self.faults.on_start(self, now)

    def unix(self, now: float) -> float:
        """What time it truly is."""
        return self._start + now - (self._now0 or 0.0)

    def line_time(self, unix: float) -> float:
        """When it is that time, in seconds of the line's clock."""
        return (self._now0 or 0.0) + unix - self._start

    def number(self) -> int:
        """The next number of a frame."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        return self._sequence

    def numbered(self, function: int, payload: bytes) -> bytes:
        """A frame with the next number; see :class:`.faults.Speaker`."""
        return assemble(Frame(self.number(), self.id, SERVER, function, payload))

    def gather(self, now: float) -> None:
        """Let the unit live until now, and keep what it has to tell."""
        self.start(now)
        self.unit.clock += self.faults.step(now)
        unix = self.unix(now)
        for made in self.unit.until(unix):
            self.keep(self.faults.on_record(made), unix)

    def keep(self, records: Sequence[Telemetry], unix: float) -> None:
        """Keep records; where there is no room, the oldest that are not out are forgotten."""
        told = [Told(self.unit.name, record, unix) for record in records]
        self.waiting += told
        if self._witness is not None:
            self._witness.made(told)
        while len(self.waiting) > MOST_KEPT:
            self.waiting[self._posted].forgotten = True
            del self.waiting[self._posted]

    def post(self) -> Frame:
        """The next post: as many records as fit, or none; once more, if one is out."""
        if self.is_out:
            return self._again()
        size = 0
        records: list[bytes] = []
        for told in self.waiting:
            data = told.record.data
            size += len(data)
            if records and size > _MOST_BYTES:
                break
            records.append(data)
        self._posted, self._payload = len(records), b"".join(records)
        return self._frame(self.number())

    def _again(self) -> Frame:
        same = fraction(self._key, self.observed.posts) < _SAME_NUMBER
        if self._witness is not None:
            self._witness.repeated[not same] += 1
        # Of several numbers that it had, any may be acknowledged still: the last one is repeated.
        return self._frame(self._last if same else self.number())

    def _frame(self, number: int) -> Frame:
        self._last = number
        self._numbers.add(number)
        self.observed.posts += 1
        return Frame(number, self.id, SERVER, POST, self._payload)

    def left(self, now: float, *, whole: bool) -> None:
        """The post that is out has left, whole or damaged."""
        if whole:
            for n in range(self._posted):
                self.waiting[n].whole.append(now)

    def acknowledged(self, number: int, now: float) -> bool:
        """A number was acknowledged; whether it is that of the post that is out."""
        if number not in self._numbers:
            return False
        for _ in range(self._posted):
            self.waiting.popleft().acknowledged = now
        self._numbers.clear()
        self._posted = 0
        return True
