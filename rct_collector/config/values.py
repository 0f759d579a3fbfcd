"""From what a file says to what the program uses: the kinds of values that only we have.

One function per kind, see :mod:`rct_collector.option`, where those of anybody are.
"""

from __future__ import annotations

import re
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import tzinfo
from fnmatch import fnmatchcase, translate
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from rct_collector.catalog import catalog
from rct_collector.config.globs import may_match
from rct_collector.drivers.base import Driver
from rct_collector.model import Kind, Metric, Series
from rct_collector.option import (
    UNFIT,
    Invalid,
    Unwritten,
    choice,
    closest,
    is_null,
    parse_duration,
    shown,
    text_of,
)

#: Tags that the collector or Telegraf sets itself.
RESERVED_LABELS = frozenset({"source", "vendor", "host", "time"})

#: Labels with a meaning of their own further down, and for whom.
_TAKEN_DOWNSTREAM = {
    **dict.fromkeys(("job", "instance", "le", "quantile"), "Prometheus"),
    "name": "Graphite",
    **dict.fromkeys(("measurement", "timestamp"), "Telegraf's tables"),
}

#: Longest value of a label, in characters; it is in every line.
_LONGEST_LABEL = 255

_LONGEST_GLOB = 200

#: No unit remembers more, in seconds.
_LONGEST_MEMORY_S = 90 * 86400

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,62}")
LEVELS = ("error", "warning", "info", "debug")


def parse_name(value: Any) -> str:
    """A name that is fit for a tag and for collectd."""
    text = text_of(value)
    if text is not None and _NAME.fullmatch(text):
        return text
    raise Invalid(
        "up to 63 ASCII letters, digits, '_', '-' or '.', with a letter or digit at both ends"
    )


def parse_zone(value: Any) -> tzinfo | None:
    """A time zone; None for that of this host."""
    if value == "local":
        return None
    zone = _zone(str(value)) if isinstance(value, str) and len(value) < 100 else None
    if zone is not None:
        return zone
    if _zone("UTC") is None:
        raise Invalid("time zone data, of which this host has none: install the package tzdata")
    raise Invalid("a time zone such as Europe/Berlin, or local")


@lru_cache(maxsize=64)
def _zone(name: str) -> tzinfo | None:
    """A time zone by its name; None where the host knows none of that name."""
    from zoneinfo import ZoneInfo  # half a megabyte that few need

    try:
        return ZoneInfo(name)
    except Exception:  # what is no name, no file, or a damaged file, says so in many ways
        return None


def parse_path(value: Any) -> Path | None:
    """An absolute path; None for the default."""
    if is_null(value):
        return None
    if isinstance(value, str) and value.startswith("/") and not UNFIT.search(value):
        return Path(str(value))
    raise Invalid("an absolute path")


def parse_globs(value: Any, family: Driver | None = None) -> tuple[str, ...]:
    """Globs, each of which matches some metric.

    Args:
        value: What the file says.
        family: Whose components are meant; of None, any that there may be.
    """
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise Invalid("a list of globs over metric names, such as [inverter_battery.*]")
    for item in values:
        if len(item) > _LONGEST_GLOB:
            raise Invalid(f"globs of up to {_LONGEST_GLOB} characters; {shown(item)} has more")
        if not _GLOB.fullmatch(item):
            raise Invalid(f"globs of names; {shown(item)} has other characters or an open '['")
        if not _matches_any(item, family):
            text = f"globs that match a metric; {shown(item)} matches none"
            raise Invalid(text, item, _NamesLike(item))
    return tuple(map(str, values))


def parse_backfill(value: Any) -> str:
    """Whether gaps are restored: auto or off."""
    found = value.value if isinstance(value, Unwritten) else value
    if isinstance(found, bool):  # as which some read the word ``off``
        return "auto" if found else "off"
    return choice("auto", "off")(value)


def parse_since(value: Any) -> float:
    """How far back gaps are looked for, in seconds."""
    seconds = parse_duration(value)
    if not 3600 <= seconds <= _LONGEST_MEMORY_S:
        raise Invalid("a duration from 1h to 90d, since units remember no more")
    return seconds


def parse_signals(value: Any, family: Driver | None = None) -> tuple[str, ...]:
    """Globs, each of which matches a field that a memory feeds.

    Args:
        value: What the file says.
        family: Whose memory; of None, any.
    """
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        raise Invalid('a list of globs over signals, such as ["pv_*", "load_*"]')
    known = sorted(_signals(family)) if family is not None else None
    for item in values:
        if len(item) > _LONGEST_GLOB or not _GLOB.fullmatch(item):
            raise Invalid(
                f"globs of names, of up to {_LONGEST_GLOB} characters; {shown(item)} is none"
            )
        if known is not None and not any(fnmatchcase(name, item) for name in known):
            text = f"globs that match a signal; {shown(item)} matches none of {', '.join(known)}"
            raise Invalid(text, item, known)
    return tuple(map(str, values))


def _signals(family: Driver) -> set[str]:
    """The fields that the memory of a family's units feeds."""
    kept = family.history.kept.values() if family.history else ()
    return {series.metric.field for item in kept for series in item.series}


class _NamesLike(Iterable[str]):
    """The metrics of the measurement that was probably meant by a glob, if one comes close.

    It is looked for when they are wanted: not all mistakes of a long file get a hint.
    """

    def __init__(self, glob: str) -> None:
        self._measurement = glob.partition(".")[0].partition("{")[0]

    def __iter__(self) -> Iterator[str]:
        known = _measurements()
        return iter(known.get(closest(self._measurement, known), ()))


