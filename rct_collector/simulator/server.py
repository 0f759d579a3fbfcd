"""A simulated inverter behind TCP."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from typing import cast

from rct_collector.drivers.tools import FarEnd
from rct_collector.simulator.closing import Closing
from rct_collector.simulator.hub import MOST_UNREAD, Hub
from rct_collector.transport import hosts

log = logging.getLogger(__name__)

#: Turns of the loop until a connection that was just being accepted is closed again: accepted,
#: made, refused, lost, and one to spare.
_TURNS = 5

#: Seconds between attempts to listen again, if somebody has taken the port meanwhile.
_RETRY_S = 1.0


class Server(Closing):
    """A simulated inverter that listens; a context manager that closes it.

    While the inverter refuses connections, nobody listens at its port.

    Attributes:
        hub: The bridge on its loop, and its clients.
        host: Address that it listens on.
        port: Port that it listens on.
    """

    def __init__(self, hub: Hub, server: asyncio.Server) -> None:
        """Keep what :func:`serve` has opened."""
        self.hub = hub
        self._server = server
        self.host, self.port = server.sockets[0].getsockname()[:2]
        self._closed = asyncio.Event()
        self._opening: asyncio.Task[None] | None = None
        hub.watch(self._turn)
        if not hub.open:
            server.close()

    @property
    def address(self) -> str:
        """The address as a configuration has it."""
        return f"tcp://{hosts.joined(self.host, self.port)}"

    @property
    def where(self) -> str:
        """The same in words."""
        return f"at {self.address}"

    @property
    def listening(self) -> bool:
        """Whether somebody who connects is let in."""
        return self._server.is_serving()

    def close(self) -> None:
        """Stop listening and drop all clients."""
        self._closed.set()
        self._server.close()
        self.hub.close()

    async def wait_closed(self) -> None:
        """Wait until all that is closed."""
        if self._opening is not None:
            await self._opening
        await self._server.wait_closed()
        for _ in range(_TURNS):
            await asyncio.sleep(0)

    async def serve_forever(self) -> None:
        """Wait until it is closed."""
        await self._closed.wait()

    def _turn(self, open_: bool) -> None:  # noqa: FBT001 - a callback
        """Let clients in, or not."""
        if not open_:
            self._server.close()
        elif self._opening is None or self._opening.done():
            self._opening = asyncio.get_running_loop().create_task(self._reopen())

    async def _reopen(self) -> None:
        """Listen again at the same port, unless that has changed meanwhile."""
        while self._wanted():
            try:
                self._server = await _listen(self.hub, self.host, self.port)
            except OSError as error:
                log.warning("cannot listen on %s:%d again: %s", self.host, self.port, error)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), _RETRY_S)
            else:
                if not self._wanted():
                    self._server.close()
                return

    def _wanted(self) -> bool:
        return self.hub.open and not self._closed.is_set()


class HubClient(asyncio.Protocol):
    """One TCP connection of a simulated inverter, whoever has made it."""

    def __init__(self, hub: Hub, over: Callable[[], None] = lambda: None) -> None:
        """Take it.

        Args:
            hub: The unit.
            over: Called when it is at its end.
        """
        self._hub, self._over = hub, over
        self._transport: asyncio.Transport | None = None
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = cast("asyncio.Transport", transport)
        try:
            self._number = self._hub.attach(self._send, self._drop)
        except ConnectionRefusedError:  # it came in while the door was being closed
            self._drop()

    def data_received(self, data: bytes) -> None:
        """The other end says something."""
        self._hub.receive(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._hub.detach(self._number)
        self._over()

    def _drop(self) -> None:
        """Reset the connection, which is what a restart does; a mere close would be polite."""
        assert self._transport is not None  # noqa: S101 - set when the connection was made
        sock = self._transport.get_extra_info("socket")
        if not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MOST_UNREAD:
            transport.abort()
            return
        transport.write(data)


async def serve(bridge: FarEnd | Hub, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Listen for clients of a simulated inverter.

    Args:
        bridge: The unit behind its bridge; or its hub, if that has other clients as well.
        host: Address to listen on.
        port: TCP port; 0 for any that is free.

    Raises:
        OSError: The port is taken, or the address is not of this host.
    """
    hub = bridge if isinstance(bridge, Hub) else Hub(bridge)
    return Server(hub, await _listen(hub, host, port))


async def _listen(hub: Hub, host: str, port: int) -> asyncio.Server:
    return await asyncio.get_running_loop().create_server(
        lambda: HubClient(hub), host, port, reuse_address=True
    )
