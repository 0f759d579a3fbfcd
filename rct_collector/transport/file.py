"""A file with a line that was recorded, which is played again.

::

    file:///var/lib/captures/roof.pcap
    file:/var/lib/captures/roof.pcap

What came from the device comes again, at the pace at which it came.
"""

from __future__ import annotations

from collections.abc import Mapping

from rct_collector.transport.address import Address, Parameter
from rct_collector.transport.paths import name_of, read_path

DESCRIPTION = "A recorded line that is played again."

PARAMETERS: Mapping[str, Parameter] = {}


def example(_: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return "file:///var/lib/captures/roof.pcap"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; there are no defaults."""
    return read_path("file", text, PARAMETERS, {}, example(defaults))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return name_of(address).partition(".")[0]


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1
