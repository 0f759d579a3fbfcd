"""What systemd is told, as datagrams that a socket of the test takes."""

from __future__ import annotations

import logging
import os
import socket
import time

import pytest

from rct_collector.service.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """The manager's socket, and its address as the environment names it."""
    path = str(tmp_path / "notify")
    name = path if request.param == "path" else f"@rct-collector-test/{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0"))
        sock.setblocking(False)
        yield sock, name


def told(sock):
    """All that was told so far."""
    found = []
    while True:
        try:
            found.append(sock.recv(4096).decode())
        except BlockingIOError:
            return found


def test_each_message_is_one_datagram_of_lines(manager):
    sock, address = manager
    notifier = Notifier(address)
    before = time.monotonic_ns() // 1000
    notifier.ready("2 of 2\ndevices up")
    notifier.status("1 of 2 devices up")
    notifier.reloading()
    notifier.alive()
    notifier.stopping()
    notifier.close()
    notifier.alive()
    ready, status, reloading, alive, stopping = told(sock)
    assert ready == "READY=1\nSTATUS=2 of 2 devices up"
    assert status == "STATUS=1 of 2 devices up"
    kind, at = reloading.split("\n")
    assert kind == "RELOADING=1"
    assert before <= int(at.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    assert (alive, stopping) == ("WATCHDOG=1", "STOPPING=1")


def test_the_environment_names_it_and_children_do_not_get_to_know(manager):
    sock, address = manager
    environment = {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
        "HOME": "/",
    }
    notifier = Notifier.inherited(environment)
    assert environment == {"HOME": "/"}
    assert notifier.watchdog_s == 30
    notifier.alive()
    assert told(sock) == ["WATCHDOG=1"]
    notifier.close()


@pytest.mark.parametrize(
    ("environment", "watchdog_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "2500000"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": ""}, None),
    ],
)
def test_a_watchdog_is_only_for_whom_it_is_meant(environment, watchdog_s):
    assert Notifier.inherited(environment).watchdog_s == watchdog_s


def test_nobody_is_told_where_nobody_listens(caplog):
    Notifier().ready("fine")
    Notifier("").alive()
    assert not caplog.records


@pytest.mark.parametrize("address", ["notify", "vsock:2:1234"])
def test_an_address_of_another_kind_is_told(address, caplog):
    Notifier(address).ready("fine")
    (record,) = caplog.records
    assert record.getMessage() == (
        f"NOTIFY_SOCKET: found {address!r}, expected a path or an abstract name"
    )


@pytest.mark.parametrize("address", ["/nobody/is/here", "@nobody-is-here", "/" + "x" * 200])
def test_a_manager_that_is_gone_is_no_trouble(address, caplog):
    notifier = Notifier(address)
    with caplog.at_level(logging.WARNING):
        notifier.ready("fine")
    assert "cannot be told" in caplog.text
    notifier.close()


def test_what_is_not_taken_waits_and_keeps_its_order(manager):
    sock, address = manager
    notifier = Notifier(address)
    for number in range(2000):  # more than the queue of a socket has room for
        notifier.status(str(number))
    taken = told(sock)
    assert len(taken) < 2000
    notifier.stopping()
    rest = told(sock)
    while "STOPPING=1" not in rest:
        notifier.alive()
        rest += told(sock)
    numbers = [int(text[7:]) for text in rest if text.startswith("STATUS=")]
    assert numbers == list(range(2000 - len(numbers), 2000)), "the newest, in order"
    assert numbers
    notifier.close()
