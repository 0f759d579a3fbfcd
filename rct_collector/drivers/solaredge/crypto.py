"""Encryption of units that encrypt: session keys, and frames within frames.

A unit has a key of 16 bytes, which never changes. With each session it sends 34 bytes: 16 random
ones (A), 16 others (B), and two of a checksum; the session key is A, encrypted with the unit's key,
xor B. From then on its frames come within others::

    16 bytes   start of the counter, random, clear
    ss         number that the sender counts    ┐
    mmmm       mask, random                     │ AES-128 in counter mode
    ...        a whole frame, xor the mask      ┘

Sources: what is known in public, with a worked example that two implementations agree on. That the
checksum is that of frames, over the session key, is not certain: nothing depends on it.

The package ``cryptography`` does the work; it is loaded when the first unit needs it. Session keys
are kept by the process alone: after a restart a unit is understood again once it offers the next.
"""

from __future__ import annotations

from itertools import cycle

from rct_collector.drivers.solaredge.checksum import crc16
from rct_collector.drivers.solaredge.frame import MAGIC
from rct_collector.errors import CollectorError

KEY_BYTES = 16
_A, _B, _CHECK = slice(0, 16), slice(16, 32), slice(32, 34)
OFFER_BYTES = 34

_IV, _COUNTER, _MASK = 16, 2, 4

#: Bytes of what wraps a frame.
WRAPPER = _IV + _COUNTER + _MASK


class MissingCryptographyError(CollectorError):
    """The package that decrypts is not installed."""


class UnitKey:
    """Sixteen bytes that nobody is shown."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        """Keep it.

        Raises:
            ValueError: It has not 16 bytes.
        """
        if len(data) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, and this one {len(data)}")
        self._data = data

    def __repr__(self) -> str:
        """Never what it is."""
        return "UnitKey(…)"

    def __eq__(self, other: object) -> bool:
        """Whether both are the same, so that a configuration can be compared."""
        return isinstance(other, UnitKey) and self._data == other._data

    def __hash__(self) -> int:
        """As it has to be of what can be equal."""
        return hash(self._data)

    def encrypt(self, block: bytes) -> bytes:
        """Encrypt one block of 16 bytes: the first of the stream that begins with it.

        Raises:
            MissingCryptographyError: The package is not installed.
        """
        return self.stream(block, bytes(KEY_BYTES))

    def stream(self, start: bytes, data: bytes) -> bytes:
        """Encrypt or decrypt in counter mode.

        Args:
            start: Of the counter, 16 bytes, which runs through 128 bits and over.
            data: Any number of bytes.

        Raises:
            MissingCryptographyError: The package is not installed.
        """
        try:
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
        except ImportError as error:
            raise MissingCryptographyError(
                "units that encrypt need the package cryptography: install python3-cryptography,"
                " or rct-collector[solaredge]"
            ) from error
        return Cipher(algorithms.AES(self._data), modes.CTR(start)).encryptor().update(data)

    def session(self, offer: bytes) -> UnitKey:
        """The key of the session that a unit offers.

        Args:
            offer: 34 bytes.
        """
        return UnitKey(_xor(self.encrypt(offer[_A]), offer[_B]))

    def agrees(self, offer: bytes) -> bool:
        """Whether the checksum in an offer is that of this session key, as far as is known."""
        value = crc16(self._data)
        return offer[_CHECK] in (value.to_bytes(2, "little"), value.to_bytes(2, "big"))


class Tunnel:
    """Frames within frames, with the key of one session."""

    def __init__(self, key: UnitKey) -> None:
        """Begin to count.

        Args:
            key: That of the session.
        """
        self._key = key
        self._counter = 0

    def has(self, key: UnitKey) -> bool:
        """Whether it is of the session with this key."""
        return self._key == key

    def open(self, payload: bytes) -> bytes | None:
        """The frame within a payload; None where it is of another session.

        Args:
            payload: That of a frame of the function ``ENCRYPTED``.
        """
        if len(payload) < WRAPPER + len(MAGIC):
            return None
        plain = self._key.stream(payload[:_IV], payload[_IV:])
        inner = _xor(plain[_COUNTER + _MASK :], plain[_COUNTER : _COUNTER + _MASK])
        return inner if inner.startswith(MAGIC) else None

    def seal(self, inner: bytes) -> tuple[int, bytes]:
        """Wrap a frame.

        Args:
            inner: The whole frame.

        Returns:
            The number that was counted, and the payload.
        """
        import secrets  # three megabytes, which only units that encrypt cost

        self._counter = (self._counter + 1) & 0xFFFF
        start, mask = secrets.token_bytes(_IV), secrets.token_bytes(_MASK)
        counted = self._counter.to_bytes(_COUNTER, "little")
        plain = counted + mask + _xor(inner, mask)
        return self._counter, start + self._key.stream(start, plain)


class Tunnels:
    """The session keys that units have offered, on whichever line: they outlive a connection."""

    def __init__(self) -> None:
        """Begin without any."""
        self.by_unit: dict[int, list[Tunnel]] = {}
        self.offers: dict[int, int] = {}

    def offered(self, unit: int, key: UnitKey) -> Tunnel:
        """A new session; the one before is kept, since a frame of it may be under way.

        Args:
            unit: Id of the unit.
            key: That of the session.
        """
        known = self.by_unit.setdefault(unit, [])
        if not known or not known[0].has(key):  # an offer that was not answered comes again
            self.by_unit[unit] = known = [Tunnel(key), *known][:2]
        self.offers[unit] = self.offers.get(unit, 0) + 1
        return known[0]

    def opened(self, unit: int, payload: bytes) -> tuple[Tunnel, bytes] | None:
        """What opens a payload, and what is in it; None where nothing does."""
        for tunnel in self.by_unit.get(unit, ()):
            inner = tunnel.open(payload)
            if inner is not None:
                self.offers[unit] = 0
                return tunnel, inner
        return None


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, cycle(mask), strict=False))
