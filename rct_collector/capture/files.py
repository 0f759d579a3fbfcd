"""Files of recorded lines on the disk: one, the newest of a folder, a pipe; and those that grow.

:class:`Files` never waits: it gives what there is, so that whoever reads decides how to wait.
:func:`read_runs` waits for it, for commands.
"""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rct_collector.capture.contents import Contents
from rct_collector.capture.flows import Wanted
from rct_collector.drivers.tools import Run
from rct_collector.errors import CaptureError

#: A file that is followed is looked at once in so many seconds; a pipe, which tells, more often.
POLL_S = 1.0
PIPE_POLL_S = 0.05

#: Read at a time, in bytes.
PIECE = 1 << 16

#: Bytes by which a file that is followed is known again: another one of that name, written in place
#: of the old between two looks, has others there.
_TAIL = 256

#: Of a file in a folder: when it was written last in nanoseconds, and its name.
_Age = tuple[int, str]


class Files:
    """Reads a file, or one after the other, without ever waiting.

    Attributes:
        trouble: What could not be read, one sentence for each file.
        wait_s: Seconds after which to look again, where nothing was there.
    """

    def __init__(
        self,
        path: Path,
        wanted: Wanted,
        *,
        follow: bool = False,
        everything: bool = False,
        piece: int = PIECE,
    ) -> None:
        """Open nothing yet.

        Args:
            path: A file, a pipe such as ``/dev/stdin``, or a folder.
            wanted: Which connections of captures are taken.
            follow: Go on when more is written; in a folder also to newer files.
            everything: Of a folder that is not followed all files, the oldest first, in place of
                the newest one.
            piece: Bytes that are read at a time.
        """
        self.trouble: list[str] = []
        self.wait_s = POLL_S
        self._path = path
        self._wanted = wanted
        self._follow = follow
        self._everything = everything
        self._size = piece
        self._descriptor = -1
        self._place = path
        self._contents: Contents | None = None
        self._told = ""
        self._read = 0
        self._tail = b""
        self._waited = False
        self._is_file = True
        self._age: _Age = (-1, "")
        #: Flows of all files have numbers of their own.
        self._first_flow = self._next_flow = 0

    def open(self) -> None:
        """Open the first file, if there is one yet.

        Raises:
            CaptureError: It cannot be read.
        """
        try:
            self._open()
        except OSError as error:
            raise CaptureError(f"{self._place}: cannot be read: {error.strerror}") from error

    def close(self) -> None:
        """Close what is open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def read(self) -> Iterable[Run] | None:
        """Read on.

        Returns:
            What was said by then, to be gone through before the next call; ``()`` where more may
            come after :attr:`wait_s`; None at the end.

        Raises:
            CaptureError: It cannot be read, is of a kind that is not read, holds nothing that is
                looked for, or has shrunk or was written anew while it was followed.
        """
        try:
            if self._descriptor < 0 and not self._open():
                return () if self._follow else None
            data = self._piece()
        except OSError as error:
            raise CaptureError(f"{self._place}: cannot be read: {error.strerror}") from error
        if data:
            return self._numbered(self._now().feed(data))
        if data is None:
            return ()
        return self._at_end()

    # -- one file --------------------------------------------------------------------------

    def _now(self) -> Contents:
        assert self._contents is not None  # noqa: S101 - set where it was opened
        return self._contents

    def _open(self) -> bool:
        """Open the file, or the next one of the folder; False where there is none."""
        begins = self._contents is None
        if not begins and not (self._follow and self._is_file) and not self._in_folder:
            return False
        if self._path.is_dir():
            found = self._next_of_folder(begins=begins)
            if found is None:
                if not self._follow and begins:
                    raise CaptureError(f"{self._path}: there is no file in this folder")
                return False
            self._place = found
        self._descriptor = os.open(self._place, os.O_RDONLY | os.O_NONBLOCK)
        self._is_file = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self._read, self._tail, self._waited = 0, b"", False
        self._contents = Contents(str(self._place), self._wanted)
        self._told = ""
        self._first_flow = self._next_flow
        return True

    def _piece(self) -> bytes | None:
        """The next bytes; none at the end, and None where a pipe has nothing yet."""
        self.wait_s = POLL_S if self._is_file else PIPE_POLL_S
        if not self._is_file and not select.select([self._descriptor], [], [], 0)[0]:
            return None
        try:
            data = os.read(self._descriptor, self._size)
        except BlockingIOError:
            return None
        if self._follow and self._is_file:
            self._look_back(data)
        self._read += len(data)
        return data

    def _look_back(self, data: bytes) -> None:
        """Look whether what was read before still stands before what is read now.

        Raises:
            CaptureError: It does not: the file was written anew.
        """
        if not data:
            self._waited = True
            return
        if self._waited:
            self._waited = False
            begin = self._read - len(self._tail)
            if os.pread(self._descriptor, len(self._tail), begin) != self._tail:
                self.close()
                raise CaptureError(
                    f"{self._place}: was written anew while it was followed: what was read of it is"
                    " not there any more; write what is new behind the old, or to another file"
                )
        self._tail = (self._tail + data)[-_TAIL:]

    def _at_end(self) -> Iterable[Run]:
        """All that is there was read: wait for more, go to the next file, or stop."""
        if self._follow and self._is_file:
            size = os.fstat(self._descriptor).st_size
            if size < self._read:
                self.close()
                raise CaptureError(
                    f"{self._place}: shrank from {self._read} to {size} bytes while it was"
                    " followed; write what is new behind the old, or to another file"
                )
            if size > self._read or not self._is_replaced():
                return ()
        return self._ended()

    def _is_replaced(self) -> bool:
        """Whether another file is to be read now."""
        if self._path.is_dir():
            return self._newer() is not None
        try:
            there = self._path.stat()
        except FileNotFoundError:  # it was moved away, and the next one is not there yet
            return False
        here = os.fstat(self._descriptor)
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)

    def _ended(self) -> Iterator[Run]:
        """The file is done with."""
        contents = self._now()
        self.close()
        yield from self._numbered(contents.finish())

    @property
    def _in_folder(self) -> bool:
        """Whether other files may follow, which are not to suffer for this one."""
        return (self._follow or self._everything) and self._path.is_dir()

    def _numbered(self, runs: Iterable[Run]) -> Iterator[Run]:
        """With numbers that no flow of an earlier file has."""
        try:
            for run in runs:
                flow = self._first_flow + run.flow
                self._next_flow = max(self._next_flow, flow + 1)
                yield run._replace(flow=flow) if self._first_flow else run
        except CaptureError as error:
            self.close()
            if not self._in_folder:
                raise
            self.trouble.append(str(error))
        trouble = self._now().trouble
        if trouble and trouble != self._told:  # at once: a file that is followed may have no end
            self._told = trouble
            self.trouble.append(trouble)

    # -- a folder --------------------------------------------------------------------------

    def _next_of_folder(self, *, begins: bool) -> Path | None:
        """Which file comes next; at first the newest one, unless all of them are wanted."""
        found = (
            max(_ages(self._path), default=None)
            if begins and not self._everything
            else self._newer()
        )
        if found is None:
            return None
        self._age = found
        return self._path / found[1]

    def _newer(self) -> _Age | None:
        """The oldest of those that are newer than the one that was read."""
        ages = list(self._ages())  # which also tells how old that one is now
        return min((age for age in ages if age > self._age), default=None)

    def _ages(self) -> Iterator[_Age]:
        """Of all files of the folder, as far as they can be read."""
        for age in _ages(self._path):
            if age[1] == self._age[1]:  # it grew since
                self._age = max(self._age, age)
            else:
                yield age


def _ages(folder: Path) -> Iterator[_Age]:
    """Of all files of a folder but hidden ones."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_file():
                yield entry.stat().st_mtime_ns, entry.name


