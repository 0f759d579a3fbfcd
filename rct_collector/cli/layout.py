"""Values grouped by component: sections of rows and columns of text, and how they are drawn.

A component that exists several times (phases, strings, modules) has its numbers side by side
where their names are short, and one below the other where they are words (flows, sensors) or
many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rct_collector.catalog import catalog
from rct_collector.cli.snapshot import Snapshot
from rct_collector.format import capitalised, component, field_label, value_text, words
from rct_collector.model import Series

Item = TypeVar("Item")

#: Longest tag value that still makes a column.
_SHORT = 3
#: Most columns that tags may make.
_MOST_COLUMNS = 7

#: Spaces between columns.
_GAP = 2

#: Measurements in the order in which people ask for them; the rest follows the catalogue.
_FIRST = (
    "inverter_power",
    "inverter_string",
    "inverter_battery",
    "inverter_grid",
    "inverter_load",
    "inverter_energy",
    "inverter_status",
    "inverter_temperature",
    "inverter_output",
)
_LAST = (
    "inverter_settings",
    "inverter_firmware",
    "inverter",
    "inverter_collector",
    "inverter_collector_errors",
)

#: What is told elsewhere: faults in words, the mark of the info line.
_HIDDEN = frozenset({"inverter_fault.active", "inverter.info"})


@dataclass(frozen=True, slots=True)
class TextSection:
    """The values of one component.

    Attributes:
        title: What it is.
        head: Heading of each column, the first one for the labels; empty without headings.
        rows: Label and texts of each row, "" where there is no value.
        series: The series shown.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    series: tuple[Series, ...]


def snapshot_sections(
    snapshot: Snapshot, chosen: Iterable[Series] | None = None
) -> list[TextSection]:
    """The sections of what is known of a device.

    Args:
        snapshot: The values.
        chosen: Only these series; all by default.
    """
    wanted = snapshot.readings if chosen is None else [s for s in chosen if s in snapshot.readings]
    zone = snapshot.config.timezone
    texts = {}
    for series in wanted:
        value = snapshot.readings[series].value
        code = snapshot.text(series, value)
        texts[series] = value_text(series.metric, value, code=code, zone=zone)
    return sections(texts)


