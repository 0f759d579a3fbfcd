"""What is worth telling somebody: a device lost or back, a fault raised or over, an event.

Each is told once, when it changes and two readings agree on it, however often it is read. What
changes again and again is told a few times an hour, then only when it has come to rest, with how
often it changed meanwhile: the last that is told is what is. A device that is silent for a round
or two is none of it, nor is one that has gone to sleep with the sun, as many do that have no
battery or an empty one; it is told of when it sleeps longer than any night.

That a device is lost or back is told whatever its user excludes, for each batch says how its unit
does. Faults, and what tells that it may sleep, are values like others: what is excluded is not
asked for.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from rct_collector.catalog import catalog
from rct_collector.catalog.faults import (
    EVENT,
    EVENT_FLAG,
    EVENT_TEXT,
    FAULT_FLAG,
    event_metrics,
    fault_metrics,
    fault_numbers,
)
from rct_collector.config import DeviceConfig
from rct_collector.drivers import driver
from rct_collector.limiter import Limiter, and_more
from rct_collector.model import Batch, CollectdId, Health, Origin, Series, Tags, Value

#: A device is lost when it was silent for this many seconds …
LOST_S = 300.0
#: … and at least, or at most, for this many rounds.
FEWEST_ROUNDS, MOST_ROUNDS = 3, 30

#: Neither sun nor battery brought more than this many watts when a device was last heard of: it
#: may be asleep.
IDLE_WATTS = 100.0
#: No night that people live in is longer, in seconds.
NIGHT_S = 20 * 3600.0

#: How often one thing is told in an hour, and all faults of a device together.
MOST_EACH, MOST_TOGETHER = 4, 40


class AlertSeverity(Enum):
    """How bad it is; the names are those that agents use."""

    OKAY = "over"
    WARNING = "somebody should look at it some time"
    FAILURE = "somebody should look at it now"


class Alert(NamedTuple):
    """One change.

    Attributes:
        place: Type and type instance of the series that it is about; the same for the recovery.
        severity: How bad it is.
        text: A sentence for people.
        facts: What else is known of it, for programs.
    """

    place: CollectdId
    severity: AlertSeverity
    text: str
    facts: Mapping[str, Value] = MappingProxyType({})


class Alerts:
    """The changes of one unit. A unit begins well, so a fault that is there is told."""

    def __init__(
        self,
        device: DeviceConfig,
        clock: Callable[[], float] = time.monotonic,
        *,
        unit: str = "",
    ) -> None:
        """Begin.

        Args:
            device: The device's options.
            clock: Monotonic seconds.
            unit: Which of its units, of a device that takes many.
        """
        rows = catalog()
        self._name = f"{device.name} {unit}" if unit else device.name
        family = driver(device.driver)
        self._texts = family.faults
        self._events = family.events
        self._place = _place(rows.series("inverter_collector.up"))
        self._powers = {
            rows.series("inverter_power.pv_watts"): math.inf,  # not known: not idle
            rows.series("inverter_power.output_watts"): math.inf,
            rows.series("inverter_power.battery_watts"): 0.0,  # not there
        }
        self._losses = Limiter(clock, each=MOST_EACH)
        self._changes = Limiter(clock, each=MOST_EACH, altogether=MOST_TOGETHER)
        self._latest: dict[str, Alert] = {}
        self._read = 0  # one bit for each fault
        self._agreed = 0
        self._lost = False

    def take(self, batch: Batch) -> Iterator[Alert]:
        """The changes that a batch brings."""
        if batch.health.removed:
            yield from self._end()
            return
        if batch.origin is Origin.LIVE:
            yield from self._values(batch)
        if batch.origin is not Origin.HISTORY:  # what was held up on its way is told all the same
            yield from self._happened(batch)
        if batch.ends_round:
            yield from self._round(batch.health, batch.interval_s)
        for kind, count in (*self._losses.overdue(), *self._changes.overdue()):
            latest = self._latest[kind]
            yield latest._replace(text=f"{latest.text}{and_more(count)}")

    def _end(self) -> Iterator[Alert]:
        """The device was removed: nothing that was told of it stands any longer."""
        text = f"{self._name} is not collected from any more"
        for alert in self._latest.values():
            if alert.severity is not AlertSeverity.OKAY:
                yield alert._replace(severity=AlertSeverity.OKAY, text=text)
        self._latest.clear()

    def _tell(self, alert: Alert, limiter: Limiter) -> Iterator[Alert]:
        """Tell of a change, unless there were too many."""
        kind = alert.place.type_instance
        self._latest[kind] = alert
        if limiter.passes(kind):
            yield alert

    def _values(self, batch: Batch) -> Iterator[Alert]:
        """What the values say of faults, and of whether the device may fall asleep."""
        word = known = 0
        faults = fault_metrics()
        for series, value in batch.values:
            if series in self._powers:
                self._powers[series] = abs(float(value))
            elif series.metric in faults:
                numbers = fault_numbers(series)
                bits = (1 << len(numbers)) - 1
                word |= (int(value) & bits) << numbers.start
                known |= bits << numbers.start
        if known:
            yield from self._compare(word, known)

    def _happened(self, batch: Batch) -> Iterator[Alert]:
        """The events of a batch, each with all that is told of it."""
        told = event_metrics()
        events: dict[Tags, list[tuple[Series, Value]]] = {}
        for series, value in batch.values:
            if series.metric in told:
                events.setdefault(series.tags, []).append((series, value))
        for tags, words in events.items():
            facts = dict(tags) | {
                series.metric.field: value
                for series, value in batch.values
                if series.tags == tags and series.metric.measurement == EVENT
            }
            yield from self._tell(self._event(words)._replace(facts=facts), self._changes)

    def _round(self, health: Health, interval: float) -> Iterator[Alert]:
        """Whether a device is lost, or back, now that a round is over."""
        if health.up and self._lost:
            self._lost = False
            alert = Alert(self._place, AlertSeverity.OKAY, f"{self._name} answers again")
            yield from self._tell(alert, self._losses)
        # Rounds are counted rather than seconds, since the clock of a host may be set.
        elif not health.up and not self._lost and health.missed >= self._most_missed(interval):
            self._lost = True
            text = f"{self._name} has not answered for {_duration(health.missed * interval)}"
            yield from self._tell(Alert(self._place, AlertSeverity.WARNING, text), self._losses)

    def _most_missed(self, interval: float) -> float:
        """Silent rounds before a device counts as lost."""
        sun, output, battery = self._powers.values()
        if math.isinf(sun):  # of a unit that does not tell, what it gives stands for it
            sun = output
        if max(sun, battery) < IDLE_WATTS:
            return NIGHT_S / interval
        return min(max(LOST_S / interval, FEWEST_ROUNDS), MOST_ROUNDS)

    def _compare(self, word: int, known: int) -> Iterator[Alert]:
        """The faults that have changed, and were read so twice.

        Args:
            word: One bit for each fault.
            known: The same, for those that were read.
        """
        changed = (word ^ self._agreed) & ~(word ^ self._read) & known
        self._read = self._read & ~known | word
        self._agreed ^= changed
        while changed:
            number = (changed & -changed).bit_length() - 1
            changed &= changed - 1
            yield from self._tell(self._fault(number, bad=bool(word >> number & 1)), self._changes)

    def _event(self, words: list[tuple[Series, Value]]) -> Alert:
        """Something happened, which is no fault: nobody knows of most what it means."""
        series, told = words[0]
        if series.metric.name == EVENT_TEXT:
            place = catalog().series(EVENT_FLAG, **dict(series.tags))
            return Alert(_place(place), AlertSeverity.OKAY, f"{self._name}: {told}")
        number = int(dict(series.tags)["event"])
        shown = " ".join(f"{value:08x}" for _, value in words)
        text = f"{self._name}: event {number} ({self._events.get(number, 'unknown')}): {shown}"
        return Alert(_place(series), AlertSeverity.OKAY, text)

    def _fault(self, number: int, *, bad: bool) -> Alert:
        series = catalog().series(FAULT_FLAG, fault=str(number))
        text = f"{self._name}: fault {number} ({self._texts.get(number, 'unknown')})"
        if bad:
            return Alert(_place(series), AlertSeverity.FAILURE, text)
        return Alert(_place(series), AlertSeverity.OKAY, f"{text} is over")


def _place(series: Series) -> CollectdId:
    assert series.collectd is not None  # noqa: S101 - flags are no texts
    return series.collectd


def _duration(seconds: float) -> str:
    """Seconds in the unit that people would use."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
