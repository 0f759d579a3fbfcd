"""What an examination needs to know of SolarEdge inverters, which are not asked but talk.

Sources: reports of the users of other collectors: inverters that use TLS, that encrypt, or that
are on a bus of which nobody is master.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from rct_collector.drivers.solaredge.records import (
    BATTERY,
    EVENT,
    INVERTER,
    INVERTER_3,
    METER,
    OPTIMIZER,
    OPTIMIZER_PACKED,
    OPTIMIZER_S,
)
from rct_collector.drivers.tools import Hearing

_PARTS = {
    INVERTER: "inverters",
    INVERTER_3: "inverters",
    OPTIMIZER: "optimizers",
    OPTIMIZER_PACKED: "optimizers",
    OPTIMIZER_S: "optimizers",
    METER: "meters",
    BATTERY: "batteries",
    EVENT: "events",
}

#: Parts of a key of a record: type, device, and what tells those of one device apart.
_WHOLE = 3

_BUS = (
    "If no inverter is master of the bus, the collector has to be: end the address with"
    " ?mode=master&units= and the ids of the inverters. Each needs the protocol SE and the role of"
    " a slave, and 115200 baud unless it is set otherwise; A and B of the cable may be swapped."
)


def part(key: Hashable) -> str:
    """What a record is of; "" of what was computed from others."""
    if isinstance(key, tuple) and len(key) == _WHOLE:
        return _PARTS.get(key[0], "")
    return ""


def settings(units: Sequence[str]) -> Mapping[str, str]:
    """The option that lets in those that were heard, and nobody else."""
    return {"units": f"[{', '.join(units)}]"}


HEARING = Hearing(
    part=part,
    settings=settings,
    advice={
        "uncalled": (
            "The name of the vendor's server, prod.solaredge.com, has to lead to this host for the"
            " inverters, or their setting 'Server' has to name it; 'sudo tcpdump port 22222' shows"
            " whether one calls at all. Some call every five minutes only: --duration 10m. Newer"
            " firmware uses TLS, and can be read over RS485 only."
        ),
        "unheard serial": _BUS,
        "unheard tcp": _BUS,
        "unheard file": "See what it holds: rct-collector decode --driver solaredge FILE.",
        "unreadable": (
            "An inverter that encrypts needs its key in 'keys': four parameters, which"
            " 'rct-collector solaredge command' reads over RS232 and 'solaredge key' puts together."
            " Each inverter has a key of its own."
        ),
        "strangers": "Add their ids to 'units', or leave 'units' out to take whoever calls.",
        "damaged-talk": (
            "On RS485 look at the ends of the bus (120 ohms), at A and B and at its ground, and see"
            " that only one is master. In a network this does not happen: look at what is between."
        ),
        "clock-talk": (
            "The inverter asks the collector for the time by itself, about once an hour, and sets"
            " its clock: let it run for that long. If it stays wrong, look at the clock of this"
            " host."
        ),
    },
)
