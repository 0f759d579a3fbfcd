"""The TCP transport on loopback: what it says when it cannot, and that it says the end once."""

from __future__ import annotations

import asyncio
import socket

import pytest

from rct_collector.errors import TransportError
from rct_collector.transport.tcp import open_tcp


def nothing(*_):
    pass


async def listening(handler):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


def test_bytes_go_both_ways():
    async def main():
        async def echo(reader, writer):
            writer.write((await reader.read(100)).upper())
            await writer.drain()
            writer.close()

        server, port = await listening(echo)
        received, lost = [], asyncio.get_running_loop().create_future()
        async with server:
            line = await open_tcp("127.0.0.1", port, received.append, lost.set_result, 5)
            line.send(b"hello")
            reason = await lost
            line.send(b"into the void")
        return b"".join(received), reason

    assert asyncio.run(main()) == (b"HELLO", "the device closed the connection")


def test_a_refusal_is_told_in_words():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TransportError, match=f"cannot connect to 127.0.0.1:{port}: connection ref"):
        asyncio.run(open_tcp("127.0.0.1", port, nothing, nothing, 5))


def test_an_unknown_name_is_told_in_words():
    with pytest.raises(TransportError, match="name no-such-host.invalid cannot be resolved"):
        asyncio.run(open_tcp("no-such-host.invalid", 1, nothing, nothing, 5))


def test_a_host_that_does_not_answer_is_given_up():
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        try:
            with pytest.raises(TransportError, match="no answer from 127.0.0.1"):
                asyncio.run(open_tcp("127.0.0.1", port, nothing, nothing, 0.2))
        finally:
            for filler in fillers:
                filler.close()


def test_a_reset_is_told_in_words():
    async def main():
        async def reset(reader, writer):
            await reader.read(1)
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()

        server, port = await listening(reset)
        lost = asyncio.get_running_loop().create_future()
        async with server:
            line = await open_tcp("127.0.0.1", port, nothing, lost.set_result, 5)
            line.send(b"x")
            return await lost

    assert asyncio.run(main()) == "the device reset the connection"


def test_closing_is_not_a_loss():
    async def main(port):
        lost = []
        line = await open_tcp("127.0.0.1", port, nothing, lost.append, 5)
        line.close()
        await asyncio.sleep(0)
        return lost

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert asyncio.run(main(silent.getsockname()[1])) == []


def test_a_device_that_does_not_read_is_given_up():
    async def main(port):
        lost = asyncio.get_running_loop().create_future()
        line = await open_tcp("127.0.0.1", port, nothing, lost.set_result, 5)
        while not lost.done():
            line.send(bytes(65536))
            await asyncio.sleep(0)
        return await lost

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        assert asyncio.run(main(deaf.getsockname()[1]))
