"""Where agents put values in MQTT, and how a value is taken out of a message."""

from __future__ import annotations

from typing import Protocol

from rct_collector.adapter.lineprotocol import clean
from rct_collector.model import PREFIX, Series

#: What the topics of the shipped output for Telegraf begin with.
TELEGRAF_ROOT = "solar"

#: Its tags in the order of the topic, as the template of the output has them.
TELEGRAF_TAGS = (
    *("unit", "phase", "pair", "string", "battery", "module", "cell", "flow", "sensor", "reserve"),
    *("io", "fault", "kind", "optimizer", "meter", "event"),
)


class Topics(Protocol):
    """How an agent publishes values.

    Attributes:
        value: What the value of a message is, in the language of Home Assistant's templates.
    """

    value: str

    def topic(self, source: str, unit: str, series: Series) -> str:
        """Where the values of a series are.

        Args:
            source: Configured name of the device.
            unit: Which of its units; "" for the device itself.
            series: The series; not a text.
        """


class TelegrafTopics:
    """The shipped output ``mqtt.conf``: a topic for each value, which is all of the message."""

    value = "value"

    def __init__(self, prefix: str = PREFIX) -> None:
        """Prepare.

        Args:
            prefix: First word of every measurement.
        """
        self._prefix = prefix

    def topic(self, source: str, unit: str, series: Series) -> str:
        """Where the values of a series are."""
        tags = {**dict(series.tags), **({"unit": unit} if unit else {})}
        steps = (
            TELEGRAF_ROOT,
            clean(source),
            self._prefix + series.metric.measurement.removeprefix(PREFIX),
            *(clean(tags[key]) for key in TELEGRAF_TAGS if key in tags),
            series.metric.field,
        )
        return "/".join(steps)


class CollectdTopics:
    """collectd's plugin ``mqtt``: ``time:value``, and a zero byte behind it."""

    value = r"value.split(':')[1].rstrip('\x00')"

    def __init__(self, host: str, root: str = "collectd", prefix: str = PREFIX) -> None:
        """Prepare.

        Args:
            host: collectd's name of its host.
            root: Its option ``Prefix``.
            prefix: First word of every measurement, which is the name of the plugin.
        """
        self._head = f"{root}/{host}/{prefix}"

    def topic(self, source: str, unit: str, series: Series) -> str:
        """Where the values of a series are."""
        from rct_collector.adapter.devices import plain_name, unit_name

        place = series.collectd
        assert place is not None  # noqa: S101 - no text, as the caller knows
        name = plain_name(source)
        instance = unit_name(name, unit) if unit else name
        return f"{self._head}-{instance}/{place.type}-{place.type_instance}"
