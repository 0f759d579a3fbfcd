"""The loop for many devices finds everything that the plain one finds."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import threading
import time

import pytest

from rct_collector.loop import MANY, MOST_THREADS, BeatingSelector, LookUps, new_event_loop
from rct_collector.transport import READ_BYTES
from rct_collector.transport.tcp import Connection


def test_few_devices_have_the_plain_loop():
    loop = new_event_loop(MANY - 1)
    assert not isinstance(loop._selector, BeatingSelector)
    loop.close()


@pytest.mark.parametrize("devices", [1, MANY])
def test_timers_threads_and_sockets_work(devices):
    async def main(ours, theirs):
        order = []
        asyncio.get_running_loop().call_later(0.002, order.append, "timer")
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"ping")
        await writer.drain()
        theirs.sendall(b"pong")
        order.append((await reader.readexactly(4)).decode())
        order.append(await asyncio.to_thread(lambda: "thread"))
        await asyncio.sleep(0.02)
        writer.close()
        await writer.wait_closed()
        return set(order)

    ours, theirs = socket.socketpair()
    with theirs, asyncio.Runner(loop_factory=lambda: new_event_loop(devices)) as runner:
        assert runner.run(main(ours, theirs)) == {"timer", "pong", "thread"}


@pytest.mark.parametrize("devices", [1, MANY])
def test_nobody_waits_for_a_look_up_that_hangs(devices):
    async def main():
        loop = asyncio.get_running_loop()
        hanging = loop.run_in_executor(None, never.wait)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(hanging, 0.01)

    never = threading.Event()
    before = set(threading.enumerate())
    started = time.monotonic()
    with asyncio.Runner(loop_factory=lambda: new_event_loop(devices)) as runner:
        runner.run(main())
    assert time.monotonic() - started < 5
    (left,) = set(threading.enumerate()) - before
    assert left.daemon
    never.set()
    left.join(5)


def test_a_look_up_that_fails_says_so():
    async def main():
        with pytest.raises(OSError, match="no such"):
            await asyncio.get_running_loop().run_in_executor(None, fail)

    def fail():
        raise OSError("no such name")

    with asyncio.Runner(loop_factory=lambda: new_event_loop(1)) as runner:
        runner.run(main())


def test_what_floods_is_read_without_waiting_for_the_next_look(monkeypatch):
    """Else it would look like one who speaks at a moderate pace, and all it says for old."""
    naps, pieces, size = [], [], 10 * READ_BYTES

    async def main(sock):
        everything = asyncio.get_running_loop().create_future()

        def receive(data):
            pieces.append(len(naps))
            if len(pieces) == size // READ_BYTES:
                everything.set_result(None)

        connection = Connection(sock, receive, everything.set_exception)
        await asyncio.wait_for(everything, 30)
        connection.close()

    nap = BeatingSelector._nap
    monkeypatch.setattr(
        BeatingSelector, "_nap", lambda self, now: naps.append(now) or nap(self, now)
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    ours.setblocking(False)
    with theirs, asyncio.Runner(loop_factory=lambda: new_event_loop(MANY)) as runner:
        theirs.sendall(bytes(size))
        runner.run(main(ours))
    assert len(set(pieces)) == 1, "all of it after the same nap"


class Resolver:
    """Answers when it is told to; counts questions, and threads that wait for it."""

    def __init__(self):
        self.begun = threading.Event()
        self.over = threading.Event()
        self.asked = []
        self.threads = set()

    def __call__(self, name):
        self.asked.append(name)
        self.begun.set()
        self.threads.add(threading.get_ident())
        assert self.over.wait(60)
        return f"address of {name}"


@pytest.fixture
def resolver():
    made = Resolver()
    yield made
    made.over.set()


def look_ups():
    return [thread for thread in threading.enumerate() if thread.name == "look-up"]


def wait_until_gone(threads):
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_three_hundred_names_hold_a_few_threads(resolver):
    executor = LookUps()
    answers = [executor.submit(resolver, f"unit{n}") for n in range(300)]
    threads = look_ups()
    assert len(threads) == MOST_THREADS
    assert all(thread.daemon for thread in threads)
    resolver.over.set()
    assert [answer.result(60) for answer in answers] == [f"address of unit{n}" for n in range(300)]
    assert len(resolver.threads) <= MOST_THREADS
    wait_until_gone(threads)


def test_a_name_is_asked_for_once_however_many_wait(resolver):
    executor = LookUps()
    answers = [executor.submit(resolver, "roof") for _ in range(50)]
    assert len(look_ups()) == 1
    assert answers[0].cancel()
    resolver.over.set()
    assert {answer.result(60) for answer in answers[1:]} == {"address of roof"}
    assert resolver.asked == ["roof"]
    wait_until_gone(look_ups())
    assert executor.submit(resolver, "roof").result(60) == "address of roof"
    assert resolver.asked == ["roof", "roof"], "an answer is not kept"


def test_who_gives_up_again_and_again_leaves_nothing_behind(resolver):
    executor = LookUps(most=1)
    executor.submit(resolver, "stuck")
    assert resolver.begun.wait(60)
    for _ in range(1000):
        executor.submit(resolver, "stuck").cancel()
        executor.submit(resolver, "roof").cancel()
    assert max(len(question._waiting) for question in executor._open.values()) <= 2
    assert len(executor._queue) <= 1
    threads = look_ups()
    resolver.over.set()
    wait_until_gone(threads)
    assert resolver.asked == ["stuck"], "what nobody waits for any more is not asked"
    assert not executor._open


def test_a_failure_reaches_all_who_wait(resolver):
    def fail(name):
        resolver(name)
        raise OSError("no such name")

    executor = LookUps()
    answers = [executor.submit(fail, "roof") for _ in range(3)]
    resolver.over.set()
    for answer in answers:
        with pytest.raises(OSError, match="no such name"):
            answer.result(60)


def test_without_a_new_thread_those_that_are_there_do(resolver, monkeypatch):
    executor = LookUps()
    first = executor.submit(resolver, "roof")

    def start(self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        second = executor.submit(resolver, "barn")
        with pytest.raises(RuntimeError, match="can't start"):
            LookUps().submit(resolver, "barn")
    resolver.over.set()
    assert first.result(60), second.result(60)
    assert resolver.asked == ["roof", "barn"]


def test_a_look_up_for_which_there_was_no_thread_can_be_asked_again(monkeypatch):
    def start(self):
        raise RuntimeError("can't start new thread")

    executor = LookUps()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(RuntimeError):
            executor.submit(str, "roof")
    assert executor.submit(str, "roof").result(60) == "roof"


@pytest.mark.slow
@pytest.mark.parametrize("devices", [1, MANY])
def test_what_nobody_notices_is_logged(devices, caplog):
    """A callback that fails, and a task that nobody waits for."""

    async def main():
        loop = asyncio.get_running_loop()
        loop.call_soon(broken)
        task = loop.create_task(broken_task())
        await asyncio.sleep(0.01)
        del task
        gc.collect()
        await asyncio.sleep(0)

    def broken():
        raise ZeroDivisionError("in a callback")

    async def broken_task():
        raise ZeroDivisionError("in a task")

    with (
        caplog.at_level(logging.ERROR),
        asyncio.Runner(loop_factory=lambda: new_event_loop(devices)) as runner,
    ):
        runner.run(main())
    assert {r.name for r in caplog.records} == {"rct_collector.loop"}
    assert {str(r.exc_info[1]) for r in caplog.records} == {"in a callback", "in a task"}
