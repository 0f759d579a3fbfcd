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

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from rct_collector.config import Config, device_options, device_sections
from rct_collector.drivers import BUILTIN, driver
from rct_collector.drivers.base import Driver
from rct_collector.option import Invalid, Option, Shape, Unquoted, Unwritten, options


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
    """Turn blocks into what :meth:`rct_collector.config.Config.parse` takes.

    Args:
        blocks: Common options, and one block ``Device`` for each device.
    """
    items = list(blocks)
    devices = [_device(block) for block in items if _plain(block.key) == "device"]
    common = _options((block for block in items if _plain(block.key) != "device"), options(Config))
    return {**common, "devices": devices}


def _device(block: Block) -> dict[str, Any]:
    family = _family(block)
    known = device_options(family)
    inside: dict[str, Mapping[str, Option]] = {
        **{name: options(kind) for name, (kind, _) in device_sections(family).items()},
        **{name: {} for name, option in known.items() if option.shape is Shape.MAPPING},
    }
    keys = {_plain(name): name for name in inside}
    lines: list[Block] = []
    blocks: dict[str, list[Block]] = {}
    for item in block.children:
        name = keys.get(_plain(item.key))
        if name is None:
            lines.append(item)
        else:
            blocks.setdefault(name, []).extend(item.children)
    given = _options(lines, known)
    names = [*block.values, *([given["name"]] if "name" in given else [])]
    if names:
        given["name"] = _value(names, known["name"])
    return {
        **given,
        **{name: _options(found, inside[name]) for name, found in blocks.items() if found},
    }


def _family(block: Block) -> Driver | None:
    """The family that a device names; None where there is none of that name."""
    for item in block.children:
        if _plain(item.key) == "driver":
            for name in item.values:
                if isinstance(name, str) and name in BUILTIN:
                    return driver(name)
    return None


def _options(blocks: Iterable[Block], known: Mapping[str, Option]) -> dict[str, Any]:
    """Lines by the names of their options; by their own where no option has that name."""
    names = {_plain(name): name for name in known}
    found: dict[str, list[Any]] = {}
    for block in blocks:
        name = names.get(_plain(block.key), block.key)
        found.setdefault(name, []).extend(block.values)
    return {name: _value(values, known.get(name)) for name, values in found.items()}


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


def _value(values: list[Any], option: Option | None) -> Any:
    """One value, in the way that the option understands; several stay a list."""
    marked = [_marked(value) for value in values]
    if len(marked) != 1 or (option is not None and option.shape is Shape.LIST):
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
