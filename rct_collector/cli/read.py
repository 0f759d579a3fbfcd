"""``rct-collector read``: everything that a device says, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import DURATION, Choice, target_options

if TYPE_CHECKING:
    from rct_collector.cli.snapshot import Snapshot
    from rct_collector.cli.targets import Targets
    from rct_collector.exits import Exit

_EPILOG = """\b
Examples:
  rct-collector read --simulate
  rct-collector read --address tcp://192.0.2.10:8899
  rct-collector read --address 192.0.2.10 --only 'inverter_power.*'
  rct-collector read --config config.yaml --device roof --format json
"""


@click.command("read", short_help="Read everything from a device once.", epilog=_EPILOG)
@target_options
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "influx", "json"]), default="table",
    help="How the values are printed (default: table).",
)  # fmt: skip
@click.option(
    "--timeout", type=DURATION, default="90s", metavar="DURATION",
    help="Longest time to take; what was read by then is printed (default: 90s).",
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, choice: Choice, form: str, timeout: float) -> None:
    """Read everything from a device once and print it.

    First it is found out what the unit has (battery, modules, switch), then all of it is
    asked for; with a real unit that takes some 20 seconds. Nothing is ever written to it.
    """
    from rct_collector.cli.app import start_logging
    from rct_collector.cli.targets import targets

    start_logging(ctx.obj, "error")
    read_and_print(targets(choice), form, timeout)


def read_and_print(found: Targets, form: str, timeout: float) -> None:
    """Do one round with each device and print what came, whatever went wrong.

    Args:
        found: The devices.
        form: ``table``, ``influx`` or ``json``.
        timeout: Seconds.

    Raises:
        click.exceptions.Exit: With the status of the first device that failed.
    """
    from rct_collector.cli.collect import run
    from rct_collector.cli.forms import FORMS
    from rct_collector.cli.snapshot import Snapshot
    from rct_collector.exits import Exit

    snapshots = [Snapshot(device) for device in found.devices]
    try:
        results: list[Exit] = run(_read(found, snapshots, timeout))
    except KeyboardInterrupt:
        results = [Exit.INTERRUPTED]
    FORMS[form](snapshots, found.prefix)
    for snapshot in snapshots:
        for text in filter(None, (snapshot.trouble, *snapshot.undecided)):
            click.echo(f"Error: {snapshot.config.name}: {text}", err=True)
    status = next((result for result in results if result), Exit.OK)
    if status is Exit.INTERRUPTED:
        click.echo("Interrupted: the values are incomplete.", err=True)
    if status:
        raise click.exceptions.Exit(status)


async def _read(found: Targets, snapshots: list[Snapshot], timeout: float) -> list[Exit]:
    import asyncio

    from rct_collector.cli.collect import read_once
    from rct_collector.cli.progress import progress
    from rct_collector.cli.targets import reachable

    async with reachable(found) as devices:
        for snapshot, device in zip(snapshots, devices, strict=True):
            snapshot.config = device
        with progress(snapshots) as started:
            results = await asyncio.gather(
                *(read_once(snapshot, timeout, started=started) for snapshot in snapshots)
            )
        return [status for _, status in results]
