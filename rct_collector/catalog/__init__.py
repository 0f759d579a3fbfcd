"""The catalogue: every metric the collector can publish, one row each.

It says what a metric means. Where it is found is said by the tables of the drivers; how it is
named for an agent follows from the row. Documentation, samples and tests are made from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property

from rct_collector.catalog.rows import ROWS, Dimensions
from rct_collector.catalog.rules import RULES, Rule
from rct_collector.model import Metric, Series, Tags, expand

_SERIES_NAME = re.compile(r"(?P<measurement>[a-z_0-9]+)(?:\{(?P<tags>[^}]*)\})?\.(?P<field>\w+)")


class Catalog:
    """All metrics and their series. Series are made when first asked for, and only once."""

    def __init__(self, rows: tuple[Metric, ...] = ROWS) -> None:
        """Index the rows by name."""
        self.metrics = rows
        self._by_name: dict[str, list[Metric]] = {}
        for metric in rows:
            self._by_name.setdefault(metric.name, []).append(metric)
        self._series: dict[tuple[str, Tags], Series] = {}

    def __iter__(self) -> Iterator[Series]:
        """Every concrete series, in catalogue order."""
        for metric in self.metrics:
            yield from self.expand(metric)

    def expand(self, metric: Metric) -> Iterator[Series]:
        """The concrete series of one metric."""
        for tags in expand(metric.dimensions):
            yield self._intern(metric, tags)

    def named(self, name: str) -> list[Metric]:
        """The rows called ``measurement.field``; more than one when they differ by tags.

        Raises:
            KeyError: No row has that name.
        """
        return self._by_name[name]

    def series(self, name: str, **tags: str) -> Series:
        """One series, by metric name and component tags.

        Raises:
            KeyError: No row has that name and those tags.
        """
        wanted = tuple(sorted(tags.items()))
        found = self._series.get((name, wanted))
        if found is not None:
            return found
        for metric in self.named(name):
            if _fits(metric, wanted):
                return self._intern(metric, wanted)
        raise KeyError(f"{name} has no series with the tags {dict(wanted)}")

    def matching(self, name: str, **tags: str) -> list[Series]:
        """All series of a metric whose tags contain the given ones, in catalogue order.

        Args:
            name: ``measurement.field``, or a series name with braces for exactly one series.
            tags: Tags that the series must have, where the metric has them at all.
        """
        match = _SERIES_NAME.fullmatch(name)
        if match and match["tags"]:
            own = dict(pair.split("=") for pair in match["tags"].split(","))
            return [self.series(f"{match['measurement']}.{match['field']}", **own)]
        return [
            self._intern(metric, found)
            for metric in self.named(name)
            for found in expand(_narrowed(metric.dimensions, tags))
        ]

    def inputs(self, series: Series) -> list[list[Series]]:
        """The series a derived one is computed from, one list per input metric."""
        return [self.matching(name, **dict(series.tags)) for name in series.metric.inputs]

    def rule(self, series: Series) -> Rule:
        """The rule of a derived series."""
        return RULES[series.metric.rule]

    @cached_property
    def info(self) -> Series:
        """The series that marks the info line."""
        return self.series("inverter.info")

    def _intern(self, metric: Metric, tags: Tags) -> Series:
        key = (metric.name, tags)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = Series(metric, tags)
        return series


def _narrowed(dimensions: Dimensions, tags: Mapping[str, str]) -> Dimensions:
    """Dimensions with only the given values where tags name some."""
    return tuple(
        (key, tuple(value for value in values if tags.get(key, value) == value))
        for key, values in dimensions
    )


def _fits(metric: Metric, tags: Tags) -> bool:
    dimensions = dict(metric.dimensions)
    return len(dimensions) == len(tags) and all(
        value in dimensions.get(key, ()) for key, value in tags
    )


@cache
def catalog() -> Catalog:
    """The one catalogue of this process."""
    return Catalog()
