"""A setting of a unit as an entity of Home Assistant: a list, a number, or a switch.

Commands go to the bridge, which also tells present values, see :mod:`rct_collector.bridge`; here is
only told what it would take.

Source: Home Assistant's documentation of the platforms select, number and switch of its integration
MQTT, and of the device classes of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: What the topics of the bridge begin with.
ROOT = "inverter"

#: Where the bridge says whether it is there.
BRIDGE = f"{ROOT}/bridge/availability"

#: Unit of a number → its device class.
_CLASSES = {"V": "voltage", "A": "current", "Hz": "frequency"}

ON, OFF = "on", "off"


def command_topic(source: str, name: str) -> str:
    """Where the bridge takes a value for a setting of a device."""
    return f"{ROOT}/{source}/set/{name}"


def state_topic(source: str, name: str) -> str:
    """Where the bridge keeps the present value of a setting of a device."""
    return f"{ROOT}/{source}/setting/{name}"


def settable(source: str, described: Mapping[str, Any]) -> dict[str, Any]:
    """What Home Assistant needs to know of a setting.

    Args:
        source: Configured name of the device.
        described: What the gate tells of it, see :meth:`device.settings.Gate.describe`.

    Returns:
        Keys of the component but for its id and what tells whether it can be used.
    """
    name = described["name"]
    found: dict[str, Any] = {
        "name": described["title"] or name.replace("_", " ").capitalize(),
        "command_topic": command_topic(source, name),
        "state_topic": state_topic(source, name),
        "entity_category": "config",
    }
    if described["kind"] == "flag":
        found |= {"platform": "switch", "payload_on": ON, "payload_off": OFF}
        return found | {"state_on": ON, "state_off": OFF}
    if described["choices"]:
        choices = described["choices"]
        options = [item if isinstance(item, str) else f"{item:g}" for item in choices]
        if described["unit"]:
            found["name"] += f" ({described['unit']})"
        return {**found, "platform": "select", "options": options}
    found |= {
        "platform": "number",
        "min": described["low"],
        "max": described["high"],
        "step": described["step"] or 0.1,
        "mode": "box",
    }
    if described["unit"]:
        found["unit_of_measurement"] = described["unit"]
    if described["unit"] in _CLASSES:
        found["device_class"] = _CLASSES[described["unit"]]
    return found
