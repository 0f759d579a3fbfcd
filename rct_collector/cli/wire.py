"""A line to a device, used step by step: by a command that sends, and waits for each answer."""

from __future__ import annotations

import asyncio

from rct_collector.errors import TransportError
from rct_collector.lines.lock import DeviceLock
from rct_collector.loop import new_event_loop
from rct_collector.transport import Address, open_line, parse_address
from rct_collector.transport.address import Ways

#: Seconds that opening may take.
_OPEN_S = 10.0


class StepwiseLine:
    """An open line; nobody else on this host collects from that device meanwhile."""

    def __init__(self, address: Address) -> None:
        """Open it.

        Args:
            address: Of the device.

        Raises:
            BusyError: Another process on this host has it.
            TransportError: It cannot be opened.
        """
        self._came = bytearray()
        self._reason: str | None = None
        self._event = asyncio.Event()
        self._lock = DeviceLock(address)
        self._lock.acquire()
        self._runner = asyncio.Runner(loop_factory=lambda: new_event_loop(1))
        try:
            self._line = self._runner.run(open_line(address, self._receive, self._lost, _OPEN_S))
            self._lock.confirm(getattr(self._line, "peer", None))
        except BaseException:
            self._runner.close()
            self._lock.release()
            raise

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._line.send(data)

    def receive(self, seconds: float) -> bytes:
        """Wait for bytes.

        Args:
            seconds: At most so long.

        Returns:
            What has come; nothing when nothing has.

        Raises:
            TransportError: The line was lost.
        """
        if not self._came and self._reason is None:
            self._runner.run(self._wait(seconds))
        if self._reason is not None and not self._came:
            raise TransportError(self._reason)
        data = bytes(self._came)
        self._came.clear()
        self._event.clear()
        return data

    def close(self) -> None:
        """Close it."""
        self._line.close()
        self._runner.close()
        self._lock.release()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            pass

    def _receive(self, data: bytes) -> None:
        self._came += data
        self._event.set()

    def _lost(self, reason: str) -> None:
        self._reason = reason
        self._event.set()


def address_of(text: str, ways: Ways) -> Address:
    """Read an address.

    Args:
        text: As a user wrote it; a bare path is a serial port.
        ways: Schemes that are taken, with what need not be written.

    Raises:
        Invalid: With what would be right.
    """
    return parse_address(f"serial://{text}" if text.startswith("/") else text, ways)
