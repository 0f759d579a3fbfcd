"""A TCP connection, opened by name each time, verified, with keep-alive.

::

    tcp://192.0.2.10:8899
    tcp://inverter.example
    tcp://[2001:db8::10]:8899

The port may be left out where the driver knows it. A serial server with a raw TCP port is reached
in the same way; where a family shares a bus behind it, options tell what we are on that::

    tcp://192.0.2.20:4001?mode=passive

A name may stand for several addresses, some of which nobody answers at: IPv6 of a device that has
forgotten it, or of a router that does not pass it on. As RFC 8305 has it ("happy eyeballs"), the
next one is tried within a fraction of a second, both families in turn, and the first to answer is
taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import chain, islice, zip_longest
from typing import Any, NamedTuple

from rct_collector.errors import TransportError
from rct_collector.option import Invalid
from rct_collector.transport import hosts
from rct_collector.transport.address import NO_OPTIONS, Address, Parameter
from rct_collector.transport.base import READ_BYTES, Ends, Lost, Receive, look_again

DESCRIPTION = "A device in the network, or a serial server with a device at its raw TCP port."

PARAMETERS: Mapping[str, Parameter] = {}

#: Half-open connections are found by the kernel after this many seconds without an answer.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))

#: Seconds that an address is given before the next one is tried as well (RFC 8305, section 8).
NEXT_ADDRESS_S = 0.25

#: A name with more addresses than this is none of a device; so many lines are opened at most.
MOST_ADDRESSES = 8

#: Requests are 9 bytes long; a device that lets this many pile up does not read at all.
MOST_UNSENT = 4096

#: Why a connection is at its end, in words.
DEAF = "the device does not read what it is sent"
HUNG_UP = "the device closed the connection"

#: Bytes that the system keeps for a connection that is not read; it doubles the figure. What a
#: device is answered with by a busy host is still a matter of seconds then, and of little memory.
_MOST_UNREAD = 32 * 1024

#: Why connecting failed, by the number of the operating system; what tells most about the device
#: comes first.
_KINDS = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
}


class Connection:
    """An open connection: hands bytes on, little by little; tells of the end once.

    It reads and writes its socket itself: an exchange is a few bytes each way, of which a transport
    of asyncio in between makes twice the work.

    Attributes:
        ends: Both ends, once it is open.
        peer: The address of the other end.
    """

    __slots__ = (
        "_is_read",
        "_lost",
        "_loop",
        "_receive",
        "_sock",
        "_sockets",
        "_unsent",
        "ends",
        "peer",
    )

    def __init__(self, sock: socket.socket, receive: Receive, lost: Lost) -> None:
        """Begin to read.

        Args:
            sock: Connected, and not blocking; from now on it belongs to the connection.
            receive: Called with bytes as they arrive.
            lost: Called once when the connection ends without our doing.
        """
        self._sock: socket.socket | None = sock
        self._receive = receive
        self._lost: Lost | None = lost
        self._unsent = b""
        self.ends = ends_of(sock)
        self.peer = at(*self.ends.remote) if self.ends else None
        self._loop = asyncio.get_running_loop()
        #: Where it is read together with others, see :mod:`rct_collector.sockets`.
        self._sockets = getattr(self._loop, "sockets", None)
        self._is_read = False
        self.resume()

    def send(self, data: bytes) -> None:
        """See :class:`.base.Line`; a device that does not read at all is hung up on."""
        sock = self._sock
        if sock is None:
            return
        if self._unsent:
            if len(self._unsent) > MOST_UNSENT:
                self._fail(DEAF)
            else:
                self._unsent += data
            return
        try:
            sent = sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            self._fail(explain(error))
            return
        if sent < len(data):
            self._unsent = data[sent:]
            self._loop.add_writer(sock, self._writable)

    def pause(self) -> None:
        """See :class:`.base.Line`."""
        if self._sock is not None and self._is_read:
            self._is_read = False
            if self._sockets is None:
                self._loop.remove_reader(self._sock)
            else:
                self._sockets.remove(self._sock.fileno())

    def resume(self) -> None:
        """See :class:`.base.Line`."""
        if self._sock is not None and not self._is_read:
            if self._sockets is None:
                self._loop.add_reader(self._sock, self._readable)
            else:
                self._sockets.add(self._sock.fileno(), self)
            self._is_read = True

    def close(self) -> None:
        """See :class:`.base.Line`."""
        self._lost = None
        self._close()

    def _readable(self) -> None:
        """There are bytes, or the end."""
        if data := self.read():
            self.take(data)

    def read(self) -> bytes:
        """Bytes that are there; none where there are none, or where it is at its end."""
        try:
            data = self._sock.recv(READ_BYTES)  # type: ignore[union-attr]
        except (BlockingIOError, InterruptedError):
            return b""
        except OSError as error:
            self._end(explain(error))
            return b""
        if not data:
            self._end(HUNG_UP)
        return data

    def take(self, data: bytes) -> None:
        """Hand on what was read; of one that was closed since, nobody wants it."""
        if self._sock is None:
            return
        try:
            self._receive(data)
        except Exception as error:
            text = "what came over a connection met a defect; it is closed"
            self._loop.call_exception_handler({"message": text, "exception": error})
            self._end(explain(error))
        if len(data) == READ_BYTES:
            look_again(self._loop, READ_BYTES)

    def _writable(self) -> None:
        """The system takes some of what it had no room for."""
        assert self._sock is not None  # noqa: S101 - nobody waits for one that is closed
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(explain(error))
            return
        if not self._unsent:
            self._loop.remove_writer(self._sock)

    def _fail(self, reason: str) -> None:
        """It is at its end, which is told once whoever sends has done so."""
        self._close()
        self._loop.call_soon(self._end, reason)

    def _end(self, reason: str) -> None:
        self._close()
        lost, self._lost = self._lost, None
        if lost is not None:
            lost(reason)

    def _close(self) -> None:
        self.pause()
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.remove_writer(sock)
            sock.close()


def ends_of(sock: socket.socket) -> Ends | None:
    """Both ends of a connection; None where the other one has gone already."""
    try:
        local, remote = sock.getsockname(), sock.getpeername()
    except OSError:
        return None
    return Ends(local[:2], remote[:2])


class _Place(NamedTuple):
    """One address of a name, as :func:`socket.getaddrinfo` tells it."""

    family: int
    kind: int
    protocol: int
    name: str
    address: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.address[0])


class _Attempts:
    """Tries the addresses of a name, each next one soon after the last.

    Attributes:
        failures: Address → why it is not to be had, or None while it has not answered.
    """

    def __init__(self) -> None:
        self.failures: dict[_Place, OSError | None] = {}

    async def first(self, places: Iterable[_Place]) -> socket.socket:
        """The first connection to be had; the others are given up.

        Raises:
            OSError: None is to be had; the error that tells most.
        """
        waiting = deque(places)
        running: dict[asyncio.Task[socket.socket], _Place] = {}
        try:
            while waiting or running:
                if waiting:
                    place = waiting.popleft()
                    self.failures[place] = None
                    running[asyncio.create_task(_connect(place))] = place
                done, _ = await asyncio.wait(
                    running,
                    timeout=NEXT_ADDRESS_S if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for task in done:
                    error = task.exception()
                    if error is None:
                        del running[task]
                        return task.result()
                    if not isinstance(error, OSError):
                        raise error
                    self.failures[running.pop(task)] = error
        finally:
            await _give_up(running)
        raise min(filter(None, self.failures.values()), key=_rank)

    def told(self) -> str:
        """Why each address was not to be had; "" where there is but one."""
        if len(self.failures) < 2:
            return ""
        reasons = (
            f"{place}: {explain(error) if error else 'no answer'}"
            for place, error in self.failures.items()
        )
        return f" ({', '.join(reasons)})"


def _rank(error: OSError) -> int:
    """How little it tells: a host that refuses is there, whatever is wrong with other addresses."""
    numbers = list(_KINDS)
    return numbers.index(error.errno) if error.errno in _KINDS else len(numbers)


async def _connect(place: _Place) -> socket.socket:
    with contextlib.ExitStack() as undo:
        sock = undo.enter_context(socket.socket(place.family, place.kind, place.protocol))
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, place.address)
        undo.pop_all()
    return sock


async def _give_up(tasks: Iterable[asyncio.Task[socket.socket]]) -> None:
    """End attempts; one that has just come up is closed."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, socket.socket):
            result.close()


