"""Simulated inverters that call: over real connections of this host."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import wraps

import pytest

from rct_collector.drivers.tools import Access, Cut
from rct_collector.simulator import Dialler, Hub


def on_a_loop(test):
    """Run a test that is a coroutine."""

    @wraps(test)
    def runs(*args, **more):
        asyncio.run(asyncio.wait_for(test(*args, **more), 60))

    return runs


class Greeter:
    """Says hello whenever it has a connection, and goes when it is told to."""

    request_count = 0

    def __init__(self):
        self.now, self.due, self.open, self.gone, self.heard = 0.0, None, True, 0, b""

    def start(self, now):
        self.now = now

    def connect(self):
        self.due = self.now
        return 1

    def disconnect(self, client):
        self.gone += 1

    def receive(self, client, data, now):
        self.heard += data
        self.due = now

    def next_due(self):
        return self.due

    def pull(self, now):
        self.due = None
        return [b"hello\n"]

    def access(self, now):
        return Access.OPEN if self.open else Access.REFUSED

    def take_cut(self):
        return Cut.RESET if self.heard.endswith(b"go\n") else None


class Called:
    """Whoever is called: keeps all connections."""

    def __init__(self):
        self.calls, self._arrived = deque(), asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for _, writer in self.calls:
            writer.transport.abort()

    async def _accept(self, reader, writer):
        self.calls.append((reader, writer))
        self._arrived.set()

    async def call(self, number):
        """One of the connections, in the order in which they were made."""
        while len(self.calls) <= number:
            self._arrived.clear()
            await self._arrived.wait()
        return self.calls[number]


@on_a_loop
async def test_it_calls_speaks_first_and_calls_again_when_the_connection_is_over():
    greeter = Greeter()
    async with Called() as called, Dialler(Hub(greeter), "127.0.0.1", called.port, retry_s=0.01):
        reader, writer = await called.call(0)
        assert await reader.readline() == b"hello\n"
        writer.close()
        reader, _ = await called.call(1)
        assert await reader.readline() == b"hello\n"
        assert greeter.gone == 1


@on_a_loop
async def test_a_unit_may_hang_up_by_itself_and_calls_again():
    greeter = Greeter()
    async with Called() as called, Dialler(Hub(greeter), "127.0.0.1", called.port, retry_s=0.01):
        reader, writer = await called.call(0)
        await reader.readline()
        writer.write(b"go\n")
        with pytest.raises(ConnectionResetError):
            await reader.read()
        greeter.heard = b""
        reader, _ = await called.call(1)
        assert await reader.readline() == b"hello\n"


@on_a_loop
async def test_who_is_not_there_is_called_until_it_is():
    async with Called() as called:
        port = called.port
    hub = Hub(Greeter())
    async with Dialler(hub, "127.0.0.1", port, retry_s=0.001) as dialler:
        while dialler.attempts < 3:
            await asyncio.sleep(0)
        assert hub.clients == 0
        assert dialler.where == f"calls tcp://127.0.0.1:{port}"


@on_a_loop
async def test_without_a_way_to_the_world_nobody_is_called():
    greeter = Greeter()
    greeter.open = False
    async with Called() as called:
        hub = Hub(greeter)
        async with Dialler(hub, "127.0.0.1", called.port, retry_s=0.001) as dialler:
            for _ in range(20):
                await asyncio.sleep(0)
            assert dialler.attempts == 0
            greeter.open = True
            hub._turn_doors()  # as when a fault ends
            await called.call(0)


@on_a_loop
async def test_closed_it_hangs_up_for_ever():
    async with Called() as called:
        async with Dialler(Hub(Greeter()), "127.0.0.1", called.port, retry_s=0.001) as dialler:
            reader, _ = await called.call(0)
            await reader.readline()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert dialler.attempts == 1
