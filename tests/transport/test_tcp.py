"""The TCP transport on loopback: what it says when it cannot, and that it says the end once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading

import pytest

from rct_collector.errors import TransportError
from rct_collector.loop import LookUps
from rct_collector.transport import READ_BYTES, Address, tcp
from rct_collector.transport.tcp import MOST_ADDRESSES, open_line


def nothing(*_):
    pass


def at(host, port):
    """An address whatever the host, also one that could not have been read."""
    return Address("tcp", f"{host}:{port}", {}, "", "")


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
            line = await open_line(at("127.0.0.1", port), received.append, lost.set_result, 5)
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
        asyncio.run(open_line(at("127.0.0.1", port), nothing, nothing, 5))


def test_an_unknown_name_is_told_in_words():
    with pytest.raises(TransportError, match="name no-such-host.invalid cannot be resolved"):
        asyncio.run(open_line(at("no-such-host.invalid", 1), nothing, nothing, 5))


@contextlib.contextmanager
def swallowing(address="127.0.0.1", port=0):
    """A port that takes no more connections and refuses none; its number."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket(family))
        full.bind((address, port))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket(family))
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def test_a_host_that_does_not_answer_is_given_up():
    with (
        swallowing() as port,
        pytest.raises(
            TransportError, match=f"no answer from 127.0.0.1:{port} within 0.2 s$"
        ) as told,
    ):
        asyncio.run(open_line(at("127.0.0.1", port), nothing, nothing, 0.2))
    assert told.value.kind == "timeout"


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
            line = await open_line(at("127.0.0.1", port), nothing, lost.set_result, 5)
            line.send(b"x")
            return await lost

    assert asyncio.run(main()) == "the device reset the connection"


def test_closing_is_not_a_loss():
    async def main(port):
        lost = []
        line = await open_line(at("127.0.0.1", port), nothing, lost.append, 5)
        line.close()
        await asyncio.sleep(0)
        return lost

    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert asyncio.run(main(silent.getsockname()[1])) == []


def test_a_device_that_does_not_read_is_given_up():
    async def main(port):
        lost = asyncio.get_running_loop().create_future()
        line = await open_line(at("127.0.0.1", port), nothing, lost.set_result, 5)
        while not lost.done():
            line.send(bytes(65536))
            await asyncio.sleep(0)
        return await lost

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        reason = asyncio.run(main(deaf.getsockname()[1]))
    assert reason == "the device does not read what it is sent"


def test_much_at_once_is_handed_on_little_by_little():
    """What one device costs at a time is what all others wait."""

    async def main():
        async def flood(reader, writer):
            writer.write(bytes(1 << 20))
            await writer.drain()
            writer.close()

        server, port = await listening(flood)
        sizes, lost = [], asyncio.get_running_loop().create_future()
        async with server:
            await open_line(
                at("127.0.0.1", port), lambda d: sizes.append(len(d)), lost.set_result, 5
            )
            await lost
        return sizes

    sizes = asyncio.run(main())
    assert sum(sizes) == 1 << 20
    assert max(sizes) <= READ_BYTES


def test_what_is_not_read_waits_and_stops_the_device():
    """With little memory of ours: the other end cannot send on."""

    async def main():
        sent = 0

        async def flood(reader, writer):
            nonlocal sent
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
            writer.transport.set_write_buffer_limits(0)
            while True:
                writer.write(bytes(4096))
                await writer.drain()
                sent += 4096

        server, port = await listening(flood)
        received, enough = 0, asyncio.Event()

        def receive(data):
            nonlocal received
            received += len(data)
            if received > 1 << 20:
                line.pause()
                enough.set()

        line = await open_line(at("127.0.0.1", port), receive, nothing, 5)
        await enough.wait()
        before, still = -1, 0
        while still < 300:  # turns of the loop in which nothing moved
            await asyncio.sleep(0)
            before, still = sent, still + 1 if sent == before else 0
        held = sent - received
        stopped = received
        enough.clear()
        line.resume()
        await enough.wait()
        line.close()
        line.pause()
        line.resume()
        server.close()
        return held, received - stopped

    held, more = asyncio.run(main())
    assert held < 1 << 20
    assert more > 0


