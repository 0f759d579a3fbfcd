"""The way from bytes to values, beside rctclient's, in one run and on the same bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from timeit import Timer

import pytest
from rctclient.frame import ReceiveFrame
from rctclient.types import DataType
from rctclient.utils import decode_value

from rct_collector.drivers.base import Answer
from rct_collector.drivers.rct.frame import LONG_RESPONSE, RESPONSE, assemble
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.table import BY_OID, OBJECTS
from tests.bench.report import report

pytestmark = pytest.mark.bench

REPEATS = 15

#: The answer about battery.soc, as recorded, with its lead-in.
ANSWER = bytes.fromhex("002b0508959930bf3f590f868810")

HISTORY = 0x5293B668
VALUES = 127
LONG = b"\0" + assemble(
    LONG_RESPONSE,
    HISTORY,
    struct.pack(">I", 1_700_000_000)
    + b"".join(struct.pack(">If", 1_700_000_000 - 300 * n, 0.37 * n) for n in range(1, VALUES + 1)),
)

#: The answers to one round of fast objects, as they come in one segment.
FLOATS = [item for item in OBJECTS if item.type is DataType.FLOAT][:36]
SEGMENT = b"".join(
    b"\0" + assemble(RESPONSE, item.oid, struct.pack(">f", 123.45 + n))
    for n, item in enumerate(FLOATS)
)


def measure(
    ours: Callable[[], object], theirs: Callable[[], object], *, number: int
) -> tuple[float, float]:
    """Microseconds of one call each: the best of many repeats, taken in turns.

    Args:
        ours: Called ``number`` times per repeat.
        theirs: Called a tenth as often.
        number: Calls per repeat.
    """
    fewer = max(1, number // 10)
    our_timer, their_timer = Timer(ours), Timer(theirs)
    pairs = [(our_timer.timeit(number), their_timer.timeit(fewer)) for _ in range(REPEATS)]
    our_best, their_best = (min(column) for column in zip(*pairs, strict=True))
    return our_best / number * 1e6, their_best / fewer * 1e6


def rctclient_values(data: bytes, kinds: dict[int, DataType]) -> list[object]:
    values = []
    while data:
        frame = ReceiveFrame()
        data = data[frame.consume(data) :]
        values.append(decode_value(kinds[frame.id], frame.data))
    return values


def compare(
    name: str, data: bytes, *, number: int, least: float, most_us: float | None = None, per: int = 1
) -> None:
    """Time both on ``data``, add a row, and demand the ratio.

    Args:
        name: What the row is called.
        data: Frames, whole.
        number: Calls per repeat.
        least: How many times faster it must be.
        most_us: How long one may take, in microseconds; None where nothing is said about that.
        per: Answers in ``data``; the times are those of one.
    """
    receive = RctSession().receive
    kinds = {oid: item.type for oid, item in BY_OID.items()}
    events = receive(data)
    assert len(events) == len(rctclient_values(data, kinds)) == per
    assert {type(event) for event in events} == {Answer}
    ours, theirs = measure(
        lambda: receive(data), lambda: rctclient_values(data, kinds), number=number
    )
    ours, theirs = ours / per, theirs / per
    ratio = theirs / ours
    report(
        name,
        f"{ours:.2f} µs",
        f"{theirs:.1f} µs (rctclient)",
        f"{ratio:.1f}",
        f"≥ {least:g} ×" if most_us is None else f"≤ {most_us:g} µs, ≥ {least:g} ×",
        reached=ratio >= least and (most_us is None or ours <= most_us),
    )


def test_one_answer():
    """What comes most: one value that fills a segment. Bytes in, value out."""
    assert len(ANSWER) == 14
    compare("one answer of 14 bytes", ANSWER, number=5000, least=10, most_us=3)


def test_long_answer():
    """A KiB of the unit's logger."""
    assert len(LONG) >= 1024
    name = f"logger answer of {len(LONG)} bytes, {VALUES} values"
    compare(name, LONG, number=300, least=20)


def test_answers_in_one_segment():
    """A round that was answered faster than the network took it; time per answer."""
    name = f"{len(FLOATS)} answers in one segment, each"
    compare(name, SEGMENT, number=100, least=5, per=len(FLOATS))
