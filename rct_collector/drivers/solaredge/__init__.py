"""SolarEdge inverters and their optimizers, in the protocol in which they call home."""

from __future__ import annotations

from rct_collector.drivers.base import Driver, Pushed, SessionOptions
from rct_collector.drivers.solaredge import table
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import BATTERY_STATES, EVENTS, MODES
from rct_collector.drivers.solaredge.session import SolarEdgeSession

#: Seconds in which a unit is heard: an empty post comes every half minute.
HEARTBEAT_S = 120.0


def _session(known: SessionOptions) -> SolarEdgeSession:
    """Be the server that units call."""
    options = known.options
    assert isinstance(options, SolarEdgeOptions)  # noqa: S101 - the driver's own class
    return SolarEdgeSession(options)


DRIVER = Driver(
    name="solaredge",
    vendor="solaredge",
    title="SolarEdge",
    ways={"listen": {"port": "22222"}},
    session=_session,
    options=SolarEdgeOptions(),
    pushed=Pushed(
        records=table.records(), origins=table.origins(), heartbeat_s=HEARTBEAT_S, many=True
    ),
    texts={"0010": MODES, "0011": MODES, "0030": BATTERY_STATES},
    events=EVENTS,
    toolbox="rct_collector.drivers.solaredge.tools",
)
