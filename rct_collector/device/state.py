"""What was learnt about a device, kept on disk: one small JSON file per device.

What is nobody else's business has a second one, which only the own user may read, which times are
covered (:mod:`.coverage`) a third, and what was written into it (:mod:`.journal`) a fourth.

A folder that cannot be written to costs a message, not a sample: everything is learnt again
after each start then. So does a file that is damaged, or not one of ours: what lies in files is
a stranger's data. It is written by a thread, since a memory card may take a second for it.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from rct_collector.device.folder import FILE_MODE, PRIVATE_MODE, Folder

log = logging.getLogger(__name__)

#: Version of the layout below; another one is not read.
VERSION = 2

#: Bytes that a file may have; those of a unit with two towers have 2 KiB, and the sessions of a
#: thousand units 120.
LARGEST = 256 << 10

#: A device's file is written at most once in so many seconds, whatever the unit answers.
SAVE_S = 60.0


class Content(NamedTuple):
    """What a file is about.

    Attributes:
        ending: Goes behind the name of the device in that of the file.
        words: What it is, for messages.
        without: What follows where it cannot be kept.
        save_s: Least seconds from one writing to the next.
        mode: That of the file.
    """

    ending: str
    words: str
    without: str
    save_s: float = SAVE_S
    mode: int = FILE_MODE


LEARNT = Content(".json", "what was learnt", "it will be learnt again after each start")
KEYS = LEARNT._replace(ending=".keys", mode=PRIVATE_MODE)
#: No name of a device has a ``+``.
COVERED = Content(
    "+coverage.json",
    "which times are covered",
    "what is restored from the unit's memory will be restored again after each start",
    save_s=300.0,
)
WRITTEN = Content(
    "+settings.json",
    "what was written into the unit",
    "no setting is written without a record of it",
)


class StateFile:
    """Where what was learnt about one device is kept.

    Attributes:
        path: The file.
        driver: Name of the driver that learnt it.
        content: What it is about.
    """

    def __init__(self, folder: Path, device: str, driver: str, content: Content = LEARNT) -> None:
        """Name the file after the device.

        Args:
            folder: State folder; made when needed.
            device: Configured name.
            driver: Driver name; what another driver learnt is not taken up.
            content: What it is about.
        """
        self.path = folder / f"{device}{content.ending}"
        self.content = content
        self._folder = Folder(folder, content.mode)
        self.driver = driver
        self._device = device
        self._complained = False

    def load(self) -> dict[str, Any]:
        """What an earlier run has kept; nothing where there is nothing that can be used.

        Nothing is raised: whatever is wrong with the file, all is learnt again. What it says of
        the unit may still be anything that JSON can hold.
        """
        try:
            data = self._folder.read(self.path.name, LARGEST)
            content = json.loads(data, parse_constant=_refuse)
            if not isinstance(content, dict):
                raise TypeError("it holds no mapping")
            if content["version"] != VERSION or content["driver"] != self.driver:
                return {}
            return {k: v for k, v in content.items() if k not in ("version", "driver")}
        except FileNotFoundError:
            return {}
        except Exception as error:  # too deep, too large, cut off, no text: anything may be wrong
            log.warning("%s: %s is not used: %s", self._device, self.path, _reason(error))
            return {}

    def save(self, kept: dict[str, Any]) -> bool:
        """Keep something; the file is replaced as a whole or not at all. Nothing is raised.

        It blocks until everything is on the disk.

        Returns:
            Whether it is.
        """
        content = {**kept, "version": VERSION, "driver": self.driver}
        try:
            text = json.dumps(content, indent=1) + "\n"
            self._folder.replace(self.path.name, text.encode())
        except Exception as error:
            if not self._complained:
                log.warning(
                    "%s: cannot keep %s in %s (%s); %s",
                    self._device,
                    self.content.words,
                    self.path.parent,
                    _reason(error),
                    self.content.without,
                )
            self._complained = True
            return False
        return True


def _reason(error: Exception) -> str:
    """What went wrong, in words and without the name of the file."""
    if isinstance(error, KeyError):
        return f"it has no {error}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _refuse(constant: str) -> float:
    """NaN and infinity, which no JSON has, and no unit sends."""
    raise ValueError(f"{constant} is no number")


def sweep(folder: Path, devices: Iterable[str]) -> None:
    """Remove what killed processes have left half written.

    Args:
        folder: State folder; there may be none yet.
        devices: Configured names; what belongs to others is left alone.
    """
    try:
        contents = (LEARNT, KEYS, COVERED, WRITTEN)
        names = [f"{device}{content.ending}" for device in devices for content in contents]
        Folder(folder).sweep(frozenset(Path(name).stem for name in names))
    except Exception as error:  # the folder is told of when it cannot be written to
        log.debug("%s is not tidied: %s", folder, error)


class _Draft(NamedTuple):
    """What is to be written into a file."""

    file: StateFile
    kept: dict[str, Any]


class Writer:
    """Writes files in a thread of its own, of which there is one at most, and none when idle.

    Of what is handed over for one file the newest counts.
    """

    def __init__(self) -> None:
        """Nothing is to be written yet."""
        self._waiting: dict[Path, _Draft] = {}
        self._writing: _Draft | None = None
        self._changed = threading.Condition()
        self._is_running = False

    def put(self, file: StateFile, kept: dict[str, Any]) -> None:
        """Have something written; returns at once."""
        with self._changed:
            self._waiting[file.path] = _Draft(file, kept)
            self._start()

    def newest(self, file: StateFile) -> dict[str, Any] | None:
        """What is on its way into a file; None where nothing is, or where it is another driver's.

        A device may be back before what it has left is on the disk.
        """
        with self._changed:
            found = self._waiting.get(file.path, self._writing)
        if found is None or (found.file.path, found.file.driver) != (file.path, file.driver):
            return None
        kept: dict[str, Any] = json.loads(json.dumps(found.kept))
        return kept

    def finish(self, timeout: float) -> bool:
        """Wait until everything is written.

        Args:
            timeout: Seconds that it may take.

        Returns:
            False when there was something left by then.
        """
        with self._changed:
            if self._waiting:
                self._start()
            over = self._changed.wait_for(lambda: not self._is_running, timeout)
            return over and not self._waiting

    def _start(self) -> None:
        if self._is_running:
            return
        thread = threading.Thread(target=self._run, name="state", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # no thread to be had: with the next file, or at the end
            log.info("what was learnt is written later: %s", error)
        else:
            self._is_running = True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._writing = None
                if not self._waiting:
                    self._is_running = False
                    self._changed.notify_all()
                    return
                path = next(iter(self._waiting))
                draft = self._writing = self._waiting.pop(path)
            draft.file.save(draft.kept)


#: The writer of this process.
WRITER = Writer()


class Memory:
    """What is known of one device: read at the start, written now and then, and at the end."""

    def __init__(self, file: StateFile, writer: Writer = WRITER) -> None:
        """Nothing is to be kept yet.

        Args:
            file: Where they are kept.
            writer: Writes it.
        """
        self._file = file
        self._writer = writer
        self._unsaved: dict[str, Any] | None = None
        self._saved_at = -math.inf

    def load(self) -> dict[str, Any]:
        """What was kept before; see :meth:`StateFile.load`."""
        kept = self._writer.newest(self._file)
        return self._file.load() if kept is None else kept

    def save(self, kept: dict[str, Any]) -> None:
        """Keep something, as soon as :meth:`tick` finds that time has come."""
        self._unsaved = kept

    def keep(self, kept: dict[str, Any]) -> None:
        """Keep something at once, since it would be missed after a crash; nothing waits for it."""
        self._writer.put(self._file, kept)

    def tick(self, now: float) -> None:
        """Have written what is new, unless that was done a moment ago.

        Args:
            now: Monotonic seconds.
        """
        if self._unsaved is not None and now - self._saved_at >= self._file.content.save_s:
            self._saved_at = now
            self.close()

    def close(self) -> None:
        """Have written what is new, for nothing will come any more."""
        kept, self._unsaved = self._unsaved, None
        if kept is not None:
            self._writer.put(self._file, kept)
