"""Devices that dial in, over real sockets on the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket

import pytest

from rct_collector.errors import TransportError
from rct_collector.transport import is_dialled_in, listen_at, parse_address
from tests.addresses import tcp
from tests.processes import free_port

WAYS = {"listen": {"port": "22222"}}


class Calls:
    """Takes calls, and notes what comes of each."""

    def __init__(self):
        self.lines, self.heard, self.lost = [], [], []
        self.news = asyncio.Event()

    def __call__(self, line):
        number = len(self.lines)
        self.lines.append(line)
        self.heard.append(b"")

        def receive(data):
            self.heard[number] += data
            self.news.set()

        def lost(reason):
            self.lost.append((number, reason))
            self.news.set()

        self.news.set()
        return receive, lost

    async def until(self, condition):
        """Wait for what is to come of the calls."""
        async with asyncio.timeout(30):
            while not condition():
                self.news.clear()
                await self.news.wait()


async def listening(calls, host="127.0.0.1"):
    port = free_port()
    return await listen_at(parse_address(f"listen://{host}:{port}", WAYS), calls), port


@pytest.mark.parametrize("turns", range(8))
def test_whoever_is_not_waited_for_any_longer_does_not_listen(turns):
    """However far it has come when it is cancelled."""

    async def main():
        port = free_port()
        address = parse_address(f"listen://127.0.0.1:{port}", WAYS)
        opening = asyncio.create_task(listen_at(address, Calls()))
        for _ in range(turns):
            await asyncio.sleep(0)
        if opening.cancel():
            await asyncio.wait([opening])
            assert opening.cancelled()
        else:
            (await opening).close()
        with socket.create_server(("127.0.0.1", port)):
            pass

    asyncio.run(main())


def test_calls_are_lines_of_their_own():
    async def main():
        calls = Calls()
        server, port = await listening(calls)
        one, one_out = await asyncio.open_connection("127.0.0.1", port)
        await calls.until(lambda: len(calls.lines) == 1)
        two, two_out = await asyncio.open_connection("127.0.0.1", port)
        await calls.until(lambda: len(calls.lines) == 2)
        one_out.write(b"first")
        two_out.write(b"second")
        await calls.until(lambda: calls.heard == [b"first", b"second"])
        calls.lines[0].send(b"to the first")
        calls.lines[1].send(b"to the second")
        assert await one.readexactly(12) == b"to the first"
        assert await two.readexactly(13) == b"to the second"
        assert calls.lines[0].ends.remote == one_out.get_extra_info("sockname")
        server.close()
        one_out.close()
        await calls.until(lambda: calls.lost)
        calls.lines[1].close()
        assert await two.read() == b""
        two_out.close()
        return calls.lost

    assert asyncio.run(main()) == [(0, "the device closed the connection")]


def test_a_call_that_is_not_taken_is_hung_up_at_once():
    class Busy(Calls):
        def __call__(self, line):
            found = super().__call__(line)
            line.close()
            return found

    async def main():
        calls = Busy()
        server, port = await listening(calls)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        server.close()
        return calls

    assert asyncio.run(main()).heard == [b""]


def test_a_server_that_is_closed_takes_no_more_calls():
    async def main():
        server, port = await listening(Calls())
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(main())


def test_a_port_that_is_taken_is_told_of():
    async def main():
        server, port = await listening(Calls())
        with pytest.raises(
            TransportError,
            match=rf"cannot listen at 127\.0\.0\.1:{port}: address already in use; .* 'sudo ss",
        ):
            await listen_at(parse_address(f"listen://127.0.0.1:{port}", WAYS), Calls())
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EACCES, "permission denied; ports below 1024 are the system's, take one above"),
        (errno.EADDRNOTAVAIL, "cannot assign requested address; no network card of this host has"),
        (errno.EMFILE, "too many open files$"),
    ],
)
def test_what_can_be_done_about_a_port_is_told(monkeypatch, number, words):
    async def refuse(*_arguments, **_options):
        raise OSError(number, "no")

    async def main():
        monkeypatch.setattr(asyncio.get_running_loop(), "create_server", refuse)
        with pytest.raises(TransportError, match=f"cannot listen at 0.0.0.0:80: {words}"):
            await listen_at(parse_address("listen://0.0.0.0:80", WAYS), Calls())

    asyncio.run(main())


def test_units_that_have_vanished_are_found_out_by_the_system():
    async def main():
        calls = Calls()
        server, port = await listening(calls)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await calls.until(lambda: calls.lines)
        sock = calls.lines[0]._transport.get_extra_info("socket")
        alive = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        writer.close()
        calls.lines[0].close()
        server.close()
        return alive

    assert asyncio.run(main())


def test_only_some_transports_are_dialled_in_to():
    assert is_dialled_in(parse_address("listen://0.0.0.0:1", WAYS))
    assert not is_dialled_in(tcp("192.0.2.1"))


@pytest.mark.parametrize("steps", [0, 1, 3, 4, 5])
def test_who_calls_while_it_is_closed_is_taken_or_hung_up_on(steps):
    """Whoever was let in, and heard of by nobody, would wait for an answer without end.

    After two steps asyncio has the connection, and fails to make a transport of it: it is closed
    with the next garbage collection.
    """

    async def main():
        calls = Calls()
        address = parse_address(f"listen://127.0.0.1:{free_port()}", WAYS)
        server = await listen_at(address, calls)
        with socket.create_connection(("127.0.0.1", int(address.place.rpartition(":")[2]))) as unit:
            for _ in range(steps):
                await asyncio.sleep(0)
            server.close()
            taken = len(calls.lines)
            unit.setblocking(False)
            for line in calls.lines:
                line.close()
            async with asyncio.timeout(30):
                with contextlib.suppress(ConnectionResetError):
                    assert await asyncio.get_running_loop().sock_recv(unit, 1) == b""
            assert len(calls.lines) == taken

    asyncio.run(main())
