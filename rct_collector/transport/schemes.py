"""The one list of transports. Each is loaded when an address of it is used, and not before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any, cast

from rct_collector.errors import TransportError
from rct_collector.option import Invalid, shown
from rct_collector.transport.address import Address, Ways
from rct_collector.transport.base import Accept, Line, ListeningServer, Lost, Receive, Transport

#: Scheme → the module that offers :class:`rct_collector.transport.base.Transport`.
TRANSPORTS: Mapping[str, str] = {
    "tcp": "rct_collector.transport.tcp",
    "listen": "rct_collector.transport.listen",
    "serial": "rct_collector.transport.serial",
    "usb": "rct_collector.transport.usb",
    "hidraw": "rct_collector.transport.hidraw",
    "file": "rct_collector.transport.file",
}

#: Scheme and rest. One slash begins the path on this host, as two and none would (RFC 8089).
_URL = re.compile(r"(?s:([^:/]*)://(.*)|([a-z]+):(/.*))")


@cache
def transport(scheme: str) -> Transport:
    """Load a transport.

    Raises:
        KeyError: There is none of that scheme.
    """
    return cast("Transport", import_module(TRANSPORTS[scheme]))


def has_scheme(text: str) -> bool:
    """Whether a text says by which transport."""
    return _URL.fullmatch(text) is not None


def examples(ways: Ways) -> list[str]:
    """One address for each way, as a user may write it."""
    return [transport(scheme).example(defaults) for scheme, defaults in ways.items()]


def parse_address(value: Any, ways: Ways) -> Address:
    """``tcp://192.0.2.10:8899`` → an address.

    Args:
        value: What a user wrote.
        ways: How the device is reached, and what need not be written.

    Raises:
        Invalid: With what would be right.
    """
    found = _URL.fullmatch(value) if isinstance(value, str) else None
    scheme, rest = (found[1] or found[3] or "", found[2] or found[4] or "") if found else ("", "")
    if scheme in ways:
        return transport(scheme).parse(rest, ways[scheme])
    right = f"an address such as {' or '.join(examples(ways))}"
    if scheme in TRANSPORTS:
        taken = ", ".join(f"{way}://" for way in ways)
        raise Invalid(f"{right}; the driver takes {taken}, not {scheme}://")
    if found and found[1] is not None:
        raise Invalid(f"{right}; the scheme {shown(scheme)} is not known", scheme.lower(), ways)
    raise Invalid(right)


async def open_line(address: Address, receive: Receive, lost: Lost, timeout: float) -> Line:
    """Open a line by the transport of its address; see :meth:`.base.Transport.open_line`.

    Raises:
        TransportError: With words for people, also where the transport only reads addresses.
    """
    if is_dialled_in(address):
        raise TransportError(f"cannot open {address}: devices dial in there, nobody can be called")
    if not hasattr(found := transport(address.scheme), "open_line"):
        raise TransportError(
            f"cannot open {address}: nobody can be talked to at {address.scheme}://"
        )
    return await found.open_line(address, receive, lost, timeout)


def manner(settings: Mapping[str, str]) -> str:
    """What we are on the bus that an address leads to, in words; "" where it leads to none.

    Args:
        settings: The options of the address.
    """
    if "mode" not in settings:
        return ""
    from rct_collector.transport import bus  # few have one

    return bus.manner(settings)


def is_dialled_in(address: Address) -> bool:
    """Whether devices dial in at an address, in place of waiting there for us."""
    return hasattr(transport(address.scheme), "listen")


def is_recorded(address: Address) -> bool:
    """Whether there are recordings at an address, and nobody who could be talked to."""
    return hasattr(transport(address.scheme), "RECORDED")


async def listen_at(address: Address, accept: Accept) -> ListeningServer:
    """Wait for devices that dial in.

    Args:
        address: One of a transport that has ``listen``; see :func:`is_dialled_in`.
        accept: Takes each call.

    Raises:
        TransportError: With words for people.
    """
    module: Any = transport(address.scheme)
    return cast("ListeningServer", await module.listen(address, accept))
