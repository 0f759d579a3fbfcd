"""A pipe to another program, written to so that nobody waits for it.

While the reader keeps up, lines go straight into the pipe. What that does not take at once is
queued, and written by a thread, of which there is none before. The queue is bounded: when the
reader stalls, the oldest entries go, and are counted. Each write is of whole lines and at most 4096
bytes, which the system never cuts in two, not even when one side is killed.
"""

from __future__ import annotations

import os
import select
import stat
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rct_collector.adapter.lineprotocol import chunks

#: A pipe takes this many bytes at once or not at all (PIPE_BUF on Linux).
ATOMIC = 4096


class Queued(NamedTuple):
    """Lines that belong together.

    Attributes:
        lines: Whole lines.
        size: Bytes of all lines.
        source: Device they are about; "" for none.
        samples: Samples they carry.
        told: See :meth:`PipeWriter.put`.
    """

    lines: list[bytes]
    size: int
    source: str
    samples: int
    told: Callable[[bool], object]


def _nobody(_taken: bool) -> None:  # noqa: FBT001 - a callback
    """Nobody is to be told."""


class PipeWriter:
    """Writes lines to a file descriptor.

    Attributes:
        error: Why nothing is written any more: mostly since the reader is gone.
    """

    def __init__(
        self,
        fd: int,
        *,
        limit: int,
        dropped: Callable[[str, int], None] = lambda _source, _samples: None,
        gone: Callable[[], None] = lambda: None,
    ) -> None:
        """Do nothing yet: a thread is started for the first lines that cannot be written at once.

        Args:
            fd: Where to write.
            limit: Bytes that may wait.
            dropped: Told (source, samples) of entries that had to go; called by :meth:`put`.
            gone: Told once, from whatever thread, that nothing is written any more.
        """
        self._fd = fd
        self._limit = limit
        self._dropped = dropped
        self._gone = gone
        self._queue: deque[Queued] = deque()
        self._size = 0
        self._begun: Queued | None = None  # what is left of lines of which some are in the pipe
        self._busy = False
        self._wake = threading.Condition()
        self._started = False
        self._own_end: int | None = None
        self._is_open = False
        self.error: Exception | None = None

    @property
    def broken(self) -> bool:
        """Whether nothing is written any more."""
        return self.error is not None

    def put(
        self,
        lines: Iterable[bytes],
        source: str = "",
        samples: int = 0,
        told: Callable[[bool], object] = _nobody,
    ) -> None:
        """Write lines, or queue them; the oldest entries make room where there is none.

        Args:
            lines: Whole lines, newline included.
            source: Device they are about.
            samples: How many samples they carry, for the count of what is dropped.
            told: Called once, from whatever thread, with whether all is written; must not raise.
        """
        kept = list(lines)
        if not kept:
            told(True)  # noqa: FBT003
            return
        entry = Queued(kept, sum(map(len, kept)), source, samples, told)
        lost: list[Queued] = []
        with self._wake:
            left = entry if self.broken else self._at_once(entry)
            if left is not None and not self._started and not self.broken:
                self._start()
            broken = self.broken
            if left is not None and not broken:
                lost = self._enqueue(left, begun=left is not entry)
        if broken or left is None:
            told(not broken)
        for old in lost:
            old.told(False)  # noqa: FBT003
            self._dropped(old.source, old.samples)

    def _at_once(self, entry: Queued) -> Queued | None:
        """Write as much as the pipe takes without waiting; what is left, if anything."""
        if self._queue or self._busy:
            return entry  # in order
        if not self._is_open:
            self._is_open, self._own_end = True, own_end(self._fd)
            if self._own_end is not None:
                weakref.finalize(self, os.close, self._own_end)
        if self._own_end is None:
            return entry
        written = 0
        try:
            pieces = chunks(entry.lines, ATOMIC)
            while written < len(pieces) and len(pieces[written]) <= ATOMIC:
                os.write(self._own_end, pieces[written])  # all of it, or nothing
                written += 1
        except BlockingIOError:
            pass
        except Exception as error:
            self._break(error, [])
            return entry
        if written == len(pieces):
            return None
        left = pieces[written:]
        return entry._replace(lines=left, size=sum(map(len, left))) if written else entry

    def _enqueue(self, entry: Queued, *, begun: bool) -> list[Queued]:
        """Leave lines to the thread; what had to go for them.

        Those that are begun have their place at the front, and are not to go any more.
        """
        lost = []
        if begun:
            self._begun, self._busy = entry, True
        else:
            self._queue.append(entry)
            self._size += entry.size
            while self._size > self._limit and len(self._queue) > 1:
                lost.append(self._queue.popleft())
                self._size -= lost[-1].size
        self._wake.notify_all()
        return lost

    def _start(self) -> None:
        self._started = True
        name = f"writer of {self._fd}"
        try:
            threading.Thread(target=self._run, name=name, daemon=True).start()
        except RuntimeError as error:  # there is none to be had
            self._break(error, [])

    def flush(self, timeout: float) -> bool:
        """Wait until everything is written.

        Returns:
            False when the reader did not take it in time.
        """
        with self._wake:
            return self._wake.wait_for(
                lambda: self.broken or not (self._queue or self._busy), timeout
            )

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._begun or self._queue)
                entries = [self._begun] if self._begun else self._next()
                self._begun = None
                self._busy = True
            try:
                for piece in chunks((line for entry in entries for line in entry.lines), ATOMIC):
                    _write_all(self._fd, piece)
            except Exception as error:  # whatever it is, it must not end the thread alone
                self._break(error, entries)
                return
            for entry in entries:
                entry.told(True)  # noqa: FBT003
            with self._wake:
                self._busy = False
                self._wake.notify_all()

    def _next(self) -> list[Queued]:
        """The oldest entries that go into one write together, or a large one alone.

        Each turn of this thread may cost waiting for those that are at work.
        """
        found: list[Queued] = []
        size = 0
        while self._queue and (not found or size + self._queue[0].size <= ATOMIC):
            found.append(self._queue.popleft())
            size += found[-1].size
        self._size -= size
        return found

    def _break(self, error: Exception, entries: list[Queued]) -> None:
        with self._wake:
            self.error = error
            self._busy = False
            lost = [*entries, *self._queue]
            self._queue.clear()
            self._wake.notify_all()
        for old in lost:
            old.told(False)  # noqa: FBT003
        self._gone()


def own_end(fd: int) -> int | None:
    """Open a pipe once more, so that a write is done at once or not at all.

    To make the descriptor itself like that would do it to all who share it: whoever has started us,
    and children. What is opened anew has flags of its own.

    Args:
        fd: The end that is written to.

    Returns:
        A descriptor; None where it is no pipe, or cannot be opened, as where there is no ``/proc``.
    """
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return None
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody who shares the pipe has made it non-blocking
            select.select((), (fd,), ())
