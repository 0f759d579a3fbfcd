"""Device families. A new one is a folder beside these, and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rct_collector.drivers.base import Driver
    from rct_collector.model import Series

#: Driver name → module that holds its ``DRIVER``; imported only when a device needs it.
BUILTIN = {
    "rct": "rct_collector.drivers.rct",
    "voltronic": "rct_collector.drivers.voltronic",
    "solaredge": "rct_collector.drivers.solaredge",
}

#: Driver name → what its own commands are, in a line: for those that have some, see
#: :meth:`.tools.Tools.commands`. Help shows it, and loads no driver for it.
WITH_COMMANDS = {
    "solaredge": "SolarEdge: what semonitor and its companions did.",
}

#: The family that is meant where none is named.
DEFAULT = next(iter(BUILTIN))


def driver(name: str) -> Driver:
    """Load a driver.

    Raises:
        KeyError: There is none of that name.
    """
    found: Driver = import_module(BUILTIN[name]).DRIVER
    return found


def families() -> list[Driver]:
    """All drivers, loaded."""
    return [driver(name) for name in BUILTIN]


def series() -> list[Series]:
    """Every series that is known beforehand, in catalogue order; loads all drivers."""
    from rct_collector.catalog import catalog  # who wants the names of families only pays nothing

    families()
    return list(catalog())
