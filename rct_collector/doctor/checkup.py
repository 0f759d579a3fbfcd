"""An examination on a real line: takes the lock, opens the line, keeps it open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rct_collector.config import DeviceConfig
from rct_collector.device.options import Options
from rct_collector.doctor.examiner import Examiner
from rct_collector.doctor.figures import Figures, Trouble
from rct_collector.drivers import driver as load_driver
from rct_collector.errors import BusyError, TransportError
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.lines.reconnect import CONNECT_TIMEOUT
from rct_collector.transport import Line

#: A unit that closes the line so many times before it answers anything does not want us.
MOST_REFUSALS = 3

#: Seconds before the line is opened again, each time a little longer.
REOPEN_S = 1.0


class Checkup:
    """Examines one device.

    Attributes:
        name: Configured name.
    """

    def __init__(
        self, config: DeviceConfig, seconds: float, options: Options | None = None
    ) -> None:
        """Do nothing yet.

        Args:
            config: The device.
            seconds: How long it may take.
            options: Transports, clock and lock.
        """
        options = options or Options()
        self.name = config.name
        driver = load_driver(config.driver)
        self._address = config.address
        self._opener = options.opener
        self._clock = options.clock
        self._lock = DeviceLock(config.address, config.name) if options.lock else None
        if self._lock:
            self._opener = locked(self._opener, self._lock)
        self._seconds = seconds
        self._examiner = Examiner(config, driver, seconds)
        self._line: Line | None = None
        self._lost: asyncio.Future[str] | None = None
        self._woken = asyncio.Event()
        self._trouble: Trouble | None = None
        self._hangups, self._reason = 0, ""
        self._now: Callable[[], float] = lambda: 0.0
        self._result: Figures | None = None

    async def run(self) -> None:
        """Examine; what is found can be had from :meth:`figures`, also after a cancellation."""
        self._now = asyncio.get_running_loop().time
        try:
            await self._examine()
        except BusyError as error:
            self._trouble = Trouble("busy", str(error))
        finally:
            self._result = self.figures()
            if self._line is not None:
                self._line.close()
            if self._lock:
                self._lock.release()

    def figures(self) -> Figures:
        """Everything so far, or up to the end."""
        return self._result or self._examiner.figures(
            self._now(),
            trouble=self._trouble,
            hangups=self._hangups,
            hangup_reason=self._reason,
        )

    def progress(self) -> str:
        """How far it has come, in words."""
        return self._examiner.progress(self._now()) if self._line else "connecting"

    async def _examine(self) -> None:
        """Open the line, again when it is lost, until the examiner has finished."""
        try:
            await self._open()
        except TransportError as error:
            self._trouble = Trouble(error.kind, str(error))
            return
        self._examiner.begin(self._now())
        end = self._now() + self._seconds
        while await self._pump():
            self._hangups += 1
            if not self._examiner.heard and self._hangups >= MOST_REFUSALS:
                self._trouble = Trouble("closed", self._reason)
                return
            if not await self._reopen(end):
                return

    async def _open(self) -> None:
        self._lost = lost = asyncio.get_running_loop().create_future()

        def end(reason: str) -> None:
            self._line = None
            lost.set_result(reason)
            self._woken.set()

        self._line = await self._opener(self._address, self._received, end, CONNECT_TIMEOUT)

    async def _reopen(self, end: float) -> bool:
        """Open the line again, as often as the time allows; returns whether that worked."""
        pause = REOPEN_S
        while self._now() + pause < end:
            await asyncio.sleep(pause)
            try:
                await self._open()
            except TransportError as error:
                self._reason = str(error)
                pause *= 2
            else:
                return True
        return False

    async def _pump(self) -> bool:
        """Send what is to be sent; returns True when the line is lost before the end."""
        while True:
            self._woken.clear()
            if self._lost is not None and self._lost.done():
                self._reason = self._lost.result()
                self._examiner.line_lost(self._now())
                return True
            data, wake = self._examiner.next(self._now())
            if self._examiner.finished:
                return False
            if data is not None and self._line is not None:
                self._line.send(data)
                continue
            await _until(self._woken, wake, self._now)

    def _received(self, data: bytes) -> None:
        self._examiner.receive(data, self._now(), self._clock.wall())
        self._woken.set()


async def _until(event: asyncio.Event, moment: float, now: Callable[[], float]) -> None:
    """Wait for an event, but not longer than to a moment."""
    loop = asyncio.get_running_loop()
    timer = loop.call_at(max(moment, now()), event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()
