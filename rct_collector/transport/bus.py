"""Options of an address that leads to a bus: what we are on it, and which units are there.

Only families whose driver takes a ``mode`` for granted have them; to all others they are as unknown
as any other word.
"""

from __future__ import annotations

from collections.abc import Mapping

from rct_collector.option import Invalid
from rct_collector.transport.address import Parameter
from rct_collector.transport.paths import one_of, read_options

MASTER, PASSIVE = "master", "passive"

_SECONDS = "[1-9][0-9]{0,2}"

PARAMETERS: Mapping[str, Parameter] = {
    "mode": one_of(
        MASTER, PASSIVE,
        meaning="What we are on a bus: master, who lets its units speak in turn, or one who only"
        " listens to what they say to another master.",
    ),
    "units": Parameter(
        "[0-9A-Fa-f]{8}(?:,[0-9A-Fa-f]{8})*",
        "ids of eight hexadecimal digits, with commas between them",
        "The units on a bus that a master lets speak.",
    ),
    "timeout": Parameter(
        _SECONDS,
        "whole seconds from 1 to 999",
        "How long a master waits for a unit that it lets speak and that is silent.",
    ),
    "interval": Parameter(
        _SECONDS,
        "whole seconds from 1 to 999",
        "How long a master waits before it lets all units speak once more.",
    ),
}  # fmt: skip


def manner(settings: Mapping[str, str]) -> str:
    """What we are on a bus, in words.

    Args:
        settings: The options of its address.
    """
    if settings["mode"] == MASTER:
        return f"lets {settings['units'].upper().replace(',', ', ')} speak in turn (mode=master)"
    return "only listens to what units say to another master of the bus (mode=passive)"


def known(
    parameters: Mapping[str, Parameter], defaults: Mapping[str, str]
) -> Mapping[str, Parameter]:
    """The options of an address, with those of a bus where the driver knows of one."""
    return {**parameters, **PARAMETERS} if "mode" in defaults else parameters


def read(
    text: str, parameters: Mapping[str, Parameter], defaults: Mapping[str, str], right: str
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Read the options of an address that may lead to a bus; see :func:`.paths.read_options`.

    Raises:
        Invalid: With what would be right.
    """
    settled, told = read_options(text, known(parameters, defaults), defaults, right)
    units = settled.get("units", "").upper().split(",")
    if len(set(units)) < len(units):
        raise Invalid(f"{right}, with each unit once; found {settled['units']!r}")
    if settled.get("mode") == MASTER and not settled.get("units"):
        raise Invalid(f"{right}, with the units that the master lets speak, such as units=7F101234")
    return settled, told
