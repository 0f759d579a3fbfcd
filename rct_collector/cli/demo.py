"""``rct-collector demo``: what the collector does, shown in two parts."""

from __future__ import annotations

import sys

import click

from rct_collector.cli.options import DRIVER, DURATION, TargetOptions
from rct_collector.drivers import DEFAULT

#: How long the first part lasts where nobody can press Ctrl-C.
_UNATTENDED_S = 30.0

_TIMEOUT_S = 90.0


@click.command("demo", short_help="Show the collector at work; needs no inverter.")
@click.option(
    "-a", "--address", metavar="ADDRESS",
    help="A real inverter, such as 192.0.2.10, instead of the simulated one.",
)  # fmt: skip
@click.option(
    "--driver", type=DRIVER, default=DEFAULT, metavar="NAME",
    help=f"Family of the inverter (default: {DEFAULT}).",
)  # fmt: skip
@click.option(
    "--for", "seconds", type=DURATION, metavar="DURATION",
    help="How long the first part lasts (default: until Ctrl-C; 30s without a terminal).",
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, address: str | None, driver: str, seconds: float | None) -> None:
    """Show the collector at work: a live view, then what an agent gets.

    Without --address, with a simulated inverter inside this command. It is half past ten in
    the morning there, whatever the hour.
    """
    from rct_collector.cli.main import start_logging
    from rct_collector.cli.options import scenarios
    from rct_collector.cli.read import read_and_print
    from rct_collector.cli.targets import targets
    from rct_collector.cli.watch import watch_targets

    start_logging(ctx.obj, "error")
    simulate = None if address else scenarios(driver)[0]
    found = targets(TargetOptions(address=address, simulate=simulate, driver=driver))
    terminal = sys.stdout.isatty()
    if seconds is None and not terminal:
        seconds = _UNATTENDED_S
    unit = f"the inverter at {address}" if address else "a simulated inverter"
    option = f"--address {address}" if address else "--simulate"
    option += "" if driver == DEFAULT else f" --driver {driver}"
    _say(
        f"1. The live view of {unit}, as by 'rct-collector watch {option}'."
        + (" Ctrl-C goes on to the second part." if terminal and seconds is None else "")
    )
    watch_targets(found, seconds, hint="Ctrl-C goes on to the second part of the demonstration")
    _say(
        "2. One round as InfluxDB line protocol, which is what Telegraf gets from"
        f" 'rct-collector-telegraf'; here by 'rct-collector read {option} --format influx'."
    )
    read_and_print(found, "influx", _TIMEOUT_S)
    _say(_next(driver))


def _next(family: str) -> str:
    """What to do with an inverter of that family."""
    from rct_collector.drivers import driver
    from rct_collector.transport import examples, is_dialled_in, parse_address

    option = "" if family == DEFAULT else f" --driver {family}"
    ways = driver(family).ways
    address = examples(ways)[0]
    first = (f"read{option} --address {address}", "reads your inverter (use its address)")
    if is_dialled_in(parse_address(address, ways)):
        first = (f"doctor{option} --address {address}", "tells which inverters call this host")
    rows = (
        first,
        (f"config sample{option} > config.yaml", "writes a configuration to begin with"),
        ("--help", "tells what else there is"),
    )
    width = max(len(words) for words, _ in rows)
    lines = (f"  rct-collector {words:{width}}   {text}" for words, text in rows)
    return "\n".join(("What to do next:", *lines, _FEEDING))


_FEEDING = "The READMEs in plugins/telegraf and plugins/collectd tell how to feed your monitoring."


def _say(text: str) -> None:
    """Words around the two parts, told from their output by an empty line."""
    click.echo(f"\n{text}\n")
    sys.stdout.flush()
