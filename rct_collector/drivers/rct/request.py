"""The only frames that may leave: reads of known objects, and times written to the logger.

Known are the objects of the driver's table, and those beside it that a command reads when it is
told their name (:mod:`.further`); no password is among them.

The unit has no authentication, and a write changes settings of a power plant in somebody's
house. So there is one place where requests are made, it knows two kinds of them, and it refuses
everything else. No option leads round it.
"""

from __future__ import annotations

from rct_collector.drivers.base import Query
from rct_collector.drivers.rct.frame import READ, WRITE, assemble
from rct_collector.drivers.rct.table import BY_OID, RctObject
from rct_collector.errors import RefusedFrameError


def read(query: Query) -> bytes:
    """The frame that reads an object.

    Args:
        query: An object of the driver's own table, or one beside it (:mod:`.further`).

    Raises:
        RefusedFrameError: It is not in the table, or belongs to the logger.
    """
    item = _known(query)
    if item.logger:
        raise RefusedFrameError(f"{item.label} is a logger object: it is queried with a time")
    return assemble(READ, item.oid)


def query_logger(query: Query, time: int) -> bytes:
    """The frame that asks the unit's logger for what lies before a time.

    Args:
        query: A logger object of the driver's own table.
        time: Wall clock of the unit as if it were UTC, seconds, 0 … 2³²-1.

    Raises:
        RefusedFrameError: It is no logger object, or the time does not fit 32 bits.
    """
    item = _known(query)
    if not item.logger:
        raise RefusedFrameError(f"{item.label} is no logger object: nothing is ever written to it")
    if type(time) is not int or not 0 <= time < 1 << 32:
        raise RefusedFrameError(f"{item.label}: {time!r} is no time of 32 bits")
    return assemble(WRITE, item.oid, time.to_bytes(4, "big"))


def _known(query: Query) -> RctObject:
    if isinstance(query, RctObject):
        if BY_OID.get(query.oid) is query:
            return query
        from rct_collector.drivers.rct.further import further  # never wanted by who collects

        if further().get(query.oid) is query:
            return query
    raise RefusedFrameError(f"{query.label} is not in the driver's table")
