"""What a device remembers, written as line protocol, CSV, JSON, OpenMetrics or a table.

Each format takes rows as they come, portion by portion, and gives bytes; those that must see all of
it before they can write anything give them at the end.
"""

from __future__ import annotations

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.cli.moments import moment_of
from rct_collector.config import DeviceConfig
from rct_collector.drivers import driver
from rct_collector.format import value_text
from rct_collector.model import PREFIX, Batch, Metric, Origin, Series, Tags, Value

#: Values of one time, of one measurement and one set of tags.
Line = tuple[int, list[tuple[Series, Value]]]

#: Ways to begin CSV.
HEADERS = ("simple", "influx2", "none")


def lines_of(rows: Iterable[Line]) -> list[Line]:
    """Rows of single signals put together: all of one time, measurement and set of tags.

    Args:
        rows: In any order.

    Returns:
        In the order of time.
    """
    found: dict[tuple[int, str, Tags], list[tuple[Series, Value]]] = {}
    for time_ns, values in rows:
        for series, value in values:
            key = time_ns, series.metric.measurement, series.tags
            found.setdefault(key, []).append((series, value))
    return [(key[0], values) for key, values in sorted(found.items(), key=lambda item: item[0])]


class Columns(NamedTuple):
    """What the lines of an output may have.

    Attributes:
        devices: Those that it is about.
        metrics: What the values are, in order.
        tags: Tags that differ from line to line.
        fixed: Tags that are the same on all lines.
    """

    devices: Sequence[DeviceConfig]
    metrics: Sequence[Metric]
    tags: Sequence[str]
    fixed: Tags

    @property
    def many(self) -> bool:
        """Whether lines must say which device they are of."""
        return len(self.devices) > 1


class HistoryFormat(ABC):
    """A format; see the module."""

    def __init__(self, columns: Columns, prefix: str = PREFIX) -> None:
        """Begin.

        Args:
            columns: What the lines may have.
            prefix: First word of every measurement.
        """
        self.columns = columns
        self.prefix = prefix

    def begin(self) -> Iterator[bytes]:
        """What stands before all lines."""
        return iter(())

    @abstractmethod
    def lines(self, device: DeviceConfig, lines: Sequence[Line]) -> Iterator[bytes]:
        """Some more lines of a device, in the order of time."""

    def end(self) -> Iterator[bytes]:
        """What stands behind all lines."""
        return iter(())

    def measurement(self, metric: Metric) -> str:
        """The name of a measurement as it is published."""
        return self.prefix + metric.measurement.removeprefix(PREFIX)


class InfluxFormat(HistoryFormat):
    """Line protocol, exactly as the agents get it."""

    def __init__(self, columns: Columns, prefix: str = PREFIX) -> None:
        """Begin."""
        super().__init__(columns, prefix)
        self._serializer = LineProtocol(prefix)

    def lines(self, device: DeviceConfig, lines: Sequence[Line]) -> Iterator[bytes]:
        """See the base class."""
        vendor, labels = driver(device.driver).vendor, tuple(sorted(device.labels.items()))
        for time_ns, values in lines:
            batch = Batch(
                device.name, vendor, labels, time_ns, tuple(values), 0.0, Origin.HISTORY
            )  # fmt: skip
            yield from self._serializer.lines(batch)


class JsonFormat(HistoryFormat):
    """A list with one object per time."""

    _before = b"["

    def lines(self, device: DeviceConfig, lines: Sequence[Line]) -> Iterator[bytes]:
        """See the base class."""
        for time_ns, values in lines:
            (first, _), *_ = values
            item = {
                "source": device.name,
                "measurement": self.measurement(first.metric),
                "tags": dict(first.tags),
                "time": moment_of(time_ns, device.timezone),
                "time_ns": time_ns,
                "values": {series.metric.field: value for series, value in values},
            }
            yield self._before + b"\n " + json.dumps(item, ensure_ascii=False).encode()
            self._before = b","

    def end(self) -> Iterator[bytes]:
        """See the base class."""
        yield b"[]\n" if self._before == b"[" else b"\n]\n"


class CsvFormat(HistoryFormat):
    """A row per time, a column per signal; empty where the unit has no value."""

    def __init__(self, columns: Columns, prefix: str = PREFIX, header: str = "simple") -> None:
        """Begin.

        Args:
            columns: What the lines may have.
            prefix: First word of every measurement.
            header: One of :data:`HEADERS`.
        """
        super().__init__(columns, prefix)
        self._header = header
        self._fields = list(dict.fromkeys(metric.field for metric in columns.metrics))
        self._labels = [*(["source"] if columns.many else []), *columns.tags]

    def begin(self) -> Iterator[bytes]:
        """See the base class."""
        if self._header == "none":
            return
        if self._header == "influx2":
            yield from self._annotations()
        yield _csv(["time", *self._labels, *self._fields])

    def _annotations(self) -> Iterator[bytes]:
        """What ``influx write`` wants to know of the columns."""
        columns, first = self.columns, self.columns.metrics[0]
        yield _csv(["#constant measurement", self.measurement(first)])
        constant = dict(columns.fixed)
        if not columns.many:
            (device,) = columns.devices
            constant |= {**device.labels, "source": device.name}
        vendors = {driver(device.driver).vendor for device in columns.devices}
        if len(vendors) == 1:
            constant["vendor"] = vendors.pop()
        for key, text in sorted(constant.items()):
            yield _csv(["#constant tag", key, text])
        kinds = {metric.field: _kind(metric) for metric in columns.metrics}
        yield _csv(
            ["#datatype dateTime:RFC3339", *("tag" for _ in self._labels),
             *(kinds[field] for field in self._fields)]
        )  # fmt: skip

    def lines(self, device: DeviceConfig, lines: Sequence[Line]) -> Iterator[bytes]:
        """See the base class."""
        for time_ns, values in lines:
            tags = dict(values[0][0].tags)
            by_field = {series.metric.field: value for series, value in values}
            yield _csv(
                [
                    moment_of(time_ns, device.timezone),
                    *([device.name] if self.columns.many else []),
                    *(tags.get(key, "") for key in self.columns.tags),
                    *(by_field.get(field, "") for field in self._fields),
                ]
            )


