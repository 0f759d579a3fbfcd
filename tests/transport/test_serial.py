"""Serial ports, at pseudo-terminals: what they pass, how they are set, and what is said."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
import termios
import tty
from pathlib import Path

import pytest

from rct_collector.errors import BusyError, TransportError
from rct_collector.lines.lock import DeviceLock, locked
from rct_collector.transport import READ_BYTES, nodes, open_line, parse_address, transport
from tests.processes import descriptors

WAYS = {"serial": {"baud": "2400"}}


@pytest.fixture
def port():
    """The far end of a port, and its path."""
    far, near = os.openpty()
    tty.setraw(far)
    os.set_blocking(far, False)
    path = os.ttyname(near)
    yield far, path
    os.close(near)
    os.close(far)


def at(path, options=""):
    return parse_address(f"serial://{path}{options}", WAYS)


class Ends:
    """Takes what a line brings."""

    def __init__(self):
        self.received, self.lost = [], []

    async def open(self, path, options=""):
        return await open_line(at(path, options), self.received.append, self.lost.append, 5.0)

    async def until(self, condition):
        """Wait for something to come true."""
        async with asyncio.timeout(30):
            while not condition(self):
                await asyncio.sleep(0.001)


def size(ends):
    return sum(map(len, ends.received))


def test_bytes_pass_both_ways_as_they_are(port):
    far, path = port
    every = bytes(range(256))

    async def main():
        ends = Ends()
        line = await ends.open(path)
        line.send(every)
        os.write(far, every)
        await ends.until(lambda ends: size(ends) == 256)
        line.close()
        line.close()
        line.send(b"into the void")
        return b"".join(ends.received), ends.lost

    assert asyncio.run(main()) == (every, [])


def test_what_is_sent_arrives(port):
    far, path = port

    async def main():
        line = await Ends().open(path)
        line.send(b"QPI\xbe\xac\r")
        line.send(bytes(range(256)))
        got = b""
        async with asyncio.timeout(30):
            while len(got) < 262:
                await asyncio.sleep(0.001)
                got += os.read(far, 1000) if _ready(far) else b""
        line.close()
        return got

    assert asyncio.run(main()) == b"QPI\xbe\xac\r" + bytes(range(256))


def _ready(descriptor):
    import select

    return bool(select.select([descriptor], [], [], 0)[0])


@pytest.mark.parametrize(
    ("options", "speed", "flags", "cleared"),
    [
        ("", termios.B2400, termios.CS8, termios.PARENB | termios.CSTOPB),
        ("?baud=115200&stopbits=2", termios.B115200, termios.CS8 | termios.CSTOPB, termios.PARENB),
        # A pseudo-terminal keeps eight bits without parity, whatever it is told.
    ],
)
def test_a_port_is_set_as_the_address_says(port, options, speed, flags, cleared):
    _, path = port

    async def main():
        line = await Ends().open(path, options)
        found = termios.tcgetattr(line._descriptor)
        line.close()
        return found

    iflag, oflag, cflag, lflag, ispeed, ospeed, _ = asyncio.run(main())
    assert (ispeed, ospeed) == (speed, speed)
    assert cflag & flags == flags
    assert not cflag & cleared
    assert cflag & termios.CLOCAL
    assert (iflag, oflag & termios.OPOST, lflag) == (0, 0, 0), "nothing is changed on the way"


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ("", termios.CS8),
        ("?parity=even&databits=7", termios.CS7 | termios.PARENB),
        ("?parity=odd", termios.CS8 | termios.PARENB | termios.PARODD),
        ("?stopbits=2", termios.CS8 | termios.CSTOPB),
    ],
)
def test_the_system_is_told_of_bits_and_parity(monkeypatch, port, options, flags):
    """A pseudo-terminal would not keep them, so this is what the system is told."""
    told = []
    monkeypatch.setattr(termios, "tcsetattr", lambda *given: told.append(given))
    _, path = port

    async def main():
        (await Ends().open(path, options)).close()

    asyncio.run(main())
    bits = termios.CSIZE | termios.PARENB | termios.PARODD | termios.CSTOPB
    (_, _, (_, _, control, _, *speeds, _)), *_ = told
    assert control & bits == flags
    assert control & (termios.CREAD | termios.CLOCAL) == termios.CREAD | termios.CLOCAL
    assert speeds == [termios.B2400, termios.B2400]


@pytest.mark.parametrize(
    ("word", "flags"), [("off", None), ("on", 0x1 | 0x2), ("inverted", 0x1 | 0x4)]
)
def test_the_system_is_told_who_switches_the_sender(monkeypatch, port, word, flags):
    told = []
    real = fcntl.ioctl

    def ioctl(descriptor, request, *given):
        if request == 0x542E:  # TIOCGRS485: as a port is from the beginning
            return 0
        if request == 0x542F:  # TIOCSRS485
            told.append(bytes(given[0]))
            return 0
        return real(descriptor, request, *given)

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    _, path = port

    async def main():
        (await Ends().open(path, f"?rs485={word}")).close()

    asyncio.run(main())
    if flags is None:
        assert told == []
    else:
        (packed,) = told
        assert len(packed) == 32, "struct serial_rs485"
        assert int.from_bytes(packed[:4], "little") == flags


def test_a_port_that_cannot_switch_a_sender_says_so(port):
    _, path = port
    with pytest.raises(TransportError, match=f"cannot open the serial port {path}: it is no "):
        asyncio.run(Ends().open(path, "?rs485=on"))


def test_a_port_that_is_pulled_out_ends_the_line_once():
    async def main():
        far, near = os.openpty()
        ends = Ends()
        line = await ends.open(os.ttyname(near))
        os.close(near)
        os.close(far)
        await ends.until(lambda ends: ends.lost)
        line.send(b"into the void")
        line.pause()
        line.resume()
        line.close()
        await asyncio.sleep(0)
        return ends.lost

    (reason,) = asyncio.run(main())
    assert reason.startswith("the port is gone")


def test_sending_over_a_port_that_is_gone_tells_of_the_loss_later():
    async def main():
        far, near = os.openpty()
        ends = Ends()
        line = await ends.open(os.ttyname(near))
        line.pause()
        os.close(near)
        os.close(far)
        line.send(b"x")
        before = list(ends.lost)
        await ends.until(lambda ends: ends.lost)
        return before, ends.lost

    before, after = asyncio.run(main())
    assert before == []
    assert len(after) == 1


def test_a_port_that_passes_nothing_on_is_given_up(port):
    """Nobody reads at the far end: the system takes so much and no more."""
    _, path = port

    async def main():
        ends = Ends()
        line = await ends.open(path)
        for _ in range(1000):
            line.send(bytes(1000))
        return ends.lost

    assert asyncio.run(main()) == ["the port does not pass on what is sent"]


def test_what_comes_is_read_in_pieces_and_not_at_all_while_paused(port):
    far, path = port

    async def main():
        ends = Ends()
        line = await ends.open(path)
        line.pause()
        line.pause()
        os.write(far, bytes(1000))
        for _ in range(20):
            await asyncio.sleep(0)
        paused = size(ends)
        line.resume()
        line.resume()
        await ends.until(lambda ends: size(ends) == 1000)
        line.close()
        return paused, max(map(len, ends.received))

    paused, largest = asyncio.run(main())
    assert paused == 0
    assert largest <= READ_BYTES


def test_what_came_before_the_port_was_opened_is_dropped(port):
    far, path = port

    async def main():
        os.write(far, b"old")
        ends = Ends()
        line = await ends.open(path)
        os.write(far, b"new")
        await ends.until(lambda ends: size(ends) >= 3)
        line.close()
        return b"".join(ends.received)

    assert asyncio.run(main()) == b"new"


def test_reasons_say_what_to_do(tmp_path):
    def reason(path):
        with pytest.raises(TransportError) as told:
            asyncio.run(Ends().open(path))
        return str(told.value)

    missing = tmp_path / "ttyUSB0"
    assert reason(missing) == (
        f"cannot open the serial port {missing}: there is no such port; the adapter may not be"
        " plugged in"
    )
    assert not missing.exists(), "a file in its place would keep the adapter away"
    plain = tmp_path / "plain"
    plain.write_text("")
    assert reason(plain) == (
        f"cannot open the serial port {plain}: it is no node of a device, but a plain file, which"
        " keeps the device away: remove it, or correct the address"
    )
    assert (
        reason(tmp_path)
        == f"cannot open the serial port {tmp_path}: it is no node of a device, but a folder"
    )
    assert reason("/dev/full") == "cannot open the serial port /dev/full: it is no serial port"


def test_two_links_to_a_port_are_found_out_when_one_moves(port, tmp_path):
    """While it leads nowhere, a link is a line of its own; opened, it is that of the port."""
    _, path = port
    link = tmp_path / "by-id"
    early = at(link)
    link.symlink_to(path)
    assert early.key != at(path).key
    first, second = DeviceLock(at(path), "first"), DeviceLock(early, "second")
    first.acquire()

    async def main():
        await locked(open_line, second)(early, print, print, 5.0)

    try:
        with pytest.raises(BusyError, match=f"{path}, where {link} leads, is already collected"):
            asyncio.run(main())
    finally:
        first.release()
        second.release()


def test_a_link_may_lead_to_a_name_that_is_no_text(port, tmp_path):
    """It is a line like any other, which has its lock."""
    _, path = port
    odd, link = tmp_path / os.fsdecode(b"\xff"), tmp_path / "link"
    odd.symlink_to(path)
    link.symlink_to(odd)

    async def main():
        ends = Ends()
        line = await ends.open(link)
        assert line.peer.key == f"serial{path}"
        line.close()
        odd.unlink()
        lock = DeviceLock(at(link))
        lock.acquire()
        lock.release()
        with pytest.raises(TransportError, match="there is no such port"):
            await ends.open(link)

    asyncio.run(main())


# -- others at the same port --------------------------------------------------------------------


def refusal(path):
    with pytest.raises(TransportError) as told:
        asyncio.run(Ends().open(path))
    return str(told.value)


LOCKS = """
import fcntl, os, sys
fcntl.flock(os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY), fcntl.LOCK_EX)
print(flush=True)
sys.stdin.read()
"""


def test_a_port_that_another_program_has_locked_names_it(port):
    _, path = port
    script = [sys.executable, "-c", LOCKS, path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(script, **pipes) as process:
        process.stdout.readline()
        told = refusal(path)
        process.stdin.close()
    assert told.startswith(
        f"cannot open the serial port {path}: process {process.pid} on this host"
    )
    assert "import fcntl" in told, "its command"
    assert told.endswith(
        " has locked it for itself; a device serves one program at a time, so stop one of the two"
    )


def test_a_port_that_this_process_has_open_says_so_and_is_free_again_when_it_is_closed(port):
    _, path = port

    async def main():
        line = await Ends().open(path)
        with pytest.raises(TransportError) as told:
            await Ends().open(path)
        line.close()
        return str(told.value)

    assert asyncio.run(main()) == (
        f"cannot open the serial port {path}: this process has it open already, for another device"
    )
    asyncio.run(_opened_and_closed(path))


def test_users_whom_the_system_keeps_off_are_told_that_it_is_open_here(port):
    """Root opens it all the same, and finds that it is locked."""
    _, path = port

    async def main():
        line = await Ends().open(path)
        try:
            with nodes.told("it", path, ""):
                raise OSError(errno.EBUSY, "device or resource busy")
        finally:
            line.close()

    with pytest.raises(TransportError, match="^cannot open it: this process has it open already"):
        asyncio.run(main())


#: Asks whether a terminal is for one only, ioctl_tty(2).
TIOCGEXCL = 0x80045440


def test_a_port_is_for_ourselves_as_long_as_it_is_open_and_no_longer(port):
    """Though somebody else may have it open from before: whoever simulates a device does."""
    _, path = port
    other = os.open(path, os.O_RDWR | os.O_NOCTTY)

    def is_kept():
        return fcntl.ioctl(other, TIOCGEXCL, bytes(4)) != bytes(4)

    async def main():
        line = await Ends().open(path)
        during = is_kept()
        line.close()
        return during, is_kept()

    try:
        assert asyncio.run(main()) == (True, False)
    finally:
        os.close(other)


async def _opened_and_closed(path):
    (await Ends().open(path)).close()


def test_nobody_opens_a_port_that_is_open(port):
    """Root may; all others are told that it is busy."""
    _, path = port

    async def main():
        line = await Ends().open(path)
        told = subprocess.run(
            [sys.executable, "-c", OPENS, path], capture_output=True, text=True, check=True
        )
        line.close()
        return told.stdout.strip()

    Path(path).chmod(0o666)
    assert asyncio.run(main()) == "Device or resource busy"


OPENS = """
import os, sys
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
except OSError as error:
    print(error.strerror)
