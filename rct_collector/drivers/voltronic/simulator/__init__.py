"""A simulated Voltronic unit, for tests and demonstrations: what is at the other end of the wire.

::

    scenario ┐
    day      ┴► world ─► moment ─► pi30, … (layouts) ─► unit ─► line ─► bytes at their times
                                                                 ▲
                                                     profiles ─► faults

It does no I/O and has no clock: times go in with the bytes. All that looks like chance follows
from a seed. Frames are made by an encoder of its own (:mod:`.framing`), so that the driver and
the simulator check each other.
"""

from __future__ import annotations

from rct_collector.drivers.voltronic.simulator.faults import FaultChain, LineFaults
from rct_collector.drivers.voltronic.simulator.line import VoltronicLine
from rct_collector.drivers.voltronic.simulator.scenario import (
    DIALECTS,
    SCENARIOS,
    VoltronicScenario,
)
from rct_collector.drivers.voltronic.simulator.unit import VoltronicUnit
from rct_collector.drivers.voltronic.simulator.witness import SentAnswer, VoltronicWitness

__all__ = [
    "DIALECTS",
    "SCENARIOS",
    "FaultChain",
    "LineFaults",
    "VoltronicLine",
    "VoltronicScenario",
    "SentAnswer",
    "VoltronicUnit",
    "VoltronicWitness",
]
