"""Sockets that are read together: all of them first, and then it is worked on what they brought."""

from __future__ import annotations

import asyncio
import socket

import pytest

from rct_collector.loop import MANY, new_event_loop
from rct_collector.transport.tcp import HUNG_UP, Connection


class Pairs:
    """Connections, with their other ends.

    Attributes:
        order: What happened, in its order.
    """

    def __init__(self, count):
        self.order = []
        self.theirs, self.connections = [], []
        for number in range(count):
            with socket.create_server(("127.0.0.1", 0)) as server:
                ours = socket.create_connection(server.getsockname())
                theirs, _ = server.accept()
            ours.setblocking(False)
            self.theirs.append(theirs)
            self.connections.append(Connection(ours, self._taken(number), self._lost(number)))

    def _taken(self, number):
        def take(data):
            self.order.append(data)
            self.came(number)

        return take

    def _lost(self, number):
        def lost(reason):
            self.order.append(reason)
            self.came(number)

        return lost

    def came(self, number):
        """Something did, to one of them."""

    def close(self):
        for connection in self.connections:
            connection.close()
        for theirs in self.theirs:
            theirs.close()


@pytest.fixture
def run():
    """Runs a test in a loop for many devices, with so many connections."""

    def run(count, test):
        async def main():
            pairs = Pairs(count)
            try:
                await test(pairs)
                await asyncio.sleep(0.2)
            finally:
                pairs.close()
            return pairs.order

        with asyncio.Runner(loop_factory=lambda: new_event_loop(MANY)) as runner:
            return runner.run(main())

    return run


def test_all_are_read_before_it_is_worked_on_any(run, monkeypatch):
    order = []
    read = Connection.read
    monkeypatch.setattr(Connection, "read", lambda self: order.append("read") or read(self))

    async def main(pairs):
        pairs.came = lambda _number: order.append("taken")
        for theirs in pairs.theirs:
            theirs.send(b"x")

    assert run(3, main) == [b"x"] * 3
    assert order == ["read"] * 3 + ["taken"] * 3


def test_one_that_is_closed_for_what_another_brought_is_not_told(run):
    async def main(pairs):
        pairs.came = lambda number: pairs.connections[1 - number].close()
        for theirs in pairs.theirs:
            theirs.send(b"x")

    assert run(2, main) == [b"x"]


def test_one_that_is_closed_for_the_end_of_another_is_not_read(run):
    async def main(pairs):
        pairs.came = lambda number: pairs.connections[1 - number].close()
        for theirs in pairs.theirs:
            theirs.shutdown(socket.SHUT_WR)

    assert run(2, main) == [HUNG_UP]


def test_what_stood_before_the_end_comes_before_it(run):
    async def main(pairs):
        pairs.theirs[0].send(b"last words")
        pairs.theirs[0].shutdown(socket.SHUT_WR)

    assert run(1, main) == [b"last words", HUNG_UP]


def test_one_that_pauses_is_read_when_it_goes_on(run):
    async def main(pairs):
        (connection,) = pairs.connections
        connection.pause()
        connection.pause()
        pairs.theirs[0].send(b"x")
        await asyncio.sleep(0.2)
        assert not pairs.order
        connection.resume()
        connection.resume()

    assert run(1, main) == [b"x"]


def test_a_defect_costs_its_own_connection_alone(run, caplog):
    async def main(pairs):
        def fail(number):
            if number == 0 and pairs.order == [b"x"]:
                raise ZeroDivisionError("a defect")

        pairs.came = fail
        for theirs in pairs.theirs:
            theirs.send(b"x")
        await asyncio.sleep(0.2)
        for theirs in pairs.theirs[1:]:
            theirs.send(b"y")

    assert run(2, main) == [b"x", "a defect", b"x", b"y"]
    assert "met a defect" in caplog.text


def test_a_loop_gives_back_what_it_had():
    loop = new_event_loop(MANY)
    loop.close()
    loop.close()
    with pytest.raises(ValueError, match="closed"):
        loop.sockets.add(0, None)
