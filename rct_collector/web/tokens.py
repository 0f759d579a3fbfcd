"""The words by which people and programs are let in: one for reading, another for setting.

Each is in a file of its own with mode 0600, made when it is wanted and there is none. Who removes a
file, and starts the server anew, shuts all out who had come in with it.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
import stat
from enum import IntEnum
from pathlib import Path

from rct_collector.device.folder import PRIVATE_MODE, Folder
from rct_collector.errors import ConfigError

#: 32 bytes of chance as text.
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

_LARGEST = 256

#: Name of the file that tells where the page is.
_ADDRESS = "address"


class Right(IntEnum):
    """What somebody may do; who may set may also read."""

    NONE = 0
    READ = 1
    SET = 2


#: Right → name of its file.
FILES = {Right.READ: "read.token", Right.SET: "set.token"}


class Tokens:
    """The tokens of one server."""

    def __init__(self, words: dict[Right, str]) -> None:
        """Take those that :func:`load` has found.

        Args:
            words: Right → token.
        """
        self._words = words

    def right(self, word: str) -> Right:
        """What a token allows; the time that it takes tells nothing of the tokens."""
        given = word.encode("utf-8", "surrogateescape")
        found = Right.NONE
        for right, own in self._words.items():
            if hmac.compare_digest(given, own.encode()):
                found = max(found, right)
        return found


def load(folder: Path, *, make: bool) -> dict[Right, str]:
    """The tokens in a folder.

    Args:
        folder: Where they are.
        make: Make what is missing; else there is none.

    Raises:
        ConfigError: One is not what it should be, or cannot be made or read; the message says what
            to do.
    """
    found = {}
    for right, name in FILES.items():
        path = folder / name
        try:
            if make and not os.path.lexists(path):
                _make(folder, name)
            found[right] = _read(path)
        except OSError as error:
            raise ConfigError([f"{path}: {error.strerror or error}"]) from error
    return found


def note(folder: Path, address: str) -> None:
    """Keep where the page is, for whoever wants a link to it.

    Args:
        folder: Where the tokens are.
        address: What people type.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        Folder(folder, PRIVATE_MODE).replace(_ADDRESS, f"{address}\n".encode())
    except OSError as error:
        raise ConfigError([f"{folder}: {error.strerror or error}"]) from error


def address_of(folder: Path) -> str:
    """Where the page is.

    Raises:
        ConfigError: It was never started with this folder.
    """
    try:
        return _text(folder / _ADDRESS)
    except OSError as error:
        raise ConfigError(
            [f"{folder / _ADDRESS}: {error.strerror or error}; start the page first"]
        ) from error


def _make(folder: Path, name: str) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Folder(folder, PRIVATE_MODE).replace(name, f"{secrets.token_urlsafe(32)}\n".encode())


def _read(path: Path) -> str:
    text = _text(path)
    if not _TOKEN.fullmatch(text):
        raise ConfigError(
            [f"{path}: there is no token in it, which has 43 letters and digits; remove it, and"
             " start the page anew"]
        )  # fmt: skip
    return text


def _text(path: Path) -> str:
    """What is in a file that nobody else may read."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            raise ConfigError(
                [f"{path}: others may read it; a regular file with mode 0600 is expected; remove"
                 " it, and start the page anew"]
            )  # fmt: skip
        return file.read(_LARGEST).decode("ascii", "replace").strip()
