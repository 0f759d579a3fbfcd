"""A simulated inverter behind nothing at all, for tests in virtual time."""

from __future__ import annotations

import asyncio
from typing import cast

from rct_collector.simulator.hub import MOST_UNREAD, Hub


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
        self._paused = False
        self._unread = bytearray()
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
        return not (self._paused or self._closing)

    def pause_reading(self) -> None:
        """Keep bytes back, as many as :data:`MOST_UNREAD`."""
        self._paused = True

    def resume_reading(self) -> None:
        """Hand bytes on again, first those kept back."""
        self._paused = False
        self._hand_on()

    def can_write_eof(self) -> bool:
        """No: the bridge knows no half-closed connections."""
        return False

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits to be sent."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing ever waits to be sent."""

    def _arrived(self, data: bytes) -> None:
        self._unread += data
        self._hand_on()
        if len(self._unread) > MOST_UNREAD:
            self.drop()

    def _hand_on(self) -> None:
        """Let the protocol read, until it wants no more."""
        while self._unread and self.is_reading():
            protocol = self._protocol
            if isinstance(protocol, asyncio.BufferedProtocol):
                buffer = cast("bytearray", protocol.get_buffer(-1))
                size = min(len(buffer), len(self._unread))
                buffer[:size] = self._unread[:size]
                del self._unread[:size]
                protocol.buffer_updated(size)
            else:
                data = bytes(self._unread)
                self._unread.clear()
                cast("asyncio.Protocol", protocol).data_received(data)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._hub.detach(self._number)
        self._loop.call_soon(self._protocol.connection_lost, error)
