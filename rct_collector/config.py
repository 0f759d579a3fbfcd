"""The one configuration file of every wrapper, and what is wrong with it.

Every option is a dataclass field that carries its own documentation; the sample files, the
option tables and the checks are made from these fields. All mistakes of a file are collected
and told at once, each with its path, what was found and what would be right.
"""

from __future__ import annotations

import math
import os
import re
import socket
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from rct_collector.catalog import catalog
from rct_collector.drivers import BUILTIN, driver
from rct_collector.errors import ConfigError
from rct_collector.model import PREFIX, Kind, PollClass, Series

DEFAULT_PATH = Path("/etc/rct-collector/config.yaml")
ENVIRONMENT = "RCT_COLLECTOR_CONFIG"

#: Tags that the collector or Telegraf sets itself.
RESERVED_LABELS = frozenset({"source", "vendor", "host", "time"})


class Invalid(ValueError):  # noqa: N818 - says what would be right, not that it is an error
    """A value is not what an option takes; the text says what would be right."""


@dataclass(frozen=True)
class Option:
    """What the documentation and the checks need to know of one option.

    Attributes:
        doc: Sentences for people.
        parse: Value from the file → value in the program; raises Invalid.
        example: How it is written.
        takes: What it takes, in a word or two.
        default: The default as it is written in a file; "" when there is none.
    """

    doc: str
    parse: Callable[[Any], Any]
    example: str
    takes: str
    default: str = ""


def option(
    parse: Callable[[Any], Any],
    doc: str,
    *,
    example: str,
    takes: str,
    default: Any = MISSING,
    shown: str = "",
) -> Any:
    """A dataclass field that documents and checks itself."""
    metadata = {"option": Option(doc, parse, example, takes, shown)}
    if default is MISSING:
        return field(metadata=metadata)
    if isinstance(default, dict | list):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


# -- values ------------------------------------------------------------------------------------

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


def _interval(value: Any) -> float:
    seconds = parse_duration(value)
    if seconds < 1:
        raise Invalid("an interval of at least 1s")
    return seconds


def _name(value: Any) -> str:
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise Invalid(
        "up to 63 ASCII letters, digits, '_', '-' or '.', with a letter or digit at both ends"
    )


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Invalid("true or false")


