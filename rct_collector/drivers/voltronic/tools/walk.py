"""Bytes of a line cut into questions, answers and what lies between them, with offsets.

Each line is first held against what a question looks like; all else goes through the frame reader
that collecting uses, one line at a time, so that nothing is read here in another way than there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rct_collector.drivers.base import Fault
from rct_collector.drivers.voltronic.frame import LONGEST, Bad, Frame, FrameReader
from rct_collector.drivers.voltronic.tools.questions import Question, read_question

_START = re.compile(rb"[(^]")
_END = re.compile(rb"[\r\n]")
_ENDS = (b"\r", b"\n")
_BETWEEN = b"\r\n\0"
_LETTER = re.compile(rb"[^\r\n\0]")


class Stretch(NamedTuple):
    """A question, an answer, or bytes that are neither.

    Attributes:
        start: Where it begins.
        end: Where it ends, the end of its line included.
        found: What it is; None for what has not come to its end.
    """

    start: int
    end: int
    found: Question | Frame | Bad | None


def walk(data: bytes | bytearray) -> Iterator[Stretch]:
    """Cut bytes; what between lines means nothing is left out. What is incomplete comes last.

    Args:
        data: Any bytes.
    """
    reader = FrameReader()
    place = fed = 0  # the first byte that was not told, and that the reader was not given
    while (fed if reader.pending else _begin(data, fed)) < len(data):
        if not reader.pending:
            place = fed = _begin(data, fed)
            end = _END.search(data, fed, fed + LONGEST)
            question = read_question(bytes(data[fed : end.start()])) if end else None
            if end and question:
                yield Stretch(fed, end.end(), question)
                place = fed = end.end()
                continue
        after = _next(data, fed, waits=reader.pending > 0)
        items, fed = reader.feed(bytes(data[fed:after])), after
        found: list[Stretch] = []
        for item in items:
            found.append(_stretch(data, place, fed, item))
            place = found[-1].end
        begins = [*(stretch.start for stretch in found), fed - reader.pending]
        for stretch, until in zip(found, begins[1:], strict=True):
            told = _with_padding(data, stretch, until)
            yield told
            place = told.end
    place = _begin(data, place)
    if place < len(data):
        yield Stretch(place, len(data), None)


def _with_padding(data: bytes | bytearray, stretch: Stretch, until: int) -> Stretch:
    """Noise with the padding inside it, which the reader does not count.

    Args:
        data: All there is.
        stretch: What was found.
        until: Where the next one begins, or what was not read yet.
    """
    if not isinstance(stretch.found, Bad) or stretch.found.kind is not Fault.NOISE:
        return stretch
    missed = len(bytes(data[stretch.end : until]).rstrip(_BETWEEN))
    if not missed:
        return stretch
    end = stretch.end + missed
    return stretch._replace(end=end + (_END.match(data, end, until) is not None))


def _begin(data: bytes | bytearray, place: int) -> int:
    """Where the next line begins: behind ends of lines, and the padding of USB reports."""
    found = _LETTER.search(data, place)
    return found.start() if found else len(data)


def _next(data: bytes | bytearray, place: int, *, waits: bool) -> int:
    """Up to where the reader is fed next: to the end of a line, of so many bytes at most.

    Args:
        data: All there is.
        place: The first byte that it was not given.
        waits: It has begun with a line; if that has come to its end, it has to see whether this
            end is part of the checksum.
    """
    if waits and _END.match(data, place - 1):
        return place + 1
    end = _END.search(data, place, place + LONGEST)
    return end.end() if end else min(place + LONGEST, len(data))


def _stretch(data: bytes | bytearray, place: int, fed: int, item: Frame | Bad) -> Stretch:
    """Where something is that the reader has given.

    Args:
        data: All there is.
        place: The first byte that was not told.
        fed: The first byte that the reader was not given.
        item: What it gave.
    """
    start = _begin(data, place)
    if isinstance(item, Frame):
        starts = (match.start() for match in _START.finditer(data, place, fed))
        start = next((n for n in starts if data[n + item.size - 1 : fed][:1] in _ENDS), start)
        return Stretch(start, start + item.size, item)
    if item.kind not in (Fault.NOISE, Fault.ECHO):
        match = _START.search(data, place, fed)
        start = match.start() if match else start
    end = min(start + item.size, fed)
    question = read_question(bytes(data[start:end]))
    if end < fed and _END.match(data, end):
        end += 1
    return Stretch(start, end, question or item)
