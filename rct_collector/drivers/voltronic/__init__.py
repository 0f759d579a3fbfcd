"""Inverters made by Voltronic Power: Axpert, MPP Solar, InfiniSolar and their many other names."""

from __future__ import annotations

from rct_collector.drivers.base import Driver, Polled, SessionOptions, Setting
from rct_collector.drivers.voltronic.command import PROTOCOL
from rct_collector.drivers.voltronic.conditions import CONDITIONS
from rct_collector.drivers.voltronic.detection import RESYNC
from rct_collector.drivers.voltronic.options import VoltronicOptions, VoltronicRequests
from rct_collector.drivers.voltronic.session import VoltronicSession
from rct_collector.drivers.voltronic.table import COMMANDS
from rct_collector.drivers.voltronic.texts import CODES, FAULTS


def _session(known: SessionOptions) -> VoltronicSession:
    """Talk to whatever is there, or to the one unit that the configuration names."""
    options = known.options
    assert isinstance(options, VoltronicOptions)  # noqa: S101 - the driver's own class
    wanted = options.serial_number or known.address.get("serial_number", "")
    return VoltronicSession(options, wanted, COMMANDS)


def _settings() -> tuple[Setting, ...]:
    from rct_collector.drivers.voltronic.settings import SETTINGS

    return SETTINGS


DRIVER = Driver(
    name="voltronic",
    vendor="voltronic",
    title="Voltronic",
    ways={
        "usb": {"ids": "0665:5161"},
        "hidraw": {},
        "serial": {"baud": "2400"},
        "tcp": {},
    },
    session=_session,
    options=VoltronicOptions(),
    polled=Polled(
        queries=(PROTOCOL, *COMMANDS),
        conditions=CONDITIONS,
        identity=(PROTOCOL.name, *(item.name for item in COMMANDS if item.text in ("QID", "ID"))),
        pace=VoltronicRequests(),
        byte_s=10 / 2400,  # over USB, too: inside it is the same line
        least_interval_s=5.0,  # a round takes some seconds at 2400 baud
        resync=RESYNC,
    ),
    settable=_settings,
    texts=CODES,
    faults=FAULTS,
    toolbox="rct_collector.drivers.voltronic.tools",
)
