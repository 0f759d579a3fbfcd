"""How bytes get to a device and back. Nothing here knows what they mean."""

from __future__ import annotations

from rct_collector.transport.base import READ_BYTES, Line, Opener
from rct_collector.transport.tcp import is_address, open_tcp

__all__ = ["OPENERS", "READ_BYTES", "Line", "Opener", "is_address", "open_tcp"]

#: Scheme of an address → how its line is opened.
OPENERS: dict[str, Opener] = {"tcp": open_tcp}
