"""Devices of families that are reached in other ways, or share a line."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from rct_collector.config import Config
from rct_collector.docs import tables
from rct_collector.drivers import BUILTIN
from rct_collector.drivers.base import Driver
from rct_collector.option import Invalid, Option


def _unit(value):
    if isinstance(value, str) and value.isalnum():
        return value.upper()
    raise Invalid("the id of the unit, such as 7F1A")


@pytest.fixture(autouse=True)
def families(monkeypatch):
    """One whose units share a bus, and one with a serial port each."""
    common = {"vendor": "toy", "title": "Toy", "session": SimpleNamespace}
    bus = Driver(
        name="bus",
        ways={"serial": {"baud": "115200"}, "listen": {"port": "22222"}},
        unit=Option("Id of the unit.", _unit, "7F1A", "id"),
        **common,
    )
    alone = Driver(name="alone", ways={"serial": {"baud": "2400"}, "tcp": {}}, **common)
    for made in (bus, alone):
        module = ModuleType(f"tests.{made.name}")
        module.DRIVER = made
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(BUILTIN, made.name, module.__name__)


def device(name, driver, address, **more):
    return {"name": name, "driver": driver, "address": address, **more}


def problems(*devices):
    _, told = Config.salvage({"devices": list(devices)}, "file")
    return list(told)


PORT = "serial:///dev/none0"
TWICE = "a second time (first in devices[0]); ask a device only once"


def test_the_address_is_completed_by_the_driver_beside_it():
    config = Config.parse(
        {
            "devices": [
                device("a", "bus", PORT),
                {"address": "serial:///dev/none1?parity=even", "driver": "alone", "name": "b"},
                device("c", "bus", "listen://0.0.0.0"),
                device("d", "rct", "tcp://roof"),
            ]
        }
    )
    found = [(item.address.place, dict(item.address.options)) for item in config.devices]
    assert found == [
        ("/dev/none0", {"baud": "115200"}),
        ("/dev/none1", {"baud": "2400", "parity": "even"}),
        ("0.0.0.0:22222", {}),
        ("roof:8899", {}),
    ]


@pytest.mark.parametrize(
    ("driver", "address", "expected"),
    [
        (
            "rct",
            "serial:///dev/ttyUSB0",
            "tcp://192.0.2.10:8899; the driver takes tcp://, not serial://",
        ),
        (
            "rct",
            "hidraw:/dev/hidraw0",
            "tcp://192.0.2.10:8899; the driver takes tcp://, not hidraw://",
        ),
        (
            "bus",
            "tcp://roof",
            "serial:///dev/ttyUSB0?baud=115200 or listen://0.0.0.0:22222;"
            " the driver takes serial://, listen://, not tcp://",
        ),
        ("alone", "tcp://roof", "tcp://192.0.2.10:8899, with a port from 1 to 65535"),
        (
            "bus",
            "serial:///dev/none0?baud=115201",
            "serial:///dev/ttyUSB0?baud=115200, with baud=1200, 2400, 4800, 9600, 19200, 38400,"
            " 57600, 115200, 230400, 460800, 500000, 921600 or 1000000; found '115201'",
        ),
    ],
)
def test_an_address_that_the_driver_does_not_take_is_refused(driver, address, expected):
    assert problems(device("roof", driver, address)) == [
        f"file: devices[0].address: found {address!r}, expected an address such as {expected}"
    ]


def test_units_of_one_line_are_devices_of_their_own():
    config = Config.parse(
        {"devices": [device(unit, "bus", PORT, unit=unit) for unit in ("7f1a", "7f1b")]}
    )
    assert [item.identity for item in config.devices] == [
        ("serial/dev/none0", "7F1A"),
        ("serial/dev/none0", "7F1B"),
    ]
    assert len({item.address.key for item in config.devices}) == 1


def test_one_unit_is_given_once_however_it_is_written():
    first = device("a", "bus", PORT, unit="7f1a")
    assert problems(first, device("b", "bus", f"{PORT}?baud=9600", unit="7F1A")) == [
        f"file: devices[1].address: found '{PORT}?baud=9600' {TWICE}"
    ]
    assert problems(device("a", "bus", PORT), device("b", "bus", PORT)) == [
        f"file: devices[1].address: found '{PORT}' {TWICE}"
    ]


def test_a_unit_that_cannot_be_read_is_told_and_taken_for_no_other():
    assert problems(device("a", "bus", PORT, unit="?"), device("b", "bus", PORT, unit=[])) == [
        f"file: devices[{n}].unit: found {found}, expected the id of the unit, such as 7F1A"
        for n, found in enumerate(("'?'", "[]"))
    ]


@pytest.mark.parametrize("driver", ["rct", "alone"])
def test_a_family_with_one_unit_on_a_line_has_no_such_option(driver):
    (told,) = problems(device("roof", driver, "tcp://roof:1", unit="1"))
    assert told.startswith("file: devices[0].unit: unknown option")
    assert "unit," not in told


def test_two_inverters_of_rct_on_one_address_stay_refused():
    assert problems(device("a", "rct", "tcp://roof"), device("b", "rct", "tcp://ROOF:8899")) == [
        f"file: devices[1].address: found 'tcp://ROOF:8899' {TWICE}"
    ]


def test_the_documentation_has_the_addresses_that_some_family_takes():
    rows = tables.addresses().splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [
        "`tcp://192.0.2.10:8899`",
        "`usb://0665:5161`",
        "`hidraw:///dev/hidraw0`",
        "`serial:///dev/ttyUSB0?baud=2400`",
        "`listen://0.0.0.0:22222`",
        "`file:///var/lib/captures/roof.pcap`",
    ]
    assert [row.split("|")[3].strip() for row in rows] == [
        "`rct`, `voltronic`, `solaredge`, `alone`",
        "`voltronic`",
        "`voltronic`",
        "`voltronic`, `solaredge`, `bus`, `alone`",
        "`solaredge`, `bus`",
        "`solaredge`",
    ]
    assert "`parity` takes none, even or odd. Parity bit; none unless given." in rows[3]


@pytest.mark.parametrize(
    ("first", "second", "right"),
    [
        ("", "?baud=9600", "baud=115200"),
        ("?baud=9600&parity=even", "?baud=9600", "parity=even"),
        ("", "?baud=9600&parity=even", "baud=115200 and no parity"),
        ("?baud=115200", "", ""),
    ],
)
def test_devices_of_a_line_say_alike_how_it_is_set(first, second, right):
    """Else that of the first would hold for all, and nobody be told."""
    devices = [device(n, "bus", PORT + how, unit=n) for n, how in (("a", first), ("b", second))]
    found = f"file: devices[1].address: found '{PORT}{second}'"
    text = f"{found}, expected {right}, as in devices[0]"
    assert problems(*devices) == ([text] if right else [])
    usable, _ = Config.salvage({"devices": devices}, "file")
    assert [item.name for item in usable.devices] == (["a"] if right else ["a", "b"])
