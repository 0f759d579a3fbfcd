"""A TCP port of this host that devices dial in to.

::

    listen://0.0.0.0:22222          all of IPv4
    listen://[::]:22222             all of IPv6
    listen://192.0.2.5:22222        one of them

The address is always written out, so that nobody opens a port to a network unawares. The port may
be left out where the driver knows it. Which unit has called tells the unit, not the
address: any number of them share a line.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping
from typing import cast

from rct_collector.errors import TransportError
from rct_collector.option import Invalid
from rct_collector.transport import hosts
from rct_collector.transport.address import NO_OPTIONS, Address, Parameter
from rct_collector.transport.base import (
    READ_BYTES,
    Accept,
    Ends,
    ListeningServer,
    Lost,
    Receive,
    look_again,
)
from rct_collector.transport.tcp import DEAF, HUNG_UP, MOST_UNSENT, at, explain, keep_alive

DESCRIPTION = "A TCP port of this host, for devices that connect to it."

PARAMETERS: Mapping[str, Parameter] = {}

#: Two of these cannot be listened on at the same port, so they are one.
_ALL = ("0.0.0.0", "::")  # noqa: S104 - what a user may write


def example(defaults: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return f"listen://0.0.0.0:{defaults.get('port', '22222')}"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; the default is ``port``."""
    right = f"an address such as {example(defaults)}"
    found = hosts.part(text)
    if found is None:
        raise Invalid(f"{right} or listen://192.0.2.5:22222, with nothing else")
    host = hosts.read_host(found[0]) if found[0] else None
    if host is None or not hosts.is_ip(host):
        raise Invalid(f"{right}, with an IP address of this host, or 0.0.0.0 for all of them")
    port = hosts.read_port(found[1], defaults, right)
    whose = "*" if host in _ALL else hosts.identity(host)
    text = f"listen://{hosts.joined(host, port if found[1] else None)}"
    place = hosts.joined(host, port)
    return Address("listen", place, NO_OPTIONS, f"listen/{whose}/{port}", text)


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return f"listen-{hosts.split(address.place)[1]}"


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`; each unit that calls takes another one."""
    return 1


#: Calls that wait to be taken: a plant that calls again within a second.
_BACKLOG = 512

#: What can be done where this host does not let listen.
_REMEDIES = {
    errno.EADDRINUSE: "; it is taken by a program that 'sudo ss -ltnp' names",
    errno.EADDRNOTAVAIL: "; no network card of this host has that address",
    errno.EACCES: "; ports below 1024 are the system's, take one above",
}


class _Call(asyncio.BufferedProtocol):
    """A connection that somebody else has made; see :class:`.base.Line`."""

    def __init__(self, doors: _Doors) -> None:
        self._doors = doors
        self._receive: Receive = _nowhere
        self._lost: Lost | None = None
        self._transport: asyncio.Transport | None = None
        self._reason = HUNG_UP
        self.ends: Ends | None = None
        self.peer: Address | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if not self._doors.are_open:  # it was taken just before they were closed
            self.close()
            return
        local, remote = (transport.get_extra_info(name) for name in ("sockname", "peername"))
        if local and remote:
            self.ends = Ends(local[:2], remote[:2])
            self.peer = at(*self.ends.remote)
        keep_alive(transport.get_extra_info("socket"))
        self._receive, self._lost = self._doors.accept(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._doors.buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._lost is not None:
            self._receive(bytes(memoryview(self._doors.buffer)[:nbytes]))
        look_again(asyncio.get_running_loop(), nbytes)

    def connection_lost(self, exc: Exception | None) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(explain(exc) if exc else self._reason)

    def send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > MOST_UNSENT:
            self._reason = DEAF
            transport.abort()
            return
        transport.write(data)

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        self._lost = None
        if self._transport is not None:
            self._transport.abort()


def _nowhere(_data: bytes) -> None:
    """Nobody takes it yet."""


class _Doors:
    """Where calls come in."""

    def __init__(self, accept: Accept) -> None:
        self.accept = accept
        self.are_open = True
        self.buffer = bytearray(READ_BYTES)  # of all calls: what is read is handed on at once
        self.server: asyncio.Server | None = None

    def close(self) -> None:
        self.are_open = False
        if self.server is not None:
            self.server.close()


async def listen(address: Address, accept: Accept) -> ListeningServer:
    """Wait for devices that dial in.

    Args:
        address: One that this module has read.
        accept: Takes each call.

    Raises:
        TransportError: With words for people.
    """
    host, port = hosts.split(address.place)
    loop = asyncio.get_running_loop()
    doors = _Doors(accept)
    try:
        doors.server = await loop.create_server(
            lambda: _Call(doors), host or None, port, reuse_address=True, backlog=_BACKLOG,
            start_serving=False,
        )  # fmt: skip
        try:
            await doors.server.start_serving()
        except BaseException:  # whoever is not waited for any longer listens no longer, either
            doors.close()
            raise
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "")
        text = f"cannot listen at {address.place}: {explain(error)}{remedy}"
        raise TransportError(text) from error
    return doors
