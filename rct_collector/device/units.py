"""The units of a device: what each sends unasked, and how each does.

Most devices are one unit. One that takes many (:attr:`drivers.base.Pushed.many`) has each as soon
as it has measured something, with a judge of its values, a health and batches of its own, and looks
for them all by one heartbeat. Which of them are welcome is known to the session alone.

Whoever can reach us may say that he is any number of units. So there is a limit, and beyond it the
unit that was silent for longest makes room for a new one: real ones are heard every few minutes.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rct_collector.device import receiving
from rct_collector.device.clock import Doubt
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.publisher import Publisher
from rct_collector.device.receiving import Receiving, Seen
from rct_collector.device.stats import Stats
from rct_collector.drivers.base import Event, Fault, Pushed, Record
from rct_collector.model import Series
from rct_collector.receipt import Receipt
from rct_collector.reports import Reports

log = logging.getLogger(__name__)

#: Units of one device: a large plant. What invents others costs no memory.
MOST_UNITS = 2048

#: Units that made room, of which is told in an hour.
MOST_TOLD = 3

#: All units of a device together remember the records of so many.
MOST_REMEMBERING = 32


class Talker(NamedTuple):
    """A unit that talks unasked.

    Attributes:
        receiving: Takes its records.
        publisher: Says what it says.
    """

    receiving: Receiving
    publisher: Publisher


class Units:
    """All units of one device."""

    def __init__(
        self,
        pushed: Pushed,
        publisher: Publisher,
        *,
        plausibility: Plausibility,
        wanted: Callable[[Series], bool],
        stats: Stats,
        reports: Reports,
        doubt: Doubt,
    ) -> None:
        """Begin: without any, where there may be many.

        Args:
            pushed: What the family sends.
            publisher: Says what the device says.
            plausibility: Judge of the values, where the device is a unit itself.
            wanted: Whether the user wants a series.
            stats: Counts what the units bring.
            reports: Where what is worth a message goes.
            doubt: Whether our clock may be wrong.
        """
        self._doubt = doubt
        self._pushed = pushed
        self._publisher = publisher
        self._wanted = wanted
        self._stats = stats
        self._reports = reports
        self._seen: Seen = OrderedDict()
        self._heard_at = -math.inf
        #: The one that was silent for longest first, where there may be many.
        self._units: OrderedDict[str, Talker] = OrderedDict()
        own = self._made(publisher, plausibility)
        if pushed.many:
            self._nobody = own  # who has measured nothing yet
            stats.totals["units_replaced"] = 0
        else:
            self._units[""] = own

    def __len__(self) -> int:
        return len(self._units)

    def of(self, unit: str) -> Talker:
        """One of them; that of a device which is a unit itself is "".

        Raises:
            KeyError: It was not heard yet.
        """
        return self._units[unit]

    def choose(self) -> None:
        """Something else is wanted from now on."""
        for unit in self._units.values():
            unit.receiving.choose()

    def take(
        self,
        events: Sequence[Event],
        *,
        now: float,
        wall_ns: int,
        receipt: Receipt | None = None,
    ) -> None:
        """Take what was said unasked at a time; each unit that is known and said something is up.

        Args:
            events: Records, and what else shows that a unit is there.
            now: Monotonic seconds.
            wall_ns: Nanoseconds since the epoch.
            receipt: Of all of it, where a unit waits for that.
        """
        self._heard_at = now
        said: dict[str, list[Record]] = {}
        for event in events:
            records = said.setdefault(event.unit if self.many else "", [])
            if type(event) is Record:
                records.append(event)
        for name, records in said.items():
            unit = self._talker(name, records, now, wall_ns)
            if unit is None:
                self._stats.totals["samples_dropped"] += sum(len(r.values) for r in records)
                if receipt is not None:
                    receipt.lose()
                continue
            unit.publisher.heard(wall_ns / 1e9)
            self._count(unit.receiving, records, now, wall_ns, receipt)

    def is_up(self, now: float) -> bool:
        """Whether anybody was heard as lately as a unit that is well."""
        return now - self._heard_at <= self._pushed.heartbeat_s

    def age(self, wall_ns: int) -> float | None:
        """Seconds since the time of the newest record of any; None before the first."""
        ages = (unit.receiving.age(wall_ns) for unit in self._units.values())
        return min((age for age in ages if age is not None), default=None)

    @property
    def many(self) -> bool:
        """Whether there may be any number of them."""
        return self._pushed.many

    def tell(self, now: float, wall_ns: int) -> int:
        """Tell of each how it does, where there may be many.

        Args:
            now: Monotonic seconds.
            wall_ns: Nanoseconds since the epoch.

        Returns:
            How many are up.
        """
        count = 0
        for receiving_, publisher in self._units.values():
            up, age = receiving_.is_up(now), receiving_.age(wall_ns)
            count += up
            if not up:
                publisher.missed("nothing comes of it")
            gauges = {} if age is None else {"sample_age_seconds": age}
            values = self._stats.gauges(up=int(up), **gauges)
            publisher.send(wall_ns, values, ends_round=True)
        return count

    def removed(self, wall_ns: int) -> None:
        """Nobody collects from the device any more; see :meth:`Publisher.remove`."""
        if self.many:
            for unit in self._units.values():
                unit.publisher.remove(wall_ns)

    def _talker(self, name: str, records: list[Record], now: float, wall_ns: int) -> Talker | None:
        """Who says something; None if it may not be one more unit."""
        unit = self._units.get(name)
        if unit is not None:
            self._units.move_to_end(name)
            return unit
        if not name:  # the device itself
            return None
        if not any(_is_measured(record, wall_ns) for record in records):
            return self._nobody
        if len(self._units) >= MOST_UNITS and not self._makes_room(name, now, wall_ns):
            text = "has %d units already, so what %.40s says is left out"
            self._reports.say(log, logging.WARNING, "units", text, len(self._units), name, most=1)
            return None
        unit = self._made(self._publisher.of(name, wall_ns / 1e9), Plausibility())
        self._units[name] = unit
        return unit

    def _makes_room(self, new: str, now: float, wall_ns: int) -> bool:
        """Whether the unit that was silent for longest is forgotten; never one that is up."""
        name, unit = next(iter(self._units.items()))
        if unit.receiving.is_up(now):
            return False
        del self._units[name]
        unit.publisher.remove(wall_ns)
        self._stats.totals["units_replaced"] += 1
        self._reports.say(
            log,
            logging.WARNING,
            "replaced",
            "has %d units, and one more: %.40s, silent for longest, makes room for %.40s; if these"
            " are none of yours, let nobody else call",
            MOST_UNITS,
            name,
            new,
            most=MOST_TOLD,
        )
        return True

    def _made(self, publisher: Publisher, plausibility: Plausibility) -> Talker:
        taken = Receiving(
            self._pushed,
            wanted=self._wanted,
            plausibility=plausibility,
            send=publisher.send_apart,
            faults=self._fault,
            reports=self._reports,
            doubt=self._doubt,
            seen=self._seen,
            most_seen=self._most_seen,
        )
        return Talker(taken, publisher)

    def _most_seen(self) -> int:
        return receiving.MOST_REMEMBERED * min(max(len(self._units), 1), MOST_REMEMBERING)

    def _fault(self, fault: Fault) -> None:
        self._stats.errors[fault] += 1

    def _count(
        self,
        unit: Receiving,
        records: list[Record],
        now: float,
        wall_ns: int,
        receipt: Receipt | None,
    ) -> None:
        """Have records taken, and count what became of them."""
        totals = self._stats.totals
        doubted, unknown = unit.implausible, unit.unknown
        totals["answers"] += unit.take(records, now=now, wall_ns=wall_ns, receipt=receipt)
        totals["implausible"] += unit.implausible - doubted
        totals["samples_dropped"] += unit.unknown - unknown


def _is_measured(record: Record, wall_ns: int) -> bool:
    """Whether it says anything that a unit can have measured, or is named."""
    return receiving.can_be(record.time_ns, wall_ns) and any(
        isinstance(value, str) or series.metric.low <= value <= series.metric.high
        for series, value in record.values
    )
