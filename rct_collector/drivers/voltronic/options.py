"""What only Voltronic units have, and how hard they are asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rct_collector.drivers.options import (
    FamilyOptions,
    Requests,
    gap,
    per_second,
    timeout,
    window,
)
from rct_collector.drivers.voltronic.command import DIALECTS
from rct_collector.option import Invalid, choice, option, parse_bool, text_of

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


@dataclass(frozen=True, kw_only=True)
class VoltronicRequests(Requests):
    """What Voltronic units in the field stand well: one question at a time, and a pause."""

    per_second: float = per_second(2)
    gap: float = gap("100ms")
    window: int = window(1)
    timeout: float = timeout(
        "2s", "the first byte of an answer; a unit known to be quicker is asked again sooner"
    )
