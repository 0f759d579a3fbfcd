"""``rct-collector fleet simulate``: what a fleet of some size would be like."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import DURATION, format_option
from rct_collector.fleet.keys import MOST_SHARDS

if TYPE_CHECKING:
    from rct_collector.fleet.plan import Forecast, Spread, Told

_EPILOG = """\b
Examples:
  rct-collector fleet simulate --devices 1000000 --processes 2000
  rct-collector fleet simulate --devices 5000 --processes 6 --per-host 2 --shards 4096
  rct-collector fleet simulate --devices 1000000 --processes 2000 --per-core 1750
"""

#: Addresses that the simulation gives, and what an engine of its own would stand.
_MOST_DEVICES, _MOST_PROCESSES = 1 << 24, 100_000


@click.command("simulate", short_help="Compute what a fleet would be like.", epilog=_EPILOG)
@click.option(
    "--devices", type=click.IntRange(1, _MOST_DEVICES), required=True, metavar="N",
    help="How many devices there are.",
)  # fmt: skip
@click.option(
    "--processes", type=click.IntRange(1, _MOST_PROCESSES), required=True, metavar="N",
    help="How many processes share them.",
)  # fmt: skip
@click.option(
    "--per-host", type=click.IntRange(1), default=4, show_default=True, metavar="N",
    help="How many processes run on each host.",
)  # fmt: skip
@click.option(
    "--shards", type=click.IntRange(1, MOST_SHARDS), metavar="N",
    help="Number of shards (default: 40 for each process, at least 4096, and no more than a fleet"
    " may have).",
)  # fmt: skip
@click.option(
    "--ttl", type=DURATION, default="10s", show_default=True, metavar="DURATION",
    help="After which the devices of a lost process are taken over.",
)  # fmt: skip
@click.option(
    "--restart", type=DURATION, default="10m", show_default=True, metavar="DURATION",
    help="How long a restart of all processes takes, one after the other.",
)  # fmt: skip
@click.option(
    "--events", type=click.IntRange(1), default=3, show_default=True, metavar="N",
    help="How many joins and losses are computed, of each kind.",
)  # fmt: skip
@click.option(
    "--per-core", type=click.FloatRange(0, min_open=True), metavar="N",
    help="How many devices a core can serve, as measured; shows how busy the processes are.",
)  # fmt: skip
@format_option("How it is printed")
def command(  # noqa: PLR0913 - of options
    devices: int,
    processes: int,
    per_host: int,
    shards: int | None,
    ttl: float,
    restart: float,
    events: int,
    per_core: float | None,
    form: str,
) -> None:
    """Compute shares, moves and the engine's work, by the code that shares devices in earnest.

    Nothing is asked or opened. All processes weigh the same, and each device has an address of its
    own; where several units are on one bus, they are one device here.
    """
    from rct_collector.cli.console import write_json
    from rct_collector.fleet.plan import Size, forecast, shards_for

    if not ttl or not restart:
        raise click.UsageError("--ttl and --restart are longer than nothing")
    size = Size(
        devices=devices, processes=processes, per_host=per_host,
        shards=shards or shards_for(processes), ttl=ttl, restart=restart,
    )  # fmt: skip
    with _progress() as told:
        found = forecast(size, events, told)
    if form == "json":
        write_json(dataclasses.asdict(found))
    else:
        _print(found, per_core)


@contextmanager
def _progress() -> Iterator[Told]:
    """Show on a terminal how far it is."""
    from rct_collector.cli.console import console

    out = console(stderr=True)
    if not out.is_terminal:
        yield lambda what, done: None
        return
    with out.status("computing …") as status:
        yield lambda what, done: status.update(f"computing: {what} ({done:.0%})")


def _print(found: Forecast, per_core: float | None) -> None:
    from rich.table import Table

    from rct_collector.cli.console import console, show

    def table(*heads: str) -> Table:
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for n, head in enumerate(heads):
            made.add_column(head, justify="right" if n else "left")
        return made

    size = found.size
    shares = table("share", "least", "mean", "greatest", "deviation")
    shares.add_row("devices of a process", *_spread(found.shares))
    if per_core:
        shares.add_row("of a core", *(f"{n / per_core:.0%}" for n in _numbers(found.shares)))
    shares.add_row("shards of a process", *_spread(found.shards_each))
    shares.add_row("devices of a shard", *_spread(found.devices_each))
    moves = table("when", "shards move", "devices move", "needlessly", "to one process at most")
    for move in found.moves:
        moves.add_row(
            move.event, f"{move.shards:,.0f}", f"{move.devices:,.0f}", f"{move.needless:,.0f}",
            f"{move.heaviest:,}",
        )  # fmt: skip
    work = table("the engine", "")
    work.add_row("keepalives per second", f"{found.keepalives:,.1f}")
    work.add_row("processes told of each change", f"{found.told:,}")
    work.add_row("told per second during a restart", f"{found.told_per_second:,.0f}")
    work.add_row("keys", f"{found.keys:,}")
    work.add_row("keys written when all start", f"{found.first_writes:,}")
    work.add_row("memory of each process for it, MB", f"{found.portion_bytes / 1e6:.1f}")
    click.echo(
        f"{size.devices:,} devices in {size.shards:,} shards, {size.processes:,} processes,"
        f" {size.per_host} on each host, ttl {size.ttl:g} s, restart in {size.restart:g} s"
    )
    for each in (shares, moves, work):
        click.echo()
        show(console(), each)


def _numbers(spread: Spread) -> tuple[float, float, float]:
    return spread.least, spread.mean, spread.greatest


def _spread(spread: Spread) -> tuple[str, ...]:
    return (
        f"{spread.least:,.0f}",
        f"{spread.mean:,.1f}",
        f"{spread.greatest:,.0f}",
        f"{spread.deviation:.1%}",
    )
