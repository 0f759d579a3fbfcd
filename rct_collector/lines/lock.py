"""One collector per device and host: a second one would share the device's only line.

The lock is a socket in Linux's abstract name space: it needs no folder that both collectd and
Telegraf may write to, it cannot be left behind, and it tells who holds it. Elsewhere there is
no lock.

Such names are anybody's, so only those who are trusted are obeyed (:mod:`.trust`). Each name has
others behind it, ``…/1``, ``…/2`` and so on: who finds one in a stranger's hands takes the next,
and so meets whoever is trusted and had to do the same.

Where somebody takes the calls that come in on the lock (:class:`Reception`), it is also the door at
which others ask this process about the device.

A device is locked by the key of its configured address before the line is opened, and by that of
where it turned out to lead once it is open: ``localhost`` and ``127.0.0.1`` are one device.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
import zlib
from pathlib import Path
from typing import Protocol
from weakref import WeakValueDictionary

from rct_collector.errors import BusyError, TransportError
from rct_collector.lines.holder import LACK, Holder, ask, look_up
from rct_collector.transport import Address
from rct_collector.transport.base import Held, Lost, Opening, Receive
from rct_collector.trust import GROUP

log = logging.getLogger(__name__)

#: Bytes that the name of a socket may have, without the number behind it.
_LONGEST = 107 - len("/99")

#: Processes that may ask who holds the lock until it is tended again.
_CALLERS = 128

#: So many of them are taken in at once; then the loop has other work, for so many seconds.
_CALLERS_AT_ONCE = 16
_REST_S = 0.05

#: Names that strangers must hold until a device is collected from without a lock.
MOST_NAMES = 64

_PREFIX = b"\0rct-collector/"

#: How the kernel's list shows that, and a socket that listens (linux/net.h).
_LISTED = b"@" + _PREFIX[1:]
_ACCEPTS = 1 << 16

#: The claims of this process by name.
_ours: WeakValueDictionary[bytes, _Claim] = WeakValueDictionary()


class Reception(Protocol):
    """Takes the calls that come in on the locks of a line, in the thread of the event loop."""

    def admit(self, call: socket.socket) -> None:
        """Take a connection over; the other end may have gone already.

        Args:
            call: Does not block; to be closed by whoever has it now.
        """

    def close(self) -> None:
        """The lock is given back: hang up on all."""


class DeviceLock:
    """Held from :meth:`acquire` to :meth:`release`, or to the end of the process.

    Attributes:
        refusal: Why the lock could not be had the last time; None when it could.
    """

    def __init__(
        self, address: Address, device: str = "", reception: Reception | None = None
    ) -> None:
        """Name the lock.

        Args:
            address: Address of the device.
            device: Configured name, for messages.
            reception: Takes the calls that come in, for which the lock must be taken in a running
                event loop; None for nobody, and then who calls is hung up on.
        """
        self.refusal: BusyError | None = None
        self._where = address.place
        self._device = device or self._where
        self._reception = reception
        self._by_address = self._claim(address)
        self._by_peer: _Claim | None = None
        self._is_offered = sys.platform.startswith("linux")
        self._has_warned = False

    def acquire(self) -> None:
        """Take the lock of the address, before the line is opened.

        Raises:
            BusyError: Another process has it; the message names it.
            TransportError: There are no descriptors or there is no memory left for it.
        """
        self._take(self._by_address)

    def confirm(self, peer: Address | None) -> None:
        """Take the lock of where the line leads too, now that it is open.

        Args:
            peer: Address of the line's other end, if the line knows it.

        Raises:
            BusyError: Another device, or another process, is at the same end; the lock is given
                back.
            TransportError: There are no descriptors or there is no memory left for it.
        """
        before, self._by_peer = self._by_peer, None
        if peer and peer.key != self._by_address.key:
            self._by_peer = self._claim(peer, f"{peer.place}, where {self._where} leads, is ")
        if before is not None and self._by_peer is not None and before.key == self._by_peer.key:
            self._by_peer = before
        elif before is not None:
            before.release()
        if self._by_peer is not None:
            self._take(self._by_peer)

    def tend(self) -> None:
        """Let those who ask be answered, and come to the front where strangers have left.

        Raises:
            BusyError: Somebody who is obeyed has it as well; it is given back.
        """
        for claim in (self._by_address, self._by_peer):
            if claim is not None:
                claim.answer()
                with contextlib.suppress(TransportError):  # what is held is still held
                    self._take(claim)

    def release(self) -> None:
        """Give the lock back."""
        self._by_address.release()
        if self._by_peer is not None:
            self._by_peer.release()
            self._by_peer = None
        if self._reception is not None:
            self._reception.close()

    def _claim(self, address: Address, what: str = "") -> _Claim:
        ours = f"device {self._device} with the address {self._where}"
        return _Claim(address.key, address.place, what, ours, self._reception)

    def _take(self, claim: _Claim) -> None:
        if not self._is_offered:
            return
        try:
            strangers = claim.take()
        except BusyError as error:
            self.refusal = error
            self.release()
            raise
        except OSError as error:
            reason = error.strerror or error
            if error.errno in LACK:
                text = f"the lock of {claim.where} cannot be taken: {reason}"
                raise TransportError(text) from error
            log.info("%s: no lock: %s", self._device, reason)
            self._is_offered = False
        else:
            self.refusal = None
            self._warn_of(claim, strangers)

    def _warn_of(self, claim: _Claim, strangers: list[Holder]) -> None:
        if strangers and not self._has_warned:
            self._has_warned = True
            log.warning(
                "%s: the lock of %s is held by %s, a stranger: neither root, nor the user of this"
                " process, nor a member of the group %s; collecting all the same",
                self._device,
                claim.where,
                strangers[0],
                GROUP,
            )


class _Claim:
    """A place, held by no more than one of those who obey each other.

    Attributes:
        key: Identity of the line.
        where: The place, for messages.
    """

    def __init__(
        self, key: str, where: str, what: str, ours: str, reception: Reception | None
    ) -> None:
        self.key = key
        self.where = where
        self._what = what
        self._ours = ours
        self._reception = reception
        self._socket: socket.socket | None = None
        self._number = MOST_NAMES
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rest: asyncio.TimerHandle | None = None

    def take(self) -> list[Holder]:
        """Take the first name that nobody has, in front of the one held already, if any.

        Returns:
            The strangers in front, who are not obeyed.

        Raises:
            BusyError: Somebody who is obeyed has a name.
            OSError: There can be no socket.
        """
        strangers = []
        for number in range(self._number):
            name = lock_name(self.key, number)
            taken = _bound(name)
            if taken is not None:
                self._settle(taken, number)
                break
            holder = ask(name) or look_up(name)
            self._give_way(holder, name)
            strangers += [holder] if holder else []
        return strangers

    def _settle(self, taken: socket.socket, number: int) -> None:
        """Stay at a name, unless somebody is behind it whom a stranger had kept from it."""
        behind = lock_name(self.key, number + 1)
        with contextlib.ExitStack() as undo:
            undo.enter_context(taken)
            if _ours.get(behind) is not self:
                self._give_way(ask(behind), behind)
            undo.pop_all()
        self.release()
        self._socket, self._number = taken, number
        _ours[lock_name(self.key, number)] = self
        if self._reception is not None:
            self._loop = asyncio.get_running_loop()
            self._listen()

    def _give_way(self, holder: Holder | None, name: bytes) -> None:
        """Complain of somebody who is obeyed."""
        if holder is None or not holder.is_obeyed:
            return
        other = _ours.get(name)
        raise BusyError(
            f"{self._what}already collected by {holder}"
            + (f", as {other._ours}" if other is not None else "")
            + "; a device serves one collector at a time, so stop one of the two",
            b"" if other is not None else name,
        )

    def answer(self) -> None:
        """Take the calls of those who have asked, so that others can ask."""
        with contextlib.suppress(OSError):  # no more of them, or no descriptor
            for _ in range(_CALLERS if self._socket and self._reception is None else 0):
                assert self._socket is not None  # noqa: S101 - the range says so
                self._socket.accept()[0].close()

    def _listen(self) -> None:
        """Take calls in from now on."""
        assert self._loop is not None  # noqa: S101 - the callers have seen to that
        assert self._socket is not None  # noqa: S101
        self._rest = None
        self._loop.add_reader(self._socket, self._admit)

    def _admit(self) -> None:
        """Take in who has called; after many of them the devices have their turn."""
        if self._socket is None or self._reception is None or self._loop is None:
            return
        try:
            for _ in range(_CALLERS_AT_ONCE):
                call, _ = self._socket.accept()
                call.setblocking(False)
                self._reception.admit(call)
        except BlockingIOError:
            return
        except OSError as error:  # no descriptor: the callers wait
            log.debug("%s: who calls is not answered: %s", self.where, error.strerror or error)
        self._loop.remove_reader(self._socket)
        self._rest = self._loop.call_later(_REST_S, self._listen)

    def release(self) -> None:
        """Give it back."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._socket is not None:
            _ours.pop(lock_name(self.key, self._number), None)
            if self._loop is not None:
                self._loop.remove_reader(self._socket)
            self._socket.close()
        self._socket, self._number = None, MOST_NAMES


