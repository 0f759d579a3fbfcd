"""A whole simulated inverter: unit, bridge, and the ways to reach it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from rct_collector.drivers.rct.simulator import Bridge, Faults, Scenario, Unit
from rct_collector.simulator.hub import Hub
from rct_collector.simulator.memory import MemoryLink
from rct_collector.simulator.server import Server, serve


class SimulatedInverter:
    """A whole simulated inverter in one line.

    Attributes:
        unit: The unit.
        bridge: The bridge before it; its ``observed`` tells what clients did.
    """

    def __init__(
        self,
        scenario: Scenario | str = "sunny",
        *,
        seed: int = 0,
        speed: float = 1.0,
        sun: float | None = None,
        zone: tzinfo | None = None,
        start: float | None = None,
        serial: str | None = None,
        firmware: str | None = None,
        faults: Sequence[Faults] = (),
        **line: Any,  # noqa: ANN401 - the bridge's own options
    ) -> None:
        """Build it.

        Args:
            scenario: What the installation has, or the name of that.
            seed: All that looks like chance follows from it.
            speed: How many times faster than real the unit's world goes.
            sun: Hour of day at which the sun stands at the start; None for the unit's clock.
            zone: Time zone of the unit's clock; None for that of this host.
            start: Unix time in the unit's world when it is put into operation, or the first
                byte comes; None for this host's clock.
            serial: Serial number, if not the one that follows from the seed.
            firmware: Version of the control software, if not the scenario's.
            faults: Profiles of what goes wrong on the line.
            line: ``latency``, ``rate``, ``coalesce`` and ``witness`` of the bridge.

        Raises:
            KeyError: No scenario has that name.
        """
        self.unit = Unit(
            scenario,
            seed=seed,
            start=time.time() if start is None else start,
            zone=zone,
            sun=sun,
            serial=serial,
            firmware=firmware,
        )
        now0 = time.monotonic() if start is None else None
        self.bridge = Bridge(self.unit, seed=seed, now0=now0, speed=speed, faults=faults, **line)
        self._hub: Hub | None = None

    def hub(self) -> Hub:
        """The bridge on the running event loop."""
        if self._hub is None:
            self._hub = Hub(self.bridge)
        return self._hub

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> Server:
        """Listen; see :func:`serve`."""
        return await serve(self.hub(), host, port)

    def connect(self, protocol: asyncio.BaseProtocol) -> MemoryLink:
        """Connect a protocol without a socket.

        Raises:
            ConnectionRefusedError: The inverter lets nobody in at present.
        """
        return MemoryLink(self.hub(), protocol)
