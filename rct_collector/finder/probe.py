"""Asks at one place what is there: by the family's own harmless questions, over a real line.

The line is one like those that are collected from, with its lock and its recovery: so a device
that a collector on this host holds is left alone, and where answers do not tell what they answer
the family's detection goes ahead of everything else.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from rct_collector.config import DeviceConfig
from rct_collector.device.asker import Asker
from rct_collector.device.options import Options
from rct_collector.drivers import driver
from rct_collector.drivers.base import Answer, Facts
from rct_collector.drivers.tools import Search
from rct_collector.errors import TransportError
from rct_collector.lines.port import Port


class Identification(NamedTuple):
    """What was found out.

    Attributes:
        facts: Name of a query → its answer.
        opened: Whether there was a line at all.
        trouble: Why there are no facts; "" if there are some.
        is_held: Another process on this host holds the device.
    """

    facts: Facts
    opened: bool
    trouble: str = ""
    is_held: bool = False


async def identify(
    config: DeviceConfig, search: Search, options: Options, *, open_s: float, seconds: float
) -> Identification:
    """Open the line to a place, ask, and close it.

    Args:
        config: A device as it would be configured there.
        search: How its family is found.
        options: Transports, clock and lock.
        open_s: Seconds that opening may take.
        seconds: Seconds that the answers may take.
    """
    asker = Asker(config, options)
    port = asker.port
    facts: dict[str, object] = {}
    trouble = ""
    async with asker.open(open_s):
        if not port.is_open:
            held = port.line.refusal is not None
            return Identification({}, port.opened > 0, port.last_error or LATE, is_held=held)
        try:
            async with asyncio.timeout(seconds):
                await _ask(config, search, asker, facts)
        except TimeoutError:
            trouble = f"no answer within {seconds:g} s"
        except TransportError as error:
            trouble = _reason(port, error)
    return Identification(facts, opened=True, trouble="" if facts else trouble)


LATE = "no connection in time"


def _reason(port: Port, error: TransportError) -> str:
    return port.last_error or str(error)


async def _ask(
    config: DeviceConfig, search: Search, asker: Asker, facts: dict[str, object]
) -> None:
    """Ask one thing after the other; what is refused or not answered is left out.

    What hangs on a part that the unit does not have, or is not known to have, is not asked for.

    Raises:
        TransportError: The first was not answered, or the line was lost.
    """
    family = driver(config.driver)
    for query in map(family.query, search.queries):
        if not family.conditions[query.condition].test(facts):
            continue
        try:
            event = await asker.ask(query)
        except TransportError as error:
            if not facts or error.kind not in ("timeout", "garbled"):
                raise
            continue
        if isinstance(event, Answer):
            facts[query.name] = query.fact(event.value)
