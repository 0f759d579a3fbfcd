"""Samples as InfluxDB line protocol.

Layout of a line::

    measurement,tag=value,… field=value,field=1i,field="text" 1700000000000000000

Tags are sorted, floats are written with the fewest digits that read back as the same number,
integers end in ``i``, and every line ends in a 19-digit time in nanoseconds. What the protocol
cannot carry (control characters, a backslash at the end of a tag, NaN) is replaced or left out,
so that no text of a device can break a line.

Sources: rules of the InfluxDB line protocol, and what Telegraf's parsers were seen to accept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite
from typing import NamedTuple
from weakref import WeakValueDictionary

from rct_collector.model import PREFIX, Batch, Series, Tags, Value

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TAG_SPECIAL = re.compile(r"([,= ])")
_INT64 = 1 << 63


def clean(text: str) -> str:
    """A tag value as it arrives: without what the protocol cannot carry."""
    text = _CONTROL.sub("_", text).strip()
    return text + "_" if text.endswith("\\") else text


def tag_value(text: str) -> str:
    """Escape a tag value; "" when nothing is left of it."""
    return _TAG_SPECIAL.sub(r"\\\1", clean(text))


def field_value(value: Value) -> str | None:
    """Write one field, or None where the protocol has no way to write it."""
    if isinstance(value, float):
        return repr(value) if isfinite(value) else None
    if isinstance(value, int):
        return f"{value:d}i" if -_INT64 <= value < _INT64 else None
    text = _CONTROL.sub("_", value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


class _Line(NamedTuple):
    """How a line begins, but for what tells a unit from others.

    Attributes:
        before: Measurement and tags that stand before the name of the device.
        between: Tags that stand between that and the unit.
        after: Tags that stand after the unit.
    """

    before: str
    between: str
    after: str


class _Places(dict[Series, tuple[int, str]]):
    """Where each series is written: the number of its line, and ``field=``.

    They are worked out once for all units that have their labels in common.

    Attributes:
        lines: How each line begins.
    """

    def __init__(self, prefix: str, vendor: str, labels: Tags, *, has_unit: bool) -> None:
        super().__init__()
        self._prefix = prefix
        self._labels, self._vendor = dict(labels), vendor
        self._has_unit = has_unit
        self._numbers: dict[_Line, int] = {}
        self.lines: list[_Line] = []

    def __missing__(self, series: Series) -> tuple[int, str]:
        line = self._line(series)
        number = self._numbers.setdefault(line, len(self.lines))
        if number == len(self.lines):
            self.lines.append(line)
        found = self[series] = number, f"{series.metric.field}="
        return found

    def _line(self, series: Series) -> _Line:
        tags = {**self._labels, **dict(series.tags), "vendor": self._vendor, "source": ""}
        if self._has_unit:
            tags["unit"] = ""
        parts = [self._prefix + series.metric.measurement.removeprefix(PREFIX), "", ""]
        at = 0
        for key, text in sorted(tags.items()):
            if key == "source":
                at = 1
            elif key == "unit" and self._has_unit:
                at = 2
            else:
                parts[at] += _tag(key, text)
        return _Line(*parts)


class _Head(NamedTuple):
    """How the lines of one unit begin.

    Attributes:
        places: Where its series are written.
        source: The tag with the name of the device, with its comma; "" for none.
        unit: The same with the unit.
    """

    places: _Places
    source: str
    unit: str


class LineProtocol:
    """Turns batches into lines; remembers how the lines of units begin."""

    def __init__(self, prefix: str = PREFIX) -> None:
        """Prepare.

        Args:
            prefix: First word of every measurement.
        """
        self._prefix = prefix
        self._heads: dict[tuple[str, str, str, Tags], _Head] = {}
        #: Those that any unit still uses.
        self._places: WeakValueDictionary[tuple[str, Tags, bool], _Places] = WeakValueDictionary()

    def lines(self, batch: Batch) -> list[bytes]:
        """The lines of a batch, each with its newline.

        Args:
            batch: Values of one device at one moment.

        Returns:
            One line per measurement and set of tags.
        """
        key = batch.source, batch.unit, batch.vendor, batch.labels
        if batch.health.removed:
            self._heads.pop(key, None)
            return []
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = self._head(batch)
        places, source, unit = head
        fields: dict[int, list[str]] = {}
        last, parts = -1, []
        for series, value in batch.values:
            line, field = places[series]
            # Nearly all values are such: written here, since a call would cost as much again.
            if type(value) is float and isfinite(value):
                text = f"{field}{value!r}"
            elif type(value) is int and -_INT64 <= value < _INT64:
                text = f"{field}{value}i"
            elif (written := field_value(value)) is not None:
                text = field + written
            else:
                continue
            if line != last:  # mostly several in a row are of one line
                last, parts = line, fields.setdefault(line, [])
            parts.append(text)
        end, found = f" {batch.time_ns}\n", []
        for line, parts in fields.items():
            before, between, after = places.lines[line]
            text = f"{before}{source}{between}{unit}{after} {','.join(parts)}{end}"
            found.append(text.encode())
        return found

    def _head(self, batch: Batch) -> _Head:
        """Begin with a unit of which nothing was written yet."""
        key = batch.vendor, batch.labels, bool(batch.unit)
        places = self._places.get(key)
        if places is None:
            places = _Places(self._prefix, batch.vendor, batch.labels, has_unit=key[-1])
            self._places[key] = places
        return _Head(places, _tag("source", batch.source), _tag("unit", batch.unit))


def _tag(key: str, text: str) -> str:
    """A tag with its comma; "" where nothing is left of its value."""
    written = tag_value(text)
    return f",{key}={written}" if written else ""


def chunks(lines: Iterable[bytes], limit: int) -> list[bytes]:
    """Join whole lines into pieces of at most ``limit`` bytes.

    A write to a pipe of up to 4096 bytes is never cut in two. A line that is longer than the
    limit makes a piece of its own.
    """
    pieces: list[bytes] = []
    piece = bytearray()
    for line in lines:
        if piece and len(piece) + len(line) > limit:
            pieces.append(bytes(piece))
            piece.clear()
        piece += line
    if piece:
        pieces.append(bytes(piece))
    return pieces
