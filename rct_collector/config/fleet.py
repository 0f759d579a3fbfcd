"""The section ``fleet`` of a configuration: how a process finds the others that share devices.

It stands in place of ``devices``, which such a fleet keeps at one place for all.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rct_collector.config.values import parse_path
from rct_collector.option import (
    UNFIT,
    Invalid,
    Shape,
    number,
    option,
    parse_interval,
    read_secret,
    shown,
    text_of,
)

#: Seconds. An engine grants no less, since its own members may take as long to agree on a leader.
SHORTEST_TTL_S = 2.0

#: Seconds. So long a device of a process that has died is asked by nobody.
LONGEST_TTL_S = 300.0

_PREFIX = re.compile(r"(?:/[A-Za-z0-9_.-]+)+")


def _parse_endpoints(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        raise Invalid("a list of addresses, such as [https://etcd1:2379]")
    found = tuple(_endpoint(item) for item in values)
    if len({item.partition("://")[0] for item in found}) > 1:
        raise Invalid("addresses that all begin with https://, or all with http://")
    if len(set(found)) < len(found):
        raise Invalid("addresses that differ")
    return found


def _endpoint(value: Any) -> str:
    """One address, with its port and without a slash at its end."""
    text = text_of(value) or ""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or 2379
    except ValueError:  # no port, or no address in brackets
        parts, host, port = urlsplit(""), None, 0
    is_whole = parts.scheme in ("http", "https") and host and parts.path in ("", "/")
    if not is_whole or parts.query or parts.fragment or UNFIT.search(text):
        raise Invalid(f"addresses such as https://etcd1:2379; {shown(value)} is none")
    if parts.username is not None:
        raise Invalid("addresses without a name and a password, which have options of their own")
    return f"{parts.scheme}://{f'[{host}]' if host and ':' in host else host}:{port}"


def _parse_username(value: Any) -> str:
    text = text_of(value) or ""
    if not text or UNFIT.search(text):
        raise Invalid("the name of a user of etcd")
    return text


def _parse_password_file(value: Any) -> Path | None:
    """A file that only its owner and group may read, and that is there."""
    path = parse_path(value)
    if path is not None and not read_secret(str(path)):
        raise Invalid(f"a file with a password; {path} is empty")
    return path


def _parse_ca(value: Any) -> Path | None:
    path = parse_path(value)
    if path is not None:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Invalid(f"a file that can be read; {path}: {error.strerror}") from error
        if b"-----BEGIN CERTIFICATE-----" not in content:
            raise Invalid(f"a file with certificates in PEM; {path} has none")
    return path


def _parse_ttl(value: Any) -> float:
    seconds = parse_interval(value, least=SHORTEST_TTL_S)
    if seconds > LONGEST_TTL_S:
        raise Invalid(f"a duration of up to {LONGEST_TTL_S / 60:g}m")
    return seconds


def _parse_key_prefix(value: Any) -> str:
    text = text_of(value)
    if text is not None and _PREFIX.fullmatch(text):
        return text
    raise Invalid("words in letters, digits, '_', '-' and '.', each after a '/'")


@dataclass(frozen=True, kw_only=True)
class FleetOptions:
    """How a process of a fleet finds the others, and how much it takes.

    ``ttl`` is in seconds. The files have been looked into. That of the password is read again each
    time that it is shown to etcd, that of the certificates once, with the first connection.
    """

    etcd: tuple[str, ...] = option(
        _parse_endpoints, "Addresses of the members of etcd; one that answers will do.",
        example="[https://etcd1:2379, https://etcd2:2379]", takes="list of addresses",
        shape=Shape.LIST,
    )  # fmt: skip
    username: str = option(
        _parse_username, "User of etcd, with password_file.",
        example="collector", takes="name", default="",
    )  # fmt: skip
    password_file: Path | None = option(
        _parse_password_file, "File with the password of that user, which nobody else may read.",
        example="/etc/rct-collector/etcd.password", takes="path", default=None,
    )  # fmt: skip
    ca: Path | None = option(
        _parse_ca,
        "File with the certificates that vouch for etcd, in PEM; by default those of the system.",
        example="/etc/rct-collector/etcd-ca.pem", takes="path", default=None,
    )  # fmt: skip
    ttl: float = option(
        _parse_ttl,
        "So long after a process has died its devices are taken over by others; from 2s to 5m."
        " And so long, less half a second, a process goes on without etcd.",
        example="10s", takes="duration", default=10.0, shown="10s",
    )  # fmt: skip
    weight: float = option(
        number(0.01, 1000),
        "Share of the devices that this process takes, compared with others.",
        example="2", takes="number", default=1.0, shown="1",
    )  # fmt: skip
    prefix: str = option(
        _parse_key_prefix, "Begin of all keys of the fleet; each fleet has its own.",
        example="/roofs/v1", takes="keys", default="/rct-collector/v1", shown="/rct-collector/v1",
    )  # fmt: skip


def _is_here(endpoint: str) -> bool:
    """Whether an endpoint is on this host, so that nobody else hears what is said."""
    host = urlsplit(endpoint).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


def mismatches(given: Collection[str], parts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What does not fit together: option, and why, in words.

    Args:
        given: The options that are there, right or wrong.
        parts: What could be read of them: option → value.
    """
    found = []
    open_ = [item for item in parts.get("etcd", ()) if item.startswith("http://")]
    if "username" in given and "password_file" not in given:
        found.append(("password_file", "is missing; a username needs one"))
    if "password_file" in given and "username" not in given:
        found.append(("username", "is missing; a password_file is of somebody"))
    if "username" in given and (away := [item for item in open_ if not _is_here(item)]):
        found.append(
            (
                "username",
                f"found one, expected none with {away[0]}, where the password would pass the"
                " network for everybody to read; have etcd speak TLS, and begin its address with"
                " https://",
            )
        )
    if "ca" in given and open_:
        found.append(("ca", "found a file, expected none, since the addresses are not https://"))
    return found
