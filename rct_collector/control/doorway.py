"""The way from the lock of a line to those who answer at it; loaded when somebody speaks."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from rct_collector.config import DeviceConfig
from rct_collector.control.broker import Broker, Line
from rct_collector.device.options import Options

if TYPE_CHECKING:
    from rct_collector.control.door import DoorServer


def opened(options: Options, broker: Broker) -> Options:
    """The same options, with which the locks of devices are doors.

    Args:
        options: Of all devices.
        broker: What is told there.
    """

    def reception(config: DeviceConfig) -> Doorway:
        return Doorway(broker, config.line)

    return replace(options, reception=reception)


class Doorway:
    """The way from one lock."""

    def __init__(self, broker: Broker, line: Line) -> None:
        """Nobody has called yet.

        Args:
            broker: Of the process.
            line: What the lock is of.
        """
        self._broker = broker
        self._line = line
        self._server: DoorServer | None = None

    def admit(self, call: socket.socket) -> None:
        """Take a connection over; see :class:`rct_collector.lines.lock.Reception`."""
        if _has_gone(call):  # who has the lock was all that was to be known
            call.close()
            return
        if self._server is None:
            from rct_collector.control.door import DoorServer

            self._server = DoorServer(self._broker, self._line)
        self._server.admit(call)

    def close(self) -> None:
        """The lock is given back."""
        if self._server is not None:
            self._server.close()


def _has_gone(call: socket.socket) -> bool:
    """Whether the other end was closed without having said anything."""
    with contextlib.suppress(BlockingIOError, InterruptedError):
        try:
            return not call.recv(1, socket.MSG_PEEK)
        except ConnectionError:
            return True
    return False
