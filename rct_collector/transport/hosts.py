"""Hosts and ports, as they stand in addresses."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping

from rct_collector.option import Invalid

_HOST_AND_PORT = re.compile(r"(\[[^][/?#@]*\]|[^][/?#@:]*)(?::([^][/?#@:]*))?/?")
_PORT = re.compile(r"[0-9]{1,5}")
_HOST_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?")
_ZONE_INDEX = re.compile(r"[A-Za-z0-9_.-]+")

#: An IPv4 address in the form of IPv6 begins so (RFC 4291, 2.5.5.2).
_MAPPED = bytes(10) + b"\xff\xff"


def part(text: str) -> tuple[str, str | None] | None:
    """``host``, ``host:port``, ``[IPv6]:port`` → host as it is written, and port if there is one.

    Returns:
        None for anything else.
    """
    match = _HOST_AND_PORT.fullmatch(text)
    return (match[1], match[2]) if match else None


def read_port(text: str | None, defaults: Mapping[str, str], right: str) -> int:
    """A port.

    Args:
        text: As it is written, if it is.
        defaults: Its ``port`` is taken where none is written.
        right: An address that would be right, for the message.

    Raises:
        Invalid: There is none, or it is none.
    """
    found = defaults.get("port", "") if text is None else text
    if not _PORT.fullmatch(found) or not 1 <= int(found) <= 65535:
        raise Invalid(f"{right}, with a port from 1 to 65535")
    return int(found)


def read_host(text: str) -> str | None:
    """A host in the one form in which two of them can be compared, or None for none.

    Returns:
        Name in lower case, or IP address in its shortest form, without brackets.
    """
    if not text.startswith("[") and not re.fullmatch("[0-9.]+", text):
        return text.lower() if _HOST_NAME.fullmatch(text) else None
    family = socket.AF_INET6 if text.startswith("[") else socket.AF_INET
    address, percent, zone = text.strip("[]").partition("%")
    try:
        short = socket.inet_ntop(family, socket.inet_pton(family, address))
    except (OSError, ValueError):
        return None
    return short + percent + zone if not percent or _ZONE_INDEX.fullmatch(zone) else None


def is_ip(host: str) -> bool:
    """Whether a host, as :func:`read_host` gives it, is an IP address and no name."""
    return ":" in host or re.fullmatch("[0-9.]+", host) is not None


def identity(host: str) -> str:
    """What all ways to write one host have in common, as far as that is certain.

    Args:
        host: Name, or IP address without brackets.
    """
    if ":" not in host:
        try:  # as the C library reads it: 0x7f.1 is 127.0.0.1
            return socket.inet_ntoa(socket.inet_aton(host))
        except OSError:
            return host.lower().rstrip(".")
    if "%" not in host:
        packed = socket.inet_pton(socket.AF_INET6, host)
        if packed.startswith(_MAPPED):
            return socket.inet_ntoa(packed.removeprefix(_MAPPED))
    return host


def joined(host: str, port: int | None) -> str:
    """Host and port as they are written together, or the host alone."""
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def split(place: str) -> tuple[str, int]:
    """The host, without brackets, and the port of what :func:`joined` has made."""
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)
