"""Components that units name, such as optimizers: the catalogue keeps them while it is there."""

from __future__ import annotations

from contextlib import contextmanager

from rct_collector.catalog import catalog
from rct_collector.drivers.solaredge import table

#: Tags of which only units know the values; of batteries drivers know the numbers.
_NAMED = {"optimizer", "meter", "event"}


def _is_named(series):
    return any(
        key in _NAMED or (key == "battery" and len(value) > 2) or value.isupper()
        for key, value in series.tags
    )


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
            del rows._series[metric][series.tags]
        held[:] = [series for series in held if not _is_named(series)]
    for worked_out in (rows._expanded, rows._grouped):
        worked_out.clear()
    table.sinks.cache_clear()
