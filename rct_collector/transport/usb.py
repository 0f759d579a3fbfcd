"""A USB device of this host, found by what it is: vendor and product.

::

    usb://0665:5161                             the only one of its kind
    usb://0665:5161?path=1-1.4                  … at one socket, as the kernel names it
    usb://0665:5161?serial_number=92932004105   … that says so when it is asked

The number of a node in ``/dev`` changes with each plugging, and such devices often have no serial
number that USB could tell. So those of a kind are told apart by the socket that they are plugged in
to, or by asking them: with ``serial_number`` each opening takes the next one that fits, and the
driver, which asks, gives the line up where it is another one's. The name of a socket is that of a
folder in ``/sys/bus/usb/devices``: 1-1.4 is socket 4 of the hub at socket 1 of bus 1.

What passes are reports, see :mod:`.hidraw`.

Sources: Linux, ``Documentation/ABI/stable/sysfs-bus-usb``; the layout of ``/sys/bus/usb/devices``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rct_collector.errors import TransportError
from rct_collector.option import Invalid
from rct_collector.transport import hidraw
from rct_collector.transport.address import Address, Parameter
from rct_collector.transport.base import Lost, Receive
from rct_collector.transport.paths import read_options, written

DESCRIPTION = "A USB device of this host that passes bytes as HID reports, by vendor and product."

PARAMETERS: Mapping[str, Parameter] = {
    "path": Parameter(
        r"[0-9]{1,3}-[0-9]{1,3}(?:\.[0-9]{1,3}){0,6}",
        "the USB socket as the kernel names it, such as 1-1.4",
        "Which of several of a kind, by where it is plugged in.",
    ),
    "serial_number": Parameter(
        r"[0-9A-Za-z]{1,32}",
        "the serial number that the device tells when the driver asks it",
        "Which of several of a kind, wherever it is plugged in; each is tried in turn.",
    ),
}

#: Where the kernel tells of devices, and where their nodes are.
SYS = Path("/sys")
DEV = Path("/dev")

_IDS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_SOCKET = re.compile(PARAMETERS["path"].pattern)

#: Address → the socket with which the next opening begins, where several are tried in turn.
_next: dict[str, str] = {}


class UsbDevice(NamedTuple):
    """A device that is plugged in.

    Attributes:
        ids: Its vendor and product, such as ``0665:5161``.
        path: The socket, as the kernel names it.
        node: Path of the node that passes its reports, of its first interface that has one; "" if
            there is none.
        folder: Where the kernel tells more of it.
    """

    ids: str
    path: str
    node: str
    folder: Path


def example(defaults: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return f"usb://{defaults.get('ids', '0665:5161')}"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; the default is ``ids``, vendor and product of the family."""
    right = f"an address such as {example(defaults)}"
    begin, _, rest = text.partition("?")
    ids = begin.lower().rstrip("/") or defaults.get("ids", "")
    if not _IDS.fullmatch(ids):
        raise Invalid(f"{right}, with the USB ids of vendor and product in hexadecimal")
    options, _ = read_options(rest, PARAMETERS, {}, right)
    key = "/".join(("usb", ids, *(f"{name}={value}" for name, value in options.items())))
    # The options are part of the place: others are another device.
    place = written("usb", ids, options).removeprefix("usb://")
    return Address("usb", place, options, key, written("usb", ids if begin else "", options))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return "-".join((_ids(address), *address.options.values()))


def _ids(address: Address) -> str:
    return address.place.partition("?")[0]


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1


def devices(sys: Path | None = None, dev: Path | None = None) -> list[UsbDevice]:
    """The USB devices of this host, in the order of their sockets.

    Args:
        sys: Where the kernel tells of devices; ``/sys`` unless given.
        dev: Where their nodes are; ``/dev`` unless given.
    """
    try:
        entries = list(((sys or SYS) / "bus" / "usb" / "devices").iterdir())
    except OSError:  # no USB here
        return []
    found = (_device(entry, dev or DEV) for entry in entries if _SOCKET.fullmatch(entry.name))
    return sorted(filter(None, found), key=lambda device: _order(device.path))


