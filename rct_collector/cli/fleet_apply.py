"""``rct-collector fleet apply``: the devices of a file are those of the fleet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rct_collector.cli.fleet_engine import config_option, on_engine
from rct_collector.fleet.keys import MOST_SHARDS

if TYPE_CHECKING:
    from rct_collector.config.fleet import FleetOptions
    from rct_collector.fleet.engine import Engine

_EPILOG = """\b
Examples:
  rct-collector fleet apply devices.yaml --dry-run
  rct-collector fleet apply devices.yaml
  rct-collector fleet apply devices.yaml --shards 80000

\b
Exit status:
    0  Done, or with --dry-run: could be done.
    2  Wrong usage, or a file or a fleet that does not go with it; nothing was written.
    3  etcd was not reached, or does not do it; what was written stays.
"""


@click.command(
    "apply", short_help="Have a fleet collect from the devices of a file.", epilog=_EPILOG
)
@click.argument("devices", type=click.Path(path_type=Path), metavar="FILE")
@config_option
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
@click.option(
    "--shards", type=click.IntRange(1, MOST_SHARDS), metavar="N",
    help="Number of shards of a fleet that is made, some 40 for each process there will ever be"
    " (default: 4096); it stays as it is from then on.",
)  # fmt: skip
@click.option(
    "--replace", is_flag=True, help="Even where none of the devices that there are is in the file."
)
@click.pass_obj
def command(
    level: str | None,
    devices: Path,
    config: Path | None,
    dry_run: bool,  # noqa: FBT001
    shards: int | None,
    replace: bool,  # noqa: FBT001
) -> None:
    """Have a fleet collect from the devices of a file, which is best kept under version control.

    The file has 'devices', as a configuration has. All of them are checked before anything is
    written; then only shards that differ are, and the processes that have them see it at once.
    """
    from rct_collector.cli.main import Failure, start_logging
    from rct_collector.config import read
    from rct_collector.exits import Exit
    from rct_collector.fleet.applying import Difference, compare, devices_of, write
    from rct_collector.fleet.engine import EngineError

    start_logging(level, "warning")
    placed = devices_of(read(devices), str(devices))

    async def use(engine: Engine, options: FleetOptions) -> Difference:
        found = await compare(engine, options.prefix, placed, shards, is_other=replace)
        if not dry_run:
            await write(engine, options.prefix, found)
        return found

    try:
        found = on_engine(config, use)
    except EngineError as error:
        raise Failure((str(error),), Exit.UNREACHABLE) from error
    for line in found:
        click.echo(line)
    made = " A fleet is made." if found.is_new else ""
    done = "would be written" if dry_run else "written"
    click.echo(f"{found.words}; {len(found.writes)} shards {done}.{made}")
