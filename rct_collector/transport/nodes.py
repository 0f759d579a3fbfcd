"""Nodes: the files in ``/dev`` by which ports and devices of this host are reached.

A node is opened for us alone, as far as the system lets us: it is locked by flock(2), which others
who know of it heed too, and whoever else has it open is looked for, since two who ask one device
take each other's answers. None is ever made: a plain file of that name would keep the device away.

An open node is read when the system says that there is something to read, see :class:`NodeLine`.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import grp
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from rct_collector.errors import TransportError
from rct_collector.processes import PROC, described, holder_of, openers
from rct_collector.transport.address import Address
from rct_collector.transport.base import READ_BYTES, Lost, Receive, look_again
from rct_collector.trust import GROUP

#: What is open at these is no device: the far end of a pseudo-terminal keeps the near one open.
_PSEUDO = "/dev/pts/"

#: Why a node cannot be opened, in words that say what to do.
_REASONS = {
    errno.ENOENT: "nothing is there; the device may not be plugged in",
    errno.ENODEV: "there is no device at this node; it may just have been pulled out",
    errno.ENXIO: "there is no device at this node",
    errno.EIO: "the device does not answer",
    errno.EISDIR: "it is no node of a device, but a folder",
}

#: What else may be there.
_OTHERS = {
    stat.S_IFREG: "a plain file, which keeps the device away: remove it, or correct the address",
    stat.S_IFDIR: "a folder",
}

_OURS = "this process has it open already, for another device"
_ONE_ASKS = "a device serves one program at a time, so stop one of the two"


class NodeError(OSError):
    """A node is not to be used; says why, and what to do, in words for people."""


@contextmanager
def told(
    what: str, path: str, rule: str, reasons: Mapping[int, str] = MappingProxyType({})
) -> Iterator[None]:
    """Tell of a node that cannot be opened.

    Args:
        what: It, in words, such as ``the serial port /dev/ttyUSB0``.
        path: Of the node.
        rule: What tells its kind apart in a rule of udev, for users who may not open it.
        reasons: Number of the operating system → what to say of it, where its kind has own words.

    Raises:
        TransportError: In place of an OSError, with words for people.
    """
    try:
        yield
    except OSError as error:
        why = reasons.get(error.errno or 0) or _why(error, path, rule)
        raise TransportError(f"cannot open {what}: {why}") from error


def _why(error: OSError, path: str, rule: str) -> str:
    if isinstance(error, NodeError):
        return str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return _forbidden(path, rule)
    if error.errno == errno.EBUSY:
        with suppress(OSError):
            if holder_of(Path(path).stat()) == os.getpid():
                return _OURS
        return f"{described(other_opener(path))} has it open for itself alone"
    return _REASONS.get(error.errno or 0) or str(error.strerror or error).lower()


def _forbidden(path: str, rule: str) -> str:
    try:
        return forbidden(Path(path).stat(), rule)
    except OSError:
        return "this user may not open it, nor see whom it belongs to"


def forbidden(status: os.stat_result, rule: str) -> str:
    """What is to be said of a node that this user may not open: which group may, or what lets one.

    Args:
        status: Of the node.
        rule: What tells its kind apart in a rule of udev.
    """
    if status.st_gid and status.st_mode & 0o060 == 0o060:
        group = _group(status.st_gid)
        return f"this user may not open it; make it a member of the group {group}, which may"
    return (
        "this user may not open it, nor may any group; a rule of udev lets one, such as a line"
        f' {rule}, GROUP="{GROUP}", MODE="0660" in /etc/udev/rules.d/60-rct-collector.rules'
    )


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def open_node(path: str, check: Callable[[int], None]) -> int:
    """Open a node for reading and writing, without waiting for anything; have it for ourselves.

    Args:
        path: Of the node, or of a link to it.
        check: Called with its descriptor before it is locked; raises OSError where it is a node of
            something else.

    Returns:
        Its descriptor.

    Raises:
        OSError: It cannot be opened, is no node, or is not for us alone.
    """
    # Not waiting for a carrier (O_NONBLOCK), and never making a file (no O_CREAT).
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    with ExitStack() as undo:
        undo.callback(os.close, descriptor)
        be_node(os.fstat(descriptor))
        check(descriptor)
        _lock(descriptor)
        be_alone(path)
        undo.pop_all()
    return descriptor


def be_node(status: os.stat_result) -> None:
    """See that a file is the node of a device.

    Raises:
        NodeError: It is something else.
    """
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFCHR:
        raise NodeError(f"it is no node of a device, but {_OTHERS.get(kind, 'something else')}")


def _lock(descriptor: int) -> None:
    """Keep others off a node, as far as they heed it.

    Raises:
        NodeError: One of them was here before.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise locked(os.fstat(descriptor)) from error


