"""Bytes of a line cut into frames and what lies between them, with offsets.

The frame reader keeps none, since nobody needs them while collecting. Here the same parser is
walked over bytes that are all there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rct_collector.drivers.base import Fault
from rct_collector.drivers.solaredge.frame import MAGIC, Bad, Frame, parse_at


class Passage(NamedTuple):
    """A frame, or bytes that are none.

    Attributes:
        start: Where it begins.
        end: Where it ends.
        found: The frame; why there is none; or None for what has not come to its end.
    """

    start: int
    end: int
    found: Frame | Fault | None


def walk(data: bytes) -> Iterator[Passage]:
    """Cut bytes; together the passages hold all of them, in order. What is incomplete comes last.

    Args:
        data: Any bytes.
    """
    position = 0
    while position < len(data):
        start = data.find(MAGIC, position)
        if start < 0:
            begun = next((n for n in (3, 2, 1) if data.endswith(MAGIC[:n], position)), 0)
            start = len(data) - begun
        if start > position:
            yield Passage(position, start, Fault.NOISE)
        if start == len(data):
            return
        result = parse_at(data, start)
        if result is None:
            yield Passage(start, len(data), None)
            return
        item, position = result
        yield Passage(start, position, item.kind if isinstance(item, Bad) else item)