def newest(folder: Path) -> Path:
    """The file of a folder that was written last.

    Raises:
        CaptureError: There is none, or the folder cannot be read.
    """
    try:
        found = max(_ages(folder), default=None)
    except OSError as error:
        raise CaptureError(f"{folder}: cannot be read: {error.strerror}") from error
    if found is None:
        raise CaptureError(f"{folder}: there is no file in this folder")
    return folder / found[1]


def read_runs(
    path: Path,
    wanted: Wanted,
    *,
    follow: bool = False,
    everything: bool = False,
    told: Callable[[str], None] = lambda _text: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Run]:
    """Read what each end of recorded lines said, in order; see :class:`Files`.

    Args:
        path: A file, a pipe such as ``/dev/stdin``, or a folder.
        wanted: Which connections of captures are taken.
        follow: Go on for ever.
        everything: All files of a folder.
        told: Takes what could not be read, a sentence at a time.
        sleep: Waits, seconds.

    Raises:
        CaptureError: Nothing of it can be read.
    """
    files = Files(path, wanted, follow=follow, everything=everything)
    try:
        while (runs := files.read()) is not None:
            yield from runs
            while files.trouble:
                told(files.trouble.pop(0))
            if runs == ():
                sleep(files.wait_s)
    finally:
        files.close()
