"""Virtual time: an event loop whose clock jumps to the next timer, and lines without sockets.

A day of a device takes seconds, nothing sleeps, and every run is the same.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.device.state import WRITER
from rct_collector.errors import TransportError
from rct_collector.model import Batch, Value
from rct_collector.transport import READ_BYTES

#: Wall clock at the start of every virtual run: 2026-06-21 10:00:03.5 UTC.
START = 1_782_036_003.5


#: Bytes that wait in a network while nobody reads them.
MOST_HELD = 128 * 1024


class _JumpingSelector(selectors.SelectSelector):
    """Does not wait for time to pass; moves the loop's clock instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Any:
        # Where no file is watched but the loop's own, by which threads wake it up, there is nothing
        # to look for as long as it has something to do: to ask the system takes time, too.
        ready = super().select(0) if timeout is None or len(self.get_map()) > 1 else []
        if not ready:
            if timeout is None:
                raise RuntimeError("the virtual loop waits for nothing: a deadlock")
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, beginning at 1000 s."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """At once: a thread knows no virtual time."""
        done = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done


class AtOnce(ThreadPoolExecutor):
    """An executor that calls where it is told to: threads know no virtual time."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **named))
        except Exception as error:
            future.set_exception(error)
        return future


class VirtualClock:
    """Wall clock on a virtual loop; ``step`` moves it.

    Attributes:
        kept: Somebody keeps it right.
    """

    def __init__(self, loop: VirtualLoop, start: float = START, *, kept: bool = True) -> None:
        self._loop = loop
        self._begun = loop.time()
        self.offset = start - loop.time()
        self.kept = kept

    def step(self, seconds: float) -> None:
        self.offset += seconds

    def wall(self) -> float:
        return self._loop.time() + self.offset

    def wall_ns(self) -> int:
        return round(self.wall() * 1e9)

    def is_kept(self) -> bool:
        return self.kept

    def since_boot(self) -> float:
        return self._loop.time() - self._begun


class Wire:
    """A line to something with ``receive(client, data, now)``, ``next_due`` and ``pull``.

    That is the simulator's bridge, or anything a test puts in its place.
    """

    def __init__(self, bridge: Any, receive: Callable[[bytes], None], lost: Callable[[str], None]):
        self._bridge = bridge
        self._receive = receive
        self.lost: Callable[[str], None] | None = lost
        self._client = bridge.connect()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._held: bytearray | None = None

    def send(self, data: bytes) -> None:
        self._bridge.receive(self._client, data, self._loop.time())
        self._arm()

    def pause(self) -> None:
        self._held = bytearray() if self._held is None else self._held

    def resume(self) -> None:
        held, self._held = self._held or bytearray(), None
        while held and self.lost is not None and self._held is None:
            self._receive(bytes(held[:READ_BYTES]))
            del held[:READ_BYTES]
        if held:  # paused again
            self._held = held

    def close(self) -> None:
        self.lost = None
        self._bridge.disconnect(self._client)
        if self._timer is not None:
            self._timer.cancel()

    def cut(self, reason: str = "the device reset the connection") -> None:
        lost, self.lost = self.lost, None
        if self._timer is not None:
            self._timer.cancel()
        self._bridge.disconnect(self._client)
        if lost is not None:
            lost(reason)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self._bridge.next_due()
        if due is not None and self.lost is not None:
            self._timer = self._loop.call_at(due, self._deliver)

    def _deliver(self) -> None:
        for segment in self._bridge.pull(self._loop.time()):
            if self._held is not None:
                # What no buffer on the way has room for stays in the unit, and is lost there.
                self._held += segment[: max(MOST_HELD - len(self._held), 0)]
            elif self.lost is not None:
                self._receive(segment)
        self._arm()


class Plug:
    """An opener that leads to a bridge, and can refuse."""

    def __init__(self, bridge: Any) -> None:
        self.bridge = bridge
        self.refuse = ""
        self.attempts: list[float] = []
        self.wires: list[Wire] = []

    async def __call__(self, address, receive, lost, timeout):
        self.attempts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(0.005)
        if self.refuse:
            raise TransportError(self.refuse)
        wire = Wire(self.bridge, receive, lost)
        self.wires.append(wire)
        return wire

    def cut(self) -> None:
        self.wires[-1].cut()


class Charged:
    """An opener behind which work takes its time.

    The processor time that is spent on bytes when they arrive passes on the virtual loop too, as it
    does on a real one: whoever waits meanwhile, waits.
    """

    def __init__(self, loop: VirtualLoop, opener: Any) -> None:
        self._loop = loop
        self._opener = opener

    async def __call__(self, address, receive, lost, timeout):
        def charged(data: bytes) -> None:
            began = time.thread_time()
            receive(data)
            self._loop.now += time.thread_time() - began

        return await self._opener(address, charged, lost, timeout)


class Recorder:
    """Keeps every batch."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def __call__(self, batch: Batch) -> None:
        self.batches.append(batch)

    def values(self) -> dict[str, list[tuple[int, Value]]]:
        """Series name → (time, value), in order of publication."""
        found: dict[str, list[tuple[int, Value]]] = {}
        for batch in self.batches:
            for series, value in batch.values:
                found.setdefault(series.name, []).append((batch.time_ns, value))
        return found

    def last(self) -> dict[str, Value]:
        return {name: items[-1][1] for name, items in self.values().items()}


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine function in virtual time."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        WRITER.finish(10.0)  # its thread knows no virtual time
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        asyncio.set_event_loop(None)


@contextmanager
def untraced() -> Iterator[None]:
    """Switch off what measures coverage: a simulated day would take minutes under it.

    Shorter tests run the same lines.
    """
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


async def collect(device: Device, seconds: float) -> None:
    """Run a device for some virtual time."""
    task = asyncio.create_task(device.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def options(loop: VirtualLoop, plug: Plug, **more: Any) -> Options:
    """Options of a device in virtual time."""
    return Options(clock=VirtualClock(loop), opener=plug, lock=False, **more)
