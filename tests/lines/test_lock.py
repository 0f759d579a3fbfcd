"""One collector per device and host."""

import asyncio
import contextlib
import errno
import logging
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import rct_collector
from rct_collector import processes, trust
from rct_collector.errors import BusyError, TransportError
from rct_collector.lines import holder, lock
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.transport import hosts
from tests.addresses import tcp
from tests.strangers import squatter

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="abstract sockets are Linux's own"
)

#: Two runs of the tests on one host do not disturb each other.
HOST = f"unit-{os.getpid()}.invalid"
ADDRESS = tcp(HOST)
NAME = f"\0rct-collector/tcp/{HOST}/8899".encode()

HOLDER = """\
import sys
from rct_collector.lines.lock import DeviceLock
from rct_collector.transport import parse_address

lock = DeviceLock(parse_address(sys.argv[1], {"tcp": {"port": "8899"}}))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other_process():
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(ADDRESS)],
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

    def take(address=ADDRESS):
        locks.append(DeviceLock(address))
        locks[-1].acquire()
        return locks[-1]

    yield take
    for item in locks:
        item.release()


@pytest.mark.slow
def test_second_process_is_told_who_was_first(other_process):
    with pytest.raises(BusyError) as caught:
        DeviceLock(ADDRESS).acquire()
    uid = os.geteuid()
    assert re.fullmatch(
        rf"already collected by process {other_process.pid} on this host \(user"
        rf" {pwd.getpwuid(uid).pw_name}, uid {uid}, command \S*python\S* -c import sys.*\);"
        " a device serves one collector at a time, so stop one of the two",
        str(caught.value),
    )


@pytest.mark.slow
def test_it_is_told_as_often_as_it_asks(other_process):
    for _ in range(3 * lock._CALLERS):
        with pytest.raises(BusyError, match=f"process {other_process.pid} "):
            DeviceLock(ADDRESS).acquire()


@pytest.mark.slow
def test_lock_dies_with_its_process(other_process):
    other_process.kill()
    other_process.wait()
    ours = DeviceLock(ADDRESS)
    ours.acquire()
    ours.release()


@pytest.mark.slow
@pytest.mark.usefixtures("other_process")
def test_other_devices_are_free(held):
    held(tcp(f"{HOST}:8900"))
    held(tcp(f"x{HOST}"))


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
    other = tcp(spelling(HOST))
    with pytest.raises(BusyError):
        DeviceLock(other).acquire()


def test_hosts_with_very_long_names_have_locks_of_their_own(held):
    """The name of a socket is shorter than that of a host may be."""
    stem = ".".join(["x" * 60] * 3) + f".{os.getpid()}"
    held(tcp(f"{stem}.a"))
    held(tcp(f"{stem}.b"))
    with pytest.raises(BusyError):
        DeviceLock(tcp(f"{stem}.a")).acquire()


def test_holder_that_cannot_be_asked_is_another_process():
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(NAME)  # and does not listen
        with pytest.raises(BusyError, match=f"already collected by process {os.getpid()} on this"):
            DeviceLock(ADDRESS).acquire()


def test_holder_of_whom_nothing_can_be_known_is_another_process(monkeypatch):
    """A kernel, or a hardened service, may have no list of sockets."""

    def refuse():
        raise OSError(errno.EAFNOSUPPORT, "not here")

    monkeypatch.setattr(holder, "_sockets", refuse)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(NAME)
        with pytest.raises(BusyError, match="already collected by another process on this host;"):
            DeviceLock(ADDRESS).acquire()


def test_holder_outside_of_our_container_is_another_process(held, monkeypatch):
    """For this module alone: whoever runs the tests unpacks messages in another thread."""
    held()
    nobody = {**vars(struct), "unpack": lambda *_: (0, os.geteuid(), 0)}
    monkeypatch.setattr(holder, "struct", SimpleNamespace(**nobody))
    with pytest.raises(BusyError, match="already collected by another process on this host"):
        DeviceLock(ADDRESS).acquire()


def test_host_that_allows_no_such_sockets_is_not_busy(monkeypatch):
    """A hardened service may lack them: better no lock than no data."""

    def refuse(*_):
        raise OSError(errno.EAFNOSUPPORT, "not here")

    monkeypatch.setattr(lock.socket, "socket", refuse)
    ours = DeviceLock(ADDRESS)
    ours.acquire()
    ours.release()


def test_other_systems_have_no_lock(held, monkeypatch):
    held()
    monkeypatch.setattr(lock.sys, "platform", "freebsd14")
    DeviceLock(ADDRESS).acquire()


# -- strangers -----------------------------------------------------------------------------------


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("manner", ["listening", "deaf", "full"])
def test_user_without_rights_keeps_nobody_from_a_device(held, caplog, manner):
    """Nor from excluding each other. It is told once who that is, however it hides."""
    nobody = pwd.getpwuid(65534).pw_name
    with squatter(manner, NAME, NAME + b"/1") as process:
        ours = held()
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert (
            f"is held by process {process.pid} on this host (user {nobody}, uid 65534, command"
            in record.getMessage()
        )
        assert record.getMessage().endswith("collecting all the same")
        with pytest.raises(BusyError, match=f"by process {os.getpid()} on"):
            DeviceLock(ADDRESS).acquire()
        ours.tend()
        assert len(caplog.records) == 1


@pytest.fixture
def stranger(monkeypatch):
    """Sockets of our own that count as those of a stranger."""
    socks = []
    ask, look_up = holder.ask, holder.look_up

    def disguised(real):
        def found(name):
            who = real(name)
            taken = {sock.getsockname() for sock in socks}
            return who._replace(uid=4711) if who and name in taken else who

        return found

    monkeypatch.setattr(lock, "ask", disguised(ask))
    monkeypatch.setattr(lock, "look_up", disguised(look_up))

    def take(*names):
        for name in names:
            socks.append(socket.socket(socket.AF_UNIX))
            socks[-1].bind(name)
            socks[-1].listen()

    def leave():
        while socks:
            socks.pop().close()

    take.leave = leave
    yield take
    leave()


def test_when_a_stranger_has_left_those_behind_him_are_still_found(held, stranger):
    stranger(NAME)
    ours = held()
    stranger.leave()
    with pytest.raises(BusyError, match=f"process {os.getpid()} "):
        held()
    ours.tend()
    with pytest.raises(BusyError, match=f"process {os.getpid()} "):
        held()
    ours.release()
    held()


def test_who_finds_another_in_front_gives_way(held, stranger):
    """A stranger with many names can let two in, but not for longer than a round."""
    stranger(NAME, NAME + b"/1")
    first = held()
    stranger.leave()
    second = held()  # two in front of the first, so that it did not look so far
    with pytest.raises(BusyError, match=f"process {os.getpid()} "):
        first.tend()
    second.tend()
    second.release()
    first.acquire()


@pytest.mark.slow
def test_a_stranger_with_very_many_names_costs_the_lock_but_no_data(stranger, caplog):
    stranger(NAME, *(NAME + b"/%d" % n for n in range(1, 70)))
    for _ in range(2):
        ours = DeviceLock(ADDRESS)
        ours.acquire()
        ours.tend()
        ours.release()
    assert len(caplog.records) == 2
    assert "collecting all the same" in caplog.text


@pytest.mark.parametrize(
    ("uid", "is_trusted"),
    [(0, True), (1000, True), (998, True), (997, True), (65534, False), (12345, False)],
)
def test_root_the_own_user_and_the_group_are_trusted_and_nobody_else(monkeypatch, uid, is_trusted):
    group = type("Group", (), {"gr_gid": 77, "gr_mem": ["telegraf"]})
    users = {998: ("telegraf", 998), 997: ("collectd", 77), 65534: ("nobody", 65534)}
    entries = {n: type("User", (), {"pw_name": u[0], "pw_gid": u[1]}) for n, u in users.items()}
    monkeypatch.setattr(trust.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(trust.grp, "getgrnam", {"rct-collector": group}.__getitem__)
    monkeypatch.setattr(trust.pwd, "getpwuid", entries.__getitem__)
    assert trust.trusted(uid) is is_trusted


def test_without_the_group_nobody_else_is_trusted(monkeypatch):
    monkeypatch.setattr(trust.grp, "getgrnam", {}.__getitem__)
    assert trust.trusted(os.geteuid())
    assert not trust.trusted(65534)


def test_full_queue_of_callers_does_not_hide_who_has_the_lock(held, monkeypatch):
    """A stranger can call so often that nobody else gets through."""
    ours = held()
    with contextlib.ExitStack() as callers:
        while True:
            caller = callers.enter_context(socket.socket(socket.AF_UNIX))
            caller.setblocking(False)
            try:
                caller.connect(NAME)
            except BlockingIOError:
                break
        with pytest.raises(BusyError, match=f"by process {os.getpid()} on this host \\(user "):
            DeviceLock(ADDRESS).acquire()
        ours.tend()
        monkeypatch.setattr(lock, "look_up", None)
        monkeypatch.setattr(holder, "look_up", None)
        with pytest.raises(BusyError, match=f"by process {os.getpid()} on this host \\(user "):
            DeviceLock(ADDRESS).acquire()


def test_command_of_a_stranger_is_no_command_for_a_terminal():
    odd = f"print(flush=True); input() # \x1b[2J\n{'x' * 500}"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", odd], **pipes) as process:
        process.stdout.readline()
        shown = processes.command(process.pid)
        process.kill()
    assert shown.isprintable()
    assert len(shown) <= 120
    assert "?[2J" in shown
    assert processes.command(2**30) == ""


@pytest.mark.parametrize("number", sorted(holder.LACK))
@pytest.mark.parametrize("where", ["socket", "bind"])
def test_lack_of_resources_is_not_a_host_without_locks(monkeypatch, held, number, where):
    class Poor(socket.socket):
        def __init__(self, *args):
            if where == "socket":
                raise OSError(number, os.strerror(number))
            super().__init__(*args)

        def bind(self, _name):
            raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(lock.socket, "socket", Poor)
        ours = DeviceLock(ADDRESS, "roof")
        with pytest.raises(TransportError, match=re.escape(os.strerror(number))):
            ours.acquire()
    ours.acquire()
    with pytest.raises(BusyError):
        held()
    ours.release()


def test_lack_of_resources_while_asking_leaves_nothing_behind(monkeypatch, held):
    def ask(_name):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(lock, "ask", ask)
        with pytest.raises(TransportError, match="cannot be taken: Too many open files"):
            DeviceLock(ADDRESS).acquire()
    held()


# -- the other end -------------------------------------------------------------------------------


class Opened:
    """An opener, and the line that it opens."""

    def __init__(self, remote):
        self.peer = tcp(hosts.joined(*remote)) if remote else None
        self.opened = self.closed = 0

    async def __call__(self, *_):
        self.opened += 1
        return self

    def close(self):
        self.closed += 1


def opened(ours, remote=("192.0.2.7", 8899)):
    """Open a line under a lock."""
    line = Opened(remote)
    with contextlib.suppress(BusyError):
        asyncio.run(locked(line, ours)(tcp("unit"), None, None, 5.0))
    return line


@pytest.fixture
def make():
    locks = []

    def made(host, device):
        locks.append(DeviceLock(tcp(host), device))
        return locks[-1]

    yield made
    for item in locks:
        item.release()


PEER = f"{HOST}-peer"


def test_two_names_of_one_unit_are_found_out_after_connecting(make):
    a, b = make("a." + HOST, "roof"), make("b." + HOST, "cellar")
    assert opened(a, (PEER, 8899)).closed == 0
    line = opened(b, (PEER, 8899))
    assert (line.opened, line.closed) == (1, 1)
    text = str(b.refusal)
    assert text.startswith(
        f"{PEER}:8899, where b.{HOST}:8899 leads, is already collected by"
        f" process {os.getpid()} on this host (user "
    )
    assert f"), as device roof with the address a.{HOST}:8899; a device serves" in text


def test_a_name_and_an_address_of_one_unit_are_found_out_in_either_order(make):
    name, address = make("n." + HOST, "by name"), make(PEER, "by address")
    assert opened(address, (PEER, 8899)).closed == 0
    assert opened(name, (PEER, 8899)).closed == 1
    address.release()
    assert opened(name, (PEER, 8899)).closed == 0
    line = opened(address, (PEER, 8899))
    assert (line.opened, line.closed) == (0, 0), "not even opened"
    assert "as device by name with the address n." in str(address.refusal)


def test_who_is_refused_for_the_other_end_holds_nothing(make):
    a, b = make("a." + HOST, "a"), make("b." + HOST, "b")
    opened(a, (PEER, 8899))
    opened(b, (PEER, 8899))
    again = make("b." + HOST, "again")
    again.acquire()


def test_other_ports_of_one_address_are_other_devices(make):
    a, b = make("a." + HOST, "a"), make("b." + HOST, "b")
    assert opened(a, (PEER, 8899)).closed == 0
    assert opened(b, (PEER, 8900)).closed == 0


def test_a_name_that_leads_elsewhere_by_now_gives_the_old_place_back(make):
    a, b = make("a." + HOST, "a"), make("b." + HOST, "b")
    opened(a, (PEER, 8899))
    opened(a, (PEER, 8899))
    opened(a, ("other-" + PEER, 8899))
    assert opened(b, (PEER, 8899)).closed == 0


def test_a_line_without_ends_is_locked_by_its_address_only(make):
    a, b = make("a." + HOST, "a"), make("b." + HOST, "b")
    assert opened(a, None).closed == opened(b, None).closed == 0


@pytest.mark.slow
def test_another_process_at_the_same_end_is_found_out(make, other_process):
    """The other process has the address as its configuration has it."""
    line = opened(make("n." + HOST, "roof"), (HOST, 8899))
    assert line.closed == 1


@pytest.mark.parametrize("spelling", ["::ffff:{}", "{}"])
def test_an_address_in_the_form_of_the_next_protocol_is_the_same(make, spelling):
    # Of this process only: locks are the host's, and tests run side by side.
    number = f"198.18.{os.getpid() // 256 % 256}.{os.getpid() % 256}"
    a, b = make("a." + HOST, "a"), make("b." + HOST, "b")
    assert opened(a, (number, 8899)).closed == 0
    assert opened(b, (spelling.format(number), 8899)).closed == 1
