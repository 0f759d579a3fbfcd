"""What only Voltronic units have, and how hard they are asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rct_collector.drivers.options import (
    FamilyOptions,
    Limit,
    Permission,
    Requests,
    gap,
    per_second,
    timeout,
    window,
)
from rct_collector.drivers.voltronic.command import DIALECTS
from rct_collector.option import Invalid, Shape, choice, option, parse_bool, shown, text_of

#: Find out which dialect it is.
AUTO = "auto"

#: Serial numbers are printed with at most so many characters.
_LONGEST_SERIAL = 32


def parse_serial_number(value: Any) -> str:
    """A serial number, which is written in quotes if it looks like a number; "" for any."""
    text = text_of(value)
    if text == "":
        return text
    if text is None or not text.isascii() or not text.isalnum() or len(text) > _LONGEST_SERIAL:
        raise Invalid('a serial number in quotes, such as "92932004105315"')
    return text


def _one_of(value: Any, names: Collection[str], what: str, more: str = "") -> str:
    """A name, or a hint at the one that was meant."""
    if isinstance(value, str) and value in names:
        return str(value)
    word = value if isinstance(value, str) else ""
    raise Invalid(f"{what}; {shown(value)} is none{more}", word, names)


def _name(value: Any) -> str:
    """The name of a setting."""
    # Here and below: of no use to those, nearly all, who let nothing be set.
    from rct_collector.drivers.voltronic.settings import DOMAINS

    return _one_of(value, DOMAINS, "names of settings, such as output_priority")


def parse_writes(value: Any) -> tuple[str, ...]:
    """Names of settings."""
    if not isinstance(value, list | tuple):
        raise Invalid("a list of names of settings, such as [output_priority]")
    return tuple(dict.fromkeys(map(_name, value)))


_RANGE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*\.\.\s*([0-9]+(?:\.[0-9]+)?)\s*", re.ASCII)
_FLAG_WORDS = {"on": True, "off": False}


def parse_limits(value: Any) -> dict[str, Limit]:
    """Limits by the name of the setting."""
    if not isinstance(value, Mapping):
        raise Invalid("settings and their limits, such as {battery_float_volts: 53.5..54.5}")
    return {(name := _guarded(key)): _limit(name, item) for key, item in value.items()}


def _guarded(key: Any) -> str:
    """The name of a setting that needs limits."""
    from rct_collector.drivers.voltronic.settings import GUARDED

    more = "; those are: " + ", ".join(GUARDED)
    return _one_of(key, GUARDED, "names of settings that need limits", more)


def _limit(name: str, value: Any) -> Limit:
    """A range of numbers, or words, as far as the setting takes them."""
    from rct_collector.drivers.voltronic.settings import DOMAINS

    domain = DOMAINS[name]
    text = value if isinstance(value, str) else None
    if domain.kind == "number":
        found = _RANGE.fullmatch(text) if text is not None else None
        if found is None or float(found[1]) > float(found[2]):
            raise Invalid(f"a range such as 53.5..54.5 as the limits of {name}")
        return Limit(low=float(found[1]), high=float(found[2]))
    known: Mapping[Any, Any] = (
        _FLAG_WORDS if domain.flag else {word: word for word in domain.choices}
    )
    words = [word.strip() for word in text.split(",")] if text is not None else []
    if not words or any(word not in known for word in words):
        raise Invalid(f"some of {', '.join(known)} as the limits of {name}, with commas in between")
    return Limit(words=tuple(known[word] for word in words))


@dataclass(frozen=True, kw_only=True)
class VoltronicOptions(FamilyOptions):
    """The options that only Voltronic units have."""

    dialect: str = option(
        choice(AUTO, *DIALECTS),
        "The dialect that the unit speaks. It is found out by questions that harm no device; where"
        " it is named, a unit that speaks another one is not read.",
        example="pi30max", takes=" or ".join((AUTO, *DIALECTS)), default=AUTO, shown=AUTO,
    )  # fmt: skip
    serial_number: str = option(
        parse_serial_number,
        "Read no other unit than the one that says so when it is asked for its serial number."
        " Without it, whatever answers is read.",
        example='"92932004105315"', takes="text", default="", shown='""',
    )  # fmt: skip
    request_crc: bool = option(
        parse_bool,
        "Send the checksum of requests, where the dialect has one. Some units of PI18 answer"
        " properly only without.",
        example="true", takes="true or false", default=True, shown="true",
    )  # fmt: skip
    writes: tuple[str, ...] = option(
        parse_writes,
        "The settings of the unit that may be written. Without it nothing ever is.",
        example="[output_priority, charger_priority]", takes="list of settings", default=(),
        shown="[]", shape=Shape.LIST,
    )  # fmt: skip
    allow_battery_limits: bool = option(
        parse_bool,
        "Let also those settings be written on which the battery or the supply depends, if writes"
        " names them and limits has their limits.",
        example="true", takes="true or false", default=False, shown="false",
    )  # fmt: skip
    limits: dict[str, Limit] = option(
        parse_limits,
        "Within which limits such a setting may be written: a range, or words with commas.",
        example='{battery_float_volts: "53.5..54.5"}', takes="mapping", default={}, shown="{}",
        shape=Shape.MAPPING,
    )  # fmt: skip

    @property
    def permission(self) -> Permission:
        """What of the settings may be written."""
        return Permission(self.writes, self.allow_battery_limits, self.limits)


@dataclass(frozen=True, kw_only=True)
class VoltronicRequests(Requests):
    """What Voltronic units in the field stand well: one question at a time, and a pause."""

    per_second: float = per_second(2)
    gap: float = gap("100ms")
    window: int = window(1)
    timeout: float = timeout(
        "2s", "the first byte of an answer; a unit known to be quicker is asked again sooner"
    )
