"""Sections and headings as rich renderables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rct_collector.cli.layout import Section, sections
from rct_collector.cli.present import value_text
from rct_collector.cli.snapshot import Snapshot
from rct_collector.model import Series

#: Spaces between columns.
_GAP = 2


def snapshot_sections(snapshot: Snapshot, chosen: Iterable[Series] | None = None) -> list[Section]:
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


def section_table(section: Section, width: int, note: str = "") -> RenderableType:
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


def section_width(section: Section) -> int:
    """Columns that a section takes when it is not cut."""
    return max(sum(_widths(section)) + _GAP * (len(_widths(section)) - 1), cell_len(section.title))


def section_height(section: Section) -> int:
    """Lines that a section takes when it is not cut: title, headings and rows."""
    return 1 + bool(section.head) + len(section.rows)


def _tables(section: Section, width: int) -> Iterator[Table]:
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


def _all_numbers(section: Section) -> bool:
    """Whether the values of a list look better right aligned."""
    return all(row[1].lstrip("-")[:1].isdigit() and "(" not in row[1] for row in section.rows)


def _widths(section: Section) -> list[int]:
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
