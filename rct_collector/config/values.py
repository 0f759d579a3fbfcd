"""From what a file says to what the program uses: one function per kind of value.

Each takes what YAML or an agent's own configuration made of the text, and raises
:class:`Invalid` with what would be right.
"""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from rct_collector.catalog import catalog
from rct_collector.model import Kind, Series

#: Tags that the collector or Telegraf sets itself.
RESERVED_LABELS = frozenset({"source", "vendor", "host", "time"})


class Invalid(ValueError):  # noqa: N818 - says what would be right, not that it is an error
    """A value is not what an option takes; the text says what would be right."""


def nearest(value: Any, known: Iterable[str]) -> str:
    """A hint at the known word that a wrong one comes close to, "" if there is none."""
    import difflib  # for mistakes only

    close = difflib.get_close_matches(str(value), list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,62}")
_HOST_AND_PORT = re.compile(r"(\[[^][/?#@]*\]|[^][/?#@:]*)(?::([^][/?#@:]*))?/?")
_PORT = re.compile(r"[0-9]{1,5}")
_HOST_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z){_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?")
_ZONE_INDEX = re.compile(r"[A-Za-z0-9_.-]+")
LEVELS = ("error", "warning", "info", "debug")


def parse_duration(value: Any) -> float:
    """``10s``, ``1.5m``, ``250ms`` → seconds."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Invalid("a duration with its unit, such as 10s, 5m or 1h")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if not 0 < seconds <= 366 * 86400:
        raise Invalid("a duration above 0 and up to a year")
    return seconds


def parse_interval(value: Any) -> float:
    """A duration of at least a second, in seconds."""
    seconds = parse_duration(value)
    if seconds < 1:
        raise Invalid("an interval of at least 1s")
    return seconds


def parse_name(value: Any) -> str:
    """A name that is fit for a tag and for collectd."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise Invalid(
        "up to 63 ASCII letters, digits, '_', '-' or '.', with a letter or digit at both ends"
    )


def parse_bool(value: Any) -> bool:
    """True or false."""
    if isinstance(value, bool):
        return value
    raise Invalid("true or false")


def choice(*choices: str) -> Callable[[Any], str]:
    """A parser of one of some words."""

    def parse(value: Any) -> str:
        if value in choices:
            return str(value)
        raise Invalid(" or ".join(choices) + nearest(value, choices))

    return parse


def number(low: float, high: float, *, whole: bool = False) -> Callable[[Any], float]:
    """A parser of numbers within limits."""
    kind = "a whole number" if whole else "a number"

    def parse(value: Any) -> float:
        types = (int,) if whole else (int, float)
        if isinstance(value, types) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise Invalid(f"{kind} from {low:g} to {high:g}")

    return parse


def parse_zone(value: Any) -> tzinfo | None:
    """A time zone; None for that of this host."""
    from zoneinfo import ZoneInfo  # half a megabyte that few need

    if value == "local":
        return None
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise Invalid("a time zone such as Europe/Berlin, or local") from error


def parse_path(value: Any) -> Path | None:
    """An absolute path; None for the default."""
    if value is None or (isinstance(value, str) and value.startswith("/")):
        return Path(value) if value else None
    raise Invalid("an absolute path")


def parse_globs(value: Any) -> tuple[str, ...]:
    """Globs, each of which matches some metric."""
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise Invalid("a list of globs over metric names, such as [inverter_battery.*]")
    for item in values:
        if not _GLOB.fullmatch(item):
            raise Invalid(f"globs of names; {item!r} has other characters or an open '['")
        if not any(matches(item, series) for series in _all_series()):
            hint = nearest(item, (metric.name for metric in catalog().metrics))
            raise Invalid(f"globs that match a metric; {item!r} matches none{hint}")
    return tuple(values)


_GLOB = re.compile(r"(?:[A-Za-z0-9_.*?{}=,]|\[[!A-Za-z0-9_-]+\])+")


