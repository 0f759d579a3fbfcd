"""Simulated SolarEdge inverters, for tests and demonstrations: what calls, or what is on the bus.

::

    scenario ┐
    day      ┴► world ─► unit ─► records (bodies) ─► outbox ─► home, slaves ─► bytes
                                                       ▲
                                           profiles ─► faults

It does no I/O and has no clock: times go in with the bytes. All that looks like chance follows
from a seed, but for what encrypts. Bodies are made by an encoder of its own, so that the driver and
the simulator check each other.
"""

from __future__ import annotations

from rct_collector.drivers.solaredge.simulator.faults import UnitFaults
from rct_collector.drivers.solaredge.simulator.home import SolarEdgeCaller
from rct_collector.drivers.solaredge.simulator.outbox import Outbox
from rct_collector.drivers.solaredge.simulator.scenario import SCENARIOS, SolarEdgeScenario
from rct_collector.drivers.solaredge.simulator.slaves import SolarEdgeBus
from rct_collector.drivers.solaredge.simulator.unit import SolarEdgeUnit
from rct_collector.drivers.solaredge.simulator.witness import SolarEdgeWitness, Told
from rct_collector.drivers.solaredge.simulator.world import SolarEdgeWorld

__all__ = [
    "SCENARIOS",
    "Outbox",
    "SolarEdgeBus",
    "SolarEdgeCaller",
    "SolarEdgeScenario",
    "SolarEdgeUnit",
    "SolarEdgeWitness",
    "SolarEdgeWorld",
    "Told",
    "UnitFaults",
]
