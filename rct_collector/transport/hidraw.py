"""A USB device of this host that passes bytes as reports of a human interface device.

::

    hidraw:///dev/hidraw0
    hidraw:///dev/voltronic-left            a link, such as a udev rule makes
    hidraw://0665:5161                      by vendor and product, for the only one of its kind
    hidraw://0665:5161?port=1-1.4           … at one socket, as the kernel names it

The number behind ``/dev/hidraw`` changes with each plugging, and such devices often have no serial
number: a socket, or a link by it, is what tells two of a kind apart. The name of a socket is that
of the folder in ``/sys/bus/usb/devices``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rct_collector.option import Invalid
from rct_collector.transport.address import Address, Parameter
from rct_collector.transport.paths import name_of, read_options, read_path, written

DESCRIPTION = "A USB device of this host."

PARAMETERS: Mapping[str, Parameter] = {
    "port": Parameter(
        r"[0-9]{1,3}-[0-9]{1,3}(?:\.[0-9]{1,3}){0,6}",
        "the USB socket as the kernel names it, such as 1-1.4",
        "Which of several of a kind; not with a path.",
    )
}

_IDS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")


def example(_: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return "hidraw:///dev/hidraw0"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; the default is ``usb``, vendor and product of the family."""
    if text.startswith("/"):
        return read_path("hidraw", text, {}, {}, example({}))
    usb = defaults.get("usb", "0665:5161")
    right = f"an address such as {example({})} or hidraw://{usb}"
    ids, _, rest = text.partition("?")
    told = ids.lower().rstrip("/")
    ids = told or usb
    if not _IDS.fullmatch(ids):
        raise Invalid(f"{right}: a path, or the USB ids of vendor and product in hexadecimal")
    options, _ = read_options(rest, PARAMETERS, {}, right)
    key = "/".join(("hidraw", ids, *options.values()))
    return Address("hidraw", ids, options, key, written("hidraw", told, options))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return name_of(address)


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1
