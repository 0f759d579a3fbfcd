"""The least that a Python client spends: exchanges as ours makes them, and nothing made of them.

::

    python -m tests.bench.bare KIND RATE SECONDS LOOK_MS REQUEST PORT …

Each unit is asked RATE times a second, all spread evenly, and answers are counted. It prints the
user and the system time in seconds, and the number of answers. KIND is one of

    epoll     sockets and epoll by hand
    protocol  asyncio with its transport and a Protocol
    buffered  asyncio with a BufferedProtocol, one buffer for all, and ``send`` by itself

With LOOK_MS 0 it wakes up for each request and each answer; else it looks that often for what has
come and what is to be asked. ``floor/client.c`` is the same in C.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import socket
import sys
import time
from resource import RLIMIT_NOFILE, RUSAGE_SELF, getrlimit, getrusage, setrlimit

BUFFER = memoryview(bytearray(4096))


class Turns:
    """Whose turn it is to be asked: everybody's in turn, at equal distances."""

    def __init__(self, units, rate, send):
        """Begin now.

        Args:
            units: What is asked, in any form.
            rate: Requests per second and unit.
            send: Asks one of them.
        """
        self._units, self._send = units, send
        self._step, self._asked, self._begun = 1 / (rate * len(units)), 0, time.monotonic()
        self._before = getrusage(RUSAGE_SELF)

    def due(self):
        """When the next one is to be asked, by the monotonic clock."""
        return self._begun + self._asked * self._step

    def spent(self):
        """User and system time since, in seconds."""
        before, after = self._before, getrusage(RUSAGE_SELF)
        return after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime

    def ask(self):
        """Ask all who are due."""
        now, units = time.monotonic(), self._units
        while self.due() <= now:
            self._send(units[self._asked % len(units)])
            self._asked += 1


def dialled(port):
    """A socket that leads to a unit."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    return sock


def by_hand(rate, seconds, look, request, ports):
    """User time, system time and answers, with sockets and epoll by hand."""
    socks = {sock.fileno(): sock for sock in map(dialled, ports)}
    poll = select.epoll()
    for number in socks:
        poll.register(number, select.EPOLLIN)
    turns = Turns([*socks.values()], rate, lambda sock: sock.send(request))
    answers, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        turns.ask()
        if look:
            time.sleep(look)
        for number, _ in poll.poll(0 if look else max(0.0, turns.due() - time.monotonic())):
            answers += socks[number].recv_into(BUFFER) > 0
    return *turns.spent(), answers


class Looking(selectors.DefaultSelector):
    """Looks for events at fixed intervals; never waits for one."""

    look = 0.0

    def select(self, timeout=None):
        if self.look and (timeout is None or timeout > 0):
            time.sleep(self.look)
            timeout = 0
        return super().select(timeout)


class Counting:
    """What both protocols have in common."""

    answers = 0

    def connection_made(self, transport):
        self.transport = transport


class Plain(Counting, asyncio.Protocol):
    """Bytes as they come; requests by way of the transport."""

    def ask(self, request):
        self.transport.write(request)

    def data_received(self, data):
        Counting.answers += 1


class Buffered(Counting, asyncio.BufferedProtocol):
    """Bytes into one buffer for all; requests straight into the socket."""

    def connection_made(self, transport):
        super().connection_made(transport)
        # asyncio's own wrapper knows no send.
        self.sock = socket.socket(fileno=socket.dup(transport.get_extra_info("socket").fileno()))

    def ask(self, request):
        self.sock.send(request)

    def get_buffer(self, sizehint):
        return BUFFER

    def buffer_updated(self, nbytes):
        Counting.answers += 1

    def connection_lost(self, exc):
        self.sock.close()


async def on_loop(kind, rate, seconds, look, request, ports):
    """User time, system time and answers, with a loop of asyncio."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(kind, sock=dialled(port)) for port in ports]
    turns = Turns([protocol for _, protocol in made], rate, lambda one: one.ask(request))

    def ask():
        turns.ask()
        # By the loop's own clock, which is the monotonic one.
        loop.call_at(turns.due() if not look else loop.time() + look, ask)

    ask()
    Looking.look = look
    await asyncio.sleep(seconds)
    found = *turns.spent(), Counting.answers
    Looking.look = 0.0
    for transport, _ in made:
        transport.abort()
    return found


def exchanged(name, *arguments):
    """User time, system time and answers."""
    if name == "epoll":
        return by_hand(*arguments)
    kind = {"protocol": Plain, "buffered": Buffered}[name]
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Looking())) as runner:
        return runner.run(on_loop(kind, *arguments))


def main(name, rate, seconds, look_ms, request, *ports):
    setrlimit(RLIMIT_NOFILE, (getrlimit(RLIMIT_NOFILE)[1],) * 2)
    found = exchanged(
        name, float(rate), float(seconds), float(look_ms) / 1e3, bytes.fromhex(request),
        [int(port) for port in ports],
    )  # fmt: skip
    print(*found)


if __name__ == "__main__":
    main(*sys.argv[1:])
