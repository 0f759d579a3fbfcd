"""A simulated RCT unit, for tests and demonstrations: what is at the other end of the wire.

::

    scenario ┐
    day      ├─► world ─► moment ─► readings ┐
    clock    ┘                      logbook  ┴─► unit ─► bridge ─► bytes at their times

It does no I/O and has no clock: times go in with the bytes. All that looks like chance follows
from a seed, and the past can be asked for like the present.
"""

from __future__ import annotations

from rct_collector.drivers.rct.simulator.bridge import Bridge, Observed
from rct_collector.drivers.rct.simulator.faults import Chain, Faults, Segment
from rct_collector.drivers.rct.simulator.scenario import SCENARIOS, Scenario
from rct_collector.drivers.rct.simulator.unit import Unit

__all__ = [
    "SCENARIOS",
    "Bridge",
    "Chain",
    "Faults",
    "Observed",
    "Scenario",
    "Segment",
    "Unit",
]
