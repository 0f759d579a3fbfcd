"""Simulated inverters that call a collector, without sockets, for tests in virtual time."""

from __future__ import annotations

import asyncio

from rct_collector.errors import TransportError
from rct_collector.transport.base import Ends


class Call:
    """One connection between a simulated inverter and the collector, as that sees it."""

    def __init__(self, exchange, hub, number):
        self.over = asyncio.Event()
        self.ends = Ends(("192.0.2.1", 22222), (f"198.51.100.{number % 250}", 1024 + number))
        self._exchange, self._hub = exchange, hub
        self._loop = asyncio.get_running_loop()
        self._held = None
        self._receive, self._lost = exchange.accept(self)
        self._client = hub.attach(self._arrived, self._dropped)

    def send(self, data):
        if not self.over.is_set():
            self._loop.call_later(self._exchange.delay, self._hub.receive, self._client, data)

    def pause(self):
        self._held = self._held or bytearray()

    def resume(self):
        held, self._held = self._held or b"", None
        if held and not self.over.is_set():
            self._receive(bytes(held))

    def close(self):
        self._end()

    def _arrived(self, data):
        if self._held is not None:
            self._held += data
        else:
            self._loop.call_later(self._exchange.delay, self._deliver, data)

    def _deliver(self, data):
        if not self.over.is_set():
            self._receive(data)

    def _dropped(self):
        if self._end():
            self._lost("the device reset the connection")

    def _end(self):
        if self.over.is_set():
            return False
        self.over.set()
        self._hub.detach(self._client)
        return True


class Exchange:
    """A network in which inverters call; listens in place of a transport.

    Attributes:
        delay: Seconds that bytes take on their way.
        calls: Connections that were made.
    """

    def __init__(self, inverters, *, delay=0.02, retry_s=5.0):
        self.delay, self.calls, self.accept = delay, 0, None
        self._retry_s = retry_s
        self._inverters = inverters
        self._open = set()
        self._tasks = []

    async def __call__(self, _address, accept):
        if self.accept is not None:
            raise TransportError("somebody listens already")
        self.accept = accept
        return self

    def close(self):
        """Nobody listens any more; see :class:`.transport.base.ListeningServer`."""
        self.accept = None

    def start(self):
        """Let all inverters call, again and again."""
        self._tasks = [asyncio.create_task(self._dial(unit.hub())) for unit in self._inverters]

    async def stop(self):
        """The end."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for inverter in self._inverters:
            inverter.hub().close()

    def crash(self):
        """Whoever listens is gone from one moment to the next, with all that it held."""
        self.accept = None
        for call in list(self._open):
            call._end()

    async def _dial(self, hub):
        while True:
            if self.accept is not None and hub.open:
                self.calls += 1
                call = Call(self, hub, self.calls)
                self._open.add(call)
                await call.over.wait()
                self._open.discard(call)
            await asyncio.sleep(self._retry_s)
