"""``rct-collector watch``: a live view of devices, and text blocks where there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import DURATION, Choice, target_options

if TYPE_CHECKING:
    from rct_collector.cli.screens import Screen
    from rct_collector.cli.targets import Targets
    from rct_collector.exits import Exit

#: Seconds between two redraws, so that the ages of values go on.
_STEP_S = 0.5

_EPILOG = """\b
Examples:
  rct-collector watch --simulate
  rct-collector watch --address tcp://192.0.2.10:8899
  rct-collector watch --config config.yaml --device roof --only 'inverter_battery*'
"""


@click.command("watch", short_help="Watch devices live.", epilog=_EPILOG)
@target_options
@click.option(
    "--for", "seconds", type=DURATION, metavar="DURATION", help="End after this time, such as 30s."
)
@click.pass_context
def command(ctx: click.Context, choice: Choice, seconds: float | None) -> None:
    """Watch devices live, until Ctrl-C.

    First everything is read once, then it goes on at the intervals of the configuration. Of
    what changes rarely, such as settings, only a part is shown; --all or --only shows more.
    With more than one device there is one line for each; --device chooses.
    """
    from rct_collector.cli.app import start_logging
    from rct_collector.cli.targets import targets

    start_logging(ctx.obj, "warning")
    found = targets(choice)
    watch_targets(found, seconds, complete=bool(choice.only or choice.everything))


def watch_targets(
    found: Targets, seconds: float | None, *, complete: bool = False, hint: str = ""
) -> None:
    """Watch devices until the time is over or somebody presses Ctrl-C.

    Args:
        found: The devices.
        seconds: How long, or None for ever.
        complete: Show all metrics, not only those that change.
        hint: What Ctrl-C does, for the last line of the screen.

    Raises:
        click.exceptions.Exit: No device could be read at all.
    """
    from rct_collector.cli.collect import run
    from rct_collector.cli.screens import screen
    from rct_collector.cli.snapshot import Snapshot

    snapshots = [Snapshot(device) for device in found.devices]
    with screen(snapshots, complete=complete, hint=hint) as view:
        try:
            status: Exit | None = run(_watch(found, view, seconds))
        except KeyboardInterrupt:
            status = None
    if status:
        for snapshot in snapshots:
            click.echo(f"Error: {snapshot.config.name}: {snapshot.trouble}", err=True)
        raise click.exceptions.Exit(status)


async def _watch(found: Targets, view: Screen, seconds: float | None) -> Exit | None:
    """Watch; returns why not, when no device could be read."""
    import asyncio
    import contextlib

    from rct_collector.cli.collect import follow
    from rct_collector.cli.targets import reachable
    from rct_collector.tasks import first_of

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), reachable(found) as devices:
            for snapshot, device in zip(view.snapshots, devices, strict=True):
                snapshot.config = device
            return await first_of(
                follow(view.snapshots, view.take, first=view.changed), _redraw(view)
            )
    return None


async def _redraw(view: Screen) -> Exit:
    """Draw again and again; ends when nobody looks any more."""
    import asyncio

    while True:
        await asyncio.sleep(_STEP_S)
        view.draw()
