"""Every command of Voltronic units by its text, such as ``QPIGS``: its dialect is found out.

One text means several commands, one of each dialect or of each kind of system, which differ in
what their answers feed; which of them is meant, the unit's dialect tells.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from rct_collector.drivers.base import Facts, Query
from rct_collector.drivers.tools import Item, Registry, finite
from rct_collector.drivers.voltronic import DRIVER
from rct_collector.drivers.voltronic.command import DIALECTS, PROTOCOL, Command
from rct_collector.drivers.voltronic.table import COMMANDS


@cache
def registry() -> Registry:
    """See :class:`.drivers.tools.Registry`."""
    texts: dict[str, list[Command]] = {}
    for command in COMMANDS:
        texts.setdefault(command.text, []).append(command)
    return Registry(
        noun="command",
        items=tuple(_item(text, texts[text]) for text in sorted(texts)),
        session=DRIVER.session,
        ahead=(PROTOCOL,),
        choose=_choose,
        plain=_plain,
    )


def _item(text: str, commands: list[Command]) -> Item:
    known = [name for name in DIALECTS if any(name in item.dialects for item in commands)]
    return Item(name=text, description=f"of {', '.join(known)}", queries=tuple(commands))


def _choose(item: Item, facts: Facts) -> Query | None:
    dialect = facts.get(PROTOCOL.name)
    for query in item.queries:
        if isinstance(query, Command) and dialect in query.dialects:
            return query
    return None


def _plain(_query: Query, value: Any) -> Any:
    return {name: finite(part) for name, part in value.items()}
