"""Tables of the device families: their parts, what is known of their firmware, their objects."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from rct_collector.config import HistoryOptions
from rct_collector.docs.metrics import object_patterns
from rct_collector.drivers import driver
from rct_collector.drivers.base import Binding, Query, Setting
from rct_collector.markdown import code, table

#: Numbers that are listed one by one.
_MOST_LISTED = 6


def _stem(condition: str) -> str:
    """A condition without the number of a module."""
    return condition.partition(" ")[0]


def parts(name: str) -> str:
    """The parts of a family's units: what each adds, and how it is noticed.

    Args:
        name: Driver.
    """
    found: dict[str, list[Query]] = {}
    for query in driver(name).queries:
        found.setdefault(_stem(query.condition), []).append(query)
    conditions = driver(name).conditions
    rows = []
    for stem, part in driver(name).tools().documents().parts.items():
        queries = found.pop(stem, [])
        if not queries:
            continue
        series = sum(len(b.series) for query in queries for b in _bindings(name, query))
        inputs = [c.inputs for key, c in conditions.items() if _stem(key) == stem]
        # Of a part of a part its own object says enough.
        deciding = [names[0] for names in inputs] if len(inputs) > 1 else inputs[0]
        noticed = ", ".join(code(text) for text in object_patterns(deciding))
        rows.append((part.title, noticed, str(len(queries)), str(series), part.known))
    if found:
        raise KeyError(f"parts of {name} that are not described: {', '.join(found)}")
    return table(("Part", "Noticed by", "Objects", "Series", "Known from"), rows)


def firmware(name: str) -> str:
    """What is known of some versions of a family's firmware.

    Args:
        name: Driver.
    """
    tools = driver(name).tools()
    known = tools.documents().versions
    quirks = [quirk for facts in known for quirk in tools.examination().quirks(facts)]
    rows = ((quirk.title, quirk.meaning, quirk.advice) for quirk in dict.fromkeys(quirks))
    return table(("Firmware", "What it means", "What to do"), rows)


def memory(name: str) -> str:
    """What the units of a family remember, and what of that is restored without being asked for.

    Args:
        name: Driver.
    """
    history = driver(name).history
    assert history is not None  # noqa: S101 - asked for by the page of those that have one
    found: dict[str, list[str]] = {}
    for kept in history.kept.values():
        for series in kept.series:
            found.setdefault(series.metric.field, []).append(dict(series.tags)["resolution"])
    globs = HistoryOptions().signals
    restored = {field for field in found if any(fnmatchcase(field, glob) for glob in globs)}
    rows = (
        (code(field), ", ".join(of), "yes" if field in restored and "5m" in of else "")
        for field, of in sorted(found.items())
    )
    return table(("Field", "Values of", "Restored by default"), rows)


def objects(name: str) -> str:
    """Everything that a driver may ask for, with the metrics that come of it.

    Args:
        name: Driver.
    """
    rows = sorted((_object(name, query) for query in driver(name).queries), key=_by_number)
    return table(("Object", "Id", "Type", "Metric"), rows)


def settings(name: str) -> str:
    """Everything that may be set in units of a driver's family.

    Args:
        name: Driver.
    """
    parts = driver(name).tools().documents().parts
    found: dict[str, list[Setting]] = {}
    for setting in driver(name).settings:
        found.setdefault(re.sub(r"\d+", "…", setting.name), []).append(setting)
    rows = []
    for label, alike in found.items():
        first = alike[0]
        reads = dict.fromkeys(re.sub(r"\d+$", "…", each.shown_by.name) for each in alike)
        where = dict.fromkeys(parts[_stem(each.condition)].title for each in alike)
        rows.append(
            (
                code(label),
                re.sub(r"\d+", "…", first.title) if "…" in label else first.title,
                _takes(first),
                _rank(first),
                "; ".join(where),
                ", ".join(map(code, reads)),
            )
        )
    return table(("Setting", "What it is", "Takes", "Rank", "Units", "Read back by"), rows)


def _takes(setting: Setting) -> str:
    """What some unit takes; of many numbers, from where to where."""
    numbers = [choice for choice in setting.choices if not isinstance(choice, str)]
    unit = f" {setting.unit}" if setting.unit else ""
    if len(numbers) > _MOST_LISTED:
        return f"{min(numbers):g} to {max(numbers):g}{unit}, in steps"
    return f"{setting.domain}{unit}"


def _rank(setting: Setting) -> str:
    """Its rank; some are guarded by what the unit says."""
    return "B, or C" if setting.rank != "C" and setting.guarded({}) else setting.rank


def _bindings(name: str, query: Query) -> tuple[Binding, ...]:
    """What a query feeds, of now or of the past."""
    memory = driver(name).history
    kept = memory.kept.get(query) if memory else None
    return (*query.bindings, *(kept.bindings if kept else ()))


def _object(name: str, query: Query) -> tuple[str, ...]:
    oid, kind = getattr(query, "oid", None), getattr(query, "type", None)
    tags: dict[str, dict[str, str]] = {}
    for series in (series for binding in _bindings(name, query) for series in binding.series):
        common = tags.setdefault(series.metric.name, dict(series.tags))
        tags[series.metric.name] = dict(common.items() & {*series.tags})
    use = "what happened" if getattr(query, "logger", False) else "tells what the unit has"
    return (
        code(query.name),
        "" if oid is None else code(f"{oid:08X}"),
        getattr(kind, "name", "").lower().replace("_", " "),
        ", ".join(code(_tagged(metric, common)) for metric, common in tags.items()) or use,
    )


def _tagged(metric: str, tags: dict[str, str]) -> str:
    """``measurement{tag=value}.field``, with the tags that all its series have in common."""
    if not tags:
        return metric
    measurement, _, field = metric.partition(".")
    inner = ",".join(f"{key}={value}" for key, value in sorted(tags.items()))
    return f"{measurement}{{{inner}}}.{field}"


def _by_number(row: tuple[str, ...]) -> list[tuple[str, int]]:
    """Sorts ``[10]`` behind ``[9]``."""
    words = re.findall(r"(\D+)(\d*)", row[0].lower())
    return [(text, int(number or 0)) for text, number in words]
