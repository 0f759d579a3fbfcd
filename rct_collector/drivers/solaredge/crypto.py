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

The package ``cryptography`` does the work; it is loaded when the first unit needs it.

A unit goes on with its session for hours or days, so it has to be understood after a restart as
well. What is kept for that is the offer that it made, from which the session key follows with the
key of the unit only: without the configuration it opens nothing. It is kept once a frame of that
session has come; who only claims to be the unit has nothing written, and drives out no session that
works. Who repeats what a unit once said cannot be told from it, so several sessions are known: of
somebody who has recorded no more than those each is written once, and none is driven out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

from rct_collector.drivers.solaredge.checksum import crc16
from rct_collector.drivers.solaredge.frame import MAGIC
from rct_collector.errors import CollectorError

if TYPE_CHECKING:
    from rct_collector.drivers.base import Vault

KEY_BYTES = 16
_A, _B, _CHECK = slice(0, 16), slice(16, 32), slice(32, 34)
OFFER_BYTES = 34

_IV, _COUNTER, _MASK = 16, 2, 4

#: Sessions of one unit that work, and as many that were only offered: a few days of them.
MOST_SESSIONS = 8

#: What is kept of a session: the unit, and its offer with the mark of the session key.
_UNIT = re.compile("[0-9A-F]{8}")
_KEPT = re.compile(f"[0-9a-f]{{{2 * (OFFER_BYTES + KEY_BYTES)}}}")

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

    def mark(self, session: UnitKey) -> bytes:
        """Sixteen bytes that tell whether a session key is one of this unit, and nothing else."""
        return self.encrypt(session._data)

    def agrees(self, offer: bytes) -> bool:
        """Whether the checksum in an offer is that of this session key, as far as is known."""
        value = crc16(self._data)
        return offer[_CHECK] in (value.to_bytes(2, "little"), value.to_bytes(2, "big"))


class Tunnel:
    """Frames within frames, with the key of one session.

    Attributes:
        offer: What the session key follows from; nothing where that does not matter.
        is_proven: A frame of the session has come.
    """

    def __init__(self, key: UnitKey, offer: bytes = b"", *, is_proven: bool = False) -> None:
        """Begin to count.

        Args:
            key: That of the session.
            offer: What it follows from.
            is_proven: A frame of the session has come before.
        """
        self.offer = offer
        self.is_proven = is_proven
        self._key = key
        self._counter = 0

    def has(self, key: UnitKey) -> bool:
        """Whether it is of the session with this key."""
        return self._key == key

    def marked_by(self, key: UnitKey) -> bytes:
        """What tells that it is a session of the unit with this key; see :meth:`UnitKey.mark`."""
        return key.mark(self._key)

    def open(self, payload: bytes) -> bytes | None:
        """The frame within a payload; None where it is of another session.

        Args:
            payload: That of a frame of the function ``ENCRYPTED``.
        """
        if len(payload) < WRAPPER + len(MAGIC):
            return None
        plain = self._key.stream(payload[:_IV], payload[_IV:])
        mask, inner = plain[_COUNTER : _COUNTER + _MASK], plain[_COUNTER + _MASK :]
        # Looked at before the rest is: a payload may be tried with several keys.
        return _xor(inner, mask) if _xor(inner[: len(MAGIC)], mask) == MAGIC else None

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
    """The sessions that units have offered, on whichever line: they outlive a connection.

    Attributes:
        offers: Unit → how often it has offered a session since the last frame of one.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self.offers: dict[int, int] = {}
        self._by_unit: dict[int, list[Tunnel]] = {}
        self._kept: dict[int, bytes] = {}
        self._keys: Mapping[int, UnitKey] = {}
        self._vault: Vault | None = None

    def keep_in(self, vault: Vault, keys: Mapping[int, UnitKey]) -> None:
        """Take up what an earlier process has kept, and keep sessions from now on.

        What is of units that have no key any more is forgotten, and so is what is no offer at all.

        Args:
            vault: Where; only the first one counts.
            keys: Those of all units that encrypt.
        """
        if self._vault is not None:
            return
        self._vault, self._keys = vault, keys
        found = vault.load()
        self._kept = {unit: kept for unit, kept in _sessions(found) if unit in keys}
        if found and found != self._content():
            vault.keep(self._content())

    def offered(self, unit: int, key: UnitKey, offer: bytes) -> Tunnel:
        """A new session, or one that is known: an offer that was not answered comes again.

        Those before it are known on: the answer may get lost, and somebody else may have offered.

        Args:
            unit: Id of the unit.
            key: That of the session.
            offer: What it follows from.
        """
        self.offers[unit] = self.offers.get(unit, 0) + 1
        known = self._known(unit)
        for tunnel in known:
            if tunnel.has(key):
                return tunnel
        made = Tunnel(key, offer)
        self._by_unit[unit] = list(_newest([made, *known]))
        return made

    def opened(self, unit: int, payload: bytes) -> tuple[Tunnel, bytes] | None:
        """What opens a payload, and what is in it; None where nothing does."""
        known = self._known(unit)
        for tunnel in known:
            inner = tunnel.open(payload)
            if inner is not None:
                self.offers[unit] = 0
                if not any(newer.is_proven for newer in known[: known.index(tunnel) + 1]):
                    self._keep(unit, tunnel)
                tunnel.is_proven = True
                return tunnel, inner
        return None

    def _known(self, unit: int) -> list[Tunnel]:
        """The sessions of a unit, the last one first; that of an earlier process among them."""
        known = self._by_unit.get(unit)
        if known is None and unit in self._kept:
            known = self._by_unit[unit] = self._taken_up(unit, self._keys[unit])
        return known or []

    def _taken_up(self, unit: int, key: UnitKey) -> list[Tunnel]:
        """The session that was kept of a unit, if it fits its key; else it is forgotten."""
        offer, mark = self._kept[unit][:OFFER_BYTES], self._kept[unit][OFFER_BYTES:]
        try:
            session = key.session(offer)
            if key.mark(session) == mark:
                return [Tunnel(session, offer, is_proven=True)]
        except MissingCryptographyError:  # told with the next offer
            return []
        del self._kept[unit]
        self._store()
        return []

    def _keep(self, unit: int, tunnel: Tunnel) -> None:
        """Keep the last session of a unit that works."""
        if unit in self._keys:
            self._kept[unit] = tunnel.offer + tunnel.marked_by(self._keys[unit])
            self._store()

    def _store(self) -> None:
        if self._vault is not None:
            self._vault.keep(self._content())

    def _content(self) -> dict[str, Any]:
        return {"sessions": {f"{unit:08X}": kept.hex() for unit, kept in self._kept.items()}}


def _newest(tunnels: Iterable[Tunnel]) -> Iterator[Tunnel]:
    """Those of one unit, the last one first, without what is too many of either kind."""
    room = {True: MOST_SESSIONS, False: MOST_SESSIONS}
    for tunnel in tunnels:
        if room[tunnel.is_proven]:
            room[tunnel.is_proven] -= 1
            yield tunnel


def _sessions(found: Mapping[str, Any]) -> Iterator[tuple[int, bytes]]:
    """Unit, offer and mark, of a file that may say anything."""
    sessions = found.get("sessions")
    for unit, kept in sessions.items() if isinstance(sessions, dict) else ():
        if _UNIT.fullmatch(unit) and isinstance(kept, str) and _KEPT.fullmatch(kept):
            yield int(unit, 16), bytes.fromhex(kept)


def _xor(data: bytes, mask: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(data, cycle(mask), strict=False))
