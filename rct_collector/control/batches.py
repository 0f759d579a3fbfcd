"""Batches as JSON, the same when they are read again: what subscribers are told.

A number keeps its type on the way, since a series never changes it. The receipt stays: to hold it
is for those in the process.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rct_collector.catalog import catalog
from rct_collector.model import Batch, Health, Origin, Series, Tags, Value


def to_json(batch: Batch) -> dict[str, Any]:
    """What a batch says, for JSON.

    Args:
        batch: Of any origin.
    """
    return {
        "source": batch.source,
        "unit": batch.unit,
        "vendor": batch.vendor,
        "labels": dict(batch.labels),
        "time": batch.time_ns / 1e9,
        "time_ns": batch.time_ns,
        "interval": batch.interval_s,
        "origin": str(batch.origin),
        "ends_round": batch.ends_round,
        "health": batch.health._asdict(),
        "values": {series.name: value for series, value in batch.values if can_be_told(value)},
    }


def can_be_told(value: Value) -> bool:
    """Whether JSON has such a value; what it has not, no agent writes either: infinity, and NaN."""
    return not isinstance(value, float) or math.isfinite(value)


def from_json(said: Any) -> Batch:  # noqa: ANN401 - it came from another process
    """The batch that was told.

    Args:
        said: What :func:`to_json` has made, or should have.

    Raises:
        ValueError: It is none; the message names the key. A series that this version does not
            know is left out, since the other process may be of a newer one.
    """
    if not isinstance(said, dict):
        raise ValueError("a batch is an object")
    health = _of(said, "health", dict)
    return Batch(
        source=_of(said, "source", str),
        vendor=_of(said, "vendor", str),
        labels=_labels(_of(said, "labels", dict)),
        time_ns=_of(said, "time_ns", int),
        values=_values(_of(said, "values", dict)),
        interval_s=_number(said, "interval"),
        origin=_origin(_of(said, "origin", str)),
        ends_round=_of(said, "ends_round", bool),
        health=Health(
            up=_of(health, "up", bool),
            since=_number(health, "since"),
            missed=_of(health, "missed", int),
            error=_of(health, "error", str),
            removed=_of(health, "removed", bool),
        ),
        unit=_of(said, "unit", str),
    )


def _of(said: Mapping[str, Any], key: str, kind: type) -> Any:
    found = said.get(key)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise ValueError(f"{key}: {found!r} is no {kind.__name__}")
    return found


def _number(said: Mapping[str, Any], key: str) -> float:
    found: Any = said.get(key)
    if not _is_number(found):
        raise ValueError(f"{key}: {found!r} is no number")
    return float(found)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max  # which is false of what is no number, too


def _origin(word: str) -> Origin:
    try:
        return Origin(word)
    except ValueError:
        raise ValueError(f"origin: {word!r} is none of {', '.join(Origin)}") from None


def _labels(said: Mapping[str, Any]) -> Tags:
    return tuple((key, _of(said, key, str)) for key in said)


def _values(said: Mapping[str, Any]) -> tuple[tuple[Series, Value], ...]:
    found = ((series_named(name), name, value) for name, value in said.items())
    return tuple((series, _value(series, name, value)) for series, name, value in found if series)


def _value(series: Series, name: str, value: Any) -> Value:
    kind = series.metric.value_type
    if kind is float:
        if _is_number(value):
            return float(value)
    elif isinstance(value, kind) and not isinstance(value, bool):
        return value
    raise ValueError(f"values: {name}: {value!r} is no {kind.__name__}")


@lru_cache(maxsize=4096)
def series_named(name: str) -> Series | None:
    """The series that a name is of, ``measurement{tag=value}.field``; None for none.

    Args:
        name: As :attr:`.model.Series.name` has it.
    """
    head, dot, field = name.rpartition(".")
    measurement, brace, tags = head.partition("{")
    if not dot or (brace and not tags.endswith("}")):
        return None
    pairs = [pair.partition("=") for pair in tags[:-1].split(",")] if brace else []
    known = {key: value for key, _, value in pairs}
    try:
        found = catalog().series(f"{measurement}.{field}", **known)
    except (KeyError, TypeError):
        return None
    return found if found.name == name else None