def example(defaults: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return f"tcp://192.0.2.10:{defaults.get('port', '8899')}"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; the default is ``port``, and there may be those of a bus."""
    right = f"an address such as {example(defaults)}"
    options = None
    if "mode" in defaults:
        text, _, options = text.partition("?")
    found = hosts.part(text)
    if found is None:
        raise Invalid(f"{right} or tcp://[2001:db8::10]:8899, with nothing else")
    host = hosts.read_host(found[0])
    if host is None:
        raise Invalid(f"{right}, with a host name or an IP address")
    port = hosts.read_port(found[1], defaults, right)
    place = hosts.joined(host, port if found[1] else None)
    address = at(host, port, f"tcp://{place}")
    return address if options is None else _on_a_bus(address, options, defaults, right)


def _on_a_bus(address: Address, options: str, defaults: Mapping[str, str], right: str) -> Address:
    """The address of a serial server, with what we are on the bus behind it."""
    from rct_collector.transport import bus
    from rct_collector.transport.paths import written

    settled, told = bus.read(options, PARAMETERS, defaults, right)
    place = address.text.removeprefix("tcp://")
    return address._replace(options=settled, text=written("tcp", place, told))


def at(host: str, port: int, text: str = "") -> Address:
    """The address of a place.

    Args:
        host: Name or IP address.
        port: Number.
        text: As it is written; "" for as we write it.
    """
    place = hosts.joined(host, port)
    key = f"tcp/{hosts.identity(host)}/{port}"
    return Address("tcp", place, NO_OPTIONS, key, text or f"tcp://{place}")


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return hosts.split(address.place)[0]


def descriptors(address: Address) -> int:
    """See :class:`.base.Transport`; of the addresses of a name two are tried at a time."""
    return 1 if _as_address(hosts.split(address.place)[0]) else 2


def _as_address(host: str, port: int = 0) -> list[Any]:
    """What :func:`socket.getaddrinfo` tells of an address; nothing of a name."""
    try:
        return socket.getaddrinfo(
            _asked(host), port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except (socket.gaierror, ValueError):
        return []


def _asked(host: str) -> str | bytes:
    """Names in ASCII without the codec for international ones, which would take a megabyte."""
    return host.encode() if host.isascii() else host


async def _places(host: str, port: int) -> list[_Place]:
    """The addresses of a name, both families in turn, the system's favourite first."""
    # An address needs nobody who looks it up, and shall not wait behind names that do.
    found = _as_address(host, port)
    if not found:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(_asked(host), port, type=socket.SOCK_STREAM)
    places = list(dict.fromkeys(_Place(*info) for info in found))
    first = [place for place in places if place.family == places[0].family]
    others = [place for place in places if place.family != places[0].family]
    turns = chain.from_iterable(zip_longest(first, others))
    return list(islice(filter(None, turns), MOST_ADDRESSES))


async def open_line(address: Address, receive: Receive, lost: Lost, timeout: float) -> Connection:
    """Connect.

    Args:
        address: Its host is looked up anew each time, since routers move devices about.
        receive: Called with bytes as they arrive.
        lost: Called once when the connection ends without our doing.
        timeout: Seconds for look-up and connect together, all addresses of the name included.

    Raises:
        TransportError: With words for people, about each address that was tried.
    """
    host, port = hosts.split(address.place)
    attempts = _Attempts()
    try:
        async with asyncio.timeout(timeout):
            sock = await attempts.first(await _places(host, port))
    except TimeoutError as error:
        if not attempts.failures:
            text = f"the name {host} cannot be resolved: no answer within {timeout:g} s"
            raise TransportError(text, "name") from error
        text = f"no answer from {host}:{port} within {timeout:g} s{attempts.told()}"
        raise TransportError(text, "timeout") from error
    except (socket.gaierror, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        text = f"the name {host} cannot be resolved: {reason}"
        raise TransportError(text, "name") from error
    except OSError as error:
        reason = attempts.told() or f": {explain(error)}"
        text = f"cannot connect to {host}:{port}{reason}"
        raise TransportError(text, _KINDS.get(error.errno or 0, "other")) from error
    except RuntimeError as error:  # no thread to be had for the look-up
        raise TransportError(f"the name {host} cannot be looked up: {error}") from error
    keep_alive(sock)
    try:
        return Connection(sock, receive, lost)
    except OSError as error:  # it cannot be watched
        sock.close()
        raise TransportError(f"cannot connect to {host}:{port}: {explain(error)}") from error


def explain(error: BaseException) -> str:
    """An operating system error in words."""
    number = getattr(error, "errno", None)
    if number == errno.ECONNRESET:
        return "the device reset the connection"
    if number:
        return os.strerror(number).lower()
    # asyncio joins the errors of several addresses into one without a number.
    return str(error) or type(error).__name__


def keep_alive(sock: socket.socket) -> None:
    """Let the system find out when the other end is gone, and keep its buffers small."""
    # Some kernels lack some of the options; none of them is needed to work.
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _MOST_UNREAD)
        for name, value in _KEEP_ALIVE:
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
