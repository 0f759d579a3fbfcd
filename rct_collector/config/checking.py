"""A mapping becomes a configuration, or a list of every mistake in it.

Each mistake is told with its path, what was found and what would be right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from rct_collector.config.options import Config, DeviceConfig, Intervals, Option, Requests, options
from rct_collector.config.values import Invalid, nearest, parse_address
from rct_collector.drivers import BUILTIN, driver
from rct_collector.errors import ConfigError


class _Reader:
    """Turns a mapping into dataclasses and collects every mistake on the way."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.problems: list[str] = []

    def problem(self, path: str, text: str) -> None:
        where = f"{self.origin}: {path}" if path else self.origin
        self.problems.append(f"{where}: {text}")

    def build(
        self, cls: type, value: Any, path: str, *, extra: Iterable[str] = ()
    ) -> dict[str, Any]:  # noqa: E501
        """Check the plain options of one mapping; nested ones are the caller's."""
        known = options(cls)
        if not isinstance(value, Mapping):
            self.problem(path, f"found {_shown(value)}, expected a mapping of options")
            return {}
        result: dict[str, Any] = {}
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key in known:
                self._take(known[key], key, item, where, result)
            elif key not in extra:
                names = [*known, *extra]
                self.problem(
                    where, f"unknown option{nearest(key, names)}; known: {', '.join(names)}"
                )
        for f in fields(cls):
            required = f.default is MISSING and f.default_factory is MISSING
            if required and f.name not in value and f.name in known:
                self.problem(
                    path, f"{f.name} is missing, for example {f.name}: {known[f.name].example}"
                )
        return result

    def _take(self, known: Option, key: str, item: Any, where: str, result: dict[str, Any]) -> None:  # noqa: E501
        try:
            result[key] = known.parse(item)
        except Invalid as error:
            self.problem(where, f"found {_shown(item)}, expected {error}")

    def device(self, value: Any, path: str) -> DeviceConfig | None:
        before = len(self.problems)
        parts = self.build(DeviceConfig, value, path, extra=("intervals", "requests"))
        if isinstance(value, Mapping):
            for key, cls in (("intervals", Intervals), ("requests", Requests)):
                if key in value:
                    nested = self.build(cls, value[key], f"{path}.{key}")
                    if len(self.problems) == before:
                        parts[key] = cls(**nested)
        return DeviceConfig(**parts) if len(self.problems) == before else None

    def config(self, value: Any) -> Config | None:
        if value is None:
            self.problem("", "is empty; expected a list 'devices'")
            return None
        parts = self.build(Config, value, "", extra=("devices",))
        if not isinstance(value, Mapping):
            return None
        items = value.get("devices")
        if not isinstance(items, list) or not items:
            self.problem(
                "devices", f"found {_shown(items)}, expected a list with at least one device"
            )
            items = []
        devices = [self.device(item, f"devices[{n}]") for n, item in enumerate(items)]
        self._unique(items)
        if self.problems:
            return None
        return Config(devices=tuple(d for d in devices if d is not None), **parts)

    def _unique(self, items: list[Any]) -> None:
        """No two devices may share a name, nor an address, however it is written."""
        for key, identity, reason in (
            ("name", lambda item: item["name"], "names must differ"),
            ("address", _place, "ask a device only once"),
        ):
            seen: dict[Any, int] = {}
            for n, item in enumerate(items):
                value = item.get(key) if isinstance(item, Mapping) else None
                if not isinstance(value, str):
                    continue
                first = seen.setdefault(identity(item), n)
                if first != n:
                    self.problem(
                        f"devices[{n}].{key}",
                        f"found {_shown(value)} a second time (first in devices[{first}]);"
                        f" {reason}",
                    )


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def parse(value: Any, origin: str = "configuration") -> Config:
    """Check a mapping and turn it into a configuration.

    Args:
        value: What the YAML file or an agent's own configuration says.
        origin: File name or the like, for messages.

    Raises:
        ConfigError: With every mistake, each with its path.
    """
    reader = _Reader(origin)
    config = reader.config(value)
    if config is None:
        raise ConfigError(reader.problems)
    return config


def salvage(value: Any, origin: str = "configuration") -> tuple[Config | None, tuple[str, ...]]:
    """What can be used of a mapping, for an agent that must go on with the rest.

    A device with a mistake is left out; a mistake in the common options spoils everything.

    Args:
        value: As for :func:`parse`.
        origin: File name or the like, for messages.

    Returns:
        The configuration, or None when nothing can be used; and every mistake.
    """
    try:
        return parse(value, origin), ()
    except ConfigError as error:
        problems = error.problems
    items = value.get("devices") if isinstance(value, Mapping) else None
    usable: Config | None = None
    right: list[Any] = []
    for item in items if isinstance(items, list) else []:
        try:
            usable = parse({**value, "devices": [*right, item]}, origin)
        except ConfigError:
            continue
        right.append(item)
    return usable, problems


def _place(item: Mapping[str, Any]) -> Any:
    """What all ways to write the address of one device have in common."""
    try:
        address = parse_address(item["address"])
    except Invalid:
        return item["address"]
    name = item.get("driver")
    usual = driver(name).port if isinstance(name, str) and name in BUILTIN else None
    return address.scheme, address.host.rstrip("."), address.port or usual
