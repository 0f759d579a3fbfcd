"""Values grouped by component, as rows and columns of text. Nothing here knows how to draw.

A component that exists several times (phases, strings, modules) has its numbers side by side
where their names are short, and one below the other where they are words (flows, sensors) or
many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from rct_collector.cli.present import capitalised, component, field_label, words
from rct_collector.cli.snapshot import catalogue_order
from rct_collector.model import Series

Item = TypeVar("Item")

#: Longest tag value that still makes a column.
_SHORT = 3
#: Most columns that tags may make.
_MOST_COLUMNS = 7

#: Measurements in the order in which people ask for them; the rest follows the catalogue.
_FIRST = (
    "inverter_power",
    "inverter_string",
    "inverter_battery",
    "inverter_grid",
    "inverter_load",
    "inverter_energy",
    "inverter_status",
    "inverter_temperature",
    "inverter_output",
)
_LAST = (
    "inverter_settings",
    "inverter_firmware",
    "inverter",
    "inverter_collector",
    "inverter_collector_errors",
)

#: What is told elsewhere: faults in words, the mark of the info line.
_HIDDEN = frozenset({"inverter_fault.active", "inverter.info"})


@dataclass(frozen=True, slots=True)
class Section:
    """The values of one component.

    Attributes:
        title: What it is.
        head: Heading of each column, the first one for the labels; empty without headings.
        rows: Label and texts of each row, "" where there is no value.
        series: The series shown.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    series: tuple[Series, ...]


def sections(texts: Mapping[Series, str]) -> list[Section]:
    """Arrange values.

    Args:
        texts: Series → value in words.
    """
    groups: dict[tuple[str, tuple[str, ...]], list[Series]] = {}
    for series in texts:
        if series.metric.name not in _HIDDEN:
            keys = tuple(key for key, _ in series.tags)
            groups.setdefault((series.metric.measurement, keys), []).append(series)
    place = catalogue_order()
    first: dict[str, int] = {}
    for (measurement, _), found in groups.items():
        here = min(place[series] for series in found)
        first[measurement] = min(here, first.get(measurement, here))
    ordered = sorted(
        groups.items(), key=lambda item: (_rank(item[0][0]), first[item[0][0]], len(item[0][1]))
    )
    result: list[Section] = []
    for (measurement, keys), found in ordered:
        name = component(measurement)
        if keys and (measurement, ()) in groups:
            name += f" by {keys[-1]}"
        result += _group(name, keys, sorted(found, key=place.__getitem__), texts)
    return result


def _rank(measurement: str) -> int:
    if measurement in _FIRST:
        return _FIRST.index(measurement)
    if measurement in _LAST:
        return 1000 + _LAST.index(measurement)
    return 100


def _group(
    title: str, keys: tuple[str, ...], found: list[Series], texts: Mapping[Series, str]
) -> list[Section]:
    """One section, or several where there are more dimensions than a table has."""
    if not keys:
        rows = tuple((field_label(s.metric), texts[s]) for s in found)
        return [Section(capitalised(title), (), rows, tuple(found))]
    if len(keys) == 1:
        return [_by_tag(title, keys[0], found, texts)]
    outer = keys[0]
    parts: dict[tuple[str, str], list[Series]] = {}
    for series in found:
        label = field_label(series.metric) if len(keys) > 2 else ""
        parts.setdefault((dict(series.tags)[outer], label), []).append(series)
    result = []
    for (value, label), part in parts.items():
        name = " ".join(filter(None, (title, label))) + f", {outer} {value}"
        if label:
            result.append(_cross(name, keys[1], keys[2], part, texts))
        else:
            result.append(_by_tag(name, keys[1], part, texts))
    return result


def _by_tag(title: str, key: str, found: list[Series], texts: Mapping[Series, str]) -> Section:
    """Fields against the values of one tag, whichever way round suits them."""
    tag = _tag(key)
    values = _unique(tag(s)[0] for s in found)
    if len(values) <= _MOST_COLUMNS and all(len(value) <= _SHORT for value in values):
        return _matrix(title, key, found, texts, _field, tag)
    return _matrix(title, key, found, texts, tag, _field)


def _cross(
    title: str, down: str, across: str, found: list[Series], texts: Mapping[Series, str]
) -> Section:
    """Values of one tag against those of another, for a single field."""
    return _matrix(title, f"{down} / {across}", found, texts, _tag(down), _tag(across))


#: Series → what tells a row (or column) from the others, and how it is labelled.
Heading = Callable[[Series], tuple[str, str]]


def _field(series: Series) -> tuple[str, str]:
    """Two fields may have one label, and differ by their units."""
    return series.metric.field, field_label(series.metric)


def _tag(key: str) -> Heading:
    def heading(series: Series) -> tuple[str, str]:
        value = dict(series.tags)[key]
        return value, words(value)

    return heading


def _matrix(
    title: str,
    corner: str,
    found: list[Series],
    texts: Mapping[Series, str],
    row_of: Heading,
    column_of: Heading,
) -> Section:
    columns = sorted(_unique(column_of(s) for s in found), key=lambda column: _natural(column[0]))
    cells: dict[tuple[str, str], dict[tuple[str, str], str]] = {}
    for series in found:
        cells.setdefault(row_of(series), {})[column_of(series)] = texts[series]
    rows = tuple(
        (label, *(row.get(column, "") for column in columns)) for (_, label), row in cells.items()
    )
    head = (corner, *(label for _, label in columns))
    return Section(capitalised(title), head, rows, tuple(found))


def _natural(text: str) -> int:
    """Numbers by size; words stay as they come, since sorting is stable."""
    return int(text) if text.isdigit() else 0


def _unique(values: Iterable[Item]) -> list[Item]:
    return list(dict.fromkeys(values))