@cache
def _measurements() -> dict[str, list[str]]:
    """Measurement → its metrics."""
    found: dict[str, list[str]] = {}
    for metric in catalog().metrics:
        found.setdefault(metric.measurement, []).append(metric.name)
    return found


_GLOB = re.compile(r"(?:[A-Za-z0-9_.*?{}=,]|\[[!A-Za-z0-9_-]+\])+")
_WILD = re.compile(r"[*?]|\[[^]]*\]")


@cache
def _names(family: Driver | None) -> tuple[list[str], str]:
    """What a glob may match, in alphabetical order, and all of it in one text.

    Args:
        family: Has been loaded, so that the components that it knows are there.
    """
    known = {name for series in catalog() for name in (series.metric.name, series.name)}
    names = sorted(known.union(metric.name for metric in _open_metrics(family)))
    return names, "\n".join(names)


def _open_metrics(family: Driver | None) -> Iterable[Metric]:
    """The metrics of which units may name components that nobody knows yet."""
    if family is None:
        return catalog().metrics
    told = family.pushed.records.values() if family.pushed else ()
    kept = (kept.metrics for kept in family.history.kept.values()) if family.history else ()
    return [metric for metrics in (*told, *kept) for metric in metrics]


@lru_cache(maxsize=1024)
def _matches_any(glob: str, family: Driver | None) -> bool:
    """Whether a glob matches a metric, or a series that it has or may get."""
    return _is_among(glob, *_names(family)) or may_match(
        glob, [metric for metric in _open_metrics(family) if metric.most is not None]
    )


def _is_among(glob: str, names: list[str], text: str) -> bool:
    begin, *others = _WILD.split(glob)
    if any(word not in text for word in others):
        return False
    fits = re.compile(translate(glob)).match
    for name in islice(names, bisect_left(names, begin), None):
        if not name.startswith(begin):
            return False
        if fits(name):
            return True
    return False


def matches(globs: tuple[str, ...], series: Series) -> bool:
    """Whether one of some globs matches ``measurement.field`` or ``measurement{tag=value}.field``.

    Args:
        globs: Looked at together, for there may be many, and series by the thousand.
        series: With both of its names.
    """
    if not globs:
        return False
    pattern = _pattern(globs)
    return bool(pattern.match(series.metric.name) or pattern.match(series.name))


@lru_cache(maxsize=256)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(translate, globs)))


def parse_prefix(value: Any) -> str:
    """First word of measurements."""
    text = text_of(value)
    if text is not None and _LABEL.fullmatch(text):
        return text
    raise Invalid("a word in a-z, 0-9 and '_'")


@cache
def _taken() -> dict[str, str]:
    """Names that a label cannot have → why."""
    ours = "is set by the collector or its agent"
    taken = {
        name: f"has a meaning of its own in {whose}" for name, whose in _TAKEN_DOWNSTREAM.items()
    }
    for metric in catalog().metrics:
        # A column of a table has one name, and some agents turn texts into labels.
        why = f"is a field of {metric.measurement}, and a tag beside it cannot have its name"
        taken[metric.field] = ours if metric.kind is Kind.TEXT else why
    for metric in catalog().metrics:
        taken.update((key, ours) for key, _ in metric.dimensions)
    return taken | dict.fromkeys(RESERVED_LABELS, ours)


def parse_labels(value: Any) -> dict[str, str]:
    """Labels that clash with nothing of ours or of those who take the metrics in."""
    if not isinstance(value, Mapping):
        raise Invalid("labels and their values, such as {site: home}")
    for key, item in value.items():
        if not isinstance(key, str) or not _LABEL.fullmatch(key):
            raise Invalid(f"label names in a-z, 0-9 and '_'; {shown(key)} is none")
        if key in _taken():
            raise Invalid(f"label names of your own; {key!r} {_taken()[key]}")
        if not isinstance(item, str | int | float) or isinstance(item, bool) or _is_void(item):
            what = "None" if item is None else shown(item)
            raise Invalid(f"texts as values; {key} is {what} (quote it)")
        if not _fits_a_tag(str(item)):
            raise Invalid(
                f"texts of up to {_LONGEST_LABEL} characters, none of them a control character,"
                f" without a blank at the ends or a backslash at the last; {key} is {shown(item)}"
            )
    return {str(key): str(item) for key, item in value.items()}


def _is_void(value: Any) -> bool:
    return is_null(value) or not str(value)


def _fits_a_tag(text: str) -> bool:
    """Whether a text comes out of every agent as it went in."""
    return (
        len(text) <= _LONGEST_LABEL
        and text == text.strip()
        and not text.endswith("\\")
        and not UNFIT.search(text)
    )


class Shard(NamedTuple):
    """Which devices of a file this process takes: those whose name falls into share i of n."""

    share: int
    of: int

    def takes(self, name: str) -> bool:
        """Whether a device belongs to this process; the same on every host and after restarts."""
        return zlib.crc32(name.encode()) % self.of == self.share

    def part(self, inner: Shard) -> Shard:
        """A share of this share."""
        return Shard(self.share + self.of * inner.share, self.of * inner.of)


def parse_shard(value: Any) -> Shard:
    """A share of the devices."""
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", value) if isinstance(value, str) else None
    if match and int(match[1]) < int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise Invalid("i/n with i below n, such as 0/4")
