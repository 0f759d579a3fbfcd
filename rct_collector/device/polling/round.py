"""The values of one round: from answers to samples, each published once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Protocol

from rct_collector.device.plausibility import ASK_AGAIN, GOOD, Plausibility
from rct_collector.device.polling.plan import Derived, Plan
from rct_collector.drivers.base import Query
from rct_collector.model import Series, Value


class Has(Protocol):
    """What the unit is known to have."""

    def __call__(self, *conditions: str) -> bool | None:
        """Whether it has one of these parts; None while that is not known.

        Args:
            conditions: Names of the conditions of the parts.
        """


class Round:
    """Gathers what one round brings.

    Attributes:
        time_ns: Nanoseconds since the epoch at the first answer; 0 before it.
        implausible: Values that were dropped or read again.
    """

    def __init__(
        self, plan: Plan, plausibility: Plausibility, has: Has, zone: tzinfo | None
    ) -> None:
        """Begin without values.

        Args:
            plan: What is wanted.
            plausibility: Judge of the device's values.
            has: What the unit is known to have.
            zone: Time zone of the unit's clock.
        """
        self._plan = plan
        self._plausibility = plausibility
        self._has = has
        self._zone = zone
        self._values: dict[Series, Value] = {}
        self._origins: dict[Series, str] = {}  # of those that are found in several places
        self._fresh: dict[Series, Value] = {}
        self._published: set[Series] = set()
        self._texts: dict[Series, Value] = {}  # those that were handed over
        self._open: dict[int, int] = {}
        self._computed: set[int] = set()
        self.time_ns = 0
        self.first_at = 0.0
        self.implausible = 0

    def heard(self, *, now: float, wall_ns: int) -> None:
        """An answer came, whatever it is worth; the first one gives the round its time.

        Args:
            now: Monotonic seconds.
            wall_ns: Nanoseconds since the epoch.
        """
        if not self.time_ns:
            self.time_ns = wall_ns
            self.first_at = now

    def take(self, query: Query, raw: object, *, now: float, wall_ns: int) -> bool:
        """Take a complete answer.

        Args:
            query: What was answered.
            raw: Decoded value.
            now: Monotonic seconds.
            wall_ns: Nanoseconds since the epoch.

        Returns:
            False when a value must be read a second time before it can be believed.
        """
        if not self.time_ns:
            self.heard(now=now, wall_ns=wall_ns)
        plan = self._plan
        for place in plan.dependents.get(query, ()):
            self._open[place] = wall_ns
        certain, origin = True, query.condition
        for binding in plan.takes[query]:
            if binding.scalar is not None:
                certain &= self._accept(binding.series[0], binding.scalar(raw), now, origin)
                continue
            values = binding.convert(raw, self._zone, wall_ns / 1e9)
            for series, value in zip(binding.series, values, strict=True):
                if value is not None:
                    certain &= self._accept(series, value, now, origin)
        return certain

    def _accept(self, series: Series, value: Value, now: float | None, origin: str = "") -> bool:
        """Judge a value; ``now`` is None for one that was computed from others.

        What is found in several places is taken from the one that the unit has, whatever the
        others answer.
        """
        if series in self._plan.several and not self._takes(series, origin):
            return True
        verdict = self._plausibility.judge(series, value, now=now, derived=now is None)
        if verdict is GOOD:
            self._values[series] = value
            # A second reading does not bring the same series twice in one round.
            if series not in self._published:
                self._fresh[series] = value
        else:
            self.implausible += 1
        return verdict is not ASK_AGAIN

    def _takes(self, series: Series, origin: str) -> bool:
        """Whether a series that is found in several places is taken from this one."""
        before = self._origins.setdefault(series, origin)
        if before != origin:
            if self._has(before) or self._has(origin) is False:
                return False
            self._origins[series] = origin
        return True

    def publish(self) -> list[tuple[Series, Value]]:
        """What is new since the last call, derived series included. Nothing is repeated."""
        self._derive()
        wanted, texts = self._plan.wanted, self._plan.texts
        fresh, undecided = [], {}
        for series, value in self._fresh.items():
            if series in wanted and series not in texts:
                present = self._present(series)
                if present:
                    fresh.append((series, value))
                elif present is None:  # it may turn out within the round
                    undecided[series] = value
        self._fresh = undecided
        self._published.update(series for series, _ in fresh)
        return fresh

    def values(self, some: Iterable[Series]) -> tuple[Value | None, ...]:
        """What has come of some series; None for one of which nothing has."""
        return tuple(map(self._values.get, some))

    def texts(self) -> dict[Series, Value]:
        """Texts that came since the last call."""
        texts = {s: v for s, v in self._values.items() if s in self._plan.texts}
        fresh = {s: v for s, v in texts.items() if self._texts.get(s) != v}
        self._texts = texts
        return fresh

    def _present(self, series: Series) -> bool | None:
        """An answer about a part that the unit does not have, or may not have, means nothing."""
        if series in self._plan.several:
            return self._has(self._origins[series])
        conditions = self._plan.conditions(series)
        return not conditions or self._has(*conditions)

    def _derive(self) -> None:
        """Compute what can be computed by now; the rest may follow with later answers."""
        for place in sorted(self._open.keys() - self._computed):
            item = self._plan.derived[place]
            columns = self._columns(item)
            if columns is None:
                continue
            self._computed.add(place)
            # The time of the last input: what runs on meanwhile must not count as drift.
            value = item.rule(columns, self._open[place] / 1e9)
            if value is not None:
                self._accept(item.series, value, None)

    def _columns(self, item: Derived) -> list[list[float | None]] | None:
        """The inputs of a derived series, or None while they are not complete."""
        columns = []
        for column in item.inputs:
            values = list(self._column(column, tolerant=item.tolerant))
            if not values or (item.tolerant and all(v is None for v in values)):
                return None
            if not item.tolerant and any(v is None for v in values):
                return None
            columns.append(values)
        return columns

    def _column(
        self, column: Iterable[tuple[Series, tuple[str, ...]]], *, tolerant: bool
    ) -> Iterable[float | None]:
        """Values of one input metric; parts that the unit lacks are left out."""
        for series, conditions in column:
            present = self._has(*conditions) if conditions else True
            value = self._values.get(series)
            if present is False and not tolerant:
                continue
            if value is not None and series in self._plan.several:
                present = self._present(series)
            yield value if isinstance(value, int | float) and present else None