def _choice(*choices: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value in choices:
            return str(value)
        raise Invalid(" or ".join(choices) + _nearest(value, choices))

    return parse


def _number(low: float, high: float, *, whole: bool = False) -> Callable[[Any], float]:
    kind = "a whole number" if whole else "a number"

    def parse(value: Any) -> float:
        types = (int,) if whole else (int, float)
        if isinstance(value, types) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise Invalid(f"{kind} from {low:g} to {high:g}")

    return parse


def _zone(value: Any) -> tzinfo | None:
    from zoneinfo import ZoneInfo  # half a megabyte that few need

    if value == "local":
        return None
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise Invalid("a time zone such as Europe/Berlin, or local") from error


def _path(value: Any) -> Path | None:
    if value is None or (isinstance(value, str) and value.startswith("/")):
        return Path(value) if value else None
    raise Invalid("an absolute path")


def _globs(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise Invalid("a list of globs over metric names, such as [inverter_battery.*]")
    for item in values:
        if not _GLOB.fullmatch(item):
            raise Invalid(f"globs of names; {item!r} has other characters or an open '['")
        if not any(matches(item, series) for series in _all_series()):
            hint = _nearest(item, (metric.name for metric in catalog().metrics))
            raise Invalid(f"globs that match a metric; {item!r} matches none{hint}")
    return tuple(values)


_GLOB = re.compile(r"(?:[A-Za-z0-9_.*?{}=,]|\[[!A-Za-z0-9_-]+\])+")


def _all_series() -> list[Series]:
    return list(catalog())


def matches(glob: str, series: Series) -> bool:
    """A glob matches ``measurement.field`` or ``measurement{tag=value}.field``."""
    return fnmatchcase(series.metric.name, glob) or fnmatchcase(series.name, glob)


def _prefix(value: Any) -> str:
    if isinstance(value, str) and _LABEL.fullmatch(value):
        return value
    raise Invalid("a word in a-z, 0-9 and '_'")


def _labels(value: Any) -> dict[str, str]:
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


def _shard(value: Any) -> Shard:
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
        hint = _nearest(scheme.lower(), SCHEMES)
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


def _place(item: Mapping[str, Any]) -> Any:
    """What all ways to write the address of one device have in common."""
    try:
        address = parse_address(item["address"])
    except Invalid:
        return item["address"]
    name = item.get("driver")
    usual = driver(name).port if isinstance(name, str) and name in BUILTIN else None
    return address.scheme, address.host.rstrip("."), address.port or usual


def _nearest(value: Any, known: Iterable[str]) -> str:
    import difflib  # for mistakes only

    close = difflib.get_close_matches(str(value), list(known), n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""


# -- options -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """How often each class of metrics is asked for, in seconds."""

    fast: float = option(
        _interval, "Power flows, voltages, states and faults.",
        example="10s", takes="duration", default=10.0, shown="10s",
    )  # fmt: skip
    medium: float = option(
        _interval, "Temperatures, insulation, limits, details per phase, cells.",
        example="1m", takes="duration", default=60.0, shown="1m",
    )  # fmt: skip
    slow: float = option(
        _interval, "Energy totals, settings, health.",
        example="5m", takes="duration", default=300.0, shown="5m",
    )  # fmt: skip
    static: float = option(
        _interval, "Identity and configuration; also asked for after each connect.",
        example="1h", takes="duration", default=3600.0, shown="1h",
    )  # fmt: skip

    def seconds(self, poll: PollClass) -> float:
        """Interval of one class; infinite for what is only read on demand."""
        return float(getattr(self, poll.option, math.inf))


@dataclass(frozen=True, kw_only=True)
class Requests:
    """How hard the device is asked. The defaults are what units in the field stand well."""

    per_second: float = option(
        _number(0.1, 50), "Requests per second on average.",
        example="5", takes="number", default=5.0, shown="5",
    )  # fmt: skip
    gap: float = option(
        parse_duration, "Least time between two requests.",
        example="60ms", takes="duration", default=0.06, shown="60ms",
    )  # fmt: skip
    window: int = option(
        _number(1, 4, whole=True), "Requests that may be unanswered at the same time.",
        example="4", takes="1 to 4", default=4, shown="4",
    )  # fmt: skip
    timeout: float = option(
        parse_duration, "How long an answer is waited for before it is asked for again.",
        example="2s", takes="duration", default=2.0, shown="2s",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """One device."""

    name: str = option(
        _name, "Name of the device: the tag 'source', collectd's plugin instance.",
        example="roof", takes="name",
    )  # fmt: skip
    driver: str = option(
        _choice(*BUILTIN), "Device family.", example="rct", takes=" or ".join(BUILTIN),
    )  # fmt: skip
    address: Address = option(
        parse_address, "Where the device is; the port may be left out.",
        example="tcp://192.0.2.10:8899", takes="address",
    )  # fmt: skip
    timezone: tzinfo | None = option(
        _zone, "Time zone that the clock of the device is set to; local is that of this host.",
        example="Europe/Berlin", takes="time zone", default=None, shown="local",
    )  # fmt: skip
    cells: bool = option(
        _bool, "Publish every single battery cell; minimum, maximum and spread come anyway.",
        example="true", takes="true or false", default=False, shown="false",
    )  # fmt: skip
    include: tuple[str, ...] = option(
        _globs, "Metrics to publish although they are off by default or excluded.",
        example="[inverter_output.*_filtered_*]", takes="list of globs", default=(), shown="[]",
    )  # fmt: skip
    exclude: tuple[str, ...] = option(
        _globs, "Metrics not to publish; include wins over exclude.",
        example="[inverter_settings.*]", takes="list of globs", default=(), shown="[]",
    )  # fmt: skip
    labels: dict[str, str] = option(
        _labels, "Tags of your own for everything this device publishes.",
        example="{site: home}", takes="mapping", default={}, shown="{}",
    )  # fmt: skip
    intervals: Intervals = field(default_factory=Intervals)
    requests: Requests = field(default_factory=Requests)


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole configuration file."""

    devices: tuple[DeviceConfig, ...] = ()
    log_level: str = option(
        _choice(*LEVELS), "How much is logged.",
        example="info", takes=", ".join(LEVELS), default="info", shown="info",
    )  # fmt: skip
    state_dir: Path | None = option(
        _path,
        "Folder for what was learnt about each device; by default /var/lib/rct-collector where"
        " that can be written to, else $XDG_STATE_HOME/rct-collector.",
        example="/var/lib/rct-collector", takes="path", default=None,
    )  # fmt: skip
    shard: Shard | None = option(
        _shard, "Take only share i of n of the devices, for many processes on one file.",
        example="0/4", takes="i/n", default=None,
    )  # fmt: skip
    phase: str = option(
        _choice("spread", "aligned"),
        "When rounds begin: spread over the interval by the name of the device, or aligned to"
        " full multiples of it (:00, :10, :20).",
        example="aligned", takes="spread or aligned", default="spread", shown="spread",
    )  # fmt: skip
    prefix: str = option(
        _prefix,
        "First word of every measurement.",
        example="inverter", takes="name", default=PREFIX, shown=PREFIX,
    )  # fmt: skip


def options(of: type) -> dict[str, Option]:
    """The documented options of one of the classes above, in order."""
    return {f.name: f.metadata["option"] for f in fields(of) if "option" in f.metadata}


# -- reading -----------------------------------------------------------------------------------


class _Reader:
    """Turns a mapping into dataclasses and collects every mistake on the way."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.problems: list[str] = []

    def problem(self, path: str, text: str) -> None:
        where = f"{self.origin}: {path}" if path else self.origin
        self.problems.append(f"{where}: {text}")

    def build(
        self, cls: type, value: Any, path: str, *, extra: Iterable[str] = ()
    ) -> dict[str, Any]:  # noqa: E501
        """Check the plain options of one mapping; nested ones are the caller's."""
        known = options(cls)
        if not isinstance(value, Mapping):
            self.problem(path, f"found {_shown(value)}, expected a mapping of options")
            return {}
        result: dict[str, Any] = {}
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key in known:
                self._take(known[key], key, item, where, result)
            elif key not in extra:
                names = [*known, *extra]
                self.problem(
                    where, f"unknown option{_nearest(key, names)}; known: {', '.join(names)}"
                )
        for f in fields(cls):
            required = f.default is MISSING and f.default_factory is MISSING
            if required and f.name not in value and f.name in known:
                self.problem(
                    path, f"{f.name} is missing, for example {f.name}: {known[f.name].example}"
                )
        return result

    def _take(self, known: Option, key: str, item: Any, where: str, result: dict[str, Any]) -> None:  # noqa: E501
        try:
            result[key] = known.parse(item)
        except Invalid as error:
            self.problem(where, f"found {_shown(item)}, expected {error}")

    def device(self, value: Any, path: str) -> DeviceConfig | None:
        before = len(self.problems)
        parts = self.build(DeviceConfig, value, path, extra=("intervals", "requests"))
        if isinstance(value, Mapping):
            for key, cls in (("intervals", Intervals), ("requests", Requests)):
                if key in value:
                    nested = self.build(cls, value[key], f"{path}.{key}")
                    if len(self.problems) == before:
                        parts[key] = cls(**nested)
        return DeviceConfig(**parts) if len(self.problems) == before else None

    def config(self, value: Any) -> Config | None:
        if value is None:
            self.problem("", "is empty; expected a list 'devices'")
            return None
        parts = self.build(Config, value, "", extra=("devices",))
        if not isinstance(value, Mapping):
            return None
        items = value.get("devices")
        if not isinstance(items, list) or not items:
            self.problem(
                "devices", f"found {_shown(items)}, expected a list with at least one device"
            )
            items = []
        devices = [self.device(item, f"devices[{n}]") for n, item in enumerate(items)]
        self._unique(items)
        if self.problems:
            return None
        return Config(devices=tuple(d for d in devices if d is not None), **parts)

    def _unique(self, items: list[Any]) -> None:
        """No two devices may share a name, nor an address, however it is written."""
        for key, identity, reason in (
            ("name", lambda item: item["name"], "names must differ"),
            ("address", _place, "ask a device only once"),
        ):
            seen: dict[Any, int] = {}
            for n, item in enumerate(items):
                value = item.get(key) if isinstance(item, Mapping) else None
                if not isinstance(value, str):
                    continue
                first = seen.setdefault(identity(item), n)
                if first != n:
                    self.problem(
                        f"devices[{n}].{key}",
                        f"found {_shown(value)} a second time (first in devices[{first}]);"
                        f" {reason}",
                    )


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def parse(value: Any, origin: str = "configuration") -> Config:
    """Check a mapping and turn it into a configuration.

    Args:
        value: What the YAML file or an agent's own configuration says.
        origin: File name or the like, for messages.

    Raises:
        ConfigError: With every mistake, each with its path.
    """
    reader = _Reader(origin)
    config = reader.config(value)
    if config is None:
        raise ConfigError(reader.problems)
    return config


def salvage(value: Any, origin: str = "configuration") -> tuple[Config | None, tuple[str, ...]]:
    """What can be used of a mapping, for an agent that must go on with the rest.

    A device with a mistake is left out; a mistake in the common options spoils everything.

    Args:
        value: As for :func:`parse`.
        origin: File name or the like, for messages.

    Returns:
        The configuration, or None when nothing can be used; and every mistake.
    """
    try:
        return parse(value, origin), ()
    except ConfigError as error:
        problems = error.problems
    items = value.get("devices") if isinstance(value, Mapping) else None
    usable: Config | None = None
    right: list[Any] = []
    for item in items if isinstance(items, list) else []:
        try:
            usable = parse({**value, "devices": [*right, item]}, origin)
        except ConfigError:
            continue
        right.append(item)
    return usable, problems


def load(path: Path) -> Config:
    """Read a YAML file.

    Raises:
        ConfigError: It cannot be read, is no YAML, or says something wrong.
    """
    return parse(read(path), str(path))


def read(path: Path) -> Any:
    """What a YAML file says, not checked yet.

    Raises:
        ConfigError: It cannot be read, or is no YAML.
    """
    import yaml  # here, since collectd's blocks need no YAML

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror or error}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text (byte {error.start})"]) from error
    try:
        return _load_yaml(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f"line {where.line + 1}: " if where else ""
        what = getattr(error, "problem", None) or "not YAML"
        raise ConfigError([f"{path}: {line}{what}"]) from error
    except Exception as error:  # PyYAML passes on what a date such as 2026-13-01 makes Python say
        raise ConfigError([f"{path}: a value cannot be read ({error}); quote it?"]) from error


def _load_yaml(text: str) -> Any:
    """YAML without duplicate keys, of which PyYAML would silently keep the last."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    continue  # refused by PyYAML in a moment
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value!r} is given twice", key.start_mark
                    )
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    loader = Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def default_path() -> Path:
    """Where the configuration is, unless the command line says otherwise."""
    return Path(os.environ.get(ENVIRONMENT) or DEFAULT_PATH)


def state_dir(config: Config) -> Path | None:
    """Folder for what was learnt: configured, else the system's, else the user's own.

    None for a user without a home, as in some containers: nothing is kept then.
    """
    if config.state_dir is not None:
        return config.state_dir
    system = Path("/var/lib/rct-collector")
    if os.access(system, os.W_OK):
        return system
    home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    try:
        return Path(home).expanduser() / "rct-collector"
    except RuntimeError:
        return None
