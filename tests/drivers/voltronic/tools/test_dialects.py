"""What is asked of simulated units of every dialect, and answered, in words."""

from __future__ import annotations

import pytest

from rct_collector.drivers.voltronic.command import DIALECTS
from rct_collector.drivers.voltronic.frame import pack
from rct_collector.drivers.voltronic.simulator import SCENARIOS, VoltronicLine, VoltronicUnit
from rct_collector.drivers.voltronic.table import of_dialect
from rct_collector.drivers.voltronic.tools.dissect import pieces


def dialogue(dialect):
    """Bytes of both directions: all that the collector asks without a date, and what comes."""
    line = VoltronicLine(VoltronicUnit(SCENARIOS["sbu"].changed(dialect, None), seed=7), now0=0.0)
    client, now, said = line.connect(), 0.0, []
    line.start(now)
    for item in of_dialect(dialect):
        if item.date:
            continue
        question = pack(item.text, dialect)
        said.append(question)
        line.receive(client, question, now)
        while (due := line.next_due()) is not None:
            said += line.pull(due)
            now = due
        now += 1.0
    return b"".join(said)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_question_and_answer_is_explained(golden, dialect):
    found = list(pieces(dialogue(dialect)))
    golden(
        f"dissect-{dialect}.txt",
        "".join(
            f"{piece.command:9} {piece.label:24} {piece.shown}".rstrip() + "\n" for piece in found
        ),
    )
    assert {piece.verdict for piece in found} == {"ok"}
    answers = [piece for piece in found if piece.direction == "from device"]
    assert len(answers) > 5
    assert all(dialect in piece.dialects for piece in answers if piece.fits)