def _all_series() -> list[Series]:
    return list(catalog())


def matches(glob: str, series: Series) -> bool:
    """A glob matches ``measurement.field`` or ``measurement{tag=value}.field``."""
    return fnmatchcase(series.metric.name, glob) or fnmatchcase(series.name, glob)


def parse_prefix(value: Any) -> str:
    """First word of measurements."""
    if isinstance(value, str) and _LABEL.fullmatch(value):
        return value
    raise Invalid("a word in a-z, 0-9 and '_'")


def parse_labels(value: Any) -> dict[str, str]:
    """Labels that do not clash with tags or texts of ours."""
    taken = set(RESERVED_LABELS)
    for metric in catalog().metrics:
        taken.update(key for key, _ in metric.dimensions)
        if metric.kind is Kind.TEXT:  # some agents turn texts into labels
            taken.add(metric.field)
    if not isinstance(value, Mapping):
        raise Invalid("labels and their values, such as {site: home}")
    for key, text in value.items():
        if not isinstance(key, str) or not _LABEL.fullmatch(key):
            raise Invalid(f"label names in a-z, 0-9 and '_'; {key!r} is none")
        if key in taken:
            raise Invalid(f"label names of your own; {key!r} is set by the collector or its agent")
        if not isinstance(text, str | int | float) or isinstance(text, bool) or not str(text):
            raise Invalid(f"texts as values; {key} is {text!r} (quote it)")
    return {key: str(text) for key, text in value.items()}


class Shard(NamedTuple):
    """Which devices of a file this process takes: those whose name falls into share i of n."""

    share: int
    of: int

    def takes(self, name: str) -> bool:
        """Whether a device belongs to this process; the same on every host and after restarts."""
        return zlib.crc32(name.encode()) % self.of == self.share


def parse_shard(value: Any) -> Shard:
    """A share of the devices."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value) if isinstance(value, str) else None
    if match and int(match[1]) < int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise Invalid("i/n with i below n, such as 0/4")


class Address(NamedTuple):
    """Where a device is.

    Attributes:
        scheme: Transport.
        host: Name in lower case, or IP address in its shortest form, without brackets.
        port: TCP port, or None for the driver's default.
    """

    scheme: str
    host: str
    port: int | None

    def __str__(self) -> str:
        """As it is written in the configuration."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")


SCHEMES = ("tcp",)


def parse_address(value: Any) -> Address:
    """``tcp://192.0.2.10:8899`` → its parts."""
    right = "an address such as tcp://192.0.2.10:8899"
    scheme, found, rest = value.partition("://") if isinstance(value, str) else ("", "", "")
    if not found:
        raise Invalid(right)
    if scheme not in SCHEMES:
        hint = nearest(scheme.lower(), SCHEMES)
        raise Invalid(f"{right}; the scheme {scheme!r} is not known{hint}")
    match = _HOST_AND_PORT.fullmatch(rest)
    if match is None:
        raise Invalid(f"{right} or tcp://[2001:db8::10]:8899, with nothing else")
    host, port = _host(match[1]), match[2]
    if host is None:
        raise Invalid(f"{right}, with a host name or an IP address")
    if port is None:
        return Address(scheme, host, None)
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise Invalid(f"{right}, with a port from 1 to 65535")
    return Address(scheme, host, int(port))


def _host(text: str) -> str | None:
    """A host in the one form in which two of them can be compared, or None for none."""
    if not text.startswith("[") and not re.fullmatch("[0-9.]+", text):
        return text.lower() if _HOST_NAME.fullmatch(text) else None
    family = socket.AF_INET6 if text.startswith("[") else socket.AF_INET
    address, percent, zone = text.strip("[]").partition("%")
    try:
        short = socket.inet_ntop(family, socket.inet_pton(family, address))
    except (OSError, ValueError):
        return None
    return short + percent + zone if not percent or _ZONE_INDEX.fullmatch(zone) else None
