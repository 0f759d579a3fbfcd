"""A YAML document as mappings, lists and texts, at a cost that the size of the text bounds.

Nothing is converted: a scalar stays the text that stands in the file, so that an option which
takes text gets it as it was written, ``04103`` and ``1.10`` and ``no``. A scalar without quotes
for which YAML has another type is an :class:`~rct_collector.option.Unquoted`; options that
take numbers and flags read it by their own rules.

Sources: YAML 1.1, and what PyYAML takes for other types than text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from rct_collector.option import Unquoted, shown

#: Levels of mappings and lists; a configuration has five.
DEEPEST = 20

#: Parts (scalars, lists and mappings) that aliases may stand for, for each character of the text
#: before them. Options that all devices share take less than two; more is a bomb.
BORROWED = 4

#: The key that takes in other mappings, unless it is quoted.
_MERGE = Unquoted("<<")

_TAG = "tag:yaml.org,2002:"


class _Node(NamedTuple):
    """A piece of the document.

    Attributes:
        value: What it is.
        size: Parts in it, itself and what aliases stand for included.
        height: Levels of mappings and lists in it.
    """

    value: Any
    size: int = 1
    height: int = 0


def read_yaml(text: str) -> Any:
    """What a YAML text says: mappings, lists and texts; None where there is nothing.

    Raises:
        yaml.YAMLError: It is no YAML, says a key twice, is nested too deeply, or has aliases that
            stand for more than its size allows, or for what they are in.
        ValueError, OverflowError: A character is escaped that there is not.
    """
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    events: Iterator[Any] = yaml.parse(text, Loader=loader)
    next(events)  # the start of the stream
    if isinstance(next(events), StreamEndEvent):
        return None
    value = _Reader(events).part(next(events)).value
    next(events)  # the end of the document
    if isinstance(other := next(events), DocumentStartEvent):
        _fail("found another document; a configuration is one", other)
    return value


class _Reader:
    """Puts the events of the parser together."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, _Node | None] = {}
        self._borrowed = 0

    def part(self, event: Any, depth: int = 0) -> _Node:
        """What begins with an event."""
        if isinstance(event, AliasEvent):
            return self._alias(event, depth)
        if depth > DEEPEST:
            _fail(f"nested deeper than {DEEPEST} levels", event)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None  # not to be used before it is complete
        if isinstance(event, MappingStartEvent):
            found = self._mapping(event, depth + 1)
        elif isinstance(event, SequenceStartEvent):
            found = self._list(event, depth + 1)
        else:
            assert isinstance(event, ScalarEvent)  # noqa: S101 - nothing else begins a part
            found = _Node(_scalar(event))
        if anchor is not None:
            self._anchors[anchor] = found
        return found

    def _alias(self, event: Any, depth: int) -> _Node:
        name = event.anchor
        found = self._anchors.get(name)
        if found is None:
            where = "inside what it stands for" if name in self._anchors else "of nothing"
            _fail(f"found an alias {where}: *{name[:40]}", event)
        self._borrowed += found.size
        if self._borrowed > BORROWED * event.start_mark.index:
            _fail("aliases multiply: write out what they stand for", event)
        if depth + found.height > DEEPEST:
            _fail(f"nested deeper than {DEEPEST} levels by an alias", event)
        return found

    def _list(self, start: Any, depth: int) -> _Node:
        _expect_tag(start, "seq")
        parts = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            parts.append(self.part(event, depth))
        return _gathered([part.value for part in parts], parts)

    def _mapping(self, start: Any, depth: int) -> _Node:
        _expect_tag(start, "map")
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        parts = []
        seen = set()
        while not isinstance(event := next(self._events), MappingEndEvent):
            key = self.part(event, depth).value
            if not isinstance(key, str | None):
                _fail("found unhashable key", event)
            if key in seen:
                _fail(f"{shown(key)} is given twice", event)
            seen.add(key)
            part = self.part(next(self._events), depth)
            parts.append(part)
            if key == _MERGE and isinstance(key, Unquoted):
                for found in _sources(part.value, event):
                    for name, value in found.items():
                        merged.setdefault(name, value)
            else:
                own["" if key is None else str(key)] = part.value
        return _gathered({**merged, **own}, parts)


def _gathered(value: Any, parts: list[_Node]) -> _Node:
    size = 1 + sum(part.size for part in parts)
    return _Node(value, size, 1 + max((part.height for part in parts), default=0))


def _sources(value: Any, event: Any) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in found):
        _fail("expected a mapping, or a list of mappings, to merge", event)
    return found


def _scalar(event: Any) -> str | None:
    _expect_tag(event, "str")
    text: str = event.value
    if event.style or event.tag:
        return text
    if not text:
        return None
    # By the first character, as PyYAML keeps them; those under None are for any.
    kinds = yaml.SafeLoader.yaml_implicit_resolvers
    candidates = [*kinds.get(text[0], ()), *kinds.get(None, ())]
    return Unquoted(text) if any(kind.match(text) for _, kind in candidates) else text


def _expect_tag(event: Any, usual: str) -> None:
    if event.tag not in (None, "!", _TAG + usual):
        tag = event.tag.replace(_TAG, "!!")
        _fail(f"found the tag {shown(tag)}; a configuration needs none", event)


def _fail(text: str, event: Any) -> NoReturn:
    raise yaml.MarkedYAMLError(problem=text, problem_mark=event.start_mark)
