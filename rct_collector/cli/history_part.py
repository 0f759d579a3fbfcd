"""What was read of a long range so far, in ``FILE.part``, so that ``--resume`` can go on with it.

Each line is JSON: the first says what is read, each other one is a slice with its rows, written
when it is complete. Whatever ends the process, what is there is right but for half a last line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from rct_collector.catalog import catalog
from rct_collector.cli.files import unwritable
from rct_collector.cli.history_reading import Row, Slice
from rct_collector.errors import CaptureError, ConfigError
from rct_collector.model import Series

#: What the first line begins with; the number changes with the layout.
_MAGIC = "rct-collector history 1"

#: Device and slice, as they stand in a line.
_Key = tuple[str, str, int, int]


class PartFile:
    """A file of slices beside the output.

    Attributes:
        path: Where.
        request: What is read, as the first line says.
    """

    def __init__(self, path: Path, request: dict[str, Any], *, resume: bool) -> None:
        """Open it.

        Args:
            path: Where.
            request: What is to be read. Its ``range`` holds from the first time on.
            resume: Go on with what is there, if anything is.

        Raises:
            ConfigError: There is one of another request, or one that was not to be gone on with.
            CaptureError: It cannot be read or written.
        """
        self.path = path
        self.request = request
        self._known: dict[_Key, int] = {}  # where its line begins
        try:
            there = path.exists()
            if there and not resume:
                raise ConfigError(
                    [f"{path} is there, from a reading that was interrupted; go on with --resume,"
                     " or remove it"]
                )  # fmt: skip
            self._file: BinaryIO = path.open("r+b" if there else "x+b")
            try:
                if there:
                    self._load()
                else:
                    self._write({"what": _MAGIC, "request": request})
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise CaptureError(f"{path} cannot be used: {error.strerror}") from error

    def _load(self) -> None:
        """Take what is there, and cut half a last line off."""
        first = self._file.readline()
        try:
            head = json.loads(first)
            what, request = head["what"], dict(head["request"])
        except (ValueError, TypeError, KeyError):
            what, request = "", {}
        if what != _MAGIC:
            raise ConfigError([f"{self.path} is no reading that was interrupted; remove it"])
        for key, value in self.request.items():
            if key != "range" and request.get(key) != value:
                raise ConfigError(
                    [f"--resume: {self.path} was begun with {key} {request.get(key)!r}, and this is"
                     f" {value!r}"]
                )  # fmt: skip
        self.request = request
        place = self._file.tell()
        while line := self._file.readline():
            if not line.endswith(b"\n"):
                break
            try:
                device, query, start, end, *_ = json.loads(line)
            except (ValueError, TypeError) as error:
                raise ConfigError([f"{self.path} is damaged at byte {place}; remove it"]) from error
            self._known[device, query, start, end] = place
            place = self._file.tell()
        self._file.truncate(place)
        self._file.seek(place)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was read yet."""
        return not self._known

    def has(self, device: str, part: Slice) -> bool:
        """Whether a slice is there."""
        return _key(device, part) in self._known

    def add(self, device: str, part: Slice, rows: list[Row]) -> None:
        """Keep a slice that is complete."""
        key = _key(device, part)
        places: dict[Series, int] = {}  # each is written once
        plain = [
            [time_ns, [[places.setdefault(s, len(places)), value] for s, value in values]]
            for time_ns, values in rows
        ]
        series = [[each.metric.name, dict(each.tags)] for each in places]
        try:
            self._known[key] = self._file.seek(0, os.SEEK_END)
            self._write([*key, series, plain])
        except OSError as error:
            raise unwritable(self.path, error) from error

    def rows(self, device: str, part: Slice) -> Iterator[Row]:
        """The rows of a slice; none where it is not there."""
        place = self._known.get(_key(device, part))
        if place is None:
            return
        self._file.seek(place)
        *_, named, rows = json.loads(self._file.readline())
        series = [catalog().series(name, **tags) for name, tags in named]
        for time_ns, values in rows:
            yield time_ns, [(series[number], value) for number, value in values]

    def _write(self, value: Any) -> None:  # noqa: ANN401 - anything that JSON has
        self._file.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def close(self, *, remove: bool) -> None:
        """Close it.

        Args:
            remove: It is not needed any more.
        """
        self._file.close()
        if remove:
            self.path.unlink(missing_ok=True)


def _key(device: str, part: Slice) -> _Key:
    return device, part.query.name, part.start_ns, part.end_ns
