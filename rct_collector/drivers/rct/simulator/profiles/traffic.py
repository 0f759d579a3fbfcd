"""What else is on the line: bytes that nobody asked for, and bytes in unusual pieces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import ceil

from rct_collector.drivers.chance import fraction, key, octets
from rct_collector.drivers.rct.frame import PLANT, RESPONSE, WRITE, Frame, assemble
from rct_collector.drivers.rct.simulator.faults import BridgeView, Segment
from rct_collector.drivers.rct.simulator.profiles.answers import begin
from rct_collector.drivers.rct.simulator.profiles.chance import OnLine, Sometimes
from rct_collector.drivers.rct.table import BY_OID

#: Objects of a plant's own traffic.
NET_PACKAGE, NET_SLAVE_DATA = 0x3AA565FC, 0xC0A7074F

#: Ids seen on the line of real units that no registry knows. Source: python-rctclient issues 36
#: and 41. What their payloads are is unknown.
UNKNOWN = (0xBD870886, 0x99EA35E2, 0x44D4CC2B, 0x84627EAA, 0xE51B041C, 0x09648B47)

_BATTERY_SOC = 0x959930BF


class Every(OnLine):
    """Something that is said again and again."""

    def __init__(self, every: float, *, seed: int = 0) -> None:
        """Set the pace.

        Args:
            every: Seconds between two times.
            seed: When it begins, and what is said, follow from it.
        """
        self.every = every
        self.key = key(seed, type(self).__name__)
        self._number = 0
        self._next: float | None = None

    @abstractmethod
    def say(self, number: int, time: float) -> list[Segment]:
        """What is said at a time; ``number`` counts from 0."""

    def on_start(self, line: BridgeView, now: float) -> None:
        """Begin somewhere in the first period."""
        super().on_start(line, now)
        self._next = now + self.every * fraction(self.key)

    def on_time(self, now: float) -> list[Segment]:
        """Say what is due."""
        found = []
        while self._next is not None and self._next <= now:
            found += self.say(self._number, self._next)
            self._number += 1
            self._next += self.every
        return found

    def next_due(self) -> float | None:
        """The next time."""
        return self._next


class Greeting(Every):
    """Bytes that are no frame. How often they really come is unknown."""

    said = b""

    def say(self, number: int, time: float) -> list[Segment]:
        """Say them."""
        return self.line.say(self.said, time)


class KeepAlive(Greeting):
    r"""``AT+\r`` of the vendor's service, whose 2B looks like the start of a frame.

    Source: python-rctclient's tool for recordings, which strips it.
    """

    said = b"AT+\r"


class Hello(Greeting):
    """``2B 3C E1``, with which the vendor's app begins.

    Source: python-rctclient's tool for recordings, which strips it.
    """

    said = b"\x2b\x3c\xe1"


class PlantTraffic(Every):
    """What master and slave of a plant say to each other, every second.

    A WRITE of ``net.package``, 36 bytes; now and then the slave's name, firmware and serial
    number as an answer for ``net.slave_data``; and answers of the slave with its address, which
    mean the same objects as the master's. Source: traces in evcc issue 4094 and PR 19617; that
    answers may belong to another inverter, IP-Symcon's changelog. The content is invented.
    """

    #: Of so many seconds, one has the slave's data, and one an answer of the slave's.
    SLAVE_DATA, SLAVE_ANSWER = 10, 3
    ADDRESS = 2

    def __init__(self, every: float = 1.0, *, seed: int = 0) -> None:
        """See the base class."""
        super().__init__(every, seed=seed)

    def say(self, number: int, time: float) -> list[Segment]:
        """Say what belongs to this second."""
        package = assemble(WRITE, NET_PACKAGE, octets(36, key(self.key, number)))
        found = self.line.say(b"\0" + package, time)
        if number % self.SLAVE_DATA == 0:
            texts = (b"PS 6.0 SLAV", b"2.3.5674", b"SIMSLAVE01")
            payload = b"".join(text.ljust(32, b"\0") for text in texts)
            found += self.line.answer(NET_SLAVE_DATA, payload, time)
        if number % self.SLAVE_ANSWER == 0:
            soc = bytes((0x3F,)) + octets(3, key(self.key, "soc", number))
            slave = assemble(RESPONSE | PLANT, _BATTERY_SOC, soc, self.ADDRESS)
            found += self.line.say(b"\0" + slave, time)
        return found


class Unasked(Every):
    """Answers for objects that nobody asked for, known and unknown ones in turn.

    Source: with several clients every answer is that to its others; ids that no registry knows,
    python-rctclient issues 36 and 41.
    """

    def __init__(self, every: float = 2.0, *, seed: int = 0) -> None:
        """See the base class."""
        super().__init__(every, seed=seed)

    def say(self, number: int, time: float) -> list[Segment]:
        """Answer for one object."""
        of = key(self.key, number)
        if number % 2 == 0:
            oid = UNKNOWN[int(len(UNKNOWN) * fraction(of))]
            return self.line.answer(oid, octets(4, of), time)
        oids = list(BY_OID)
        oid = oids[int(len(oids) * fraction(of))]
        payload = self.line.unit.read(oid, self.line.unit_time(time))
        return [] if payload is None else self.line.answer(oid, payload, time)


class Before(Sometimes):
    """Something stands before an answer."""

    @abstractmethod
    def prefix(self, request: Frame, now: float) -> bytes:
        """The bytes."""

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """Put it there; the answer comes later by as much."""
        if not segments or not self.hits(request, now):
            return segments
        prefix = Segment(0.0, self.prefix(request, now))
        return self.line.lay([prefix, *segments], begin(self.line.rate, segments))


class Echo(Before):
    """The request comes back, before its answer.

    Source: ioBroker.rct PR 335, under load.
    """

    def prefix(self, request: Frame, now: float) -> bytes:
        """The request."""
        return assemble(request.command, request.oid, request.payload, request.address)


class Remains(Before):
    """The end of a torn frame: ``2D 2B``, an escaped start that begins nothing, and a few bytes.

    Source: python-rctclient issues 13 and 16 and PRs 32 and 34 ("13/43 is not a valid
    Command"), where the parser takes it for a start.
    """

    def prefix(self, request: Frame, now: float) -> bytes:
        """Up to six bytes more."""
        count = self.pick(0, 7, request, now)
        return b"\x2d\x2b" + octets(count, key(self._own, request.oid, count, round(now * 1000)))


class Burst(OnLine):
    """Answers are collected, and come together.

    Source: python-rctclient issue 29: 36 answers in one segment of 505 bytes; a wireless link
    that hesitates does the same.
    """

    def __init__(self, every: float = 0.3) -> None:
        """Set the pace.

        Args:
            every: Seconds between two deliveries.
        """
        self._every = every

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """Let a whole answer leave at the next delivery."""
        if not segments:
            return segments
        number = ceil((segments[-1].due - self.began) / self._every)
        due = max(self.began + number * self._every, segments[-1].due)
        return [segment._replace(due=due) for segment in segments]


class Dribble(Sometimes):
    """The answer comes byte by byte, each in a piece of its own.

    No report; TCP allows it, and a parser has to bear it.
    """

    def __init__(self, rate: float = 1.0, *, seed: int = 0, gap: float = 0.006) -> None:
        """Set the odds.

        Args:
            rate: Share of the answers.
            seed: Which of them, follows from it.
            gap: Seconds between two bytes; more than the bridge waits for, or they come together.
        """
        super().__init__(rate, seed=seed)
        self._gap = gap

    def on_answer(self, request: Frame, segments: list[Segment], now: float) -> list[Segment]:
        """Take it apart; what follows waits for the last byte."""
        if not segments or not self.hits(request, now):
            return segments
        single = _bytewise(segments)
        first = segments[0].due
        found = [piece._replace(due=first + n * self._gap) for n, piece in enumerate(single)]
        self.line.occupy(found[-1].due)
        return found


def _bytewise(segments: Sequence[Segment]) -> list[Segment]:
    """Every byte as a segment of its own; what happens behind a segment, behind its last."""
    found = []
    for segment in segments:
        *before, last = [segment.data[n : n + 1] for n in range(len(segment.data))] or [b""]
        found += [segment._replace(data=byte, cut=None) for byte in before]
        found.append(segment._replace(data=last))
    return found
