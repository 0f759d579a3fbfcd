"""``rct-collector decode``: bytes of an RCT line, explained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rct_collector.cli.explain import Piece

_EPILOG = """\b
Examples:
  rct-collector decode 2b 01 04 95 99 30 bf 0d 65
  rct-collector decode recording.bin
  xxd -p recording.bin | rct-collector decode -
"""


@click.command("decode", short_help="Explain bytes of an RCT line.", epilog=_EPILOG)
@click.argument("source", nargs=-1, required=True, metavar="HEX...|FILE|-")
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json"]), default="table",
    help="How the frames are printed (default: table).",
)  # fmt: skip
def command(source: tuple[str, ...], form: str) -> None:
    """Explain bytes of the RCT serial protocol: hexadecimal text, a file of it, or of bytes.

    One line per frame: where it begins, who sends it, what it means, and what is wrong with
    it. Bytes between frames are shown as noise. Nothing is sent anywhere.
    """
    from rct_collector.cli.explain import explain

    pieces = explain(_bytes(source))
    if form == "json":
        import json

        objects = [piece.as_mapping() for piece in pieces]
        click.echo(json.dumps(objects, indent=1, ensure_ascii=False))
    else:
        _print_table(pieces)


def _bytes(source: tuple[str, ...]) -> bytes:
    """Find out what was given."""
    if source == ("-",):
        return _bytes_or_hex(sys.stdin.buffer.read(), "standard input")
    path = Path(source[0])
    if len(source) == 1 and _is_file(path):
        try:
            return _bytes_or_hex(path.read_bytes(), str(path))
        except OSError as error:
            raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from error
    text = "".join(source)
    data = _from_hex(text)
    if data is None:
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise click.UsageError(f"{shown!r} is neither a file nor pairs of hexadecimal digits")
    return data


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # digits too long for a name
        return False


def _bytes_or_hex(content: bytes, origin: str) -> bytes:
    """Text of hexadecimal digits becomes bytes; anything else is bytes already."""
    if not content:
        raise click.UsageError(f"{origin} is empty")
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return content
    found = _from_hex(text)
    return content if found is None else found


def _from_hex(text: str) -> bytes | None:
    """Pairs of digits, with whatever people put between them; None for anything else."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    digits = " ".join(lines).replace("0x", " ").replace("0X", " ")
    for separator in ":,;-_":
        digits = digits.replace(separator, " ")
    try:
        return bytes.fromhex(digits) or None
    except ValueError:
        return None


def _print_table(pieces: list[Piece]) -> None:
    from rich.table import Table
    from rich.text import Text

    from rct_collector.cli.console import console, show

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("offset", justify="right", no_wrap=True)
    table.add_column("device", no_wrap=True)
    table.add_column("frame", no_wrap=True)
    for head in ("object", "value", "check"):
        table.add_column(head, overflow="fold")
    for piece in pieces:
        style = "" if piece.valid else "red" if piece.command else "dim"
        direction = piece.direction.removesuffix(" device")
        cells = (direction, piece.command, piece.label, piece.shown, piece.verdict)
        table.add_row(str(piece.offset), *map(Text, cells), style=style)
    show(console(), table)
