"""What is connected to a host, as its sysfs tells."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from rct_collector.drivers import DEFAULT, driver
from rct_collector.finder.host import ThisHost
from rct_collector.option import Invalid
from rct_collector.transport import parse_address
from tests.sysfs import Tree

IDS = "0665:5161"


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def toy(register):
    """A family that is reached over USB and serial ports."""
    ways = {"usb": {"ids": IDS}, "serial": {"baud": "2400"}, "tcp": {}}
    return register(replace(driver(DEFAULT), name="toy", ways=ways))


def places(tree, *families, may_open=lambda _node: True):
    return ThisHost(tree.sys, tree.dev, may_open).places(families)


def test_a_host_without_anything_has_nothing(tree, toy, tmp_path):
    assert places(tree, toy) == []
    assert ThisHost(tmp_path / "no", tmp_path / "such").places([toy]) == []


def test_usb_devices_of_a_family_are_found_by_their_ids(tree, toy):
    tree.usb("1-2", "046d:c31c", "Keyboard")
    tree.hidraw(tree.usb("1-1.4", IDS, "USB to Serial", "Cypress"), 3)
    (place,) = places(tree, toy)
    assert (place.kind, place.node) == ("usb", str(tree.dev / "hidraw3"))
    assert place.title == "Cypress USB to Serial"
    assert place.details == {"USB ids": IDS, "socket": "1-1.4"}
    assert (place.addresses, place.trouble) == ({"toy": f"usb://{IDS}"}, "")
    assert places(tree, driver(DEFAULT)) == []


def test_two_of_a_kind_are_told_apart_by_their_sockets(tree, toy):
    for number, socket in enumerate(("1-1.4", "1-1.3")):
        tree.hidraw(tree.usb(socket, IDS), number)
    found = {place.node: place.addresses["toy"] for place in places(tree, toy)}
    assert found == {
        str(tree.dev / "hidraw0"): f"usb://{IDS}?path=1-1.4",
        str(tree.dev / "hidraw1"): f"usb://{IDS}?path=1-1.3",
    }


def test_a_usb_device_that_has_no_node_is_told_with_what_to_do(tree, toy):
    tree.usb("1-1", IDS)
    (place,) = places(tree, toy)
    assert place.node == ""
    assert "no hidraw node" in place.trouble
    assert "plugged in anew" in place.trouble


def test_serial_ports_are_written_by_the_link_that_outlasts_plugging(tree, toy):
    adapter = tree.usb("1-3", "0403:6001", "FT232R USB UART", "FTDI", "A10K5X")
    tree.tty("ttyUSB0", "ftdi_sio", adapter, by_id="usb-FTDI_FT232R_A10K5X-if00", by_path="pci-1-3")
    (place,) = places(tree, toy)
    link = tree.dev / "serial" / "by-id" / "usb-FTDI_FT232R_A10K5X-if00"
    assert (place.kind, place.node) == ("serial", str(tree.dev / "ttyUSB0"))
    assert place.title == "FTDI FT232R USB UART"
    assert place.details == {
        "kernel driver": "ftdi_sio", "USB ids": "0403:6001", "socket": "1-3",
    }  # fmt: skip
    assert place.addresses == {"toy": f"serial://{link}"}
    assert parse_address(place.addresses["toy"], toy.ways).options["baud"] == "2400"


def test_adapters_of_a_kind_without_serial_numbers_are_told_apart_by_their_sockets(tree, toy):
    """Both would have one link by id, which leads to whichever came last."""
    for n in range(2):
        links = {"by_id": "usb-1a86_Serial-if00"} if n else {}
        adapter = tree.usb(f"1-{n}", "1a86:7523", "USB Serial")
        tree.tty(f"ttyUSB{n}", "ch341", adapter, by_path=f"pci-usb-{n}", **links)
    assert [place.addresses["toy"].rpartition("/")[2] for place in places(tree, toy)] == [
        "pci-usb-0", "pci-usb-1",
    ]  # fmt: skip


def test_ports_without_links_are_written_by_their_nodes_in_the_order_of_their_numbers(tree, toy):
    for number in (10, 9):
        tree.tty(f"ttyS{number}", "serial8250", kind="4")
    assert [place.addresses["toy"] for place in places(tree, toy)] == [
        f"serial://{tree.dev}/ttyS9", f"serial://{tree.dev}/ttyS10",
    ]  # fmt: skip


def test_what_has_no_hardware_behind_it_is_no_port(tree, toy):
    tree.console("tty1")
    tree.tty("ttyS3", "serial8250", kind="0")
    assert places(tree, toy) == []


def test_a_port_is_listed_though_no_family_is_read_over_it(tree):
    tree.tty("ttyS0", "serial8250", kind="4")
    (place,) = places(tree, driver(DEFAULT))
    assert (place.addresses, place.trouble) == ({}, "")


@pytest.mark.parametrize("name", ["usb-a%b", "usb-what?", "usb-ä"])
def test_an_address_leads_back_to_its_link_whatever_its_name(tree, toy, name):
    tree.tty("ttyUSB0", "x", by_id=name)
    (place,) = places(tree, toy)
    try:
        address = parse_address(place.addresses["toy"], toy.ways)
    except Invalid as error:
        pytest.fail(f"{place.addresses['toy']} is no address: {error}")
    assert address.key == f"serial{os.path.realpath('/dev/null')}"


def test_what_a_device_calls_itself_cannot_spoil_a_terminal(tree, toy):
    tree.hidraw(tree.usb("1-1", IDS, "a\x1b[31mb\x07" + "x" * 500, "c"), 0)
    (place,) = places(tree, toy)
    assert place.title.isprintable()
    assert len(place.title) < 100


# -- what keeps a user from it -------------------------------------------------------------------


def told(tree, toy, node, mode, gid):
    """What is said of a node that this user may not open."""

    class Info:
        st_mode, st_gid = 0o020000 | mode, gid

    class Node(type(node)):
        def stat(self, **_more):
            return Info

    host = ThisHost(tree.sys, tree.dev, lambda _node: False)
    return host._obstacle(Node(node), "RULE")


def test_the_group_that_may_open_a_port_is_named(tree, toy):
    node = tree.tty("ttyUSB0", "x")
    gid = next(group.gr_gid for group in __import__("grp").getgrall() if group.gr_gid)
    name = __import__("grp").getgrgid(gid).gr_name
    text = told(tree, toy, node, 0o660, gid)
    assert text.endswith(f"; make it a member of the group {name}, which may")
    assert "group 54321, which may" in told(tree, toy, node, 0o660, 54321)


@pytest.mark.parametrize(("mode", "gid"), [(0o600, 5), (0o640, 5), (0o660, 0)])
def test_where_no_group_may_a_rule_is_needed(tree, toy, mode, gid):
    text = told(tree, toy, tree.tty("ttyUSB0", "x"), mode, gid)
    assert "a rule of udev lets one, such as a line RULE, GROUP=" in text


def test_a_file_in_the_place_of_a_node_is_told(tree, toy):
    node = tree.tty("ttyUSB0", "x")
    node.unlink()
    (place,) = places(tree, toy)
    assert "is missing" in place.trouble
    node.write_text("QPI")
    (place,) = places(tree, toy)
    assert "a plain file, which keeps the device away: remove it" in place.trouble
