"""All commands of all dialects, and which of them answer what."""

from __future__ import annotations

from rct_collector.drivers.voltronic import pi16, pi17, pi18, pi30, revo
from rct_collector.drivers.voltronic.command import DIALECTS, Command

#: Every command that the driver knows; nothing else is asked.
COMMANDS: tuple[Command, ...] = (
    *pi30.COMMANDS,
    *pi18.COMMANDS,
    *pi17.COMMANDS,
    *pi16.COMMANDS,
    *revo.COMMANDS,
)

#: The same, by name.
BY_NAME: dict[str, Command] = {item.name: item for item in COMMANDS}


def of_dialect(dialect: str) -> tuple[Command, ...]:
    """The commands of one dialect, in the order of asking.

    Args:
        dialect: One of :data:`~rct_collector.drivers.voltronic.command.DIALECTS`.

    Raises:
        KeyError: There is no such dialect.
    """
    if dialect not in DIALECTS:
        raise KeyError(dialect)
    return tuple(item for item in COMMANDS if dialect in item.dialects)
