"""What a person wants to know first: which unit, how it does, and where the power goes."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from rct_collector.catalog import catalog
from rct_collector.cli.snapshot import Snapshot


class Flow(NamedTuple):
    """One of the powers that meet in the house.

    Attributes:
        name: Of what.
        watts: Signed as everywhere: battery > 0 discharges, grid > 0 draws.
        meaning: What the sign says, in words.
    """

    name: str
    watts: float
    meaning: str


#: Below this, in watts, a flow has no direction worth telling.
_STILL = 15.0

_FLOWS = (
    ("sun", "pv_watts", "", ""),
    ("battery", "battery_watts", "discharging", "charging"),
    ("grid", "grid_watts", "drawing", "feeding in"),
    ("load", "load_watts", "", ""),
)


#: The flow of an inverter that tells what it gives, and not what the sun does.
OUTPUT = "output"


def flows(snapshot: Snapshot) -> list[Flow]:
    """The powers that are known."""
    result = []
    for name, field, positive, negative in _FLOWS:
        watts = snapshot.number(f"inverter_power.{field}")
        if watts is None:
            continue
        meaning = "" if abs(watts) < _STILL else positive if watts > 0 else negative
        result.append(Flow(name, watts, meaning))
    output = snapshot.number("inverter_power.output_watts")
    if output is not None and not any(flow.name == "sun" for flow in result):
        result.insert(0, Flow(OUTPUT, output, ""))
    return result


def charge(snapshot: Snapshot) -> float | None:
    """State of charge of the first battery, in percent."""
    return snapshot.number("inverter_battery.soc_percent", battery="0")


def identity(snapshot: Snapshot) -> str:
    """Model, serial number and firmware, as far as they are known."""
    words = [
        text.format(value)
        for text, field in (("{}", "model"), ("serial {}", "serial"), ("firmware {}", "firmware"))
        if (value := snapshot.get(f"inverter.{field}"))
    ]
    return ", ".join([snapshot.driver.title, *words])


def state(snapshot: Snapshot) -> str:
    """The state of the inverter in words, or ""."""
    series = catalog().series("inverter_status.state_code")
    value = snapshot.get(series.metric.name)
    if value is None:
        return ""
    return snapshot.text(series, value) or f"state {value}"


def faults(snapshot: Snapshot) -> str:
    """The active faults in words; "" while they are not known."""
    found = snapshot.faults()
    if found is None:
        return ""
    if not found:
        return "no faults"
    noun = "fault" if len(found) == 1 else "faults"
    return f"{len(found)} active {noun}: " + "; ".join(f"{bit} {text}" for bit, text in found)


def heading(snapshot: Snapshot, moment: str) -> list[Text]:
    """Two lines: which unit, and how it does.

    Args:
        snapshot: Of the device.
        moment: The time, in words.
    """
    first = Text(snapshot.title, style="bold reverse", no_wrap=True, overflow="ellipsis")
    first.append(f"  {identity(snapshot)}", style="not reverse")
    health = ", ".join(filter(None, (moment, state(snapshot), faults(snapshot))))
    return [first, Text(health, style="red" if snapshot.faults() else "")]


def flow_text(snapshot: Snapshot) -> str:
    """All flows on one line."""
    parts = []
    for flow in flows(snapshot):
        text = f"{flow.name} {abs(flow.watts):.0f} W"
        text += f" {flow.meaning}" if flow.meaning else ""
        soc = charge(snapshot) if flow.name == "battery" else None
        parts.append(text + (f" ({soc:.0f} %)" if soc is not None else ""))
    return ", ".join(parts)


def effort(snapshot: Snapshot) -> str:
    """What it took to read all that, on one line."""
    total = {
        name: snapshot.number(f"inverter_collector.{name}_total")
        for name in ("answers", "requests", "timeouts", "errors")
    }
    seconds = snapshot.number("inverter_collector.poll_seconds")
    if None in (*total.values(), seconds):
        return ""
    text = f"{total['answers']:.0f} answers to {total['requests']:.0f} requests in {seconds:.1f} s"
    for name, words in (("timeouts", "unanswered"), ("errors", "spoiled")):
        text += f", {total[name]:.0f} {words}" if total[name] else ""
    return text
