"""What only SolarEdge units have: which are welcome, their keys and names, and their portal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rct_collector.drivers.options import FamilyOptions
from rct_collector.drivers.solaredge.batteries import Batteries
from rct_collector.drivers.solaredge.crypto import KEY_BYTES, Tunnels, UnitKey
from rct_collector.option import (
    UNFIT,
    Invalid,
    Shape,
    is_null,
    option,
    read_secret,
    shown,
    text_of,
)

#: Any unit that comes.
AUTO = "auto"

_ID = re.compile("[0-9A-Fa-f]{8}")
_KEY = re.compile(f"[0-9A-Fa-f]{{{2 * KEY_BYTES}}}")

#: Characters of a name.
_LONGEST_NAME = 64


def parse_id(value: Any) -> int:
    """An id as it is printed on the device: eight hexadecimal digits."""
    text = text_of(value)
    if text is None or not _ID.fullmatch(text):
        raise Invalid(
            f'ids of eight hexadecimal digits, such as "7F101234"; {shown(value)} is none'
        )
    return int(text, 16)


def parse_units(value: Any) -> frozenset[int]:
    """The units that are welcome; nobody in it stands for any."""
    if value in (AUTO, [AUTO]):
        return frozenset()
    if not isinstance(value, list) or not value:
        raise Invalid(f"{AUTO}, or a list of ids of inverters")
    return frozenset(map(parse_id, value))


def parse_keys(value: Any) -> dict[int, UnitKey]:
    """The keys of the units that encrypt."""
    if not isinstance(value, Mapping):
        raise Invalid("ids of inverters and their keys")
    return {parse_id(key): _key(key, item) for key, item in value.items()}


def _key(of: Any, value: Any) -> UnitKey:
    """One key, or that in a file; no message shows what was found."""
    text = text_of(value) or ""
    where = ""
    if text.startswith("/"):
        where = f" in {text}"
        text = read_secret(text)
    if not _KEY.fullmatch(text):
        kind = "digits" if re.fullmatch("[0-9A-Fa-f]*", text) else "characters"
        raise Invalid(
            f"a key of {2 * KEY_BYTES} hexadecimal digits, or the path of a file with one;"
            f" that of {shown(of)}{where} has {len(text)} {kind}"
        )
    return UnitKey(bytes.fromhex(text))


def parse_names(value: Any) -> dict[int, str]:
    """Words that go with ids."""
    if not isinstance(value, Mapping):
        raise Invalid("ids and names, such as {1A2B3C4D: south-3}")
    return {parse_id(key): _name(key, item) for key, item in value.items()}


def _name(of: Any, value: Any) -> str:
    text = "" if is_null(value) else str(value)
    if not isinstance(value, str) or not 0 < len(text) <= _LONGEST_NAME or UNFIT.search(text):
        raise Invalid(f"names of up to {_LONGEST_NAME} characters; that of {shown(of)} is none")
    return text


def parse_forward(value: Any) -> str:
    """Where callers are put through to; what is right is known to who reads addresses."""
    text = text_of(value)
    if text is None:
        raise Invalid("an address such as tcp://prod.solaredge.com:22222")
    return text


@dataclass(frozen=True, kw_only=True)
class SolarEdgeOptions(FamilyOptions):
    """The options that only SolarEdge units have.

    Attributes:
        tunnels: The sessions of units that encrypt, of all lines of a device.
        batteries: Unit → the batteries that it has, as far as they were heard on any of its lines.
    """

    units: frozenset[int] = option(
        parse_units,
        "The inverters that are welcome, by the ids that are printed on them. Others are counted,"
        " and get no answer. Without it, whoever comes is.",
        example="[7F101234, 7F105678]", takes=f"{AUTO}, or a list of ids", default=frozenset(),
        shown=AUTO, shape=Shape.LIST,
    )  # fmt: skip
    keys: dict[int, UnitKey] = option(
        parse_keys,
        "The keys of inverters that encrypt: id and 32 hexadecimal digits, or the path of a file"
        " with them that nobody else may read.",
        example="{7F101234: 000102030405060708090a0b0c0d0e0f}", takes="mapping", default={},
        shown="{}", shape=Shape.MAPPING, secret=True,
    )  # fmt: skip
    names: dict[int, str] = option(
        parse_names,
        "Names of inverters and optimizers, which are told beside their ids.",
        example="{1A2B3C4D: south-3}", takes="mapping", default={}, shown="{}",
        shape=Shape.MAPPING,
    )  # fmt: skip
    forward: str = option(
        parse_forward,
        "Where those who call are put through to: the vendor's portal, which answers them in our"
        " place. While it cannot be reached nobody is answered, and units keep what they say.",
        example="tcp://prod.solaredge.com:22222", takes="address", default="", shown='""',
    )  # fmt: skip
    tunnels: Tunnels = field(default_factory=Tunnels, compare=False, repr=False)
    batteries: dict[str, Batteries] = field(default_factory=dict, compare=False, repr=False)
