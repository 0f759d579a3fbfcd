"""What there is for RCT beside collecting: see :class:`rct_collector.drivers.tools.Tools`.

::

    walk ─┬─► dissect ◄── payload    bytes in words     simulation ─┬─► ../simulator
          └─► redact                 without secrets    recorded ───┘
    documents ◄── rctmon, columns    for the pages      examination     for the doctor
    objects                          all that can be asked for by name
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from rct_collector.drivers.tools import ReaderCounter
from rct_collector.drivers.tools import Tools as Family

if TYPE_CHECKING:
    from rct_collector.drivers.rct.tools.simulation import RctSimulator
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


class Tools(Family):
    """Everything there can be; each part is imported when it is asked for."""

    def dissector(self) -> Dissector:
        """See the base class."""
        from rct_collector.drivers.rct.tools.dissect import DISSECTOR

        return DISSECTOR

    def frame_counter(self) -> Callable[[], FrameCounter]:
        """See the base class."""
        from rct_collector.drivers.rct.frame import FrameReader

        return lambda: ReaderCounter(FrameReader())

    def redactor(self) -> Callable[[], Redactor]:
        """See the base class."""
        from rct_collector.drivers.rct.tools.redact import Redactor

        return Redactor

    def replay(self) -> Callable[[Sequence[TraceItem], float], Recorded]:
        """See the base class."""
        from rct_collector.drivers.rct.tools.recorded import replay

        return replay

    def examination(self) -> Examination:
        """See the base class."""
        from rct_collector.drivers.rct.tools.examination import EXAMINATION

        return EXAMINATION

    def search(self) -> Search:
        """See the base class."""
        from rct_collector.drivers.rct.tools.examination import SEARCH

        return SEARCH

    def simulator(self) -> RctSimulator:
        """See the base class."""
        from rct_collector.drivers.rct.tools.simulation import SIMULATOR

        return SIMULATOR

    def registry(self) -> Registry:
        """See the base class."""
        from rct_collector.drivers.rct.tools.objects import registry

        return registry()

    def documents(self) -> Documents:
        """See the base class."""
        from rct_collector.drivers.rct.tools.documents import DOCUMENTS

        return DOCUMENTS

    def installations(self) -> Mapping[str, Collection[str]]:
        """See the base class."""
        from rct_collector.drivers.rct.tools.simulation import installations

        return installations()
