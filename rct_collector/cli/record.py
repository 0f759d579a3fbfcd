"""``rct-collector record``: what goes over the line of a device, as a pcap file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import DURATION, TargetOptions, target_options

if TYPE_CHECKING:
    from rct_collector.cli.recorder import Recorder
    from rct_collector.cli.snapshot import Snapshot
    from rct_collector.cli.targets import Targets
    from rct_collector.exits import Exit

#: Seconds between two looks at the counters.
_STEP_S = 0.5

_EPILOG = """\b
Examples:
  rct-collector record --address tcp://192.0.2.10:8899 roof.pcap
  rct-collector record --device roof --duration 5m --redact roof.pcap
Then:
  rct-collector replay roof.pcap --print
  wireshark roof.pcap
"""


@click.command("record", short_help="Record the line of a device.", epilog=_EPILOG)
@target_options
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--duration", type=DURATION, metavar="DURATION",
    help="End after this time, such as 5m (default: at Ctrl-C).",
)  # fmt: skip
@click.option(
    "--redact", is_flag=True,
    help="Replace texts (serial numbers, names, ...), unknown objects and addresses.",
)  # fmt: skip
@click.option(
    "--force", is_flag=True,
    help="Replace FILE if it is there, once the device has sent something.",
)  # fmt: skip
@click.pass_context
def command(
    ctx: click.Context,
    choice: TargetOptions,
    file: Path,
    duration: float | None,
    redact: bool,
    force: bool,
) -> None:
    """Record the line of a device, both directions with times, into FILE until Ctrl-C.

    The device is collected from as 'watch' does: first everything once, then at the intervals
    of the configuration. FILE is a pcap file, whole at any moment, for 'replay', 'decode',
    Wireshark and tcpdump; what goes over a serial port or USB has a link type of its own there
    (USER0). Only --redact makes it fit for other people's eyes.
    """
    from rct_collector.cli.collect import run
    from rct_collector.cli.main import start_logging
    from rct_collector.cli.recorder import Recorder
    from rct_collector.cli.snapshot import Snapshot
    from rct_collector.cli.targets import targets
    from rct_collector.transport import is_recorded

    start_logging(ctx.obj, "warning")
    found = targets(choice)
    if len(found.devices) > 1:
        names = ", ".join(device.name for device in found.devices)
        raise click.UsageError(f"only one device can be recorded; --device chooses: {names}")
    (device,) = found.devices
    if is_recorded(device.address):
        raise click.UsageError(f"{device.address} is a recording already: copy it, or read it")
    snapshot = Snapshot(device)
    tools = snapshot.driver.tools()
    with Recorder(file, tools, device.address, redact=redact, replace=force) as recorder:
        try:
            status: Exit | None = run(_record(found, snapshot, recorder, duration))
        except KeyboardInterrupt:
            status = None
        finally:
            _tell(recorder, redact=redact)
    if status:
        click.echo(f"Error: {snapshot.config.name}: {snapshot.trouble}", err=True)
        raise click.exceptions.Exit(status)


async def _record(
    found: Targets, snapshot: Snapshot, recorder: Recorder, seconds: float | None
) -> Exit | None:
    """Record until the time is over; returns why not, when the device could not be read."""
    import asyncio
    import contextlib

    from rct_collector.cli.collect import follow
    from rct_collector.cli.targets import reachable
    from rct_collector.tasks import first_of
    from rct_collector.transport import listen_at, open_line

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), reachable(found) as (device,):
            snapshot.config = device
            return await first_of(
                follow(
                    [snapshot],
                    lambda _: None,
                    opener=recorder.opener(open_line),
                    listen=recorder.listen(listen_at),
                    alone=True,
                ),
                recorder.failure(),
                _show(snapshot.config.name, recorder),
            )
    return None


async def _show(name: str, recorder: Recorder) -> Exit:
    """Tell how far it has come: live on a terminal, once elsewhere."""
    import asyncio
    import sys

    from rct_collector.cli.console import console

    text = f"recording {name} into {recorder.path}; end with Ctrl-C"
    out = console(stderr=True)
    if not out.is_terminal:
        click.echo(text)
        sys.stdout.flush()
        await asyncio.Event().wait()
    with out.status(text) as status:
        while True:
            await asyncio.sleep(_STEP_S)
            status.update(f"recording {name}: {recorder.counters}")


def _tell(recorder: Recorder, *, redact: bool) -> None:
    if not recorder.counters.connections:
        return
    if not recorder.in_place:
        click.echo(f"{recorder.path} stays as it was, for the device has sent nothing")
        return
    counters = recorder.counters
    noun = "connection" if counters.connections == 1 else "connections"
    click.echo(f"{recorder.path}: {counters}, {counters.connections} {noun}")
    if not redact:
        click.echo("It holds serial numbers and addresses; for others, record with --redact.")
