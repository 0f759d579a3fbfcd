"""A tap on a line: everything is told once, in order, with times, and passes on unchanged."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest

from rct_collector.errors import TransportError
from rct_collector.lines.tap import tapped, tapped_calls
from rct_collector.transport.base import Ends
from rct_collector.transport.tcp import open_line
from tests.addresses import tcp


class Observed:
    """Writes down what it is told."""

    def __init__(self):
        self.events = []

    def __call__(self, began_ns, opened_ns, ends):
        self.events.append((opened_ns, "opened", ends))
        self.began_ns = began_ns
        return self

    def sent(self, time_ns, data):
        self.events.append((time_ns, "sent", data))

    def received(self, time_ns, data):
        self.events.append((time_ns, "received", data))

    def closed(self, time_ns, *, by_us):
        self.events.append((time_ns, "closed", by_us))

    @property
    def told(self):
        return [event[1:] for event in self.events]


def counting():
    """A clock that goes on by one at each look."""
    numbers = itertools.count(1)
    return lambda: next(numbers)


class Line:
    """A line without a network."""

    def __init__(self):
        self.data = []

    def send(self, data):
        self.data.append(data)

    def pause(self):
        self.data.append("paused")

    def resume(self):
        self.data.append("resumed")

    def close(self):
        self.data.append("closed")


def opener_of(line, early=()):
    """An opener during which things happen already."""

    async def open_it(address, receive, lost, timeout):
        line.receive, line.lost = receive, lost
        for data in early:
            receive(data) if data else lost("gone")
        return line

    return open_it


async def opened(line, observed, early=(), **callbacks):
    given = {"receive": lambda _: None, "lost": lambda _: None, **callbacks}
    tap = tapped(opener_of(line, early), observed, counting())
    return await tap(tcp("host"), given["receive"], given["lost"], 5)


def test_both_directions_of_a_real_connection_are_told():
    async def main():
        async def echo(reader, writer):
            writer.write((await reader.read(100)).upper())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        observed, received = Observed(), []
        lost = asyncio.get_running_loop().create_future()
        async with server:
            tap = tapped(open_line, observed, counting())
            line = await tap(tcp(f"127.0.0.1:{port}"), received.append, lost.set_result, 5)
            line.send(b"hello")
            assert await lost == "the device closed the connection"
            line.send(b"into the void")
            line.close()
        return observed, received, port

    observed, received, port = asyncio.run(main())
    (_, ends), *others = observed.told

    assert received == [b"HELLO"]
    assert ends.remote == ("127.0.0.1", port)
    assert ends.local[0] == "127.0.0.1"
    assert others == [("sent", b"hello"), ("received", b"HELLO"), ("closed", False)]
    times = [observed.began_ns] + [event[0] for event in observed.events]
    assert times == sorted(times)


def test_reading_pauses_behind_it():
    async def main():
        line, observed = Line(), Observed()
        tap = await opened(line, observed)
        tap.pause()
        tap.resume()
        return line.data, observed.told

    data, told = asyncio.run(main())
    assert data == ["paused", "resumed"]
    assert len(told) == 1


def test_our_own_closing_is_told_once():
    async def main():
        line, observed = Line(), Observed()
        tap = await opened(line, observed)
        tap.close()
        tap.close()
        tap.send(b"too late")
        return line.data, observed.told

    data, told = asyncio.run(main())
    assert data == ["closed", "closed"]
    assert told == [("opened", None), ("closed", True)]


def test_what_comes_while_the_line_is_being_opened_is_told_after_its_opening():
    async def main():
        observed, received, reasons = Observed(), [], []
        await opened(
            Line(), observed, [b"early", None], receive=received.append, lost=reasons.append
        )
        return observed, received, reasons

    observed, received, reasons = asyncio.run(main())
    assert (received, reasons) == ([b"early"], ["gone"])
    assert observed.told == [("opened", None), ("received", b"early"), ("closed", False)]


def test_the_ends_of_a_line_are_told():
    line, observed = Line(), Observed()
    line.ends, line.peer = Ends(("a", 1), ("b", 2)), tcp("b:2")
    tap = asyncio.run(opened(line, observed))

    assert observed.told == [("opened", line.ends)]
    assert (tap.ends, tap.peer) == (line.ends, line.peer)


def test_a_line_that_cannot_be_opened_is_no_line():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    observed = Observed()
    tap = tapped(open_line, observed, counting())
    with pytest.raises(TransportError, match="cannot connect"):
        asyncio.run(tap(tcp(f"127.0.0.1:{port}"), None, None, 5))

    assert observed.events == []


def calling(observed, accept):
    """Where a call goes that comes in at an address which is tapped."""
    taken = []

    async def listen(_address, accept_tapped):
        taken.append(accept_tapped)

    asyncio.run(tapped_calls(listen, observed, counting())(tcp("127.0.0.1:1"), accept))
    return taken[0]


def test_calls_that_come_in_are_told_and_pass_on_unchanged():
    observed, line, heard = Observed(), Line(), []
    line.ends = Ends(("192.0.2.1", 22222), ("192.0.2.2", 49152))
    lines = []

    def accept(tap):
        lines.append(tap)
        return heard.append, lambda reason: heard.append(f"lost: {reason}")

    receive, lost = calling(observed, accept)(line)
    receive(b"post")
    lines[0].send(b"ack")
    lines[0].pause()
    lost("reset")

    assert lines[0].ends == line.ends
    assert observed.told == [
        ("opened", line.ends),
        ("received", b"post"),
        ("sent", b"ack"),
        ("closed", False),
    ]
    assert heard == [b"post", "lost: reset"]
    assert line.data == [b"ack", "paused"]


def test_a_call_that_is_not_taken_is_told_as_closed():
    observed, line = Observed(), Line()

    def refuse(tap):
        tap.close()
        return (lambda _data: None), (lambda _reason: None)

    calling(observed, refuse)(line)

    assert observed.told == [("opened", None), ("closed", True)]
    assert line.data == ["closed"]
