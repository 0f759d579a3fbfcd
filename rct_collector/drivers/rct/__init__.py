"""RCT Power inverters (Power Storage DC/AC, Power Inverter) over TCP port 8899."""

from __future__ import annotations

from rct_collector.drivers.base import Driver, Polled
from rct_collector.drivers.rct.conditions import CONDITIONS
from rct_collector.drivers.rct.history import HISTORY
from rct_collector.drivers.rct.options import RctOptions, RctRequests
from rct_collector.drivers.rct.session import RctSession
from rct_collector.drivers.rct.table import OBJECTS
from rct_collector.drivers.rct.texts import CODES, EVENTS, FAULTS

DRIVER = Driver(
    name="rct",
    vendor="rct",
    title="RCT Power",
    ways={"tcp": {"port": "8899"}},
    session=lambda _options: RctSession(),
    options=RctOptions(),
    polled=Polled(
        queries=OBJECTS,
        conditions=CONDITIONS,
        identity=("inverter_sn", "svnversion"),
        pace=RctRequests(),
    ),
    history=HISTORY,
    texts=CODES,
    faults=FAULTS,
    events=EVENTS,
    toolbox="rct_collector.drivers.rct.tools",
)
