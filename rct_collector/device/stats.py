"""Figures about the collector itself, as series of the catalogue."""

from __future__ import annotations

from collections import Counter

from rct_collector.catalog import catalog
from rct_collector.model import Series, Value


class Stats:
    """Counters of one device since the process started.

    Attributes:
        totals: Field of ``inverter_collector`` without ``_total`` → count.
        errors: Kind of frame → count.
    """

    #: Kinds that are somebody's mistake rather than somebody else's traffic.
    MISTAKES = ("crc", "length", "command", "decode")

    def __init__(self) -> None:
        """Start at zero."""
        rows = catalog()
        self.totals: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self._fields = {
            metric.field: rows.series(metric.name)
            for metric in rows.metrics
            if metric.measurement == "inverter_collector"
        }
        self._kinds = {
            dict(series.tags)["kind"]: series
            for series in rows.expand(rows.named("inverter_collector_errors.frames_total")[0])
        }

    def samples(self, *, up: bool, **gauges: float) -> list[tuple[Series, Value]]:
        """Everything, as samples.

        Args:
            up: Whether the round brought anything.
            gauges: Values of the fields that are no counters.
        """
        self.totals["errors"] = sum(self.errors[kind] for kind in self.MISTAKES)
        gauges["up"] = int(up)
        own: list[tuple[Series, Value]] = []
        for field, series in self._fields.items():
            if field.endswith("_total"):
                own.append((series, self.totals[field.removesuffix("_total")]))
            elif field in gauges:
                own.append((series, series.metric.value_type(gauges[field])))
        own += [(series, self.errors[kind]) for kind, series in self._kinds.items()]
        return own
