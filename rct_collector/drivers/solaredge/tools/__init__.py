"""What there is for SolarEdge beside collecting: see :class:`rct_collector.drivers.tools.Tools`.

::

    walk ─┬─► dissect ◄── payload               bytes in words
          └─► redact                            without secrets
    documents                                   for the documentation
    examination                                 what is to be known of units that talk
    recorded                                    units that say again what they said
    simulation ─► ../simulator                  units that are not there

The commands of the family do what semonitor and its companions did, one module each::

    reader ─┬─► recording ──► extract           frames of recorded lines, into files of frames
            └─► rendering ──► monitor           ... and as JSON lines
    jsonlines ──► state, csv, graphite, key     what is made of those
    command                                     what a person has sent to a unit
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rct_collector.drivers.tools import ReaderCounter, Search
from rct_collector.drivers.tools import Tools as Family

if TYPE_CHECKING:
    from rct_collector.drivers.solaredge.tools.recorded import RecordedCaller
    from rct_collector.drivers.solaredge.tools.simulation import SolarEdgeSimulator
    from rct_collector.drivers.tools import (
        Dissector,
        Documents,
        FrameCounter,
        Hearing,
        Redactor,
        TraceItem,
    )

_HERE = "rct_collector.drivers.solaredge.tools"

#: As help lists them.
_COMMANDS = ("monitor", "extract", "state", "csv", "key", "graphite", "command")


class Tools(Family):
    """Each part is imported when it is asked for."""

    def commands(self) -> Mapping[str, str]:
        """See the base class."""
        return {name: f"{_HERE}.{name}" for name in _COMMANDS}

    def dissector(self) -> Dissector:
        """See the base class."""
        from rct_collector.drivers.solaredge.tools.dissect import DISSECTOR

        return DISSECTOR

    def frame_counter(self) -> Callable[[], FrameCounter]:
        """See the base class."""
        from rct_collector.drivers.solaredge.frame import FrameReader

        return lambda: ReaderCounter(FrameReader())

    def redactor(self) -> Callable[[], Redactor]:
        """See the base class: those of one recording give an id the same stand-in."""
        from rct_collector.drivers.solaredge.tools.redact import IdStandIns, Redactor

        stand_ins = IdStandIns()
        return lambda: Redactor(stand_ins)

    def replay(self) -> Callable[[Sequence[TraceItem], float], RecordedCaller]:
        """See the base class."""
        from rct_collector.drivers.solaredge.tools.recorded import replay

        return replay

    def hearing(self) -> Hearing:
        """See the base class: there are no questions whose answers could be timed."""
        from rct_collector.drivers.solaredge.tools.examination import HEARING

        return HEARING

    def search(self) -> Search:
        """See the base class: nobody is asked."""
        return Search(talks=True)

    def documents(self) -> Documents:
        """See the base class."""
        from rct_collector.drivers.solaredge.tools.documents import DOCUMENTS

        return DOCUMENTS

    def simulator(self) -> SolarEdgeSimulator:
        """See the base class."""
        from rct_collector.drivers.solaredge.tools.simulation import SIMULATOR

        return SIMULATOR
