"""What ``watch`` shows: heading, power flow and health on top, values by component below."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from rich.console import ConsoleDimensions, Group, RenderableType
from rich.table import Table
from rich.text import Text

from rct_collector.catalog.faults import FAULT_WORDS
from rct_collector.cli import summary
from rct_collector.cli.layout import (
    TextSection,
    section_height,
    section_table,
    section_width,
    snapshot_sections,
)
from rct_collector.cli.snapshot import Snapshot
from rct_collector.format import duration_text, moment_text
from rct_collector.model import Kind, PollClass, Series

#: Columns of the longest bar.
_BAR = 30
#: A value older than so many of its intervals is told as old.
_OLD = 3

#: Spaces between columns of sections.
_GUTTER = 4
#: A section takes at least so many lines.
_LEAST_LINES = 3
#: Columns for the age beside a title.
_NOTE = 14

#: What the bars and the words above the sections tell already.
_ON_TOP = frozenset(
    {
        *(f"inverter_power.{flow}_watts" for flow in ("pv", "battery", "grid", "load")),
        *(f"inverter_power.grid_{way}_watts" for way in ("import", "export")),
        *(f"inverter_power.battery_{way}_watts" for way in ("charge", "discharge")),
        *FAULT_WORDS,
        "inverter_status.faults_active",
    }
)

#: What is shown of several units as well, below their lines.
_OPTIMIZER = "inverter_optimizer"

_STYLES = {"output": "yellow", "sun": "yellow", "battery": "green", "grid": "red", "load": "cyan"}


def screen_view(
    snapshots: Sequence[Snapshot],
    size: ConsoleDimensions,
    *,
    complete: bool,
    footer: Iterable[str],
) -> RenderableType:
    """The whole screen.

    Args:
        snapshots: One per device.
        size: Of the terminal.
        complete: Show all metrics, not only those that change.
        footer: Last lines.
    """
    last = [_line(line, "dim") for line in footer if line]
    parts = [part for snapshot in snapshots for part in snapshot.each]
    if len(parts) > 1:
        tables = optimizers(parts, size.width, size.height - len(parts) - len(last) - 3)
        return Group(overview(parts), *tables, Text(""), *last)
    (snapshot,) = parts
    top = [*heading(snapshot), *bars(snapshot), Text("")]
    if not snapshot.answered:
        return Group(Text(f"reading {snapshot.config.name} …"), Text(""), *last)
    taken = sum(_rows(line, size.width) for line in top) + len(last) + 1
    chosen = shown(snapshot, complete=complete)
    if not complete:
        chosen = [series for series in chosen if series.metric.name not in _ON_TOP]
    found = snapshot_sections(snapshot, chosen)
    body, left_out = packed(
        found, size.width, size.height - taken - 1, partial(_age_text, snapshot)
    )
    if left_out:
        noun = "group" if left_out == 1 else "groups"
        more = f"{left_out} more {noun}: enlarge the window, or choose with --only"
        last.insert(0, _line(more, "dim"))
    return Group(*top, body, Text(""), *last)


def _rows(line: Text, width: int) -> int:
    """How many lines of the terminal a text takes."""
    return 1 if line.no_wrap else max(len(textwrap.wrap(line.plain, width)), 1)


def block(snapshot: Snapshot, *, complete: bool) -> list[RenderableType]:
    """What one round brought, as plain text."""
    newest = snapshot.time_ns
    rounds = snapshot.driver.polled is not None  # else values come when the unit likes
    chosen = [
        series
        for series in shown(snapshot, complete=complete)
        if not rounds or snapshot.readings[series].time_ns == newest
    ]
    lines: list[RenderableType] = [*heading(snapshot, time_s=newest / 1e9)]
    if snapshot.health and snapshot.health.up and (flows := summary.flow_text(snapshot)):
        lines.append(Text(flows))
    for section in snapshot_sections(snapshot, chosen):
        lines += [Text(""), section_table(section, 1000)]
    return [*lines, Text("")]


def farewell(snapshot: Snapshot) -> list[RenderableType]:
    """What stays on the terminal when the screen is gone."""
    return [*heading(snapshot), Text(summary.flow_text(snapshot)), Text("")]


def heading(snapshot: Snapshot, time_s: float | None = None) -> list[Text]:
    """Which unit, how it does, and how well it can be asked."""
    moment = moment_text(time.time() if time_s is None else time_s, snapshot.config.timezone)
    return [*summary.heading(snapshot, moment), _line(health(snapshot), "dim")]


def _line(text: str, style: str = "") -> Text:
    """One line, cut where the terminal ends."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def health(snapshot: Snapshot) -> str:
    """How well the device can be asked, on one line."""
    if snapshot.health is None:
        return ""
    total = {
        name: snapshot.number(f"inverter_collector.{name}_total") or 0.0
        for name in ("requests", "answers", "timeouts", "reconnects")
    }
    up, error = snapshot.health.up, snapshot.health.error
    parts = ["up" if up else f"down: {error}" if error else "down"]
    if total["answers"]:
        parts.append(f"{total['answers']:.0f} answers")
    if total["requests"]:
        parts.append(f"loss {100 * total['timeouts'] / total['requests']:.1f} %")
    latency = snapshot.number("inverter_collector.answer_latency_seconds")
    if latency is not None:
        parts.append(f"latency {duration_text(latency)}")
    if total["reconnects"]:
        parts.append(f"reconnected {total['reconnects']:.0f} x")
    age = _age(snapshot, snapshot.measured)
    return ", ".join([*parts, *([f"newest value {age[0]:.0f} s old"] if age else [])])


