"""Small files in a folder into which others may write as well.

Of those who share the folder one may be root, so a file must not lead anywhere else: only regular
files of people who are trusted are read, no link is followed, nothing is waited for, and what is
too large is not read at all. Files are put in their place as a whole, and are on the disk by then.
"""

from __future__ import annotations

import contextlib
import grp
import os
import re
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from rct_collector.trust import GROUP, trusted, user_name

#: Those who share the folder read and write in it, and new files belong to its group.
FOLDER_MODE = 0o2770
FILE_MODE = 0o640

#: Files that not even those may read.
PRIVATE_MODE = 0o600

#: Name of a draft: the file's own name without its ending, and the process that writes it.
_DRAFT = re.compile(r"(.+)\.(\d{1,9})\.new")

#: No draft is written for so long, in seconds: its process has ended, and another has its number.
_LONGEST_DRAFT_S = 3600.0


class UnsafeFileError(Exception):
    """A file is not what it should be; the message completes "it is not used: "."""


class Folder:
    """A folder with files of ours; nothing of it is kept open."""

    def __init__(self, path: Path, mode: int = FILE_MODE) -> None:
        """Do nothing yet.

        Args:
            path: The folder; made when a file is to be put into it.
            mode: That of its files. ``PRIVATE_MODE`` also refuses those that others may read.
        """
        self.path = path
        self._mode = mode

    def read(self, name: str, most: int) -> bytes:
        """The content of a file.

        Args:
            name: Name within the folder.
            most: Bytes that it may have.

        Raises:
            UnsafeFileError: It is no regular file, belongs to a stranger, is too large, or may be
                read by others though it is private.
            FileNotFoundError: There is none.
            OSError: It cannot be read.
        """
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with self._opened() as folder:
            if stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode):
                raise UnsafeFileError("it is a link")
            with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
                if self._mode == PRIVATE_MODE:
                    _refuse_shared(file.fileno())
                size = _examine(file.fileno(), most)
                data = file.read(size + 1)  # memory for what is there, not for what may be
        if len(data) > size:
            raise UnsafeFileError(f"it has more than the {size} bytes that it had a moment ago")
        return data

    def replace(self, name: str, data: bytes) -> None:
        """Put a file in its place, as a whole or not at all; on the disk when this returns.

        Args:
            name: Name within the folder.
            data: Its content.

        Raises:
            UnsafeFileError: The folder is a stranger's link.
            OSError: It cannot be written.
        """
        draft = f"{Path(name).stem}.{os.getpid()}.new"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._make()
        with self._opened() as folder, contextlib.ExitStack() as undo:
            _remove(draft, folder)
            descriptor = os.open(draft, flags, 0o600, dir_fd=folder)
            undo.callback(_remove, draft, folder)
            with os.fdopen(descriptor, "wb") as file:
                with contextlib.suppress(OSError):  # a file system without modes
                    os.fchmod(descriptor, self._mode)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
            undo.pop_all()
            with contextlib.suppress(OSError):  # not every file system can
                os.fsync(folder)

    def sweep(self, stems: Collection[str]) -> None:
        """Remove the drafts of processes that have ended in the middle of it.

        Args:
            stems: Names of the files whose drafts are looked for, without their ending.

        Raises:
            UnsafeFileError: The folder is a stranger's link.
            OSError: The folder cannot be read; there may be none.
        """
        with self._opened() as folder, os.scandir(folder) as entries:
            for entry in entries:
                match = _DRAFT.fullmatch(entry.name)
                if match and match[1] in stems and _is_abandoned(entry, int(match[2])):
                    _remove(entry.name, folder)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """A descriptor of the folder: what is done through it cannot be led elsewhere."""
        owner = os.lstat(self.path)
        is_link = stat.S_ISLNK(owner.st_mode)
        if is_link and owner.st_uid not in (0, os.geteuid()):
            raise UnsafeFileError(f"{self.path} is a link of {user_name(owner.st_uid)}")
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if is_link else os.O_NOFOLLOW)
        folder = os.open(self.path, flags)
        try:
            yield folder
        finally:
            os.close(folder)

    def _make(self) -> None:
        """Make the folder if there is none, for the group if there is one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.path.mkdir(mode=FOLDER_MODE & 0o770)
        except FileExistsError:
            if not self.path.is_dir():
                raise
            return
        with contextlib.suppress(OSError, UnsafeFileError), self._opened() as folder:
            with contextlib.suppress(OSError, KeyError):  # no such group, or not ours
                os.fchown(folder, -1, grp.getgrnam(GROUP).gr_gid)
            os.fchmod(folder, FOLDER_MODE)


def _refuse_shared(descriptor: int) -> None:
    """Refuse what others may read, or may have put there."""
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & ~PRIVATE_MODE:
        raise UnsafeFileError(
            f"others may read it (mode {mode:04o}); only its owner should (mode {PRIVATE_MODE:04o})"
        )


def _examine(descriptor: int, most: int) -> int:
    """Refuse what is no file of ours; close what others could read so far.

    Returns:
        Bytes that it has.
    """
    info = os.fstat(descriptor)
    if not stat.S_ISREG(info.st_mode):
        raise UnsafeFileError("it is no regular file")
    if not trusted(info.st_uid):
        raise UnsafeFileError(
            f"it belongs to a stranger ({user_name(info.st_uid)}), who is neither root nor we nor"
            f" a member of the group {GROUP}"
        )
    if info.st_size > most:
        raise UnsafeFileError(f"it has {info.st_size} bytes, more than {most}")
    ours = info.st_uid == os.geteuid() and info.st_nlink == 1
    if ours and stat.S_IMODE(info.st_mode) & ~FILE_MODE:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, FILE_MODE)
    return info.st_size


def _is_abandoned(draft: os.DirEntry[str], pid: int) -> bool:
    """Whether nobody writes a draft any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # there is one, of somebody else
    try:
        age = time.time() - draft.stat(follow_symlinks=False).st_mtime
    except OSError:
        return False
    return age > _LONGEST_DRAFT_S


def _remove(name: str, folder: int) -> None:
    """Remove a file or a link; whoever needs the place will see when that does not work."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
