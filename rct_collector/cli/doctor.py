"""``rct-collector doctor``: how a unit and the line to it do, and what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import DURATION, TargetOptions, device_options

if TYPE_CHECKING:
    from rct_collector.cli.targets import Targets
    from rct_collector.doctor.checkup import Checkup
    from rct_collector.doctor.diagnosis import Diagnosis
    from rct_collector.doctor.figures import Figures
    from rct_collector.exits import Exit

#: Seconds that an examination takes at least and at most: in less time there are too few
#: figures, and in more nothing new comes to light.
SHORTEST_S, LONGEST_S = 20.0, 1800.0

#: Seconds between two looks at how far it has come.
_STEP_S = 0.2

_EPILOG = """\b
Examples:
  rct-collector doctor 192.0.2.10
  rct-collector doctor tcp://inverter.example:8899 --duration 5m
  rct-collector doctor --config config.yaml --device roof --json
  rct-collector doctor --driver solaredge --address listen://0.0.0.0:22222 --duration 10m
  rct-collector doctor --simulate old-firmware
"""


@click.command("doctor", short_help="Examine a device and the line to it.", epilog=_EPILOG)
@click.argument("place", metavar="[ADDRESS]", required=False)
@device_options
@click.option(
    "--duration", type=DURATION, default="60s", metavar="DURATION",
    help="How long to measure, from 20s to 30m (default: 60s).",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, for scripts.")
@click.pass_context
def command(
    ctx: click.Context,
    place: str | None,
    choice: TargetOptions,
    duration: float,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Examine the device at ADDRESS and the line to it, and tell what to do.

    It connects, learns what is attached, asks for some power values at several paces, listens
    whether others are on the line, and recommends settings.

    Units that are not asked but talk, as those of SolarEdge, are listened to: who speaks, how
    often, of what, and what of it is of no use. They are answered, but what they tell is not
    acknowledged, so that they tell it again to the collector. Some speak every five minutes only.

    It only reads, few objects, at most 5 requests per second on average; at its quickest 4 are
    under way, 60 ms apart. It waits for pauses of other clients, as the collector does. It does
    not examine a device that a collector on this host holds: stop that one first.

    The exit status is 0 if no problem was found (notes and warnings are none), 5 if there is
    one, 3 or 4 if the device could not be examined, 130 after Ctrl-C.
    """
    from rct_collector.cli.main import start_logging
    from rct_collector.exits import Exit

    start_logging(ctx.obj, "error")
    if not SHORTEST_S <= duration <= LONGEST_S:
        raise click.UsageError("--duration: an examination takes from 20s to 30m")
    found = _target(place, choice)
    status = _examine(found, duration, as_json=as_json)
    if status is Exit.INTERRUPTED:
        click.echo("Interrupted: the examination is incomplete.", err=True)
    if status:
        raise click.exceptions.Exit(status)


def _target(place: str | None, choice: TargetOptions) -> Targets:
    """The one device that is meant."""
    from rct_collector.cli.targets import targets
    from rct_collector.config import Intervals
    from rct_collector.drivers import driver

    if place:
        if choice.address:
            raise click.UsageError("ADDRESS and --address are the same; give one of them")
        choice = replace(choice, address=place)
    found = targets(choice)
    if len(found.devices) > 1:
        names = ", ".join(device.name for device in found.devices)
        raise click.UsageError(f"one at a time: choose with --device; known: {names}")
    (device,) = found.devices
    family = driver(device.driver)
    tools = family.tools()
    (tools.examination if family.polled else tools.hearing)()  # before anything is sent
    if found.scenario:  # asked like a real one, not as quickly as it could answer
        device = replace(device, requests=device.usual, intervals=Intervals())
    return replace(found, devices=(device,))


def _examine(found: Targets, seconds: float, *, as_json: bool) -> Exit:
    """Examine, and print what was found, whatever went wrong."""
    from rct_collector.cli import diagnosis as report
    from rct_collector.cli.collect import run
    from rct_collector.doctor.diagnosis import diagnose
    from rct_collector.drivers import driver
    from rct_collector.exits import Exit

    (device,) = found.devices
    held: list[Checkup] = []
    interrupted = False
    try:
        run(_run(found, seconds, held))
    except KeyboardInterrupt:
        interrupted = True
    if not held:
        return Exit.INTERRUPTED
    figures = held[0].figures()
    family = driver(device.driver)
    diagnosis = diagnose(figures, device)
    show = report.print_json if as_json else report.print_text
    show(device, family.title, figures, diagnosis)
    return Exit.INTERRUPTED if interrupted else status(figures, diagnosis)


def status(figures: Figures, diagnosis: Diagnosis) -> Exit:
    """What the examination means for the exit status."""
    from rct_collector.doctor.findings import Severity
    from rct_collector.exits import Exit

    if figures.trouble is not None and figures.trouble.kind == "busy":
        return Exit.BUSY
    if figures.trouble is not None or not figures.answers:
        return Exit.UNREACHABLE
    return Exit.PROBLEM if diagnosis.severity is Severity.PROBLEM else Exit.OK


async def _run(found: Targets, seconds: float, held: list[Checkup]) -> None:
    """Examine the device, simulated or not; the one who does it is put into ``held``."""
    from rct_collector.cli.targets import reachable
    from rct_collector.doctor.checkup import Checkup

    async with reachable(found) as (device,):
        checkup = Checkup(device, seconds)
        held.append(checkup)
        await _with_progress(checkup)


async def _with_progress(checkup: Checkup) -> None:
    """Examine, and tell how far it has come where somebody waits at a terminal."""
    import asyncio

    from rct_collector.cli.console import console

    out = console(stderr=True)
    if not out.is_terminal:
        await checkup.run()
        return
    with out.status(f"examining {checkup.name} …") as line:

        async def tell() -> None:
            while True:
                line.update(f"examining {checkup.name}, {checkup.progress()}")
                await asyncio.sleep(_STEP_S)

        teller = asyncio.create_task(tell())
        try:
            await checkup.run()
        finally:
            teller.cancel()
