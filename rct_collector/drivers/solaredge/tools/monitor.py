"""``rct-collector solaredge monitor``: what units post, as JSON lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import click

from rct_collector.drivers.outside import Output, Outside
from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.crypto import UnitKey
from rct_collector.drivers.solaredge.frame import Bad, Frame
from rct_collector.drivers.solaredge.options import parse_id, parse_keys
from rct_collector.drivers.solaredge.session import id_text
from rct_collector.drivers.solaredge.tools.reader import FrameFinder, found_in
from rct_collector.drivers.solaredge.tools.recording import (
    FrameTally,
    Recording,
    counted,
    following,
    recordings,
)
from rct_collector.drivers.solaredge.tools.rendering import Renderer
from rct_collector.drivers.solaredge.tools.unlocking import Unlocking
from rct_collector.drivers.tools import Run
from rct_collector.errors import CaptureError
from rct_collector.option import Invalid

_PORT = 22222

#: What a source is, by the letters of the suite: an RS232 or RS485 port, or the network.
_KINDS = ("2", "4", "n")

#: Options of the suite that are none here → what does that now.
_ELSEWHERE = {
    "-c": "commands are sent by 'rct-collector solaredge command'",
    "-d": "'rct-collector --log-level debug solaredge monitor' tells more, on standard error",
    "-n": "give the network card its address, have dnsmasq lead the units here, and use -t n",
    "-u": "firmware is not recorded",
}

_EPILOG = """\b
Examples:
  rct-collector solaredge monitor roof.rec
  rct-collector solaredge monitor -f -o roof.json /var/captures/
  rct-collector solaredge monitor -o roof.json listen://192.0.2.10:22222
  rct-collector solaredge monitor -t 4 -m -s 7F101234,7F105678 /dev/ttyUSB0
