"""A simulated inverter behind a path: a serial port, or a USB device that passes reports.

::

    Hub ─┬─ SerialNode ─── pseudo terminal ─── serial:///path
         └─ ReportNode ─── packets of a Unix socket, 9 bytes in and 8 out ─── hidraw:///path

Both have one client, as real ones do. While the unit is unplugged, there is nothing at the path.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import socket
import tty
from abc import abstractmethod
from pathlib import Path

from rct_collector.simulator.closing import Closing
from rct_collector.simulator.hub import Hub

log = logging.getLogger(__name__)

#: Seconds between two looks whether somebody has opened the terminal: nothing tells of it.
_LOOK_S = 0.05

_READ_BYTES = 4096

#: Data bytes of a report; what is written has a number before them.
REPORT_BYTES = 8


class Node(Closing):
    """A simulated inverter at a path; a context manager that takes it away again.

    Attributes:
        hub: The unit on its loop, and its client.
        path: Where it is.
    """

    SCHEME = ""

    def __init__(self, hub: Hub, path: Path) -> None:
        """Plug it in, unless the unit is unplugged at present.

        Args:
            hub: The unit.
            path: Where nothing must be yet.

        Raises:
            FileExistsError: Something is there.
            OSError: Nothing can be made there.
        """
        if path.exists() or path.is_symlink():
            raise FileExistsError(f"{path} exists already")
        self.hub = hub
        self.path = path.absolute()
        self._loop = asyncio.get_running_loop()
        self._client: int | None = None
        self._closed = asyncio.Event()
        hub.watch(self._turn)
        if hub.open:
            self._plug()

    @property
    def address(self) -> str:
        """The address as a configuration has it."""
        return f"{self.SCHEME}://{self.path}"

    @property
    def where(self) -> str:
        """The same in words."""
        return f"at {self.address}"

    @abstractmethod
    def _plug(self) -> None:
        """Make what clients open."""

    @abstractmethod
    def _unplug(self) -> None:
        """Take it away."""

    @abstractmethod
    def _send(self, data: bytes) -> None:
        """Hand bytes to the client; what it does not take is lost."""

    @abstractmethod
    def _drop(self) -> None:
        """Be rid of the client."""

    def _attach(self) -> bool:
        """A client has come; whether it is let in."""
        try:
            self._client = self.hub.attach(self._send, self._drop)
        except ConnectionRefusedError:  # it came in while the plug was being pulled
            return False
        return True

    def _detach(self) -> None:
        """It has gone."""
        client, self._client = self._client, None
        if client is not None:
            self.hub.detach(client)

    def _heard(self, data: bytes) -> None:
        if self._client is not None:
            self.hub.receive(self._client, data)

    def _turn(self, open_: bool) -> None:  # noqa: FBT001 - a callback
        if open_ and not self._closed.is_set():
            self._plug_again()
        else:
            self._unplug()

    def _plug_again(self) -> None:
        try:
            self._plug()
        except OSError as error:
            log.warning("cannot make %s again: %s", self.path, error)

    def close(self) -> None:
        """Take it away for ever."""
        if not self._closed.is_set():
            self._closed.set()
            self.hub.close()
            self._unplug()


class SerialNode(Node):
    """A simulated inverter at a serial port: a pseudo terminal, to which the path is a link."""

    SCHEME = "serial"

    _terminal = -1
    _timer: asyncio.TimerHandle | None = None

    def _plug(self) -> None:
        self._terminal, theirs = os.openpty()
        try:
            tty.setraw(theirs)
            os.set_blocking(self._terminal, False)
            self.path.symlink_to(os.ttyname(theirs))
        except BaseException:
            os.close(self._terminal)
            self._terminal = -1
            raise
        finally:
            os.close(theirs)  # or nobody could say whether a client has it open
        self._look()

    def _unplug(self) -> None:
        self._detach()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._terminal >= 0:
            self.path.unlink(missing_ok=True)
            self._loop.remove_reader(self._terminal)
            os.close(self._terminal)
            self._terminal = -1

    def _look(self) -> None:
        """See whether somebody has opened it."""
        self._timer = None
        poll = select.poll()
        poll.register(self._terminal, 0)
        if any(event & select.POLLHUP for _, event in poll.poll(0)):
            self._timer = self._loop.call_later(_LOOK_S, self._look)
            return
        if self._attach():
            self._loop.add_reader(self._terminal, self._readable)
        else:
            self._unplug()

    def _readable(self) -> None:
        try:
            data = os.read(self._terminal, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # EIO: nobody has it open any more
            self._loop.remove_reader(self._terminal)
            self._detach()
            self._look()
            return
        self._heard(data)

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            os.write(self._terminal, data)

    def _drop(self) -> None:
        """The adapter is pulled out, and put in again if the unit still lets somebody in."""
        self._unplug()
        if self.hub.open and not self._closed.is_set():
            self._plug_again()


class ReportNode(Node):
    """A simulated inverter at USB, whose reports are packets of a Unix socket at the path."""

    SCHEME = "hidraw"

    _listener: socket.socket | None = None
    _sock: socket.socket | None = None

    def _plug(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._listener.setblocking(False)
            self._listener.bind(str(self.path))
            self._listener.listen(1)
        except BaseException:
            self._listener.close()
            self._listener = None
            raise
        self._loop.add_reader(self._listener.fileno(), self._called)

    def _unplug(self) -> None:
        self._drop()
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
            self.path.unlink(missing_ok=True)

    def _called(self) -> None:
        """Somebody opens the device; a second one has to wait."""
        if self._listener is None or self._sock is not None:
            return
        try:
            self._sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        self._sock.setblocking(False)
        self._loop.remove_reader(self._listener.fileno())
        if self._attach():
            self._loop.add_reader(self._sock.fileno(), self._readable)
        else:
            self._unplug()

    def _readable(self) -> None:
        if self._sock is None:
            return
        try:
            report = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            report = b""
        if not report:
            self._drop()
            return
        # The kernel takes the number off, if it is there, see rct_collector.transport.hidraw.
        self._heard(report[1:] if report[0] == 0 else report)

    def _send(self, data: bytes) -> None:
        if self._sock is None:
            return
        with contextlib.suppress(OSError):  # full: the newest reports are lost, as in the kernel
            for at in range(0, len(data), REPORT_BYTES):
                self._sock.send(data[at : at + REPORT_BYTES].ljust(REPORT_BYTES, b"\0"))

    def _drop(self) -> None:
        self._detach()
        sock, self._sock = self._sock, None
        if sock is not None:
            self._loop.remove_reader(sock.fileno())
            sock.close()
            if self._listener is not None:
                self._loop.add_reader(self._listener.fileno(), self._called)
