"""Sections side by side, as many as a terminal has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rct_collector.cli.draw import section_height, section_table, section_width
from rct_collector.cli.layout import Section

#: Spaces between columns of sections.
_GUTTER = 4
#: A section takes at least so many lines.
_LEAST_LINES = 3
#: Columns for the age beside a title.
_NOTE = 14


def packed(
    found: Sequence[Section], width: int, height: int, note: Callable[[Section], str]
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
    columns: list[list[Section]] = []
    left_out = 0
    if height < _LEAST_LINES:
        return Text(""), len(found)
    for section in found:
        whole = _cut(section, height)
        # The first column with room; a new one, if that is as wide as the terminal allows.
        for n in range(len(columns) + 1):
            tried = [*columns[:n], [*(columns[n : n + 1] or [[]])[0], whole], *columns[n + 1 :]]
            if _lines(tried[n]) <= height and _width(tried) <= width:
                columns = tried
                break
        else:
            left_out += 1
    grid = Table.grid(padding=(0, _GUTTER, 0, 0))
    for _ in columns:
        grid.add_column(no_wrap=True)
    grid.add_row(*(_stack(column, width, note) for column in columns))
    return grid, left_out


def _lines(column: Sequence[Section]) -> int:
    return sum(section_height(section) + 1 for section in column) - 1


def _width(columns: Sequence[Sequence[Section]]) -> int:
    return sum(_column_width(column) + _GUTTER for column in columns) - _GUTTER


def _column_width(column: Sequence[Section]) -> int:
    return max(max(section_width(s), len(s.title) + _NOTE) for s in column)


def _stack(column: Sequence[Section], width: int, note: Callable[[Section], str]) -> Group:
    parts: list[RenderableType] = []
    for section in column:
        parts += [Text("")] if parts else []
        parts.append(section_table(section, width, note(section)))
    return Group(*parts)


def _cut(section: Section, height: int) -> Section:
    """A section of at most so many lines."""
    extra = section_height(section) - height
    if extra <= 0:
        return section
    kept = section.rows[: max(len(section.rows) - extra - 1, 0)]
    more = (f"… {len(section.rows) - len(kept)} more", *[""] * (len(section.rows[0]) - 1))
    return replace(section, rows=(*kept, more))
