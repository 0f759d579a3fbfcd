"""A simulated inverter behind TCP."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import cast

from rct_collector.drivers.rct.simulator import Bridge
from rct_collector.simulator.hub import Hub

#: A client that lets this many bytes pile up does not read any more, and is dropped: half a
#: minute of the line at full speed.
MOST_UNREAD = 128 * 1024


class Server:
    """A simulated inverter that listens; a context manager that closes it.

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

    @property
    def address(self) -> str:
        """The address as a configuration has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"

    def close(self) -> None:
        """Stop listening and drop all clients."""
        self._server.close()
        self.hub.close()

    async def wait_closed(self) -> None:
        """Wait until all that is closed."""
        await self._server.wait_closed()

    async def serve_forever(self) -> None:
        """Wait until cancelled."""
        await self._server.serve_forever()

    async def __aenter__(self) -> Server:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()


class _Client(asyncio.Protocol):
    """One TCP client of a simulated inverter."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._transport: asyncio.Transport | None = None
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._number = self._hub.attach(self._send, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        self._hub.receive(self._number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._hub.detach(self._number)

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MOST_UNREAD:
            transport.abort()
            return
        transport.write(data)


async def serve(bridge: Bridge | Hub, host: str = "127.0.0.1", port: int = 0) -> Server:
    """Listen for clients of a simulated inverter.

    Args:
        bridge: The unit behind its bridge; or its hub, if that has other clients as well.
        host: Address to listen on.
        port: TCP port; 0 for any that is free.

    Raises:
        OSError: The port is taken, or the address is not of this host.
    """
    hub = bridge if isinstance(bridge, Hub) else Hub(bridge)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Client(hub), host, port, reuse_address=True
    )
    return Server(hub, server)
