"""A whole simulated inverter: a unit of any family, and the ways to reach it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

from rct_collector.drivers import DEFAULT
from rct_collector.drivers import driver as family
from rct_collector.simulator.dialler import Dialler
from rct_collector.simulator.hub import Hub
from rct_collector.simulator.memory import MemoryLink
from rct_collector.simulator.server import Server, serve


class SimulatedInverter:
    """A whole simulated inverter in one line.

    Attributes:
        bridge: What is at the other end of the wire: a unit of the family.
    """

    bridge: Any  # a FarEnd; and what the family lets tests see of it

    def __init__(
        self,
        scenario: Any = "",
        *,
        driver: str = DEFAULT,
        start: float | None = None,
        seed: int = 0,
        speed: float = 1.0,
        sun: float | None = None,
        zone: tzinfo | None = None,
        faults: Sequence[Any] = (),
        **more: Any,
    ) -> None:
        """Build it.

        Args:
            scenario: What the installation has, by name or in the family's own form; "" for the
                usual one.
            driver: Its family.
            start: Unix time in the unit's world when it is put into operation, or the first
                byte comes; None for this host's clock.
            seed: All that looks like chance follows from it.
            speed: How many times faster than real the unit's world goes.
            sun: Hour of day at which the sun stands at the start; None for the unit's clock.
            zone: Time zone of the unit's clock; None for that of this host.
            faults: What goes wrong on the line: names of profiles, or the family's own faults.
            more: What else the family lets choose.

        Raises:
            KeyError: There is no such family, scenario or profile.
            MissingToolError: Units of the family cannot be simulated.
        """
        simulator = family(driver).tools().simulator()
        self.bridge = simulator.unit(
            scenario or next(iter(simulator.scenarios)),
            start=time.time() if start is None else start,
            now0=time.monotonic() if start is None else None,
            seed=seed,
            speed=speed,
            sun=sun,
            zone=zone,
            faults=faults,
            **more,
        )
        self._hub: Hub | None = None

    @property
    def unit(self) -> Any:
        """The unit itself, as the family has it."""
        return self.bridge.unit

    def hub(self) -> Hub:
        """The bridge on the running event loop."""
        if self._hub is None:
            self._hub = Hub(self.bridge)
        return self._hub

    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> Server:
        """Listen; see :func:`serve`."""
        return await serve(self.hub(), host, port)

    def dial(self, host: str, port: int) -> Dialler:
        """Call somebody, again and again; see :class:`Dialler`."""
        return Dialler(self.hub(), host, port)

    def connect(self, protocol: asyncio.BaseProtocol) -> MemoryLink:
        """Connect a protocol without a socket.

        Raises:
            ConnectionRefusedError: The inverter lets nobody in at present.
        """
        return MemoryLink(self.hub(), protocol)
