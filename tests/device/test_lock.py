"""One collector per device and host."""

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import rct_collector
from rct_collector.config import Address
from rct_collector.device import lock
from rct_collector.device.lock import DeviceLock
from rct_collector.errors import BusyError

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own"
)

#: Two runs of the tests on one host do not disturb each other.
ADDRESS = Address("tcp", f"unit-{os.getpid()}.invalid", None)

HOLDER = """\
import sys
from rct_collector.config import Address
from rct_collector.device.lock import DeviceLock

lock = DeviceLock(Address("tcp", sys.argv[1], None), 8899)
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_process():
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, ADDRESS.host],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(rct_collector.__file__).parents[1])},
    )
    with process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


@pytest.fixture
def held():
    """Locks that a test takes; given back at its end."""
    locks = []

    def take(address=ADDRESS, port=8899):
        locks.append(DeviceLock(address, port))
        locks[-1].acquire()
        return locks[-1]

    yield take
    for item in locks:
        item.release()


def test_second_process_is_told_who_was_first(other_process):
    with pytest.raises(BusyError) as caught:
        DeviceLock(ADDRESS, 8899).acquire()
    assert str(caught.value) == (
        f"already collected by process {other_process.pid} on this host; a device serves one"
        " collector at a time, so stop one of the two"
    )


def test_it_is_told_as_often_as_it_asks(other_process):
    for _ in range(20):
        with pytest.raises(BusyError, match=f"process {other_process.pid} "):
            DeviceLock(ADDRESS, 8899).acquire()


def test_lock_dies_with_its_process(other_process):
    other_process.kill()
    other_process.wait()
    ours = DeviceLock(ADDRESS, 8899)
    ours.acquire()
    ours.release()


@pytest.mark.usefixtures("other_process")
def test_other_devices_are_free(held):
    held(port=8900)
    held(Address("tcp", f"x{ADDRESS.host}", None))


def test_lock_can_be_given_back_and_taken_again(held):
    first = held()
    first.acquire()  # has it already
    first.release()
    first.release()
    second = held()
    with pytest.raises(BusyError, match=f"process {os.getpid()} "):
        first.acquire()
    second.release()
    first.acquire()


@pytest.mark.parametrize("spelling", [str.upper, "{}.".format])
def test_other_spellings_of_the_host_are_the_same_device(held, spelling):
    held()
    other = Address("tcp", spelling(ADDRESS.host), None)
    with pytest.raises(BusyError):
        DeviceLock(other, 8899).acquire()


def test_hosts_with_very_long_names_have_locks_of_their_own(held):
    """The name of a socket is shorter than that of a host may be."""
    stem = ".".join(["x" * 60] * 3) + f".{os.getpid()}"
    held(Address("tcp", f"{stem}.a", None))
    held(Address("tcp", f"{stem}.b", None))
    with pytest.raises(BusyError):
        DeviceLock(Address("tcp", f"{stem}.a", None), 8899).acquire()


def test_holder_that_cannot_be_asked_is_another_process():
    name = f"\0rct-collector/tcp/{ADDRESS.host}/8899"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(name)  # and does not listen
        with pytest.raises(BusyError, match="already collected by another process on this host"):
            DeviceLock(ADDRESS, 8899).acquire()


def test_holder_outside_of_our_container_is_another_process(held, monkeypatch):
    held()
    monkeypatch.setattr(lock.struct, "unpack", lambda *_: (0, -1, -1))
    with pytest.raises(BusyError, match="already collected by another process on this host"):
        DeviceLock(ADDRESS, 8899).acquire()


def test_host_that_allows_no_such_sockets_is_not_busy(monkeypatch):
    """A hardened service may lack them: better no lock than no data."""

    def refuse(*_):
        raise OSError(errno.EAFNOSUPPORT, "not here")

    monkeypatch.setattr(lock.socket, "socket", refuse)
    ours = DeviceLock(ADDRESS, 8899)
    ours.acquire()
    ours.release()


def test_other_systems_have_no_lock(held, monkeypatch):
    held()
    monkeypatch.setattr(lock.sys, "platform", "freebsd14")
    DeviceLock(ADDRESS, 8899).acquire()
