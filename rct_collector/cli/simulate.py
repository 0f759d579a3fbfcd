"""``rct-collector simulate``: an inverter that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rct_collector.cli.options import DEFAULT_SCENARIO, SCENARIO, Words

if TYPE_CHECKING:
    from rct_collector.simulator import Server, SimulatedInverter

#: Seconds between two looks at the counters.
_STATUS_S = 2.0

_EPILOG = """\b
Examples:
  rct-collector simulate rct
  rct-collector simulate rct --scenario everything --sun 12 --speed 60
  rct-collector simulate rct --port 0 --seed 7
  rct-collector simulate rct --faults app,night --sun 21 --speed 600
Then, in another terminal:
  rct-collector watch --address tcp://127.0.0.1:8899
"""


def _profiles() -> list[str]:
    from rct_collector.drivers.rct.simulator.profiles import PROFILES

    return list(PROFILES)


@click.group("simulate", short_help="Serve a simulated inverter.")
def command() -> None:
    """Serve a simulated inverter over TCP, until Ctrl-C."""


@command.command("rct", short_help="Simulate an RCT Power inverter.", epilog=_EPILOG)
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="Address to listen on (default: 127.0.0.1).",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8899,
    help="Port to listen on; 0 takes any that is free (default: 8899).",
)  # fmt: skip
@click.option(
    "--scenario", type=SCENARIO, default=DEFAULT_SCENARIO, metavar="NAME",
    help=f"What the installation has, see --list (default: {DEFAULT_SCENARIO}).",
)  # fmt: skip
@click.option(
    "--faults", type=Words("fault profile", _profiles), default="", metavar="NAMES",
    help="What goes wrong, see --list; several with commas between them.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, help="Weather, household, faults, serial numbers.")
@click.option(
    "--speed", type=click.FloatRange(0, 100_000, min_open=True), default=1.0,
    help="How many times faster than real its world goes (default: 1).",
)  # fmt: skip
@click.option(
    "--sun", type=click.FloatRange(0, 24, max_open=True), metavar="HOUR",
    help="Hour of day at which the sun stands at the start (default: as by the clock).",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="List scenarios and fault profiles, and end.")
def rct(host: str, port: int, listing: bool, **world: Any) -> None:  # noqa: FBT001
    """Simulate an RCT Power inverter with sun, battery, household and logger.

    It answers reads and queries of its logger as a real unit does, at the speed of a real
    serial line, and every client sees the answers to all.
    """
    from rct_collector.cli.collect import run

    if listing:
        _list()
        return
    try:
        run(_serve(host, port, **world))
    except OSError as error:
        from rct_collector.transport.tcp import explain

        raise click.UsageError(f"cannot listen on {host}:{port}: {explain(error)}") from error
    except KeyboardInterrupt:
        click.echo(err=True)


def _list() -> None:
    from rct_collector.drivers.rct.simulator import SCENARIOS
    from rct_collector.drivers.rct.simulator.profiles import PROFILES

    width = max(map(len, (*SCENARIOS, *PROFILES)))
    for option, rows in (("--scenario", SCENARIOS), ("--faults", PROFILES)):
        click.echo(f"{option}:")
        for name, row in rows.items():
            click.echo(f"  {name:{width}}  {row.description}")


async def _serve(host: str, port: int, *, faults: tuple[str, ...], **world: Any) -> None:
    import asyncio
    import sys

    from rct_collector.drivers.rct.simulator import profiles
    from rct_collector.simulator import SimulatedInverter

    inverter = SimulatedInverter(**world, faults=profiles.faults(faults, world["seed"]))
    async with await inverter.serve(host, port) as server:
        trouble = f" with {', '.join(faults)}" if faults else ""
        click.echo(
            f"simulated inverter '{world['scenario']}'{trouble} at {server.address};"
            " end with Ctrl-C"
        )
        sys.stdout.flush()
        if sys.stdout.isatty():
            await _tell(server, inverter)
        await asyncio.Event().wait()


async def _tell(server: Server, inverter: SimulatedInverter) -> None:
    """A status line, now and then."""
    import asyncio

    from rct_collector.cli.console import console

    observed = inverter.bridge.observed
    with console().status("no client yet") as status:
        before = 0
        while True:
            await asyncio.sleep(_STATUS_S)
            asked = observed.requests.total()
            clients = server.hub.clients
            noun = "client" if clients == 1 else "clients"
            rate = (asked - before) / _STATUS_S
            status.update(f"{clients} {noun}, {rate:.1f} requests/s, {asked} so far")
            before = asked
