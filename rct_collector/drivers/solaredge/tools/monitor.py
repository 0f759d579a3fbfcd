"""``rct-collector solaredge monitor``: what units post, as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack

import click

from rct_collector.drivers.outside import Output, Outside
from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.frame import Bad, Frame
from rct_collector.drivers.solaredge.tools.reader import found_in
from rct_collector.drivers.solaredge.tools.recording import (
    FrameTally,
    Recording,
    counted,
    recordings,
)
from rct_collector.drivers.solaredge.tools.rendering import Renderer
from rct_collector.drivers.tools import Run
from rct_collector.errors import CaptureError

_EPILOG = """\b
Examples:
  rct-collector solaredge monitor roof.rec
  rct-collector solaredge monitor -f -o roof.json /var/captures/
"""


@click.command("monitor", short_help="What units post, as JSON lines.", epilog=_EPILOG)
@click.argument("source", required=False, metavar="[FILE|FOLDER|-]")
@click.option("-o", "output", metavar="FILE", help="Write there (default: standard output).")
@click.option("-a", "append", is_flag=True, help="Append to the files of -o and -r.")
@click.option(
    "-f", "follow", is_flag=True,
    help="Wait for more at the end of the file, in a folder also for newer files.",
)  # fmt: skip
@click.option("-r", "record", metavar="FILE", help="Also keep the frames there, as on the wire.")
@click.option(
    "-p", "ports", type=click.IntRange(1, 65535), multiple=True, metavar="PORT",
    help="Port of the server in a capture, besides 22222, 22221 and 80; can be given more than"
    " once.",
)  # fmt: skip
@click.option("-x", "strict", is_flag=True, help="End at the first frame that is broken.")
@click.option("-v", "verbose", count=True, help="Tell at the end what was read.")
@click.pass_obj
def command(
    outside: Outside,
    source: str | None,
    output: str | None,
    append: bool,
    follow: bool,
    record: str | None,
    ports: tuple[int, ...],
    strict: bool,
    verbose: int,
) -> None:
    """Print what units have posted as semonitor did: one JSON object per message and line.

    A file is one of frames (.rec, .dat) or a capture (pcap or pcapng, also gzipped). Of a FOLDER
    all files are read, the oldest first; with -f the newest, and then those that follow. Without
    either, standard input is read.

    The lines are those that scripts for semonitor know, with dates and times in the zone of this
    host, but for two things: a further record of the same unit in a message gets a line of its own
    behind it, and what is no number is null.
    """
    wanted = recordings(source, ports, follow=follow)
    with ExitStack() as files:
        out = files.enter_context(outside.output(output, append=append))
        kept = None
        if record:
            copy = files.enter_context(outside.output(record, append=append))
            kept = Recording(copy, plain=True)
        monitor = Monitor(out, kept, strict=strict)
        try:
            monitor.read(found_in(outside.runs(wanted)))
        finally:
            _tell(outside, monitor, verbose=bool(verbose))


def _tell(outside: Outside, monitor: Monitor, *, verbose: bool) -> None:
    trouble = monitor.trouble()
    if trouble:
        outside.say(f"Warning: left out were {trouble}")
    if verbose:
        tally, renderer = monitor.tally, monitor.renderer
        outside.say(
            f"{counted(tally.frames, 'frame')}, {counted(renderer.records, 'record')},"
            f" {counted(monitor.lines, 'line')}"
        )


class Monitor:
    """Makes lines of frames.

    Attributes:
        tally: What was read.
        renderer: Makes the lines.
        lines: Lines so far.
    """

    def __init__(self, out: Output, record: Recording | None, *, strict: bool = False) -> None:
        """Begin with nothing.

        Args:
            out: Takes the lines.
            record: Keeps the frames.
            strict: End at what is broken.
        """
        self.tally = FrameTally()
        self.renderer = Renderer()
        self.lines = 0
        self._out = out
        self._record = record
        self._strict = strict

    def read(self, found: Iterable[tuple[Run, list[Frame | Bad]]]) -> None:
        """Take all that was said; each run's lines are written at once.

        Raises:
            CaptureError: Something is broken, and nothing may be.
        """
        for run, items in found:
            if self._record:
                self._record.keep(run, items)
            self.take(items)

    def take(self, items: list[Frame | Bad]) -> None:
        """Take frames, and what was none, in order.

        Raises:
            CaptureError: Something is broken, and nothing may be.
        """
        lines = []
        for item in items:
            if type(item) is Frame and item.function == functions.POST and item.payload:
                lines += self.renderer.lines(item.payload)
        if lines:
            self.lines += len(lines)
            lines.append("")
            self._out.write("\n".join(lines).encode())
        self.tally.count(items)
        if self._strict and (trouble := self.trouble()):
            raise CaptureError(f"there is {trouble} within or behind frame {self.tally.frames}")

    def trouble(self) -> str:
        """What was left out, in words; "" for nothing."""
        bad = self.renderer.bad
        parts = [self.tally.trouble(), f"{counted(bad, 'record')} cut or too short" if bad else ""]
        return ", and ".join(filter(None, parts))
