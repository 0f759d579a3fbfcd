"""The table that a benchmark run ends with, and the page that shows the tables of both kinds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

ROWS: list[tuple[str, str, str, str, str]] = []
#: What was measured and is not what was aimed at.
MISSED: list[str] = []
#: All further tables.
TABLES: list[Table] = []


class Table:
    """A table of its own beside that of all rows; the page keeps it between comments of its name.

    Attributes:
        name: What it is called.
        rows: Its rows so far.
    """

    def __init__(self, name: str, head: Sequence[str]) -> None:
        """Begin it.

        Args:
            name: What it is called.
            head: What stands above its columns.
        """
        self.name = name
        self.rows: list[Sequence[str]] = []
        self._head = head
        TABLES.append(self)

    def add(self, *cells: str) -> None:
        """Add a row."""
        assert len(cells) == len(self._head), "a cell for each column"
        self.rows.append(cells)

    def __str__(self) -> str:
        """It in Markdown."""
        return markdown(self._head, self.rows)


def report(
    name: str,
    ours: str,
    theirs: str = "",
    ratio: str = "",
    goal: str = "",
    *,
    reached: bool = True,
) -> None:
    """Add a row.

    Args:
        name: What was measured.
        ours: Our figure, with its unit.
        theirs: The same of what it is compared with, in the same run on the same bytes.
        ratio: How many times better.
        goal: What was aimed at.
        reached: Whether the figure is that. If not, the row says so and the run fails, but at its
            end: the page is to show what was measured, not the last time when all was well.
    """
    if not reached:
        MISSED.append(name)
        goal += ", not reached"
    ROWS.append((name, ours, theirs, ratio, goal))


def table() -> str:
    """All rows as a Markdown table."""
    return markdown(("measured", "rct-collector", "compared with", "ratio", "goal"), ROWS)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, without a newline at its end."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def keep(page: Path, name: str, text: str) -> None:
    """Put what was measured into a page, between the comments that bear its name.

    Args:
        page: Markdown file with ``<!-- begin NAME -->`` and ``<!-- end NAME -->``.
        name: ``measured``, or that of a table of faults.
        text: What was measured.

    Raises:
        ValueError: The page has no such place, or more than one.
    """
    begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->\n"
    place = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
    new, count = place.subn(lambda _: f"\n{text}\n\n", page.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"{page}: {count} places between {begin.strip()} and {end.strip()}, not 1")
    page.write_text(new, encoding="utf-8")
