"""A unit that says again what a recorded one said; see :mod:`rct_collector.drivers.recorded`."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import cast

from rct_collector.drivers.rct.frame import READ, WRITE, Bad, FrameReader
from rct_collector.drivers.rct.table import BY_OID
from rct_collector.drivers.recorded import Reader, RecordedUnit


class Replay(RecordedUnit):
    """A recorded unit behind its bridge. What is asked is told apart by the id of the object."""

    def new_reader(self) -> Reader:
        """Requests of one client: reads, and what asks the logger."""
        reader = FrameReader()

        def asked(data: bytes) -> Iterator[int]:
            for item in reader.feed(data):
                if not isinstance(item, Bad) and item.command in (READ, WRITE):
                    yield item.oid

        return asked

    def name(self, what: Hashable) -> str:
        """Name of the object; the id of an unknown one."""
        oid = cast("int", what)
        item = BY_OID.get(oid)
        return item.name if item else f"0x{oid:08X}"
