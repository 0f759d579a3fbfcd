"""A collector whose door can be knocked at, in virtual time: real sockets, no real inverter."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from rct_collector.collector import Collector
from rct_collector.config import Config, DeviceConfig
from rct_collector.control.client import Client
from rct_collector.device.options import Options
from rct_collector.lines.lock import lock_name
from rct_collector.simulator import SimulatedInverter
from rct_collector.transport import Address
from tests.memory import MemoryPlug
from tests.scripted import ScriptedUnit
from tests.virtual import Plug, Recorder, VirtualClock, VirtualLoop, run

_numbers = itertools.count()


class Leading(Plug):
    """Leads to a unit that turns out to be at another address."""

    def __init__(self, unit: Any, peer: Address | None) -> None:
        super().__init__(unit)
        self._peer = peer

    async def __call__(self, *args: Any) -> Any:
        wire = await super().__call__(*args)
        if self._peer is not None:
            wire.peer = self._peer
        return wire


class House:
    """A collector of one unit, at an address that no other test has.

    Attributes:
        unit: The unit.
        plug: Leads to it.
        out: What was collected.
        made: The collector.
        device: Configuration of the unit.
        name: Of its door.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        more: dict[str, Any] | None = None,
        *,
        unit: Any = None,
        peer: Address | None = None,
    ) -> None:
        host = f"door-{os.getpid()}-{next(_numbers)}.test"
        config = Config.parse(
            {
                "devices": [
                    {
                        "name": "roof",
                        "driver": "rct",
                        "address": f"tcp://{host}",
                        "labels": {"site": "home"},
                        **(more or {}),
                    }
                ]
            }
        )
        self.loop = loop
        self.unit = unit or ScriptedUnit()
        simulated = isinstance(self.unit, SimulatedInverter)
        self.plug = MemoryPlug(self.unit) if simulated else Leading(self.unit, peer)
        self.out = Recorder()
        self.device: DeviceConfig = config.devices[0]
        self.name = lock_name(self.device.address.key)
        options = Options(clock=VirtualClock(loop), opener=self.plug)
        self.made = Collector(config, self.out, options)

    async def client(self) -> Client:
        return await Client.connect(self.device.address)

    def knock(self) -> socket.socket:
        """A connection that a test does with what it likes."""
        with contextlib.ExitStack() as undo:
            caller = undo.enter_context(socket.socket(socket.AF_UNIX))
            caller.setblocking(False)
            caller.connect(self.name)
            undo.pop_all()
        return caller

    async def hear(self, caller: socket.socket) -> bytes:
        """All that the door says until it hangs up."""
        heard = b""
        try:
            while data := await self.loop.sock_recv(caller, 1 << 20):
                heard += data
        except ConnectionError:  # it has left something unread
            pass
        return heard


def visited(
    job: Callable[[House], Coroutine[Any, Any, Any]], *, unit: Any = None, **more: Any
) -> Any:
    """Run a job while a collector runs that has done its first round.

    Args:
        job: What is to be done.
        unit: What is collected from; a scripted one by default.
        more: Further options of the device.
    """

    async def main(loop: VirtualLoop) -> Any:
        house = House(loop, more, unit=unit)
        running = asyncio.create_task(house.made.run())
        try:
            await asyncio.sleep(20)
            return await job(house)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return run(main)
