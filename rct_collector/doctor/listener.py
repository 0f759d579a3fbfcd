"""An examination of units that are not asked, but talk: it hears what they say, and counts.

In place of :class:`.examiner.Examiner`. It answers them as a collector does, but takes nothing
over: what nobody acknowledges a unit keeps, and says again to whoever collects next.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from math import inf
from typing import Any

from rct_collector.config import DeviceConfig
from rct_collector.device.receiving import can_be
from rct_collector.doctor.figures import Figures, UnitFigures
from rct_collector.drivers.base import Event, Garbled, Query, Record
from rct_collector.drivers.tools import Hearing
from rct_collector.transport import is_recorded

#: Units that are told apart, records of one that are known again, and sentences of one kind.
MOST_UNITS, MOST_RECORDS, MOST_REASONS = 64, 4096, 5


class _Heard:
    """What was heard of one unit so far."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.records: Counter[str] = Counter()
        self.parts: defaultdict[str, set[Hashable]] = defaultdict(set)
        self.lags: list[float] = []
        self.repeated = self.misdated = 0
        self._known: set[tuple[Hashable, int]] = set()

    def take(self, record: Record, part: str, wall: float, *, dated: bool) -> None:
        """Count a record, the first time that it comes."""
        name = record.key, record.time_ns
        if name in self._known:
            self.repeated += 1
            return
        if len(self._known) < MOST_RECORDS:
            self._known.add(name)
        self.records[part] += 1
        self.parts[part].add(record.key)
        if dated and can_be(record.time_ns, round(wall * 1e9)):
            self.lags.append(wall - record.time_ns / 1e9)
        elif dated:
            self.misdated += 1

    def figures(self) -> UnitFigures:
        return UnitFigures(
            times=tuple(self.times),
            records=dict(self.records),
            parts={part: len(keys) for part, keys in self.parts.items()},
            repeated=self.repeated,
            lags=tuple(self.lags),
            misdated=self.misdated,
        )


class Listener:
    """Keeps account of what units say."""

    def __init__(self, config: DeviceConfig, hearing: Hearing, seconds: float) -> None:
        """Hear nothing yet.

        Args:
            config: The device.
            hearing: What its family knows of what units say.
            seconds: How long it may take.
        """
        self._hearing, self._seconds = hearing, seconds
        self._recorded = is_recorded(config.address)
        self._units: defaultdict[str, _Heard] = defaultdict(_Heard)
        self._damaged: Counter[str] = Counter()
        self._reasons: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._size = self._answers = 0
        self.begun = 0.0
        self._begins = self.finished = False

    # -- what the line needs: nothing ----------------------------------------------------------

    def begin(self, now: float) -> None:
        """The line is open for the first time."""
        self.begun, self._begins = now, True

    def next(self, now: float) -> tuple[Query | None, float]:
        """Nothing is asked; all is over when the time is. See :meth:`.examiner.Examiner.next`."""
        self.finished = self.finished or now >= self.begun + self._seconds
        return None, inf if self.finished else self.begun + self._seconds

    def abandoned(self) -> list[Query]:
        """Nothing, since nothing is asked."""
        return []

    def give_up(self, _now: float) -> None:
        """Nothing more will come."""
        self.finished = True

    def line_lost(self, _now: float) -> None:
        """The line is gone; it may come back."""

    @property
    def heard(self) -> bool:
        """Any unit has said something that was understood."""
        return bool(self._answers)

    def progress(self, now: float) -> str:
        """How far it has come, in words."""
        left = max(self.begun + self._seconds - now, 0.0)
        return f"listening: {len(self._units)} units, {left:.0f} s left"

    # -- what comes ----------------------------------------------------------------------------

    def listen(self, data: bytes) -> None:
        """Take bytes as they arrive, whatever they are."""
        self._size += len(data)

    def hear(self, events: Iterable[Event], now: float, wall: float) -> None:
        """Take what bytes have brought.

        Args:
            events: In the order in which they came.
            now: Monotonic seconds.
            wall: Unix seconds.
        """
        spoke = set()
        for event in events:
            if isinstance(event, Garbled):
                self._garbled(event)
                continue
            if not event.unit or not self._is_told_apart(event.unit):
                continue
            spoke.add(event.unit)
            unit = self._units[event.unit]
            part = self._hearing.part(event.key) if isinstance(event, Record) else ""
            if part and isinstance(event, Record):
                unit.take(event, part, wall, dated=not self._recorded)
        self._answers += len(spoke)
        for name in spoke if not self._recorded else ():
            self._units[name].times.append(now)

    def _is_told_apart(self, unit: str) -> bool:
        return unit in self._units or len(self._units) < MOST_UNITS

    def _garbled(self, event: Garbled) -> None:
        self._damaged[event.kind] += 1
        reasons = self._reasons[event.kind]
        if event.reason and len(reasons) < MOST_REASONS:
            reasons[event.reason] = None

    def figures(self, now: float, **line: Any) -> Figures:
        """Everything so far; see :meth:`.examiner.Examiner.figures`."""
        trouble = line.get("trouble")
        return Figures(
            seconds=max(now - self.begun, 0.0) if self._begins else 0.0,
            answers=self._answers,
            silent=trouble is None and not self._units,
            damaged=Counter(self._damaged),
            received=self._size,
            complete=self.finished and trouble is None,
            units={name: unit.figures() for name, unit in self._units.items()},
            reasons={kind: tuple(texts) for kind, texts in self._reasons.items() if texts},
            talks=True,
            keeps=not self._recorded,
            settings=self._hearing.settings(sorted(self._units)) if self._units else {},
            **line,
        )
