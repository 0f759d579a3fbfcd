"""A simulated inverter's bridge on an event loop, by whose clock it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rct_collector.drivers.rct.simulator import Bridge


class Hub:
    """A bridge on an event loop: wakes up when it has something, and gives it to all clients.

    Attributes:
        bridge: The bridge.
    """

    def __init__(self, bridge: Bridge) -> None:
        """Take a bridge to the running event loop."""
        self.bridge = bridge
        self._loop = asyncio.get_running_loop()
        self._clients: dict[int, tuple[Callable[[bytes], None], Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._arm()

    @property
    def clients(self) -> int:
        """Number of connected clients."""
        return len(self._clients)

    def attach(self, send: Callable[[bytes], None], drop: Callable[[], None]) -> int:
        """Add a client.

        Args:
            send: Called with every segment; must neither wait nor raise.
            drop: Called to be rid of the client.

        Returns:
            Its number, for the other methods.
        """
        client = self.bridge.connect()
        self._clients[client] = (send, drop)
        return client

    def detach(self, client: int) -> None:
        """Remove a client; nothing happens if it is gone already."""
        if self._clients.pop(client, None):
            self.bridge.disconnect(client)

    def receive(self, client: int, data: bytes) -> None:
        """Take bytes of a client."""
        self.bridge.receive(client, data, self._loop.time())
        self._arm()

    def hang_up(self) -> None:
        """Drop all clients, as a unit does that restarts or goes to sleep."""
        for _, drop in list(self._clients.values()):
            drop()

    def close(self) -> None:
        """Drop all clients and do nothing any more."""
        self.hang_up()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.bridge.next_due()
        if due is not None:
            self._timer = self._loop.call_at(due, self._deliver)

    def _deliver(self) -> None:
        for segment in self.bridge.pull(self._loop.time()):
            for send, _ in list(self._clients.values()):
                send(segment)
        self._arm()
