"""Keeps what goes over the lines of a device in a pcap file, and counts it."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from rct_collector.capture.direct import LINK as DIRECT
from rct_collector.capture.recording import (
    NOWHERE,
    RAW_IP,
    PcapFile,
    RecordedConversation,
    RecordedLine,
)
from rct_collector.cli.files import check_replaceable, unwritable
from rct_collector.drivers.tools import FrameCounter, Tools
from rct_collector.errors import CaptureError
from rct_collector.lines.tap import ClockNs, Observer, tapped, tapped_calls
from rct_collector.transport import Address
from rct_collector.transport.base import Ends, Listen, Opener

#: Ports that are made up for connections whose own are unknown, or nobody's business.
_PORTS = 1 << 14


@dataclass(slots=True)
class Counters:
    """What went over the lines.

    Attributes:
        received: Bytes from the device.
        sent: Bytes to it.
        frames: Whole frames from the device.
        bad: Broken frames from it.
        connections: Times that a line was opened.
    """

    received: int = 0
    sent: int = 0
    frames: int = 0
    bad: int = 0
    connections: int = 0

    def __str__(self) -> str:
        return (
            f"{self.received} bytes received, {self.sent} sent,"
            f" {self.frames} frames, {self.bad} bad"
        )


class Recorder:
    """Records the lines of one device; a context manager that closes the file.

    Attributes:
        path: Of the file.
        counters: What was recorded so far.
    """

    def __init__(
        self, path: Path, tools: Tools, address: Address, *, redact: bool, replace: bool
    ) -> None:
        """Begin the file, for nobody else to read.

        Args:
            path: Of the file.
            tools: Of the device's family: they count its frames, and know its secrets.
            address: Of the device.
            redact: Take secrets and addresses out.
            replace: Replace a file that is there, once the device has sent something.

        Raises:
            CaptureError: The file is there already, is a link, or cannot be written.
            MissingToolError: The family has not what it takes.
        """
        self.path = path
        self.counters = Counters()
        self._new_frame_counter = tools.frame_counter()
        self._new_redactor = tools.redactor() if redact else None
        self._size = 0
        self._error: OSError | None = None
        self._failed = asyncio.Event()
        try:
            self._file = _NewFile(path, replace=replace)
        except FileExistsError as error:
            raise CaptureError(f"{path} is there already; --force replaces it") from error
        except OSError as error:
            raise unwritable(path, error) from error
        self._place = f"{address.scheme}://" + ("" if redact else str(address).partition("://")[2])
        self._pcap: PcapFile | None = None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close(keep=self.counters.connections > 0)

    @property
    def in_place(self) -> bool:
        """Whether what was recorded is in the file, and not what was there before."""
        return self._file.in_place

    def opener(self, opener: Opener) -> Opener:
        """The same opener, whose lines are recorded."""
        return tapped(opener, self._observe, steady_clock())

    def listen(self, listen: Listen) -> Listen:
        """The same for devices that dial in, whose calls are recorded."""
        return tapped_calls(listen, self._observe, steady_clock())

    async def failure(self) -> NoReturn:
        """Wait until the file cannot be written any more.

        Raises:
            CaptureError: That has happened.
        """
        await self._failed.wait()
        assert self._error is not None  # noqa: S101 - or nothing would have failed
        raise unwritable(self.path, self._error)

    def _observe(self, began_ns: int, opened_ns: int, ends: Ends | None) -> Observer:
        self.counters.connections += 1
        new = self._new_redactor
        filters = (new(), new()) if new else ()
        if self._pcap is None:  # only an open line tells whether it goes over a network
            self._pcap = PcapFile(self._write, DIRECT if ends is None else RAW_IP)
        number = self.counters.connections
        line: RecordedLine | RecordedConversation
        if ends is None:
            line = RecordedLine(self._pcap, number, opened_ns, self._place, *filters)
        else:
            if new:
                (host, port), device = NOWHERE
                # A port of its own for each connection, as real ones have.
                ends = Ends((host, port + number % _PORTS), device)
            line = RecordedConversation(self._pcap, began_ns, opened_ns, ends, *filters)
        return _Counted(line, self.counters, self._new_frame_counter())

    def _write(self, data: bytes) -> None:
        """Write all of it, or nothing from then on: the file stays whole."""
        if self._error:
            return
        try:
            if os.write(self._file.descriptor, data) != len(data):
                os.ftruncate(self._file.descriptor, self._size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._size += len(data)
            if self.counters.received:
                self._file.put_in_place()
        except OSError as error:
            # Not raised into the event loop, which only would drop the line.
            self._error = error
            self._failed.set()


class _NewFile:
    """A file that nobody else can read; one that was there before stays until it is worth more.

    Attributes:
        descriptor: To write to.
    """

    def __init__(self, path: Path, *, replace: bool) -> None:
        """Create it: in its place if that is free, else beside the file that it is to replace.

        Raises:
            CaptureError: A link or a folder is in its place.
            OSError: It cannot be created, or is there and not to be replaced.
        """
        self._path = path
        self._draft: Path | None = None
        self._created = False
        kind = stat.S_IFMT(path.lstat().st_mode) if replace and os.path.lexists(path) else None
        if kind is None:
            flags = os.O_CREAT | os.O_EXCL
            self._created = True
        elif kind in (stat.S_IFCHR, stat.S_IFIFO):  # such as another program's input
            flags = os.O_NONBLOCK
        else:
            check_replaceable(path)
            descriptor, draft = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)
            self.descriptor, self._draft = descriptor, Path(draft)
            return
        self.descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | flags, 0o600)

    @property
    def in_place(self) -> bool:
        """Whether it is where it belongs, and no draft."""
        return self._draft is None

    def put_in_place(self) -> None:
        """Replace what was there before; from now on it is gone.

        Raises:
            OSError: That is not possible.
        """
        if self._draft:
            self._draft.replace(self._path)
            self._draft = None

    def close(self, *, keep: bool) -> None:
        """Close it, and take away a draft, or a file that is not worth to be kept."""
        os.close(self.descriptor)
        if self._draft:
            self._draft.unlink(missing_ok=True)
        elif self._created and not keep:
            self._path.unlink(missing_ok=True)


class _Counted:
    """Counts what goes over one line, and hands it on."""

    def __init__(
        self,
        line: RecordedLine | RecordedConversation,
        counters: Counters,
        frames: FrameCounter,
    ) -> None:
        self._line = line
        self._counters = counters
        self._frames = frames

    def sent(self, time_ns: int, data: bytes) -> None:
        self._counters.sent += len(data)
        self._line.sent(time_ns, data)

    def received(self, time_ns: int, data: bytes) -> None:
        self._counters.received += len(data)
        found = self._frames.feed(data)
        self._counters.frames += found.whole
        self._counters.bad += found.bad
        self._line.received(time_ns, data)

    def closed(self, time_ns: int, *, by_us: bool) -> None:
        self._line.closed(time_ns, by_us=by_us)


def steady_clock() -> ClockNs:
    """Nanoseconds since 1970 that never jump: delays count more than the date."""
    offset = time.time_ns() - time.monotonic_ns()
    return lambda: time.monotonic_ns() + offset
