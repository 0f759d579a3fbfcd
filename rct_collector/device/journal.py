"""What was written into one unit: when, by whom, what became of it; and whether it was too much.

Each write is on the disk before it leaves, so that one whose answer nobody has seen any more is
known all the same, and counts. So limits hold over restarts, and whoever takes the device over from
another process goes on with its journal.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from rct_collector.device.clock import Clock
from rct_collector.device.state import StateFile
from rct_collector.errors import CollectorError

#: One write in so many seconds, and so many in a day: the memory of units wears out.
APART_S = 10.0
MOST_A_DAY = 20
DAY_S = 86400.0

#: Writes that are kept; the oldest are forgotten first.
MOST_KEPT = 200

#: What became of a write whose end nobody has recorded: it has left, as far as is known.
SENT, UNKNOWN = "sent", "unknown"

#: Characters of a text of an entry.
_LONGEST = 200


class JournalError(CollectorError):
    """A write cannot be recorded."""


class JournalEntry(NamedTuple):
    """One write.

    Attributes:
        time: Unix seconds.
        who: Who asked for it.
        name: Name of the setting.
        old: The value before.
        new: What it was to be.
        result: What became of it; :data:`SENT` while nobody knows.
    """

    time: float
    who: str
    name: str
    old: Any
    new: Any
    result: str = SENT


class Journal:
    """The writes of one unit, the oldest first.

    Attributes:
        entries: They.
    """

    def __init__(self, clock: Clock, file: StateFile | None = None) -> None:
        """Begin with nothing; see :meth:`load`.

        Args:
            clock: Wall clock.
            file: Where they are kept; None keeps them no longer than the process lasts.
        """
        self._clock = clock
        self._file = file
        self.entries: list[JournalEntry] = []
        self._at: dict[JournalEntry, float] = {}  # in monotonic seconds

    async def load(self) -> None:
        """Take up what is on the disk: another process may have written meanwhile.

        What has no end there has none any more: whoever was to see it is gone.
        """
        if self._file is None:
            return
        kept = (await asyncio.to_thread(self._file.load)).get("entries")
        items = kept if isinstance(kept, list) else []
        found = [entry for item in items if (entry := _entry(item))]
        now, wall = asyncio.get_running_loop().time(), self._clock.wall()
        # A wall clock that was wrong may have put one into the future: it is as old as its reading.
        at = {entry: self._at.get(entry, now - max(wall - entry.time, 0.0)) for entry in found}
        self._take(
            (entry._replace(result=UNKNOWN) if entry.result == SENT else entry, at[entry])
            for entry in found[-MOST_KEPT:]
        )

    def _take(self, entries: Iterable[tuple[JournalEntry, float]]) -> None:
        self._at = dict(entries)
        self.entries = list(self._at)

    def objection(self, now: float) -> str:
        """Why nothing more may be written now; "" when it may.

        Args:
            now: Monotonic seconds.
        """
        times = sorted(self._at.values())[-MOST_A_DAY:]
        if times and (left := times[-1] + APART_S - now) > 0:
            wait = math.ceil(round(left, 2))  # up, so that it may be written indeed after that
            return (
                f"the last write was {APART_S - wait:.0f} s ago; {APART_S:.0f} s must pass:"
                f" wait {wait} s more"
            )
        if len(times) == MOST_A_DAY and (left := times[0] + DAY_S - now) > 0:
            return (
                f"{MOST_A_DAY} writes within a day are enough: the memory of the unit wears out;"
                f" wait {math.ceil(left / 60)} min more"
            )
        return ""

    async def begin(self, who: str, name: str, old: Any, new: Any) -> JournalEntry:
        """Record a write that is about to leave; it is on the disk when this returns.

        Raises:
            JournalError: It cannot be recorded.
        """
        entry = JournalEntry(round(self._clock.wall(), 3), who[:_LONGEST], name, old, new)
        self._put(entry, asyncio.get_running_loop().time())
        if not await self._save():
            self.forget(entry)
            raise JournalError("it cannot be recorded, and so is not written")
        return entry

    def sent(self, entry: JournalEntry) -> None:
        """It leaves just now: from here on the distance to the next one counts."""
        self._put(entry, asyncio.get_running_loop().time())

    def forget(self, entry: JournalEntry) -> None:
        """It has not left after all."""
        self._at.pop(entry, None)
        self.entries = list(self._at)

    async def end(self, entry: JournalEntry, result: str) -> None:
        """Record what became of it; "" where it has not left after all."""
        at = self._at.get(entry, -math.inf)
        self.forget(entry)
        if result:
            self._put(entry._replace(result=result), at)
        await self._save()

    def _put(self, entry: JournalEntry, at: float) -> None:
        self._at[entry] = at
        self._take([*self._at.items()][-MOST_KEPT:])

    async def _save(self) -> bool:
        if self._file is None:
            return True
        kept = {"entries": [list(entry) for entry in self.entries]}
        return await asyncio.to_thread(self._file.save, kept)


def _entry(item: Any) -> JournalEntry | None:
    """An entry of the file, if it can be one; what is in files is a stranger's data."""
    if not isinstance(item, list) or len(item) != len(JournalEntry._fields):
        return None
    time, who, name, old, new, result = item
    plain = all(isinstance(value, str | int | float | None) for value in (old, new))
    if not isinstance(time, int | float) or isinstance(time, bool) or not math.isfinite(time):
        return None
    if not plain or not all(isinstance(word, str) for word in (who, name, result)):
        return None
    return JournalEntry(float(time), who[:_LONGEST], name[:_LONGEST], old, new, result[:_LONGEST])
