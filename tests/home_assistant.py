"""What Home Assistant asks of a discovery document, as a table, and what it makes of a message.

Sources, all of Home Assistant's own documentation: "MQTT", sections "Device discovery payload" and
"Discovery topic"; "MQTT sensor", "MQTT binary sensor", "MQTT select", "MQTT number" and "MQTT
switch", each "Configuration variables"; "Sensor entity", sections "Available device classes" and
"Available state classes"; "Binary sensor", "Device class"; "Number", "Device class"; and
"Templating", section "Using value templates with MQTT". Where the tables of units differ between
releases, only what all have is in here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

from tests.needs import library

MEASUREMENT, TOTAL, INCREASING = "measurement", "total", "total_increasing"

#: Device class of sensors → units; None is no unit.
UNITS = {
    "apparent_power": {"VA"},
    "battery": {"%"},
    "current": {"A", "mA"},
    "duration": {"d", "h", "min", "s", "ms"},
    "energy": {"J", "kJ", "MJ", "GJ", "Wh", "kWh", "MWh", "GWh", "TWh"},
    "energy_storage": {"J", "kJ", "MJ", "GJ", "Wh", "kWh", "MWh", "GWh", "TWh"},
    "frequency": {"Hz", "kHz", "MHz", "GHz"},
    "power": {"W", "kW", "MW", "GW", "TW"},
    "power_factor": {"%", None},
    "reactive_power": {"var"},
    "temperature": {"°C", "°F", "K"},
    "timestamp": {None},
    "voltage": {"V", "mV", "µV"},
}

#: Device class of sensors → state classes; where it is missing, only measurements.
STATE_CLASSES = {
    "duration": {MEASUREMENT, TOTAL, INCREASING},
    "energy": {TOTAL, INCREASING},
    "timestamp": set(),
}

#: Device classes of binary sensors, those that may occur here.
BINARY = {"battery_charging", "connectivity", "problem"}

#: Keys of every platform.
COMMON = {
    *("platform", "name", "unique_id", "entity_category", "enabled_by_default"),
    *("availability", "availability_mode"),
}

#: Platform → keys that it must have, and those that it may have besides.
KEYS = {
    "sensor": (
        {"state_topic"},
        {"device_class", "expire_after", "state_class", "unit_of_measurement", "value_template"},
    ),
    "binary_sensor": (
        {"state_topic"},
        {"device_class", "expire_after", "payload_on", "payload_off", "value_template"},
    ),
    "select": ({"command_topic", "options"}, {"state_topic", "value_template", "optimistic"}),
    "number": (
        {"command_topic"},
        {"state_topic", "value_template", "min", "max", "step", "mode", "device_class",
         "unit_of_measurement", "optimistic"},
    ),
    "switch": (
        {"command_topic"},
        {"state_topic", "value_template", "payload_on", "payload_off", "state_on", "state_off",
         "optimistic"},
    ),
}  # fmt: skip

#: Keys that may stand beside the components, for all of them.
SHARED = ("availability", "availability_mode")

#: Categories that an entity may have: one that is set is no diagnosis, and the other way round.
CATEGORIES = {"sensor": {"diagnostic"}, "binary_sensor": {"diagnostic"}}
SETTABLE = {"config"}

TOPIC = re.compile(r"homeassistant/device/[a-zA-Z0-9_-]+/config")


def check_topic(topic):
    """A document elsewhere is not looked at."""
    assert TOPIC.fullmatch(topic), topic


def check(document):
    """All that would make Home Assistant refuse a document, or warn of it."""
    assert {"device", "origin", "components"} <= set(document) <= {
        "device", "origin", "components", *SHARED,
    }  # fmt: skip
    device = document["device"]
    assert device["identifiers"]
    assert set(device) <= {
        "identifiers", "name", "manufacturer", "model", "serial_number", "sw_version",
    }  # fmt: skip
    assert document["origin"]["name"]
    components = entities_of(document)
    assert components
    ids = [component["unique_id"] for component in components.values()]
    assert len(set(ids)) == len(ids)
    for key, component in components.items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", key), key
        check_component(component)


def entities_of(document):
    """The components, each with what they share and do not say otherwise."""
    shared = {key: document[key] for key in SHARED if key in document}
    return {key: shared | component for key, component in document["components"].items()}


def check_component(component):
    platform = component["platform"]
    must, may = KEYS[platform]
    keys = set(component)
    assert {"platform", "name", "unique_id"} | must <= keys, component
    assert keys <= COMMON | must | may, component
    heard = component.get("availability", [])
    for place in heard:
        assert {"topic"} <= set(place) <= {
            "topic", "payload_available", "payload_not_available", "value_template",
        }  # fmt: skip
    assert component.get("availability_mode", "all") in {"all", "any", "latest"}
    topics = [value for key, value in component.items() if key.endswith("_topic")]
    for topic in (*topics, *(place["topic"] for place in heard)):
        assert topic, component
        assert not set("+#\0") & set(topic), component
        assert not topic.startswith("/"), component
    assert component.get("expire_after", 1) == int(component.get("expire_after", 1)) > 0
    assert component["name"].strip(), component
    categories = CATEGORIES.get(platform, SETTABLE)
    assert component.get("entity_category") in {None, *categories}, component
    {"sensor": _check_sensor, "binary_sensor": _check_binary, "number": _check_number}.get(
        platform, lambda _: None
    )(component)
    if "value_template" in component:
        template(component["value_template"])


def _check_sensor(component):
    kind, state = component.get("device_class"), component.get("state_class")
    unit = component.get("unit_of_measurement")
    assert state in {None, MEASUREMENT, TOTAL, INCREASING}, component
    if kind is not None:
        assert unit in UNITS[kind], component
        assert state in {None, *STATE_CLASSES.get(kind, {MEASUREMENT})}, component
    if state is not None:
        assert kind != "timestamp"


def _check_binary(component):
    assert component.get("device_class") in {None, *BINARY}, component


def _check_number(component):
    assert component["min"] < component["max"], component
    assert component["step"] >= 0.001, component
    kind = component.get("device_class")
    assert kind is None or component["unit_of_measurement"] in UNITS[kind], component


@cache
def template(text):
    """A template in Home Assistant's language, as far as that is used here."""
    made = library("jinja2.sandbox").ImmutableSandboxedEnvironment()
    made.filters["as_datetime"] = lambda stamp: datetime.fromtimestamp(stamp, UTC)
    return made.from_string(text)


def is_available(component, last):
    """Whether an entity shows anything, by the last message of each topic."""
    heard = [
        template(place.get("value_template", "{{ value }}")).render(
            value=last[place["topic"]].decode()
        )
        == place["payload_available"]
        for place in component.get("availability", [])
        if place["topic"] in last
    ]
    return len(heard) == len(component.get("availability", [])) and all(heard)


def state(component, payload):
    """What an entity shows of a message.

    Args:
        component: Its part of the document.
        payload: Bytes of the message.
    """
    text = payload.decode()
    if "value_template" in component:
        text = template(component["value_template"]).render(value=text)
    if component["platform"] in ("binary_sensor", "switch"):
        assert text in (component["payload_on"], component["payload_off"]), (component, text)
        return text == component["payload_on"]
    if component["platform"] == "select":
        assert text in component["options"], (component, text)
        return text
    if component["platform"] == "number":
        assert component["min"] <= float(text) <= component["max"], (component, text)
    if component.get("device_class") == "timestamp":
        return datetime.fromisoformat(text)
    if {"unit_of_measurement", "state_class"} & component.keys():
        return float(text)
    return text
