"""The catalogue as tables for people and as objects for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rct_collector.catalog import catalog
from rct_collector.drivers import BUILTIN, driver, families
from rct_collector.drivers import series as known_series
from rct_collector.format import span
from rct_collector.markdown import code, table
from rct_collector.model import CollectdId, Metric, Series, collectd_id

_HEAD = ("Field", "Unit", "Kind", "Class", "Default", "collectd", "Source", "Meaning")

#: Longest list of a tag's values within a name.
_LONGEST_SPAN = 12

_INDEX = re.compile(r"\[(\d+)\]")


# -- for programs ------------------------------------------------------------------------------


def objects(found: Iterable[Series]) -> list[dict[str, Any]]:
    """One object per series: meaning, names in the agents, and where drivers find it."""
    return [_object(series) for series in found]


def every_series() -> list[Series]:
    """Every series that is known beforehand, and one with how its tags look where none is."""
    known = list(known_series())
    there = {series.metric for series in known}
    unknown = (
        Series(metric, tuple((key, str(values)) for key, values in metric.dimensions))
        for metric in catalog().metrics
        if metric not in there
    )
    places = {metric: n for n, metric in enumerate(catalog().metrics)}
    return sorted([*known, *unknown], key=lambda series: places[series.metric])


def _is_known(series: Series) -> bool:
    """Whether it is one, and does not only show how they look."""
    return series in catalog().expand(series.metric)


def _object(series: Series) -> dict[str, Any]:
    metric = series.metric
    collectd = series.collectd if _is_known(series) else _collectd_of(metric)
    return {
        "measurement": metric.measurement,
        "field": metric.field,
        "tags": dict(series.tags),
        "unit": metric.unit.symbol,
        "kind": str(metric.kind),
        "class": str(metric.poll),
        "default": metric.default,
        "description": metric.description,
        "collectd": collectd._asdict() if collectd else None,
        "drivers": {
            name: {**found[0], "others": found[1:]} if found[1:] else found[0]
            for name in BUILTIN
            if (found := origins(name, series))
        },
        **({"inputs": list(metric.inputs)} if metric.inputs else {}),
    }


def origins(name: str, series: Series) -> list[dict[str, Any]]:
    """Where units of a family have a series: the first place, and all others that they may have."""
    family = driver(name)
    found = [query.origin(binding) for query, binding in family.homes.get(series, ())]
    if family.history is not None:
        memory = family.history
        found += [query.origin(b) for item, query, b in memory.found() if item is series]
        found += [q.origin() for q, kept in memory.kept.items() if series.metric in kept.metrics]
    if family.pushed is not None:
        places = family.pushed.origins
        found += map(dict, places.get(series, places.get(series.metric, ())))
    return found


# -- for people --------------------------------------------------------------------------------


def by_measurement() -> str:
    """The whole catalogue, one heading per measurement, one row per metric."""
    return markdown(every_series())


def markdown(found: Iterable[Series]) -> str:
    """Tables of the metrics of some series, by measurement."""
    metrics = list(dict.fromkeys(series.metric for series in found))
    groups: dict[str, list[Metric]] = {}
    for metric in metrics:
        groups.setdefault(metric.measurement, []).append(metric)
    return "\n".join(_group(name, rows) for name, rows in groups.items())


def _group(measurement: str, rows: list[Metric]) -> str:
    tables = []
    for dimensions in dict.fromkeys(map(values_of, rows)):
        tags = ", ".join(f"{code(key)} = {span(values)}" for key, values in dimensions)
        intro = f"Tags: {tags}\n\n" if tags else ""
        lines = [_row(metric) for metric in rows if values_of(metric) == dimensions]
        tables.append(intro + table(_HEAD, lines))
    return f"### {measurement}\n\n" + "\n".join(tables)


def _row(metric: Metric) -> tuple[str, ...]:
    return (
        code(metric.field),
        metric.unit.symbol,
        str(metric.kind),
        str(metric.poll),
        f"`{metric.option}`" if metric.option else "on" if metric.default else "off",
        code(collectd_pattern(metric)) or "not carried",
        source(metric),
        metric.description,
    )


def collectd_measured() -> str:
    """The metrics that are on by default, by the names that collectd gives them."""
    head = ("Type", "Type instance", "Unit", "Every", "Meaning")
    found = (metric for metric in catalog().metrics if metric.default)
    return table(head, (_collectd_row(metric) for metric in found if collectd_pattern(metric)))


def _collectd_row(metric: Metric) -> tuple[str, ...]:
    kind, _, instance = collectd_pattern(metric).partition("-")
    every = metric.poll.option
    return code(kind), code(instance), metric.unit.symbol, every, metric.description


def pattern(metric: Metric) -> str:
    """``measurement{tag=values}.field``: all series of a metric in one short name."""
    inner = ",".join(f"{key}={_short_span(values)}" for key, values in values_of(metric))
    braces = f"{{{inner}}}" if inner else ""
    return f"{metric.measurement}{braces}.{metric.field}"


def values_of(metric: Metric) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The tags of a metric with their values: where only units know any, how they look."""
    families()
    return tuple(
        (key, found or (str(values),))
        for (key, found), (_, values) in zip(
            catalog().dimensions(metric), metric.dimensions, strict=True
        )
    )


