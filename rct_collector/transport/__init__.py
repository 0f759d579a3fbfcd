"""How bytes get to a device and back. Nothing here knows what they mean.

A transport owns its addresses: how they are written, which of them are one line, and how that is
opened. It is a module of its own that :mod:`.schemes` lists, and its docstring tells the forms.
"""

from __future__ import annotations

from rct_collector.transport.address import Address, Ways
from rct_collector.transport.base import READ_BYTES, Accept, Line, Listen, ListeningServer, Opener
from rct_collector.transport.schemes import (
    TRANSPORTS,
    examples,
    has_scheme,
    is_dialled_in,
    is_recorded,
    listen_at,
    manner,
    open_line,
    parse_address,
    transport,
)

__all__ = [
    "READ_BYTES",
    "TRANSPORTS",
    "Accept",
    "Address",
    "Line",
    "Listen",
    "Opener",
    "ListeningServer",
    "Ways",
    "examples",
    "has_scheme",
    "is_dialled_in",
    "is_recorded",
    "listen_at",
    "manner",
    "open_line",
    "parse_address",
    "transport",
]
