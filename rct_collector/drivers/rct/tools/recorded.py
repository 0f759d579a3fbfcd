"""From what was recorded of a line to a unit that says it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from rct_collector.drivers.rct.frame import READ, WRITE
from rct_collector.drivers.rct.simulator.replay import Replay
from rct_collector.drivers.rct.tools.dissect import RctPiece
from rct_collector.drivers.tools import TraceItem

#: The same bytes on two connections within so many nanoseconds are one answer: the unit's
#: bridge sends each to all of its clients.
_BROADCAST_NS = 10**9


def replay(items: Sequence[TraceItem], speed: float) -> Replay:
    """Make a unit of what was recorded.

    Args:
        items: In order of time, of this family's dissector.
        speed: How many times faster than recorded it answers.
    """
    unit = Replay(speed=speed)
    heard: dict[bytes, TraceItem] = {}
    for item in items:
        time, piece = item.time_ns / 1e9, cast("RctPiece", item.piece)
        if item.answer:
            before = heard.get(item.data)
            heard[item.data] = item
            if before is None or not _is_broadcast(before, item):
                unit.said(time, piece.oid if piece.valid else None, item.data)
        elif piece.oid is not None and piece.data[1] in (READ, WRITE):
            unit.asked(time, piece.oid)
    unit.finish()
    return unit


def _is_broadcast(before: TraceItem, item: TraceItem) -> bool:
    return before.line != item.line and item.time_ns - before.time_ns < _BROADCAST_NS