def sections(texts: Mapping[Series, str]) -> list[TextSection]:
    """Arrange values.

    Args:
        texts: Series → value in words.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[Series]] = {}
    for series in texts:
        if series.metric.name not in _HIDDEN:
            keys = tuple(key for key, _ in series.tags)
            groups.setdefault((series.metric.measurement, keys), []).append(series)
    place = catalog().place
    first: dict[str, Any] = {}
    for (measurement, _), found in groups.items():
        here = min(place(series) for series in found)
        first[measurement] = min(here, first.get(measurement, here))
    ordered = sorted(
        groups.items(), key=lambda item: (_rank(item[0][0]), first[item[0][0]], len(item[0][1]))
    )
    result: list[TextSection] = []
    for (measurement, keys), found in ordered:
        name = component(measurement)
        if keys and (measurement, ()) in groups:
            name += f" by {keys[-1]}"
        result += _group(name, keys, sorted(found, key=place), texts)
    return result


def _rank(measurement: str) -> int:
    if measurement in _FIRST:
        return _FIRST.index(measurement)
    if measurement in _LAST:
        return 1000 + _LAST.index(measurement)
    return 100


def _group(
    title: str, keys: tuple[str, ...], found: list[Series], texts: Mapping[Series, str]
) -> list[TextSection]:
    """One section, or several where there are more dimensions than a table has."""
    if not keys:
        rows = tuple((field_label(s.metric), texts[s]) for s in found)
        return [TextSection(capitalised(title), (), rows, tuple(found))]
    if len(keys) == 1:
        return [_by_tag(title, keys[0], found, texts)]
    outer = keys[0]
    parts: dict[tuple[str, str], list[Series]] = {}
    for series in found:
        label = field_label(series.metric) if len(keys) > 2 else ""
        parts.setdefault((dict(series.tags)[outer], label), []).append(series)
    result = []
    for (value, label), part in parts.items():
        name = " ".join(filter(None, (title, label))) + f", {outer} {value}"
        if label:
            result.append(_cross(name, keys[1], keys[2], part, texts))
        else:
            result.append(_by_tag(name, keys[1], part, texts))
    return result


def _by_tag(title: str, key: str, found: list[Series], texts: Mapping[Series, str]) -> TextSection:
    """Fields against the values of one tag, whichever way round suits them."""
    tag = _tag(key)
    values = _unique(tag(s)[0] for s in found)
    if len(values) <= _MOST_COLUMNS and all(len(value) <= _SHORT for value in values):
        return _matrix(title, key, found, texts, _field, tag)
    return _matrix(title, key, found, texts, tag, _field)


def _cross(
    title: str, down: str, across: str, found: list[Series], texts: Mapping[Series, str]
) -> TextSection:
    """Values of one tag against those of another, for a single field."""
    return _matrix(title, f"{down} / {across}", found, texts, _tag(down), _tag(across))


#: Series → what tells a row (or column) from the others, and how it is labelled.
Heading = Callable[[Series], tuple[str, str]]


def _field(series: Series) -> tuple[str, str]:
    """Two fields may have one label, and differ by their units."""
    return series.metric.field, field_label(series.metric)


def _tag(key: str) -> Heading:
    def heading(series: Series) -> tuple[str, str]:
        value = dict(series.tags)[key]
        return value, words(value)

    return heading


def _matrix(
    title: str,
    corner: str,
    found: list[Series],
    texts: Mapping[Series, str],
    row_of: Heading,
    column_of: Heading,
) -> TextSection:
    columns = sorted(_unique(column_of(s) for s in found), key=lambda column: _natural(column[0]))
    cells: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for series in found:
        cells.setdefault(row_of(series), {})[column_of(series)] = texts[series]
    rows = tuple(
        (label, *(row.get(column, "") for column in columns)) for (_, label), row in cells.items()
    )
    head = (corner, *(label for _, label in columns))
    return TextSection(capitalised(title), head, rows, tuple(found))


def _natural(text: str) -> int:
    """Numbers by size; words stay as they come, since sorting is stable."""
    return int(text) if text.isdigit() else 0


def _unique(values: Iterable[Item]) -> list[Item]:
    return list(dict.fromkeys(values))


# -- drawing ------------------------------------------------------------------------------------


def section_table(section: TextSection, width: int, note: str = "") -> RenderableType:
    """One section: its title, then its table, cut into pieces where it is too wide.

    Args:
        section: What to draw.
        width: Columns of the terminal.
        note: Stands beside the title, weakly.
    """
    title = Text(section.title, style="bold")
    if note:
        title.append(f"  {note}", style="dim")
    return Group(title, *_tables(section, width))


def section_width(section: TextSection) -> int:
    """Columns that a section takes when it is not cut."""
    return max(sum(_widths(section)) + _GAP * (len(_widths(section)) - 1), cell_len(section.title))


def section_height(section: TextSection) -> int:
    """Lines that a section takes when it is not cut: title, headings and rows."""
    return 1 + bool(section.head) + len(section.rows)


def _tables(section: TextSection, width: int) -> Iterator[Table]:
    for columns in _pieces(_widths(section), width):
        table = Table(
            box=None,
            padding=(0, _GAP, 0, 0),
            pad_edge=False,
            show_header=bool(section.head),
            header_style="dim",
        )
        for n in columns:
            right = n and (section.head or _all_numbers(section))
            justify = "right" if right else "left"
            head = section.head[n] if section.head else ""
            style = "" if n else "dim"
            table.add_column(head, justify=justify, style=style, no_wrap=True)  # type: ignore[arg-type]
        for row in section.rows:
            # As Text, so that nothing in a device's words is taken for markup.
            table.add_row(*(Text(row[n]) for n in columns))
        yield table


def _all_numbers(section: TextSection) -> bool:
    """Whether the values of a list look better right aligned."""
    return all(row[1].lstrip("-")[:1].isdigit() and "(" not in row[1] for row in section.rows)


def _widths(section: TextSection) -> list[int]:
    lines = [section.head, *section.rows] if section.head else list(section.rows)
    return [max(cell_len(text) for text in column) for column in zip(*lines, strict=True)]


def _pieces(widths: list[int], width: int) -> Iterator[list[int]]:
    """Column numbers per piece; each piece begins with the labels and has one more at least."""
    piece, used = [0], widths[0]
    for n, size in enumerate(widths[1:], start=1):
        if len(piece) > 1 and used + _GAP + size > width:
            yield piece
            piece, used = [0], widths[0]
        piece.append(n)
        used += _GAP + size
    yield piece
