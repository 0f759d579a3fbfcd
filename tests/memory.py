"""A device's way to a simulated inverter without sockets, for tests in virtual time."""

from __future__ import annotations

import asyncio

from rct_collector.errors import TransportError
from rct_collector.simulator import SimulatedInverter
from rct_collector.transport.listen import _Call, _Doors


class MemoryPlug:
    """An opener that leads to a simulated inverter, which may refuse, forget and cut."""

    def __init__(self, inverter: SimulatedInverter) -> None:
        self.inverter = inverter
        self.attempts: list[float] = []
        self.opened = 0

    async def __call__(self, address, receive, lost, timeout):
        self.attempts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.005)
        protocol = _Call(_Doors(lambda _line: (receive, lost)))
        try:
            self.inverter.connect(protocol)
        except ConnectionRefusedError as error:
            raise TransportError(f"cannot connect to {address.place}: refused") from error
        await asyncio.sleep(0)
        self.opened += 1
        return protocol
