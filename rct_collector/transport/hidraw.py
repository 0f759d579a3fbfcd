"""A USB device of this host that passes bytes as reports of a human interface device.

::

    hidraw:///dev/hidraw0
    hidraw:///dev/voltronic-left            a link, such as a udev rule makes

The number behind ``/dev/hidraw`` changes with each plugging; ``usb://``, see :mod:`.usb`, finds the
device again.

Bytes go in reports of eight, which have no number: a 0 in front of those that are written says so,
and the kernel takes it off. Whoever sends fills the last report up with NUL. A report that is full
is sent on at 2400 baud inside of such devices, so the next one waits for about as long.

What was filled up cannot always be told from what was said: the checksum of a frame may hold NUL,
no more than two in a row, and its end may be in the next report. **So of what was read only a tail
of three NUL and more is dropped**, which is never part of a frame. One NUL or two at the end of a
report are handed on, wherever they came from, and so are all that others follow. What a session's
reader makes of them: between frames it skips NUL; within a frame it keeps them, as they may be the
checksum, and tries without them where the checksum fails, as there are devices that send reports
which are not full in the middle of a frame.

A path may also be a Unix socket of packets (SOCK_SEQPACKET), one report each, 9 bytes to the device
and 8 from it: so a simulated device is reached over the same code.

Sources: Linux, ``Documentation/hid/hidraw.rst``, ``drivers/hid/hidraw.c`` and ``hid-core.c``: a
write that begins with 0 goes out without it; a read gives one report; after the device was pulled
out a read gives EIO, and a write ENODEV. A write waits for the device, whatever the node was opened
with: some milliseconds for one that lives, and five seconds (ETIMEDOUT) for one that hangs.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
import stat
import struct
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from rct_collector.transport.address import Address, Parameter
from rct_collector.transport.base import Lost, Receive
from rct_collector.transport.nodes import NodeError, NodeLine, open_node, told, words_of
from rct_collector.transport.paths import name_of, path_of, read_path, where_it_leads

DESCRIPTION = "A USB device of this host that passes bytes as HID reports, by its node."

PARAMETERS: Mapping[str, Parameter] = {}

#: Bytes of a report, without its number.
REPORT_BYTES = 8

#: Seconds from one report that is written to the next: eight bytes take 33 ms at 2400 baud.
SPACING_S = 0.04

#: ReportLine that may wait to be written; requests take two or three.
_MOST_UNSENT = 128

#: What is said of a device that is there, and nothing more.
_DEAF = "the USB device does not take what is sent"

#: NUL at the end of a report, of which a checksum has no more than two, see above.
_LEAST_PADDING = 3

#: Linux, linux/hidraw.h: HIDIOCGRAWINFO and struct hidraw_devinfo.
_GET_INFO = 0x80084803
_INFO = struct.Struct("=IHH")


def example(_: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return "hidraw:///dev/hidraw0"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; there are no defaults."""
    return read_path("hidraw", text, PARAMETERS, {}, example(defaults))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return name_of(address)


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1


class ReportLine(NodeLine):
    """An open device, to and from which bytes go in reports."""

    WHAT = "USB device"

    def __init__(self, descriptor: int, peer: Address, receive: Receive, lost: Lost) -> None:
        """Begin to read; see :class:`.nodes.NodeLine`."""
        super().__init__(descriptor, peer, receive, lost)
        self._unsent: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def send(self, data: bytes) -> None:
        """See :class:`.base.Line`; the last report is filled up."""
        if self._descriptor < 0:
            return
        self._unsent.extend(
            b"\0" + data[at : at + REPORT_BYTES].ljust(REPORT_BYTES, b"\0")
            for at in range(0, len(data), REPORT_BYTES)
        )
        if len(self._unsent) > _MOST_UNSENT:
            self._end(_DEAF)
        elif self._timer is None:
            self._write()

    def _write(self) -> None:
        """Write the next report, and the one behind it in a while."""
        self._timer = None
        if not self._unsent:
            return
        try:
            os.write(self._descriptor, self._unsent[0])
            self._unsent.popleft()
        except BlockingIOError:
            pass  # full; again in a while
        except OSError as error:
            self._unsent.clear()
            hangs = error.errno == errno.ETIMEDOUT
            self._end_soon(_DEAF if hangs else f"the USB device is gone: {words_of(error)}")
        self._timer = self._loop.call_later(SPACING_S, self._write)

    def _kept(self, data: bytes) -> bytes:
        said = data.rstrip(b"\0")
        return said if len(data) - len(said) >= _LEAST_PADDING else data

    def _shut(self, descriptor: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super()._shut(descriptor)


async def open_line(address: Address, receive: Receive, lost: Lost, timeout: float) -> ReportLine:
    """Open a device; see :class:`.base.Transport`.

    Args:
        address: Its link is followed anew each time.
        receive: Called with bytes as they arrive.
        lost: Called once when the device is gone.
        timeout: Not needed, since opening does not wait.

    Raises:
        TransportError: With words for people.
    """
    return open_reports(path_of(address), where_it_leads(address), receive, lost)


def open_reports(
    path: str, peer: Address, receive: Receive, lost: Lost, ids: str = "", at: str = ""
) -> ReportLine:
    """Open the device at a node.

    Args:
        path: Of the node, or of a link to it.
        peer: The node as an address.
        receive: Called with bytes as they arrive.
        lost: Called once when the device is gone.
        ids: USB vendor and product that it has to have, such as ``0665:5161``; "" for any.
        at: Where it is, in words, for messages.

    Raises:
        TransportError: With words for people.
    """
    where = f" ({ids} at {at})" if at else ""
    with told(f"the USB device {path}{where}", path, udev_rule(ids)):
        descriptor = _descriptor(path, ids)
    return ReportLine(descriptor, peer, receive, lost)


def udev_rule(ids: str) -> str:
    """What tells such a device apart in a rule of udev.

    Args:
        ids: USB vendor and product, or "" where they are not known.
    """
    vendor, _, product = ids.partition(":")
    which = f', ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"' if ids else ""
    return f'SUBSYSTEM=="hidraw"{which}'


def _descriptor(path: str, ids: str) -> int:
    """Open what is at a path, for ourselves.

    Raises:
        OSError: It cannot be opened, or is something else.
    """
    if stat.S_ISSOCK(Path(path).stat().st_mode):
        return _simulated(path)
    return open_node(path, lambda descriptor: _check(descriptor, ids))


def _check(descriptor: int, ids: str) -> None:
    """See that an open node is of this kind, and has the ids that are wanted, if any.

    Raises:
        NodeError: It is something else.
    """
    found = _ids(descriptor)
    if ids and found != ids:
        raise NodeError(f"it is {found} by now; another one was plugged in")


def _ids(descriptor: int) -> str:
    """USB vendor and product of an open device.

    Raises:
        OSError: It is none of this kind.
    """
    try:
        info = fcntl.ioctl(descriptor, _GET_INFO, bytes(_INFO.size))
    except OSError as error:
        raise NodeError("it is a node of something else, and not of hidraw") from error
    _, vendor, product = _INFO.unpack(info)
    return f"{vendor:04x}:{product:04x}"


def _simulated(path: str) -> int:
    """A connection to what stands in for a device.

    Raises:
        OSError: Nobody is there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.setblocking(False)
        try:
            sock.connect(path)
        except (ConnectionRefusedError, BlockingIOError) as error:
            raise NodeError("it is a socket, and nobody answers there") from error
        return sock.detach()
