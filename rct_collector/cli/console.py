"""Where output goes: colours and widths for a terminal, plain lines for a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Width of tables in a pipe: as wide as they like, since whoever reads them may cut.
PIPE_WIDTH = 1000


def console(*, stderr: bool = False) -> Console:
    """A console for standard output or error.

    Texts of devices are shown as they are: nothing in them is taken for markup.
    """
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    found = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not found.is_terminal:
        found = Console(file=stream, highlight=False, markup=False, emoji=False, width=PIPE_WIDTH)
    return found


def show(out: Console, *renderables: RenderableType) -> None:
    """Print things; in a pipe without the spaces with which tables fill up their lines."""
    if out.is_terminal:
        out.print(*renderables, sep="\n")
        return
    with out.capture() as capture:
        out.print(*renderables, sep="\n")
    for line in capture.get().splitlines():
        out.file.write(line.rstrip() + "\n")


def write_utf8(text: str) -> None:
    """Write what a program will read: UTF-8, whatever the locale of this host says."""
    click.echo(text.encode(errors="replace"), nl=False)


def write_json(value: Any, indent: int = 1) -> None:  # noqa: ANN401
    """Write a value for a program."""
    write_utf8(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")


def write_json_list(objects: Iterable[dict[str, object]]) -> None:
    """Write a list for a program, one object after the other: all texts at once take their place.

    Args:
        objects: For JSON.
    """
    before = "["
    for item in objects:
        text = json.dumps(item, indent=1, ensure_ascii=False).replace("\n", "\n ")
        write_utf8(f"{before}\n {text}")
        before = ","
    write_utf8("\n]\n" if before == "," else "[]\n")
