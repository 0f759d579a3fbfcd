"""How addresses of each transport are read and written, and which of them are one line."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers import BUILTIN, driver
from rct_collector.errors import TransportError
from rct_collector.option import Invalid
from rct_collector.transport import TRANSPORTS, is_recorded, open_line, parse_address, transport

#: A family that is reached in every way.
WAYS = {
    "tcp": {"port": "8899"},
    "listen": {"port": "22222"},
    "serial": {"baud": "2400"},
    "usb": {"ids": "0665:5161"},
    "hidraw": {},
    "file": {},
}

TCP = "an address such as tcp://192.0.2.10:8899"
SERIAL = "an address such as serial:///dev/ttyUSB0?baud=2400"
USB = "an address such as usb://0665:5161"
HIDRAW = "an address such as hidraw:///dev/hidraw0"
LISTEN = "an address such as listen://0.0.0.0:22222"
WRITTEN_OUT = "with an IP address of this host, or 0.0.0.0 for all of them"
FILE = "an address such as file:///var/lib/captures/roof.pcap"


@pytest.mark.parametrize(
    ("text", "written", "key"),
    [
        ("tcp://192.0.2.10:8899", "tcp://192.0.2.10:8899", "tcp/192.0.2.10/8899"),
        ("tcp://192.0.2.10", "tcp://192.0.2.10", "tcp/192.0.2.10/8899"),
        ("tcp://192.0.2.10/", "tcp://192.0.2.10", "tcp/192.0.2.10/8899"),
        ("tcp://Roof.Example:1", "tcp://roof.example:1", "tcp/roof.example/1"),
        ("tcp://rct_1.lan.:65535", "tcp://rct_1.lan.:65535", "tcp/rct_1.lan/65535"),
        ("tcp://0x7f.1", "tcp://0x7f.1", "tcp/127.0.0.1/8899"),
        ("tcp://[2001:DB8:0::10]:89", "tcp://[2001:db8::10]:89", "tcp/2001:db8::10/89"),
        ("tcp://[::1]", "tcp://[::1]", "tcp/::1/8899"),
        ("tcp://[::ffff:192.0.2.1]", "tcp://[::ffff:192.0.2.1]", "tcp/192.0.2.1/8899"),
        (
            "tcp://[fe80::1%br-lan.5]:5",
            "tcp://[fe80::1%br-lan.5]:5",
            "tcp/fe80::1%br-lan.5/5",
        ),
        ("listen://0.0.0.0", "listen://0.0.0.0", "listen/*/22222"),
        ("listen://0.0.0.0:22222", "listen://0.0.0.0:22222", "listen/*/22222"),
        ("listen://[::]:22222/", "listen://[::]:22222", "listen/*/22222"),
        ("listen://192.0.2.5", "listen://192.0.2.5", "listen/192.0.2.5/22222"),
        ("listen://[::1]:80", "listen://[::1]:80", "listen/::1/80"),
        ("serial:///dev/none0", "serial:///dev/none0", "serial/dev/none0"),
        ("serial:/dev/none0", "serial:///dev/none0", "serial/dev/none0"),
        ("serial:///dev/none0?", "serial:///dev/none0", "serial/dev/none0"),
        (
            "serial:///dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0?baud=9600",
            "serial:///dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0?baud=9600",
            "serial/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0",
        ),
        (
            "serial:///dev/none0?rs485=on&stopbits=2&parity=even&databits=7&baud=115200",
            "serial:///dev/none0?baud=115200&databits=7&parity=even&stopbits=2&rs485=on",
            "serial/dev/none0",
        ),
        ("hidraw:///dev/hidraw999", "hidraw:///dev/hidraw999", "hidraw/dev/hidraw999"),
        ("hidraw:/dev/hidraw999", "hidraw:///dev/hidraw999", "hidraw/dev/hidraw999"),
        ("usb://0665:5161", "usb://0665:5161", "usb/0665:5161"),
        ("usb://", "usb://", "usb/0665:5161"),
        ("usb://04D8:00DF/", "usb://04d8:00df", "usb/04d8:00df"),
        ("usb://0665:5161?path=1-1.4", "usb://0665:5161?path=1-1.4", "usb/0665:5161/path=1-1.4"),
        ("usb://?path=2-1", "usb://?path=2-1", "usb/0665:5161/path=2-1"),
        (
            "usb://0665:5161?serial_number=92932004105010&path=1-1",
            "usb://0665:5161?path=1-1&serial_number=92932004105010",
            "usb/0665:5161/path=1-1/serial_number=92932004105010",
        ),
        ("file:///none/roof.pcap", "file:///none/roof.pcap", "file/none/roof.pcap"),
        ("file:/none/2026/", "file:///none/2026", "file/none/2026"),
        ("file:///none/Süd dach#1", "file:///none/Süd dach#1", "file/none/Süd dach#1"),
        ("file:///none/a%3fb%25%C3%BC%", "file:///none/a%3Fb%25ü%25", "file/none/a?b%ü%"),
        ("file:////none/a", "file:///none/a", "file/none/a"),
        ("file:///none/a?follow=yes", "file:///none/a?follow=yes", "file/none/a"),
        (
            "file:///none/a?magic=1234&ports=80,22222&follow=no",
            "file:///none/a?follow=no&ports=80,22222&magic=1234",
            "file/none/a",
        ),
    ],
)
def test_an_address_is_read_has_one_form_and_an_identity(text, written, key):
    address = parse_address(text, WAYS)
    assert (address.scheme, str(address), address.key) == (text.partition(":")[0], written, key)
    assert parse_address(written, WAYS) == address


#: A family whose units share a bus.
BUS = {"serial": {"baud": "115200", "mode": "passive"}, "tcp": {"mode": "passive"}}
MASTER = "an address such as serial:///dev/ttyUSB0?baud=115200"
SERVER = "an address such as tcp://192.0.2.10:8899"


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("serial:///dev/none0", {"baud": "115200", "mode": "passive"}),
        (
            "serial:///dev/none0?mode=master&units=7F101234,7f105678",
            {"baud": "115200", "mode": "master", "units": "7F101234,7f105678"},
        ),
        ("tcp://192.0.2.1:4001", {"mode": "passive"}),
        ("tcp://192.0.2.1:4001?mode=passive", {"mode": "passive"}),
        (
            "tcp://[::1]:4001/?mode=master&units=BE101234&timeout=3&interval=60",
            {"mode": "master", "units": "BE101234", "timeout": "3", "interval": "60"},
        ),
    ],
)
def test_an_address_tells_what_we_are_on_a_bus(text, options):
    address = parse_address(text, BUS)
    assert address.options == options
    assert parse_address(str(address), BUS) == address


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("serial:///dev/a?mode=slave", f"{MASTER}, with mode=master or passive; found 'slave'"),
        (
            "tcp://192.0.2.1:1?mode=master",
            f"{SERVER}, with the units that the master lets speak, such as units=7F101234",
        ),
        (
            "serial:///dev/a?mode=master&units=7F10123",
            f"{MASTER}, with units=ids of eight hexadecimal digits, with commas between them;"
            " found '7F10123'",
        ),
        (
            "tcp://192.0.2.1:1?mode=master&units=7F101234,7f101234",
            f"{SERVER}, with each unit once; found '7F101234,7f101234'",
        ),
        (
            "tcp://192.0.2.1:1?timeout=0",
            f"{SERVER}, with timeout=whole seconds from 1 to 999; found '0'",
        ),
        (
            "tcp://192.0.2.1:1?baud=9600",
            f"{SERVER}; known options are mode, units, timeout, interval, not 'baud'",
        ),
    ],
)
def test_what_is_wrong_with_a_bus_is_told(text, expected):
    with pytest.raises(Invalid, match="^" + re.escape(expected)):
        parse_address(text, BUS)


def test_families_without_a_bus_have_no_options_of_one():
    with pytest.raises(Invalid, match="known options are baud, databits, parity, stopbits, rs485,"):
        parse_address("serial:///dev/none0?mode=passive", WAYS)
    with pytest.raises(Invalid, match="with nothing else"):
        parse_address("tcp://192.0.2.1:1?mode=passive", WAYS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Words for tcp:// stand in the tests of the configuration.
        ("listen://roof:1", f"{LISTEN}, {WRITTEN_OUT}"),
        ("listen://0x7f.1", f"{LISTEN}, {WRITTEN_OUT}"),
        ("listen://", f"{LISTEN}, {WRITTEN_OUT}"),
        ("listen://:22222", f"{LISTEN}, {WRITTEN_OUT}"),
        ("listen://0.0.0.0:0", f"{LISTEN}, with a port from 1 to 65535"),
        ("listen://::1", f"{LISTEN} or listen://192.0.2.5:22222, with nothing else"),
        ("listen://0.0.0.0:1?tls=yes", f"{LISTEN} or listen://192.0.2.5:22222, with nothing else"),
        (
            "serial://dev/ttyUSB0",
            f"{SERIAL}, with an absolute path behind serial://, so with three slashes",
        ),
        (
            "serial://COM3",
            f"{SERIAL}, with an absolute path behind serial://, so with three slashes",
        ),
        ("serial:///", f"{SERIAL}, with a path of visible characters"),
        ("serial:///dev/tty\0USB0", f"{SERIAL}, with a path of visible characters"),
        ("serial:///dev/tty%00USB0", f"{SERIAL}, with a path of visible characters"),
        ("serial:///dev/tty%ffUSB0", f"{SERIAL}, with a path of visible characters"),
        (
            "serial:///dev/ttyUSB0?bauds=2400",
            f"{SERIAL}; known options are baud, databits, parity, stopbits, rs485, not 'bauds'"
            " (did you mean 'baud'?)",
        ),
        (
            "serial:///dev/ttyUSB0?2400",
            f"{SERIAL}; known options are baud, databits, parity, stopbits, rs485, not '2400'",
        ),
        (
            "serial:///dev/ttyUSB0?parity=mark",
            f"{SERIAL}, with parity=none, even or odd; found 'mark'",
        ),
        ("serial:///dev/ttyUSB0?stopbits=", f"{SERIAL}, with stopbits=1 or 2; found ''"),
        (
            "serial:///dev/ttyUSB0?baud=2401",
            f"{SERIAL}, with baud=1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400,"
            " 460800, 500000, 921600 or 1000000; found '2401'",
        ),
        (
            "serial:///dev/ttyUSB0?baud=2400&baud=9600",
            f"{SERIAL}, with each option once; baud is there twice",
        ),
        (
            "hidraw://0665:5161",
            f"{HIDRAW}, with an absolute path behind hidraw://, so with three slashes",
        ),
        ("hidraw:///dev/hidraw0?path=1-1", f"{HIDRAW}, with nothing behind the path"),
        ("usb://0665", f"{USB}, with the USB ids of vendor and product in hexadecimal"),
        ("usb:///dev/hidraw0", f"{USB}, with the USB ids of vendor and product in hexadecimal"),
        ("usb://665:5161", f"{USB}, with the USB ids of vendor and product in hexadecimal"),
        (
            "usb://0665:5161?path=left",
            f"{USB}, with path=the USB socket as the kernel names it, such as 1-1.4; found 'left'",
        ),
        (
            "usb://0665:5161?serial_number=9293-1",
            f"{USB}, with serial_number=the serial number that the device tells when the driver"
            " asks it; found '9293-1'",
        ),
        (
            "usb://0665:5161?port=1-1",
            f"{USB}; known options are path, serial_number, not 'port' (did you mean 'path'?)",
        ),
        (
            "file://roof.pcap",
            f"{FILE}, with an absolute path behind file://, so with three slashes",
        ),
        (
            "file:///roof.pcap?speed=2",
            f"{FILE}; known options are follow, ports, magic, not 'speed'",
        ),
    ],
)
def test_what_is_no_address_is_refused_with_what_would_be_right(text, expected):
    with pytest.raises(Invalid) as told:
        parse_address(text, WAYS)
    assert str(told.value) == expected


def refusal(value, ways):
    with pytest.raises(Invalid) as told:
        parse_address(value, ways)
    return str(told.value)


def test_a_family_is_only_reached_in_its_ways():
    ways = {scheme: WAYS[scheme] for scheme in ("tcp", "serial")}
    right = f"{TCP} or serial:///dev/ttyUSB0?baud=2400"
    only = "the driver takes tcp://, serial://"
    assert refusal("hidraw:///dev/hidraw0", ways) == f"{right}; {only}, not hidraw://"
    assert refusal("file:/roof.pcap", ways) == f"{right}; {only}, not file://"
    assert refusal("sreial:///dev/x", ways) == (
        f"{right}; the scheme 'sreial' is not known (did you mean 'serial'?)"
    )
    for value in ("roof:8899", "serial:ttyUSB0", "/dev/ttyUSB0", "", None, 8899, ["tcp://x"]):
        assert refusal(value, ways) == right


def test_what_the_driver_does_not_know_must_be_written():
    assert refusal("tcp://roof", {"tcp": {}}) == f"{TCP}, with a port from 1 to 65535"
    assert refusal("listen://0.0.0.0", {"listen": {}}) == f"{LISTEN}, with a port from 1 to 65535"
    assert str(parse_address("tcp://roof:2323", {"tcp": {}})) == "tcp://roof:2323"


def test_examples_are_right_and_say_what_the_driver_knows():
    for scheme, defaults in WAYS.items():
        example = transport(scheme).example(defaults)
        assert str(parse_address(example, WAYS)) == example
        assert transport(scheme).DESCRIPTION
    assert transport("tcp").example({"port": "502"}) == "tcp://192.0.2.10:502"
    assert transport("serial").example({"baud": "115200"}) == "serial:///dev/ttyUSB0?baud=115200"


def test_every_way_of_every_family_has_a_transport_that_opens_lines():
    for family in BUILTIN:
        for scheme, defaults in driver(family).ways.items():
            found = transport(scheme)
            address = parse_address(found.example(defaults), driver(family).ways)
            opened = getattr(found, "open_line", None) or getattr(found, "listen", None)
            assert callable(opened) or is_recorded(address)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("file:///none", "nobody can be talked to at file://"),
        ("listen://0.0.0.0:1", "devices dial in there, nobody can be called"),
    ],
)
def test_a_line_that_cannot_be_opened_in_such_a_way_says_so(address, why):
    """In place of a traceback, for whoever writes a driver or examines a device."""
    found = parse_address(address, WAYS)
    with pytest.raises(TransportError, match=f"cannot open {address}: .*{why}"):
        asyncio.run(open_line(found, print, print, 5.0))


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("tcp://roof.example", "roof.example"),
        ("tcp://[2001:db8::1]", "2001:db8::1"),
        ("listen://0.0.0.0", "listen-22222"),
        ("serial:///dev/ttyUSB0", "ttyUSB0"),
        ("hidraw:///dev/hidraw0", "hidraw0"),
        ("usb://0665:5161", "0665:5161"),
        ("usb://0665:5161?path=1-1.4", "0665:5161-1-1.4"),
        ("file:///none/roof.2026.pcap", "roof"),
    ],
)
def test_a_device_without_a_name_is_called_after_its_address(address, name):
    found = parse_address(address, WAYS)
    assert transport(found.scheme).name(found) == name
    assert transport(found.scheme).descriptors(found) >= 1


@pytest.mark.parametrize("scheme", ["serial", "hidraw", "file"])
def test_a_link_and_what_it_leads_to_are_one_line(tmp_path, scheme):
    """As far as it can be told: a link that leads nowhere yet stands for itself."""
    port, link = tmp_path / "ttyUSB0", tmp_path / "by-id"
    link.symlink_to(port)
    found = parse_address(f"{scheme}://{link}", WAYS)
    assert found.key == parse_address(f"{scheme}://{port}", WAYS).key
    assert found.place == str(link), "written as it was, since the port may change"
    dangling = tmp_path / "dangling"
    assert parse_address(f"{scheme}://{dangling}", WAYS).key == f"{scheme}{dangling.resolve()}"


@pytest.mark.parametrize(
    ("text", "place", "options"),
    [
        ("tcp://roof", "roof:8899", {}),
        ("tcp://[::1]", "[::1]:8899", {}),
        ("listen://0.0.0.0", "0.0.0.0:22222", {}),
        ("serial:/dev/none0", "/dev/none0", {"baud": "2400"}),
        ("serial:/dev/none0?parity=odd", "/dev/none0", {"baud": "2400", "parity": "odd"}),
        ("usb://", "0665:5161", {}),
        ("usb://?path=1-1", "0665:5161?path=1-1", {"path": "1-1"}),
        ("hidraw:/dev/none0", "/dev/none0", {}),
        ("file:/none", "/none", {}),
    ],
)
def test_an_address_is_completed_by_what_the_driver_knows(text, place, options):
    address = parse_address(text, WAYS)
    assert (address.place, address.options) == (place, options)


def test_an_address_cannot_be_changed():
    address = parse_address("serial:///dev/none0", WAYS)
    with pytest.raises(TypeError):
        address.options["baud"] = "9600"
    with pytest.raises(AttributeError):
        address.key = ""


parts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["/", "?", "&", "=", "%", "%2f", "%3F", ":", "[", "]", "..", "//"]),
    st.sampled_from(["baud=2400", "path=1-1", "0665:5161", "::1", "192.0.2.1", ":22222", "/dev/x"]),
)


@pytest.mark.slow
@given(
    st.sampled_from([f"{scheme}://" for scheme in TRANSPORTS] + ["serial:/", "file:/", ""]),
    st.lists(parts, max_size=6).map("".join),
)
def test_what_is_read_can_be_written_and_read_again(scheme, text):
    try:
        address = parse_address(scheme + text, WAYS)
    except Invalid:
        return
    assert parse_address(str(address), WAYS) == address
    assert address.key.startswith(f"{address.scheme}/")


LOADED = """
import asyncio
import sys
before = set(sys.modules)

from rct_collector.collector import Collector, fit
from rct_collector.config import Config
from rct_collector.errors import TransportError
from rct_collector.transport import open_line

device = {"name": "roof", "driver": "rct", "address": "tcp://127.0.0.1:1"}
config = Config.parse({"devices": [device], "state_dir": sys.argv[1]})
fit(config.devices)
Collector(config, print)
try:
    asyncio.run(open_line(config.devices[0].address, print, print, 5.0))
except TransportError:
    print(*(set(sys.modules) - before))
"""


@pytest.mark.slow
def test_a_line_over_tcp_loads_no_other_transport(tmp_path):
    """The agents' plugins are to stay small."""
    script = [sys.executable, "-c", LOADED, tmp_path]
    found = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()
    ours = "rct_collector.transport."
    assert sorted(name.removeprefix(ours) for name in found if name.startswith(ours)) == [
        "address",
        "base",
        "hosts",
        "schemes",
        "tcp",
    ]
    assert not {"serial", "termios", "tty"} & set(found)