def lock_name(key: str, number: int = 0) -> bytes:
    """Name of the socket that locks a line.

    Args:
        key: Of its address.
        number: How many names in front of it strangers have.
    """
    name = _PREFIX + key.encode()
    if len(name) > _LONGEST:
        # No cryptographic hash: its library alone would cost the shim 3 MB.
        name = name[: _LONGEST - 9] + b"/%08x" % zlib.crc32(key.encode())
    return name + (b"/%d" % number if number else b"")


def lock_names(path: Path = Path("/proc/self/net/unix")) -> list[bytes]:
    """Names of the locks that anybody on this host holds, whoever that is.

    Args:
        path: The kernel's list of sockets, under the name that a hardened service has as well:
            address, references, protocol, flags, type, state, inode, name (proc(5)); there an
            abstract name begins with ``@`` in place of the zero.
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines[1:]:
        fields = line.split(None, 7)
        if len(fields) == 8 and int(fields[3], 16) & _ACCEPTS and fields[7].startswith(_LISTED):
            found.append(b"\0" + fields[7][1:])
    return sorted(set(found))


def _bound(name: bytes) -> socket.socket | None:
    """A socket that has a name and answers calls; None if another has the name.

    Raises:
        OSError: There can be no socket.
    """
    with contextlib.ExitStack() as undo:
        sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        sock.setblocking(False)
        try:
            sock.bind(name)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return None
            raise
        sock.listen(_CALLERS)
        undo.pop_all()
    return sock


def locked(opener: Opening[Held], lock: DeviceLock) -> Opening[Held]:
    """The same opener, which opens no line to a device that another process collects from.

    Args:
        opener: Of any transport.
        lock: Lock of the device; it is kept when the line is lost.

    The opener returned raises BusyError as well.
    """

    async def open_locked(address: Address, receive: Receive, lost: Lost, timeout: float) -> Held:
        lock.acquire()
        line = await opener(address, receive, lost, timeout)
        try:
            lock.confirm(getattr(line, "peer", None))
        except BaseException:
            line.close()
            raise
        return line

    return open_locked
