"""What a service tells systemd: that it is ready, how it does, that it is alive.

Each message is a datagram of lines ``NAME=value``, to a socket that the environment names. It is
sent or it waits; the service never does.

Source: sd_notify(3), sd_watchdog_enabled(3) and systemd.service(5) of systemd 252.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import deque
from collections.abc import MutableMapping

log = logging.getLogger(__name__)

#: Messages that wait while nobody takes them; then the oldest go.
_MOST_WAITING = 16

_SOCKET, _WATCHDOG_USEC, _WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"


class Notifier:
    """Tells the manager of services; without one it does nothing.

    Attributes:
        watchdog_s: Seconds within which the manager wants to hear that all is well, again and
            again; None where it does not care.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        """Prepare.

        Args:
            address: Path of the manager's socket, or its abstract name behind an ``@``; "" for
                none.
            watchdog_s: As the attribute.
        """
        self.watchdog_s = watchdog_s
        self._name = f"\0{address[1:]}" if address.startswith("@") else address
        self._waiting: deque[bytes] = deque(maxlen=_MOST_WAITING)
        self._socket: socket.socket | None = None
        if address and not address.startswith(("/", "@")):
            log.warning("%s: found %r, expected a path or an abstract name", _SOCKET, address)
        elif address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @classmethod
    def inherited(cls, environment: MutableMapping[str, str] = os.environ) -> Notifier:
        """What the environment names; it is taken out, since it is not meant for children."""
        address = environment.pop(_SOCKET, "")
        microseconds = environment.pop(_WATCHDOG_USEC, "")
        process = environment.pop(_WATCHDOG_PID, "") or str(os.getpid())
        wanted = microseconds.isdecimal() and int(microseconds) and process == str(os.getpid())
        return cls(address, int(microseconds) / 1e6 if wanted else None)

    def ready(self, status: str) -> None:
        """The service does its work, or does it again after :meth:`reloading`.

        Args:
            status: As for :meth:`status`.
        """
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """The configuration is read again; :meth:`ready` follows."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The service comes to its end."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """How the service does, in words for people; one line."""
        self._tell(_status(text))

    def alive(self) -> None:
        """All is well; otherwise the manager ends the process and starts another one."""
        self._tell("WATCHDOG=1")

    def close(self) -> None:
        """Tell nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, *lines: str) -> None:
        if self._socket is None:
            return
        self._waiting.append("\n".join(lines).encode())
        while self._waiting:
            try:
                self._socket.sendto(self._waiting[0], self._name)
            except BlockingIOError:  # it has too much to do; with the next message
                return
            except OSError as error:
                log.warning("the manager of services cannot be told: %s", error.strerror or error)
            self._waiting.popleft()


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"
