"""Components that units name, such as optimizers: the catalogue keeps them while it is there."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache

from rct_collector.catalog import catalog
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.solaredge import table

#: Tags of which only units know the values; of batteries drivers know the numbers.
_NAMED = {"optimizer", "meter", "event", "code"}


@cache
def _numbered():
    """The numbers that drivers know of batteries, and the metrics that nobody is asked for."""
    found = [series for name in BUILTIN for series in driver(name).homes]
    asked = {series.metric for series in found}
    pushed = (driver(name).pushed for name in BUILTIN)
    talked = {row for each in pushed if each for rows in each.records.values() for row in rows}
    numbers = {dict(series.tags).get("battery") for series in found}
    return numbers, talked - asked


def _is_named(series):
    tags = dict(series.tags)
    if "battery" in tags:
        numbers, talked = _numbered()
        return tags["battery"] not in numbers or series.metric in talked
    return any(key in _NAMED or value.isupper() for key, value in series.tags)


@contextmanager
def forgotten():
    """The catalogue forgets what units have named meanwhile, and so does who keeps series of it."""
    rows = catalog()
    made = rows._made
    yield
    if rows._made == made:
        return
    for metric, held in rows._open.items():
        for series in filter(_is_named, held):
            del rows._tagged[metric][series.tags]
        held[:] = [series for series in held if not _is_named(series)]
    for worked_out in (rows._expanded, rows._grouped):
        worked_out.clear()
    table.sinks.cache_clear()
