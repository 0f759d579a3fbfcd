"""What is worth waking somebody for: the device lost or back, a fault raised or over.

Each is told once, when it changes, however often it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rct_collector.catalog import catalog
from rct_collector.config import DeviceConfig
from rct_collector.drivers import driver
from rct_collector.model import Batch, CollectdId, Series

#: Bits of one fault word.
_BITS = 32
_WORD = "fault_word_"


class Alert(NamedTuple):
    """One change.

    Attributes:
        place: Type and type instance of the series that it is about; the same for the recovery.
        bad: It began; otherwise it is over.
        text: A sentence for people.
    """

    place: CollectdId
    bad: bool
    text: str


class Alerts:
    """The changes of one device. A device begins as well, so what is bad at first is told."""

    def __init__(self, device: DeviceConfig) -> None:
        """Begin.

        Args:
            device: The device's options.
        """
        rows = catalog()
        self._name = device.name
        self._texts = driver(device.driver).faults
        self._up = rows.series("inverter_collector.up")
        self._words = {
            series: int(metric.field.removeprefix(_WORD)) * _BITS
            for metric in rows.metrics
            if metric.measurement == "inverter_status" and metric.field.startswith(_WORD)
            for series in rows.expand(metric)
        }
        self._before: dict[Series, int] = {self._up: 1}

    def take(self, batch: Batch) -> Iterator[Alert]:
        """The changes that a batch brings."""
        for series, value in batch.values:
            if series is not self._up and series not in self._words:
                continue
            word = int(value)
            before = self._before.get(series, 0)
            self._before[series] = word
            if series is self._up:
                if word != before:
                    yield self._line(up=bool(word))
                continue
            for bit in range(_BITS):
                if (word ^ before) >> bit & 1:
                    yield self._fault(self._words[series] + bit, bad=bool(word >> bit & 1))

    def _line(self, *, up: bool) -> Alert:
        text = "answers again" if up else "does not answer"
        return Alert(_place(self._up), not up, f"{self._name} {text}")

    def _fault(self, number: int, *, bad: bool) -> Alert:
        series = catalog().series("inverter_fault.active", fault=str(number))
        what = self._texts.get(number, "unknown")
        end = "" if bad else " is over"
        return Alert(_place(series), bad, f"{self._name}: fault {number} ({what}){end}")


def _place(series: Series) -> CollectdId:
    assert series.collectd is not None  # noqa: S101 - flags are no texts
    return series.collectd
