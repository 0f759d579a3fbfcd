"""Keeps one line to a device open: opens it, watches it, opens it again.

Loss and recovery are each said once, however often connecting fails in between, and a line that
is lost for moments again and again is not told of each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable
from typing import Generic

from rct_collector.errors import BusyError, TransportError
from rct_collector.lines.retry import reconnect_delay
from rct_collector.reports import Reports
from rct_collector.tasks import Flag, cancelled
from rct_collector.transport import Address, Line
from rct_collector.transport.base import Held, Opening, Receive

log = logging.getLogger(__name__)

#: Seconds for looking up the name and connecting.
CONNECT_TIMEOUT = 5.0

#: A line that was told of once in an hour is told of again only when it stays lost for so long, in
#: seconds; the reconnects are counted anyway.
LASTING_S = 60.0
#: And that not for ever: so often in an hour.
MOST_OUTAGES = 3


class Link(Generic[Held]):
    """Keeps one line open, or what listens for those who dial in.

    Attributes:
        excused: Something was told of that brings losses with it, which are not told of as well.
        yields: Whoever else has the device is to have it: that is nothing to complain of.
        opened: Times that the line was opened.
        attempted: Set once the first attempt to open it has ended, well or not.
        judged: Set once it is known whether the line that was opened last, or was to be, is of use.
        last_error: Why it is not open, or was lost the last time; "" once it has proved useful.
        rejection: Why what was at its other end was of no use the last time; "" for nothing.
    """

    __slots__ = (
        "_address",
        "_again",
        "_changed",
        "_complained",
        "_counted",
        "_end",
        "_hurry",
        "_line",
        "_lost_at",
        "_opener",
        "_proven",
        "_receive",
        "_reports",
        "attempted",
        "excused",
        "judged",
        "last_error",
        "opened",
        "rejection",
        "yields",
    )

    def __init__(
        self,
        reports: Reports,
        opener: Opening[Held],
        address: Address,
        receive: Receive,
        changed: Callable[[bool], None],
        *,
        again: str = "answers again",
    ) -> None:
        """Do nothing yet.

        Args:
            reports: Where messages go.
            opener: Transport.
            address: Where it leads.
            receive: Called with bytes.
            changed: Called with True when the line is open, with False when it is lost.
            again: What a place does again, in words, that was complained of.
        """
        self._reports = reports
        self._again = again
        self._opener = opener
        self._address = address
        self._receive = receive
        self._changed = changed
        self._line: Held | None = None
        self._end: asyncio.Future[str] | None = None
        self._proven = False
        self._complained = False
        self._counted = ""
        self._lost_at = -math.inf
        self.excused = False
        self.yields = False
        self._hurry = Flag()
        self.attempted = Flag()
        self.judged = Flag()
        self.opened = 0
        self.last_error = ""
        self.rejection = ""

    @property
    def is_open(self) -> bool:
        """Whether bytes can be sent."""
        return self._line is not None

    @property
    def is_proven(self) -> bool:
        """Whether anything useful came over the line that is open, or was open last."""
        return self._proven

    async def run(self) -> None:
        """Keep the line open until cancelled, whatever goes wrong: nobody else would open it."""
        attempt = 0
        try:
            while True:
                attempt += 1
                try:
                    await self._guarded()
                except Exception as error:  # noqa: BLE001 - told of, and tried again
                    self._failed(error)
                    await self._pause(reconnect_delay(attempt))
                else:
                    attempt = 0
                    await asyncio.sleep(1)
        finally:
            self.close()

    def hurry(self) -> None:
        """What was in the way has gone: try again now, if it is waited for that."""
        self._hurry.set()

    async def _pause(self, seconds: float) -> None:
        self._hurry.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()

    async def _guarded(self) -> None:
        """Hold the line; what fails leaves none open.

        Raises:
            Exception: Anything.
        """
        try:
            await self._hold()
        except asyncio.CancelledError as error:
            if cancelled():
                raise
            raise TransportError("what the line waited for was cancelled") from error
        except TransportError:
            raise
        except Exception:
            if self._line is not None:
                self.close()
                self._changed(False)
            raise

    async def _hold(self) -> None:
        """Open the line and stay until it is lost.

        Raises:
            TransportError: It could not be opened, or was lost before anything useful came, so
                that the pauses must go on growing.
            BusyError: Another process collects from the device.
        """
        self._line = await self._opener(self._address, self._receive, self._lost, CONNECT_TIMEOUT)
        self._end = asyncio.get_running_loop().create_future()
        self.opened += 1
        self.judged.clear()
        self.attempted.set()
        self._proven = False
        self._changed(True)
        reason = await self._end
        if not self._proven:
            raise TransportError(reason)
        self._lost_at = asyncio.get_running_loop().time()
        self._counted = ""
        self._complain(reason)

    def proven(self) -> None:
        """Something useful came over the line: it is the right one, and works."""
        if self._proven:
            return
        self._proven, self.last_error, self.rejection = True, "", ""
        self.judged.set()
        if self._complained:
            log.info("%s: %s %s", self._reports.name, self._address.place, self._again)
            self._complained = False

    def send(self: Link[Line], data: bytes) -> None:
        """Send bytes over the open line."""
        if self._line is not None:
            self._line.send(data)

    def pause(self: Link[Line]) -> None:
        """Read nothing for now."""
        if self._line is not None:
            self._line.pause()

    def resume(self: Link[Line]) -> None:
        """Read again."""
        if self._line is not None:
            self._line.resume()

    def drop(self, reason: str) -> None:
        """Give the line up and open it anew.

        Args:
            reason: Words for people.
        """
        if self._line is not None:
            self.close()
            self._lost(reason)

    def reject(self, reason: str) -> None:
        """Give the line up, since it is of no use: whatever came over it proves nothing.

        Args:
            reason: Words for people.
        """
        self._proven, self.rejection = False, reason
        self.drop(reason)

    def close(self) -> None:
        """Close the line."""
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _lost(self, reason: str) -> None:
        self._line, self.last_error = None, reason
        if self._end is not None and not self._end.done():
            self._end.set_result(reason)
        self._changed(False)

    def _failed(self, error: Exception) -> None:
        self.attempted.set()
        self.judged.set()
        if isinstance(error, BusyError) and self.yields:
            self.last_error = str(error)
        elif isinstance(error, BusyError):
            self._complain(str(error), logging.ERROR)
        elif isinstance(error, TransportError):
            self._complain(str(error))
        else:
            self._defect(error)

    def _defect(self, error: Exception) -> None:
        """Tell of what is no trouble of the line, whatever was told of that."""
        self.last_error = f"bug: {error!r}"
        text = "bug; trying again until it works"
        self._complained |= self._reports.say(
            log, logging.ERROR, "defect", text, most=1, exc_info=error
        )

    def _complain(self, reason: str, loud: int = logging.WARNING) -> None:
        """Say it once, and of bad Wi-Fi not each time; the rest is for those who debug."""
        self.last_error = reason
        now = asyncio.get_running_loop().time()
        kind, most = ("outage", MOST_OUTAGES) if now - self._lost_at >= LASTING_S else ("loss", 1)
        if self._complained or self.excused or kind == self._counted:
            log.debug("%s: %s", self._reports.name, reason)
            return
        self._counted = kind
        text = "%s; trying again until it works"
        self._complained = self._reports.say(log, loud, kind, text, reason, most=most)