def _short_span(values: tuple[str, ...]) -> str:
    text = span(values)
    return text if len(text) <= _LONGEST_SPAN else f"{values[0]}/…"


def collectd_pattern(metric: Metric) -> str:
    """``type-instance`` with tags in braces; "" for text."""
    found = _collectd_of(metric)
    return f"{found.type}-{found.type_instance}" if found else ""


def _collectd_of(metric: Metric) -> CollectdId | None:
    """Where collectd puts the series of a metric, with tags in braces; None for text."""
    # No name in the catalogue has capitals, so the tags can be found again in the result.
    found = collectd_id(metric, tuple((key, key.upper()) for key, _ in metric.dimensions))
    if found is None:
        return None
    instance = found.type_instance
    for key, _ in metric.dimensions:
        instance = instance.replace(key.upper(), f"{{{key}}}")
    return found._replace(type_instance=instance)


def source(metric: Metric) -> str:
    """Where a metric comes from: objects of the drivers, a computation, or the collector."""
    if metric.own:
        return "collector"
    found = [
        f"{name}: {code(', '.join(names))}"
        for name in BUILTIN
        if (names := object_patterns(_objects_of(name, metric)))
    ]
    if found:
        return "; ".join(found)
    return "from " + ", ".join(code(name) for name in metric.inputs)


def _objects_of(name: str, metric: Metric) -> list[str]:
    family = driver(name)
    names = [q.name for s in catalog().expand(metric) for q, _ in family.homes.get(s, ())]
    if family.history is not None:
        names += [query.name for query in family.history.brings(metric)]
    if family.pushed is not None:
        names += [record for record, metrics in family.pushed.records.items() if metric in metrics]
    return list(dict.fromkeys(names))


def object_patterns(names: Iterable[str]) -> list[str]:
    """Fold names that differ only by an index: ``a[0]``, ``a[1]``, ``a[2]`` → ``a[0..2]``."""
    stems: dict[str, list[tuple[int, ...]]] = {}
    for name in names:
        indices = tuple(int(text) for text in _INDEX.findall(name))
        stems.setdefault(_INDEX.sub("[]", name), []).append(indices)
    return [_folded(stem, indices) for stem, indices in stems.items()]


def _folded(stem: str, indices: list[tuple[int, ...]]) -> str:
    for column in zip(*indices, strict=True):
        low, high = min(column), max(column)
        index = str(low) if low == high else f"{low}..{high}"
        stem = stem.replace("[]", f"[{index}]", 1)
    return stem
