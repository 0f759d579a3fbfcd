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
import sys
from collections.abc import Iterable
from math import isfinite

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


class LineProtocol:
    """Turns batches into lines; remembers how the lines of each unit begin."""

    def __init__(self, prefix: str = PREFIX) -> None:
        """Prepare.

        Args:
            prefix: First word of every measurement.
        """
        self._prefix = prefix
        self._heads: dict[tuple[str, str, str, Tags], dict[Series, str]] = {}

    def lines(self, batch: Batch) -> list[bytes]:
        """The lines of a batch, each with its newline.

        Args:
            batch: Values of one device at one moment.

        Returns:
            One line per measurement and set of tags.
        """
        device = batch.source, batch.unit, batch.vendor, batch.labels
        if batch.health.removed:
            self._heads.pop(device, None)
            return []
        heads = self._heads.get(device)
        if heads is None:
            heads = self._heads[device] = {}
        fields: dict[str, list[str]] = {}
        last, parts = "", []
        for series, value in batch.values:
            # Nearly all values are such: written here, since a call would cost as much again.
            if type(value) is float and isfinite(value):
                text = f"{series.metric.field}={value!r}"
            elif (written := field_value(value)) is not None:
                text = f"{series.metric.field}={written}"
            else:
                continue
            head = heads.get(series)
            if head is None:
                head = heads[series] = self._head(batch, series)
            if head is not last:  # mostly several in a row are of one line
                last, parts = head, fields.setdefault(head, [])
            parts.append(text)
        return [
            f"{head} {','.join(parts)} {batch.time_ns}\n".encode() for head, parts in fields.items()
        ]

    def _head(self, batch: Batch, series: Series) -> str:
        measurement = self._prefix + series.metric.measurement.removeprefix(PREFIX)
        tags = {
            **dict(batch.labels),
            **dict(series.tags),
            "source": batch.source,
            "vendor": batch.vendor,
        }
        if batch.unit:
            tags["unit"] = batch.unit
        written = ((key, tag_value(text)) for key, text in sorted(tags.items()))
        head = ",".join([measurement, *(f"{key}={text}" for key, text in written if text)])
        return sys.intern(head)  # the same object for all series of a line


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
