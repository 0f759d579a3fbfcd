"""Tables of frames and noise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from rct_collector.cli.console import console, show
from rct_collector.cli.explain import Piece


def print_pieces(heads: Sequence[str], rows: Iterable[tuple[Sequence[str], Piece]]) -> None:
    """Print pieces, each behind what tells where it was.

    Args:
        heads: Of the columns that tell where.
        rows: Where, and what.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for head in ("device", "frame"):
        table.add_column(head, no_wrap=True)
    for head in ("object", "value", "check"):
        table.add_column(head, overflow="fold")
    for where, piece in rows:
        style = "" if piece.valid else "red" if piece.command else "dim"
        direction = piece.direction.removesuffix(" device")
        cells = (*where, direction, piece.command, piece.label, piece.shown, piece.verdict)
        table.add_row(*map(Text, cells), style=style)
    show(console(), table)
