"""What went over the lines of a capture: frames and noise of both directions, in order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from typing import BinaryIO, NamedTuple

import click

from rct_collector.capture.conversations import Capture, is_capture, read_capture, refuse
from rct_collector.capture.source import Source
from rct_collector.capture.streams import TcpConversation, TcpStream
from rct_collector.cli.console import write_json_list
from rct_collector.cli.tabulate import MOST_PIECES, print_pieces
from rct_collector.drivers.tools import Dissector, Piece, TraceItem
from rct_collector.errors import CaptureError
from rct_collector.transport import hosts

#: Bytes of a file of frames that are read.
LARGEST = 16 << 20


class LineEnds(NamedTuple):
    """Who speaks over a line.

    Attributes:
        client: Who has made the connection; "" where there is no network.
        device: The device, or whatever else is recorded.
        server: Whom the device has called; "" where it was called itself.
    """

    client: str
    device: str
    server: str = ""

    @property
    def title(self) -> str:
        """In words."""
        if self.server:
            return f"device {self.device} calls {self.server}"
        return f"{self.client} to device {self.device}" if self.client else f"device {self.device}"


class Trace(NamedTuple):
    """What went over the lines.

    Attributes:
        items: In order of time.
        lines: Who speaks over each.
        trouble: What is wrong with the capture, one sentence each.
        dated: Whether the capture has times; else packets, or frames, are numbered.
    """

    items: list[TraceItem]
    lines: list[LineEnds]
    trouble: list[str]
    dated: bool = True

    def of_lines(self) -> list[list[TraceItem]]:
        """The items of each line, in order of time."""
        found: list[list[TraceItem]] = [[] for _ in self.lines]
        for item in self.items:
            found[item.line - 1].append(item)
        return found


def read_trace(file: BinaryIO, name: str, dissector: Dissector) -> Trace:
    """Read a recording and find out what is in it.

    Args:
        file: Open for reading bytes: a capture, or the frames alone, where they tell who says them.
        name: For messages.
        dissector: Of the family that is looked for.

    Raises:
        CaptureError: It cannot be read, or no unit of the family is in it.
    """
    source = Source(file, name)
    if dissector.directed and not is_capture(source.head):
        return _trace_of_frames(source, name, dissector)
    return trace_of(read_capture(source), name, dissector)


def _trace_of_frames(source: Source, name: str, dissector: Dissector) -> Trace:
    """Find out what is in a file of frames, one behind the other, which has no times.

    Raises:
        CaptureError: It is something else, or no frame is in it.
    """
    refuse(source)
    content = source.read(LARGEST + 1)
    if source.failure:
        raise CaptureError(f"{name} {source.failure}")
    if not dissector.resembles(content):
        raise CaptureError(f"{name} is no capture, and no file of frames of {dissector.unit}")
    found = list(islice(dissector.pieces(content[:LARGEST]), MOST_PIECES + 1))
    items = [
        TraceItem(n, 1, piece.data, piece, piece.direction == "from device")
        for n, piece in enumerate(found[:MOST_PIECES], 1)
    ]
    if not any(item.piece.valid for item in items):
        raise CaptureError(f"{name}: no {dissector.frame} in it")
    more = len(found) > MOST_PIECES or len(content) > LARGEST
    left_out = f"{name}: what follows the first {len(items)} frames was left out"
    return Trace(items, [LineEnds("", name)], [left_out] if more else [], dated=False)


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
    lines: list[LineEnds] = []
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
        lines.append(_ends(conversation, dissector))
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
            direction = "from device" if answer else "to device"
            if dissector.directed:
                direction = piece.direction
            told = replace(piece, offset=offset, direction=direction)
            # Broken frames may overlap.
            data = chunk.data[position:end] or piece.data
            time_ns = stream.time_ns(chunk.offset + end - 1)
            said = direction == "from device" if direction else answer
            yield TraceItem(time_ns, line, data, told, said)
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
    for number, (ends, mine) in enumerate(zip(found.lines, found.of_lines(), strict=True), 1):
        bad = sum(not item.piece.valid for item in mine)
        first, last = (_moment(mine[n].time_ns, dated=found.dated) for n in (0, -1))
        when = f"{first} … {last}{' UTC' if found.dated else ''}"
        click.echo(f"{number}. {ends.title}, {when}, {len(mine)} frames, {bad} bad")
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
    client, device, server = found.lines[item.line - 1]
    place = item.time_ns
    return {
        **({"time_ns": place} if found.dated else {"time_ns": None, "packet": place}),
        "connection": item.line,
        "client": client or None,
        "device": device,
        **({"server": server} if server else {}),
        **item.piece.as_mapping(),
    }


def _ends(line: TcpConversation, dissector: Dissector) -> LineEnds:
    """Who speaks, as far as the connection tells, and what was said over it."""
    if line.ends is None:
        return LineEnds("", line.place)
    client, server = hosts.joined(*line.ends.local), hosts.joined(*line.ends.remote)
    pieces = (p for chunk in line.to_server.chunks for p in dissector.pieces(chunk.data) if p.valid)
    first = next(pieces, None) if dissector.directed else None
    if first is not None and first.direction == "from device":
        return LineEnds(client, client, server)
    return LineEnds(client, server)


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
