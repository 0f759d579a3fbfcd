"""Device families. A new one is a folder beside these, and one line here."""

from __future__ import annotations

from importlib import import_module

from rct_collector.drivers.base import Driver

#: Driver name → module that holds its ``DRIVER``; imported only when a device needs it.
BUILTIN = {"rct": "rct_collector.drivers.rct"}

#: The family that is meant where none is named.
DEFAULT = next(iter(BUILTIN))


def driver(name: str) -> Driver:
    """Load a driver.

    Raises:
        KeyError: There is none of that name.
    """
    found: Driver = import_module(BUILTIN[name]).DRIVER
    return found
