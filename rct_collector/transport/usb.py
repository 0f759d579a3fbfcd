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

Sources: Linux, ``Documentation/ABI/stable/sysfs-bus-usb`` and ``drivers/hid/hid-core.c`` (HID_ID).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
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
#: Bus 3 is USB.
_HID_ID = re.compile(r"^HID_ID=0003:0000([0-9A-F]{4}):0000([0-9A-F]{4})$", re.MULTILINE)

#: Address → the socket with which the next opening begins, where several are tried in turn.
_next: dict[str, str] = {}


class UsbDevice(NamedTuple):
    """A device that is plugged in.

    Attributes:
        ids: Its vendor and product, such as ``0665:5161``.
        path: The socket, as the kernel names it.
        node: Path of its node.
    """

    ids: str
    path: str
    node: str


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
    return Address("usb", ids, options, key, written("usb", ids if begin else "", options))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return "-".join((address.place, *address.options.values()))


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1


def attached(sys: Path | None = None, dev: Path | None = None) -> list[UsbDevice]:
    """The USB devices of this host that pass HID reports, in the order of their sockets.

    Of a device with several interfaces it is the first one.

    Args:
        sys: Where the kernel tells of devices; ``/sys`` unless given.
        dev: Where their nodes are; ``/dev`` unless given.
    """
    found: dict[str, UsbDevice] = {}
    for interface, device in sorted(_interfaces(sys or SYS, dev or DEV)):
        found.setdefault(device.path, device)
        del interface
    return sorted(found.values(), key=lambda device: _order(device.path))


def _interfaces(sys: Path, dev: Path) -> Iterator[tuple[str, UsbDevice]]:
    """Name of the interface, and device, of each node there is."""
    for entry in _entries(sys / "class" / "hidraw"):
        try:
            told = _HID_ID.search((entry / "device" / "uevent").read_text(errors="replace"))
            interface = Path(os.path.realpath(entry / "device")).parent
        except OSError:  # pulled out meanwhile
            continue
        path = interface.parent.name
        if told and _SOCKET.fullmatch(path):
            ids = f"{told[1]}:{told[2]}".lower()
            yield interface.name, UsbDevice(ids, path, str(dev / entry.name))


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # a kernel without such devices
        return []


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
    ids, wanted = address.place, address.options.get("path")
    alike = [device for device in attached() if device.ids == ids]
    found = [device for device in alike if wanted in (None, device.path)]
    if not found:
        raise TransportError(f"cannot open {address}: {_absent(ids, wanted, alike)}")
    if len(found) > 1 and "serial_number" not in address.options:
        ways = " or ".join(f"usb://{ids}?path={device.path}" for device in found)
        raise TransportError(
            f"cannot open {address}: there are {len(found)} such devices; write which one by its"
            f" socket, {ways}, or by its own serial number, usb://{ids}?serial_number=…"
        )
    return found


def _absent(ids: str, wanted: str | None, alike: Sequence[UsbDevice]) -> str:
    """Why there is no such device."""
    where = [device.path for device in alike]
    if where:
        return f"nothing of the kind is plugged in at {wanted}, but at {' and '.join(where)}"
    bare = sorted(filter(lambda path: wanted in (None, path), _without_node(ids)), key=_order)
    if bare:
        return (
            f"it is plugged in at {' and '.join(bare)}, but the kernel has no hidraw node of it;"
            " another program, such as one for UPSs, may have taken it for itself"
        )
    return f"no device {ids} is plugged in" + (f" at {wanted}" if wanted else "")


def _without_node(ids: str) -> Iterator[str]:
    """Sockets where USB has a device of a kind."""
    for entry in _entries(SYS / "bus" / "usb" / "devices"):
        try:
            vendor, product = ((entry / name).read_text() for name in ("idVendor", "idProduct"))
        except (OSError, ValueError):  # an interface, or pulled out meanwhile
            continue
        if f"{vendor.strip()}:{product.strip()}" == ids:
            yield entry.name


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
