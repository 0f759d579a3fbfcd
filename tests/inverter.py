"""A simulated inverter on loopback, in a thread of the test process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rct_collector.simulator import SimulatedInverter


class RunningInverter:
    """The inverter and where it listens."""

    def __init__(self, inverter: SimulatedInverter, port: int) -> None:
        self.inverter = inverter
        self.port = port
        self.address = f"tcp://127.0.0.1:{port}"

    def requests(self, name: str) -> int:
        """How often an object was asked for."""
        return self.inverter.bridge.observed.requests[name]


@contextmanager
def running_inverter(
    scenario: str = "sunny", *, host="127.0.0.1", port=0, **more
) -> Iterator[RunningInverter]:
    """Serve a simulated inverter while the block runs."""
    ready = threading.Event()
    found = {}

    async def serve() -> None:
        inverter = SimulatedInverter(scenario, **{"sun": 11.0, **more})
        stop = asyncio.Event()
        async with await inverter.serve(host, port) as server:
            found.update(loop=asyncio.get_running_loop(), stop=stop)
            found["running"] = RunningInverter(inverter, server.port)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield found["running"]
    finally:
        found["loop"].call_soon_threadsafe(found["stop"].set)
        thread.join(30)
