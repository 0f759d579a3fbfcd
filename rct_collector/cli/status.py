"""``rct-collector status``: who on this host collects from what, and how that goes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rct_collector.cli.options import DURATION, format_option
from rct_collector.option import nearest

if TYPE_CHECKING:
    from rct_collector.control.doors import Door, Seen

_EPILOG = """\b
Examples:
  rct-collector status
  rct-collector status roof
  rct-collector status tcp://192.0.2.10:8899 --critical 15m
  rct-collector status --format json

\b
Exit status, as plugins of Nagios, Icinga and the like have it:
    0  All devices are up.
    1  Warning: a device does not answer, but not for as long as --critical.
    2  Critical: it has not answered for so long, or nobody collects from one that is named.
    3  Unknown: who collects does not tell, nobody collects from anything, or wrong usage.
The first line of the table says it in words.
"""


class Level(IntEnum):
    """How it stands; the number is the exit status."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


#: From best to worst.
_ORDER = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)


class Standing(NamedTuple):
    """One device.

    Attributes:
        level: How it stands.
        text: The same in words.
        source: Its name, or where it is of one of which nothing else is known.
        door: Who answers for it; None where nobody does.
        device: What is told of it; None where nothing is.
        collector: What is told of who collects from it; None where nothing is.
    """

    level: Level
    text: str
    source: str
    door: Door | None = None
    device: dict[str, Any] | None = None
    collector: dict[str, Any] | None = None


class MonitoringCommand(click.Command):
    """A command for monitoring: wrong usage is no critical state of anything."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # noqa: ANN401
        """Read the command line."""
        try:
            return super().make_context(*args, **extra)
        except click.UsageError as error:
            error.exit_code = Level.UNKNOWN  # type: ignore[misc] # as in main
            raise


@click.command(
    "status",
    cls=MonitoringCommand,
    short_help="Tell who collects from what, and how that goes.",
    epilog=_EPILOG,
)
@click.argument("devices", nargs=-1, metavar="[DEVICE|ADDRESS]...")
@click.option(
    "--critical", type=DURATION, default="5m", metavar="DURATION",
    help="A device that has not answered for so long is critical, else that is a warning (default:"
    " 5m).",
)  # fmt: skip
@click.option(
    "--timeout", type=DURATION, default="2s", metavar="DURATION",
    help="How long each collector may take to answer (default: 2s).",
)  # fmt: skip
@format_option("How it is printed")
@click.pass_context
def command(
    ctx: click.Context, devices: tuple[str, ...], critical: float, timeout: float, form: str
) -> None:
    """Ask all who collect on this host how their devices do: Telegraf's, collectd's, any.

    Nothing is sent to a device: whoever holds it answers, to root, to its own user and to members
    of the group rct-collector.

    Without names all devices are told; with names, as configured, or addresses only those.
    """
    from rct_collector.cli.collect import run
    from rct_collector.cli.console import write_json
    from rct_collector.control.doors import survey

    seen = run(survey(timeout=timeout))
    rows = _chosen(list(_rows(seen, critical, time.time())), devices)
    level = max((row.level for row in rows), key=_ORDER.index, default=Level.UNKNOWN)
    if form == "json":
        write_json(
            {"state": level.name.lower(), "text": _summary(rows), "devices": list(map(_json, rows))}
        )
    else:
        _print(level, rows)
    ctx.exit(level)


def _rows(seen: Sequence[Seen], critical: float, now: float) -> Iterator[Standing]:
    for item in seen:
        if item.status is None:
            yield Standing(Level.UNKNOWN, item.trouble, str(item.door), item.door)
            continue
        collector = item.status["collector"]
        for device in item.status["devices"]:
            level, text = _state(device, critical, now)
            yield Standing(level, text, device["source"], item.door, device, collector)


def _state(device: dict[str, Any], critical: float, now: float) -> tuple[Level, str]:
    from rct_collector.format import duration_text

    lasting = max(now - device["since"], 0.0)
    if device["up"]:
        return Level.OK, f"up for {duration_text(lasting)}"
    level = Level.CRITICAL if lasting >= critical else Level.WARNING
    text = f"no answer for {duration_text(lasting)}"
    return level, f"{text}: {device['error']}" if device["error"] else text


def _chosen(rows: list[Standing], words: Sequence[str]) -> list[Standing]:
    """Those that are meant; one that is not there is critical."""
    if not words:
        return rows
    found: list[Standing] = []
    known = [row.source for row in rows]
    for word in words:
        mine = [row for row in rows if word == row.source or _is_at(row, word)]
        nobody = f"nobody on this host collects from it{nearest(word, known)}"
        found += mine or [Standing(Level.CRITICAL, nobody, word)]
    return list({(row.source, row.door): row for row in found}.values())


def _is_at(row: Standing, word: str) -> bool:
    """Whether an address leads to a device, however it is written."""
    from rct_collector.drivers import driver
    from rct_collector.option import Invalid
    from rct_collector.transport import has_scheme, parse_address

    if row.device is None or not has_scheme(word):
        return False
    ways = driver(row.device["driver"]).ways
    try:
        return parse_address(word, ways).key == parse_address(row.device["address"], ways).key
    except Invalid:
        return False


def _summary(rows: Sequence[Standing]) -> str:
    if not rows:
        return "nobody on this host collects from anything"
    bad = [f"{row.source}: {row.text}" for row in rows if row.level is not Level.OK]
    if bad:
        return "; ".join(bad)
    return f"{len(rows)} device{'s' if len(rows) > 1 else ''} up"


def _json(row: Standing) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": row.source,
        "state": row.level.name.lower(),
        "text": row.text,
    }
    if row.device is not None:
        found = {**row.device, **found}
    if row.collector is not None and row.door is not None:
        found["collector"] = {**row.collector, "uid": row.door.uid}
    return found


def _print(level: Level, rows: Sequence[Standing]) -> None:
    """In words first, then device by device."""
    from rct_collector.cli.console import console, show

    click.echo(f"{level.name}: {_summary(rows)}")
    if not rows:
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("device", "state", "last values", "every", "address", "collected by"):
        table.add_column(head, overflow="fold")
    for row in rows:
        style = "" if row.level is Level.OK else "red"
        table.add_row(*map(Text, _cells(row)), style=style)
    out = console()
    show(out, Text(""), table)


def _cells(row: Standing) -> tuple[str, ...]:
    from rct_collector.format import duration_text, moment_text

    device, collector = row.device, row.collector
    if device is None or collector is None or row.door is None:
        return row.source, row.text, "", "", "", "" if row.door is None else _who(row.door)
    last = "" if device["time"] is None else moment_text(device["time"], None)
    by = f"{collector['program']} {collector['version']}, {_who(row.door)}"
    every = duration_text(device["interval"])
    return row.source, row.text, last, every, device["address"], by


def _who(door: Door) -> str:
    from rct_collector.trust import user_name

    return f"process {door.pid}, {user_name(door.uid)}" if door.pid else user_name(door.uid)
