"""What there is for Voltronic units beside collecting: see :class:`.drivers.tools.Tools`.

::

    questions ─► walk ─┬─► dissect    bytes in words
                       ├─► redact     without secrets
                       └─► recorded   said again
    examination                       for doctor and find
    objects                           all that can be asked by name
    simulation ─► ../simulator        a unit that is not there
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from rct_collector.drivers.tools import ReaderCounter
from rct_collector.drivers.tools import Tools as Family

if TYPE_CHECKING:
    from rct_collector.drivers.tools import (
        Dissector,
        Documents,
        Examination,
        FrameCounter,
        Recorded,
        Redactor,
        Registry,
        Search,
        TraceItem,
    )
    from rct_collector.drivers.voltronic.tools.simulation import VoltronicSimulator


class Tools(Family):
    """Each part is imported when it is asked for."""

    def dissector(self) -> Dissector:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.dissect import DISSECTOR

        return DISSECTOR

    def frame_counter(self) -> Callable[[], FrameCounter]:
        """See the base class."""
        from rct_collector.drivers.base import Fault
        from rct_collector.drivers.voltronic.frame import FrameReader

        return lambda: ReaderCounter(FrameReader(), beside=(Fault.NOISE, Fault.ECHO))

    def redactor(self) -> Callable[[], Redactor]:
        """See the base class: those of one recording give a number the same stand-in."""
        from rct_collector.drivers.voltronic.tools.redact import Redactor, StandIns

        stand_ins = StandIns()
        return lambda: Redactor(stand_ins)

    def replay(self) -> Callable[[Sequence[TraceItem], float], Recorded]:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.recorded import replay

        return replay

    def installations(self) -> Mapping[str, Collection[str]]:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.installations import installations

        return installations()

    def examination(self) -> Examination:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.examination import EXAMINATION

        return EXAMINATION

    def search(self) -> Search:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.examination import SEARCH

        return SEARCH

    def registry(self) -> Registry:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.objects import registry

        return registry()

    def documents(self) -> Documents:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.documents import DOCUMENTS

        return DOCUMENTS

    def simulator(self) -> VoltronicSimulator:
        """See the base class."""
        from rct_collector.drivers.voltronic.tools.simulation import SIMULATOR

        return SIMULATOR
