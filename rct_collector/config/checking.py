"""The options in a mapping, checked, and a list of every mistake in it.

Each mistake is told with its path, what was found and what would be right. Each device is looked
at once, however many of them have mistakes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rct_collector.config.options import (
    DeviceConfig,
    device_options,
    device_sections,
    section_options,
)
from rct_collector.config.values import Shard
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.base import Driver
from rct_collector.option import Invalid, Option, closest, nearest, options, sections, shown
from rct_collector.transport.address import Address

#: Mistakes that are told; whoever has more has made the same one again and again.
MOST_TOLD = 1000

#: Mistakes for which the word that was meant is looked for, which takes time.
MOST_HINTS = 50


class _Checker:
    """Turns a mapping into dataclasses and collects the mistakes on the way."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.count = 0
        self._told: list[str] = []

    @property
    def problems(self) -> list[str]:
        """What is wrong, one sentence per mistake."""
        more = self.count - len(self._told)
        last = [f"{self.origin}: and {more} more mistake{'s' if more > 1 else ''}"] if more else []
        return self._told + last

    @property
    def _hints(self) -> bool:
        return self.count <= MOST_HINTS

    def problem(self, path: str, text: str) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            where = f"{self.origin}: {path}" if path else self.origin
            self._told.append(f"{where}: {text}")

    def _wrong(self, path: str, found: Any, expected: Invalid) -> None:
        right = expected if self._hints else expected.text
        self.problem(path, f"found {shown(found)}, expected {right}")

    def build(
        self,
        known: Mapping[str, Option],
        value: Any,
        path: str,
        *,
        extra: Collection[str] = (),
        to: str | None = "",
    ) -> dict[str, Any]:
        """Check the plain options of one mapping.

        Args:
            known: Name → option.
            value: The mapping.
            path: Where it stands.
            extra: Further names, which the caller looks after.
            to: Of whom no more names are known, for messages; None if there may be more.
        """
        if not isinstance(value, Mapping):
            self._wrong(path, value, Invalid("a mapping of options"))
            return {}
        result: dict[str, Any] = {}
        for key, item in value.items():
            if key in known:
                self._take(known[key], key, item, _inside(path, key), result)
            elif key not in extra and to is not None:
                names = (*known, *extra)
                hint = nearest(key, names) if self._hints else ""
                text = f"unknown option{hint}; known{to}: {', '.join(names)}"
                self.problem(_inside(path, key), text)
        for name, option in known.items():
            if option.required and name not in value:
                self.problem(path, f"{name} is missing, for example {name}: {option.example}")
        return result

    def _take(self, known: Option, key: str, item: Any, path: str, result: dict[str, Any]) -> None:
        try:
            result[key] = known.parse(item)
        except Invalid as error:
            for inner in error.at:
                path, item = _inside(path, inner), item.get(inner)
            if known.secret:
                self.problem(path, f"expected {error}; what was found is not shown")
            else:
                self._wrong(path, item, error)

    def device(self, value: Any, path: str) -> tuple[dict[str, Any], DeviceConfig | None]:
        """What could be read of a device, and its configuration if that was all."""
        before = self.count
        family = _family(value)
        nested = device_sections(family)
        to = f" to the driver {family.name}" if family else None
        parts = self.build(device_options(family), value, path, extra=nested, to=to)
        if isinstance(value, Mapping):
            if "unit" in value:
                parts.setdefault("unit", path)  # what cannot be read is nobody else's
            for key, (kind, _) in nested.items():
                if key in value:
                    inner = self.build(section_options(kind, family), value[key], f"{path}.{key}")
                    if self.count == before:
                        parts[key] = kind(**inner)
        if self.count != before or family is None:
            return parts, None
        kind = type(family.options)
        own = {key: parts.pop(key) for key in (*options(kind), *sections(kind)) if key in parts}
        found = DeviceConfig(**parts, options=kind(**own) if own else family.options)
        return parts, found if self._is_put_through(found, path) else None

    def _is_put_through(self, device: DeviceConfig, path: str) -> bool:
        """Whether those who dial in can be put through to where the device says, if it does."""
        try:
            _ = device.portal
        except Invalid as error:
            self._wrong(f"{path}.forward", getattr(device.options, "forward", ""), error)
            return False
        return True

    def whole(self, value: Any, kind: type, *, own: bool) -> dict[str, Any] | None:
        """What can be used: None after a mistake in the common options, or without a device."""
        if value is None:
            self.problem("", "is empty; expected a list 'devices'")
            return None
        parts = self.build(options(kind), value, "", extra=("devices", "fleet"))
        if not isinstance(value, Mapping):
            return None
        if "fleet" in value:
            return self._fleet(value, parts)
        spoilt = bool(self.count)
        items = value.get("devices")
        if not isinstance(items, list) or not items:
            self._wrong("devices", items, Invalid("a list with at least one device"))
            return None
        shard = parts.get("shard") if own else None
        found = [
            _UNREAD if _is_others(item, shard) else self.device(item, f"devices[{n}]")
            for n, item in enumerate(items)
        ]
        self._unique(items, [parts for parts, _ in found])
        self._alike([parts for parts, _ in found])
        usable = _first_of_each(device for _, device in found if device is not None)
        # A share of few devices may have none.
        lacking = not usable and not any(read is _UNREAD for read in found)
        return None if spoilt or lacking else {"devices": usable, **parts}

    def _fleet(self, value: Mapping[str, Any], parts: dict[str, Any]) -> dict[str, Any] | None:
        """The same of a process in a fleet, which has no devices of its own."""
        from rct_collector.config.fleet import FleetOptions, mismatches  # few are in one

        section = value["fleet"]
        inner = self.build(options(FleetOptions), section, "fleet")
        for key, text in mismatches(section if isinstance(section, Mapping) else (), inner):
            self.problem(f"fleet.{key}", text)
        if "devices" in value:
            self.problem(
                "devices",
                "expected none beside fleet, which has them: rct-collector fleet apply puts them"
                " there from a file of their own",
            )
        if "shard" in value:
            self.problem("shard", "expected none beside fleet, which shares devices by itself")
        return None if self.count else {**parts, "fleet": FleetOptions(**inner)}

    def _unique(self, items: list[Any], read: list[dict[str, Any]]) -> None:
        """No two devices may share a name, nor a unit on a line, however its address is written."""
        for key, reason in (("name", "names must differ"), ("address", "ask a device only once")):
            seen: dict[Any, int] = {}
            for n, (item, parts) in enumerate(zip(items, read, strict=True)):
                value = item.get(key) if isinstance(item, Mapping) else None
                if not isinstance(value, str):
                    continue
                what: Any = value
                if key == "address" and key in parts:
                    what = (parts[key].key, parts.get("unit", ""))
                first = seen.setdefault(what, n)
                if first != n:
                    self.problem(
                        f"devices[{n}].{key}",
                        f"found {shown(value)} a second time (first in devices[{first}]); {reason}",
                    )

    def _alike(self, read: list[dict[str, Any]]) -> None:
        """All devices of a line say alike how it is to be set."""
        seen: dict[tuple[str, Any], tuple[int, Address]] = {}
        units: set[Any] = set()
        for n, parts in enumerate(read):
            address: Address | None = parts.get("address")
            if address is None:
                continue
            line, unit = (address.key, parts.get("driver")), (address.key, parts.get("unit", ""))
            if unit in units:  # it was told of
                continue
            units.add(unit)
            first, other = seen.setdefault(line, (n, address))
            if reason := other.differs(address):
                text = f"found {shown(str(address))}, expected {reason}, as in devices[{first}]"
                self.problem(f"devices[{n}].address", text)


