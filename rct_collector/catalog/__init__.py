"""The catalogue: every metric the collector can publish, one row each.

It says what a metric means. Where it is found is said by the tables of the drivers; how it is
named for an agent follows from the row. Documentation, samples and tests are made from here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from rct_collector.catalog.rows import ROWS
from rct_collector.catalog.rules import RULES, Rule
from rct_collector.model import Metric, Pattern, Series, Tags, expand

_SERIES_NAME = re.compile(r"(?P<measurement>[a-z_0-9]+)(?:\{(?P<tags>[^}]*)\})?\.(?P<field>\w+)")


#: Values of some tags → the series that have them, in catalogue order.
Groups = dict[tuple[str, ...], list[Series]]


class TooManySeriesError(KeyError):
    """A metric has as many series as it may have: units name more components than there can be."""


class Catalog:
    """All metrics and their series. Series are made when first asked for, and only once."""

    def __init__(self, rows: tuple[Metric, ...] = ROWS) -> None:
        """Index the rows by name."""
        self.metrics = rows
        self._by_name: dict[str, tuple[Metric, ...]] = {}
        for metric in rows:
            self._by_name[metric.name] = (*self._by_name.get(metric.name, ()), metric)
        self._plain: dict[Metric, Series] = {}  # those without tags, as most are
        self._tagged: dict[Metric, dict[Tags, Series]] = {}
        # Of metrics whose components only drivers and units know:
        self._open: dict[Metric, list[Series]] = {m: [] for m in rows if m.most is not None}
        self._made = 0  # so many of them
        # Both with what they were made of, see _state().
        self._expanded: dict[Metric, tuple[int, tuple[Series, ...]]] = {}
        self._grouped: dict[tuple[Metric, tuple[str, ...]], tuple[int, Groups]] = {}

    def __iter__(self) -> Iterator[Series]:
        """Every series that is known by now, in catalogue order.

        Drivers make their own when they are loaded, see :func:`rct_collector.drivers.series`.
        """
        for metric in self.metrics:
            yield from self.expand(metric)

    def expand(self, metric: Metric) -> Iterator[Series]:
        """The series of one metric: all, or of open dimensions those that are known by now."""
        state, found = self._expanded.get(metric, (-1, ()))
        if state != self._state(metric):
            if metric in self._open:
                for tags in self._computable(metric):
                    self._intern(metric, tags)
                found = tuple(sorted(self._open[metric], key=_order))
            else:
                found = tuple(self._intern(metric, tags) for tags in expand(_closed(metric)))
            self._expanded[metric] = self._state(metric), found
        return iter(found)

    def _state(self, metric: Metric) -> int:
        """Stays the same as long as the series of a metric do."""
        if metric not in self._open:
            return 0
        return self._made if metric.inputs else len(self._open[metric])

    def place(self, series: Series) -> tuple[Any, ...]:
        """Sorts series in catalogue order, whenever they were made."""
        return self._places[series.metric], _order(series)

    @cached_property
    def _places(self) -> dict[Metric, int]:
        return {metric: n for n, metric in enumerate(self.metrics)}

    def dimensions(self, metric: Metric) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The tags of a metric with the values that are known by now, in their order."""
        if metric not in self._open:
            return _closed(metric)
        found = [dict(series.tags) for series in self.expand(metric)]
        return tuple(
            (key, tuple(sorted({tags[key] for tags in found}, key=lambda v: _rank(values, v))))
            for key, values in metric.dimensions
        )

    def _computable(self, metric: Metric) -> set[Tags]:
        """Tags of a metric that is computed, as its inputs have them."""
        keys = [key for key, _ in metric.dimensions]
        found = set()
        for name in metric.inputs:
            for series in self.matching(name):
                own = tuple(pair for pair in series.tags if pair[0] in keys)
                if len(own) == len(keys):
                    found.add(own)
        return found

    def named(self, name: str) -> tuple[Metric, ...]:
        """The rows called ``measurement.field``; more than one when they differ by tags.

        Raises:
            KeyError: No row has that name.
        """
        return self._by_name[name]

    def series(self, name: str, **tags: str) -> Series:
        """One series, by metric name and component tags.

        Raises:
            KeyError: No row has that name and those tags.
            TooManySeriesError: There are too many of the metric, so that this one is not made.
        """
        wanted = tuple(sorted(tags.items()))
        metrics = self.named(name)
        for metric in metrics:
            found = self._made_of(metric, wanted)
            if found is not None:
                return found
        for metric in metrics:
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
        found: list[Series] = []
        for metric in self.named(name):
            keys = tuple(key for key, _ in metric.dimensions if key in tags)
            found += self._group(metric, keys).get(tuple(tags[key] for key in keys), ())
        return found

    def _group(self, metric: Metric, keys: tuple[str, ...]) -> Groups:
        """The series of a metric by the values of some of its tags."""
        state, groups = self._grouped.get((metric, keys), (-1, {}))
        if state != self._state(metric):
            groups = {}
            for series in self.expand(metric):
                tags = dict(series.tags)
                groups.setdefault(tuple(tags[key] for key in keys), []).append(series)
            self._grouped[metric, keys] = self._state(metric), groups
        return groups

    def across(self, name: str, known: Mapping[str, Sequence[str]], /, **tags: str) -> list[Series]:
        """The series of a metric for all components that a driver knows, in catalogue order.

        Args:
            name: ``measurement.field``.
            known: Tag → values, where the row does not say which there are.
            tags: Tags that the series must have, where the metric has them at all.

        Raises:
            KeyError: The driver says nothing of a tag, or a value does not look as the row says.
        """
        found = []
        for metric in self.named(name):
            dimensions = tuple(
                (key, (tags[key],) if key in tags else _values(values, known, key))
                for key, values in metric.dimensions
            )
            found += [
                self._intern(metric, combination)
                for combination in expand(dimensions)
                if _fits(metric, combination)
            ]
        if not found:
            raise KeyError(f"{name} has no series with the tags {tags}")
        return found

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
        series = self._made_of(metric, tags)
        if series is not None:
            return series
        held = self._open.get(metric)
        if held is not None and len(held) >= (metric.most or 0):
            raise TooManySeriesError(f"{metric.name} has {metric.most} series already")
        series = Series(metric, tags)
        if tags:
            self._tagged.setdefault(metric, {})[tags] = series
        else:
            self._plain[metric] = series
        if held is not None:
            held.append(series)
            self._made += 1
        return series

    def _made_of(self, metric: Metric, tags: Tags) -> Series | None:
        return self._tagged.get(metric, {}).get(tags) if tags else self._plain.get(metric)


def _closed(metric: Metric) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Dimensions of which the row says all values."""
    return tuple((key, _values(values, {}, key)) for key, values in metric.dimensions)


def _values(
    values: tuple[str, ...] | Pattern, known: Mapping[str, Sequence[str]], key: str
) -> tuple[str, ...]:
    return tuple(known[key]) if isinstance(values, Pattern) else values


def _fits(metric: Metric, tags: Tags) -> bool:
    """Whether a metric can have a series with such tags."""
    return len(metric.dimensions) == len(tags) and all(
        key == wanted and (values.fits(value) if isinstance(values, Pattern) else value in values)
        for (key, values), (wanted, value) in zip(metric.dimensions, tags, strict=True)
    )


def _order(series: Series) -> tuple[tuple[int, str], ...]:
    """Sorts series of one metric as its dimensions say, numbers by their size."""
    values = (values for _, values in series.metric.dimensions)
    return tuple(_rank(known, tag[1]) for known, tag in zip(values, series.tags, strict=True))


def _rank(known: tuple[str, ...] | Pattern, value: str) -> tuple[int, str]:
    return (len(value), value) if isinstance(known, Pattern) else (known.index(value), "")


@cache
def catalog() -> Catalog:
    """The one catalogue of this process."""
    return Catalog()
