"""A unit that calls home: it connects, says what it has to say, and waits for each reply.

One request is out at a time: an offer of a session key, a question for the time, or a post. What
is not replied to is said again, and after some times the unit hangs up and calls anew. When it has
nothing to say it says that, twice a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from struct import unpack

from rct_collector.drivers.chance import Range, between, fraction, key
from rct_collector.drivers.solaredge.frame import Frame, FrameReader
from rct_collector.drivers.solaredge.functions import (
    ACK,
    ASK_TIME,
    ENCRYPTED,
    POST,
    SESSION_KEY,
    TIME,
)
from rct_collector.drivers.solaredge.request import SERVER
from rct_collector.drivers.solaredge.simulator import bodies
from rct_collector.drivers.solaredge.simulator.outbox import Outbox
from rct_collector.drivers.solaredge.simulator.secrecy import Secrecy
from rct_collector.drivers.tools import Access, Cut

#: Seconds that a reply is waited for, and how many times the same is said.
REPLY_S, TRIES = 10.0, 3

#: Seconds after which a unit with nothing to say says so.
HEARTBEAT_S = 30.0

#: Seconds between two questions for the time.
_TIME_S = 3600.0

#: A clock that is wrong by more is set.
_TOLERANCE_S = 2.0

#: Offsets of event 1: the clock was set.
_CLOCK_SET = 1

_TIME_BYTES = 8


class SolarEdgeCaller:
    """One inverter that calls home. No I/O: bytes and times go in, bytes and times come out.

    Attributes:
        outbox: What it has to tell.
        told_times: What it was told the time is, and the offset of the zone.
        keeps_sessions: A session of one that encrypts outlives each connection; else half of them.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        seed: int = 0,
        zone_s: int = 0,
        secret: bytes | None = None,
        latency: Range = Range(0.020, 0.150),
    ) -> None:
        """Let a unit call.

        Args:
            outbox: What it has to tell.
            seed: Latencies and whims follow from it.
            zone_s: How far its zone is ahead of UTC.
            secret: Its key, 16 bytes; None for one that does not encrypt.
            latency: Least and most seconds until it says the next thing.
        """
        self.outbox = outbox
        self.told_times: list[tuple[int, int]] = []
        self.keeps_sessions = False
        self._latency, self._zone_s = latency, zone_s
        self._key = key(seed, "home", outbox.id)
        self._now = 0.0
        self._client: int | None = None
        self._clients = self._said = self._unanswered = 0
        self._reader = FrameReader()
        self._secrecy = Secrecy(outbox, secret, of=self._key)
        self._ask_time_at = inf
        self._out: tuple[int, set[int]] | None = None  # function and numbers of what is out
        self._speaks_at = self._waits_until = self._quiet_since = 0.0
        self._cut: Cut | None = None

    @property
    def unit(self) -> object:
        """The inverter itself."""
        return self.outbox.unit

    @property
    def request_count(self) -> int:
        """Frames that have come so far."""
        seen = self.outbox.observed
        return seen.answers + seen.strange

    # -- connections ---------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Put it into operation."""
        self._now = max(now, self._now)
        self.outbox.start(now)

    def connect(self) -> int:
        """A connection is made; an old one is forgotten."""
        self._clients += 1
        self._client = self._clients
        self._reader.reset()
        self._speaks_at, self._out, self._unanswered = self._now, None, 0
        if self._whim(1) < 0.5 and not self.keeps_sessions:  # noqa: PLR2004
            self._secrecy.session = None
        first = self._whim(2) < 0.5  # noqa: PLR2004 - some ask for the time first
        soon = self._now if first else self._now + HEARTBEAT_S
        self._ask_time_at = min(self._ask_time_at, soon)
        return self._client

    def disconnect(self, client: int) -> None:
        """A connection is over."""
        if client == self._client:
            self._client = None

    def access(self, now: float) -> Access:
        """Whether a connection can be made at present."""
        return self.outbox.faults.access(now)

    def take_cut(self) -> Cut | None:
        """How the connection ends now; None if it does not."""
        cut, self._cut = self._cut, None
        return cut

    # -- what it says --------------------------------------------------------------------------

    def next_due(self) -> float | None:
        """When :meth:`pull` will have something."""
        dues = [self.outbox.faults.next_due()]
        if self._client is not None:
            dues.append(self._waits_until if self._out else self._next_word())
        return min((due for due in dues if due is not None), default=None)

    def _next_word(self) -> float:
        """When it says something by itself."""
        waits = self.outbox.waiting or self._ask_time_at <= self._now
        if waits or self._secrecy.is_wanted(self._now):
            return self._speaks_at
        record = self.outbox.line_time(self.outbox.unit.next_due)
        return max(self._speaks_at, min(record, self._quiet_since + HEARTBEAT_S))

    def pull(self, now: float) -> list[bytes]:
        """The pieces that are due."""
        self.start(now)
        self.outbox.gather(now)
        found = [self.outbox.faults.unasked(now)]
        self._cut = self.outbox.faults.cut(now) or self._cut
        if self._client is not None and self.access(now) is Access.OPEN and not self._cut:
            if self._out and self._waits_until <= now:
                found += self._once_more(now)
            elif not self._out and self._next_word() <= now:
                found += self._speak(now)
        return [data for data in found if data] if self.access(now) is Access.OPEN else []

    def _speak(self, now: float) -> list[bytes]:
        """Say the next thing."""
        self._unanswered = 0
        if self._secrecy.is_wanted(self._now):
            return self._say(SESSION_KEY, now)
        if self._ask_time_at <= now:
            return self._say(ASK_TIME, now)
        return self._say(POST, now)

    def _once_more(self, now: float) -> list[bytes]:
        """Say the same again, or hang up."""
        self._unanswered += 1
        if self._unanswered >= TRIES:
            self._secrecy.session, self._out, self._cut = None, None, Cut.RESET
            return []
        function = self._out[0] if self._out else POST
        return self._say(function, now)

    def _say(self, function: int, now: float) -> list[bytes]:
        """Send one request, whose reply is waited for from now on."""
        frame = self._request(function, now)
        numbers = self._out[1] if self._out and self._out[0] == function else set()
        self._out = function, numbers | {frame.sequence}
        self._waits_until, self._quiet_since = now + REPLY_S, now
        self._said += 1
        data = self._secrecy.sealed(frame)
        arrives = self.outbox.faults.on_frame(data, now)
        if function == POST:
            self.outbox.left(now, whole=data in arrives)
        return [arrives]

    def _request(self, function: int, now: float) -> Frame:
        if function == POST:
            frame = self.outbox.post()
            return frame._replace(payload=self.outbox.faults.on_payload(frame.payload, now))
        payload = self._secrecy.offer(now) if function == SESSION_KEY else b""
        return Frame(self.outbox.number(), self.outbox.id, SERVER, function, payload)

    # -- what it hears -------------------------------------------------------------------------

    def receive(self, client: int, data: bytes, now: float) -> None:
        """Take bytes of the server, cut anywhere."""
        self.start(now)
        if client != self._client or self.access(now) is not Access.OPEN:
            return
        for item in self._reader.feed(data):
            for frame in self._opened(item) if isinstance(item, Frame) else ():
                left = self.outbox.faults.on_reply(frame, now)
                if left is not None:
                    self._heard(left, now)
            if not isinstance(item, Frame):
                self.outbox.observed.unreadable += 1

    def _opened(self, frame: Frame) -> Iterable[Frame]:
        """A frame, or what is within it; a session that is offered begins with its first reply."""
        if frame.function != ENCRYPTED:
            return [frame]
        found = self._secrecy.opened(frame)
        self.outbox.observed.unreadable += not found
        return found

    def _heard(self, frame: Frame, now: float) -> None:
        """Take a reply, if it is one to what is out."""
        function, numbers = self._out or (0, ())
        wanted = TIME if function == ASK_TIME else ACK
        if frame.function not in (ACK, TIME):
            self.outbox.observed.writes += 1
        if frame.function != wanted or frame.sequence not in numbers:
            self.outbox.observed.strange += 1
            return
        self.outbox.observed.answers += 1
        self._out = None
        self._speaks_at = now + between(*self._latency, self._key, self._said)
        _TAKERS[function](self, frame, now)

    def _take_ack(self, frame: Frame, now: float) -> None:
        """A post was acknowledged."""
        self.outbox.acknowledged(frame.sequence, now)

    def _take_session(self, _frame: Frame, _now: float) -> None:
        """The session that was offered begins."""
        self._secrecy.begin()

    def _take_time(self, frame: Frame, now: float) -> None:
        """Set the clock, if it is wrong, and say so."""
        self._ask_time_at = now + _TIME_S
        if len(frame.payload) != _TIME_BYTES:
            return
        utc, zone = unpack("<Ii", frame.payload)
        self.told_times.append((utc, zone))
        self.outbox.observed.times += 1
        unit, unix = self.outbox.unit, self.outbox.unix(now)
        old = unix + unit.clock
        if abs(utc - old) > _TOLERANCE_S:
            unit.clock = utc - unix
            event = bodies.event(unit.id, utc, _CLOCK_SET, int(old), zone, utc, 0, 0)
            self.outbox.keep([event], unix)

    def _whim(self, which: int) -> float:
        return fraction(self._key ^ which, self._clients)


#: What is out → what its reply does.
_TAKERS: dict[int, Callable[[SolarEdgeCaller, Frame, float], None]] = {
    POST: SolarEdgeCaller._take_ack,  # noqa: SLF001 - of this module
    SESSION_KEY: SolarEdgeCaller._take_session,  # noqa: SLF001
    ASK_TIME: SolarEdgeCaller._take_time,  # noqa: SLF001
}
