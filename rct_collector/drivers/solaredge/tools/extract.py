"""``rct-collector solaredge extract``: captures of a network into files of frames."""

from __future__ import annotations

import click

from rct_collector.drivers.outside import Outside
from rct_collector.drivers.solaredge.tools.reader import found_in
from rct_collector.drivers.solaredge.tools.recording import (
    FrameTally,
    Recording,
    counted,
    following,
    recordings,
)

_EPILOG = """\b
Examples:
  rct-collector solaredge extract -o roof.rec day.pcap
  rct-collector solaredge extract -f -a -o roof.rec /var/captures/
  sudo tcpdump -U -w - tcp port 22222 | rct-collector solaredge extract -o roof.rec
"""


@click.command("extract", short_help="Captures of a network into files of frames.", epilog=_EPILOG)
@click.argument("source", required=False, metavar="[FILE|FOLDER]")
@click.option("-o", "output", metavar="FILE", help="Write there (default: standard output).")
@click.option("-a", "append", is_flag=True, help="Append to the file.")
@following
@click.option(
    "-s", "server", metavar="HOST", help="Take only what goes to this host (default: both ways)."
)
@click.option(
    "-p", "ports", type=click.IntRange(1, 65535), multiple=True, metavar="PORT",
    help="Port of the server, besides 22222, 22221 and 80; can be given more than once.",
)  # fmt: skip
@click.option("-v", "verbose", count=True, help="Tell at the end what was read.")
@click.pass_obj
def command(
    outside: Outside,
    source: str | None,
    output: str | None,
    append: bool,
    follow: bool,
    server: str | None,
    ports: tuple[int, ...],
    verbose: int,
) -> None:
    """Write the frames of a capture (pcap or pcapng, also gzipped) as they were on the wire.

    Of a FOLDER all files are read, the oldest first; with -f the newest, and then those that
    follow. Without either, a capture is read from standard input. Connections are put together
    whatever the order of their packets, and what was sent twice is there once. The file is one for
    'monitor', 'decode' and for semonitor.
    """
    wanted = recordings(source, ports, follow=follow, hosts=(server,) if server else ())
    tally = FrameTally()
    with outside.output(output, append=append) as out:
        recording = Recording(out)
        for run, found in found_in(outside.runs(wanted)):
            tally.count(found)
            recording.keep(run, found)
    trouble = tally.trouble()
    if trouble:
        outside.say(f"Warning: there were {trouble}")
    if verbose:
        outside.say(counted(tally.frames, "frame"))
