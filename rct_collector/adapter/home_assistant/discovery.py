"""What each unit has, as the document by which Home Assistant learns of it, and when it is due."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from rct_collector._version import __version__
from rct_collector.adapter.home_assistant.entities import entity, is_entity
from rct_collector.adapter.home_assistant.settables import BRIDGE, settable
from rct_collector.adapter.home_assistant.topics import Topics
from rct_collector.adapter.lineprotocol import field_value, tag_value
from rct_collector.catalog import catalog
from rct_collector.drivers.base import Driver
from rct_collector.model import PREFIX, Batch, Kind, Origin, Series, Value

#: Name of the measurement by which a document goes to an agent, behind the first word of all.
MEASUREMENT = "discovery"

#: Home Assistant's own prefix of the topics of discovery.
ROOT = "homeassistant"

#: Nanoseconds after which a document is sent again; and those that others are apart, since what a
#: unit has is learnt bit by bit.
EVERY_NS = 3600 * 10**9
APART_NS = 10 * 10**9

#: A unit that has not told its serial number for so long after it was heard has none to tell.
PATIENCE_NS = 600 * 10**9

#: A value is taken for lost after so many intervals without a new one.
INTERVALS = 3

#: Texts that a device of Home Assistant has a place for.
_PLACES = {"inverter.model": "model", "inverter.firmware": "sw_version"}

#: Without the bridge nothing can be set.
_BRIDGE_IS_THERE = {
    "topic": BRIDGE,
    "payload_available": "online",
    "payload_not_available": "offline",
}

_OTHER = re.compile(r"[^A-Za-z0-9_-]")


class Known(Protocol):
    """What is to be known of a device beside what it says."""

    @property
    def driver(self) -> Driver:
        """Its family."""

    @property
    def settings(self) -> Settings | None:
        """What may be set; None where its family has nothing."""

    def every(self, series: Series) -> float:
        """Seconds from one value of a series to the next."""


class Settings(Protocol):
    """The settings of a device; see :class:`rct_collector.device.settings.Gate`."""

    @property
    def writes(self) -> tuple[str, ...]:
        """Names of those that the user lets be written."""

    def describe(self) -> list[dict[str, Any]]:
        """What there is, as far as it is known."""


class Described:
    """What one unit has said so far.

    Attributes:
        source: Configured name of the device.
        serial: What tells it from all others; "" where that is not known.
        model: Text → what it is, for a device of Home Assistant.
        series: All that it has values of.
        settings: Name → what may be set; what cannot be set for a while stays.
    """

    def __init__(self, source: str, name: str, vendor: str) -> None:
        """Know nothing yet.

        Args:
            source: Configured name of the device.
            name: Which of its units; "" for the device itself.
            vendor: Vendor of the device family.
        """
        self.source = source
        self._name = name
        self._vendor = vendor
        self.serial = name
        self.model: dict[str, str] = {}
        self.series: set[Series] = set()
        self.settings: dict[str, dict[str, Any]] = {}

    def take(self, values: Iterable[tuple[Series, Value]]) -> bool:
        """Learn from values; whether there was anything new."""
        before = len(self.series), self.serial, dict(self.model)
        for series, value in values:
            if series in self.series:
                continue
            if series.metric.kind is Kind.TEXT:
                self._read(series.metric.name, str(value))
            elif is_entity(series):
                self.series.add(series)
        return (len(self.series), self.serial, self.model) != before

    def _read(self, name: str, text: str) -> None:
        if name == "inverter.serial" and not self._name and text != self.serial:
            if self.serial:  # another unit, which may lack what this one has
                self.series.clear()
                self.settings.clear()
            self.serial = text
        elif name in _PLACES:
            self.model[_PLACES[name]] = text

    def take_settings(self, known: Known) -> bool:
        """Learn what may be set; whether there was anything new."""
        if self._name or (settings := known.settings) is None or not settings.writes:
            return False
        found = {item["name"]: item for item in settings.describe() if item["enabled"]}
        for item in found.values():
            del item["value"]  # which is the bridge's to tell
        is_new = any(self.settings.get(name) != item for name, item in found.items())
        self.settings |= found
        return is_new

    @property
    def topic(self) -> str:
        """Where Home Assistant looks for its document."""
        words = [self._vendor, self.source, *([self._name] if self._name else [])]
        return f"{ROOT}/device/{_plain('-'.join(words))}/config"

    def document(self, known: Known, topics: Topics) -> str:
        """All that Home Assistant needs to know of the unit, as JSON.

        Args:
            known: What else is known of the device.
            topics: Where its values are.
        """
        identity = f"{self._vendor}_{self.serial or self.source}"
        device = {
            "identifiers": [identity],
            "name": f"{self.source} {self._name}".rstrip(),
            "manufacturer": known.driver.title,
            **self.model,
            **({"serial_number": self.serial} if self.serial else {}),
        }
        head = {
            "device": device,
            "origin": {"name": "rct-collector", "sw_version": __version__},
            **self._availability(topics),
        }
        # One by one: of all of them together many more objects would be at hand at a time.
        components = (
            f"{_json(key)}:{_json({**component, 'unique_id': f'{identity}_{key}'})}"
            for key, component in self._components(known, topics)
        )
        return f'{_json(head)[:-1]},"components":{{{",".join(components)}}}}}'

    def _components(self, known: Known, topics: Topics) -> Iterable[tuple[str, dict[str, Any]]]:
        for series in sorted(self.series, key=catalog().place):
            component = entity(series, known.driver.meanings_of(series), topics.value)
            component["state_topic"] = topics.topic(self.source, self._name, series)
            component["expire_after"] = round(INTERVALS * known.every(series))
            if series is _up():
                component["availability"] = []  # or nobody would see that it is 0
            yield key_of(series), component
        for name, described in self.settings.items():
            component = settable(self.source, described)
            yield f"set_{name}", component | self._availability(topics, _BRIDGE_IS_THERE)

    def _availability(self, topics: Topics, *more: dict[str, str]) -> dict[str, Any]:
        """A unit that does not answer has no values, and is not to show its last ones."""
        found = list(more)
        if _up() in self.series:
            topic = topics.topic(self.source, self._name, _up())
            found.append({"topic": topic, "payload_available": "1", "payload_not_available": "0"})
            if topics.value != "value":
                found[-1]["value_template"] = f"{{{{ {topics.value} }}}}"
        return {"availability": found, "availability_mode": "all"} if found else {}


def _up() -> Series:
    return catalog().series("inverter_collector.up")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def key_of(series: Series) -> str:
    """Names a series within its unit: ``grid_l1_voltage_volts``."""
    metric = series.metric
    measurement = metric.measurement.removeprefix(f"{PREFIX}_")
    return _plain("_".join([measurement, *(value for _, value in series.tags), metric.field]))


def _plain(text: str) -> str:
    """A text of those characters that Home Assistant takes in a topic of discovery."""
    return _OTHER.sub("_", text.replace(".", "--"))


class _Document:
    """When the document of a unit was due last.

    Attributes:
        unit: What it has said.
        heard_ns: When it was heard for the first time.
        sent_ns: When its document was sent; None when that was never so.
        news: It has said something new since.
    """

    def __init__(self, unit: Described, heard_ns: int) -> None:
        self.unit = unit
        self.heard_ns = heard_ns
        self.sent_ns: int | None = None
        self.news = False

    def is_due(self, now_ns: int) -> bool:
        """Whether to send it; a clock that was set back is no reason to wait."""
        if not self.unit.series:
            return False
        if not self.unit.serial and 0 <= now_ns - self.heard_ns < PATIENCE_NS:
            return False  # with the serial number all would have other names
        if self.sent_ns is None:
            return True
        passed = now_ns - self.sent_ns
        return passed < 0 or passed >= (APART_NS if self.news else EVERY_NS)


class HomeAssistant:
    """Takes the batches of all devices, and sends documents when they are due."""

    def __init__(
        self, known: Callable[[str], Known | None], topics: Topics, prefix: str = PREFIX
    ) -> None:
        """Know no unit yet.

        Args:
            known: Name of a device → what is known of it; None where there is none.
            topics: Where the agent puts the values.
            prefix: First word of every measurement.
        """
        self._known = known
        self._topics = topics
        self._measurement = f"{prefix}_{MEASUREMENT}"
        self._units: dict[tuple[str, str], _Document] = {}

    def lines(self, batch: Batch) -> list[bytes]:
        """Line protocol with the document of a unit, where it is due; mostly nothing.

        Args:
            batch: What a device says.
        """
        key = batch.source, batch.unit
        if batch.health.removed:
            self._units.pop(key, None)
            return []
        if batch.origin is not Origin.LIVE:
            return []
        sent = self._units.get(key)
        if sent is None:
            unit = Described(batch.source, batch.unit, batch.vendor)
            sent = self._units[key] = _Document(unit, batch.time_ns)
        if not batch.health.up and not sent.unit.series:
            sent.heard_ns = batch.time_ns
        elif sent.unit.take(batch.values):
            sent.news = True
        known = self._known(batch.source) if batch.ends_round else None
        if known is None:
            return []
        sent.news = sent.unit.take_settings(known) or sent.news
        if not sent.is_due(batch.time_ns):
            return []
        sent.sent_ns, sent.news = batch.time_ns, False
        return [self._line(sent.unit, known, batch.time_ns)]

    def _line(self, unit: Described, known: Known, time_ns: int) -> bytes:
        payload = field_value(unit.document(known, self._topics))
        head = f"{self._measurement},source={tag_value(unit.source)},topic={tag_value(unit.topic)}"
        return f"{head} payload={payload} {time_ns}\n".encode()
