"""The values of one round: from answers to samples, each published once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import partial
from typing import Any

from rct_collector.device.plausibility import ASK_AGAIN, GOOD, TOTAL, Plausibility
from rct_collector.device.polling.plan import Plan, Taking
from rct_collector.device.polling.presence import Presence
from rct_collector.drivers.base import Query
from rct_collector.model import Series, Value


class Round:
    """Gathers what one round brings.

    Plain numbers are kept as they come, and judged together when they are handed over, or when
    something comes that cannot wait: a total, which may have to be read again, or what is more than
    a number. So all of them stay in the order in which they came.

    Attributes:
        plan: What is wanted in it.
        time_ns: Nanoseconds since the epoch at the first answer; 0 before it.
        first_at: Monotonic seconds then.
    """

    def __init__(
        self,
        plan: Plan,
        plausibility: Plausibility,
        presence: Callable[[], Presence],
        zone: tzinfo | None,
        failed: Callable[[Exception], object],
    ) -> None:
        """Begin without values.

        Args:
            plan: What is wanted.
            plausibility: Judge of the device's values.
            presence: Tells what of the plan the unit is known to have at present.
            zone: Time zone of the unit's clock.
            failed: Told of an answer that has met a bug, once it is judged.
        """
        self.plan = plan
        self._plausibility = plausibility
        self._presence = presence
        self._zone = zone
        self._failed = failed
        self._answers: list[tuple[Taking, object, int]] = []  # with nothing but plain numbers
        self._values: dict[Series, Value] = {}  # all that are looked at once more
        self._origins: dict[Series, str] = {}  # of those that are found in several places
        self._fresh: dict[Series, Value] = {}
        self._published: set[Series] = set()
        self._texts: dict[Series, Value] = {}
        self._told_texts: dict[Series, Value] = {}  # those that were handed over
        self._open: dict[int, int] = {}
        self._computed: set[int] = set()
        self.time_ns = 0
        self.first_at = 0.0
        self._implausible = 0

    @property
    def implausible(self) -> int:
        """Values that were dropped or read again."""
        self._judge()
        return self._implausible

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
        taking = self.plan.takings[query]
        if not taking.bindings:
            self._answers.append((taking, raw, wall_ns))
            return True
        self._judge()
        for place in taking.dependents:
            self._open[place] = wall_ns
        certain, origin = True, query.condition
        for binding in taking.bindings:
            if binding.scalar is not None:
                certain &= self._accept(binding.series[0], binding.scalar(raw), now, origin)
                continue
            values = binding.convert(raw, self._zone, wall_ns / 1e9)
            for series, value in zip(binding.series, values, strict=True):
                if value is not None:
                    certain &= self._accept(series, value, now, origin)
        return certain

    def _judge(self) -> None:
        """Judge the plain numbers that have come, all in one go."""
        answers, self._answers = self._answers, []
        values, fresh = self._values, self._fresh
        for taking, raw, wall_ns in answers:
            for place in taking.dependents:
                self._open[place] = wall_ns
            try:
                for series, scalar, low, high, is_told, is_kept in taking.plain:
                    value = scalar(raw)
                    if not low <= value <= high:  # nor is NaN, or what is infinite
                        self._implausible += 1
                        continue
                    if is_kept:
                        values[series] = value
                    if is_told:
                        fresh[series] = value
            except Exception as error:  # it costs no value but its own
                self._failed(error)

    def _accept(self, series: Series, value: Value, now: float | None, origin: str = "") -> bool:
        """Judge a value; ``now`` is None for one that was computed from others.

        What is found in several places is taken from the one that the unit has, whatever the
        others answer.
        """
        plan = self.plan
        if series in plan.several and not self._takes(series, origin):
            return True
        metric = series.metric
        if (
            # Most values are none of these, and a call for each would cost more than all else.
            type(value) is str
            or (metric.kind is TOTAL and now is not None)
            or not metric.low <= value <= metric.high  # type: ignore[operator]
        ):
            verdict = self._plausibility.judge(series, value, now=now, derived=now is None)
            if verdict is not GOOD:
                self._implausible += 1
                return verdict is not ASK_AGAIN
        self._values[series] = value
        if series in plan.told:
            self._fresh[series] = value
        elif series in plan.texts:
            self._texts[series] = value
        return True

    def _takes(self, series: Series, origin: str) -> bool:
        """Whether a series that is found in several places is taken from this one."""
        before = self._origins.setdefault(series, origin)
        if before != origin:
            there = self._presence()
            if there.has(before) or there.has(origin) is False:
                return False
            self._origins[series] = origin
        return True

    def publish(self) -> list[tuple[Series, Value]]:
        """What is new since the last call, derived series included. Nothing is repeated.

        An answer about a part that the unit does not have, or may not have, means nothing.
        """
        self._judge()
        there = self._presence()
        self._derive(there)
        fresh, published = self._fresh, self._published
        self._fresh = {}
        if not published.isdisjoint(fresh):  # a second reading brings nothing twice in one round
            fresh = {s: value for s, value in fresh.items() if s not in published}
        present: Mapping[Series, bool | None] = there
        if self._origins:
            present = {s: self._is_there(s, there) for s in fresh}
        found = [pair for pair in fresh.items() if present[pair[0]]]
        if len(found) < len(fresh):  # what is not known may turn out within the round
            self._fresh = {s: v for s, v in fresh.items() if present[s] is None}
        published.update([series for series, _ in found])
        return found

    def values(self, some: Iterable[Series]) -> tuple[Value | None, ...]:
        """What has come of some that are inputs or faults; None for one of which nothing has."""
        self._judge()
        return tuple(map(self._values.get, some))

    def texts(self) -> dict[Series, Value]:
        """Texts that came since the last call."""
        fresh = {s: v for s, v in self._texts.items() if self._told_texts.get(s) != v}
        self._told_texts.update(fresh)
        return fresh

    def _value_of(self, present: Presence, series: Series | None) -> Value | None:
        """The value of a series that the unit has where it came from; None of any other."""
        origin = self._origins.get(series) if series is not None else None
        if series is None or (origin is not None and not present.has(origin)):
            return None
        return self._values.get(series)

    def _is_there(self, series: Series, present: Presence) -> bool | None:
        """Whether the unit has what a series is about, if it comes from where it came from."""
        origin = self._origins.get(series)
        return present[series] if origin is None else present.has(origin)

    def _derive(self, present: Presence) -> None:
        """Compute what can be computed by now; the rest may follow with later answers."""
        for place in sorted(self._open.keys() - self._computed):
            columns = self._columns(place, present)
            if columns is None:
                continue
            self._computed.add(place)
            item = self.plan.derived[place]
            # The time of the last input: what runs on meanwhile must not count as drift.
            value = item.rule(columns, self._open[place] / 1e9)
            if value is not None:
                self._accept(item.series, value, None)

    def _columns(self, place: int, present: Presence) -> list[list[float | None]] | None:
        """The inputs of a derived series, or None while they are not complete.

        A tolerant rule takes what there is.
        """
        inputs = present.inputs(place)
        if inputs is None:
            return None
        values: Callable[[Any], Value | None] = self._values.get
        value_of = partial(self._value_of, present) if self._origins else values
        tolerant = self.plan.derived[place].tolerant
        columns: list[list[Any]] = []
        for places in inputs:
            column = list(map(value_of, places))
            if tolerant:
                if column.count(None) == len(column):
                    return None
            elif None in column or not column:
                return None
            columns.append(column)
        return columns
