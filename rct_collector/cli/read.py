"""``rct-collector read``: everything that a device says, once.

It is printed as tables for people, and as line protocol or JSON for programs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rct_collector.cli.options import DURATION, OBJECT, TargetOptions, format_option, target_options

if TYPE_CHECKING:
    from rct_collector.cli.snapshot import Reading, Snapshot
    from rct_collector.cli.targets import Targets
    from rct_collector.device.publisher import Emit
    from rct_collector.exits import Exit
    from rct_collector.model import Batch, Series

_EPILOG = """\b
Examples:
  rct-collector read --simulate
  rct-collector read tcp://192.0.2.10:8899
  rct-collector read --address 192.0.2.10 --only 'inverter_power.*'
  rct-collector read --config config.yaml --device roof --format json
  rct-collector read --address 192.0.2.10 --object battery.soc
  rct-collector read --format influx /var/lib/captures/roof.pcap
"""


#: Seconds that a file may take: as long as it takes.
ENDLESS_S = 1e9

#: Bytes of lines that are written at once.
_WRITTEN = 1 << 16


@click.command("read", short_help="Read everything from a device once.", epilog=_EPILOG)
@click.argument("file", required=False, metavar="[ADDRESS|FILE]")
@target_options
@format_option("How the values are printed", ["table", "influx", "json"])
@click.option(
    "--object", "objects", type=OBJECT, multiple=True, metavar="NAME|ID",
    help="Only this, such as battery.soc or 0x959930BF, and print its value alone; can be given"
    " more than once. 'objects' lists what there is.",
)  # fmt: skip
@click.option(
    "-v", "--verbose", is_flag=True,
    help="With --object: also name, id, description, unit and what the collector makes of it.",
)  # fmt: skip
@click.option(
    "--timeout", type=DURATION, default="90s", metavar="DURATION",
    help="Longest time to take; what was read by then is printed (default: 90s).",
)  # fmt: skip
@click.pass_context
def command(  # noqa: PLR0913 - of options
    ctx: click.Context,
    file: str | None,
    choice: TargetOptions,
    form: str,
    objects: tuple[str, ...],
    verbose: bool,  # noqa: FBT001
    timeout: float,
) -> None:
    """Read everything from a device once and print it.

    First it is found out what the unit has (battery, modules, switch), then all of it is
    asked for; with a real unit that takes some 20 seconds. Nothing is ever written to it.

    Units that talk by themselves, such as those of SolarEdge, are not asked: what the first of them
    says is printed, and waited for as long as --timeout allows; 'watch' shows all.

    A device is given by ADDRESS or by the options below. In place of one FILE is read to its end, a
    recording of units that talk unasked: bytes of their lines, a capture (pcap, pcapng), the newest
    one of a folder, or - for standard input. As line protocol each record of it is printed, with
    its own time; else the last values.

    With --object one thing is asked for by its own name, whether it feeds a metric or not. Its
    value is printed as it is on the wire, one line for each --object, empty where there is none;
    records of the unit's memory and cells of a battery have their times and names beside them.
    Passwords are never read.
    """
    from click.core import ParameterSource

    from rct_collector.cli.main import start_logging
    from rct_collector.cli.targets import is_address, of_address, of_file, targets

    if file is not None and is_address(file) and not Path(file).exists():
        choice, file = of_address(choice, file), None
    start_logging(ctx.obj, "error" if file is None else "warning")
    if verbose and not objects:
        raise click.UsageError("--verbose needs --object")
    if objects:
        _read_objects(choice, file, objects, form, verbose=verbose, timeout=timeout)
        return
    if file is not None:
        choice = of_file(choice, file)
        if ctx.get_parameter_source("timeout") is ParameterSource.DEFAULT:
            timeout = ENDLESS_S
    read_and_print(targets(choice), form, timeout)


def _read_objects(
    choice: TargetOptions,
    file: str | None,
    words: tuple[str, ...],
    form: str,
    *,
    verbose: bool,
    timeout: float,
) -> None:
    """Ask for single things; what chooses metrics has no meaning then."""
    from rct_collector.cli.targets import targets

    others = {
        "FILE": file is not None,
        "--format influx": form == "influx",
        "--only": choice.only,
        "--include": choice.include,
        "--exclude": choice.exclude,
        "--all": choice.everything,
        "--cells": choice.cells,
    }
    for name, given in others.items():
        if given:
            raise click.UsageError(f"--object and {name} exclude each other")
    from rct_collector.cli.read_objects import read_objects

    if form == "table":
        form = "verbose" if verbose else "value"
    read_objects(targets(choice), words, form, timeout)


def read_and_print(found: Targets, form: str, timeout: float) -> None:
    """Do one round with each device and print what came, whatever went wrong.

    Args:
        found: The devices.
        form: ``table``, ``influx`` or ``json``.
        timeout: Seconds.

    Raises:
        click.exceptions.Exit: With the status of the first device that failed.
    """
    each = EachRecord(found.prefix) if form == "influx" and _are_files(found) else None
    snapshots, results = read_all(found, timeout, each)
    if each:
        each.flush()
    else:
        FORMS[form](snapshots, found.prefix)
    tell(snapshots, results)


def read_all(
    found: Targets, timeout: float, each: EachRecord | None = None
) -> tuple[list[Snapshot], list[Exit]]:
    """Do one round with each device.

    Args:
        found: The devices.
        timeout: Seconds.
        each: Takes what comes in place of the snapshots.

    Returns:
        A snapshot of each, and how it went with each.
    """
    from rct_collector.cli.collect import run
    from rct_collector.cli.snapshot import Snapshot
    from rct_collector.exits import Exit

    snapshots = [Snapshot(device, values=each is None) for device in found.devices]
    try:
        return snapshots, run(_read(found, snapshots, timeout, each.take if each else None))
    except KeyboardInterrupt:
        return snapshots, [Exit.INTERRUPTED]


def tell(snapshots: list[Snapshot], results: list[Exit]) -> None:
    """Say what went wrong.

    Raises:
        click.exceptions.Exit: With the status of the first device that failed.
    """
    from rct_collector.exits import Exit

    for snapshot in snapshots:
        for text in filter(None, (snapshot.trouble, *snapshot.undecided)):
            click.echo(f"Error: {snapshot.config.name}: {text}", err=True)
    status = next((result for result in results if result), Exit.OK)
    if status is Exit.INTERRUPTED:
        click.echo("Interrupted: the values are incomplete.", err=True)
    if status:
        raise click.exceptions.Exit(status)


def _are_files(found: Targets) -> bool:
    from rct_collector.transport import is_recorded

    return all(is_recorded(device.address) for device in found.devices)


async def _read(
    found: Targets, snapshots: list[Snapshot], timeout: float, emit: Emit | None
) -> list[Exit]:
    import asyncio

    from rct_collector.cli.collect import read_once
    from rct_collector.cli.progress import progress
    from rct_collector.cli.targets import reachable
    from rct_collector.control.broker import Broker
    from rct_collector.control.doorway import opened
    from rct_collector.device.options import Options

    broker = Broker()
    options = opened(Options(), broker)  # of all: those on one line are to share it
    async with reachable(found) as devices:
        for snapshot, device in zip(snapshots, devices, strict=True):
            snapshot.config = device
        with progress(snapshots) as started:
            results = await asyncio.gather(
                *(
                    read_once(
                        s, timeout, started=started, emit=emit, options=options, broker=broker
                    )
                    for s in snapshots
                )
            )
        return [status for _, status in results]


# -- what is printed ----------------------------------------------------------------------------


def print_table(snapshots: Sequence[Snapshot], _prefix: str) -> None:
    """Tables by component, under a heading for each device."""
    from rich.console import Group
    from rich.text import Text

    from rct_collector.cli.console import console, show
    from rct_collector.cli.layout import section_table, snapshot_sections

    out = console()
    for n, snapshot in enumerate(part for whole in snapshots for part in whole.each):
        if not snapshot.measured:
            continue
        found = snapshot_sections(snapshot, snapshot.measured)
        spaced = [part for s in found for part in (Text(""), section_table(s, out.width))]
        show(out, Group(*([Text("")] if n else []), *_heading(snapshot), *spaced))


def _heading(snapshot: Snapshot) -> list[Any]:
    """Which unit, when, how it does and where the power goes."""
    from rich.text import Text

    from rct_collector.cli.summary import effort, flow_text, heading
    from rct_collector.format import moment_text

    time_s = max(snapshot.readings[series].time_ns for series in snapshot.measured) / 1e9
    lines = heading(snapshot, moment_text(time_s, snapshot.config.timezone))
    return [*lines, *(Text(text) for text in (flow_text(snapshot), effort(snapshot)) if text)]


def print_influx(snapshots: Sequence[Snapshot], prefix: str) -> None:
    """Line protocol, exactly as the Telegraf shim writes it."""
    from rct_collector.adapter.lineprotocol import LineProtocol
    from rct_collector.cli.console import write_utf8

    serializer = LineProtocol(prefix)
    for snapshot in _all(snapshots):
        for batch in snapshot.batches():
            for line in serializer.lines(batch):
                write_utf8(line.decode())


class EachRecord:
    """Line protocol of what is recorded, batch by batch: nothing of it is kept."""

    def __init__(self, prefix: str) -> None:
        """Begin.

        Args:
            prefix: First word of every measurement.
        """
        from rct_collector.adapter.lineprotocol import LineProtocol

        self._serializer = LineProtocol(prefix)
        self._held: list[bytes] = []
        self._size = 0

    def take(self, batch: Batch) -> None:
        """Print the values of the unit; what the collector says of itself is not in the file."""
        if batch.ends_round:
            return
        lines = self._serializer.lines(batch)
        self._held += lines
        self._size += sum(map(len, lines))
        if self._size >= _WRITTEN:
            self.flush()

    def flush(self) -> None:
        """Write what is held back."""
        if self._held:
            click.echo(b"".join(self._held), nl=False)
            self._held.clear()
            self._size = 0


def print_json(snapshots: Sequence[Snapshot], _prefix: str) -> None:
    """A list with one object per device, and per unit of a device that takes many."""
    from rct_collector.cli.console import write_json

    write_json([_device(snapshot) for snapshot in _all(snapshots)])


def _all(snapshots: Sequence[Snapshot]) -> list[Snapshot]:
    """The devices, and those units that are no devices."""
    return [part for whole in snapshots for part in (whole, *(whole.each if whole.units else ()))]


def _device(snapshot: Snapshot) -> dict[str, Any]:
    config = snapshot.config
    return {
        "source": config.name,
        **({"unit": snapshot.unit} if snapshot.unit else {}),
        "vendor": snapshot.driver.vendor,
        "labels": dict(config.labels),
        "trouble": snapshot.trouble or None,
        **({"undecided": list(snapshot.undecided)} if snapshot.undecided else {}),
        "faults": [{"fault": bit, "text": text} for bit, text in snapshot.faults() or ()],
        "values": [
            _value(snapshot, series, reading)
            for series, reading in snapshot.ordered()
            if not series.metric.own
        ],
        "collector": {
            "_".join([series.metric.field, *(value for _, value in series.tags)]): reading.value
            for series, reading in snapshot.ordered()
            if series.metric.own
        },
    }


def _value(snapshot: Snapshot, series: Series, reading: Reading) -> dict[str, Any]:
    text = snapshot.text(series, reading.value)
    return {
        "measurement": series.metric.measurement,
        "tags": dict(series.tags),
        "field": series.metric.field,
        "value": reading.value,
        "unit": series.metric.unit.symbol,
        **({"text": text} if text else {}),
        "time_ns": reading.time_ns,
    }


#: Name of the format → what prints it; it takes snapshots and the first word of the measurements.
FORMS: dict[str, Callable[[Sequence[Snapshot], str], None]] = {
    "table": print_table,
    "influx": print_influx,
    "json": print_json,
}
