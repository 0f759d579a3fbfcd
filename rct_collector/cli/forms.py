"""What ``read`` prints: tables for people, line protocol and JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.cli.console import write_json, write_utf8
from rct_collector.cli.snapshot import Reading, Snapshot
from rct_collector.model import Series

#: Prints snapshots; gets the first word of the measurements too.
Form = Callable[[Sequence[Snapshot], str], None]


def print_table(snapshots: Sequence[Snapshot], _prefix: str) -> None:
    """Tables by component, under a heading for each device."""
    from rich.console import Group
    from rich.text import Text

    from rct_collector.cli.console import console, show
    from rct_collector.cli.draw import section_table, snapshot_sections

    out = console()
    for n, snapshot in enumerate(snapshots):
        if not snapshot.measured:
            continue
        found = snapshot_sections(snapshot, snapshot.measured)
        spaced = [part for s in found for part in (Text(""), section_table(s, out.width))]
        show(out, Group(*([Text("")] if n else []), *_heading(snapshot), *spaced))


def _heading(snapshot: Snapshot) -> list[Any]:
    """Which unit, when, how it does and where the power goes."""
    from rich.text import Text

    from rct_collector.cli.present import moment_text
    from rct_collector.cli.summary import effort, flow_text, heading

    time_s = max(reading.time_ns for reading in snapshot.readings.values()) / 1e9
    lines = heading(snapshot, moment_text(time_s, snapshot.config.timezone))
    return [*lines, *(Text(text) for text in (flow_text(snapshot), effort(snapshot)) if text)]


def print_influx(snapshots: Sequence[Snapshot], prefix: str) -> None:
    """Line protocol, exactly as the Telegraf shim writes it."""
    serializer = LineProtocol(prefix)
    for snapshot in snapshots:
        for batch in snapshot.batches():
            for line in serializer.lines(batch):
                write_utf8(line.decode())


def print_json(snapshots: Sequence[Snapshot], _prefix: str) -> None:
    """A list with one object per device."""
    write_json([_device(snapshot) for snapshot in snapshots])


def _device(snapshot: Snapshot) -> dict[str, Any]:
    config = snapshot.config
    return {
        "source": config.name,
        "vendor": snapshot.driver.vendor,
        "labels": dict(config.labels),
        "trouble": snapshot.trouble or None,
        **({"undecided": list(snapshot.undecided)} if snapshot.undecided else {}),
        "faults": [{"fault": bit, "text": text} for bit, text in snapshot.faults() or ()],
        "values": [
            _value(snapshot, series, reading)
            for series, reading in snapshot.ordered()
            if not series.metric.own
        ],
        "collector": {
            "_".join([series.metric.field, *(value for _, value in series.tags)]): reading.value
            for series, reading in snapshot.ordered()
            if series.metric.own
        },
    }


def _value(snapshot: Snapshot, series: Series, reading: Reading) -> dict[str, Any]:
    text = snapshot.text(series, reading.value)
    return {
        "measurement": series.metric.measurement,
        "tags": dict(series.tags),
        "field": series.metric.field,
        "value": reading.value,
        "unit": series.metric.unit.symbol,
        **({"text": text} if text else {}),
        "time_ns": reading.time_ns,
    }


#: Name of the format → what prints it.
FORMS: dict[str, Form] = {"table": print_table, "influx": print_influx, "json": print_json}
