"""What is connected to this host, from the kernel's own lists: nothing is opened or sent.

Sources: Linux, Documentation/ABI/testing/sysfs-bus-usb, sysfs-tty and the layout of
``/sys/class/hidraw``; udev's rules for ``/dev/serial``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rct_collector.drivers.base import Driver
from rct_collector.finder.places import Place
from rct_collector.transport import hidraw, serial, usb
from rct_collector.transport.nodes import NodeError, be_node, forbidden, words_of
from rct_collector.transport.paths import quoted

#: What a serial port says of itself where there is no hardware behind it (PORT_UNKNOWN).
_NO_UART = "0"

#: Folders above that of a port, at most, that are searched for its USB device.
_MOST_ABOVE = 12

#: Letters of what a device calls itself that are shown.
_LONGEST_TITLE = 60


def _may_open(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


@dataclass(frozen=True, slots=True)
class ThisHost:
    """Where the lists are.

    Attributes:
        sys: Where sysfs is mounted.
        dev: Where the device nodes are.
        may_open: Whether this user may read and write a node.
    """

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    may_open: Callable[[Path], bool] = _may_open

    def places(self, families: Sequence[Driver]) -> list[Place]:
        """USB devices that a family knows, and all serial ports.

        Args:
            families: The drivers; each tells how its devices are reached.
        """
        return [*self._usb(families), *self._serial(families)]

    # -- USB ---------------------------------------------------------------------------------

    def _usb(self, families: Sequence[Driver]) -> Iterator[Place]:
        known: dict[str, list[str]] = {}
        for family in families:
            if ids := family.ways.get("usb", {}).get("ids"):
                known.setdefault(ids, []).append(family.name)
        devices = [device for device in usb.devices(self.sys, self.dev) if device.ids in known]
        kinds = Counter(device.ids for device in devices)
        for ids, socket, node, folder in devices:
            # The socket is what tells two of a kind apart, but the ids alone outlast a move.
            address = f"usb://{ids}" + (f"?path={socket}" if kinds[ids] > 1 else "")
            yield Place(
                kind="usb",
                node=node,
                title=_title(folder),
                details={"USB ids": ids, "socket": socket},
                addresses=dict.fromkeys(known[ids], address),
                trouble=self._obstacle(Path(node), hidraw.udev_rule(ids)) if node else _NO_NODE,
            )

    # -- serial ports ------------------------------------------------------------------------

    def _serial(self, families: Iterable[Driver]) -> Iterator[Place]:
        names = [family.name for family in families if "serial" in family.ways]
        ports = [path for path in _entries(self.sys / "class" / "tty") if _is_port(path)]
        adapters = {path.name: _usb_above((path / "device").resolve()) for path in ports}
        kinds = Counter(_kind(above) for above in adapters.values() if above)
        links = self._links()
        for path in ports:
            above = adapters[path.name]
            # Adapters of a kind without serial numbers have one and the same link by id.
            same = above is not None and kinds[_kind(above)] > 1 and not _read(above / "serial")
            link = _stable(links.get(path.name, ()), by_id=not same)
            node = self.dev / path.name
            details = {"kernel driver": _target(path / "device" / "driver")}
            if above is not None:
                details |= {"USB ids": _ids(above), "socket": above.name}
            yield Place(
                kind="serial",
                node=str(node),
                title=_title(above) if above is not None else "",
                details={label: text for label, text in details.items() if text},
                addresses=dict.fromkeys(names, f"serial://{quoted(str(link or node))}"),
                trouble=self._obstacle(node, serial.udev_rule(str(node))),
            )

    def _links(self) -> Mapping[str, list[Path]]:
        """Name of a port → the links that lead to it, those by id first."""
        found: dict[str, list[Path]] = {}
        for way in ("by-id", "by-path"):
            for link in _entries(self.dev / "serial" / way):
                found.setdefault(_target(link), []).append(link)
        return found

    # -- whether it can be used --------------------------------------------------------------

    def _obstacle(self, node: Path, rule: str) -> str:
        """Why a node cannot be used, and what to do; "" if it can."""
        try:
            status = node.stat()
            be_node(status)
        except FileNotFoundError:
            return f"{node} is missing, though the kernel has the device: is udev running here?"
        except NodeError as error:
            return str(error)
        except OSError as error:
            return f"{node} cannot be looked at: {words_of(error)}"
        return "" if self.may_open(node) else forbidden(status, rule)


_NO_NODE = (
    "the kernel has made no hidraw node for it: is usbhid loaded? Some devices come back only when"
    " they are plugged in anew, or switched off and on"
)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, in order; nothing where there is none."""
    try:
        return sorted(folder.iterdir(), key=lambda path: _natural(path.name))
    except OSError:
        return []


def _natural(name: str) -> tuple[str, int, str]:
    """So that ttyUSB10 comes behind ttyUSB9."""
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    return stem, int(digits or -1), name


def _is_port(tty: Path) -> bool:
    """Whether there is hardware behind it: no console, no pseudo terminal, no empty slot."""
    return (tty / "device").exists() and _read(tty / "type") != _NO_UART


def _usb_above(folder: Path) -> Path | None:
    """Folder of the USB device that a port belongs to."""
    for path in [folder, *folder.parents][:_MOST_ABOVE]:
        if (path / "idVendor").exists():
            return path
    return None


def _kind(usb: Path) -> tuple[str, str]:
    return _ids(usb), _read(usb / "serial")


def _ids(usb: Path) -> str:
    return f"{_read(usb / 'idVendor')}:{_read(usb / 'idProduct')}".lower()


def _title(usb: Path) -> str:
    """Maker and product, as the device calls itself."""
    return " ".join(filter(None, (_read(usb / "manufacturer"), _read(usb / "product"))))


def _read(path: Path) -> str:
    """A line of sysfs that can be shown; "" where there is none."""
    try:
        text = path.read_bytes()[:_LONGEST_TITLE].decode(errors="replace").strip()
    except OSError:
        return ""
    return "".join(c if c.isprintable() else "?" for c in text)


def _target(link: Path) -> str:
    """Last part of where a link leads."""
    try:
        return link.readlink().name
    except OSError:
        return ""


def _stable(links: Iterable[Path], *, by_id: bool) -> Path | None:
    """The link to write: one that outlasts the next plugging."""
    ways = ("by-id", "by-path") if by_id else ("by-path",)
    return next((link for way in ways for link in links if link.parent.name == way), None)
