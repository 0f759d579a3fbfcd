"""A simulated inverter that calls: it dials by itself, and again when the connection is over."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from rct_collector.simulator.closing import Closing
from rct_collector.simulator.hub import Hub
from rct_collector.simulator.server import HubClient
from rct_collector.transport import hosts
from rct_collector.transport.tcp import explain

log = logging.getLogger(__name__)

#: Seconds between two calls: the first time, and at most; each time twice as long as before, until
#: a call has lasted.
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0


class Dialler(Closing):
    """Dials for a simulated inverter; a context manager that hangs up for ever.

    While the inverter has no connection to the world, nobody is dialled.

    Attributes:
        hub: The unit on its loop.
        host: Who is called.
        port: Port there.
        attempts: How many times somebody was called.
    """

    def __init__(self, hub: Hub, host: str, port: int, *, retry_s: float = FIRST_RETRY_S) -> None:
        """Begin to dial, on the running loop.

        Args:
            hub: The unit on its loop.
            host: Who is called.
            port: Port there.
            retry_s: Seconds from the end of the first call to the next one.
        """
        self.hub, self.host, self.port, self.attempts = hub, host, port, 0
        self._retry_s = retry_s
        self._over = asyncio.Event()
        self._wake = asyncio.Event()
        hub.watch(lambda _open: self._wake.set())
        self._task = asyncio.get_running_loop().create_task(self._dial())

    @property
    def address(self) -> str:
        """Who is called."""
        return f"tcp://{hosts.joined(self.host, self.port)}"

    @property
    def where(self) -> str:
        """The same in words."""
        return f"calls {self.address}"

    def close(self) -> None:
        """Hang up, and do not call again."""
        self._task.cancel()
        self.hub.close()

    async def wait_closed(self) -> None:
        """Wait until all that is done."""
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _dial(self) -> None:
        pause = self._retry_s
        while True:
            self._wake.clear()
            if not self.hub.open:
                await self._wake.wait()
                continue
            began = asyncio.get_running_loop().time()
            await self._call()
            if asyncio.get_running_loop().time() - began > LAST_RETRY_S:
                pause = self._retry_s
            await asyncio.sleep(pause)
            pause = min(2.0 * pause, LAST_RETRY_S)

    async def _call(self) -> None:
        """One call, from its begin to its end."""
        self.attempts += 1
        self._over.clear()
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(
                lambda: HubClient(self.hub, self._over.set), self.host, self.port
            )
        except OSError as error:
            log.debug("cannot call %s: %s", self.address, explain(error))
            return
        await self._over.wait()
