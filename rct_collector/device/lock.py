"""One collector per device and host: a second one would share the device's only line.

The lock is a socket in Linux's abstract name space: it needs no folder that both collectd and
Telegraf may write to, it cannot be left behind, and it tells who holds it. Elsewhere there is
no lock.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import struct
import sys
import zlib

from rct_collector.config import Address
from rct_collector.errors import BusyError

log = logging.getLogger(__name__)

#: Bytes that the name of a socket may have.
_LONGEST = 107

#: Processes that may ask who holds the lock; nobody ever takes their calls.
_CALLERS = 128


class DeviceLock:
    """Held from :meth:`acquire` to :meth:`release`, or to the end of the process."""

    def __init__(self, address: Address, port: int) -> None:
        """Name the lock.

        Args:
            address: Address of the device.
            port: Port, once the driver's default is applied.
        """
        place = f"{address.scheme}/{address.host.lower().rstrip('.')}/{port}"
        name = f"\0rct-collector/{place}".encode()
        if len(name) > _LONGEST:
            # No cryptographic hash: its library alone would cost the shim 3 MB.
            name = name[: _LONGEST - 9] + b"/%08x" % zlib.crc32(place.encode())
        self._name = name
        self._socket: socket.socket | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            BusyError: Another process has it; the message names it.
        """
        if self._socket is not None or not sys.platform.startswith("linux"):
            return
        with contextlib.ExitStack() as undo:
            try:
                sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                sock.bind(self._name)
                sock.listen(_CALLERS)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise BusyError(
                        f"already collected by {self._holder()} on this host; a device serves one"
                        " collector at a time, so stop one of the two"
                    ) from error
                log.info("no lock: %s", error.strerror or error)
                return
            undo.pop_all()
        self._socket = sock

    def release(self) -> None:
        """Give the lock back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _holder(self) -> str:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(0.2)
            peer.connect(self._name)
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            pid = struct.unpack("3i", credentials)[0]
            if pid:  # 0 is a process outside of our container
                return f"process {pid}"
        return "another process"
