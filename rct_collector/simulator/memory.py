"""A simulated inverter behind nothing at all, for tests in virtual time."""

from __future__ import annotations

import asyncio
from typing import cast

from rct_collector.simulator.hub import Hub


class MemoryLink(asyncio.Transport):
    """A client of a simulated inverter without a socket: the transport of an asyncio protocol.

    It works on any event loop, so also on one whose clock jumps.
    """

    def __init__(self, hub: Hub, protocol: asyncio.BaseProtocol) -> None:
        """Connect; the protocol hears of it on the loop's next turn.

        Raises:
            ConnectionRefusedError: The simulated inverter lets nobody in at present.
        """
        super().__init__({"peername": ("memory", 0)})
        self._hub = hub
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._closing = False
        self._held: list[bytes] | None = None
        self._number = hub.attach(self._arrived, self.drop)
        self._loop.call_soon(protocol.connection_made, self)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes to the unit, at once."""
        if not self._closing:
            self._hub.receive(self._number, bytes(data))

    def close(self) -> None:
        """Go away; the protocol hears of it on the loop's next turn."""
        self._end(None)

    def abort(self) -> None:
        """The same as :meth:`close`: nothing is ever left to be sent."""
        self._end(None)

    def drop(self) -> None:
        """Be thrown out by the unit."""
        self._end(ConnectionResetError("the simulated inverter hung up"))

    def is_closing(self) -> bool:
        """Whether the link is at its end."""
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that hears."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol hear."""
        self._protocol = protocol

    def is_reading(self) -> bool:
        """Whether bytes are handed on."""
        return self._held is None and not self._closing

    def pause_reading(self) -> None:
        """Keep bytes back."""
        self._held = self._held or []

    def resume_reading(self) -> None:
        """Hand bytes on again, first those kept back."""
        held, self._held = self._held or [], None
        for data in held:
            self._arrived(data)

    def can_write_eof(self) -> bool:
        """No: the bridge knows no half-closed connections."""
        return False

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits to be sent."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing ever waits to be sent."""

    def _arrived(self, data: bytes) -> None:
        if self._held is not None:
            self._held.append(data)
        elif not self._closing:
            cast("asyncio.Protocol", self._protocol).data_received(data)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._hub.detach(self._number)
        self._loop.call_soon(self._protocol.connection_lost, error)
