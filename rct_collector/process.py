"""What a process inherits from whoever has started it, made fit before anything else.

A parent may have closed the standard streams, so that the first file to be opened takes their
place; it may have made them non-blocking, for itself; it may have blocked the signals that end us;
and it hands down a limit of open files that is low for the sake of programs which cannot take more.
None of that is to become a traceback, a log line among the metrics, or output that is lost without
a word. (An agent that embeds the collector has a process of its own; we are a guest there, and
change none of that.)
"""

from __future__ import annotations

import contextlib
import gc
import io
import math
import os
import resource
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from _typeshed import ReadableBuffer, WriteableBuffer

#: What takes the place of a closed stream: no input is at its end, a log that nobody wants goes
#: nowhere, and output that cannot go anywhere fails.
_IN_PLACE = {0: os.O_RDONLY, 1: os.O_RDONLY, 2: os.O_WRONLY}

#: Signals that tell us something; a parent that blocks them for itself does not mean us.
_HEARD = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2}


#: Seconds in which devices have come to know their units, and all that stays of that is there.
SETTLED_S = 120.0

#: Until then so many objects are made before it is searched for garbage among them, since nearly
#: all of them stay; and so many afterwards, as is usual.
WHILE_LEARNING, USUALLY = 20_000, gc.get_threshold()[0]


class Stream(io.FileIO):
    """A standard stream that waits even if it was handed down non-blocking.

    Once it has failed, what follows is left out, so that the failure is told once and not again
    when Python flushes at its end.

    Attributes:
        error: Why it has failed, if it has.
    """

    def __init__(self, fd: int, mode: str) -> None:
        """Leave the descriptor open when this is closed."""
        super().__init__(fd, mode, closefd=False)
        self.error: OSError | None = None

    def read(self, size: int | None = -1) -> bytes:
        """Read by :meth:`readinto`, as all that is raw does unless it can do better."""
        return io.RawIOBase.read(self, -1 if size is None else size) or b""

    def readall(self) -> bytes:
        """Read to the end."""
        return io.RawIOBase.readall(self) or b""

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read, and wait until something is there."""
        while (count := super().readinto(buffer)) is None:
            select.select((self,), (), ())
        return count

    def write(self, data: ReadableBuffer) -> int:
        """Write, and wait until there is room.

        Raises:
            OSError: It cannot be written to; the first time only.
        """
        try:
            while self.error is None:
                count = super().write(data)
                if count is not None:
                    return count
                select.select((), (self,), ())
        except OSError as error:
            self.error = error
            self._failed(error)
        return memoryview(data).nbytes

    def _failed(self, error: OSError) -> None:
        raise error


class _Log(Stream):
    """Standard error: that it cannot be written to can be told to nobody."""

    def _failed(self, error: OSError) -> None:
        pass


def prepare() -> None:
    """Make the process fit; to be called by each command, before anything is opened."""
    _fill_descriptors()
    _replace_streams()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
    raise_limit()


def settle(loop: asyncio.AbstractEventLoop) -> None:
    """Let the search for garbage leave out what stays: all there is now, and after first rounds.

    A search through all that a thousand devices have stops their loop for a fifth of a second, and
    finds nothing. Nothing is searched here either, so that this takes no time.

    Args:
        loop: Collects.
    """
    gc.freeze()
    gc.set_threshold(WHILE_LEARNING)
    loop.call_later(SETTLED_S, _settled)


def _settled() -> None:
    gc.freeze()
    gc.set_threshold(USUALLY)


def unsettle(loop: asyncio.AbstractEventLoop) -> None:
    """What was left out may have become garbage, as devices are removed; in time all is settled.

    Args:
        loop: Collects, perhaps in another thread.
    """
    gc.unfreeze()
    loop.call_soon_threadsafe(loop.call_later, SETTLED_S, _settle_again)


def _settle_again() -> None:
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def output_failure() -> OSError | None:
    """Write out what waits for standard output; why not all of it could be written, if so."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, Stream) else None


def raise_limit() -> None:
    """Take as many file descriptors as the system lets us have.

    The soft limit is low for programs that use ``select`` for more files than it can tell apart.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # some systems name a limit that they do not grant
            return


def descriptors() -> tuple[int, float]:
    """How many file descriptors are open, and how many may be.

    Nothing is changed for this: it is asked in processes that are not ours, too.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = 3
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            used = len(list(Path(folder).iterdir())) - 1  # the last is the one it is read with
            break
    return used, math.inf if limit == resource.RLIM_INFINITY else limit


def _fill_descriptors() -> None:
    """Let nothing that is opened later be taken for a standard stream."""
    for fd, flags in _IN_PLACE.items():
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)  # takes the lowest that is free, which is this


def _replace_streams() -> None:
    """Streams that wait, and that remember how they failed.

    What a terminal cannot show becomes a question mark, not a traceback.
    """
    for name, fd, raw in (("stdout", 1, Stream), ("stderr", 2, _Log)):
        old = getattr(sys, name)
        if old is not getattr(sys, f"__{name}__"):
            continue  # somebody has a stream of his own there
        new = io.TextIOWrapper(
            io.BufferedWriter(raw(fd, "w")),
            encoding=old.encoding if old else sys.getfilesystemencoding(),
            errors="replace",
            line_buffering=old is None or old.line_buffering or old.write_through,
        )
        setattr(sys, name, new)
    if sys.stdin is sys.__stdin__:
        encoding = sys.stdin.encoding if sys.stdin else sys.getfilesystemencoding()
        errors = sys.stdin.errors if sys.stdin else "strict"
        sys.stdin = io.TextIOWrapper(
            io.BufferedReader(Stream(0, "r")), encoding=encoding, errors=errors
        )
