"""What went over the lines of a capture: frames and noise of both directions, in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

import click

from rct_collector.cli.console import write_json
from rct_collector.cli.explain import Piece, explain
from rct_collector.errors import CaptureError
from rct_collector.transport.base import Ends
from rct_collector.transport.capture import read_capture
from rct_collector.transport.streams import Stream, TcpConversation


class Passage(NamedTuple):
    """One frame, or bytes that are none, on its way.

    Attributes:
        time_ns: When the last byte of it was there, nanoseconds since 1970.
        line: Number of the connection, from 1 on.
        data: Its bytes, with the lead-in before it.
        piece: What it is.
        answer: Whether it came from the device.
    """

    time_ns: int
    line: int
    data: bytes
    piece: Piece
    answer: bool


class Passages(NamedTuple):
    """What went over the lines.

    Attributes:
        passages: In order of time.
        lines: Both ends of each connection; ours are local.
        trouble: What is wrong with the capture, one sentence each.
    """

    passages: list[Passage]
    lines: list[Ends]
    trouble: list[str]


def read_passages(file: BinaryIO, name: str) -> Passages:
    """Read a capture and find out what is in it.

    Args:
        file: Open for reading bytes.
        name: For messages.

    Raises:
        CaptureError: It cannot be read, or no RCT unit is in it.
    """
    capture = read_capture(file, name)
    passages: list[Passage] = []
    lines: list[Ends] = []
    trouble = [capture.trouble] if capture.trouble else []
    for conversation in capture.conversations:
        found = list(_passages(conversation, len(lines) + 1))
        if not any(passage.piece.valid for passage in found):
            continue
        passages += found
        lines.append(conversation.ends)
        missing = conversation.to_server.missing + conversation.from_server.missing
        if missing:
            trouble.append(f"{name} lacks {missing} bytes of connection {len(lines)}")
    if not lines:
        others = len(capture.conversations)
        raise CaptureError(". ".join([*trouble, f"{name}: no RCT frame in {others} connections"]))
    return Passages(sorted(passages, key=lambda passage: passage.time_ns), lines, trouble)


def _passages(conversation: TcpConversation, line: int) -> Iterator[Passage]:
    yield from _one_way(conversation.to_server, line, answer=False)
    yield from _one_way(conversation.from_server, line, answer=True)


def _one_way(stream: Stream, line: int, *, answer: bool) -> Iterator[Passage]:
    """The pieces of one direction; what that is, the connection knows better than the frame."""
    position = 0
    for piece in explain(stream.data):
        end = piece.offset + len(piece.data)
        time_ns = stream.time_ns(end - 1)
        told = replace(piece, direction="from device" if answer else "to device")
        # Broken frames may overlap.
        data = stream.data[position:end] or piece.data
        yield Passage(time_ns, line, data, told, answer)
        position = max(position, end)


def print_passages(found: Passages, form: str) -> None:
    """Print them as ``table`` or ``json``, and what is wrong on standard error."""
    if form == "json":
        write_json([_as_mapping(passage, found.lines) for passage in found.passages])
    else:
        _print_table(found)
    for sentence in found.trouble:
        click.echo(f"Warning: {sentence}", err=True)


def _print_table(found: Passages) -> None:
    from rct_collector.cli.tabulate import print_pieces

    for number, ends in enumerate(found.lines, 1):
        mine = [passage for passage in found.passages if passage.line == number]
        bad = sum(not passage.piece.valid for passage in mine)
        times = " … ".join(_moment(mine[n].time_ns, "%Y-%m-%d %H:%M:%S") for n in (0, -1))
        local, remote = map(_end, ends)
        click.echo(
            f"{number}. {local} to device {remote}, {times} UTC, {len(mine)} frames, {bad} bad"
        )
    click.echo()
    several = len(found.lines) > 1
    print_pieces(
        ["time", "line"] if several else ["time"],
        (
            ([_exact(p.time_ns), str(p.line)] if several else [_exact(p.time_ns)], p.piece)
            for p in found.passages
        ),
    )


def _as_mapping(passage: Passage, lines: list[Ends]) -> dict[str, object]:
    ends = lines[passage.line - 1]
    return {
        "time_ns": passage.time_ns,
        "connection": passage.line,
        "client": _end(ends.local),
        "device": _end(ends.remote),
        **passage.piece.as_mapping(),
    }


def _end(end: tuple[str, int]) -> str:
    host, port = end
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _exact(time_ns: int) -> str:
    """Time of day, to the microsecond."""
    return f"{_moment(time_ns, '%H:%M:%S')}.{time_ns // 1000 % 10**6:06}"


def _moment(time_ns: int, form: str) -> str:
    return datetime.fromtimestamp(time_ns // 10**9, UTC).strftime(form)
