"""The table that a benchmark run ends with."""

from __future__ import annotations

ROWS: list[tuple[str, str, str, str, str]] = []


def report(name: str, ours: str, theirs: str = "", ratio: str = "", goal: str = "") -> None:
    """Add a row.

    Args:
        name: What was measured.
        ours: Our figure, with its unit.
        theirs: The same of what it is compared with, in the same run on the same bytes.
        ratio: How many times better.
        goal: What was aimed at.
    """
    ROWS.append((name, ours, theirs, ratio, goal))


def table() -> str:
    """All rows as a Markdown table."""
    head = ("measured", "rct-collector", "compared with", "ratio", "goal")
    lines = [head, tuple("---" for _ in head), *ROWS]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
