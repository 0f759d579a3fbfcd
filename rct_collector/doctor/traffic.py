"""Counts what passes on the line that is no answer to us."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

#: Kinds of frames that others send; all other kinds are damage.
OTHERS = frozenset({"plant", "write", "echo"})

#: The longest sign, with one byte before it.
_KEPT = 8


class Traffic:
    """Hears who else is on the line.

    Attributes:
        others: ``answer`` to somebody else, kinds of frames, and names of who gave a sign.
        damaged: Kind of damage → frames, or pieces of noise.
        size: Bytes so far.
        foreign_at: When the last answer to somebody else passed; None before.
    """

    def __init__(self, signs: Mapping[str, re.Pattern[bytes]]) -> None:
        """Know the signs.

        Args:
            signs: Who → bytes that only they send; at most seven.
        """
        self._signs = signs
        self._before = b""
        self.others: Counter[str] = Counter()
        self.damaged: Counter[str] = Counter()
        self.size = 0
        self.foreign_at: float | None = None

    def listen(self, data: bytes) -> None:
        """Take bytes, cut anywhere."""
        self.size += len(data)
        known, stream = len(self._before), self._before + data
        for who, pattern in self._signs.items():
            self.others[who] += sum(match.end() > known for match in pattern.finditer(stream))
        self._before = stream[-_KEPT:]

    def garbled(self, kind: str) -> None:
        """Something passed that is no answer."""
        (self.others if kind in OTHERS else self.damaged)[kind] += 1

    def foreign(self, now: float) -> None:
        """An answer to somebody else passed."""
        self.others["answer"] += 1
        self.foreign_at = now
