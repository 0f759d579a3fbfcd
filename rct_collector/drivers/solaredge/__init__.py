"""SolarEdge inverters and their optimizers, in the protocol in which they call home."""

from __future__ import annotations

from rct_collector.drivers.base import Driver, Pushed, SessionOptions
from rct_collector.drivers.solaredge import table
from rct_collector.drivers.solaredge.frame import MAGIC
from rct_collector.drivers.solaredge.options import SolarEdgeOptions
from rct_collector.drivers.solaredge.records import BATTERY_STATES, EVENTS, MODES
from rct_collector.drivers.solaredge.session import SolarEdgeSession

#: Seconds in which a unit is heard: an empty post comes every half minute.
HEARTBEAT_S = 120.0


def _session(known: SessionOptions) -> SolarEdgeSession:
    """Be the server that units call, or what the address of a bus or a file makes of us."""
    options, address = known.options, known.address
    assert isinstance(options, SolarEdgeOptions)  # noqa: S101 - the driver's own class
    if known.vault is not None and options.keys:
        options.tunnels.keep_in(known.vault, options.keys)
    if known.scheme == "listen":
        return SolarEdgeSession(options, knows_time=known.knows_time)
    from rct_collector.drivers.solaredge import bus, master  # who has none needs none

    if address.get("mode") != "master":
        return bus.ListeningSession(options)
    units = [int(unit, 16) for unit in address["units"].split(",")]
    return bus.MasterSession(
        options,
        units,
        timeout_s=float(address.get("timeout", master.TIMEOUT_S)),
        interval_s=float(address.get("interval", master.INTERVAL_S)),
        knows_time=known.knows_time,
    )


DRIVER = Driver(
    name="solaredge",
    vendor="solaredge",
    title="SolarEdge",
    ways={
        "listen": {"port": "22222"},
        "serial": {"baud": "115200", "mode": "passive"},
        "tcp": {"mode": "passive"},
        "file": {"ports": "22222,22221,80", "magic": MAGIC.hex()},
    },
    session=_session,
    options=SolarEdgeOptions(),
    pushed=Pushed(
        records=table.records(), origins=table.origins(), heartbeat_s=HEARTBEAT_S, many=True
    ),
    texts={"0010": MODES, "0011": MODES, "0030": BATTERY_STATES},
    events=EVENTS,
    toolbox="rct_collector.drivers.solaredge.tools",
)
