"""Bytes of a line cut into frames and what lies between them, with offsets.

The frame reader keeps none, since nobody needs them while collecting. Here the same parser is
walked over bytes that are all there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.frame import Frame

#: What is on the line without being a frame: the greeting of the vendor's app, and the keep-alive
#: of the vendor's service.
_SPECIAL = re.compile(rb"(?P<hello>\x2b\x3c\xe1)|(?P<keep_alive>AT\+\r)")

#: What is known of a frame whose end is still to come.
Partial = frame._Partial


class Span(NamedTuple):
    """A frame, or bytes that are none.

    Attributes:
        start: Where it begins.
        end: Where it ends; behind a frame that is none, where the next look begins.
        kind: ``frame``, ``hello``, ``keep_alive``, ``incomplete``, or that of a
            :class:`~rct_collector.drivers.rct.frame.Bad`.
        frame: The frame, if it is one.
    """

    start: int
    end: int
    kind: str
    frame: Frame | None = None


def walk(data: bytes | bytearray, partial: Partial | None = None) -> Iterator[Span]:
    """Cut bytes; together the spans hold all of them, in order.

    Zeros between frames, which may be lead-in, are noise like any other. What is incomplete
    comes last, if at all.

    Args:
        data: Any bytes.
        partial: What earlier walks found of the frame that they begin with; brought up to date.
    """
    buffer = data if isinstance(data, bytearray) else bytearray(data)
    position = false_starts = 0
    while position < len(buffer):
        start = _next_start(buffer, position)
        if start > position:
            yield Span(position, start, "noise")
            position = start
            continue
        special = _SPECIAL.match(buffer, position)
        if special:
            span = Span(position, special.end(), special.lastgroup or "")
        else:
            span = _span(buffer, position, None if position else partial, false_starts)
        false_starts = 0 if span.frame else false_starts + 1
        yield span
        position = span.end


def _span(buffer: bytearray, start: int, partial: Partial | None, false_starts: int) -> Span:
    """What begins with a start byte."""
    result = frame.parse_at(buffer, start, partial)
    if result is None:
        return Span(start, len(buffer), "incomplete")
    item, end = result
    if isinstance(item, Frame):
        return Span(start, end, "frame", item)
    if false_starts < frame.FALSE_STARTS:  # else the reader does not look there either
        item, end = frame.look_again(buffer, item, start, end)
    return Span(start, end, item.kind)


def _next_start(buffer: bytearray, position: int) -> int:
    """Where the next frame, or what looks like one, begins; the end of the data at last."""
    start = buffer.find(frame.START, position)
    if start >= 2 and buffer[start - 2 : start + 2] == b"AT+\r" and start - 2 >= position:
        return start - 2
    return start if start >= 0 else len(buffer)
