"""``rct-collector objects``: everything that units of a family can be asked for by name."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from rct_collector.cli.options import driver_option, format_option

if TYPE_CHECKING:
    from rct_collector.drivers.tools import Item

#: Metrics of an object that are named in the table; JSON has all.
_NAMED = 2

_EPILOG = """\b
Examples:
  rct-collector objects battery.soc
  rct-collector objects 'logger.*'
  rct-collector objects 'grid power'
  rct-collector objects --driver voltronic
  rct-collector objects --format json | jq -r '.[] | select(.metrics == []) | .name'
Then:
  rct-collector read --address 192.0.2.10 --object battery.soc
"""


@click.command("objects", short_help="List and search what units can be asked for by name.",
               epilog=_EPILOG)  # fmt: skip
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@driver_option("the units")
@format_option("How the list is printed")
def command(patterns: tuple[str, ...], driver: str, form: str) -> None:
    """List what units of a family can be asked for by name: all, or what matches any PATTERN.

    Of RCT units these are the objects of the registry, the many that feed no metric among them. A
    PATTERN is looked for in name, id, description and metrics, in small letters or large ones; one
    with * or ? must match all of the name.

    'read --object' reads one of them from a device.
    """
    from rct_collector.drivers import driver as load

    registry = load(driver).tools().registry()
    words = [pattern.lower() for pattern in patterns]
    found = [item for item in registry.items if not words or any(_matches(item, w) for w in words)]
    if form == "json":
        from rct_collector.cli.console import write_json

        write_json([_object(item) for item in found])
    elif found:
        _print_table(found)
    else:
        noun = f"{registry.noun} of the family {driver!r}"
        click.echo(f"No {noun} matches; without a PATTERN all are listed.", err=True)


def _matches(item: Item, word: str) -> bool:
    if "*" in word or "?" in word:
        return fnmatchcase(item.name.lower(), word.replace("[", "[[]"))
    texts = (item.name, item.id, item.description, *(series.name for series in item.feeds))
    return any(word in text.lower() for text in texts)


def _object(item: Item) -> dict[str, Any]:
    return {
        **item.as_mapping(),
        "metrics": [series.name for series in item.feeds],
        "secret": item.secret or None,
    }


def _print_table(found: Sequence[Item]) -> None:
    from rich.table import Table

    from rct_collector.cli.console import console, show

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    rows = [(item.id, item.name, item.type, item.unit, _metrics(item), _text(item))
            for item in found]  # fmt: skip
    heads = ("id", "name", "type", "unit", "metric", "description")
    shown = [n for n in range(len(heads)) if any(row[n] for row in rows)]
    out = console()
    for n in shown:
        table.add_column(heads[n], no_wrap=n < 4 or not out.is_terminal, overflow="fold")
    for row in rows:
        table.add_row(*(row[n] for n in shown))
    show(out, table)


def _metrics(item: Item) -> str:
    names = [series.name for series in item.feeds]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _text(item: Item) -> str:
    secret = f"never read: {item.secret}" if item.secret else ""
    return "; ".join(filter(None, (item.description, secret)))