def _kind(metric: Metric) -> str:
    return {float: "double", int: "long", str: "string"}[metric.value_type]


def _csv(cells: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


class OpenMetricsFormat(HistoryFormat):
    """All samples of a metric together, as the format wants it, so they are written at the end.

    Texts have no place there, and are left out.
    """

    def __init__(self, columns: Columns, prefix: str = PREFIX) -> None:
        """Begin."""
        super().__init__(columns, prefix)
        self._samples: dict[Metric, dict[str, tuple[array[int], array[float]]]] = {}

    def lines(self, device: DeviceConfig, lines: Sequence[Line]) -> Iterator[bytes]:
        """See the base class."""
        vendor = driver(device.driver).vendor
        for time_ns, values in lines:
            for series, value in values:
                if isinstance(value, str):
                    continue
                tags = {**device.labels, **dict(series.tags)}
                labels = _labels({**tags, "source": device.name, "vendor": vendor})
                kept = self._samples.setdefault(series.metric, {})
                times, numbers = kept.setdefault(labels, (array("q"), array("d")))
                times.append(time_ns // 1_000_000)
                numbers.append(float(value))
        return iter(())

    def end(self) -> Iterator[bytes]:
        """See the base class."""
        for metric in self.columns.metrics:
            if metric not in self._samples:
                continue
            name = f"{self.measurement(metric)}_{metric.field}"
            text = metric.description.translate(_ESCAPED)
            yield f"# TYPE {name} gauge\n# HELP {name} {text}\n".encode()
            for labels, (times, numbers) in self._samples[metric].items():
                for milliseconds, number in sorted(zip(times, numbers, strict=True)):
                    seconds = f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
                    yield f"{name}{labels} {number!r} {seconds}\n".encode()
        yield b"# EOF\n"


_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def _labels(tags: dict[str, str]) -> str:
    """Labels as they are written; a name takes letters, digits and underscores."""
    written = (
        f'{re.sub("[^A-Za-z0-9_]", "_", key)}="{text.translate(_ESCAPED)}"'
        for key, text in sorted(tags.items())
    )
    return f"{{{','.join(written)}}}"


class TableFormat(HistoryFormat):
    """For people: a row per time, as many columns side by side as fit."""

    #: Columns of a terminal; what does not fit comes below.
    width = 1_000_000

    def __init__(self, columns: Columns, prefix: str = PREFIX) -> None:
        """Begin."""
        super().__init__(columns, prefix)
        self._rows: dict[str, list[dict[str, str]]] = {}

    def lines(self, device: DeviceConfig, lines: Sequence[Line]) -> Iterator[bytes]:
        """See the base class."""
        for time_ns, values in lines:
            row = {"time": moment_of(time_ns, device.timezone)[:19].replace("T", " ")}
            if self.columns.many:
                row["source"] = device.name
            first = values[0][0]
            varied = {key: text for key, text in first.tags if key in self.columns.tags}
            row |= varied
            row |= {s.metric.field: value_text(s.metric, value) for s, value in values}
            self._rows.setdefault(first.metric.measurement, []).append(row)
        return iter(())

    def end(self) -> Iterator[bytes]:
        """See the base class."""
        for n, rows in enumerate(self._rows.values()):
            for m, table in enumerate(self._tables(rows)):
                yield (b"\n" if n or m else b"") + "".join(f"{line}\n" for line in table).encode()

    def _tables(self, rows: Sequence[dict[str, str]]) -> Iterator[list[str]]:
        keys = ["time", *(["source"] if self.columns.many else []), *self.columns.tags]
        keys = [key for key in keys if any(key in row for row in rows)]
        fields = [metric.field for metric in self.columns.metrics]
        fields = [f for f in dict.fromkeys(fields) if any(f in row for row in rows)]
        widths = {
            key: max(len(key), *(len(row.get(key, "")) for row in rows)) for key in (*keys, *fields)
        }
        room = self.width - sum(widths[key] + 2 for key in keys)
        group: list[str] = []
        used = 0
        for name in fields:
            if group and used + widths[name] + 2 > room:
                yield _aligned([*keys, *group], widths, rows)
                group, used = [], 0
            group.append(name)
            used += widths[name] + 2
        if group:
            yield _aligned([*keys, *group], widths, rows)


def _aligned(
    keys: Sequence[str], widths: dict[str, int], rows: Sequence[dict[str, str]]
) -> list[str]:
    """A table: what is a number stands on the right."""
    right = {key for key in keys if all(_is_number(row.get(key, "")) for row in rows)}
    table = [{key: key for key in keys}, *rows]
    return [
        "  ".join(
            row.get(key, "").rjust(widths[key]) if key in right else
            row.get(key, "").ljust(widths[key])
            for key in keys
        ).rstrip()
        for row in table
    ]  # fmt: skip


def _is_number(text: str) -> bool:
    return not text or text[0] in "-−0123456789" and ":" not in text


#: Name of the format → what writes it.
FORMATS: dict[str, type[HistoryFormat]] = {
    "table": TableFormat,
    "csv": CsvFormat,
    "influx": InfluxFormat,
    "json": JsonFormat,
    "openmetrics": OpenMetricsFormat,
}