# -- names -------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch):
    """Name → its addresses; an error is raised. Look-ups are counted."""
    known, asked = {}, []
    real = socket.getaddrinfo

    def look_up(host, port, *args, flags=0, **more):
        name = host.decode() if isinstance(host, bytes) else host
        if flags & socket.AI_NUMERICHOST or name not in known:
            return real(host, port, *args, flags=flags, **more)
        asked.append(name)
        if isinstance(known[name], BaseException):
            raise known[name]
        numeric = (real(address, port, type=socket.SOCK_STREAM) for address in known[name])
        return [info for found in numeric for info in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    known["asked"] = asked
    return known


async def opened(port, timeout=30):
    """Open a line to roof.test; where it leads."""
    line = await open_line(at("roof.test", port), nothing, nothing, timeout)
    remote = line.ends.remote[0]
    line.close()
    await asyncio.sleep(0)
    return remote


@pytest.mark.parametrize("dead", ["::1", "127.0.0.2"])
def test_a_dead_first_address_holds_nothing_up(names, dead):
    names["roof.test"] = [dead, "127.0.0.1"]
    with (
        socket.create_server(("127.0.0.1", 0)) as alive,
        swallowing(dead, alive.getsockname()[1]) as port,
    ):
        assert asyncio.run(opened(port)) == "127.0.0.1"
    assert tcp.NEXT_ADDRESS_S < 1


@pytest.mark.parametrize(
    ("addresses", "tried"),
    [
        (["::1", "127.0.0.1"], ["::1", "127.0.0.1"]),
        (["127.0.0.1", "127.0.0.1"], ["127.0.0.1"]),
        (
            ["::1", "::2", "::3", "127.0.0.1", "127.0.0.2"],
            ["::1", "127.0.0.1", "::2", "127.0.0.2", "::3"],
        ),
        ([f"127.0.0.{n}" for n in range(1, 100)], [f"127.0.0.{n}" for n in range(1, 9)]),
    ],
)
def test_families_take_turns_and_nobody_makes_us_open_a_hundred_lines(names, addresses, tried):
    async def places():
        return [str(place) for place in await tcp._places("roof.test", 1)]

    names["roof.test"] = addresses
    assert asyncio.run(places()) == tried
    assert len(tried) <= MOST_ADDRESSES


def test_an_address_that_refuses_is_followed_by_the_next_at_once(names, monkeypatch):
    monkeypatch.setattr(tcp, "NEXT_ADDRESS_S", 1e6)
    names["roof.test"] = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as alive:
        assert asyncio.run(opened(alive.getsockname()[1])) == "127.0.0.1"


def test_the_failures_of_all_addresses_are_named(names):
    names["roof.test"] = ["127.0.0.2", "127.0.0.1"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = (
        rf"cannot connect to roof.test:{port}"
        r" \(127.0.0.2: connection refused, 127.0.0.1: connection refused\)$"
    )
    with pytest.raises(TransportError, match=words) as told:
        asyncio.run(opened(port))
    assert told.value.kind == "refused"


def test_one_deadline_holds_for_all_addresses(names):
    names["roof.test"] = ["127.0.0.2", "127.0.0.3", "127.0.0.1"]
    with swallowing("127.0.0.1") as port, swallowing("127.0.0.3", port):
        words = (
            rf"no answer from roof.test:{port} within 0.6 s \(127.0.0.2: connection refused,"
            r" 127.0.0.3: no answer, 127.0.0.1: no answer\)"
        )
        with pytest.raises(TransportError, match=words) as told:
            asyncio.run(opened(port, 0.6))
    assert told.value.kind == "timeout"


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ((errno.ENETUNREACH, errno.ECONNREFUSED), "refused"),
        ((errno.ETIMEDOUT, errno.ENETUNREACH), "timeout"),
        ((errno.EMFILE, errno.EHOSTUNREACH), "unreachable"),
        ((errno.EMFILE, errno.ENOBUFS), "other"),
    ],
)
def test_the_failure_that_tells_most_of_the_device_is_its_kind(names, monkeypatch, numbers, kind):
    failing = iter(numbers)

    async def connect(place):
        raise OSError(next(failing), "so it is")

    monkeypatch.setattr(tcp, "_connect", connect)
    names["roof.test"] = ["127.0.0.2", "127.0.0.1"]
    with pytest.raises(TransportError) as told:
        asyncio.run(opened(1))
    assert told.value.kind == kind


def test_attempts_that_are_given_up_leave_nothing_open(names, monkeypatch):
    """Others are on their way, or have just come up, when one is taken. Or none, if cancelled."""
    made = []

    class Tracked(socket.socket):
        def __init__(self, *args, **more):
            super().__init__(*args, **more)
            made.append(self)

    async def main(port, *, cancel):
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", Tracked)
            task = asyncio.create_task(opened(port))
            while len(made) < 3 and not task.done():
                await asyncio.sleep(0)
            if cancel:
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return task.cancelled()

    monkeypatch.setattr(tcp, "NEXT_ADDRESS_S", 0)
    names["roof.test"] = ["127.0.0.3", "127.0.0.2", "127.0.0.1"]
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.2", one.getsockname()[1])),
        swallowing("127.0.0.3", one.getsockname()[1]) as port,
    ):
        for cancel in (False, True):
            made.clear()
            assert asyncio.run(main(port, cancel=cancel)) is cancel
            assert len(made) >= 2
            assert {sock.fileno() for sock in made} == {-1}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_AGAIN, "try again later"), "resolved: try again later"),
        (UnicodeError("label too long"), "resolved: label too long"),
    ],
)
def test_a_name_that_cannot_be_resolved_is_told_in_words(names, error, words):
    names["roof.test"] = error
    with pytest.raises(TransportError, match=words) as told:
        asyncio.run(opened(1))
    assert told.value.kind == "name"


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".test", "dach." + "ü" * 70, "a\0b"])
def test_no_name_whatsoever_is_a_bug(host):
    with pytest.raises(TransportError) as told:
        asyncio.run(open_line(at(host, 1), nothing, nothing, 30))
    assert told.value.kind == "name"


