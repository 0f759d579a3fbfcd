"""The loop for many devices finds everything that the plain one finds."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from rct_collector.loop import MANY, BatchingSelector, new_event_loop


def test_few_devices_have_the_plain_loop():
    loop = new_event_loop(MANY - 1)
    assert not isinstance(loop._selector, BatchingSelector)
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
