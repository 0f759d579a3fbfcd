"""``rct-collector replay``: a recorded line again, as a device or as text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from rct_collector.cli.options import (
    DOORS,
    LOOPBACK,
    door_options,
    driver_option,
    format_option,
    listen_options,
    usual_port,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rct_collector.cli.trace import Trace
    from rct_collector.drivers.base import Driver
    from rct_collector.drivers.tools import FarEnd, Recorded

_EPILOG = """\b
Examples:
  rct-collector replay roof.pcap --print
  rct-collector replay roof.pcap
  rct-collector replay roof.pcap --port 0 --speed 10
  rct-collector replay --driver voltronic barn.pcap --transport pty
  rct-collector replay --driver solaredge calls.rec --to tcp://192.0.2.5:22222
Then, in another terminal:
  rct-collector read --address tcp://127.0.0.1:8899
"""


@click.command("replay", short_help="Replay a recorded line.", epilog=_EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--print", "printing", is_flag=True, help="Print what each frame was, instead of serving."
)
@format_option("How --print prints")
@listen_options
@door_options(["tcp", *DOORS])
@click.option(
    "--speed", type=click.FloatRange(0, 100_000, min_open=True), default=1.0,
    help="How many times faster than recorded it answers (default: 1).",
)  # fmt: skip
@click.option(
    "--to", metavar="ADDRESS",
    help="Whom recorded devices call that do so (default: the usual port of this host).",
)  # fmt: skip
@driver_option("the recorded device")
def command(
    file: Path,
    printing: bool,
    form: str,
    host: str,
    port: int | None,
    transport: str,
    path: Path | None,
    speed: float,
    to: str | None,
    driver: str,
) -> None:
    """Replay FILE, made by 'record', tcpdump or Wireshark, as a device until Ctrl-C.

    Each request gets what followed its next recorded one, byte for byte and with the recorded
    delay; after the last one it begins anew with the first. What the recorded unit did not
    answer is not answered, and neither is what nobody had asked it for.

    Devices that call a collector do so again, as those of SolarEdge: each connection says what it
    said, frame by frame, and the next one when the last is acknowledged, no sooner than it was
    recorded; then no more. Of these FILE may also hold the frames alone, as .rec and .dat do; then
    one frame follows on the other.
    """
    from rct_collector.cli.trace import print_trace
    from rct_collector.drivers import driver as load_driver

    family = load_driver(driver)
    found = _read(file, family)
    if printing:
        print_trace(found, form)
        return
    for sentence in found.trouble:
        click.echo(f"Warning: {sentence}", err=True)
    made = family.tools().replay()
    unit = made(found.items, speed)
    if unit.calls:
        each = [made(items, speed) for items in found.of_lines()]
        _call(each, family, to, str(file))
        return
    if to:
        raise click.UsageError("--to: devices of this family do not call, but are called")
    if not unit.objects:
        raise click.UsageError(f"{file}: nothing in it was asked for and answered")
    name = f"replay of {file} ({unit.objects} objects)"
    if transport == "tcp":
        from rct_collector.cli.serving import serve_until_stopped

        serve_until_stopped(unit, host, usual_port(family) if port is None else port, name=name)
    else:
        _plug_in(unit, family, transport, path, name)


def _read(file: Path, family: Driver) -> Trace:
    """What is recorded of a device of the family."""
    from rct_collector.cli.trace import read_trace

    try:
        with file.open("rb") as stream:
            return read_trace(stream, str(file), family.tools().dissector())
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be read: {error.strerror}") from error


def _call(units: Sequence[Recorded], family: Driver, to: str | None, file: str) -> None:
    """Let recorded units call until Ctrl-C."""
    from rct_collector.cli.serving import called_at, dialling, open_until_stopped
    from rct_collector.simulator import Hub

    _refuse_what_serves()
    units = [unit for unit in units if unit.objects]
    if not units:
        raise click.UsageError(f"{file}: no device in it says anything that waits for an answer")
    host, port = called_at(to or LOOPBACK, family)
    openings = [dialling(partial(Hub, unit), host, port) for unit in units]
    frames = sum(unit.objects for unit in units)
    name = f"replay of {file} ({frames} frames)"
    open_until_stopped(openings, where=f"{host}:{port}", name=name)


def _refuse_what_serves() -> None:
    """Say of the options that tell where a device is to be found that this one calls instead."""
    context = click.get_current_context()
    given = {
        name
        for name in ("transport", "host", "port", "path")
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if "transport" in given and context.params["transport"] != "tcp":
        raise click.UsageError("--transport: devices of this family call, and are not plugged in")
    for name in sorted(given - {"transport"}):
        raise click.UsageError(
            f"--{name} means nothing here: these devices call, and --to says whom"
        )


def _plug_in(unit: FarEnd, family: Driver, transport: str, path: Path | None, name: str) -> None:
    """Let it be reached as a serial port or as a USB device until Ctrl-C."""
    from rct_collector.cli.serving import open_until_stopped, plugged_in
    from rct_collector.simulator import Hub

    if DOORS[transport] not in family.ways:
        known = ", ".join(f"{way}://" for way in family.ways)
        raise click.UsageError(
            f"--transport: devices of this family are reached by {known} only, not as {transport}"
        )
    with TemporaryDirectory(prefix="rct-collector-") as folder:
        place = path or Path(folder) / "inverter"
        opening = plugged_in(transport, partial(Hub, unit), place)
        open_until_stopped([opening], where=str(place), name=name)
