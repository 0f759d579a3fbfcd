"""YAML read by a child, which takes the parser with it when it ends.

The parser is wanted for a few milliseconds of a process that collects for years, and would stay
for as long: with what it loads it takes more than 1 MB.
"""

from __future__ import annotations

import marshal
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from rct_collector.config import files
from rct_collector.errors import ConfigError
from rct_collector.option import Unquoted


def read(path: Path) -> Any:
    """What a YAML file says, not checked yet; see :func:`rct_collector.config.read`.

    Raises:
        ConfigError: It cannot be read, is too large, or is no YAML.
    """
    return interpret(files.content_of(path), str(path))


def interpret(content: bytes, origin: str) -> Any:
    """What the content of a YAML file says, as :func:`rct_collector.config.interpret` has it.

    A process with several threads is not copied, since another one may hold a lock; it has the
    parser stay, and so has one that may not start another.

    Raises:
        ConfigError: It is no text, or no YAML.
    """
    told = _of_child(content, origin) if threading.active_count() == 1 else None
    if told is None:
        return files.interpret(content, origin)
    value, problems = told
    if problems:
        raise ConfigError(problems)
    return _unpacked(value)


def _of_child(content: bytes, origin: str) -> tuple[Any, tuple[str, ...]] | None:
    """The packed value and the problems; None if there was no child, or it came to grief."""
    receiving, sending = os.pipe()
    with os.fdopen(receiving, "rb") as answer:
        try:
            child = os.fork()
        except OSError:
            os.close(sending)
            return None
        if not child:
            _tell(sending, content, origin)
        os.close(sending)
        told = answer.read()
    with suppress(ChildProcessError):  # a parent that ignores their ends hands that down
        os.waitpid(child, 0)
    try:
        found: tuple[Any, tuple[str, ...]] = marshal.loads(told)  # noqa: S302 - of ourselves
    except (EOFError, TypeError, ValueError):  # it was killed before it could say all
        return None
    return found


def _tell(sending: int, content: bytes, origin: str) -> NoReturn:
    """What the child does; of anything unforeseen it says nothing, and the parent meets it."""
    try:
        try:
            told: tuple[Any, tuple[str, ...]] = _packed(files.interpret(content, origin)), ()
        except ConfigError as error:
            told = None, error.problems
        with os.fdopen(sending, "wb") as pipe:
            pipe.write(marshal.dumps(told))
    finally:
        os._exit(0)


def _packed(value: Any) -> Any:
    """The same of types that marshal knows: text without quotes is a tuple with it."""
    if isinstance(value, dict):
        return {key: _packed(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(_packed, value))
    return (str(value),) if isinstance(value, Unquoted) else value


def _unpacked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unpacked(item) for key, item in value.items()}
    if isinstance(value, list):
        return list(map(_unpacked, value))
    return Unquoted(value[0]) if isinstance(value, tuple) else value