def bars(snapshot: Snapshot) -> list[Text]:
    """The power flow as bars."""
    found = summary.flows(snapshot)
    most = max([abs(flow.watts) for flow in found] + [1.0])
    lines = [Text("")] if found else []
    for flow in found:
        bar = "█" * round(_BAR * abs(flow.watts) / most)
        note = flow.meaning
        soc = summary.charge(snapshot) if flow.name == "battery" else None
        if soc is not None:
            note = ", ".join(filter(None, (note, f"{soc:.0f} % full")))
        line = _line(f"{flow.name:8}{abs(flow.watts):7.0f} W  ")
        line.append(f"{bar:{_BAR}}", style=_STYLES.get(flow.name, ""))
        lines.append(line.append(f"  {note}"))
    return lines


def overview(snapshots: Sequence[Snapshot]) -> Table:
    """One line per device, or per unit of one that takes many."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    table.add_column("device", no_wrap=True)
    gives = any(flow.name == summary.OUTPUT for s in snapshots for flow in summary.flows(s))
    for head in ("sun", *([summary.OUTPUT] if gives else []), "battery", "SoC", "grid", "load"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("state")
    table.add_column("age", justify="right", no_wrap=True)
    for snapshot in snapshots:
        watts = {flow.name: f"{flow.watts:.0f} W" for flow in summary.flows(snapshot)}
        soc = summary.charge(snapshot)
        age = _age(snapshot, snapshot.measured)
        state = ", ".join(filter(None, (summary.state(snapshot), summary.faults(snapshot))))
        down = snapshot.health is not None and not snapshot.health.up
        table.add_row(
            snapshot.title,
            watts.get("sun", ""),
            *([watts.get(summary.OUTPUT, "")] if gives else []),
            watts.get("battery", ""),
            "" if soc is None else f"{soc:.0f} %",
            watts.get("grid", ""),
            watts.get("load", ""),
            snapshot.trouble or state or "reading …",
            f"{age[0]:.0f} s" if age else "",
            style="red" if down or snapshot.faults() else "",
        )
    return table


def optimizers(
    snapshots: Sequence[Snapshot], width: int, height: int
) -> tuple[RenderableType, ...]:
    """Below the lines of several units: tables of their optimizers, as far as there is room.

    Args:
        snapshots: One per unit.
        width: Columns of the terminal.
        height: Lines that are left.
    """
    found, notes = [], {}
    for snapshot in snapshots:
        chosen = [
            series
            for series in shown(snapshot, complete=False)
            if series.metric.measurement == _OPTIMIZER
        ]
        for section in snapshot_sections(snapshot, chosen):
            found.append(replace(section, title=f"{snapshot.title}: {section.title.lower()}s"))
            notes[found[-1].title] = _age_text(snapshot, section)
    if not found:
        return ()
    share = max(height // -(-len(found) // _columns(found, width)) - 1, _LEAST_LINES)
    cut = [_cut(section, share) for section in found]
    return Text(""), packed(cut, width, height, lambda section: notes[section.title])[0]


def _columns(found: Sequence[TextSection], width: int) -> int:
    """How many sections there is room for side by side."""
    return max((width + _GUTTER) // (_column_width(found) + _GUTTER), 1)


def shown(snapshot: Snapshot, *, complete: bool) -> list[Series]:
    """The series that are worth watching."""
    if complete:
        return list(snapshot.readings)
    fields = {series.name for series in snapshot.readings if series.metric.kind is Kind.WORD}
    return [
        series
        for series in snapshot.measured
        if (
            series.metric.poll in (PollClass.FAST, PollClass.MEDIUM)
            or series.metric.measurement == "inverter_energy"
        )
        and (snapshot.readings[series].value or not _of_word(series, fields))
    ]


def _of_word(series: Series, words: set[str]) -> bool:
    """Whether a flag is a bit of a word that is shown too; then it is shown when it is set."""
    if series.metric.kind is not Kind.FLAG:
        return False
    stem, _, field = series.name.rpartition(".")
    parts = field.split("_")
    return any(f"{stem}.{'_'.join([*parts[:n], 'word'])}" in words for n in range(1, len(parts)))


def _age_text(snapshot: Snapshot, section: TextSection) -> str:
    """How old the values of a section are."""
    age = _age(snapshot, section.series)
    if age is None:
        return ""
    low, high = (round(seconds) for seconds in age)
    late = any(_is_old(snapshot, series) for series in section.series)
    text = f"{low} s" if low == high else f"{low} … {high} s"
    return f"late: {text}" if late else text


def _is_old(snapshot: Snapshot, series: Series) -> bool:
    if snapshot.driver.polled is None:  # it says what it likes when it likes
        return False
    interval = snapshot.config.intervals.seconds(series.metric.poll)
    return time.time() - snapshot.readings[series].time_ns / 1e9 > _OLD * interval


def _age(snapshot: Snapshot, series: Iterable[Series]) -> tuple[float, float] | None:
    """Age of the newest and of the oldest value, in seconds."""
    times = [snapshot.readings[s].time_ns for s in series]
    if not times:
        return None
    now = time.time()
    return max(now - max(times) / 1e9, 0.0), max(now - min(times) / 1e9, 0.0)


# -- sections side by side, as many as a terminal has room for -----------------------------------


def packed(
    found: Sequence[TextSection], width: int, height: int, note: Callable[[TextSection], str]
) -> tuple[RenderableType, int]:
    """Put sections side by side, as many as there is room for.

    Args:
        found: The sections, most important first.
        width: Columns of the terminal.
        height: Lines that are left.
        note: Section → what stands beside its title, at most 12 columns.

    Returns:
        What to draw, and how many sections did not fit.
    """
    columns: list[list[TextSection]] = []
    left_out = 0
    if height < _LEAST_LINES:
        return Text(""), len(found)
    for section in found:
        whole = _cut(section, height)
        # The first column with room; a new one, if that is as wide as the terminal allows.
        for n in range(len(columns) + 1):
            tried = [*columns[:n], [*(columns[n : n + 1] or [[]])[0], whole], *columns[n + 1 :]]
            if _column_height(tried[n]) <= height and _grid_width(tried) <= width:
                columns = tried
                break
        else:
            left_out += 1
    grid = Table.grid(padding=(0, _GUTTER, 0, 0))
    for _ in columns:
        grid.add_column(no_wrap=True)
    grid.add_row(*(_stack(column, width, note) for column in columns))
    return grid, left_out


def _column_height(column: Sequence[TextSection]) -> int:
    return sum(section_height(section) + 1 for section in column) - 1


def _grid_width(columns: Sequence[Sequence[TextSection]]) -> int:
    return sum(_column_width(column) + _GUTTER for column in columns) - _GUTTER


def _column_width(column: Sequence[TextSection]) -> int:
    return max(max(section_width(s), len(s.title) + _NOTE) for s in column)


def _stack(column: Sequence[TextSection], width: int, note: Callable[[TextSection], str]) -> Group:
    parts: list[RenderableType] = []
    for section in column:
        parts += [Text("")] if parts else []
        parts.append(section_table(section, width, note(section)))
    return Group(*parts)


def _cut(section: TextSection, height: int) -> TextSection:
    """A section of at most so many lines."""
    extra = section_height(section) - height
    if extra <= 0:
        return section
    kept = section.rows[: max(len(section.rows) - extra - 1, 0)]
    more = (f"… {len(section.rows) - len(kept)} more", *[""] * (len(section.rows[0]) - 1))
    return replace(section, rows=(*kept, more))