def locked(status: os.stat_result) -> NodeError:
    """What is to be said of a node that somebody else has locked.

    Args:
        status: Of the node.
    """
    pid = holder_of(status)
    if pid == os.getpid():
        return NodeError(_OURS)
    return NodeError(f"{described(pid)} has locked it for itself; {_ONE_ASKS}")


def be_alone(path: str) -> None:
    """See that nobody else has a node open, whether they heed locks or not.

    Args:
        path: Of the node, or of a link to it.

    Raises:
        NodeError: Another process has, and may be seen by this user.
    """
    if other := other_opener(path):
        raise NodeError(
            f"{described(other)} has it open, too, and would take away what we are to hear;"
            f" {_ONE_ASKS}"
        )


def other_opener(path: str, proc: Path = PROC) -> int:
    """Another process that has a node open, or 0 where there is none that we may see.

    Args:
        path: Of the node, or of a link to it.
        proc: Where the system tells of its processes.
    """
    node, own = os.path.realpath(path), os.getpid()
    if node.startswith(_PSEUDO):
        return 0
    return next((pid for pid in openers(node, proc) if pid != own), 0)


def words_of(error: OSError) -> str:
    """What the system says of a device that fails."""
    return (error.strerror or str(error)).lower()


class NodeLine:
    """An open node that is read; how it is written is for whoever knows what it is.

    Attributes:
        peer: The node that the address leads to, by its own path.
    """

    #: What it is, in words.
    WHAT = "device"

    def __init__(self, descriptor: int, peer: Address, receive: Receive, lost: Lost) -> None:
        """Begin to read.

        Args:
            descriptor: Of the node, which is closed with the line.
            peer: The node.
            receive: Called with bytes as they arrive.
            lost: Called once when the device is gone.
        """
        self.peer = peer
        self._descriptor = descriptor
        self._receive = receive
        self._lost = lost
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

    def pause(self) -> None:
        """See :class:`.base.Line`."""
        if self._descriptor >= 0 and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        """See :class:`.base.Line`."""
        if self._descriptor >= 0 and self._paused:
            self._paused = False
            self._loop.add_reader(self._descriptor, self._readable)

    def close(self) -> None:
        """See :class:`.base.Line`."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._shut(descriptor)

    def _shut(self, descriptor: int) -> None:
        """Close a descriptor that is not read any more."""
        os.close(descriptor)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            self._missed()
            return
        except OSError as error:
            self._end(f"the {self.WHAT} is gone: {words_of(error)}")
            return
        if not data:
            self._end(f"the {self.WHAT} is gone")
        elif kept := self._kept(data):
            self._receive(kept)
        look_again(self._loop, len(data))

    def _missed(self) -> None:
        """There was something to read, and now there is not: as a rule nothing to speak of."""

    def _kept(self, data: bytes) -> bytes:
        """What was said, of what was read."""
        return data

    def _end(self, reason: str) -> None:
        if self._descriptor >= 0:
            self.close()
            self._lost(reason)

    def _end_soon(self, reason: str) -> None:
        """End from the loop: whoever sends expects no answer at once."""
        self._loop.call_soon(self._end, reason)
