"""Reads what devices remember, and writes it: portion by portion, or at the end into a file."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from rct_collector.cli.collect import quiet_link, run
from rct_collector.cli.console import console
from rct_collector.cli.files import check_replaceable, replaced
from rct_collector.cli.history_formats import (
    FORMATS,
    Columns,
    CsvFormat,
    HistoryFormat,
    TableFormat,
    lines_of,
)
from rct_collector.cli.history_part import PartFile
from rct_collector.cli.history_reading import NONE, SECOND, HistoryReading, Row, Selection, Slice
from rct_collector.cli.moments import moment_of, parse_moment
from rct_collector.cli.targets import Targets, reachable
from rct_collector.config import DeviceConfig
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.errors import ConfigError
from rct_collector.exits import Exit
from rct_collector.format import duration_text

#: Seconds between two looks at how far it has come.
_STEP_S = 0.2

#: A range that is cut short by less than this is not worth a word, in seconds.
_SHORT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """What is asked for, as given on the command line.

    Attributes:
        start: First time, in words.
        end: Time before which it ends, in words.
        resolution: What one value covers.
        signals: Globs of fields; empty for all.
        events: Events as well.
        form: Name of the format.
        header: How CSV begins.
        output: File; None for standard output.
        resume: Go on with what an interrupted reading has left.
        quiet: Say nothing but what is wrong.
        timeout: Seconds that opening the line may take.
    """

    start: str
    end: str
    resolution: str
    signals: tuple[str, ...]
    events: bool
    form: str
    header: str
    output: Path | None
    resume: bool
    quiet: bool
    timeout: float


def read_history(found: Targets, options: HistoryRequest) -> None:
    """Read the memory of each device, and write it.

    Args:
        found: The devices.
        options: What is asked for, and where it goes.

    Raises:
        ConfigError: It cannot be asked for.
        CaptureError: The file cannot be written.
        click.exceptions.Exit: With the status of the first device that failed.
    """
    if options.output:
        check_replaceable(options.output)  # before an hour of reading
    names = [device.name for device in found.devices]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigError(
            [f"{', '.join(sorted(twice))}: named twice; two devices at one host are told apart by"
             " their names in a configuration file"]
        )  # fmt: skip
    signals = NONE if options.events and options.form == "csv" else options.signals
    selection = Selection(options.resolution, signals, options.events)
    if not selection.values and not selection.events:
        raise ConfigError(["--signals none: leaves nothing, unless --events is given"])
    ranges = {device.name: _range(device, selection, options) for device in found.devices}
    part_file = _part_file(found, options, ranges) if options.output else None
    try:
        kept = part_file.request["range"] if part_file else ranges
        readings = [
            HistoryReading(device, selection, *kept[device.name]) for device in found.devices
        ]
        sink = _Sink(_format(readings, found, options), part_file)
        complete = _read(found, readings, sink, options)
        if part_file and options.output and (not complete or not part_file.is_empty):
            _write_file(options.output, readings, sink.form, part_file)
    except BaseException:
        if part_file:
            part_file.close(remove=part_file.is_empty)
        raise
    if part_file:
        part_file.close(remove=complete is Exit.OK or part_file.is_empty)
    something = (
        not part_file.is_empty if part_file else any(reading.headway.done for reading in readings)
    )
    _tell(readings, complete, options, something=something)
    if complete:
        raise click.exceptions.Exit(complete)


def now() -> float:
    """Unix seconds."""
    return time.time()


# -- what is asked for --------------------------------------------------------------------------


def _range(device: DeviceConfig, selection: Selection, options: HistoryRequest) -> tuple[int, int]:
    """First time, and time before which it ends, in nanoseconds since the epoch.

    Raises:
        ConfigError: It is no range, or nothing of it can be remembered.
    """
    wall = now()
    times, problems = [], []
    for name, text in (("--from", options.start), ("--to", options.end)):
        try:
            times.append(parse_moment(text, wall, device.timezone))
        except ValueError as error:
            problems.append(f"{name}: found {text!r}, expected {error}")
    if problems:
        raise ConfigError(problems)
    start, end = times[0], min(times[1], wall)
    if start >= end:
        raise ConfigError(
            [f"--from {options.start} is not before --to {options.end}, or not past: name both, the"
             " earlier first"]
        )  # fmt: skip
    reach = selection.reach_s(driver(device.driver))
    if math.isfinite(reach) and start < wall - reach - _SHORT_S:
        start = wall - reach
        if start >= end:
            raise ConfigError(
                [f"{device.name}: units keep {selection.resolution} for {reach / 86400:.0f} days,"
                 f" and --to {options.end} is before that"]
            )  # fmt: skip
        if not options.quiet:
            text = moment_of(int(start) * SECOND, device.timezone)
            click.echo(f"{device.name}: begins at {text}, units keep no more", err=True)
    return int(start) * SECOND, math.ceil(end) * SECOND


def _part_file(
    found: Targets, options: HistoryRequest, ranges: dict[str, tuple[int, int]]
) -> PartFile:
    output = options.output
    assert output is not None  # noqa: S101 - the caller looks
    request = {
        "devices": [[device.name, device.driver] for device in found.devices],
        "from": options.start,
        "to": options.end,
        "resolution": options.resolution,
        "signals": list(options.signals),
        "events": options.events,
        "range": {name: list(both) for name, both in ranges.items()},
    }
    path = output.with_name(f"{output.name}.part")
    return PartFile(path, request, resume=options.resume)


def _format(
    readings: Sequence[HistoryReading], found: Targets, options: HistoryRequest
) -> HistoryFormat:
    metrics = list(dict.fromkeys(metric for reading in readings for metric in reading.metrics))
    tags = {series.tags for reading in readings for series in reading.series}
    fixed = tags.pop() if len(tags) == 1 else ()
    varied = dict.fromkeys(key for metric in metrics for key, _ in metric.dimensions)
    columns = Columns(
        found.devices, metrics, [key for key in varied if key not in dict(fixed)], fixed
    )
    kind = FORMATS[options.form]
    if kind is CsvFormat:
        return CsvFormat(columns, found.prefix, options.header)
    form = kind(columns, found.prefix)
    if isinstance(form, TableFormat) and options.output is None and console().is_terminal:
        form.width = console().width
    return form


# -- reading ------------------------------------------------------------------------------------


class _Sink:
    """Where slices go: into the part file, or portion by portion to standard output.

    Attributes:
        form: How they are written.
    """

    def __init__(self, form: HistoryFormat, part_file: PartFile | None) -> None:
        self.form = form
        self._part_file = part_file
        self._held: dict[str, list[Row]] = {}
        if part_file is None:
            _print(form.begin())

    def has(self, device: DeviceConfig, part: Slice) -> bool:
        return self._part_file is not None and self._part_file.has(device.name, part)

    def take(self, device: DeviceConfig, part: Slice, rows: list[Row]) -> None:
        if self._part_file is not None:
            self._part_file.add(device.name, part, rows)
        else:
            self._held.setdefault(device.name, []).extend(rows)

    def flush(self, device: DeviceConfig) -> None:
        rows = self._held.pop(device.name, [])
        if rows:
            _print(self.form.lines(device, lines_of(rows)))

    def end(self) -> None:
        if self._part_file is None:
            _print(self.form.end())


def _print(pieces: Iterator[bytes]) -> None:
    text = b"".join(pieces)
    if text:
        click.echo(text, nl=False)


def _read(
    found: Targets, readings: Sequence[HistoryReading], sink: _Sink, options: HistoryRequest
) -> Exit:
    try:
        with quiet_link():
            run(_read_all(found, readings, sink, options))
        status = next((reading.status for reading in readings if reading.status), Exit.OK)
    except KeyboardInterrupt:
        status = Exit.INTERRUPTED
    for reading in readings:
        sink.flush(reading.config)
    sink.end()
    return status


async def _read_all(
    found: Targets, readings: Sequence[HistoryReading], sink: _Sink, options: HistoryRequest
) -> None:
    shared = Options()

    async with reachable(found) as devices, _progress(readings, options):
        for reading, device in zip(readings, devices, strict=True):
            reading.config = device
        await asyncio.gather(*(reading.read(shared, sink, options.timeout) for reading in readings))


def _write_file(
    path: Path, readings: Sequence[HistoryReading], form: HistoryFormat, part_file: PartFile
) -> None:
    """Write all that is there into the place of the file."""
    with replaced(str(path)) as file:
        file.writelines(form.begin())
        for reading in readings:
            for portion in reading.portions:
                rows = (
                    row for part in portion for row in part_file.rows(reading.config.name, part)
                )
                file.writelines(form.lines(reading.config, lines_of(rows)))
        file.writelines(form.end())


# -- what is said -------------------------------------------------------------------------------


@asynccontextmanager
async def _progress(
    readings: Sequence[HistoryReading], options: HistoryRequest
) -> AsyncIterator[None]:
    """Show on a terminal how far it has come."""
    out = console(stderr=True)
    if not out.is_terminal or options.quiet:
        yield
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[place]}"),
    )
    with Progress(*columns, console=out, transient=True) as bar:
        tasks = [
            bar.add_task(reading.config.name, total=reading.headway.slices, place="")
            for reading in readings
        ]

        async def tell() -> None:
            while True:
                for task, reading in zip(tasks, readings, strict=True):
                    headway = reading.headway
                    bar.update(task, completed=headway.done, place=headway.place)
                await asyncio.sleep(_STEP_S)

        teller = asyncio.create_task(tell())
        try:
            yield
        finally:
            teller.cancel()


def _tell(
    readings: Sequence[HistoryReading], status: Exit, options: HistoryRequest, *, something: bool
) -> None:
    """Say what was read, what was not, and how to go on if there is something to go on with."""
    for reading in readings:
        name, headway = reading.config.name, reading.headway
        for text in () if options.quiet else headway.unknown:
            click.echo(f"{name}: {text}, and other things were: it is left out", err=True)
        for text in (*headway.failed, *filter(None, (reading.trouble,))):
            click.echo(f"Error: {name}: {text}", err=True)
        if not options.quiet:
            left = (
                f", {headway.left_out} more without a time, or impossible"
                if headway.left_out
                else ""
            )
            click.echo(
                f"{name}: {headway.values} values{left}, {headway.questions} requests,"
                f" {duration_text(reading.seconds)}",
                err=True,
            )
    if not status:
        return
    what = "Interrupted" if status is Exit.INTERRUPTED else "Incomplete"
    if not something:
        click.echo(f"{what}: nothing was read", err=True)
        return
    if options.output:
        click.echo(
            f"{what}: what was read is in {options.output}; the same command with --resume goes on",
            err=True,
        )
        return
    for reading in readings:
        if reading.headway.done < reading.headway.slices or reading.headway.failed:
            text = moment_of(reading.reached_ns, reading.config.timezone)
            click.echo(f"{what}: {reading.config.name} goes on with --from {text}", err=True)
