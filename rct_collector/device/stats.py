"""Figures about the collector itself, as series of the catalogue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from rct_collector.catalog import catalog
from rct_collector.device.polling.request import Tally
from rct_collector.drivers.base import Fault
from rct_collector.model import Series, Value


class _Names(NamedTuple):
    """What is told under which name; devices of which the same is wanted share one.

    Attributes:
        fields: Field of ``inverter_collector``, its series, and the type of its values.
        counters: What of them only grows, without ``_total``, and whether every device has it.
        kinds: Kind of frame, and its series.
    """

    fields: tuple[tuple[str, Series, type[Value]], ...]
    counters: tuple[tuple[str, Series, bool], ...]
    kinds: tuple[tuple[str, Series], ...]


@cache
def _own() -> tuple[Series, ...]:
    """All series that there are."""
    rows = catalog()
    fields = [m for m in rows.metrics if m.measurement == "inverter_collector"]
    (frames,) = rows.named("inverter_collector_errors.frames_total")
    return (*(rows.series(metric.name) for metric in fields), *rows.expand(frames))


@cache
def _names(wanted: tuple[Series, ...]) -> _Names:
    fields = [(s.metric.field, s, s.metric.value_type) for s in wanted if not s.tags]
    counters = tuple(
        (field.removesuffix("_total"), series, field not in Stats.OF_MANY)
        for field, series, _ in fields
        if field.endswith("_total")
    )
    kinds = tuple((dict(series.tags)["kind"], series) for series in wanted if series.tags)
    return _Names(tuple(fields), counters, kinds)


class Stats:
    """Counters of one device since the process started.

    Attributes:
        totals: Field of ``inverter_collector`` without ``_total`` → count.
        errors: Kind of frame → count.
    """

    #: Kinds that are somebody's mistake rather than somebody else's traffic.
    MISTAKES = (Fault.CRC, Fault.LENGTH, Fault.COMMAND, Fault.DECODE)

    #: Fields that only devices have which take many units, or may be set: those that count them at
    #: all.
    OF_MANY = frozenset(
        {
            "units",
            "units_replaced_total",
            "callers",
            "callers_rejected_total",
            "settings_sent_total",
            "settings_applied_total",
            "settings_refused_total",
            "settings_unconfirmed_total",
        }
    )

    __slots__ = (
        "_names",
        "errors",
        "totals",
    )

    def __init__(self, wanted: Callable[[Series], bool] = lambda _series: True) -> None:
        """Start at zero.

        Args:
            wanted: Whether the user wants a series.
        """
        self.totals: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.choose(wanted)

    def choose(self, wanted: Callable[[Series], bool]) -> None:
        """Tell from now on what is wanted now.

        Args:
            wanted: Whether anybody wants a series.
        """
        self._names = _names(tuple(filter(wanted, _own())))

    def count_round(self, tally: Tally, *, up: bool, implausible: int) -> None:
        """Add what one round did.

        Args:
            tally: The requests of the round.
            up: Whether the round brought anything.
            implausible: Values that were dropped or read again.
        """
        totals = self.totals
        totals["poll_errors"] += not up
        totals["requests"] += tally.requests
        totals["retries"] += tally.retries
        totals["timeouts"] += tally.timeouts
        totals["implausible"] += implausible

    def count_line(self, opened: int, sent: int, received: int) -> None:
        """Take over the line's own counts: times opened, bytes sent and received."""
        self.totals["reconnects"] = max(0, opened - 1)
        self.totals["sent_bytes"] = sent
        self.totals["received_bytes"] = received

    def samples(self, *, up: bool, **gauges: float) -> list[tuple[Series, Value]]:
        """Everything, as samples.

        Args:
            up: Whether the round brought anything.
            gauges: Values of the fields that are no counters.
        """
        totals, errors, names = self.totals, self.errors, self._names
        totals["errors"] = sum([errors.get(kind, 0) for kind in self.MISTAKES])
        own: list[tuple[Series, Value]] = [
            (series, totals.get(name, 0))
            for name, series, always in names.counters
            if always or name in totals
        ]
        own += self.gauges(up=int(up), **gauges)
        own += [(series, errors.get(kind, 0)) for kind, series in names.kinds]
        return own

    def gauges(self, **gauges: float) -> list[tuple[Series, Value]]:
        """Fields that are no counters, as samples, as far as the user wants them."""
        return [
            (series, kind(gauges[field]))
            for field, series, kind in self._names.fields
            if field in gauges
        ]
