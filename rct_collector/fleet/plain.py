"""The mapping of a device as JSON, which means the same as what stands in the file.

A text without quotes is for each option what it takes it for: ``10`` a number to one and a text to
another. JSON has numbers and texts apart, so each option is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rct_collector.config import device_options, device_sections
from rct_collector.config.options import section_options
from rct_collector.drivers import driver
from rct_collector.option import Invalid, Option, Unquoted, is_null, number, parse_bool

#: Of any size.
_any_number = number(float("-inf"), float("inf"))


def plain(device: Mapping[str, Any]) -> dict[str, Any]:
    """A device as JSON has it.

    Args:
        device: Its mapping in a configuration, without a mistake.
    """
    family = driver(str(device["driver"]))
    found = _plain(device_options(family), device)
    for key, (kind, _) in device_sections(family).items():
        if key in device:
            found[key] = _plain(section_options(kind, family), device[key])
    return found


def _plain(known: Mapping[str, Option], value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _of(known[key], item) for key, item in value.items() if key in known}


def _of(option: Option, value: Any) -> Any:
    """A text where the option takes it as one, else what it is without quotes."""
    text = _each(value, str)
    try:
        if option.parse(text) == option.parse(value):
            return text
    except Invalid:
        pass
    return _each(value, _unquoted)


def _each(value: Any, change: Callable[[str], Any]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _each(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [_each(item, change) for item in value]
    return change(value) if isinstance(value, str) else value


def _unquoted(text: str) -> Any:
    """What YAML has in place of a text; the text where it has nothing else."""
    if not isinstance(text, Unquoted):
        return str(text)
    if is_null(text):
        return None
    for parse in (parse_bool, _any_number):
        try:
            return parse(text)
        except Invalid:
            continue
    return str(text)
