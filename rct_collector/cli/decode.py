"""``rct-collector decode``: bytes of an RCT line, explained."""

from __future__ import annotations

import sys
from pathlib import Path

import click

_EPILOG = """\b
Examples:
  rct-collector decode 2b 01 04 95 99 30 bf 0d 65
  rct-collector decode recording.bin
  xxd -p recording.bin | rct-collector decode -
  sudo tcpdump -w line.pcap tcp port 8899
  rct-collector decode line.pcap
"""


@click.command("decode", short_help="Explain bytes of an RCT line.", epilog=_EPILOG)
@click.argument("source", nargs=-1, required=True, metavar="HEX...|FILE|-")
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json"]), default="table",
    help="How the frames are printed (default: table).",
)  # fmt: skip
def command(source: tuple[str, ...], form: str) -> None:
    """Explain bytes of the RCT serial protocol: hexadecimal text, a file of it, or of bytes.

    One line per frame: where it begins, who sends it, what it means, and what is wrong with
    it. Bytes between frames are shown as noise. Nothing is sent anywhere.

    Files of 'record', tcpdump and Wireshark (pcap, pcapng) are explained with times instead,
    their TCP connections put together.
    """
    content, origin = _content(source)
    from rct_collector.transport.capture import MAGICS

    if content.startswith(MAGICS):
        from io import BytesIO

        from rct_collector.cli.passages import print_passages, read_passages

        print_passages(read_passages(BytesIO(content), origin), form)
    else:
        _print_pieces(_bytes_or_hex(content), form)


def _print_pieces(data: bytes, form: str) -> None:
    from rct_collector.cli.explain import explain
    from rct_collector.cli.tabulate import print_pieces

    pieces = explain(data)
    if form == "json":
        from rct_collector.cli.console import write_json

        write_json([piece.as_mapping() for piece in pieces])
    else:
        print_pieces(["offset"], (([str(piece.offset)], piece) for piece in pieces))


def _content(source: tuple[str, ...]) -> tuple[bytes, str]:
    """What was given, and where it is from."""
    path = Path(source[0])
    if source == ("-",):
        content, origin = sys.stdin.buffer.read(), "standard input"
    elif len(source) == 1 and _is_file(path):
        try:
            content, origin = path.read_bytes(), str(path)
        except OSError as error:
            raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from error
    else:
        return _digits("".join(source)), "command line"
    if not content:
        raise click.UsageError(f"{origin} is empty")
    return content, origin


def _digits(text: str) -> bytes:
    if _from_hex(text) is None:
        shown = text if len(text) <= 40 else text[:37] + "..."
        raise click.UsageError(f"{shown!r} is neither a file nor pairs of hexadecimal digits")
    return text.encode()


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # digits too long for a name
        return False


def _bytes_or_hex(content: bytes) -> bytes:
    """Text of hexadecimal digits becomes bytes; anything else is bytes already."""
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return content
    found = _from_hex(text)
    return content if found is None else found


def _from_hex(text: str) -> bytes | None:
    """Pairs of digits, with whatever people put between them; None for anything else."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    digits = " ".join(lines).replace("0x", " ").replace("0X", " ")
    for separator in ":,;-_":
        digits = digits.replace(separator, " ")
    try:
        return bytes.fromhex(digits) or None
    except ValueError:
        return None
