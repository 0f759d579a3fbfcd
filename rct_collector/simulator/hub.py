"""A simulated inverter's bridge on an event loop, by whose clock it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rct_collector.drivers.tools import Access, Cut, FarEnd

#: A client that lets this many bytes pile up does not read any more, and is dropped: half a
#: minute of the line at full speed.
MOST_UNREAD = 128 * 1024


class Hub:
    """A bridge on an event loop: wakes up when it has something, and gives it to all clients.

    Attributes:
        bridge: The bridge.
        served: Clients that were let in so far.
    """

    def __init__(self, bridge: FarEnd) -> None:
        """Take a bridge to the running event loop, and put it into operation."""
        self.bridge = bridge
        self.served = 0
        self._loop = asyncio.get_running_loop()
        self._clients: dict[int, tuple[Callable[[bytes], None], Callable[[], None]]] = {}
        self._forgotten: dict[int, Callable[[], None]] = {}
        self._doors: list[Callable[[bool], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._due: float | None = None
        self._closed = False
        bridge.start(self._loop.time())
        self._was_open = self.open
        self._arm()

    @property
    def clients(self) -> int:
        """Number of connected clients; not those that the unit has forgotten."""
        return len(self._clients)

    @property
    def open(self) -> bool:
        """Whether clients are let in at present."""
        access = self.bridge.access(self._loop.time())
        return not self._closed and access is not Access.REFUSED

    def watch(self, door: Callable[[bool], None]) -> None:
        """Add a door.

        Args:
            door: Called with whether clients are let in, whenever that has changed.
        """
        self._doors.append(door)

    def attach(self, send: Callable[[bytes], None], drop: Callable[[], None]) -> int:
        """Add a client.

        Args:
            send: Called with every segment; must neither wait nor raise.
            drop: Called to be rid of the client.

        Returns:
            Its number, for the other methods.

        Raises:
            ConnectionRefusedError: No clients are let in at present.
        """
        if not self.open:
            raise ConnectionRefusedError("the simulated inverter refuses connections at present")
        client = self.bridge.connect()
        self.served += 1
        self._clients[client] = (send, drop)
        self._arm()  # some speak first
        return client

    def detach(self, client: int) -> None:
        """Remove a client; nothing happens if it is gone already."""
        self._forgotten.pop(client, None)
        if self._clients.pop(client, None):
            self.bridge.disconnect(client)

    def receive(self, client: int, data: bytes) -> None:
        """Take bytes of a client; those of one that the unit has forgotten vanish."""
        if client in self._clients:
            self.bridge.receive(client, data, self._loop.time())
            self._arm()

    def forget(self) -> None:
        """Lose all clients without telling them, as a unit does whose power is gone."""
        for client, (_, drop) in list(self._clients.items()):
            self.detach(client)
            self._forgotten[client] = drop

    def hang_up(self) -> None:
        """Drop all clients, as a unit does that restarts or goes to sleep."""
        for _, drop in list(self._clients.values()):
            drop()

    def close(self) -> None:
        """Drop all clients, let no more in, and do nothing any more."""
        self._closed = True
        self.hang_up()
        for drop in list(self._forgotten.values()):
            drop()
        self._doors.clear()
        self._disarm()

    def _arm(self) -> None:
        due = self.bridge.next_due()
        if due == self._due:
            return
        self._disarm()
        if due is not None:
            self._due = due
            self._timer = self._loop.call_at(due, self._deliver, due)

    def _disarm(self) -> None:
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _deliver(self, due: float) -> None:
        self._disarm()
        # A timer may be early by what the clock cannot tell apart: to the bridge it is not.
        for segment in self.bridge.pull(max(self._loop.time(), due)):
            for send, _ in list(self._clients.values()):
                send(segment)
        cut = self.bridge.take_cut()
        if cut is Cut.RESET:
            self.hang_up()
        elif cut is Cut.HALF_OPEN:
            self.forget()
        self._turn_doors()
        self._arm()

    def _turn_doors(self) -> None:
        if self.open is not self._was_open:
            self._was_open = self.open
            for door in self._doors:
                door(self._was_open)
