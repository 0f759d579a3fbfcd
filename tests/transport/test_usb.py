"""How USB devices are found again, in a tree like that of the kernel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

import pytest

from rct_collector.drivers.base import Answer, Resync, Unfit
from rct_collector.errors import BusyError, TransportError
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.lines.shared import SharedLine
from rct_collector.transport import open_line, parse_address, usb
from rct_collector.transport.paths import path_of
from tests.hid import Hid
from tests.lines.words import POWER, Attached
from tests.sysfs import Tree
from tests.virtual import run

IDS = "0665:5161"
WAYS = {"usb": {"ids": IDS}}


class Host(Tree):
    """A host whose nodes are sockets, behind which are devices."""

    def __init__(self, root):
        super().__init__(root)
        self.plugged = {}

    def plug(self, path, number, ids=IDS):
        """A device at a socket, which becomes /dev/hidraw<number>."""
        node = self.hidraw(self.usb(path, ids), number, node=False)
        self.plugged[path] = Hid(node)

    def ends(self):
        """The devices that can be opened."""
        return [end for end in self.plugged.values() if end.is_plugged]

    def pull(self, path):
        self.plugged.pop(path).unplug()
        self.unplug(path)


@pytest.fixture
def host(tmp_path, monkeypatch):
    host = Host(tmp_path)
    monkeypatch.setattr(usb, "SYS", host.sys)
    monkeypatch.setattr(usb, "DEV", host.dev)
    monkeypatch.setattr(usb, "_next", {})
    yield host
    for path in list(host.plugged):
        host.pull(path)


def at(text):
    return parse_address(text, WAYS)


async def opened(text, receive=print, lost=print):
    return await open_line(at(text), receive, lost, 5.0)


@pytest.fixture
def leads_to(host):
    """Tells the number of the node that an address leads to."""

    async def opened_and_closed(text):
        line = await opened(text)
        line.close()
        return int(line.peer.place.rpartition("hidraw")[2])

    def tell(text):
        found = asyncio.run(opened_and_closed(text))
        for end in host.ends():
            end.hear()  # that it was closed
        return found

    return tell


def refusal(text):
    with pytest.raises(TransportError) as told:
        asyncio.run(opened(text))
    return str(told.value)


def listed(*where):
    return [tuple(device[:3]) for device in usb.devices(*where)]


def test_devices_are_listed_by_their_sockets(host):
    host.plug("1-10", 0)
    host.plug("1-1.4", 3)
    host.plug("1-2", 2, "04D8:00DF")
    host.usb("1-1.3", IDS)
    assert listed() == [
        (IDS, "1-1.3", ""),
        (IDS, "1-1.4", str(host.dev / "hidraw3")),
        ("04d8:00df", "1-2", str(host.dev / "hidraw2")),
        (IDS, "1-10", str(host.dev / "hidraw0")),
    ]
    assert listed(host.sys, Path("/dev"))[1] == (IDS, "1-1.4", "/dev/hidraw3")


def test_what_is_no_device_or_half_there_is_not_listed(host, tmp_path):
    host.usb("usb1", "1d6b:0002")  # a bus, which is no socket
    folder = host.sys / "bus/usb/devices"
    (folder / "1-9").symlink_to(tmp_path / "gone")
    (folder / "1-0:1.0").symlink_to(tmp_path)
    (host.usb("1-8", IDS) / "idProduct").unlink()
    assert usb.devices() == []
    assert usb.devices(tmp_path / "nothing", tmp_path) == []


def test_of_a_device_with_several_nodes_the_first_interface_is_taken(host):
    device = host.usb("1-1", IDS)
    host.hidraw(device, 7, interface=1)
    host.hidraw(device, 8, interface=0)
    assert listed() == [(IDS, "1-1", str(host.dev / "hidraw8"))]


def test_the_only_one_is_found_by_what_it_is_whatever_its_number(host, leads_to):
    host.plug("1-1.4", 3)
    host.plug("1-2", 0, "04d8:00df")
    assert leads_to("usb://0665:5161") == 3
    host.pull("1-1.4")
    assert refusal("usb://0665:5161") == (
        "cannot open usb://0665:5161: no device 0665:5161 is plugged in"
    )
    host.plug("1-1.3", 11)
    assert leads_to("usb://0665:5161") == 11
    assert leads_to("usb://") == 11
    assert leads_to("usb://04D8:00DF") == 0


def test_bytes_pass_and_a_device_that_is_pulled_out_ends_the_line(host):
    host.plug("1-1.4", 3)

    async def main(loop):
        received, lost = [], []
        line = await opened("usb://0665:5161?path=1-1.4", received.append, lost.append)
        line.send(b"QPI\xbe\xac\r")
        heard = host.plugged["1-1.4"].hear()
        host.plugged["1-1.4"].say(b"(PI30\x9a\x0b\r")
        await asyncio.sleep(1)
        host.pull("1-1.4")
        await asyncio.sleep(1)
        line.close()
        return heard, received, lost

    assert run(main) == ([b"\0QPI\xbe\xac\r\0\0"], [b"(PI30\x9a\x0b\r"], ["the USB device is gone"])


def test_several_of_a_kind_are_told_apart_by_their_sockets(host, leads_to):
    host.plug("1-1.4", 0)
    host.plug("1-1.3", 1)
    assert refusal("usb://0665:5161") == (
        "cannot open usb://0665:5161: there are 2 such devices; write which one by its socket,"
        " usb://0665:5161?path=1-1.3 or usb://0665:5161?path=1-1.4, or by its own serial number,"
        " usb://0665:5161?serial_number=…"
    )
    assert leads_to("usb://0665:5161?path=1-1.3") == 1
    assert leads_to("usb://0665:5161?path=1-1.4") == 0
    assert refusal("usb://0665:5161?path=2-1") == (
        "cannot open usb://0665:5161?path=2-1: nothing of the kind is plugged in at 2-1, but at"
        " 1-1.3 and 1-1.4"
    )
    host.pull("1-1.3")
    host.pull("1-1.4")
    assert refusal("usb://0665:5161?path=2-1") == (
        "cannot open usb://0665:5161?path=2-1: no device 0665:5161 is plugged in at 2-1"
    )


def test_a_device_that_was_taken_from_the_kernel_is_told(host):
    host.usb("1-1.4", IDS)
    assert refusal("usb://0665:5161") == (
        "cannot open usb://0665:5161: it is plugged in at 1-1.4, but the kernel has no hidraw node"
        " of it; another program, such as one for UPSs, may have taken it for itself"
    )
    assert "is plugged in at 2-2" in refusal("usb://0665:5161?path=2-2")


SERIAL = "usb://0665:5161?serial_number=92932004105010"


def test_those_of_a_kind_are_opened_in_turn_to_be_asked_for_their_serial_numbers(host, leads_to):
    host.plug("1-1.4", 0)
    host.plug("1-1.3", 1)
    host.plug("1-10", 2)
    assert [leads_to(SERIAL) for _ in range(5)] == [1, 0, 2, 1, 0]
    host.pull("1-10")
    assert [leads_to(SERIAL) for _ in range(3)] == [1, 0, 1], "what is gone is left out"
    assert leads_to(f"{SERIAL}1") == 1, "each address has its own turn"
    host.pull("1-1.3")
    host.pull("1-1.4")
    assert refusal(SERIAL) == f"cannot open {SERIAL}: no device 0665:5161 is plugged in"


def test_a_device_that_was_lost_and_not_given_up_is_tried_first(host, leads_to):
    host.plug("1-1.3", 1)
    host.plug("1-1.4", 0)

    async def main():
        lost = []
        line = await opened(SERIAL, lost=lost.append)
        host.pull("1-1.3")
        while not lost:
            await asyncio.sleep(0)
        return line.peer.place, lost

    asyncio.run(main())
    host.plug("1-1.3", 5)
    assert leads_to(SERIAL) == 5


def test_what_cannot_be_opened_is_passed_over(host, leads_to):
    host.plug("1-1.3", 1)
    host.plug("1-1.4", 0)
    host.plugged["1-1.3"].refuse()
    assert [leads_to(SERIAL) for _ in range(2)] == [0, 0]
    host.plugged["1-1.4"].refuse()
    told = refusal(SERIAL)
    for node, path in ((1, "1-1.3"), (0, "1-1.4")):
        assert f"cannot open the USB device {host.dev}/hidraw{node} (0665:5161 at {path})" in told


def test_one_device_that_is_configured_twice_is_told(host):
    """The lock is that of the node, whatever the addresses are."""
    host.plug("1-1.4", 3)
    node = str(host.dev / "hidraw3")
    ways = {**WAYS, "hidraw": {}}
    first = DeviceLock(parse_address(f"hidraw://{node}", ways), "roof")
    second = DeviceLock(at("usb://"), "barn")
    first.acquire()
    try:
        with pytest.raises(BusyError, match=f"{node}, where 0665:5161 leads, is already collected"):
            asyncio.run(locked(open_line, second)(at("usb://"), print, print, 5.0))
    finally:
        first.release()
        second.release()


# -- lines that find their device, and find it again --------------------------------------------


class Who:
    """A session that asks a unit for its serial number, and has no use for another one."""

    def __init__(self, serial_number):
        self._meant, self._half = f"={serial_number}".encode(), b""

    def receive(self, data, wall_ns):
        *whole, self._half = (self._half + data.replace(b"\0", b"")).split(b"\n")
        return [Answer(POWER, 1) if said == self._meant else Unfit("another one") for said in whole]

    def reset(self):
        self._half = b""


class Roof:
    """Lines to units by their serial numbers, at a host where units answer."""

    def __init__(self, host, units, numbers):
        self._host, self._units = host, units
        self.refusals = []
        self.lines = {number: self._line(number) for number in numbers}
        self.devices = [Attached(line, name=number) for number, line in self.lines.items()]

    def _line(self, number):
        address = at(f"usb://?serial_number={number}")
        # Other processes of the tests may look for the same numbers.
        lock = DeviceLock(at(f"usb://?serial_number={number}x{os.getpid()}"), number)
        resync = Resync(0.0, b"who\n")
        return SharedLine(
            number, open_line, address, Who(number), wall_ns=int, resync=resync, lock=lock
        )

    async def run(self, seconds):
        """Let units answer whenever they are asked."""
        for _ in range(round(seconds / 0.5)):
            await asyncio.sleep(0.5)
            self.refusals += filter(None, (line.refusal for line in self.lines.values()))
            for path, end in self._host.plugged.items():
                if end.hear():
                    end.say(f"={self._units[path]}\n".encode())

    def found(self):
        """Serial number → the socket of the node that its line has open, or ""."""
        by_node = {device.node: device.path for device in usb.devices()}
        open_lines = {number: line.link._line for number, line in self.lines.items()}
        return {n: by_node[path_of(line.peer)] if line else "" for n, line in open_lines.items()}


@contextlib.asynccontextmanager
async def roof(host, units, numbers):
    it = Roof(host, units, numbers)
    async with contextlib.AsyncExitStack() as stack:
        for device in it.devices:
            await stack.enter_async_context(device.open(0.0))
        yield it


@pytest.mark.slow
def test_lines_find_their_units_by_serial_number_and_again_when_all_was_plugged_in_anew(host):
    """Each is at the other's place at first, and keeps the other off its own no longer."""
    units = {"1-1.3": "2222", "1-1.4": "1111"}
    for number, path in enumerate(units):
        host.plug(path, number)

    async def main(loop):
        async with roof(host, units, ["1111", "2222"]) as it:
            await it.run(300)
            first = it.found()
            assert it.refusals == []
            for path in units:
                host.pull(path)
            await it.run(60)
            gone = it.found()
            units.update({"1-1.3": "1111", "1-1.4": "3333", "1-2": "2222"})
            for number, path in enumerate(units):
                host.plug(path, 8 - number)
            await it.run(600)
            return first, gone, it.found()

    assert run(main) == (
        {"1111": "1-1.4", "2222": "1-1.3"},
        {"1111": "", "2222": ""},
        {"1111": "1-1.3", "2222": "1-2"},
    )


@pytest.mark.slow
def test_a_serial_number_that_is_nowhere_is_told_once_and_looked_for_on(host, caplog):
    units = {"1-1.3": "2222", "1-1.4": "3333"}
    for number, path in enumerate(units):
        host.plug(path, number)

    async def main(loop):
        async with roof(host, units, ["1111"]) as it:
            await it.run(300)
            before = it.found()
            units["1-1.4"] = "1111"
            await it.run(300)
            return before, it.found()

    before, after = run(main)
    assert after == {"1111": "1-1.4"}
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert warnings == ["1111: another one; trying again until it works"]
