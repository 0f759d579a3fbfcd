"""What there is for SolarEdge beside collecting: see :class:`rct_collector.drivers.tools.Tools`.

The commands of the family do what semonitor and its companions did, one module each::

    reader ─┬─► recording ──► extract           frames of recorded lines, into files of frames
            └─► rendering ──► monitor           ... and as JSON lines
    jsonlines ──► state, csv, graphite, key     what is made of those
    command                                     what a person has sent to a unit
"""

from __future__ import annotations

from collections.abc import Mapping

from rct_collector.drivers.tools import Tools as Family

_HERE = "rct_collector.drivers.solaredge.tools"

#: As help lists them.
_COMMANDS = ("monitor", "extract", "state", "csv", "key", "graphite", "command")


class Tools(Family):
    """Each part is imported when it is asked for."""

    def commands(self) -> Mapping[str, str]:
        """See the base class."""
        return {name: f"{_HERE}.{name}" for name in _COMMANDS}
