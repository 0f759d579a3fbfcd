"""What went over the lines of a capture: frames and noise of both directions, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from typing import BinaryIO, NamedTuple

import click

from rct_collector.capture.conversations import Capture, read_capture
from rct_collector.capture.source import Source
from rct_collector.capture.streams import TcpConversation, TcpStream
from rct_collector.cli.console import write_json_list
from rct_collector.cli.tabulate import MOST_PIECES, print_pieces
from rct_collector.drivers.tools import Dissector, Piece, TraceItem
from rct_collector.errors import CaptureError
from rct_collector.transport import hosts


class Trace(NamedTuple):
    """What went over the lines.

    Attributes:
        items: In order of time.
        lines: Client and device of each line; there is no client where there is no network.
        trouble: What is wrong with the capture, one sentence each.
        dated: Whether the capture has times; else packets are numbered.
    """

    items: list[TraceItem]
    lines: list[tuple[str, str]]
    trouble: list[str]
    dated: bool = True


def read_trace(file: BinaryIO, name: str, dissector: Dissector) -> Trace:
    """Read a capture and find out what is in it.

    Args:
        file: Open for reading bytes.
        name: For messages.
        dissector: Of the family that is looked for.

    Raises:
        CaptureError: It cannot be read, or no unit of the family is in it.
    """
    return trace_of(read_capture(Source(file, name)), name, dissector)


def trace_of(capture: Capture, name: str, dissector: Dissector) -> Trace:
    """Find out what is in a capture.

    Args:
        capture: As it was read.
        name: For messages.
        dissector: Of the family that is looked for.

    Raises:
        CaptureError: No unit of the family is in it.
    """
    items: list[TraceItem] = []
    lines: list[tuple[str, str]] = []
    trouble = [capture.trouble] if capture.trouble else []
    for conversation in capture.conversations:
        room = MOST_PIECES - len(items)
        if not room:
            trouble.append(f"{name}: what follows the first {MOST_PIECES} frames was left out")
            break
        found = list(islice(_items(conversation, len(lines) + 1, dissector), room))
        if not any(item.piece.valid for item in found):
            continue
        items += found
        lines.append(_ends(conversation))
        missing = conversation.to_server.missing + conversation.from_server.missing
        if missing:
            trouble.append(f"{name} lacks {missing} bytes of connection {len(lines)}")
    if not lines:
        others = len(capture.conversations)
        nothing = f"{name}: no {dissector.frame} in {others} connections"
        raise CaptureError(". ".join([*trouble, nothing]))
    items.sort(key=lambda item: item.time_ns)
    if dissector.answering:
        items = list(_answering(items, dissector.answering))
    return Trace(items, lines, trouble, capture.dated)


def _answering(
    items: Iterable[TraceItem], read: Callable[[Piece, Piece], Piece]
) -> Iterator[TraceItem]:
    """Each first answer behind a question, read as one to that."""
    asked: dict[int, Piece] = {}
    for item in items:
        if not item.answer:
            asked[item.line] = item.piece
        elif item.piece.command and (question := asked.pop(item.line, None)) is not None:
            item = item._replace(piece=read(question, item.piece))
        yield item


def _items(conversation: TcpConversation, line: int, dissector: Dissector) -> Iterator[TraceItem]:
    """What both ends said, in order of time, so that neither goes short where not all is told."""
    return merge(
        _one_way(conversation.to_server, line, dissector, answer=False),
        _one_way(conversation.from_server, line, dissector, answer=True),
        key=lambda item: item.time_ns,
    )


def _one_way(
    stream: TcpStream, line: int, dissector: Dissector, *, answer: bool
) -> Iterator[TraceItem]:
    """The pieces of one direction; what that is, the connection knows better than the frame."""
    for chunk in stream.chunks:
        position = 0
        for piece in dissector.pieces(chunk.data):
            end = piece.offset + len(piece.data)
            offset = chunk.offset + piece.offset
            told = replace(piece, offset=offset, direction="from device" if answer else "to device")
            # Broken frames may overlap.
            data = chunk.data[position:end] or piece.data
            time_ns = stream.time_ns(chunk.offset + end - 1)
            yield TraceItem(time_ns, line, data, told, answer)
            position = max(position, end)


def print_trace(found: Trace, form: str) -> None:
    """Print them as ``table`` or ``json``, and what is wrong on standard error."""
    if form == "json":
        write_json_list(_as_mapping(item, found) for item in found.items)
    else:
        _print_table(found)
    for sentence in found.trouble:
        click.echo(f"Warning: {sentence}", err=True)


def _print_table(found: Trace) -> None:
    of_line: dict[int, list[TraceItem]] = {}
    for item in found.items:
        of_line.setdefault(item.line, []).append(item)
    for number, (client, device) in enumerate(found.lines, 1):
        mine = of_line[number]
        bad = sum(not item.piece.valid for item in mine)
        first, last = (_moment(mine[n].time_ns, dated=found.dated) for n in (0, -1))
        when = f"{first} … {last}{' UTC' if found.dated else ''}"
        title = f"{client} to device {device}" if client else f"device {device}"
        click.echo(f"{number}. {title}, {when}, {len(mine)} frames, {bad} bad")
    click.echo()
    several = len(found.lines) > 1
    heads = ["time" if found.dated else "packet", *(["line"] if several else [])]
    print_pieces(
        heads,
        (
            ([_exact(p.time_ns, dated=found.dated), str(p.line)][: len(heads)], p.piece)
            for p in found.items
        ),
    )


def _as_mapping(item: TraceItem, found: Trace) -> dict[str, object]:
    client, device = found.lines[item.line - 1]
    place = item.time_ns
    return {
        **({"time_ns": place} if found.dated else {"time_ns": None, "packet": place}),
        "connection": item.line,
        "client": client or None,
        "device": device,
        **item.piece.as_mapping(),
    }


def _ends(line: TcpConversation) -> tuple[str, str]:
    """Who speaks: the client, "" where there is no network, and the device."""
    if line.ends is None:
        return "", line.place
    return hosts.joined(*line.ends.local), hosts.joined(*line.ends.remote)


def _exact(time_ns: int, *, dated: bool) -> str:
    """Time of day, to the microsecond; of a time that is no date, seconds; or the packet."""
    if not dated:
        return str(time_ns)
    moment = _date(time_ns)
    whole = f"{moment:%H:%M:%S}" if moment else str(time_ns // 10**9)
    return f"{whole}.{time_ns // 1000 % 10**6:06}"


def _moment(time_ns: int, *, dated: bool) -> str:
    if not dated:
        return f"packet {time_ns}"
    moment = _date(time_ns)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else f"{time_ns // 10**9} s after 1970"


def _date(time_ns: int) -> datetime | None:
    """None for what no calendar has: a capture may tell any number."""
    try:
        return datetime.fromtimestamp(time_ns // 10**9, UTC)
    except (OverflowError, ValueError, OSError):
        return None
