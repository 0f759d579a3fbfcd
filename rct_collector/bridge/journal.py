"""What the bridge must not forget when it is killed: a small file, written before each deed.

A command is noted before it goes to the device. So a bridge that is started anew knows which ids it
has done, and of which it has not heard the end: those it does not do again, but tells that nobody
knows what became of them.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rct_collector.bridge.commands import SetCommand
from rct_collector.bridge.judge import Remembered
from rct_collector.device.folder import PRIVATE_MODE, Folder, UnsafeFileError
from rct_collector.errors import BusyError, ConfigError

log = logging.getLogger(__name__)

#: Name of the file; no device has a ``+`` in its name, so it may lie beside theirs.
NAME = "bridge+commands.json"
LOCK = "bridge+lock"

#: Bytes that it may have; of the most commands it has 150 KiB.
LARGEST = 512 << 10

VERSION = 1


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """A folder for one bridge alone, while the block runs: two would lose each other's notes.

    Args:
        folder: Made when there is none.

    Raises:
        BusyError: Another one has it.
        ConfigError: Nothing can be kept there.
    """
    try:
        folder.mkdir(mode=0o770, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        lock = os.open(folder / LOCK, flags, PRIVATE_MODE)
    except OSError as error:
        raise ConfigError([f"{folder}: nothing can be kept there: {error.strerror}"]) from error
    with closing(os.fdopen(lock)):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = f"another bridge keeps its notes in {folder}; --state-dir chooses another folder"
            raise BusyError(text) from None
        yield


class CommandJournal:
    """The commands that were done, and those whose end was not heard.

    Attributes:
        seen: What was done.
    """

    def __init__(self, folder: Path, wall: Callable[[], float]) -> None:
        """Read what an earlier process has left.

        Args:
            folder: Where the file is; made when needed.
            wall: Unix seconds.
        """
        self._folder = Folder(folder, PRIVATE_MODE)
        self._path = folder / NAME
        self._open: dict[str, dict[str, Any]] = {}
        self._number = 0
        said = self._read()
        # Of what was done before nothing is known; so it has to be new.
        self.seen = Remembered.from_json(said.get("seen")) if said else Remembered(wall())
        found = said.get("open")
        self._left = [
            item for item in (found if isinstance(found, list) else ()) if isinstance(item, dict)
        ]

    def _read(self) -> dict[str, Any]:
        try:
            said = json.loads(self._folder.read(NAME, LARGEST))
            if isinstance(said, dict) and said.get("version") == VERSION:
                return said
            log.warning("%s is not used: it is of another version", self._path)
        except FileNotFoundError:
            pass
        except UnsafeFileError as error:
            log.warning("%s is not used: %s", self._path, error)
        except OSError as error:
            log.warning("%s is not used: %s", self._path, error.strerror or error)
        except (ValueError, RecursionError):
            log.warning("%s is not used: it is damaged", self._path)
        return {}

    def left(self) -> list[dict[str, Any]]:
        """The commands whose end an earlier process has not heard: ``source``, ``name``, ``id``.

        Each is told once.
        """
        left, self._left = self._left, []
        return left

    def begin(self, command: SetCommand) -> str:
        """Note a command that is about to be done.

        Returns:
            What :meth:`end` wants to know.

        Raises:
            OSError: It cannot be noted, and so must not be done.
            UnsafeFileError: The same; the folder is a stranger's.
        """
        self._number += 1
        key = str(self._number)
        self._open[key] = {"source": command.source, "name": command.name, "id": command.id}
        self.seen.add(command)
        try:
            self._write()
        except BaseException:
            del self._open[key]
            raise
        return key

    def end(self, key: str) -> None:
        """What became of it was told.

        Where that cannot be noted, it is told once more after the next start.
        """
        del self._open[key]
        try:
            self._write()
        except (OSError, UnsafeFileError) as error:
            log.warning("%s cannot be written: %s", self._path, error)

    def _write(self) -> None:
        said = {
            "version": VERSION,
            "seen": self.seen.to_json(),
            "open": [*self._left, *self._open.values()],
        }
        self._folder.replace(NAME, json.dumps(said).encode())
