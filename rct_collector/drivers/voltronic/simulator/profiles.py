"""What can go wrong between a unit and its client, in small classes, and named ones of them.

They combine: each is a :class:`.LineFaults`, and a line takes any number of them. Whether a fault
happens to an answer follows from the seed and the millisecond of its request.

Sources: reports of users of other collectors: late and cut answers, echoes, line feeds instead of
carriage returns, checksums that are not escaped, dashes in place of numbers, refusals of requests
that were damaged, garbage between frames, USB devices that vanish and come back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from rct_collector.drivers.chance import Daily, Range, Windows, between, fraction, key, octets
from rct_collector.drivers.tools import Access, Cut, FaultProfile
from rct_collector.drivers.voltronic.simulator import framing
from rct_collector.drivers.voltronic.simulator.answer import Saying
from rct_collector.drivers.voltronic.simulator.faults import LineFaults, LineView, Outgoing

_HOUR = 3600.0
_DAY = 24 * _HOUR


class ByChance(LineFaults):
    """A fault that happens to a share of all requests."""

    def __init__(self, rate: float = 1.0, *, seed: int = 0) -> None:
        """Set the odds.

        Args:
            rate: Share of the requests, 0 … 1.
            seed: Which of them, follows from it.
        """
        self._rate = rate
        self._own = key(seed, type(self).__name__)

    def hits(self, now: float) -> bool:
        """Whether it happens to a request that came at ``now``."""
        return fraction(self._own, round(now * 1000.0)) < self._rate

    def pick(self, low: int, high: int, now: float) -> int:
        """One of the numbers from ``low`` to below ``high``, for what differs from hit to hit."""
        return low + int((high - low) * fraction(self._own ^ 1, round(now * 1000.0)))


class AlteredFrame(ByChance):
    """A fault of the bytes of an answer."""

    def on_frame(self, frame: Outgoing, now: float) -> Outgoing:
        """Alter it, if it hits."""
        return self.alter(frame, now) if frame.data and self.hits(now) else frame

    def alter(self, frame: Outgoing, now: float) -> Outgoing:
        """What becomes of it."""
        raise NotImplementedError


class Lost(AlteredFrame):
    """Nothing is said."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:  # noqa: ARG002 - whatever it was
        """Say nothing."""
        return frame._replace(data=b"")


class Shortened(AlteredFrame):
    """The answer ends midway, at the latest within its checksum."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:
        """Cut it."""
        length = self.pick(1, max(len(frame.data) - 1, 2), now)
        return frame._replace(data=frame.data[:length])


class Doubled(AlteredFrame):
    """The answer comes twice."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:  # noqa: ARG002 - always the same
        """Say it twice."""
        return frame._replace(data=frame.data * 2)


class EchoedRequest(AlteredFrame):
    """The request comes back: before the answer, or in place of it."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:
        """Repeat it."""
        if self.pick(0, 2, now):
            return frame._replace(data=frame.request + frame.data)
        return frame._replace(data=frame.request)


class WrongByte(AlteredFrame):
    """One byte is wrong, anywhere before the end."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:
        """Change it, into none that ends a line."""
        place = self.pick(0, max(len(frame.data) - 1, 1), now)
        byte = frame.data[place] ^ (1 if frame.data[place] not in b"\x0b\x0c" else 0x20)
        data = frame.data[:place] + bytes((byte,)) + frame.data[place + 1 :]
        return frame._replace(data=data)


class Unescaped(AlteredFrame):
    """The checksum is sent as it is, even if it looks like an end or a beginning."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:  # noqa: ARG002 - always the same
        """Spell it so."""
        data = framing.frame(frame.answer.text, framing.Spelling.PLAIN)
        return frame._replace(data=data)


class LineFeed(AlteredFrame):
    """A line feed behind the carriage return, or in place of it."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:
        """End it so."""
        end = framing.LF if self.pick(0, 2, now) else framing.CR + framing.LF
        return frame._replace(data=frame.data[:-1] + end)


class Refusal(ByChance):
    """The request arrives damaged, so that the unit refuses it; perhaps without a checksum."""

    def on_request(self, line: bytes, now: float) -> bytes | None:
        """Damage it."""
        if not line or not self.hits(now):
            return line
        return line[:-1] + bytes((line[-1] ^ 0x40,))

    def on_frame(self, frame: Outgoing, now: float) -> Outgoing:
        """Leave the checksum out."""
        if frame.answer.refused and self.hits(now) and self.pick(0, 2, now):
            return frame._replace(data=frame.answer.text.encode("ascii") + framing.CR)
        return frame


