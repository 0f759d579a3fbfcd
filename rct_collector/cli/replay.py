"""``rct-collector replay``: a recorded line again, as a device or as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rct_collector.cli.options import listen_options

if TYPE_CHECKING:
    from rct_collector.cli.trace import Trace, TraceItem
    from rct_collector.drivers.rct.simulator.replay import Replay

#: The same bytes on two connections within so many nanoseconds are one answer: the unit's
#: bridge sends each to all of its clients.
_BROADCAST_NS = 10**9

_EPILOG = """\b
Examples:
  rct-collector replay roof.pcap --print
  rct-collector replay roof.pcap
  rct-collector replay roof.pcap --port 0 --speed 10
Then, in another terminal:
  rct-collector read --address tcp://127.0.0.1:8899
"""


@click.command("replay", short_help="Replay a recorded line.", epilog=_EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--print", "printing", is_flag=True, help="Print what each frame was, instead of serving."
)
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json"]), default="table",
    help="How --print prints (default: table).",
)  # fmt: skip
@listen_options
@click.option(
    "--speed", type=click.FloatRange(0, 100_000, min_open=True), default=1.0,
    help="How many times faster than recorded it answers (default: 1).",
)  # fmt: skip
def command(
    file: Path,
    printing: bool,
    form: str,
    host: str,
    port: int,
    speed: float,
) -> None:
    """Replay FILE, made by 'record', tcpdump or Wireshark, as a device until Ctrl-C.

    Each read of an object gets what followed its next recorded read, byte for byte and with
    the recorded delay; after the last one it begins anew with the first. What the recorded unit
    did not answer is not answered, and neither are objects that nobody had asked it for.
    """
    from rct_collector.cli.trace import print_trace, read_trace

    try:
        with file.open("rb") as stream:
            found = read_trace(stream, str(file))
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be read: {error.strerror}") from error
    if printing:
        print_trace(found, form)
    else:
        _serve(found, file, host, port, speed)


def _serve(found: Trace, file: Path, host: str, port: int, speed: float) -> None:
    from rct_collector.cli.serving import serve_until_stopped
    from rct_collector.drivers.rct.simulator.replay import Replay
    from rct_collector.simulator import serve

    for sentence in found.trouble:
        click.echo(f"Warning: {sentence}", err=True)
    unit = Replay(speed=speed)
    feed(unit, found.items)
    if not unit.objects:
        raise click.UsageError(f"{file}: nothing in it was asked for and answered")
    serve_until_stopped(
        lambda host, port: serve(unit, host, port),
        host,
        port,
        name=f"replay of {file} ({unit.objects} objects)",
        asked=unit.requests.total,
    )


def feed(unit: Replay, items: list[TraceItem]) -> None:
    """Tell a unit what was recorded.

    Args:
        unit: Takes it.
        items: In order of time.
    """
    from rct_collector.drivers.rct.frame import READ, WRITE

    heard: dict[bytes, TraceItem] = {}
    for item in items:
        time, piece = item.time_ns / 1e9, item.piece
        if item.answer:
            before = heard.get(item.data)
            heard[item.data] = item
            if before is None or not _is_broadcast(before, item):
                unit.said(time, piece.oid if piece.valid else None, item.data)
        elif piece.oid is not None and piece.data[1] in (READ, WRITE):
            unit.asked(time, piece.oid)
    unit.finish()


def _is_broadcast(before: TraceItem, item: TraceItem) -> bool:
    return before.line != item.line and item.time_ns - before.time_ns < _BROADCAST_NS
