"""Configuration in an agent's own blocks, as the mapping that a YAML file would have given.

::

    LogLevel info                          log_level: info
    <Device "roof">                        devices:
      Driver rct                             - name: roof
      Address "tcp://192.0.2.10"               driver: rct
      <Intervals>                    ──►       address: tcp://192.0.2.10
        Fast "5s"                              intervals:
      </Intervals>                               fast: 5s
    </Device>

Names may be written with capitals or underscores. Such files know no types worth the name: a
number or a flag may come as a text, which is taken in whatever way the option understands. The
other way round nothing is left of how a text without quotes was written, so that it is refused.
What the option understands in no way is left as it is, for the check to tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from rct_collector.config import (
    Config,
    DeviceConfig,
    Intervals,
    Invalid,
    Option,
    Requests,
    Unquoted,
    Unwritten,
    options,
)

_NESTED: dict[str, type] = {"intervals": Intervals, "requests": Requests}
_LISTS = ("include", "exclude")


class Block(Protocol):
    """A line or a block of the agent's configuration."""

    @property
    def key(self) -> str:
        """First word."""

    @property
    def values(self) -> Iterable[Any]:
        """What stands behind it."""

    @property
    def children(self) -> Iterable[Block]:
        """What stands in it."""


def from_blocks(blocks: Iterable[Block]) -> dict[str, Any]:
    """Turn blocks into what :func:`rct_collector.config.parse` takes.

    Args:
        blocks: Common options, and one block ``Device`` for each device.
    """
    items = list(blocks)
    devices = [_device(block) for block in items if _plain(block.key) == "device"]
    common = _options((block for block in items if _plain(block.key) != "device"), Config)
    return {**common, "devices": devices}


def _device(block: Block) -> dict[str, Any]:
    inner = list(block.children)
    nested = {key: _options(_inside(inner, key), cls) for key, cls in _NESTED.items()}
    labels = _options(_inside(inner, "labels"), None)
    special = {*_NESTED, "labels"}
    given = _options((item for item in inner if _plain(item.key) not in special), DeviceConfig)
    names = [*block.values, *([given["name"]] if "name" in given else [])]
    if names:
        given["name"] = _value(names, options(DeviceConfig)["name"])
    nested["labels"] = labels
    return {**given, **{key: value for key, value in nested.items() if value}}


def _inside(blocks: Iterable[Block], key: str) -> Iterator[Block]:
    """The content of all blocks of one name."""
    for block in blocks:
        if _plain(block.key) == key:
            yield from block.children


def _options(blocks: Iterable[Block], cls: type | None) -> dict[str, Any]:
    """Lines by the names of their options; by their own where ``cls`` has none of that name."""
    known = options(cls) if cls is not None else {}
    names = {_plain(name): name for name in known}
    found: dict[str, list[Any]] = {}
    for block in blocks:
        name = names.get(_plain(block.key), block.key)
        found.setdefault(name, []).extend(block.values)
    return {
        name: [_marked(value) for value in values]
        if name in _LISTS
        else _value(values, known.get(name))
        for name, values in found.items()
    }


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


def _value(values: list[Any], option: Option | None) -> Any:
    """One value, in the way that the option understands; several stay a list."""
    marked = [_marked(value) for value in values]
    if len(marked) != 1:
        return marked
    if option is not None:
        for reading in _readings(marked[0]):
            try:
                option.parse(reading)
            except Invalid:
                continue
            return reading
    return marked[0]


def _marked(value: Any) -> Any:
    """A number or a flag is told from a text that looks like one."""
    return value if isinstance(value, str) else Unwritten(value)


def _readings(value: Any) -> Iterator[Any]:
    """A value in all ways in which it may have been meant."""
    yield value
    if isinstance(value, Unwritten):
        yield value.number
    else:
        yield Unquoted(value.strip())
