"""A TCP connection, opened by name each time, verified, with keep-alive."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from typing import cast

from rct_collector.errors import TransportError
from rct_collector.transport.base import Ends, Lost, Receive

#: Half-open connections are found by the kernel after this many seconds without an answer.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))

#: Requests are 9 bytes long; a device that lets this many pile up does not read at all.
_MOST_UNSENT = 4096

#: Why connecting failed, by the number of the operating system.
_KINDS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "timeout",
}


class _Protocol(asyncio.Protocol):
    """Hands bytes on; tells of the end once."""

    def __init__(self, receive: Receive, lost: Lost) -> None:
        self._receive = receive
        self._lost: Lost | None = lost
        self._transport: asyncio.Transport | None = None

        self.ends: Ends | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        local, remote = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        if local and remote:
            self.ends = Ends(local[:2], remote[:2])

    def data_received(self, data: bytes) -> None:
        if self._lost is not None:
            self._receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(explain(exc) if exc else "the device closed the connection")

    def send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > _MOST_UNSENT:
            transport.abort()
            return
        transport.write(data)

    def close(self) -> None:
        self._lost = None
        if self._transport is not None:
            self._transport.abort()


async def open_tcp(host: str, port: int, receive: Receive, lost: Lost, timeout: float) -> _Protocol:
    """Connect.

    Args:
        host: Name or address; looked up anew each time, since routers move devices about.
        port: TCP port.
        receive: Called with bytes as they arrive.
        lost: Called once when the connection ends without our doing.
        timeout: Seconds for look-up and connect together.

    Raises:
        TransportError: With words for people.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            transport, protocol = await loop.create_connection(
                lambda: _Protocol(receive, lost), host, port
            )
    except TimeoutError as error:
        text = f"no answer from {host}:{port} within {timeout:g} s"
        raise TransportError(text, "timeout") from error
    except socket.gaierror as error:
        text = f"the name {host} cannot be resolved: {error.strerror}"
        raise TransportError(text, "name") from error
    except OSError as error:
        text = f"cannot connect to {host}:{port}: {explain(error)}"
        raise TransportError(text, _KINDS.get(error.errno or 0, "other")) from error
    sock = transport.get_extra_info("socket")
    if sock is not None:
        _keep_alive(sock)
    return protocol


def explain(error: BaseException) -> str:
    """An operating system error in words."""
    number = getattr(error, "errno", None)
    if number == errno.ECONNRESET:
        return "the device reset the connection"
    if number:
        return os.strerror(number).lower()
    # asyncio joins the errors of several addresses into one without a number.
    return str(error) or type(error).__name__


def _keep_alive(sock: socket.socket) -> None:
    # Some kernels lack some of the options; none of them is needed to work.
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, value in _KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