#: What was read of a device that another process looks after: nothing.
_UNREAD: tuple[dict[str, Any], DeviceConfig | None] = ({}, None)


def _is_others(device: Any, shard: Shard | None) -> bool:
    """Whether a device is another share's, by its name; of units on a line the address decides."""
    if shard is None or not isinstance(device, Mapping) or "unit" in device:
        return False
    name = device.get("name")
    return isinstance(name, str) and not shard.takes(name)


def _family(value: Any) -> Driver | None:
    """The family of a device: of a name that is wrong, the one that was probably meant.

    With it, all mistakes of the device can be told at once. None where nothing is known.
    """
    name = value.get("driver") if isinstance(value, Mapping) else None
    found = closest(name, BUILTIN) if isinstance(name, str) else None
    return driver(found) if found else None


def _inside(path: str, key: Any) -> str:
    name = key if isinstance(key, str) and len(key) <= 60 else shown(key)
    return f"{path}.{name}" if path else name


def _first_of_each(devices: Iterable[DeviceConfig]) -> tuple[DeviceConfig, ...]:
    """Of devices that share a name, or a line and a unit, only the first; a line as that says."""
    names: set[str] = set()
    identities: set[tuple[str, str]] = set()
    lines: dict[tuple[str, str], Address] = {}
    kept = []
    for device in devices:
        line = lines.setdefault(device.line, device.address)
        is_free = device.name not in names and device.identity not in identities
        if is_free and not line.differs(device.address):
            names.add(device.name)
            identities.add(device.identity)
            kept.append(device)
    return tuple(kept)


def check(
    value: Any, whole: type, origin: str, *, own: bool = False
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """The options of a whole configuration, as far as they can be used.

    Args:
        value: What the YAML file or an agent's own configuration says.
        whole: The dataclass that has the common options, and ``devices``.
        origin: File name or the like, for messages.
        own: Leave out devices of other shares unread. Their names must differ all the same, and
            their addresses as they are written.

    Returns:
        Option → value, or None when nothing can be used; and every mistake, or of very many the
        first.
    """
    checker = _Checker(origin)
    return checker.whole(value, whole, own=own), tuple(checker.problems)
