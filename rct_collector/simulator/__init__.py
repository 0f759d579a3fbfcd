"""Puts simulated inverters behind TCP, a path, or nothing at all for tests in virtual time.

::

    Bridge ─── Hub ─┬─ Server ─── sockets
                    ├─ Dialler ─── a socket to whoever is called
                    ├─ SerialNode, ReportNode ─── a path
                    └─ MemoryLink ─── an asyncio.Protocol

The simulated unit and its bridge take times and do no I/O; here they meet an event loop.
"""

from __future__ import annotations

from rct_collector.simulator.dialler import Dialler
from rct_collector.simulator.hub import Hub
from rct_collector.simulator.inverter import SimulatedInverter
from rct_collector.simulator.memory import MemoryLink
from rct_collector.simulator.node import ReportNode, SerialNode
from rct_collector.simulator.server import Server, serve

__all__ = [
    "Dialler",
    "Hub",
    "MemoryLink",
    "ReportNode",
    "SerialNode",
    "Server",
    "SimulatedInverter",
    "serve",
]
