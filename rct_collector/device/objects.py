"""Single things of a unit, asked for by name or id: by a line of one's own, or beside rounds."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rct_collector.config import DeviceConfig
from rct_collector.drivers import driver
from rct_collector.drivers.base import Answer, Facts, Query, Refused
from rct_collector.drivers.tools import Item, Registry, finite
from rct_collector.errors import TransportError

#: Times that a thing is asked for while nothing comes.
ATTEMPTS = 3

#: Asks a unit: query, what goes with it, times that nothing may come → the answer. Raises
#: TransportError where there is none.
AskUnit = Callable[[Query, object, int], Awaitable[Answer | Refused]]


@dataclass(slots=True)
class Asked:
    """What came of one thing that was asked for.

    Attributes:
        item: What.
        query: How it was asked; None while it was not answered.
        value: The decoded answer.
        trouble: Why there is none; "" if there is one.
        said: What whoever collects from the unit has answered, who was asked in its place; like
            :meth:`Objects.as_mapping`.
    """

    item: Item
    query: Query | None = None
    value: Any = None
    trouble: str = ""
    said: Mapping[str, Any] | None = None


class Objects:
    """What one device can be asked for by name.

    Attributes:
        registry: Of its family.
    """

    def __init__(self, config: DeviceConfig) -> None:
        """Load what its family has for that.

        Args:
            config: The device.

        Raises:
            MissingToolError: Units of this family cannot be asked so.
        """
        self._config = config
        self.registry: Registry = driver(config.driver).tools().registry()

    def find(self, word: str) -> Item:
        """What a name or an id means.

        Raises:
            ValueError: There is no such thing, or it is secret; with the reason.
        """
        try:
            item = self.registry.find(word)
        except KeyError as error:
            raise ValueError(error.args[0]) from None
        if item.secret:
            raise ValueError(f"{item.label} is never read: {item.secret}")
        return item

    async def facts(self, ask: AskUnit) -> Facts:
        """What decides how this unit is asked.

        Raises:
            TransportError: It does not say.
        """
        found: dict[str, Any] = {}
        for ahead in self.registry.ahead:
            event = await ask(ahead, None, ATTEMPTS)
            if isinstance(event, Answer):
                found[ahead.name] = ahead.fact(event.value)
        return found

    async def ask(self, reply: Asked, facts: Facts, ask: AskUnit) -> None:
        """Ask for one thing; what comes, or why nothing does, goes into the reply.

        Raises:
            TransportError: The line was lost.
        """
        query = self.registry.choose(reply.item, facts)
        if query is None:
            known = ", ".join(map(str, facts.values()))
            reply.trouble = f"{reply.item.label} is unknown to units that speak {known}"
            return
        argument = self.registry.argument(query, time.time(), self._config.timezone)
        try:
            event = await ask(query, argument, ATTEMPTS)
        except TransportError as error:
            if error.kind not in ("timeout", "garbled"):
                raise
            reply.trouble = str(error)
            return
        if isinstance(event, Refused):
            reply.trouble = f"the unit refuses {reply.item.label}"
        else:
            reply.query, reply.value = query, event.value

    def plain(self, reply: Asked) -> Any:
        """The value for JSON; None where there is none."""
        if reply.said is not None:
            return reply.said["value"]
        return None if reply.query is None else self.registry.plain(reply.query, reply.value)

    def text(self, reply: Asked) -> str:
        """What a code means; "" for all else."""
        if reply.said is not None:
            return str(reply.said["text"] or "")
        if reply.query is None or not isinstance(reply.value, int):
            return ""
        texts = driver(self._config.driver).texts.get(reply.query.name, {})
        return texts.get(reply.value, "")

    def published(self, reply: Asked) -> list[dict[str, Any]]:
        """What the collector makes of it."""
        if reply.said is not None:
            return list(reply.said["metrics"])
        return [
            {"series": series.name, "value": finite(value), "unit": series.metric.unit.symbol}
            for binding in (reply.query.bindings if reply.query else ())
            for series, value in zip(
                binding.series,
                binding.convert(reply.value, self._config.timezone, time.time()),
                strict=True,
            )
            if value is not None
        ]

    def as_mapping(self, reply: Asked, trouble: str = "") -> dict[str, Any]:
        """All of it for JSON.

        Args:
            reply: What came.
            trouble: What is wrong with all that was asked.
        """
        return {
            "source": self._config.name,
            **reply.item.as_mapping(),
            "value": self.plain(reply),
            "text": self.text(reply) or None,
            "metrics": self.published(reply),
            "trouble": reply.trouble or trouble or None,
        }
