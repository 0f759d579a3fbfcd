"""A file, or a folder of files, with lines that were recorded.

::

    file:///var/lib/captures/roof.pcap
    file:///var/lib/captures/roof.pcap?follow=yes
    file:///var/lib/captures
    file:/dev/stdin

Captures (pcap, pcapng) and bytes of a line as they are; either may be packed by gzip. Of a folder
the newest file is read, and with ``follow`` each newer one behind it. What was said comes with the
times of the recording, as fast as it can be read.

Nothing is opened here: a recording holds many lines at once, see ``lines/played.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from rct_collector.transport.address import Address, Parameter
from rct_collector.transport.paths import name_of, one_of, read_path

DESCRIPTION = "A file of recorded lines, or the newest one of a folder."

#: There is no line to be opened, but many lines that were.
RECORDED = True

PARAMETERS: Mapping[str, Parameter] = {
    "follow": one_of(
        "no", "yes",
        meaning="Whether to wait at the end for more, and for the next file; no unless given.",
    ),
    "ports": Parameter(
        "[0-9]{1,5}(?:,[0-9]{1,5})*",
        "numbers, with commas between them",
        "Of captures the connections are read that lead to these ports.",
    ),
    "magic": Parameter(
        "(?:[0-9A-Fa-f]{2})+",
        "pairs of hexadecimal digits",
        "So do frames begin: connections to other ports are read from a packet on that does.",
    ),
}  # fmt: skip


def example(_: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return "file:///var/lib/captures/roof.pcap"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; the defaults are options."""
    return read_path("file", text, PARAMETERS, defaults, example(defaults))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return name_of(address).partition(".")[0]


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1
