"""Files that commands write, and what may not be replaced by one."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rct_collector.errors import CaptureError


@contextlib.contextmanager
def replaced(path: str, *, private: bool = False) -> Iterator[BinaryIO]:
    """Write a file that takes the place of another when it is complete, and not before.

    Args:
        path: Where it will be.
        private: Nobody else may read it; else it has the mode of what was there.

    Raises:
        CaptureError: It cannot be written, or what is there is no file.
    """
    place = Path(path)
    check_replaceable(place)
    try:
        mode = 0o600 if private else _mode(place)
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name[:64]}.", dir=place.parent)
        draft = Path(name)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor is no path
                os.fchmod(descriptor, mode)
                yield file
            draft.replace(place)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from error


def check_replaceable(place: Path) -> None:
    """Refuse to put a file in the place of what is none: ``/dev/null`` would be gone for all.

    Raises:
        CaptureError: A link, a folder, a device or a pipe is there.
    """
    try:
        kind = stat.S_IFMT(place.lstat().st_mode)
    except OSError:  # nothing is there, or whoever writes will learn why not
        return
    if kind == stat.S_IFLNK:
        raise CaptureError(f"{place} is a link, and is not followed; name the file itself")
    if kind != stat.S_IFREG:
        raise CaptureError(f"{place} is no file that could be replaced; name another one")


def _mode(place: Path) -> int:
    """The mode of the file that is there, or that of a new one."""
    try:
        return stat.S_IMODE(place.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask


def unwritable(path: str | Path, error: OSError) -> CaptureError:
    """Why a file cannot be written, in words."""
    return CaptureError(f"{path} cannot be written: {error.strerror}")