"""


def test_a_port_that_another_program_has_for_itself_alone_says_so(monkeypatch, port):
    """As TIOCEXCL has it, which root is not told of, so the system is spoken for here."""
    _, path = port
    real = os.open

    def busy(what, *more):
        if what == path:
            raise OSError(errno.EBUSY, "Device or resource busy")
        return real(what, *more)

    monkeypatch.setattr(os, "open", busy)
    assert refusal(path) == (
        f"cannot open the serial port {path}: another process on this host has it open for itself"
        " alone"
    )


def test_whoever_has_a_port_open_without_a_lock_is_named(monkeypatch, port):
    """The port of a pseudo-terminal is open at its far end, too, so it is not asked about."""
    _, path = port
    script = [sys.executable, "-c", LOCKS.replace("fcntl.flock(", "("), path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(script, **pipes) as process:
        process.stdout.readline()
        assert nodes.other_opener(path) == 0
        monkeypatch.setattr(nodes, "_PSEUDO", "/nowhere/")
        told = refusal(path)
        process.stdin.close()
    assert f"process {process.pid} on this host (command " in told
    assert told.endswith(
        " has it open, too, and would take away what we are to hear; a device serves one program"
        " at a time, so stop one of the two"
    )
    asyncio.run(_opened_and_closed(path))


def test_another_reader_of_a_port_is_found_out(port):
    """What it reads is gone before we come to it; a few times are nothing."""
    far, path = port

    async def main():
        ends = Ends()
        thief = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            line = await ends.open(path)

            async def said(data, *, steals):
                line.pause()
                os.write(far, data)
                line.resume()
                if steals:  # at the last moment, so that it has been told of
                    while not _ready(thief):
                        await asyncio.sleep(0)
                    os.read(thief, 1000)
                    line._readable()
                await asyncio.sleep(0.001)

            for _ in range(7):
                await said(b"x", steals=True)
            few = list(ends.lost)
            for _ in range(7 * 10):
                await said(b"y", steals=False)
                await ends.until(lambda ends: size(ends) > 0)
                ends.received.clear()
            for _ in range(8):
                await said(b"z", steals=True)
            return few, ends.lost
        finally:
            os.close(thief)

    few, lost = asyncio.run(main())
    assert few == []
    assert lost == [
        "another program reads the port, too, and takes away what comes; stop one of the two"
    ]


def test_an_adapter_that_comes_back_as_another_port_is_found_by_its_link(port, tmp_path):
    """As udev has it: the link outlasts the port."""
    _, there = port
    link = tmp_path / "by-id"

    async def main():
        far, near = os.openpty()
        before = os.ttyname(near)
        link.symlink_to(before)
        ends = Ends()
        line = await ends.open(link)
        first = line.peer
        os.close(near)
        os.close(far)
        await ends.until(lambda ends: ends.lost)
        link.unlink()
        with pytest.raises(TransportError, match="the adapter may not be plugged in"):
            await ends.open(link)
        link.symlink_to(there)
        line = await ends.open(link)
        line.close()
        return before, first.place, line.peer.place

    before, first, second = asyncio.run(main())
    assert (first, second) == (before, there)


def test_without_the_library_a_port_says_what_to_install(monkeypatch, port):
    _, path = port
    monkeypatch.setitem(sys.modules, "serial", None)
    assert refusal(path) == (
        "serial ports need the library pyserial, which is missing: install the package"
        " python3-serial, or with pip the extra rct-collector[serial]"
    )


def test_opening_takes_no_more_descriptors_than_are_reckoned_with_and_leaves_one(port):
    _, path = port
    most = []
    real = os.dup

    def dup(descriptor):
        found = real(descriptor)
        most.append(len(descriptors()))
        return found

    async def main():
        before = len(descriptors())
        os.dup = dup
        try:
            line = await Ends().open(path)
        finally:
            os.dup = real
        after = len(descriptors())
        line.close()
        return most[0] - before, after - before, len(descriptors()) - before

    assert asyncio.run(main()) == (transport("serial").descriptors(at(path)), 1, 0)
