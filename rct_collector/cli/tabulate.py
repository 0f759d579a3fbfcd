"""Tables of frames and noise."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rct_collector.cli.console import console
from rct_collector.drivers.tools import Piece

#: Frames that are told of one file, at most: more than a day of a busy line has, and each takes
#: some hundred bytes.
MOST_PIECES = 1_000_000

_HEADS = ("device", "frame", "object", "value", "check")
_GAP = "  "


def print_pieces(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Piece]]) -> None:
    """Print pieces, each behind what tells where it was.

    Args:
        heads: Of the columns that tell where.
        rows: Where, and what.
    """
    if console().is_terminal:
        _print_folded(heads, rows)
    else:
        _print_plain(heads, rows)


def _cells(where: Sequence[str], piece: Piece) -> tuple[str, ...]:
    direction = piece.direction.removesuffix(" device")
    return (*where, direction, piece.command, piece.label, piece.shown, piece.verdict)


def _print_folded(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Piece]]) -> None:
    """As wide as the terminal, with colours."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for head in _HEADS[:2]:
        table.add_column(head, no_wrap=True)
    for head in _HEADS[2:]:
        table.add_column(head, overflow="fold")
    for where, piece in rows:
        style = "" if piece.valid else "red" if piece.command else "dim"
        table.add_row(*map(Text, _cells(where, piece)), style=style)
    console().print(table)


def _print_plain(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Piece]]) -> None:
    """As wide as it likes. rich takes a thousand times as long, and captures are large."""
    from rich.cells import cell_len

    table = [(*heads, *_HEADS), *(_cells(where, piece) for where, piece in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (
            " " * (width - cell_len(cell)) + cell
            if n < len(heads)
            else cell + " " * (width - cell_len(cell))
            for n, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        sys.stdout.write(_GAP.join(padded).rstrip() + "\n")
