"""What is known of the devices by now: no I/O, no clock.

A value is kept with its time, and let go of when it is too old to be taken for a present one: when
its unit is away, or when it ought to have come again three times by now. So who reads from here
never gets an old value as a new one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rct_collector.control.batches import series_named
from rct_collector.model import Batch, Origin, PollClass, Series, Value
from rct_collector.web.past import KEPT, STEP_S, DayCurves

#: A value is let go of when it is so many times as old as the time after which it comes again.
MISSED = 3

#: Seconds by which a time may be ahead of this clock, and those that a value may be late.
GRACE_S = 10.0

#: Metric → the curve of the last hours that is made of it.
CURVES = {
    "inverter_power.pv_watts": "pv",
    "inverter_power.grid_watts": "grid",
    "inverter_power.load_watts": "load",
    "inverter_power.battery_watts": "battery",
    "inverter_power.output_watts": "output",
    "inverter_battery.soc_percent": "soc",
}

#: The same in the memory of a unit: curve → metrics with the factor of each.
REMEMBERED: dict[str, dict[str, int]] = {
    "pv": {"inverter_history.pv_a_watts": 1, "inverter_history.pv_b_watts": 1},
    "grid": {"inverter_history.grid_import_watts": 1, "inverter_history.grid_export_watts": -1},
    "load": {"inverter_history.load_watts": 1},
    "battery": {"inverter_history.battery_watts": 1},
    "soc": {"inverter_history.soc_percent": 1},
}

#: Curves that are nothing while one of their parts is missing; a solar generator may not be there.
_WHOLE = {"grid"}

#: Metric → the curve of which it is a part.
_PART_OF = {name: curve for curve, parts in REMEMBERED.items() for name in parts}


class PresentValue(NamedTuple):
    """A value and its time in Unix seconds."""

    value: Value
    time: float


class UnitState:
    """One unit.

    Attributes:
        name: Which of the units of its device; "" where that is one.
        up: Its last round brought an answer.
        since: Unix seconds since when that is so.
        missed: Rounds in a row without an answer.
        error: Why there was none, in words.
        labels: The user's own tags.
        time: Unix seconds of the last live values, or None.
        interval: Seconds after which the fastest class comes again.
        readings: Series → latest value.
        past: Its curves.
    """

    def __init__(self, name: str) -> None:
        """Know nothing yet."""
        self.name = name
        self.up = False
        self.since = 0.0
        self.missed = 0
        self.error = ""
        self.labels: dict[str, str] = {}
        self.time: float | None = None
        self.interval = 0.0
        self.readings: dict[Series, PresentValue] = {}
        self.past = DayCurves()
        self._parts: dict[float, dict[str, float]] = {}  # of curves, by their time

    def health(self) -> dict[str, Any]:
        """How it does."""
        return {"up": self.up, "since": self.since, "missed": self.missed, "error": self.error}

    def lose(self, since: float, error: str) -> None:
        """Nobody tells of it any more.

        Args:
            since: Unix seconds since when.
            error: Why, in words.
        """
        if self.up:
            self.up, self.since = False, since
        self.error = error
        self.readings.clear()

    def take(self, batch: Batch, now: float) -> None:
        """Take what the unit has to say.

        Args:
            batch: Of any origin.
            now: Unix seconds.
        """
        self.up, self.since, self.missed, self.error, _ = batch.health
        self.labels = dict(batch.labels)
        time = batch.time_ns / 1e9
        if batch.origin is Origin.HISTORY:
            self.remember(batch)
        elif time < now + STEP_S:
            self._draw(batch.values, time)
        if batch.origin is Origin.LIVE:
            self.interval = batch.interval_s
            self.keep((series, value, time) for series, value in batch.values)
        if not self.up:
            self.readings.clear()

    def begin(self, values: Iterable[tuple[Series, Value, float]]) -> None:
        """Take the last values of all series, as of a batch for each; see :meth:`keep`."""
        found = tuple(values)
        for series, value, time in found:
            self._draw([(series, value)], time)
        self.keep(found)

    def keep(self, values: Iterable[tuple[Series, Value, float]]) -> None:
        """Keep values, unless newer ones are there.

        Args:
            values: Series, value and its time in Unix seconds.
        """
        for series, value, time in values:
            if series.metric.poll is PollClass.HISTORY:
                continue
            known = self.readings.get(series)
            if known is None or known.time <= time:
                self.readings[series] = PresentValue(value, time)
            self.time = max(self.time or 0.0, time)

    def remember(self, batch: Batch) -> None:
        """Take what the unit itself has kept of the past, which comes signal by signal.

        Args:
            batch: Of history.
        """
        time = batch.time_ns / 1e9
        for series, value in batch.values:
            name = series.metric.name
            curve = _PART_OF.get(name)
            if curve is None or not isinstance(value, int | float):
                continue
            parts = self._parts.setdefault(time, {})
            parts[name] = value
            known = {part: factor for part, factor in REMEMBERED[curve].items() if part in parts}
            if curve not in _WHOLE or len(known) == len(REMEMBERED[curve]):
                total = sum(factor * parts[part] for part, factor in known.items())
                self.past.restore(curve, time, total)
        while len(self._parts) > 2 * KEPT:
            del self._parts[next(iter(self._parts))]

    def expire(self, now: float, intervals: Mapping[str, float]) -> list[Series]:
        """Let go of what is too old by now; returns its series.

        Args:
            now: Unix seconds.
            intervals: Name of a class → seconds after which it comes again.
        """
        old = [
            series
            for series, reading in self.readings.items()
            if now - reading.time > self._lifetime(series.metric.poll, intervals)
        ]
        for series in old:
            del self.readings[series]
        return old

    def _lifetime(self, poll: PollClass, intervals: Mapping[str, float]) -> float:
        return MISSED * max(intervals[poll.option], self.interval) + GRACE_S

    def _draw(self, values: Iterable[tuple[Series, Value]], time: float) -> None:
        """Take what curves are made of."""
        for series, value in values:
            curve = CURVES.get(series.metric.name)
            if curve and isinstance(value, int | float):
                self.past.take(curve, time, value)

    def to_json(self, now: float) -> dict[str, Any]:
        """Everything that a page needs to begin with."""
        return {
            "unit": self.name,
            **self.health(),
            "labels": self.labels,
            "time": self.time,
            "interval": self.interval,
            "values": {series.name: list(reading) for series, reading in self.readings.items()},
            "past": self.past.to_json(now),
        }


class DeviceState:
    """One device, which is a unit or has many.

    Attributes:
        source: Its configured name.
        driver: Its family.
        vendor: Of the family.
        address: Where it is.
        intervals: Name of a class → seconds after which it comes again.
        writes: Names of settings that its configuration allows.
        units: By name.
        collector: Who collects from it: version, process, program.
    """

    def __init__(
        self,
        told: Mapping[str, Any],
        collector: Mapping[str, Any],
        units: dict[str, UnitState] | None = None,
    ) -> None:
        """Begin with what ``status`` tells.

        Args:
            told: Of the device.
            collector: Of who collects from it.
            units: What is known of its units, if it was there before.
        """
        self.source = str(told["source"])
        self.driver = str(told["driver"])
        self.vendor = str(told["vendor"])
        self.address = str(told["address"])
        self.intervals: dict[str, float] = dict(told["intervals"])
        self.writes = [str(name) for name in told["writes"]]
        self.collector = dict(collector)
        self.units = units or {}
        self.is_new = not units

    def unit(self, name: str) -> UnitState:
        """One of its units, which is made where it was not known."""
        found = self.units.get(name)
        if found is None:
            found = self.units[name] = UnitState(name)
        return found

    def take(self, batch: Batch, now: float) -> None:
        """Take what one of its units has to say; see :meth:`UnitState.take`."""
        if batch.health.removed:
            self.units.pop(batch.unit, None)
        else:
            self.unit(batch.unit).take(batch, now)

    def is_forgotten(self, now: float) -> bool:
        """Whether all of its units have been away for so long that no curve shows them.

        Args:
            now: Unix seconds.
        """
        return all(not unit.up and now - unit.since > KEPT * STEP_S for unit in self.units.values())

    def start(self, told: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        """Take what is known at the beginning.

        Args:
            told: Of the device, by ``status``.
            values: Of its units, by ``values``.
        """
        for item in values["units"]:
            unit = self.unit(str(item["unit"]))
            unit.up, unit.since = bool(item["up"]), float(item["since"])
            unit.error, unit.interval = str(item["error"]), float(told["interval"])
            unit.labels = dict(told["labels"])
            if unit.up:
                unit.begin(
                    (series, value["value"], float(value["time"]))
                    for name, value in item["values"].items()
                    if (series := series_named(name))
                )

    def to_json(self, now: float) -> dict[str, Any]:
        """Everything that a page needs to begin with."""
        return {
            "source": self.source,
            "driver": self.driver,
            "vendor": self.vendor,
            "address": self.address,
            "collector": self.collector,
            "writes": self.writes,
            "units": [self.units[name].to_json(now) for name in sorted(self.units)],
        }