def test_an_address_is_looked_up_by_nobody(names, monkeypatch):
    async def main(port):
        line = await open_line(at("127.0.0.1", port), nothing, nothing, 30)
        line.close()
        await asyncio.sleep(0)

    def refuse(*_):
        raise AssertionError("looked up")

    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", refuse)
    with socket.create_server(("127.0.0.1", 0)) as alive:
        asyncio.run(main(alive.getsockname()[1]))


@pytest.mark.parametrize(
    ("host", "expected"),
    [("192.0.2.10", 1), ("[::1]", 1), ("roof.lan", 2), ("röof.lan", 2), ("", 2)],
)
def test_only_names_have_a_second_address_that_is_tried_beside_the_first(host, expected):
    assert tcp.descriptors(at(host, 1)) == expected


def test_a_silent_resolver_is_named_as_what_is_silent(names, monkeypatch):
    async def main():
        loop = asyncio.get_running_loop()
        loop.set_default_executor(LookUps())
        await open_line(at("roof.test", 1), nothing, nothing, 0.05)

    never = threading.Event()
    real = socket.getaddrinfo

    def silent(*args, flags=0, **more):
        return real(*args, flags=flags, **more) if flags else never.wait()

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    words = "the name roof.test cannot be resolved: no answer within 0.05 s"
    try:
        with pytest.raises(TransportError, match=words) as told:
            asyncio.run(main())
    finally:
        never.set()
    assert told.value.kind == "name"


def test_without_a_thread_for_the_look_up_it_is_tried_again_later(monkeypatch):
    def no_thread(_self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(asyncio.BaseEventLoop, "run_in_executor", lambda *_: no_thread(None))
    words = "the name roof.test cannot be looked up: can't start new thread"
    with pytest.raises(TransportError, match=words) as told:
        asyncio.run(open_line(at("roof.test", 1), nothing, nothing, 5))
    assert told.value.kind == "other"


# -- the socket itself -------------------------------------------------------------------------


@pytest.fixture
def pair():
    """A connected pair, ours small and not blocking."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with ours, theirs:
        yield ours, theirs


def test_what_the_system_has_no_room_for_follows_in_order(pair):
    """A request is sent at once; only what does not fit waits."""
    ours, theirs = pair
    theirs.settimeout(0)

    async def main():
        line = tcp.Connection(ours, nothing, nothing)
        sent = heard = b""
        numbers = iter(range(1 << 20))
        while not line._unsent:
            piece = next(numbers).to_bytes(4, "big") * 64
            line.send(piece)
            sent += piece
        line.send(b"last")
        sent += b"last"
        while len(heard) < len(sent):
            with contextlib.suppress(BlockingIOError):
                heard += theirs.recv(1 << 16)
            await asyncio.sleep(0)
        line.send(b"more")
        assert not line._unsent
        line.close()
        return sent, heard

    sent, heard = asyncio.run(main())
    assert heard == sent


def test_an_error_of_sending_is_told_afterwards_and_once(pair):
    ours, theirs = pair

    async def main():
        lost = []
        line = tcp.Connection(ours, nothing, lost.append)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
        while line._sock is not None:
            line.send(b"x")
        assert not lost, "not from within what sends"
        await asyncio.sleep(0.01)
        line.send(b"into the void")
        return lost

    (reason,) = asyncio.run(main())
    assert reason in ("the device reset the connection", "broken pipe")


def test_a_line_that_fails_and_is_closed_is_not_lost_as_well(pair):
    ours, theirs = pair

    async def main():
        lost = []
        line = tcp.Connection(ours, nothing, lost.append)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        theirs.close()
        while line._sock is not None:
            line.send(b"x")
        line.close()
        await asyncio.sleep(0.01)
        return lost

    assert asyncio.run(main()) == []


def test_a_defect_of_whoever_takes_the_bytes_ends_that_line_alone(pair):
    ours, theirs = pair

    async def main():
        told, lost = [], asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about))

        def defect(_data):
            raise ZeroDivisionError("so it is")

        tcp.Connection(ours, defect, lost.set_result)
        theirs.sendall(b"x")
        return await lost, [about["exception"] for about in told]

    reason, (error,) = asyncio.run(main())
    assert reason == "so it is"
    assert isinstance(error, ZeroDivisionError)
