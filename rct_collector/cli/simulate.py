"""``rct-collector simulate``: an inverter that is not there."""

from __future__ import annotations

from typing import Any

import click

from rct_collector.cli.options import DEFAULT_SCENARIO, SCENARIO, Words, listen_options

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
@listen_options
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
    if listing:
        _list()
        return
    from rct_collector.cli.serving import serve_until_stopped
    from rct_collector.drivers.rct.simulator import profiles
    from rct_collector.simulator import SimulatedInverter

    names = world.pop("faults")
    trouble = f" with {', '.join(names)}" if names else ""
    inverter = SimulatedInverter(**world, faults=profiles.faults(names, world["seed"]))
    serve_until_stopped(
        inverter.serve,
        host,
        port,
        name=f"simulated inverter '{world['scenario']}'{trouble}",
        asked=inverter.bridge.observed.requests.total,
    )


def _list() -> None:
    from rct_collector.drivers.rct.simulator import SCENARIOS
    from rct_collector.drivers.rct.simulator.profiles import PROFILES

    width = max(map(len, (*SCENARIOS, *PROFILES)))
    for option, rows in (("--scenario", SCENARIOS), ("--faults", PROFILES)):
        click.echo(f"{option}:")
        for name, row in rows.items():
            click.echo(f"  {name:{width}}  {row.description}")
