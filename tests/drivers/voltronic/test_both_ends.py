"""Driver and simulator against each other: what one says, the other takes as it was meant.

They share neither frames nor layouts: each is made by the papers on its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rct_collector.drivers.voltronic.command import DIALECTS
from rct_collector.drivers.voltronic.frame import Frame, FrameReader, pack
from rct_collector.drivers.voltronic.simulator import SCENARIOS, VoltronicLine, VoltronicUnit
from rct_collector.drivers.voltronic.table import of_dialect

NOON = 1_782_043_200.0

#: Commands that the driver knows, and the simulated units of a dialect do not, which refuse them.
UNKNOWN = {
    "pi16": {"QPIBI"},
    "pi30revo": {"PQSE", "QBMS", "QLITH0"},
    "pi17": set(),
}


def unit(dialect, scenario="ill", hours=0.0):
    found = SCENARIOS[scenario].changed(dialect, None)
    return VoltronicUnit(found, seed=5, start=NOON + hours * 3600)


def answered(dialect, made, command):
    """What the unit says to a command, as the driver reads it; None where it refuses."""
    text = command.asked(datetime.fromtimestamp(made.start, UTC))
    line = VoltronicLine(made, rate=1e9, latency=(0.0, 0.0))
    client = line.connect()
    line.receive(client, pack(text, dialect), 0.0)
    data = b"".join(line.pull(1.0))
    heard = made.hear(pack(text, dialect)[:-1], made.start)
    (frame,) = FrameReader().feed(data)
    assert isinstance(frame, Frame)
    assert frame.sound
    return None if heard.answer.refused else (command.decode(frame.text), heard.answer.said)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_answer_is_understood_as_it_was_meant(dialect):
    known = set()
    for hours in (0.0, 1.3, 7.0, 13.0):  # sun, a fault, a mains that fails, night
        made = unit(dialect, hours=hours)
        for command in of_dialect(dialect):
            found = answered(dialect, made, command)
            if found is None:
                continue
            parts, said = found
            assert parts is not None, f"{command.name} is not understood"
            known.add(command.text)
            assert {**parts, **said} == dict(parts), command.name
            if said.get("exists") is False:
                continue  # zeros, which say nothing
            extra = {"extra_fields", "fault_digits", "boot_loader"}
            assert parts.keys() - said.keys() <= extra, command.name
    if dialect in UNKNOWN:
        assert {command.text for command in of_dialect(dialect)} - known == UNKNOWN[dialect]
    assert len(known) >= 6
