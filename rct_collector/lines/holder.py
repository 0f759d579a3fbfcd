"""Who has a name in Linux's abstract name space: the user, the process and its command.

The kernel tells it to whoever connects to a socket that listens. It does not for one that does
not listen, nor for one whose queue of callers is full; then its list of sockets at least tells the
user (sock_diag(7)), and the folder /proc the process, as far as we may look.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

from rct_collector.processes import described, openers
from rct_collector.trust import trusted

#: For want of these nothing can be said about a name.
LACK = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

# Linux: asm/socket.h, socket(7); Python has no name for it.
_SO_PEERGROUPS = 59
_MOST_BYTES = 1024  # that Python takes from getsockopt: 256 groups

# Linux: linux/netlink.h, linux/sock_diag.h, linux/unix_diag.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_HEADER = struct.Struct("=IHHII")
_UNIX_DIAG_REQUEST = struct.Struct("=BBHIII2I")
_UNIX_DIAG_MESSAGE = struct.Struct("=BBBBI2I")
_ATTRIBUTE = struct.Struct("=HH")
_SHOW_NAME, _SHOW_USER = 0x1, 0x40
_NAME, _USER = 0, 7
#: Only sockets that listen (10), or are merely bound (7).
_STATES = 1 << 10 | 1 << 7


class Holder(NamedTuple):
    """Who has a name.

    Attributes:
        uid: The user, or None if that cannot be found out.
        pid: The process, or 0 if that cannot be found out, or it is outside of our container.
        inode: The socket in the kernel's list, or 0 if it was not looked for there.
        groups: Groups of the process, as far as they were told.
    """

    uid: int | None
    pid: int = 0
    inode: int = 0
    groups: tuple[int, ...] = ()

    @property
    def is_obeyed(self) -> bool:
        """Whether it may keep us from a device; somebody unknown may."""
        return self.uid is None or trusted(self.uid, self.groups)

    def __str__(self) -> str:
        """In words, as far as they can be found."""
        pid = self.pid or (self.inode and next(openers(f"socket:[{self.inode}]"), 0))
        return described(pid, self.uid)


def ask(name: bytes) -> Holder | None:
    """Whoever listens under a name; None if nobody does.

    Raises:
        OSError: There is no descriptor or memory left for asking.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        caller.setblocking(False)
        try:
            caller.connect(name)
        except BlockingIOError:  # it listens, and too many others have called
            return look_up(name)
        except OSError as error:
            if error.errno in LACK:
                raise
            return None
        return other_end(caller)


def other_end(connection: socket.socket) -> Holder:
    """Whoever is at the other end of a connection, as the kernel has seen it when it was made.

    Args:
        connection: A Unix socket, in whatever name space.

    Raises:
        OSError: There is no other end.
    """
    said = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, uid, gid = struct.unpack("iII", said)
    groups = b""
    with contextlib.suppress(OSError):  # before Linux 4.13, or of more groups than that
        groups = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERGROUPS, _MOST_BYTES)
    return Holder(uid, pid, groups=(gid, *(group for (group,) in struct.iter_unpack("I", groups))))


def look_up(name: bytes) -> Holder | None:
    """Whoever has a name, from the kernel's list; None if nobody has.

    Raises:
        OSError: There is no descriptor or memory left for asking.
    """
    try:
        for found, uid, inode in _sockets():
            if found == name:
                return Holder(uid, inode=inode)
    except OSError as error:
        if error.errno in LACK:
            raise
        return Holder(None)  # a kernel, or a hardened service, without such a list
    return None


def _sockets() -> Iterator[tuple[bytes, int | None, int]]:
    """Name, user and inode of all stream sockets that were given a name."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(1.0)
        request = _UNIX_DIAG_REQUEST.pack(
            socket.AF_UNIX, 0, 0, _STATES, 0, _SHOW_NAME | _SHOW_USER, 0, 0
        )
        kernel.send(
            _NLMSG_HEADER.pack(
                _NLMSG_HEADER.size + len(request),
                _SOCK_DIAG_BY_FAMILY,
                _NLM_F_REQUEST | _NLM_F_DUMP,
                1,
                0,
            )
            + request
        )
        while True:
            data = kernel.recv(1 << 16)
            for kind, body in _messages(data):
                if kind != _SOCK_DIAG_BY_FAMILY:  # the end, or an error
                    if kind == 2:
                        (number,) = struct.unpack_from("=i", body)
                        raise OSError(-number, os.strerror(-number))
                    return
                _, kind, _, _, inode, _, _ = _UNIX_DIAG_MESSAGE.unpack_from(body)
                fields = dict(_attributes(body[_UNIX_DIAG_MESSAGE.size :]))
                if kind == socket.SOCK_STREAM and _NAME in fields:
                    user = fields.get(_USER)
                    yield fields[_NAME], struct.unpack("=I", user)[0] if user else None, inode


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of the messages of one reading."""
    while len(data) >= _NLMSG_HEADER.size:
        size, kind, _, _, _ = _NLMSG_HEADER.unpack_from(data)
        yield kind, data[_NLMSG_HEADER.size : size]
        data = data[_aligned(size) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Kind and content of what belongs to a message."""
    while len(data) >= _ATTRIBUTE.size:
        size, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : size]
        data = data[_aligned(size) :]


def _aligned(size: int) -> int:
    """Parts begin at multiples of four."""
    return max(size + 3 & ~3, 4)