"""


def _elsewhere(function: Any) -> Any:
    """Tell who uses one of those options what does it now."""

    def refuse(_ctx: click.Context, option: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(
                f"{option.opts[0]} is no option here: {_ELSEWHERE[option.opts[0]]}"
            )

    for name in _ELSEWHERE:
        function = click.option(
            name, f"elsewhere_{name[1]}", hidden=True, expose_value=False, callback=refuse
        )(function)
    return function


@click.command("monitor", short_help="What units post, as JSON lines.", epilog=_EPILOG)
@click.argument("source", required=False, metavar="[FILE|FOLDER|-|ADDRESS]")
@click.option("-o", "output", metavar="FILE", help="Write there (default: standard output).")
@click.option("-a", "append", is_flag=True, help="Append to the files of -o and -r.")
@following
@click.option("-r", "record", metavar="FILE", help="Also keep the frames there, as on the wire.")
@click.option(
    "-t", "kind", type=click.Choice(_KINDS),
    help="What is read: an RS232 (2) or RS485 (4) port, or the network (n), where units call.",
)  # fmt: skip
@click.option(
    "-p", "ports", type=click.IntRange(1, 65535), multiple=True, metavar="PORT",
    help="Port at which units call (default: 22222); of a capture one besides 22222, 22221 and 80,"
    " and more than once if wanted.",
)  # fmt: skip
@click.option("-b", "baud", type=int, metavar="BAUD", help="Rate of a port (default: 115200).")
@click.option("-m", "master", is_flag=True, help="Be the master of an RS485 bus.")
@click.option("-s", "units", metavar="ID,...", help="The units on that bus.")
@click.option(
    "-k", "keys", multiple=True, metavar="[ID=]FILE",
    help="The key of a unit that encrypts, as 'key' makes it; with its id also more than once.",
)  # fmt: skip
@click.option("-x", "strict", is_flag=True, help="End at the first frame that is broken.")
@click.option("-v", "verbose", count=True, help="Tell at the end what was read.")
@_elsewhere
@click.pass_obj
def command(  # noqa: D417 - the options explain themselves
    outside: Outside,
    /,
    source: str | None,
    output: str | None,
    append: bool,
    follow: bool,
    record: str | None,
    strict: bool,
    verbose: int,
    keys: tuple[str, ...],
    **line: Any,
) -> None:
    """Print what units have posted as semonitor did: one JSON object per message and line.

    A file is one of frames (.rec, .dat) or a capture (pcap or pcapng, also gzipped). Of a FOLDER
    all files are read, the oldest first; with -f the newest, and then those that follow. Without
    either, standard input is read.

    At an ADDRESS units are collected from as agents do it, with acknowledgements and the time,
    until Ctrl-C: listen://192.0.2.10:22222 is the server that units call, and
    serial:///dev/ttyUSB0?mode=passive or ?mode=master&units=7F101234 is on an RS485 bus; -t, -p,
    -m, -s and -b are the suite's words for these. What was printed the units forget.

    The lines are those that scripts for semonitor know, with dates and times in the zone of this
    host, but for two things: a further record of the same unit in a message gets a line of its own
    behind it, and what is no number is null.
    """
    chosen = MonitorSource(source, **line)
    address = chosen.address()
    known = read_keys(outside, keys, chosen.ids())
    options = device_options(known) if address else {}
    with ExitStack() as files:
        out = files.enter_context(outside.output(output, append=append))
        kept = None
        if record:
            copy = files.enter_context(outside.output(record, append=append))
            kept = Recording(copy, plain=True)
        monitor = Monitor(out, kept, keys=unit_keys(known), strict=strict)
        try:
            if address is None:
                wanted = recordings(source, chosen.ports, follow=follow)
                monitor.read(found_in(outside.runs(wanted)))
            else:
                finder = FrameFinder()
                outside.collect(
                    "solaredge", address, options, lambda run: monitor.hear(run, finder.find(run))
                )
        finally:
            _tell(outside, monitor, verbose=bool(verbose))


def _tell(outside: Outside, monitor: Monitor, *, verbose: bool) -> None:
    trouble = monitor.trouble()
    if trouble:
        outside.say(f"Warning: left out were {trouble}")
    if monitor.locked:
        outside.say(
            f"Warning: {counted(monitor.locked, 'encrypted frame')} could not be read: that takes"
            " the key of the unit (-k), and the beginning of its session"
        )
    if verbose:
        tally, renderer = monitor.tally, monitor.renderer
        outside.say(
            f"{counted(tally.frames, 'frame')}, {counted(renderer.records, 'record')},"
            f" {counted(monitor.lines, 'line')}"
        )


# -- what is read ------------------------------------------------------------------------------


class MonitorSource(NamedTuple):
    """What is to be read, in the words of the suite.

    Attributes:
        source: A file, a folder, a port, or an address.
        kind: One of :data:`_KINDS`; None for what ``source`` says.
        ports: Of servers.
        baud: Rate of a serial port.
        master: Be the master of a bus.
        units: Ids, with commas between them.
    """

    source: str | None
    kind: str | None
    ports: tuple[int, ...]
    baud: int | None
    master: bool
    units: str | None

    def ids(self) -> list[int]:
        """The units that are named.

        Raises:
            click.UsageError: One is none.
        """
        return [_id("-s", text) for text in self.units.split(",")] if self.units else []

    def address(self) -> str | None:
        """Where units are collected from; None for files.

        Raises:
            click.UsageError: The options contradict each other.
        """
        is_address = "://" in (self.source or "") and not self.source.startswith("file:")  # type: ignore[union-attr]
        if self.kind == "n":
            if self.source or self.master or len(self.ports) > 1:
                raise click.UsageError("-t n takes a port (-p), and neither a source nor a bus")
            return f"listen://0.0.0.0:{self.ports[0] if self.ports else _PORT}"
        if self.kind is None and not is_address:
            if self.master or self.units or self.baud:
                raise click.UsageError("-m, -s and -b are of a bus: name its port, with -t 4")
            return None
        if not self.source:
            raise click.UsageError(f"-t {self.kind} needs the port, such as /dev/ttyUSB0")
        return self._bus(self.source if is_address else f"serial://{self.source}")

    def _bus(self, address: str) -> str:
        """The address of a bus, with what the options say of it."""
        said = [f"baud={self.baud}"] if self.baud else []
        if self.master:
            if not self.units:
                raise click.UsageError("-m needs the units on the bus: -s 7F101234,7F105678")
            said += ["mode=master", "units=" + ",".join(map(id_text, self.ids()))]
        elif self.units:
            raise click.UsageError("-s names the units of a bus whose master is here: -m")
        if not said:
            return address
        return address + ("&" if "?" in address else "?") + "&".join(said)


def _id(option: str, text: str) -> int:
    try:
        return parse_id(text)
    except Invalid as error:
        raise click.UsageError(f"{option}: wanted are {error}") from error


def read_keys(
    outside: Outside, words: Sequence[str], units: Sequence[int]
) -> dict[int | None, str]:
    """Read key files: id of a unit, or None, → what its file holds.

    Args:
        outside: Has the files.
        words: ``ID=FILE`` or ``FILE``; the latter is of the unit that is named, or of any.
        units: Those that are named.

    Raises:
        CollectorError: One cannot be read, or others may read it.
    """
    found: dict[int | None, str] = {}
    for word in words:
        name, separator, path = word.rpartition("=")
        unit = units[0] if len(units) == 1 else None
        found[_id("-k", name) if separator else unit] = outside.secret(path)
    return found


def unit_keys(texts: Mapping[int | None, str]) -> dict[int | None, UnitKey]:
    """The keys that files hold.

    Raises:
        click.UsageError: One holds none; its text is not shown.
    """
    try:
        return {
            unit: parse_keys({id_text(unit or 0): text})[unit or 0] for unit, text in texts.items()
        }
    except Invalid as error:
        raise click.UsageError(f"-k: wanted is {error}") from error


def device_options(keys: Mapping[int | None, str]) -> dict[str, Any]:
    """Options of the device that is collected from.

    Raises:
        click.UsageError: A key is of nobody.
    """
    if None in keys:
        raise click.UsageError("-k: say whose key it is: -k 7F101234=FILE")
    return {"keys": {id_text(unit or 0): text for unit, text in keys.items()}} if keys else {}


# -- what is made of it ------------------------------------------------------------------------


class Monitor:
    """Makes lines of frames.

    Attributes:
        tally: What was read.
        renderer: Makes the lines.
        lines: Lines so far.
    """

    def __init__(
        self,
        out: Output,
        record: Recording | None,
        *,
        keys: Mapping[int | None, UnitKey] | None = None,
        strict: bool = False,
    ) -> None:
        """Begin with nothing.

        Args:
            out: Takes the lines.
            record: Keeps the frames.
            keys: Those of units that encrypt.
            strict: End at what is broken.
        """
        self.tally = FrameTally()
        self.renderer = Renderer()
        self.lines = 0
        self._out = out
        self._record = record
        self._strict = strict
        self._unlocking = Unlocking(keys or {})

    @property
    def locked(self) -> int:
        """Encrypted frames that could not be opened."""
        return self._unlocking.locked

    def read(self, found: Iterable[tuple[Run, list[Frame | Bad]]]) -> None:
        """Take all that was said; each run's lines are written at once.

        Raises:
            CaptureError: Something is broken, and nothing may be.
        """
        for run, items in found:
            self.hear(run, items)

    def hear(self, run: Run, items: list[Frame | Bad]) -> None:
        """Take what a run brought.

        Raises:
            CaptureError: Something is broken, and nothing may be.
        """
        if self._record:
            self._record.keep(run, items)
        lines = []
        for item in items:
            if type(item) is Frame:
                if item.function == functions.POST:
                    lines += self.renderer.lines(item.payload)
                elif item.function in (functions.ENCRYPTED, functions.SESSION_KEY):
                    lines += self._unlocked(item)
        if lines:
            self.lines += len(lines)
            lines.append("")
            self._out.write("\n".join(lines).encode())
        self.tally.count(items)
        if self._strict and (trouble := self.trouble()):
            raise CaptureError(f"there is {trouble} within or behind frame {self.tally.frames}")

    def _unlocked(self, frame: Frame) -> list[str]:
        """Lines of what is within a frame."""
        return [
            line
            for item in self._unlocking.frames([frame])
            if isinstance(item, Frame) and item.function == functions.POST
            for line in self.renderer.lines(item.payload)
        ]

    def trouble(self) -> str:
        """What was left out, in words; "" for nothing."""
        bad = self.renderer.bad
        parts = [self.tally.trouble(), f"{counted(bad, 'record')} cut or too short" if bad else ""]
        return ", and ".join(filter(None, parts))
