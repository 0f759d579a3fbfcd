"""What a record costs, from its bytes to its line: counted, since seconds tell little."""

from __future__ import annotations

import struct

from rct_collector.adapter.lineprotocol import LineProtocol
from rct_collector.device.consumers import Consumers
from rct_collector.device.plausibility import Plausibility
from rct_collector.device.polling.plan import Choice
from rct_collector.device.publisher import Publisher
from rct_collector.device.stats import Stats
from rct_collector.device.units import Units
from rct_collector.drivers.solaredge import DRIVER
from rct_collector.drivers.solaredge.bus import ListeningSession
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.reports import Reports
from tests.drivers.solaredge.tools.suite import NOON, UNIT, packed, post, record, wire
from tests.work import calls

#: Calls for each value, all that is done for its frame, record, batch and line included; one of
#: them rids what was a 32-bit float of its dust. A call more for each value is 1.
CALLS = 12.9

POSTS = 50
OPTIMIZERS = 10


def said(n):
    """A post of an inverter of three phases and its optimizers."""
    utc = NOON + 300 * n
    own = struct.pack("<3I61f", utc, 100 + n, 300, *(20.5 + n + word for word in range(61)))
    panels = [packed(0x100F0000 + m, utc, volts=200 + n + m) for m in range(OPTIMIZERS)]
    return wire(post(record(0x11, UNIT, own + bytes(2)), *panels, sequence=n + 1))


class Sure:
    """A clock that nobody doubts."""

    def is_ours(self):
        return False


def test_a_value_costs_no_more_calls_than_it_did():
    batches, lines = [], []
    consumers = Consumers(Choice(), batches.append)
    publisher = Publisher("roof", "solaredge", (), 120.0, consumers, now=0.0)
    session, written = ListeningSession(SolarEdgeOptions()), LineProtocol()
    units = Units(
        DRIVER.pushed,
        publisher,
        plausibility=Plausibility(),
        wanted=lambda _series: True,
        stats=Stats(),
        reports=Reports("roof"),
        doubt=Sure(),
    )

    def take(data):
        batches.clear()
        wall_ns = (NOON + 10**6) * 10**9
        units.take(session.receive(data, wall_ns), now=1000.0, wall_ns=wall_ns)
        for batch in batches:
            lines.extend(written.lines(batch))

    take(said(0))  # what is done once
    lines.clear()
    count = calls(take, b"".join(said(n) for n in range(1, 1 + POSTS)))
    fields = sum(line.count(b"=") - line.partition(b" ")[0].count(b"=") for line in lines)
    assert fields >= POSTS * 7 * OPTIMIZERS
    assert count / fields < CALLS
