"""A simulated RCT unit, for tests and demonstrations: what is at the other end of the wire.

::

    scenario ┐
    day      ├─► world ─► moment ─► readings ┐
    clock    ┘                      logbook  ┴─► unit ─► bridge ─► bytes at their times
                                                           ▲
                                              profiles ─► faults

It does no I/O and has no clock: times go in with the bytes. All that looks like chance follows
from a seed, and the past can be asked for like the present.
"""

from __future__ import annotations

from rct_collector.drivers.rct.simulator.bridge import Bridge
from rct_collector.drivers.rct.simulator.faults import Chain, Faults, Segment
from rct_collector.drivers.rct.simulator.logbook import LoggerMemory
from rct_collector.drivers.rct.simulator.observed import Observed
from rct_collector.drivers.rct.simulator.scenario import SCENARIOS, Scenario
from rct_collector.drivers.rct.simulator.unit import RctUnit
from rct_collector.drivers.rct.simulator.witness import Sent, Witness
from rct_collector.drivers.tools import Access, Cut

__all__ = [
    "SCENARIOS",
    "Access",
    "Bridge",
    "Chain",
    "Cut",
    "Faults",
    "LoggerMemory",
    "Observed",
    "Scenario",
    "Segment",
    "Sent",
    "RctUnit",
    "Witness",
]
