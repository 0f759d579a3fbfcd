"""What there is for SolarEdge beside collecting: see :class:`rct_collector.drivers.tools.Tools`.

The commands of the family do what semonitor and its companions did::

    jsonlines ──► state, csv, graphite, key     one module each, with its ``command``
"""

from __future__ import annotations

from collections.abc import Mapping

from rct_collector.drivers.tools import Tools as Family

_HERE = "rct_collector.drivers.solaredge.tools"


class Tools(Family):
    """Each part is imported when it is asked for."""

    def commands(self) -> Mapping[str, str]:
        """See the base class."""
        return {name: f"{_HERE}.{name}" for name in ("state", "csv", "key", "graphite")}
