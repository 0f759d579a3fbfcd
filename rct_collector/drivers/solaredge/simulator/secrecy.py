"""What a simulated unit does to encrypt: it offers sessions, and puts its frames into others."""

from __future__ import annotations

from rct_collector.drivers.chance import key, octets
from rct_collector.drivers.solaredge.checksum import crc16
from rct_collector.drivers.solaredge.crypto import KEY_BYTES, Tunnel, UnitKey
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.functions import ENCRYPTED, SESSION_KEY
from rct_collector.drivers.solaredge.request import SERVER
from rct_collector.drivers.solaredge.simulator.outbox import Outbox

#: Seconds after which a session key is renewed.
_SESSION_S = 6 * 3600.0


class Secrecy:
    """The sessions of one unit; of one that does not encrypt there are none.

    Attributes:
        session: The one that goes on; None while there is none.
        offered: The one that was offered, and was not acknowledged yet.
    """

    def __init__(self, outbox: Outbox, secret: bytes | None, *, of: int) -> None:
        """Begin without a session.

        Args:
            outbox: What the unit has to tell.
            secret: Its key, 16 bytes; None for one that does not encrypt.
            of: What looks like chance follows from it.
        """
        self.session: Tunnel | None = None
        self.offered: Tunnel | None = None
        self._outbox, self._own = outbox, of
        self._secret = UnitKey(secret) if secret else None
        self._renew_at = 0.0

    def is_wanted(self, now: float) -> bool:
        """Whether a session is to be offered before anything else is said."""
        return self._secret is not None and (self.session is None or self._renew_at <= now)

    def offer(self, now: float) -> bytes:
        """Offer a new session: the payload of the frame."""
        assert self._secret is not None  # noqa: S101 - or no session would be wanted
        random = octets(2 * KEY_BYTES, key(self._own, "offer", self._outbox.observed.offers))
        first, second = random[:KEY_BYTES], random[KEY_BYTES:]
        session = bytes(a ^ b for a, b in zip(self._secret.encrypt(first), second, strict=True))
        self.offered, self._renew_at = Tunnel(UnitKey(session)), now + _SESSION_S
        self.session = None
        self._outbox.observed.offers += 1
        return random + crc16(session).to_bytes(2, "little")

    def begin(self) -> None:
        """The session that was offered was acknowledged."""
        self.session, self.offered = self.offered, None

    def sealed(self, frame: Frame) -> bytes:
        """The bytes of a frame; within another one, where a session goes on."""
        data = assemble(frame)
        if self.session is None or frame.function == SESSION_KEY:
            return data
        counter, payload = self.session.seal(data)
        outer = counter + 1000 & 0xFFFF
        return assemble(Frame(outer, self._outbox.id, SERVER, ENCRYPTED, payload))

    def opened(self, frame: Frame) -> list[Frame]:
        """What is within a frame, of the session that goes on or was offered; else nothing."""
        for tunnel in (self.offered, self.session):
            inner = tunnel.open(frame.payload) if tunnel else None
            if inner is not None:
                return [item for item in FrameReader().feed(inner) if isinstance(item, Frame)]
        return []
