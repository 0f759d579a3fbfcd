"""The option ``logging``: what :func:`logging.config.dictConfig` takes, checked where it can be.

What only shows once it is set up, such as a file that cannot be written, is told then.

Source: "Configuration dictionary schema" in the documentation of Python's logging.config.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rct_collector.option import Invalid, Unquoted, is_null, number, parse_bool

#: Keys under which things are named.
_GROUPS = ("formatters", "filters", "handlers", "loggers")
_KEYS = ("version", "disable_existing_loggers", *_GROUPS, "root")
_LOGGER_KEYS = ("level", "handlers", "filters", "propagate")

_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")

_ANY_NUMBER = number(-1e15, 1e15)


def parse_logging(value: Any) -> dict[str, Any]:
    """What Python's logging is to be told; {} for what is usual.

    Raises:
        Invalid: It is none of that, with the keys that lead to the mistake.
    """
    found = _plain(value)
    if found is None:
        return {}
    _expect_mapping(found, ())
    _expect_keys(found, _KEYS, ())
    if found.get("version", 1) != 1:
        raise Invalid("1, the only version that there is", at=("version",))
    _expect_flag(found, "disable_existing_loggers", ())
    for group in _GROUPS:
        for name, item in _items(found, group):
            _expect_mapping(item, (group, name))
    for name, item in _items(found, "handlers"):
        _check_handler(item, found, ("handlers", name))
    for name, item in _items(found, "loggers"):
        _check_logger(item, found, ("loggers", name))
    if "root" in found:
        _expect_mapping(found["root"], ("root",))
        _check_logger(found["root"], found, ("root",))
    return dict(found)


def _plain(value: Any) -> Any:
    """Values as YAML means them: dictConfig takes numbers and flags, not words for them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if is_null(value):
        return None
    if isinstance(value, Unquoted):
        readings: tuple[Callable[[Any], Any], ...] = (parse_bool, _ANY_NUMBER, str)
        for reading in readings:
            try:
                return reading(value)
            except Invalid:
                continue
    return value


def _items(found: Mapping[str, Any], group: str) -> Iterable[tuple[str, Any]]:
    part: Mapping[str, Any] = found.get(group, {})
    _expect_mapping(part, (group,))
    return part.items()


def _check_handler(item: Mapping[str, Any], found: Mapping[str, Any], at: tuple[str, ...]) -> None:
    if not {"class", "()"} & item.keys():
        raise Invalid("a mapping with a class, such as class: logging.StreamHandler", at=at)
    if not isinstance(item.get("class", ""), str):
        raise Invalid("the name of a class, such as logging.StreamHandler", at=(*at, "class"))
    _check_level(item, at)
    formatter = item.get("formatter")
    if formatter is not None:
        _expect_known(formatter, found, "formatters", (*at, "formatter"))
    _check_names(item, found, "filters", at)


def _check_logger(item: Mapping[str, Any], found: Mapping[str, Any], at: tuple[str, ...]) -> None:
    _expect_keys(item, _LOGGER_KEYS, at)
    _check_level(item, at)
    _expect_flag(item, "propagate", at)
    for group in ("handlers", "filters"):
        _check_names(item, found, group, at)


def _check_level(item: Mapping[str, Any], at: tuple[str, ...]) -> None:
    level = item.get("level")
    if level is None or (isinstance(level, int) and not isinstance(level, bool)):
        return
    if not isinstance(level, str) or level not in logging.getLevelNamesMapping():
        word = level if isinstance(level, str) else ""
        raise Invalid(f"one of {', '.join(_LEVELS)}", word.upper(), _LEVELS, at=(*at, "level"))


def _check_names(
    item: Mapping[str, Any], found: Mapping[str, Any], group: str, at: tuple[str, ...]
) -> None:
    names = item.get(group, [])
    if not isinstance(names, list):
        raise Invalid(f"a list of names of {group}", at=(*at, group))
    for name in names:
        _expect_known(name, found, group, (*at, group))


def _expect_known(name: Any, found: Mapping[str, Any], group: str, at: tuple[str, ...]) -> None:
    known = found.get(group, {})
    if not isinstance(name, str) or name not in known:
        which = ", ".join(known) or "of which there are none"
        raise Invalid(f"names under logging.{group}: {which}", str(name), known, at=at)


def _expect_mapping(value: Any, at: tuple[str, ...]) -> None:
    if not isinstance(value, Mapping):
        raise Invalid("a mapping, as logging.config.dictConfig of Python takes it", at=at)


def _expect_keys(found: Mapping[str, Any], known: tuple[str, ...], at: tuple[str, ...]) -> None:
    for key in found:
        if key not in known:
            raise Invalid(f"no such key; known: {', '.join(known)}", key, known, at=(*at, key))


def _expect_flag(found: Mapping[str, Any], key: str, at: tuple[str, ...]) -> None:
    if not isinstance(found.get(key, True), bool):
        raise Invalid("true or false", at=(*at, key))
