"""What can go wrong with a unit and its way to the collector, in small classes, and named ones.

They combine: each is a :class:`.UnitFaults`, and a unit takes any number of them. Whether a fault
happens follows from the seed and the millisecond.

Sources: reports of users of other collectors: torn posts, line noise, messages that come by the
hundred, records of types that nobody knows, values that are all ones, clocks that were never set,
acknowledgements that get lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from rct_collector.drivers.chance import Range, Windows, between, fraction, key, octets
from rct_collector.drivers.solaredge.frame import MAGIC, Frame
from rct_collector.drivers.solaredge.functions import ACK, ASK_NAME
from rct_collector.drivers.solaredge.simulator import bodies
from rct_collector.drivers.solaredge.simulator.bodies import ABSENT, Telemetry
from rct_collector.drivers.solaredge.simulator.faults import Speaker, UnitFaults
from rct_collector.drivers.tools import Access, Cut, FaultProfile

#: A function that nobody can explain, of which some units send very many.
FLOOD = 0x03C2

_MINUTE, _HOUR = 60.0, 3600.0
_DECADE = 10 * 365 * 86400.0


class ToSome(UnitFaults):
    """A fault that happens to a share of what passes."""

    def __init__(self, rate: float = 1.0, *, seed: int = 0) -> None:
        """Set the odds.

        Args:
            rate: Share, 0 … 1.
            seed: Which of them, follows from it.
        """
        self._rate = rate
        self._own = key(seed, type(self).__name__)
        self._unit = 0

    def on_start(self, speaker: Speaker, now: float) -> None:  # noqa: ARG002 - any time
        """No two units suffer at the same time."""
        self._unit = speaker.id

    def hits(self, *at: float) -> bool:
        """Whether it happens at a time, or to what some numbers name."""
        return fraction(self._key(*at)) < self._rate

    def pick(self, low: int, high: int, *at: float) -> int:
        """One of the numbers from ``low`` to below ``high``."""
        return low + int((high - low) * fraction(self._key(*at), 1))

    def _key(self, *at: float) -> int:
        return key(self._own, self._unit, *(round(number * 1000.0) for number in at))


class AlteredPost(ToSome):
    """A fault of the bytes of a frame."""

    def on_frame(self, data: bytes, now: float) -> bytes:
        """Alter it, if it hits."""
        return self.alter(data, now) if data and self.hits(now) else data

    def alter(self, data: bytes, now: float) -> bytes:
        """What becomes of it."""
        raise NotImplementedError


class HalfAPost(AlteredPost):
    """The frame ends midway."""

    def alter(self, data: bytes, now: float) -> bytes:
        """Cut it."""
        return data[: self.pick(1, len(data), now)]


class WrongBit(AlteredPost):
    """One byte is wrong, so that the checksum does not fit."""

    def alter(self, data: bytes, now: float) -> bytes:
        """Change it."""
        place = self.pick(0, len(data), now)
        return data[:place] + bytes((data[place] ^ 1 << self.pick(0, 8, now),)) + data[place + 1 :]


class Stray(AlteredPost):
    """A few bytes more, before or behind the frame."""

    def alter(self, data: bytes, now: float) -> bytes:
        """Put them there."""
        more = octets(self.pick(1, 9, now), key(self._own, round(now)))
        return data + more if self.pick(0, 2, now) else more + data


class Padded(AlteredPost):
    """Zeros behind the frame, as networks pad short packets."""

    def alter(self, data: bytes, now: float) -> bytes:
        """Add them."""
        return data + bytes(self.pick(1, 12, now))


class Collision(AlteredPost):
    """Somebody else speaks at the same time: bits of both are mixed for a while."""

    def alter(self, data: bytes, now: float) -> bytes:
        """Mix them, as drivers of a bus do that pull it to the same side."""
        begin = self.pick(0, len(data), now)
        other = octets(len(data) - begin, key(self._own, round(now * 1000.0)))
        return data[:begin] + bytes(a & b for a, b in zip(data[begin:], other, strict=True))


class SaidTwice(AlteredPost):
    """The frame comes twice."""

    def alter(self, data: bytes, now: float) -> bytes:  # noqa: ARG002 - always the same
        """Say it twice."""
        return data * 2


class LostReply(ToSome):
    """The reply never arrives, though what it replies to did."""

    def on_reply(self, frame: Frame, now: float) -> Frame | None:
        """Lose it."""
        return None if self.hits(now) else frame


class NoReply(UnitFaults):
    """No acknowledgement arrives at all: for tests of what is said again and again."""

    def on_reply(self, frame: Frame, now: float) -> Frame | None:  # noqa: ARG002 - whenever
        """Lose it."""
        return None if frame.function == ACK else frame


class Sentinels(ToSome):
    """Some floats of a record say that there is no value, or are no number."""

    _NAN = b"\0\0\xc0\x7f"

    def on_record(self, record: Telemetry) -> list[Telemetry]:
        """Put them in place of floats, behind times and intervals."""
        first, last = _FLOATS.get(record.kind, (0, 0))
        if not last or not self.hits(record.time, record.device):
            return [record]
        body = bytearray(record.body)
        for at in range(first, last, 4):
            if fraction(self._own ^ at, record.time) < 0.5:  # noqa: PLR2004 - a half of them
                body[at : at + 4] = self._NAN if record.time % 2 else ABSENT
        return [record._replace(body=bytes(body), said={})]


#: Type → where its floats are, from and to before.
_FLOATS = {
    bodies.OPTIMIZER: (16, 36),
    bodies.INVERTER: (12, 68),
    bodies.INVERTER_3: (12, 108),
    bodies.BATTERY: (16, 36),
    bodies.METER: (50, 58),
}


class MagicId(UnitFaults):
    """An optimizer whose number is the beginning of a frame, so that posts hold it."""

    ID = int.from_bytes(MAGIC, "little")

    def __init__(self) -> None:
        """Nobody has that number yet."""
        self._was: int | None = None

    def on_record(self, record: Telemetry) -> list[Telemetry]:
        """Give it to the first optimizer that says something."""
        if record.kind == bodies.PACKED and self._was in (None, record.device):
            self._was = record.device
            return [record._replace(device=self.ID)]
        return [record]


class UnknownTypes(ToSome):
    """Records of types that nobody has explained, beginnings of frames among their bytes."""

    TYPES = (0x0017, 0x0018, 0x0041, 0x0043, 0x0090, 0x0200, 0x7777)

    def on_record(self, record: Telemetry) -> list[Telemetry]:
        """Say one besides."""
        if not self.hits(record.time, record.device):
            return [record]
        kind = self.TYPES[self.pick(0, len(self.TYPES), record.time)]
        rest = octets(self.pick(0, 40, record.time), key(self._own, record.time)) + MAGIC
        return [bodies.unknown(kind, record.device, record.time, rest), record]


class Overlong(ToSome):
    """Behind the records of a post one begins that is longer than the post, or has no time."""

    def on_payload(self, payload: bytes, now: float) -> bytes:
        """Add it."""
        if not payload or not self.hits(now):
            return payload
        length, rest = ((200, 20), (2, 2))[self.pick(0, 2, now)]
        return (
            payload + (0x0080).to_bytes(2, "little") + bytes(4) + bytes((length, 0, *bytes(rest)))
        )


class WrongClock(ToSome):
    """Now and then the clock is set wrong: by hours, or to a time that cannot be."""

    STEPS = (7200.0, -3600.0, -1.8e9, _DECADE, 90.0)

    def __init__(self, every: float, *, seed: int = 0) -> None:
        """Set how often.

        Args:
            every: Seconds.
            seed: When, and how wrong, follows from it.
        """
        super().__init__(seed=seed)
        self._every = every
        self._windows: Windows | None = None
        self._done = -inf

    def on_start(self, speaker: Speaker, now: float) -> None:
        """See the base class."""
        super().on_start(speaker, now)
        of = key(self._own, speaker.id)
        self._windows = Windows(self._every, of=of, origin=now)
        self._done = now

    def step(self, now: float) -> float:
        """By how much it is set wrong."""
        begin = self._windows.latest(now) if self._windows else None
        if begin is None or begin <= self._done:
            return 0.0
        self._done = begin
        return self.STEPS[self.pick(0, len(self.STEPS), begin)]


class Spells(UnitFaults):
    """Something that lasts for a while, now and then."""

    def __init__(self, every: float, lasting: Range, *, seed: int = 0) -> None:
        """Set when.

        Args:
            every: Seconds of a period, of which each has one.
            lasting: Least and most seconds that it lasts.
            seed: When, follows from it.
        """
        self.every, self.lasting = every, lasting
        self._own = key(seed, type(self).__name__)
        self._now = 0.0
        self._windows: Windows | None = None

    def on_start(self, speaker: Speaker, now: float) -> None:
        """See the base class."""
        self._now = now
        of = key(self._own, speaker.id)
        self._windows = Windows(self.every, self.lasting, of=of, origin=now)

    def within(self, now: float) -> tuple[float, float] | None:
        """The spell that a time lies in."""
        self._now = max(now, self._now)
        return self._windows.at(now) if self._windows else None

    def next_due(self) -> float | None:
        """When one begins or ends."""
        return self._windows.next_edge(self._now) if self._windows else None


class NoWay(Spells):
    """No connection can be made: the unit keeps what it has to tell."""

    def access(self, now: float) -> Access:
        """Whether it is one."""
        return Access.REFUSED if self.within(now) else Access.OPEN

    def cut(self, now: float) -> Cut | None:
        """It begins with the loss of what there was."""
        return Cut.RESET if self.within(now) else None


class Reset(Spells):
    """The connection is reset."""

    _last = -inf

    def cut(self, now: float) -> Cut | None:
        """Once in each spell."""
        spell = self.within(now)
        if spell is None or spell[0] == self._last:
            return None
        self._last = spell[0]
        return Cut.RESET


class UnknownFlood(Spells):
    """Very many frames that nobody can explain."""

    def __init__(self, every: float, lasting: Range, *, per_second: float, seed: int = 0) -> None:
        """Set when, and how many; see the base class."""
        super().__init__(every, lasting, seed=seed)
        self._gap = 1.0 / per_second
        self._next = 0.0
        self._speaker: Speaker | None = None

    def on_start(self, speaker: Speaker, now: float) -> None:
        """See the base class."""
        super().on_start(speaker, now)
        self._speaker = speaker

    def unasked(self, now: float) -> bytes:
        """The next of them."""
        if self._speaker is None or self.within(now) is None or now < self._next:
            return b""
        self._next = now + self._gap
        size = 59 + round(now) % 2
        payload = (b"\0\x003\0" + int(now).to_bytes(4, "little") + ABSENT * 4).ljust(size, b"\0")
        if round(now / self._gap) % 7:
            return self._speaker.numbered(FLOOD, payload)
        return self._speaker.numbered(ASK_NAME, b"")

    def next_due(self) -> float | None:
        """The next of them, or of the spells."""
        edge = super().next_due()
        if self.within(self._now) is None or edge is None:
            return edge
        return min(max(self._next, self._now), edge)


class Noise(Spells):
    """Bytes that mean nothing, between frames, and beginnings of frames among them."""

    _last = -inf

    def unasked(self, now: float) -> bytes:
        """Some, once in each spell."""
        spell = self.within(now)
        if spell is None or spell[0] == self._last:
            return b""
        self._last = spell[0]
        of = key(self._own, round(now * 1000.0))
        begun = MAGIC + b"\x20\0\xdf\xff" if fraction(of) < 0.5 else b""  # noqa: PLR2004
        return octets(int(between(1, 60, of, 1)), of) + begun


def _harsh(seed: int) -> tuple[UnitFaults, ...]:
    return (
        Sentinels(0.05, seed=seed),
        UnknownTypes(0.05, seed=seed),
        Overlong(0.02, seed=seed),
        LostReply(0.04, seed=seed),
        SaidTwice(0.02, seed=seed),
        WrongBit(0.04, seed=seed),
        HalfAPost(0.03, seed=seed),
        Stray(0.02, seed=seed),
        Noise(10 * _MINUTE, Range(1.0, 2.0), seed=seed),
        Reset(25 * _MINUTE, Range(1.0, 2.0), seed=seed),
        NoWay(2 * _HOUR, Range(2 * _MINUTE, 20 * _MINUTE), seed=seed),
    )


_ALL = (
    FaultProfile("torn", "Frames that end midway.", lambda seed: (HalfAPost(0.15, seed=seed),)),
    FaultProfile("crc", "Wrong bytes in frames.", lambda seed: (WrongBit(0.15, seed=seed),)),
    FaultProfile(
        "collision",
        "Others who speak at the same time, as on a bus.",
        lambda seed: (Collision(0.15, seed=seed),),
    ),
    FaultProfile(
        "magic",
        "An optimizer whose number is the beginning of a frame.",
        lambda _seed: (MagicId(),),
    ),
    FaultProfile(
        "lost-ack",
        "Acknowledgements that get lost, so that posts come again, also with new numbers.",
        lambda seed: (LostReply(0.2, seed=seed), SaidTwice(0.05, seed=seed)),
    ),
    FaultProfile(
        "noise",
        "Bytes that mean nothing, between frames and behind them.",
        lambda seed: (
            Noise(3 * _MINUTE, Range(1.0, 2.0), seed=seed),
            Stray(0.2, seed=seed),
            Padded(0.2, seed=seed),
        ),
    ),
    FaultProfile(
        "sentinel",
        "Values that are none, and numbers that are none.",
        lambda seed: (Sentinels(0.3, seed=seed),),
    ),
    FaultProfile(
        "clock",
        "A clock that jumps by hours or years, until the unit asks for the time.",
        lambda seed: (WrongClock(1.5 * _HOUR, seed=seed),),
    ),
    FaultProfile(
        "unknown",
        "Records of types that nobody knows, and records that are longer than their posts.",
        lambda seed: (UnknownTypes(0.3, seed=seed), Overlong(0.2, seed=seed)),
    ),
    FaultProfile(
        "flood",
        "Very many frames of function 03c2, and questions for a name.",
        lambda seed: (UnknownFlood(20 * _MINUTE, Range(20.0, 60.0), per_second=10.0, seed=seed),),
    ),
    FaultProfile(
        "reset",
        "Connections that are reset.",
        lambda seed: (Reset(4 * _MINUTE, Range(1.0, 2.0), seed=seed),),
    ),
    FaultProfile(
        "outage",
        "Half an hour without a connection, after which all is told that was kept.",
        lambda seed: (NoWay(2 * _HOUR, Range(10 * _MINUTE, 40 * _MINUTE), seed=seed),),
    ),
    FaultProfile("harsh", "A bit of everything.", _harsh),
)

#: Name → profile.
PROFILES: dict[str, FaultProfile] = {profile.name: profile for profile in _ALL}


def faults(names: Iterable[str], seed: int) -> list[UnitFaults]:
    """What some profiles do, to one unit, in the order of their names in the table.

    Args:
        names: Of profiles.
        seed: When what happens, follows from it.

    Raises:
        KeyError: There is no such profile.
    """
    chosen = {PROFILES[name].name for name in names}
    return [fault for profile in _ALL if profile.name in chosen for fault in profile.make(seed)]
