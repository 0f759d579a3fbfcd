"""``rct-collector decode``: bytes of a device's line, explained."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from rct_collector.cli.options import driver_option, format_option

if TYPE_CHECKING:
    from rct_collector.drivers.tools import Dissector

#: Bytes of text, or of a line, that are taken at once; a capture may have more.
_LARGEST = 16 << 20

_EPILOG = """\b
Examples:
  rct-collector decode 2b 01 04 95 99 30 bf 0d 65
  rct-collector decode recording.bin
  xxd -p recording.bin | rct-collector decode -
  sudo tcpdump -w line.pcap tcp port 8899
  rct-collector decode line.pcap
  rct-collector decode --driver voltronic '(B'
"""


@click.command("decode", short_help="Explain bytes of a device's line.", epilog=_EPILOG)
@click.argument("source", nargs=-1, required=True, metavar="HEX...|FILE|-")
@format_option("How the frames are printed")
@driver_option("the devices whose bytes they are")
def command(source: tuple[str, ...], form: str, driver: str) -> None:
    r"""Explain bytes of a device's line: hexadecimal text, a file of it, or of bytes.

    One line per frame: where it begins, who sends it, what it means, and what is wrong with
    it. Bytes between frames are shown as noise. Nothing is sent anywhere.

    Hexadecimal text may be pairs of digits, or a dump with offsets as of Wireshark, tcpdump -x,
    hexdump -C, xxd or od; and lists of 0x.. and strings with \x.. are taken as well. So is the
    text of a frame, of families whose frames are text; a checksum that it lacks is added.

    Of an answer that does not tell what it answers, all that it may be are named, unless its
    question is seen before it.

    Of a folder the newest file is explained.

    Files of 'record', tcpdump, Wireshark and FRITZ!Box (pcap, pcapng, also gzipped) are explained
    with times instead, their TCP connections put together; packets in a hex dump, with their
    numbers.
    """
    from rct_collector.drivers import driver as family

    dissector = family(driver).tools().dissector()
    path = Path(source[0])
    if source == ("-",):
        _explain_file(sys.stdin.buffer, "standard input", form, dissector)
    elif len(source) == 1 and _is_there(path):
        if path.is_dir():
            from rct_collector.capture.files import newest

            path = newest(path)
        try:
            with path.open("rb") as file:
                _explain_file(file, str(path), form, dissector)
        except OSError as error:
            raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from error
    else:
        line = dissector.line_of(" ".join(source))
        blocks = [line] if line is not None else _digits(source)
        _explain_blocks(blocks, "command line", form, dissector)


def _is_there(path: Path) -> bool:
    """Whether it is a file, or a folder of some."""
    try:
        return path.is_file() or path.is_dir()
    except (OSError, ValueError):  # digits too long for a name
        return False


def _digits(source: tuple[str, ...]) -> list[bytes]:
    from rct_collector.cli.dumps import DumpError, read_dump

    text = "".join(source)
    try:
        return read_dump(text)
    except DumpError as error:
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise click.UsageError(
            f"{shown!r} is neither a file nor pairs of hexadecimal digits"
        ) from error


def _explain_file(file: BinaryIO, origin: str, form: str, dissector: Dissector) -> None:
    """Explain whatever it is.

    Raises:
        click.UsageError: It is of no form that can be explained.
        CaptureError: It is a capture without a unit of the family, or cannot be read.
    """
    from rct_collector.capture.conversations import is_capture, read_capture, refuse
    from rct_collector.capture.source import Source

    source = Source(file, origin)
    if is_capture(source.head):
        from rct_collector.cli.trace import print_trace, trace_of

        print_trace(trace_of(read_capture(source), origin, dissector), form)
        return
    if not source.head and not source.failure:
        raise click.UsageError(f"{origin} is empty")
    refuse(source)
    content = source.read(_LARGEST + 1)
    if source.failure:
        raise click.UsageError(f"{origin} {source.failure}")
    if len(content) > _LARGEST:
        raise click.UsageError(
            f"{origin} has more than {_LARGEST >> 20} MiB and is no capture; give a part of it"
        )
    _explain_content(content, origin, form, dissector)


def _explain_content(content: bytes, origin: str, form: str, dissector: Dissector) -> None:
    """Explain text that stands for bytes, or the bytes of a line."""
    from rct_collector.cli.dumps import WANTED, DumpError, read_dump, text_of

    text = text_of(content)
    blocks, why = [content], ""
    line = dissector.line_of(text) if text is not None else None
    if line is not None:
        blocks = [line]
    elif text is not None:
        try:
            blocks = read_dump(text)
        except DumpError as error:
            why = str(error)
    if dissector.resembles(b"".join(blocks)):
        _explain_blocks(blocks, origin, form, dissector)
    elif text is None:
        raise click.UsageError(
            f"{origin} is no capture (pcap or pcapng), and nothing in it is like a frame of"
            f" {dissector.unit}"
        )
    elif why:
        raise click.UsageError(f"{origin} is no dump that can be read: {why}; {WANTED}")
    else:
        raise click.UsageError(
            f"{origin}: nothing in its {sum(map(len, blocks))} bytes is like a frame of"
            f" {dissector.unit}; {WANTED}"
        )


def _explain_blocks(blocks: list[bytes], origin: str, form: str, dissector: Dissector) -> None:
    """Explain bytes, which may be those of packets with all their headers."""
    from rct_collector.capture.conversations import packets_in, read_packets

    packets = packets_in(blocks)
    if packets:
        from rct_collector.cli.trace import print_trace, trace_of

        found = trace_of(read_packets(packets, origin), origin, dissector)
        others = sum(map(bool, blocks)) - len(packets)
        if others > 0 and len(packets) > 1:
            found.trouble.append(f"{origin}: {others} packets hold no TCP, and were left out")
        print_trace(found, form)
    else:
        _print_pieces(b"".join(blocks), origin, form, dissector)


def _print_pieces(data: bytes, origin: str, form: str, dissector: Dissector) -> None:
    from itertools import islice

    from rct_collector.cli.console import write_json_list
    from rct_collector.cli.tabulate import MOST_PIECES, print_pieces

    rest = dissector.pieces(data)
    found = islice(rest, MOST_PIECES)
    if form == "json":
        write_json_list(piece.as_mapping() for piece in found)
    else:
        print_pieces(["offset"], (([str(piece.offset)], piece) for piece in found))
    if next(rest, None):
        click.echo(
            f"Warning: {origin}: what follows the first {MOST_PIECES} frames was left out", err=True
        )
