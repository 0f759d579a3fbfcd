"""A pipe to another program, written to by a thread of its own, so that nobody waits for it.

The queue is bounded: when the reader stalls, the oldest entries go, and are counted. Each write
is of whole lines and at most 4096 bytes, which the system never cuts in two, not even when one
side is killed.
"""

from __future__ import annotations

import os
import select
import threading
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
        """Do nothing yet: the thread is started for the first lines.

        Args:
            fd: Where to write.
            limit: Bytes that may wait.
            dropped: Told (source, samples) of entries that had to go; called by :meth:`put`.
            gone: Told once, from the thread, that nothing is written any more.
        """
        self._fd = fd
        self._limit = limit
        self._dropped = dropped
        self._gone = gone
        self._queue: deque[Queued] = deque()
        self._size = 0
        self._busy = False
        self._wake = threading.Condition()
        self._started = False
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
        """Queue lines, if there are any; the oldest entries make room where there is none.

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
            if not self._started:
                self._start()
            broken = self.broken
            if not broken:
                self._queue.append(entry)
                self._size += entry.size
                while self._size > self._limit and len(self._queue) > 1:
                    old = self._queue.popleft()
                    self._size -= old.size
                    lost.append(old)
                self._wake.notify_all()
        if broken:
            told(False)  # noqa: FBT003
        for old in lost:
            old.told(False)  # noqa: FBT003
            self._dropped(old.source, old.samples)

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
                self._wake.wait_for(lambda: self._queue)
                entries = self._next()
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


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody who shares the pipe has made it non-blocking
            select.select((), (fd,), ())
