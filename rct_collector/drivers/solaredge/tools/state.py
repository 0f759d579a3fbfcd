"""``rct-collector solaredge state``: the newest values of all units, in one file for web pages."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from rct_collector.drivers.outside import Outside
from rct_collector.drivers.solaredge.tools.jsonlines import JsonLines, number

#: Entry beside the units' with what is made of all of them.
STATS = "stats"

#: What a unit has that was named beforehand and was not heard yet.
_UNHEARD = {"Eac": 0.0, "Eday": 0.0, "Etot": 0.0, "Pac": 0.0, "Temp": 0.0, "Vac": 0.0}

#: What becomes 0 when units fall asleep or wake up.
_INVERTERS_AT_EVENT = ("Eac", "Pac")
_OPTIMIZERS_AT_EVENT = ("Imod", "Vmod", "Vopt")

_EPILOG = """\b
Examples:
  rct-collector solaredge state -o /var/www/html/state.json monitor.json
  rct-collector solaredge monitor -f roof.rec | rct-collector solaredge state -o state.json
"""


@click.command("state", short_help="Keep the newest values of all units in a file.", epilog=_EPILOG)
@click.argument("file", required=False, metavar="[FILE]")
@click.option("-o", "output", required=True, metavar="FILE", help="The file that holds the state.")
@click.option(
    "-i",
    "ids",
    metavar="ID,...",
    help="Begin with zeros for these inverters.",
)
@click.option("-f", "follow", is_flag=True, help="At the end of FILE wait for more lines.")
@click.pass_obj
def command(outside: Outside, file: str | None, output: str, ids: str | None, follow: bool) -> None:
    """Merge the JSON lines of FILE, or of standard input, into one object of the newest values.

    The output file is replaced as a whole whenever lines have come, so that whoever reads it never
    sees half of it; what it holds at the start is kept. Beside the units there are sums and means
    (stats), and for each optimizer the power Pdc. After an event (sunset, sunrise, a clock that was
    set) powers, voltages and currents that are older than it are 0.
    """
    state = SuiteState.of(
        _known(outside, output), [name for name in (ids or "").split(",") if name]
    )
    if ids:
        outside.replace(output, state.text())
    for batch in JsonLines(outside, None if file == "-" else file).batches(follow=follow):
        for message in batch:
            state.take(message)
        if batch:
            outside.replace(output, state.text())


def _known(outside: Outside, path: str) -> dict[str, Any]:
    """What a state file holds."""
    content = outside.content(path)
    if not content:
        return {}
    try:
        found = json.loads(content)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    outside.say(f"Warning: {path} holds no JSON object, and is begun anew")
    return {}


class SuiteState:
    """The newest values of all units.

    Attributes:
        inverters: Id → attributes; ``stats`` beside them.
        optimizers: Likewise.
    """

    def __init__(self, inverters: dict[str, Any], optimizers: dict[str, Any]) -> None:
        """Begin with what is known.

        Args:
            inverters: Id → attributes.
            optimizers: Id → attributes.
        """
        self.inverters = inverters
        self.optimizers = optimizers

    @classmethod
    def of(cls, known: Mapping[str, Any], ids: Iterable[str] = ()) -> SuiteState:
        """What a file says; what has another form in it is left out.

        Args:
            known: Its content.
            ids: Inverters of which nothing need be known.
        """
        state = cls(_entries(known.get("inverters")), _entries(known.get("optimizers")))
        for name in ids:
            state.inverters.setdefault(name, dict(_UNHEARD))
        if state.inverters:
            state._inverter_stats()
        return state

    def take(self, message: Mapping[str, Any]) -> None:
        """Merge one message.

        Args:
            message: Group → id → attributes.
        """
        inverters = _entries(message.get("inverters"))
        optimizers = _entries(message.get("optimizers"))
        for name, own in inverters.items():
            _add_power(own)
            _merge(self.inverters, name, own)
        for name, own in optimizers.items():
            _merge(self.optimizers, name, own)
        for event in _entries(message.get("events")).values():
            _zero(self.inverters, _INVERTERS_AT_EVENT, event)
            _zero(self.optimizers, _OPTIMIZERS_AT_EVENT, event)
        for own in _units(self.optimizers):
            voltage, current = number(own.get("Vmod")), number(own.get("Imod"))
            if voltage is not None and current is not None:
                own["Pdc"] = voltage * current
        if self.inverters:
            self._inverter_stats()
        if self.optimizers:
            self.optimizers[STATS] = _mean(self.optimizers, "Temp")

    def text(self) -> bytes:
        """As a file."""
        content = {"inverters": self.inverters, "optimizers": self.optimizers}
        return json.dumps(content, sort_keys=True).encode()

    def _inverter_stats(self) -> None:
        """Sums and means of all inverters.

        The energy of the day is that of those heard today. It only grows, since inverters count
        from zero on when they wake up again, and begins anew with the next day.
        """
        before = self.inverters.get(STATS)
        before = before if isinstance(before, dict) else {}
        today = max((_date(own) for own in _units(self.inverters)), default="")
        energy = sum(_values((u for u in _units(self.inverters) if _date(u) == today), "Eday"))
        if before.get("Date", today) == today:
            energy = max(energy, number(before.get("Eday")) or 0.0)
        stats: dict[str, Any] = {"Eday": energy, "Date": today} if today else {"Eday": energy}
        for name in ("Eac", "Etot", "Pac"):
            stats[name] = sum(_values(_units(self.inverters), name))
        stats |= _mean(self.inverters, "Temp")
        voltages = [v for own in _units(self.inverters) if (v := _voltage(own)) is not None]
        if voltages:
            stats["Vac"] = sum(voltages) / len(voltages)
        self.inverters[STATS] = stats


def _entries(content: object) -> dict[str, Any]:
    """Id → attributes, of what has that form."""
    if not isinstance(content, dict):
        return {}
    return {name: own for name, own in content.items() if isinstance(own, dict)}


def _units(group: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (own for name, own in group.items() if name != STATS)


def _when(own: Mapping[str, Any]) -> tuple[str, str]:
    return str(own.get("Date", "")), str(own.get("Time", ""))


def _date(own: Mapping[str, Any]) -> str:
    return str(own.get("Date", ""))


def _merge(group: dict[str, Any], name: str, own: Mapping[str, Any]) -> None:
    """Take attributes of a unit, unless newer ones are known: units send late what they kept."""
    known = group.setdefault(name, {})
    if _when(own) >= _when(known):
        known.update(own)


def _zero(group: Mapping[str, Any], names: Iterable[str], event: Mapping[str, Any]) -> None:
    """Set to 0 what is not newer than an event."""
    for own in _units(group):
        if _when(own) <= _when(event):
            own.update((name, 0.0) for name in names if name in own)


def _add_power(own: dict[str, Any]) -> None:
    """The power of an inverter with three phases, of which the suite knows the parts only."""
    if own.get("Pac") is not None:
        return
    parts = [
        [number(own.get(f"{quantity}{phase}")) for quantity in ("Vac", "Iac", "CosPhi")]
        for phase in (1, 2, 3)
    ]
    powers = [math.prod(part) for part in parts if None not in part]  # type: ignore[arg-type]
    if len(powers) == len(parts):
        own["Pac"] = sum(powers)


def _voltage(own: Mapping[str, Any]) -> float | None:
    """The voltage of the grid: that of one phase, or the mean of three."""
    found = list(_values([own], "Vac")) or [
        value for phase in (1, 2, 3) for value in _values([own], f"Vac{phase}")
    ]
    return sum(found) / len(found) if found else None


def _values(units: Iterable[Mapping[str, Any]], name: str) -> Iterator[float]:
    """Values of one attribute, of the units that have it."""
    return (value for own in units if (value := number(own.get(name))) is not None)


def _mean(group: Mapping[str, Any], name: str) -> dict[str, float]:
    found = list(_values(_units(group), name))
    return {name: sum(found) / len(found)} if found else {}
