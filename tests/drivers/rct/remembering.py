"""The memory of a unit: payloads of its logger for `answering_unit`, by functions of time."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

from rct_collector.drivers.rct.table import BY_OID, EVENT_TABLE

OIDS = {item.name: oid for oid, item in BY_OID.items()}

#: A unit that remembers nothing.
EMPTY = {item.oid: lambda asked: asked for item in BY_OID.values() if item.logger}


def wall(unix, zone=UTC):
    """What the unit's clock shows, as if it were UTC."""
    return int(datetime.fromtimestamp(unix, zone).replace(tzinfo=UTC).timestamp())


def series(times, value, most=41):
    """Answers of one series, as units give them: the newest records that are older.

    Args:
        times: The unit's wall clock at each record, in order.
        value: Wall clock → value.
        most: Records in an answer.
    """

    def payload(asked):
        (before,) = struct.unpack(">I", asked)
        found = [time for time in times if time < before][-most:]
        return asked + b"".join(struct.pack(">If", t, value(t)) for t in reversed(found))

    return payload


def minutes(start, end, signals, most=41):
    """Payloads of five-minute series.

    Args:
        start: Wall clock of the first record.
        end: Wall clock behind the last one.
        signals: Signal → wall clock → value.
        most: Records in an answer.
    """
    times = list(range(start, end, 300))
    return {
        OIDS[f"logger.minutes_{name}_log_ts"]: series(times, value, most)
        for name, value in signals.items()
    }


def events(*entries):
    """Payload of the event table.

    Args:
        entries: Code, wall clock at its begin, and three elements.
    """

    def payload(asked):
        (before,) = struct.unpack(">I", asked)
        found = sorted((e for e in entries if e[1] < before), key=lambda e: -e[1])
        return asked + b"".join(struct.pack(">5I", *entry) for entry in found)

    return {EVENT_TABLE[1]: payload}
