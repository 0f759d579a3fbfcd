"""Trees as the kernel shows them under ``/sys``, and nodes as udev makes them under ``/dev``."""

from __future__ import annotations

import shutil
from pathlib import Path


class Tree:
    """A small host.

    Attributes:
        sys: Root of its sysfs.
        dev: Folder of its nodes, each of which leads to a device that is always there.
    """

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"
        self._devices = self.sys / "devices" / "pci0000:00" / "0000:00:14.0" / "usb1"
        for folder in (self._devices, self._classes("tty"), self._classes("hidraw"), self.dev):
            folder.mkdir(parents=True)
        (self.sys / "bus" / "usb" / "devices").mkdir(parents=True)

    def usb(self, socket: str, ids: str, product: str = "", maker: str = "", serial: str = ""):
        """Plug a USB device in; returns its folder."""
        device = self._devices / socket
        device.mkdir()
        vendor, _, number = ids.partition(":")
        texts = {"idVendor": vendor, "idProduct": number, "product": product}
        for name, text in {**texts, "manufacturer": maker, "serial": serial}.items():
            if text:
                (device / name).write_text(f"{text}\n")
        (self.sys / "bus" / "usb" / "devices" / socket).symlink_to(device)
        return device

    def unplug(self, socket: str) -> None:
        """Pull a USB device out."""
        for link in (self.sys / "class").glob("*/*"):
            if socket in link.resolve().parts:
                link.unlink()
        (self.sys / "bus" / "usb" / "devices" / socket).unlink()
        shutil.rmtree(self._devices / socket)

    def hidraw(self, device: Path, number: int, *, interface: int = 0, node: bool = True):
        """Let the kernel make a hidraw node for a USB device; returns the node."""
        hid = device / f"{device.name}:1.{interface}" / f"0003:0665:5161.{number + 1:04X}"
        folder = hid / "hidraw" / f"hidraw{number}"
        folder.mkdir(parents=True)
        (folder / "device").symlink_to(hid)
        vendor, product = (
            (device / name).read_text().strip() for name in ("idVendor", "idProduct")
        )
        ids = f"0003:{int(vendor, 16):08X}:{int(product, 16):08X}"
        (hid / "uevent").write_text(f"DRIVER=hid-generic\nHID_ID={ids}\n")
        (self._classes("hidraw") / folder.name).symlink_to(folder)
        return self._node(folder.name) if node else self.dev / folder.name

    def tty(self, name: str, driver: str, device: Path | None = None, *, kind: str = "", **links):
        """Let the kernel make a serial port; returns the node.

        Args:
            name: Of the port.
            driver: Of the kernel.
            device: USB device that it is of.
            kind: What the port says of its hardware.
            links: ``by_id`` and ``by_path``, names of the links that lead to it.
        """
        parent = self.sys / "devices" / "platform" / name
        if device is not None:
            parent = device / f"{device.name}:1.0" / name
        folder = parent / "tty" / name
        folder.mkdir(parents=True)
        (folder / "device").symlink_to(parent)
        (parent / "driver").symlink_to(self.sys / "bus" / "drivers" / driver)
        if kind:
            (folder / "type").write_text(f"{kind}\n")
        (self._classes("tty") / name).symlink_to(folder)
        for way, link in links.items():
            path = self.dev / "serial" / way.replace("_", "-") / link
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(f"../../{name}")
        return self._node(name)

    def console(self, name: str):
        """A terminal without hardware behind it."""
        folder = self.sys / "devices" / "virtual" / "tty" / name
        folder.mkdir(parents=True)
        (self._classes("tty") / name).symlink_to(folder)

    def _node(self, name: str) -> Path:
        node = self.dev / name
        node.symlink_to("/dev/null")
        return node

    def _classes(self, name: str) -> Path:
        return self.sys / "class" / name
