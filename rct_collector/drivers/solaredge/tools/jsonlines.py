"""JSON lines as the suite prints them: one object per message, group → id → attributes.

Of meters and batteries there is one level more: group → id of the inverter → name → attributes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rct_collector.drivers.outside import Outside
from rct_collector.drivers.solaredge.records import ABSENT

#: What stands for "no value" where the suite takes its bytes for a whole number.
_NO_NUMBER = int.from_bytes(bytes.fromhex("ffff7fff"), "little")

Attributes = Mapping[str, Any]


class JsonLines:
    """The objects of a file of JSON lines; lines that hold none are left out, and counted.

    Attributes:
        good: Objects so far.
        bad: Lines that were left out.
    """

    def __init__(self, outside: Outside, path: str | None, *, quiet: bool = False) -> None:
        """Those of a file.

        Args:
            outside: Has the file.
            path: Of the file; None for standard input.
            quiet: Do not tell what was bad.
        """
        self._quiet = quiet
        self.good = self.bad = 0
        self._outside = outside
        self._path = path
        self._number = 0
        self._first = ""

    def batches(self, *, follow: bool = False) -> Iterator[list[dict[str, Any]]]:
        """Objects in order, those that are there at once together; tells at the end what was bad.

        Args:
            follow: Wait for more at the end of the file, with an empty list while there is none.
        """
        for lines in self._outside.lines(self._path, follow=follow):
            yield [item for line in lines if (item := self._object(line)) is not None]
        if self.bad and not self._quiet:
            remedy = "" if self.good else "; 'monitor' makes such lines of recordings"
            self._outside.say(
                f"Warning: {self._path or 'standard input'}: {self.bad} of {self._number} lines are"
                f" no JSON objects, and were left out; the first is {self._first}{remedy}"
            )

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """All objects, one by one."""
        for batch in self.batches():
            yield from batch

    def _object(self, line: bytes) -> dict[str, Any] | None:
        self._number += 1
        if not line.strip():
            return None
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            self.good += 1
            return found
        if not self.bad:
            self._first = f"line {self._number}: {line[:40]!r}"
        self.bad += 1
        return None


def walk(
    message: Mapping[str, Any], keep: Callable[[str, Sequence[str], Attributes], None]
) -> None:
    """Visit every set of attributes of a message.

    Args:
        message: One object.
        keep: Called with group, path below it (ids, names) and attributes.
    """
    for group, content in message.items():
        if isinstance(content, dict):
            _walk(group, (), content, keep)


def _walk(
    group: str,
    path: tuple[str, ...],
    content: Mapping[str, Any],
    keep: Callable[[str, Sequence[str], Attributes], None],
) -> None:
    own = {name: value for name, value in content.items() if not isinstance(value, dict)}
    if own:
        keep(group, path, own)
    for name, value in content.items():
        if isinstance(value, dict):
            _walk(group, (*path, name), value, keep)


def number(value: object) -> float | int | None:
    """A number that means something: none of "no value", and no NaN or infinity."""
    if type(value) not in (int, float) or value in (ABSENT, _NO_NUMBER):
        return None
    return value if abs(value) < float("inf") else None  # type: ignore[arg-type, return-value]
