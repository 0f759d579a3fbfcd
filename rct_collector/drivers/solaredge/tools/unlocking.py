"""Frames within frames of recorded or live lines, opened with the keys of their units."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rct_collector.drivers.solaredge.crypto import (
    OFFER_BYTES,
    MissingCryptographyError,
    Tunnels,
    UnitKey,
)
from rct_collector.drivers.solaredge.frame import Bad, Frame, FrameReader
from rct_collector.drivers.solaredge.functions import ENCRYPTED, SESSION_KEY
from rct_collector.drivers.solaredge.session import FIRST_SERVICE
from rct_collector.errors import CaptureError


class Unlocking:
    """Opens what units have encrypted, from the first offer of a session key on.

    Attributes:
        locked: Frames that could not be opened.
    """

    def __init__(self, keys: Mapping[int | None, UnitKey]) -> None:
        """Know the keys.

        Args:
            keys: Id of a unit → its key; that of None is of all others.
        """
        self.locked = 0
        self._keys = keys
        self._tunnels = Tunnels()

    def frames(self, items: Iterable[Frame | Bad]) -> Iterator[Frame | Bad]:
        """What was said, with what is in encrypted frames in their place, as far as it opens.

        Raises:
            CaptureError: The package that decrypts is not installed.
        """
        for item in items:
            if not isinstance(item, Frame) or item.source >= FIRST_SERVICE:
                yield item
            elif item.function == ENCRYPTED:
                yield from self._open(item)
            else:
                if item.function == SESSION_KEY and len(item.payload) == OFFER_BYTES:
                    self._offered(item)
                yield item

    def _offered(self, frame: Frame) -> None:
        key = self._keys.get(frame.source, self._keys.get(None))
        if key is None:
            return
        try:
            session = key.session(frame.payload)
        except MissingCryptographyError as error:
            raise CaptureError(str(error)) from error
        self._tunnels.offered(frame.source, session, frame.payload)

    def _open(self, frame: Frame) -> Iterator[Frame | Bad]:
        found = self._tunnels.opened(frame.source, frame.payload)
        if found is None:
            self.locked += 1
            return
        reader = FrameReader()
        yield from reader.feed(found[1])
        yield from reader.give_up()
