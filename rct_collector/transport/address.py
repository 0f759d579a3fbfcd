"""Where a device is: the one form that every transport makes of what a user wrote."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

#: How devices of one family are reached: scheme → what an address of it need not say, such as
#: ``{"tcp": {"port": "8899"}}``.
Ways = Mapping[str, Mapping[str, str]]

#: Of an address that has none.
NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


class Parameter(NamedTuple):
    """An option of an address.

    Attributes:
        pattern: What it takes, as a regular expression.
        takes: What it takes, in words.
        meaning: What it does, for the documentation.
    """

    pattern: str
    takes: str
    meaning: str


class Address(NamedTuple):
    """Where a device is, complete with what its driver takes for granted.

    Only transports make addresses, see :func:`rct_collector.transport.parse_address`, and only they
    look into a place.

    Attributes:
        scheme: Word of the transport.
        place: What stands behind ``//``, in one form and complete: host and port, a path, ids. Of
            the options those that tell it from another place.
        options: What stands behind ``?``, and what the driver takes for granted; not to be changed.
        key: What all ways to write one line have in common, as far as that can be told without
            asking a device or a network. Devices with equal keys share a line, and it is locked by
            this name.
        text: As it may be written in the configuration, without what the driver takes for granted.
    """

    scheme: str
    place: str
    options: Mapping[str, str]
    key: str
    text: str

    def __str__(self) -> str:
        return self.text

    def differs(self, other: Address) -> str:
        """What another address of the same line would have to say to have it set like this one.

        Returns:
            The options, in words; "" when they are the same.
        """
        if self.options == other.options:
            return ""
        names = {**self.options, **other.options}
        wanted = [n for n in names if self.options.get(n) != other.options.get(n)]
        return " and ".join(
            f"{n}={self.options[n]}" if n in self.options else f"no {n}" for n in wanted
        )
