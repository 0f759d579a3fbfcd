"""The latest values of one device, as a person wants to look at them."""

from __future__ import annotations

from typing import NamedTuple

from rct_collector.catalog import catalog
from rct_collector.catalog.faults import FAULT_WORDS, fault_metrics, fault_numbers
from rct_collector.config import DeviceConfig
from rct_collector.drivers import driver
from rct_collector.model import Batch, Health, Origin, Series, Value


class Reading(NamedTuple):
    """One value and its time in nanoseconds since the epoch."""

    value: Value
    time_ns: int


class Snapshot:
    """Takes the batches of one device and remembers the latest value of each series.

    Attributes:
        config: The device.
        unit: Which of its units, of a device that takes many; "" for the device itself.
        units: Those of which something has come, each with a snapshot of its own.
        driver: Its family.
        readings: Series → latest value.
        time_ns: Nanoseconds since the epoch of what came last; 0 before that.
        health: How the unit does; None before anything came.
        answered: It has answered at all.
        rounds: Rounds that ended.
        trouble: Why the device could not be read, or "".
        undecided: What it is not known to have, since it is silent about it; one sentence each.
    """

    def __init__(self, config: DeviceConfig, unit: str = "", *, values: bool = True) -> None:
        """Start without values.

        Args:
            config: The device.
            unit: Which of its units; "" for all of it.
            values: Keep the latest ones; else only how the device does.
        """
        self._values = values
        self.config = config
        self.unit = unit
        self.units: dict[str, Snapshot] = {}
        self.driver = driver(config.driver)
        self.readings: dict[Series, Reading] = {}
        self.time_ns = 0
        self.health: Health | None = None
        self.answered = False
        self.rounds = 0
        self.trouble = ""
        self.undecided: tuple[str, ...] = ()
        self._labels: tuple[tuple[str, str], ...] = ()

    def take(self, batch: Batch) -> bool:
        """Take what a device has to say.

        Returns:
            Whether this batch ends a round of the device.
        """
        if batch.unit != self.unit:
            (self.units.get(batch.unit) or self.of(batch.unit)).take(batch)
            self.answered = self.answered or batch.health.up
            return False
        self._labels = batch.labels
        self.health = batch.health
        if batch.health.up:
            self.answered = True
            self.trouble = ""
        elif batch.ends_round:
            self.trouble = batch.health.error
        if batch.origin is Origin.LIVE:
            self.time_ns = batch.time_ns
        if self._values:
            self._read(batch)
        if batch.health.removed:
            self.readings.clear()
        self.rounds += batch.ends_round
        return batch.ends_round

    @property
    def title(self) -> str:
        """Name of the device, and of the unit, for people."""
        return f"{self.config.name} {self.unit}" if self.unit else self.config.name

    @property
    def each(self) -> list[Snapshot]:
        """Those of its units, in the order of their names; itself where it is one."""
        return [self.units[unit] for unit in sorted(self.units)] or [self]

    def of(self, unit: str) -> Snapshot:
        """That of one of its units; itself for ""."""
        if not unit:
            return self
        found = self.units.get(unit)
        if found is None:
            found = self.units[unit] = Snapshot(self.config, unit, values=self._values)
        return found

    def _read(self, batch: Batch) -> None:
        """Keep the values, unless newer ones are there already."""
        if batch.origin is Origin.HISTORY:  # means and sums are no readings
            return
        for series, value in batch.values:
            known = self.readings.get(series)
            if batch.origin is Origin.LIVE or known is None or known.time_ns < batch.time_ns:
                self.readings[series] = Reading(value, batch.time_ns)

    @property
    def measured(self) -> list[Series]:
        """What the device has said, without figures about the collector."""
        return [series for series in self.readings if not series.metric.own]

    def get(self, name: str, **tags: str) -> Value | None:
        """The value of one series, or None."""
        reading = self.readings.get(catalog().series(name, **tags))
        return reading.value if reading else None

    def number(self, name: str, **tags: str) -> float | None:
        """The value of one series, if it is a number."""
        value = self.get(name, **tags)
        return float(value) if isinstance(value, int | float) else None

    def text(self, series: Series, value: Value) -> str:
        """What a code means, or ""."""
        meanings = self.driver.meanings_of(series)
        return meanings.get(value, "") if isinstance(value, int) else ""

    def ordered(self) -> list[tuple[Series, Reading]]:
        """All values, in the order of the catalogue."""
        place = catalog().place
        return sorted(self.readings.items(), key=lambda item: place(item[0]))

    def faults(self) -> list[tuple[int, str]] | None:
        """Active faults: number and meaning.

        None while none is known to be active and not all fault words are known: then there may be
        some.
        """
        metrics = fault_metrics()
        active = {
            number
            for series, (value, _) in self.readings.items()
            if series.metric in metrics and isinstance(value, int)
            for bit, number in enumerate(fault_numbers(series))
            if value >> bit & 1
        }
        if not active and any(self.get(name) is None for name in FAULT_WORDS):
            return None
        texts = self.driver.faults
        return [(number, texts.get(number, "unknown")) for number in sorted(active)]

    def batches(self) -> list[Batch]:
        """Everything, joined to one batch per moment, oldest first."""
        moments: dict[int, list[tuple[Series, Value]]] = {}
        for series, reading in self.ordered():
            moments.setdefault(reading.time_ns, []).append((series, reading.value))
        name, vendor = self.config.name, self.driver.vendor
        interval, unit = self.config.intervals.fast, self.unit
        return [
            Batch(name, vendor, self._labels, time_ns, tuple(values), interval, unit=unit)
            for time_ns, values in sorted(moments.items())
        ]
