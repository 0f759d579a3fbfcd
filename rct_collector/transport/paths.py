"""Paths and options, as they stand in addresses of this host: ``scheme:///path?option=value``.

In a path ``%3F`` stands for a question mark and ``%25`` for a percent sign; any other character may
be written so, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from urllib.parse import unquote

from rct_collector.option import UNFIT, Invalid, shown
from rct_collector.transport.address import Address, Parameter

#: Reads options, see :func:`read_options`.
ReadOptions = Callable[
    [str, Mapping[str, Parameter], Mapping[str, str], str],
    tuple[Mapping[str, str], Mapping[str, str]],
]


def one_of(*choices: str, meaning: str) -> Parameter:
    """An option that takes one of some words."""
    words = f"{', '.join(choices[:-1])} or {choices[-1]}"
    return Parameter("|".join(map(re.escape, choices)), words, meaning)


def read_options(
    text: str, known: Mapping[str, Parameter], defaults: Mapping[str, str], right: str
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """``baud=2400&parity=even`` → options, in the order of those that are known.

    Args:
        text: What follows the question mark, or "".
        known: Options that there are.
        defaults: Those of the driver, which need not be written.
        right: An address that would be right, for messages.

    Returns:
        What holds, and what of it was written.

    Raises:
        Invalid: With what would be right.
    """
    found: dict[str, str] = {}
    for item in text.split("&") if text else ():
        name, _, value = item.partition("=")
        if name not in known:
            if not known:
                raise Invalid(f"{right}, with nothing behind the path")
            words = f"{right}; known options are {', '.join(known)}, not {shown(name)}"
            raise Invalid(words, name, known)
        if name in found:
            raise Invalid(f"{right}, with each option once; {name} is there twice")
        if not re.fullmatch(known[name].pattern, value):
            raise Invalid(f"{right}, with {name}={known[name].takes}; found {shown(value)}")
        found[name] = value
    return _in_order(known, {**defaults, **found}), _in_order(known, found)


def _in_order(known: Mapping[str, Parameter], found: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType({name: found[name] for name in known if name in found})


def written(scheme: str, place: str, options: Mapping[str, str]) -> str:
    """An address as it may be written."""
    words = "&".join(f"{name}={value}" for name, value in options.items())
    return f"{scheme}://{place}" + (f"?{words}" if words else "")


def read_path(
    scheme: str,
    text: str,
    known: Mapping[str, Parameter],
    defaults: Mapping[str, str],
    example: str,
    read: ReadOptions | None = None,
) -> Address:
    """``/dev/ttyUSB0?baud=2400`` → an address; its key is where the path leads at present.

    Args:
        scheme: Of the address.
        text: What follows ``scheme://``.
        known: Options that there are.
        defaults: Those of the driver, which need not be written.
        example: An address that would be right, for messages.
        read: Reads the options; :func:`read_options`, unless another one is given.

    Raises:
        Invalid: With what would be right.
    """
    right = f"an address such as {example}"
    begin, _, options = text.partition("?")
    if not begin.startswith("/"):
        raise Invalid(f"{right}, with an absolute path behind {scheme}://, so with three slashes")
    path = "/" + unquote(begin, errors="surrogateescape").strip("/")
    if path == "/" or UNFIT.search(path):
        raise Invalid(f"{right}, with a path of visible characters")
    place = quoted(path)
    settled, told = (read or read_options)(options, known, defaults, right)
    return Address(scheme, place, settled, _key(scheme, path), written(scheme, place, told))


def where_it_leads(address: Address) -> Address:
    """The address of the path that an address leads to at present, with the same options."""
    path = path_of(address)
    key = _key(address.scheme, path)
    return address._replace(place=quoted(_shown(os.path.realpath(path))), key=key)


def _key(scheme: str, path: str) -> str:
    return scheme + _shown(os.path.realpath(path))


def _shown(path: str) -> str:
    """A path in characters that can be written: a link may lead to bytes that are none."""
    return os.fsencode(path).decode(errors="backslashreplace")


def quoted(path: str) -> str:
    """A path as it stands in an address."""
    return path.replace("%", "%25").replace("?", "%3F")


def path_of(address: Address) -> str:
    """The path of an address that :func:`read_path` has made."""
    return unquote(address.place)


def name_of(address: Address) -> str:
    """The last part of the path, for a device that has no name."""
    return path_of(address).rpartition("/")[2]
