"""``rct-collector fleet status``: who is in a fleet, and whether all its devices are collected."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from rct_collector.cli.fleet_engine import config_option, on_engine
from rct_collector.cli.options import DURATION, format_option
from rct_collector.cli.status import Level, MonitoringCommand

if TYPE_CHECKING:
    from pathlib import Path

    from rct_collector.config.fleet import FleetOptions
    from rct_collector.fleet.engine import Engine
    from rct_collector.fleet.overview import FleetOverview

_EPILOG = """\b
Examples:
  rct-collector fleet status
  rct-collector fleet status --critical 1
  rct-collector fleet status --format json

\b
Exit status, as plugins of Nagios, Icinga and the like have it:
    0  All devices are collected from.
    1  Warning: some are not, but fewer than --critical; or shards are where they should not be.
    2  Critical: so many are not, or nobody is there.
    3  Unknown: etcd does not tell, there is no fleet, or wrong usage.
The first line of the table says it in words.
"""

#: Numbers of shards that are named.
_MOST_NAMED = 10


class _Look(NamedTuple):
    """What two looks have shown.

    Attributes:
        fleet: The later one.
        orphaned: Shards that nobody had at both.
        moving: Shards that at both another one had than who should have them.
    """

    fleet: FleetOverview
    orphaned: frozenset[int]
    moving: frozenset[int]


@click.command(
    "status",
    cls=MonitoringCommand,
    short_help="Tell who is in a fleet, and whether all devices are collected from.",
    epilog=_EPILOG,
)
@config_option
@click.option(
    "--critical", type=click.FloatRange(0, 100), default=10, show_default=True, metavar="PERCENT",
    help="From so many devices that nobody collects from it is critical, else it is a warning.",
)  # fmt: skip
@click.option(
    "--settle", type=DURATION, default="3s", metavar="DURATION",
    help="Where something is not as it should be, it still is not so much later; what has just"
    " changed hands is nothing to report (default: 3s).",
)  # fmt: skip
@format_option("How it is printed")
@click.pass_context
def command(
    ctx: click.Context, config: Path | None, critical: float, settle: float, form: str
) -> None:
    """Tell who is in a fleet, what each process has, and which devices nobody collects from."""
    from rct_collector.cli.console import write_json
    from rct_collector.cli.main import start_logging
    from rct_collector.errors import CollectorError

    start_logging(ctx.obj, "warning")

    async def use(engine: Engine, options: FleetOptions) -> _Look:
        return await _look(engine, options.prefix, settle)

    look: _Look | None = None
    try:
        look = on_engine(config, use)
        level, text = _judge(look, critical)
    except CollectorError as error:
        level, text = Level.UNKNOWN, str(error)
    if form == "json":
        write_json({"state": level.name.lower(), "text": text, **(_json(look) if look else {})})
    else:
        click.echo(f"{level.name}: {text}")
        if look is not None:
            _print(look)
    ctx.exit(level)


async def _look(engine: Engine, prefix: str, settle: float) -> _Look:
    """Look once, and a second time where there is something to report."""
    from rct_collector.fleet.overview import look

    fleet = await look(engine, prefix)
    orphaned, moving = fleet.orphaned, fleet.moving
    if orphaned or moving:
        await asyncio.sleep(settle)
        fleet = await look(engine, prefix)
        orphaned, moving = orphaned & fleet.orphaned, moving & fleet.moving
    return _Look(fleet, orphaned, moving)


def _judge(look: _Look, critical: float) -> tuple[Level, str]:
    """How that is, and the same in words."""
    fleet = look.fleet
    if not fleet.count:
        return Level.UNKNOWN, "the fleet has no devices; 'rct-collector fleet apply' brings them"
    who = f"{len(fleet.members)} process{'' if len(fleet.members) == 1 else 'es'}"
    verb = "collects" if len(fleet.members) == 1 else "collect"
    if not fleet.members:
        return Level.CRITICAL, f"nobody is there to collect from {fleet.count} devices"
    if look.orphaned:
        lost = fleet.devices_in(look.orphaned)
        level = Level.CRITICAL if 100 * lost >= critical * fleet.count else Level.WARNING
        shards = f"{len(look.orphaned)} shards that nobody has: {_named(look.orphaned)}"
        return level, f"nobody collects from {lost} of {fleet.count} devices, in {shards}"
    if look.moving:
        where = f"{len(look.moving)} shards are not where they should be: {_named(look.moving)}"
        return Level.WARNING, f"{who} {verb} from {fleet.count} devices, but {where}"
    return Level.OK, f"{who} {verb} from {fleet.count} devices in {fleet.shards} shards"


def _named(shards: frozenset[int]) -> str:
    words = ", ".join(map(str, sorted(shards)[:_MOST_NAMED]))
    return words + (", …" if len(shards) > _MOST_NAMED else "")


def _members(fleet: FleetOverview) -> list[dict[str, Any]]:
    found = []
    for member in sorted(fleet.members.values(), key=lambda member: (member.host, member.id)):
        held = fleet.held_by(member.id)
        found.append(
            {
                **member._asdict(),
                "shards": len(held),
                "due": fleet.due.get(member.id, 0),
                "devices": fleet.devices_in(held),
            }
        )
    return found


def _json(look: _Look) -> dict[str, Any]:
    fleet = look.fleet
    return {
        "shards": fleet.shards,
        "devices": fleet.count,
        "orphaned": sorted(look.orphaned),
        "orphaned_devices": fleet.devices_in(look.orphaned),
        "moving": sorted(look.moving),
        "members": _members(fleet),
    }


def _print(look: _Look) -> None:
    """The members, one a line."""
    from rich.table import Table
    from rich.text import Text

    from rct_collector.cli.console import console, show

    members = _members(look.fleet)
    if not members:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for head in ("host", "process", "version", "weight", "shards", "due", "devices", "share"):
        table.add_column(head, overflow="fold")
    for member in members:
        share = f"{100 * member['devices'] / max(look.fleet.count, 1):.1f} %"
        cells = (
            member["host"], member["id"], member["version"], f"{member['weight']:g}",
            str(member["shards"]), str(member["due"]), str(member["devices"]), share,
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    show(console(), Text(""), table)
