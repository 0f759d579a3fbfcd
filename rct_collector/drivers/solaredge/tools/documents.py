"""What the documentation has of SolarEdge units only."""

from __future__ import annotations

from rct_collector.drivers.solaredge.records import LAYOUTS, TITLES
from rct_collector.drivers.tools import Documents
from rct_collector.markdown import code, table


def records() -> str:
    """The types of records, and what is read of those that are understood."""
    rows = []
    for kind, title in sorted(TITLES.items()):
        layout = LAYOUTS.get(kind)
        sizes = ", ".join(map(str, sorted(layout.sizes))) if layout else ""
        columns = ", ".join(code(column.name) for column in layout.columns) if layout else "counted"
        rows.append((code(f"{kind:04x}"), title, sizes, columns))
    return table(("Type", "What", "Bytes seen", "Read"), rows)


DOCUMENTS = Documents(regions={"solaredge-records": records})
