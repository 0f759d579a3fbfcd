"""Makes a unit of what was recorded of one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import cast

from rct_collector.drivers.recorded import Reader, RecordedUnit
from rct_collector.drivers.tools import TraceItem
from rct_collector.drivers.voltronic.frame import LONGEST
from rct_collector.drivers.voltronic.tools.dissect import VoltronicPiece
from rct_collector.drivers.voltronic.tools.questions import Question, read_question

_BETWEEN = b"\r\n\0"


class RecordedVoltronicUnit(RecordedUnit):
    """A recorded unit. What is asked is told apart by its text and its dialects."""

    def new_reader(self) -> Reader:
        """Questions of one client; what is no question is not answered."""
        buffer = bytearray()

        def asked(data: bytes) -> Iterator[Question]:
            buffer.extend(data)
            *lines, rest = bytes(buffer).split(b"\r")
            buffer[:] = rest[-LONGEST:]
            for line in lines:
                question = read_question(line.strip(_BETWEEN))
                if question is not None:
                    yield question

        return asked

    def name(self, what: Hashable) -> str:
        """The text of a question."""
        return cast("Question", what).text


def replay(items: Sequence[TraceItem], speed: float) -> RecordedVoltronicUnit:
    """Make a unit of what was recorded.

    Args:
        items: In order of time, of this family's dissector.
        speed: How many times faster than recorded it answers.
    """
    unit = RecordedVoltronicUnit(speed=speed)
    for item in items:
        piece = cast("VoltronicPiece", item.piece)
        if item.answer:
            # Answers do not tell what they answer: each belongs to the question before it.
            unit.said(item.time_ns / 1e9, None, item.data)
        elif piece.question is not None:
            unit.asked(item.time_ns / 1e9, piece.question)
    unit.finish()
    return unit
