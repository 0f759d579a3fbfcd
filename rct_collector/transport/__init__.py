"""How bytes get to a device and back. Nothing here knows what they mean."""

from __future__ import annotations

from rct_collector.transport.base import Line, Opener
from rct_collector.transport.tcp import is_address, open_tcp

__all__ = ["OPENERS", "Line", "Opener", "is_address", "open_tcp"]

#: Scheme of an address → how its line is opened.
OPENERS: dict[str, Opener] = {"tcp": open_tcp}
