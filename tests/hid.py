"""The device's end of a line of HID reports, for tests: a Unix socket of packets in place of USB.

``hidraw:///path/of/the/socket`` leads to it, by the same code that opens a node of ``/dev``. A unit
that is simulated hears and says reports as a real one does, see
:mod:`rct_collector.transport.hidraw`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from rct_collector.transport.hidraw import REPORT_BYTES


def reports(data: bytes, *, full: bool = True) -> list[bytes]:
    """What a device sends to say something: reports of eight bytes, the last filled up with NUL.

    Args:
        data: What is said.
        full: False for a device that sends on what it has, so that none is full.
    """
    size = REPORT_BYTES if full else REPORT_BYTES // 2
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return [piece.ljust(REPORT_BYTES, b"\0") for piece in pieces]


def said(written: Iterable[bytes]) -> bytes:
    """What was said by reports that were written to a device, without what fills them up.

    Raises:
        AssertionError: One is no report of eight bytes behind the number 0.
    """
    heard = b""
    for report in written:
        assert len(report) == 1 + REPORT_BYTES, "the kernel wants nine bytes"
        assert report[0] == 0, "and a number that stands for none"
        heard += report[1:].rstrip(b"\0")
    return heard


class Hid:
    """A device that is plugged in from the beginning to :meth:`unplug`; to be closed at last.

    Attributes:
        heard: Reports that were written to it, with their numbers.
    """

    def __init__(self, path: Path) -> None:
        """Plug it in; ``path`` takes the place of the node."""
        self.path = path
        self.heard: list[bytes] = []
        self._sock: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._listen()

    def __enter__(self) -> Hid:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    def _listen(self) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.setblocking(False)
        self._listener.bind(str(self.path))
        self._listener.listen(0)

    def _end(self) -> socket.socket:
        """The end of whoever has it open, who is alone, as the lock of a node has it.

        Raises:
            BlockingIOError: Nobody has.
        """
        if self._sock is None and self._listener is not None:
            self._sock, _ = self._listener.accept()
            self._sock.setblocking(False)
            self.refuse()
        assert self._sock is not None, "it is plugged in"
        return self._sock

    @property
    def is_plugged(self) -> bool:
        """Whether somebody has it open, or may open it."""
        return self._sock is not None or self._listener is not None

    def refuse(self) -> None:
        """Let nobody open it, though it is plugged in."""
        if self._listener is not None:
            self._listener.close()
        self._listener = None

    def say(self, data: bytes, *, full: bool = True) -> None:
        """Say something; see :func:`reports`."""
        for report in reports(data, full=full):
            self.report(report)

    def report(self, report: bytes) -> None:
        """Send one report as it is."""
        self._end().send(report)

    def hear(self) -> list[bytes]:
        """Take what was written since the last time; it is also appended to ``heard``."""
        new = []
        while True:
            try:
                report = self._end().recv(4096)
            except BlockingIOError:
                break
            except ConnectionResetError:  # closed with something unread
                report = b""
            if not report:  # nobody has it open any more
                self._end().close()
                self._sock = None
                self.path.unlink()
                self._listen()
                break
            new.append(report)
        self.heard += new
        return new

    def unplug(self) -> None:
        """Pull it out: the line ends, and the node vanishes."""
        self.refuse()
        if self._sock is not None:
            self._sock.close()
        self._sock = None
        self.path.unlink(missing_ok=True)
