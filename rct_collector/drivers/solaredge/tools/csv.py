"""``rct-collector solaredge csv``: JSON lines as tables, one file per group."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import islice

import click

from rct_collector.drivers.outside import Output, Outside
from rct_collector.drivers.solaredge.tools.jsonlines import Attributes, JsonLines, walk

#: Heading of the column that says whose row it is.
IDENTIFIER = "__Identifier__"

#: Bytes of a file that are written at once.
_PIECE = 1 << 16

_EPILOG = """\b
Examples:
  rct-collector solaredge csv -p roof -t monitor.json
  rct-collector solaredge csv -p roof -t -a -d ';' monitor.json
"""


@click.command(
    "csv",
    short_help="JSON lines as tables (CSV), one file per group.",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["--help"]},  # -h are headers, as ever
)
@click.argument("file", required=False, metavar="[FILE]")
@click.option(
    "-p", "prefix", required=True, metavar="PREFIX", help="Write PREFIX.<group>.csv for each group."
)
@click.option("-t", "-h", "headers", is_flag=True, help="Begin each file with a line of headings.")
@click.option(
    "-d",
    "delimiter",
    default=",",
    metavar="CHARACTER",
    help="Between columns (default: a comma).",
)
@click.option("-a", "append", is_flag=True, help="Append to files that are there.")
@click.pass_obj
def command(
    outside: Outside, file: str | None, prefix: str, headers: bool, delimiter: str, append: bool
) -> None:
    """Write the JSON lines of FILE as tables, one file per group (inverters, optimizers, ...).

    The first column, __Identifier__, says whose row it is; the others are the attributes of all
    units of the group, by name. So single-phase and three-phase inverters go into one table, and
    what a unit does not have stays empty; FILE, or standard input, is read to its end before.

    Files that are appended to keep the order of their columns, where they begin with headings;
    columns that are missing there are added, also to the rows before.
    """
    delimiter = "\t" if delimiter == r"\t" else delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise click.UsageError(f"-d takes one character, and not {delimiter!r}")
    with outside.kept(None if file in (None, "-") else file) as path, ExitStack() as open_files:
        tables = {}
        messages = JsonLines(outside, path)
        for group, names in columns_of(messages).items():
            name = re.sub(r"[/\0]", "_", group)
            tables[group] = table = Table(outside, f"{prefix}.{name}.csv", delimiter)
            table.begin(names, open_files, headers=headers, append=append)
        # What was added to the file meanwhile may have other columns.
        for message in islice(JsonLines(outside, path, quiet=True), messages.good):
            walk(message, lambda group, path, own: tables[group].row(path, own))
        for table in tables.values():
            table.flush()


def columns_of(messages: JsonLines) -> dict[str, list[str]]:
    """Group → attributes that any of its objects has, by name."""
    found: dict[str, set[str]] = {}
    for message in messages:
        walk(message, lambda group, _path, own: found.setdefault(group, set()).update(own))
    return {group: sorted(names) for group, names in found.items()}


class Table:
    """One file of rows; a few of them are held back, since many at once are written faster."""

    def __init__(self, outside: Outside, path: str, delimiter: str) -> None:
        """One that is not open yet.

        Args:
            outside: Has the file.
            path: Of the file.
            delimiter: One character.
        """
        self._outside = outside
        self._path = path
        self._delimiter = delimiter
        self._held: list[str] = []
        self._size = 0
        self._writer = csv.writer(self, delimiter=delimiter)
        self._columns: list[str] = []
        self._out: Output | None = None

    def begin(
        self, names: list[str], open_files: ExitStack, *, headers: bool, append: bool
    ) -> None:
        """Open the file.

        Args:
            names: Attributes of its rows.
            open_files: Closes it.
            headers: Begin it with headings, unless it has rows already.
            append: Keep the rows that are there.

        Raises:
            CollectorError: It cannot be written.
        """
        before = (self._outside.content(self._path) or b"") if append else b""
        rows = csv.reader(before.decode(errors="replace").splitlines(), delimiter=self._delimiter)
        known = next(rows, [])
        if known[:1] == [IDENTIFIER]:
            more = [name for name in names if name not in known]
            names = [*known[1:], *more]
            if more:
                self._widen(names, rows)
        self._columns = names
        self._out = open_files.enter_context(self._outside.output(self._path, append=append))
        if headers and not before:
            self._writer.writerow([IDENTIFIER, *names])

    def row(self, path: Sequence[str], own: Attributes) -> None:
        """Write the row of one set of attributes.

        Args:
            path: Ids and names, below the group.
            own: The attributes.
        """
        self._writer.writerow([".".join(path), *map(own.get, self._columns)])

    def write(self, text: str) -> None:
        """Take a row, as text."""
        self._held.append(text)
        self._size += len(text)
        if self._size > _PIECE:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are held back."""
        if self._out is not None and self._held:
            self._out.write(self._taken())

    def _widen(self, names: list[str], rows: Iterable[list[str]]) -> None:
        """Add columns to the rows that are there."""
        width = len(names) + 1
        self._writer.writerow([IDENTIFIER, *names])
        self._writer.writerows([*row, *[""] * (width - len(row))] for row in rows)
        self._outside.replace(self._path, self._taken())

    def _taken(self) -> bytes:
        data, self._size = "".join(self._held).encode(errors="replace"), 0
        self._held.clear()
        return data