def _device(folder: Path, dev: Path) -> UsbDevice | None:
    """What is plugged in at a socket, unless it was pulled out meanwhile."""
    try:
        vendor, product = (
            (folder / name).read_text("ascii", "replace").strip()
            for name in ("idVendor", "idProduct")
        )
        nodes = sorted(folder.glob(f"{folder.name}:*/*/hidraw/hidraw*"))
    except OSError:
        return None
    node = str(dev / nodes[0].name) if nodes else ""
    return UsbDevice(f"{vendor}:{product}".lower(), folder.name, node, folder.resolve())


def _order(path: str) -> list[int]:
    """Sockets as people would sort them: 1-2 before 1-10."""
    return [int(number) for number in re.findall("[0-9]+", path)]


async def open_line(
    address: Address, receive: Receive, lost: Lost, timeout: float
) -> hidraw.ReportLine:
    """Find a device and open it; see :class:`.base.Transport`.

    Args:
        address: With a serial number each opening takes the next device that fits, but the same
            one again where it was lost without our doing.
        receive: Called with bytes as they arrive.
        lost: Called once when the device is gone.
        timeout: Not needed, since opening does not wait.

    Raises:
        TransportError: With words for people.
    """
    fitting = _fitting(address)
    if "serial_number" not in address.options:
        (device,) = fitting
        return _open(device, receive, lost)
    return _open_next(address, fitting, receive, lost)


def _fitting(address: Address) -> Sequence[UsbDevice]:
    """The devices that an address may mean.

    Raises:
        TransportError: There is none, or they cannot be told apart.
    """
    ids, wanted = _ids(address), address.options.get("path")
    alike = [device for device in devices() if device.ids == ids]
    there = [device for device in alike if wanted in (None, device.path)]
    found = [device for device in there if device.node]
    if not found:
        raise TransportError(f"cannot open {address}: {_absent(ids, wanted, alike, there)}")
    if len(found) > 1 and "serial_number" not in address.options:
        ways = " or ".join(f"usb://{ids}?path={device.path}" for device in found)
        raise TransportError(
            f"cannot open {address}: there are {len(found)} such devices; write which one by its"
            f" socket, {ways}, or by its own serial number, usb://{ids}?serial_number=…"
        )
    return found


def _absent(
    ids: str, wanted: str | None, alike: Sequence[UsbDevice], there: Sequence[UsbDevice]
) -> str:
    """Why there is no such device.

    Args:
        ids: Vendor and product.
        wanted: The socket, if one is named.
        alike: All of the kind.
        there: Those of them that are meant, which have no node.
    """
    if there:
        return (
            f"it is plugged in at {_sockets(there)}, but the kernel has no hidraw node of it;"
            " another program, such as one for UPSs, may have taken it for itself"
        )
    if alike:
        return f"nothing of the kind is plugged in at {wanted}, but at {_sockets(alike)}"
    return f"no device {ids} is plugged in" + (f" at {wanted}" if wanted else "")


def _sockets(found: Sequence[UsbDevice]) -> str:
    return " and ".join(device.path for device in found)


def _open_next(
    address: Address, fitting: Sequence[UsbDevice], receive: Receive, lost: Lost
) -> hidraw.ReportLine:
    """Open the device behind the one that was tried last, or the first of those that can be.

    Raises:
        TransportError: None can be opened; says why not, of each.
    """
    start = _order(_next.get(address.key, ""))
    at = next((n for n, device in enumerate(fitting) if _order(device.path) >= start), 0)
    reasons = []
    for number in range(at, at + len(fitting)):
        device, behind = (fitting[n % len(fitting)] for n in (number, number + 1))

        def same_again(reason: str, path: str = device.path) -> None:
            _next[address.key] = path
            lost(reason)

        try:
            line = _open(device, receive, same_again)
        except TransportError as error:
            reasons.append(str(error))
        else:
            _next[address.key] = behind.path
            return line
    raise TransportError("; ".join(reasons))


def _open(device: UsbDevice, receive: Receive, lost: Lost) -> hidraw.ReportLine:
    peer = hidraw.parse(device.node, {})
    return hidraw.open_reports(device.node, peer, receive, lost, device.ids, device.path)
