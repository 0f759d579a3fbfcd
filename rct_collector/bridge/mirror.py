"""The present values of settings at the broker, for those who show what they set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rct_collector.bridge.commands import TopicNames
from rct_collector.control.client import Client
from rct_collector.control.doors import Seen, survey
from rct_collector.errors import CollectorError

log = logging.getLogger(__name__)

#: Seconds between two looks at what the doors know, and between two readings of the units, which
#: may also be set at their own panel.
LOOK_S = 30.0
READ_S = 3600.0

#: Seconds that a unit may take for telling all of its settings.
_PATIENCE_S = 120.0


def text_of(value: Any) -> bytes:  # noqa: ANN401 - a word, a number or a flag
    """A value as a plain message has it, in both directions."""
    if isinstance(value, bool):
        return b"on" if value else b"off"
    return (value if isinstance(value, str) else f"{value:g}").encode()


class Mirror:
    """What of the settings is at the broker, retained; of devices that may be set something of."""

    def __init__(
        self,
        topics: TopicNames,
        publish: Callable[[str, bytes], None],
        clock: Callable[[], float],
    ) -> None:
        """Show nothing yet.

        Args:
            topics: Their names.
            publish: Publishes what is retained: topic and payload.
            clock: Monotonic seconds.
        """
        self._topics = topics
        self._publish = publish
        self._clock = clock
        self._shown: dict[str, bytes] = {}
        self._read: dict[str, float] = {}
        self._connection = 0

    def show(self, source: str, name: str, value: Any) -> None:  # noqa: ANN401 - as above
        """Publish a value, unless the broker has it.

        Args:
            source: Name of the device.
            name: Name of the setting.
            value: None where it is not known.
        """
        if value is None:
            return
        topic, payload = self._topics.setting(source, name), text_of(value)
        if self._shown.get(topic) != payload:
            self._shown[topic] = payload
            self._publish(topic, payload)

    async def refresh(self, connection: int) -> None:
        """Look what the doors know, and ask the units now and then.

        Args:
            connection: Number of that with the broker; what an earlier one was told may be lost.
        """
        if connection != self._connection:
            self._connection = connection
            self._shown.clear()
        for seen in await survey():
            for source in _settable(seen):
                try:
                    await self._look(seen.door.name, source)
                except CollectorError as error:
                    log.debug("%s: settings cannot be shown: %s", source, error)

    async def _look(self, door: bytes, source: str) -> None:
        now = self._clock()
        reads = now - self._read.get(source, -READ_S) >= READ_S
        async with await Client.connect(door) as client:
            answer = await client.call(
                "settings", {"source": source, "read": reads}, timeout=_PATIENCE_S
            )
        if reads:
            self._read[source] = now
        self.take(source, answer["settings"])

    def take(self, source: str, settings: Iterable[Mapping[str, Any]]) -> None:
        """Show what a door has told of the settings of a device."""
        for setting in settings:
            if setting["enabled"]:
                self.show(source, setting["name"], setting["value"])


def _settable(seen: Seen) -> list[str]:
    """The devices of a door of which something may be set."""
    devices = seen.status["devices"] if seen.status else ()
    return [device["source"] for device in devices if device.get("writes")]