class Dashes(ByChance):
    """The unit does not know one of its numbers, and says so."""

    def on_answer(self, answer: Saying, now: float) -> Saying | None:
        """Put dashes there."""
        return answer.unknown(self.pick(0, 64, now)) if self.hits(now) else answer


class LateAnswer(ByChance):
    """The answer begins later, mostly when nobody waits for it any more."""

    def __init__(
        self, rate: float = 1.0, *, seed: int = 0, lasting: Range = Range(1.0, 9.0)
    ) -> None:
        """Set the odds.

        Args:
            rate: See the base class.
            seed: See the base class.
            lasting: Least and most seconds.
        """
        super().__init__(rate, seed=seed)
        self._lasting = lasting

    def delay(self, now: float) -> float:
        """Some seconds, if it hits."""
        return between(*self._lasting, self._own, round(now)) if self.hits(now) else 0.0


class InFrame(AlteredFrame):
    """Garbage within an answer, or before it."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:
        """Put it there."""
        place = self.pick(0, len(frame.data) - 1, now)
        garbage = _garbage(3, self._own ^ round(now * 1000.0))
        data = frame.data[:place] + garbage + frame.data[place:]
        return frame._replace(data=data)


class LostConsent(AlteredFrame):
    """A "yes" to what sets something is not heard; it is set all the same."""

    def alter(self, frame: Outgoing, now: float) -> Outgoing:  # noqa: ARG002 - always the same
        """Say nothing."""
        return frame._replace(data=b"") if frame.answer.text in _CONSENTS else frame


class RefusedOrder(ByChance):
    """What sets something is refused, as over USB where RS232 would do."""

    def on_request(self, line: bytes, now: float) -> bytes | None:
        """Damage it."""
        if not _ORDERS.match(line) or not self.hits(now):
            return line
        return line[:-1] + bytes((line[-1] ^ 0x40,))


#: What is said to what sets something, and how that begins.
_CONSENTS = ("(ACK", "^1")
_ORDERS = re.compile(rb"\^S|P[A-PR-Z]|MU?N?CHGC|F[56]0|V\d")


class Windowed(LineFaults):
    """A fault that has windows of time.

    Attributes:
        windows: They, once the line is known.
    """

    windows: Windows

    def __init__(self) -> None:
        """Sleep until the line starts."""
        self._seen: float | None = None

    def plan(self, line: LineView, now: float) -> Windows:
        """The windows."""
        raise NotImplementedError

    def on_start(self, line: LineView, now: float) -> None:
        """Plan."""
        self.windows = self.plan(line, now)
        self._seen = now

    def next_due(self) -> float | None:
        """The next begin or end."""
        return None if self._seen is None else self.windows.next_edge(self._seen)

    def begun(self, now: float) -> bool:
        """Whether a window has begun since the last call, which moves :meth:`next_due`."""
        if self._seen is None or now <= self._seen:
            return False
        latest = self.windows.latest(now)
        found = latest is not None and latest > self._seen
        self._seen = now
        return found


class NowAndThen(Windowed):
    """Something that comes at times of its own."""

    def __init__(self, every: float, lasting: Range = Range(0.0, 0.0), *, seed: int = 0) -> None:
        """Set the odds.

        Args:
            every: Seconds from one to the next, on the average.
            lasting: Least and most seconds that it lasts.
            seed: The times follow from it.
        """
        super().__init__()
        self._every, self._lasting = every, lasting
        self._of = key(seed, type(self).__name__)

    def plan(self, line: LineView, now: float) -> Windows:  # noqa: ARG002 - of any line
        """See the base class."""
        return Windows(self._every, self._lasting, of=self._of, origin=now)


class Garbage(NowAndThen):
    """Bytes that nobody asked for."""

    def unasked(self, now: float) -> bytes:
        """Up to two dozen of them."""
        if not self.begun(now):
            return b""
        of = self._of ^ round(now * 1000.0)
        return _garbage(1 + int(24 * fraction(of)), of)


class Unplugged(NowAndThen):
    """The plug is pulled, and put in again."""

    def access(self, now: float) -> Access:
        """Nobody is let in meanwhile."""
        return Access.REFUSED if self.windows.at(now) else Access.OPEN

    def cut(self, now: float) -> Cut | None:
        """All connections end."""
        return Cut.RESET if self.begun(now) else None


class NightOff(Windowed):
    """The unit is off from ten at night to half past five, by its own clock."""

    _BEGIN, _END = 22.0, 5.5

    def plan(self, line: LineView, now: float) -> Windows:
        """See the base class."""
        unix = line.unit_time(now)
        begin = unix + (self._BEGIN - line.hour(unix)) * _HOUR
        second = line.line_time(unix + 1.0) - line.line_time(unix)
        lasts = (24.0 - self._BEGIN + self._END) * _HOUR * second
        return Daily(line.line_time(begin), lasts, _DAY * second)

    def access(self, now: float) -> Access:
        """All bytes vanish meanwhile."""
        return Access.SILENT if self.windows.at(now) else Access.OPEN

    def cut(self, now: float) -> Cut | None:
        """Nobody hears of it."""
        self.begun(now)
        return None


def _garbage(count: int, of: int) -> bytes:
    """Bytes as a disturbed line has them; a few of them look like those of frames."""
    return bytes(b"(^\rN0 1-"[byte % 8] if byte < 64 else byte for byte in octets(count, of))  # noqa: PLR2004


_ALL = (
    FaultProfile(
        "late",
        "One answer of ten comes one to nine seconds late.",
        lambda seed: (LateAnswer(0.1, seed=seed),),
    ),
    FaultProfile(
        "lost",
        "One request of ten is not answered.",
        lambda seed: (Lost(0.1, seed=seed),),
    ),
    FaultProfile(
        "cut",
        "One answer of ten ends midway.",
        lambda seed: (Shortened(0.1, seed=seed),),
    ),
    FaultProfile(
        "doubled",
        "One answer of ten comes twice.",
        lambda seed: (Doubled(0.1, seed=seed),),
    ),
    FaultProfile(
        "echo",
        "One request of ten comes back, before its answer or in place of it.",
        lambda seed: (EchoedRequest(0.1, seed=seed),),
    ),
    FaultProfile(
        "bad-crc",
        "One answer of ten has a wrong byte.",
        lambda seed: (WrongByte(0.1, seed=seed),),
    ),
    FaultProfile(
        "unescaped",
        "Checksums are sent as they are, whatever their bytes look like.",
        lambda seed: (Unescaped(seed=seed),),
    ),
    FaultProfile(
        "lf",
        "Half of the answers end with a line feed, or with both.",
        lambda seed: (LineFeed(0.5, seed=seed),),
    ),
    FaultProfile(
        "nak",
        "One request of ten arrives damaged and is refused, some without a checksum.",
        lambda seed: (Refusal(0.1, seed=seed),),
    ),
    FaultProfile(
        "noise",
        "Garbage between the answers, and in one of twenty.",
        lambda seed: (InFrame(0.05, seed=seed), Garbage(12.0, seed=seed)),
    ),
    FaultProfile(
        "dashes",
        "In a third of the answers a number is unknown.",
        lambda seed: (Dashes(0.33, seed=seed),),
    ),
    FaultProfile(
        "set-unheard",
        "What is set is set, but the answer that says so is lost.",
        lambda seed: (LostConsent(seed=seed),),
    ),
    FaultProfile(
        "set-refused",
        "Whatever sets something is refused.",
        lambda seed: (RefusedOrder(seed=seed),),
    ),
    FaultProfile(
        "unplug",
        "Every quarter of an hour the plug is out for up to a minute.",
        lambda seed: (Unplugged(900.0, Range(3.0, 60.0), seed=seed),),
    ),
    FaultProfile(
        "night",
        "The unit is off from ten at night to half past five.",
        lambda seed: (NightOff(),),  # noqa: ARG005 - no chance in it
    ),
    FaultProfile(
        "harsh",
        "A fifth of all answers is late, lost, cut, doubled, wrong or refused; and noise.",
        lambda seed: (
            Refusal(0.03, seed=seed),
            Dashes(0.03, seed=seed),
            LineFeed(0.1, seed=seed),
            Shortened(0.03, seed=seed),
            WrongByte(0.03, seed=seed),
            InFrame(0.02, seed=seed),
            EchoedRequest(0.03, seed=seed),
            Doubled(0.03, seed=seed),
            Lost(0.02, seed=seed),
            LateAnswer(0.03, seed=seed),
            Garbage(30.0, seed=seed),
        ),
    ),
)

#: Name → profile.
PROFILES: dict[str, FaultProfile] = {profile.name: profile for profile in _ALL}


def faults(names: Iterable[str], seed: int = 0) -> list[LineFaults]:
    """The faults of some profiles, in the order given.

    Args:
        names: Names in :data:`PROFILES`.
        seed: All that looks like chance follows from it.

    Raises:
        KeyError: No profile has that name.
    """
    return [fault for name in names for fault in PROFILES[name].make(key(seed, name))]
