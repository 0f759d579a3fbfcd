"""Recorded lines into JSON lines."""

import contextlib
import errno
import fcntl
import json
import os
import select
import signal
import socket
import tty

import click
import pytest

from rct_collector.drivers.solaredge import functions
from rct_collector.drivers.solaredge.crypto import Tunnel, UnitKey
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.functions import ENCRYPTED, SESSION_KEY
from rct_collector.drivers.solaredge.request import acknowledge
from rct_collector.drivers.tools import Run
from rct_collector.errors import BusyError, CaptureError
from rct_collector.lines.lock import DeviceLock
from tests.drivers.solaredge.tools.suite import (
    SERVER,
    UNIT,
    event,
    inverter,
    packed,
    post,
    wire,
)
from tests.needs import library
from tests.processes import free_port, listening, wait_for
from tests.work import peak

POSTS = [post(inverter(power=n), packed(), sequence=n) for n in range(1, 4)]
ACKS = [acknowledge(frame) for frame in POSTS]
WIRE = b"".join(wire(frame) + ack for frame, ack in zip(POSTS, ACKS, strict=True))


def plain(data, size=1 << 16):
    pieces = [Run(0, None, data[start : start + size]) for start in range(0, len(data), size)]
    return [*pieces, Run(0, None, b"", over=True)]


def powers(text):
    found = map(json.loads, text.splitlines())
    return [own["Pac"] for line in found for own in line["inverters"].values()]


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 16])
def test_posts_become_lines(desk, call, size):
    desk.recorded = plain(WIRE, size)
    call("monitor", "-")

    assert powers(desk.stdout) == [1.0, 2.0, 3.0]
    assert desk.said == []


def test_posts_without_records_say_nothing(desk, call):
    desk.recorded = plain(wire(post(), POSTS[0]))
    call("monitor")

    assert desk.stdout.count(b"\n") == 1


def test_what_is_kept_is_what_was_read(desk, call):
    desk.recorded = plain(b"noise" + WIRE + b"torn", 11)
    call("monitor", "-r", "copy.rec", "-o", "out.json", "-v")

    assert desk.files["copy.rec"] == b"noise" + WIRE + b"torn"
    assert powers(desk.files["out.json"]) == [1.0, 2.0, 3.0]
    assert desk.stdout == b""
    assert desk.said == [
        "Warning: left out were 9 bytes of no frame",
        "6 frames, 6 records, 3 lines",
    ]


def test_files_are_appended_to_where_that_is_wanted(desk, call):
    for _ in range(2):
        desk.recorded = plain(WIRE)
        call("monitor", "-a", "-r", "copy.rec", "-o", "out.json")

    assert desk.files["copy.rec"] == 2 * WIRE
    assert powers(desk.files["out.json"]) == [1.0, 2.0, 3.0] * 2


def test_frames_of_several_lines_are_kept_whole(desk, call):
    data = wire(POSTS[0])
    other = wire(post(packed(), unit=0x7F105678))
    desk.recorded = [
        Run(0, 1, data[:30], to_server=True),
        Run(1, 2, ACKS[0], to_server=False),
        Run(2, 3, other, to_server=True),
        Run(0, 4, data[30:], to_server=True),
    ]
    call("monitor", "-r", "copy.rec")

    assert desk.files["copy.rec"] == ACKS[0] + other + data


def test_lines_are_written_with_each_piece(desk, call):
    """So that whoever follows a line sees them at once, and none waits for the next frame."""
    written = []

    def recorded():
        for frame in POSTS:
            yield Run(0, None, wire(frame))
            written.append(desk.stdout.count(b"\n"))

    desk.recorded = recorded()
    call("monitor", "-f")

    assert written == [1, 2, 3]
    assert desk.wanted.follow


def test_what_is_wanted_of_captures(desk, call):
    call("monitor", "-p", "4711", "-p", "4712")
    assert desk.wanted.ports == {22222, 22221, 80, 4711, 4712}
    assert desk.wanted.magic == bytes.fromhex("12345679")
    assert (desk.wanted.path, desk.wanted.follow) == (None, False)


def test_a_file_may_be_an_address(desk, call):
    desk.files["/day.rec"] = b""
    call("monitor", "file:///day.rec")
    assert desk.wanted.path == "/day.rec"


BROKEN = wire(POSTS[0])[:-1] + b"\0"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BROKEN + WIRE, "1 broken frame"),
        (b"x" + WIRE, "1 byte of no frame"),
        (wire(post(packed()[:-1], inverter())) + WIRE, "1 record cut or too short"),
        (b"xy" + BROKEN + wire(post(packed(), b"torn")) + WIRE,
         "1 broken frame and 2 bytes of no frame, and 1 record cut or too short"),
    ],
)  # fmt: skip
def test_what_is_broken_is_counted(desk, call, data, words):
    desk.recorded = plain(data)
    call("monitor")
    assert powers(desk.stdout)[-3:] == [1.0, 2.0, 3.0]
    assert desk.said == [f"Warning: left out were {words}"]

    desk.recorded = plain(data)
    with pytest.raises(CaptureError, match=f"there is {words}"):
        call("monitor", "-x")


# -- units that encrypt ------------------------------------------------------------------------

KEY = bytes(range(16))
OFFER = bytes(range(16, 50))


def sealed(tunnel, frame, number=900):
    _, payload = tunnel.seal(assemble(frame))
    return Frame(number, UNIT, SERVER, ENCRYPTED, payload)


@pytest.fixture
def secret(desk):
    """What a unit says that encrypts: its offer, and then posts."""
    library("cryptography")
    tunnel = Tunnel(UnitKey(KEY).session(OFFER))
    offer = Frame(1, UNIT, SERVER, SESSION_KEY, OFFER)
    desk.recorded = plain(wire(offer, *(sealed(tunnel, frame) for frame in POSTS)))
    desk.files["unit.key"] = KEY.hex().encode() + b"\n"


@pytest.mark.parametrize("words", ["unit.key", "7F101234=unit.key"])
def test_units_that_encrypt_are_read_with_their_key(desk, call, secret, words):
    call("monitor", "-k", words)

    assert powers(desk.stdout) == [1.0, 2.0, 3.0]
    assert desk.said == []


@pytest.mark.parametrize("words", [[], ["-k", "7F105678=unit.key"]])
def test_without_their_key_they_are_counted(desk, call, secret, words):
    call("monitor", *words)

    assert desk.stdout == b""
    (said,) = desk.said
    assert said.startswith("Warning: 3 encrypted frames could not be read: that takes the key")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"00" * 15, "32 hexadecimal digits"),
        (b"00" * 17, "32 hexadecimal digits"),
        (b"secret" * 5 + b"zz", "32 hexadecimal digits"),
        (b"", "32 hexadecimal digits"),
    ],
)
def test_what_is_no_key_is_not_shown(desk, usage, content, words):
    desk.files["unit.key"] = content
    message = usage("monitor", "-k", "unit.key")
    assert words in message
    assert not content or content.decode() not in message


def test_a_key_that_others_may_read_is_refused(run, tmp_path):
    path = tmp_path / "unit.key"
    path.write_text(KEY.hex())
    path.chmod(0o644)
    done = run("solaredge", "monitor", "-k", path, "none.rec")
    assert done.exit_code == 2
    assert f"{path} has mode 0644" in done.stderr


# -- live lines --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (["listen://192.0.2.10:22222"], "listen://192.0.2.10:22222"),
        (["-t", "n"], "listen://0.0.0.0:22222"),
        (["-t", "n", "-p", "22221"], "listen://0.0.0.0:22221"),
        (["-t", "4", "/dev/ttyUSB0"], "serial:///dev/ttyUSB0"),
        (["-t", "2", "-b", "9600", "/dev/ttyUSB0"], "serial:///dev/ttyUSB0?baud=9600"),
        (
            ["-t", "4", "-m", "-s", "7F101234,7f105678", "-b", "9600", "/dev/ttyUSB0"],
            "serial:///dev/ttyUSB0?baud=9600&mode=master&units=7F101234,7F105678",
        ),
        (
            ["-m", "-s", "7F101234", "tcp://192.0.2.10:4001?x=1"],
            "tcp://192.0.2.10:4001?x=1&mode=master&units=7F101234",
        ),
    ],
)
def test_live_lines_in_the_words_of_the_suite(desk, call, words, address):
    desk.recorded = plain(WIRE, 100)
    with pytest.raises(click.Abort):
        call("monitor", *words)

    assert desk.collected == ("solaredge", address, {})
    assert powers(desk.stdout) == [1.0, 2.0, 3.0]


def test_keys_of_live_lines(desk, call, secret):
    with pytest.raises(click.Abort):
        call("monitor", "-k", "7F101234=unit.key", "listen://192.0.2.10:22222")

    assert desk.collected[2] == {"keys": {"7F101234": KEY.hex()}}
    assert powers(desk.stdout) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-t", "n", "roof.rec"], "-t n takes a port"),
        (["-t", "n", "-p", "1", "-p", "2"], "-t n takes a port"),
        (["-t", "4"], "needs the port, such as /dev/ttyUSB0"),
        (["-m", "-s", "7F101234", "roof.rec"], "name its port, with -t 4"),
        (["-t", "4", "-m", "/dev/ttyUSB0"], "-m needs the units on the bus"),
        (["-t", "4", "-s", "7F101234", "/dev/ttyUSB0"], "whose master is here: -m"),
        (["-t", "4", "-m", "-s", "roof", "/dev/ttyUSB0"], "-s: wanted are ids of eight"),
        (["-k", "unit.key", "listen://192.0.2.10:22222"], "say whose key it is"),
    ],
)
def test_contradictions_are_told(desk, usage, words, message):
    desk.files["unit.key"] = KEY.hex().encode()
    assert message in usage("monitor", *words)
    assert desk.collected is None


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["-c", "12,H239"], "'rct-collector solaredge command'"),
        (["-d", "stdout"], "--log-level debug"),
        (["-n", "eth1"], "dnsmasq"),
        (["-u", "firmware"], "firmware is not recorded"),
    ],
)
def test_options_of_the_suite_that_are_none_here_tell_what_is(desk, usage, option, words):
    message = usage("monitor", *option, "roof.rec")
    assert f"{option[0]} is no option here: " in message
    assert words in message


@pytest.mark.slow
def test_units_that_call_are_answered_when_their_lines_are_out(start, tmp_path):
    port = free_port()
    copy = tmp_path / "copy.rec"
    process = start("solaredge", "monitor", f"listen://127.0.0.1:{port}", "-r", copy, "-v")
    with connected(port) as (one, other):
        for unit, caller in ((UNIT, one), (0x7F105678, other)):
            for number in (1, 2):
                frame = post(inverter(unit, power=number), sequence=number, unit=unit)
                caller.sendall(assemble(frame))
                assert caller.recv(100) == acknowledge(frame)
                (found,) = json.loads(process.stdout.readline())["inverters"].items()
                assert (found[0], found[1]["Pac"]) == (f"{unit:X}", number)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, "")
    assert stderr.splitlines()[-1] == "8 frames, 4 records, 4 lines"
    found = FrameReader().feed(copy.read_bytes())
    assert [frame.function for frame in found] == [0x500, 0x80] * 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-t", "n", "-p", "{port}"], "cannot listen at 0.0.0.0:{port}: address already in use"),
        (
            ["listen://127.0.0.1:{port}"],
            "cannot listen at 127.0.0.1:{port}: address already in use",
        ),
        (
            ["-t", "4", "/dev/{port}"],
            "cannot open the serial port /dev/{port}: there is no such port",
        ),
        (["tcp://127.0.0.1:{closed}"], "cannot connect to 127.0.0.1:{closed}: connection refused"),
    ],
    ids=["network", "address", "serial", "serial server"],
)
def test_what_cannot_be_had_at_the_start_is_told_and_ends_it(run, words, message):
    library("serial")
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        places = {"port": taken.getsockname()[1], "closed": free_port()}
        done = run("solaredge", "monitor", *(word.format(**places) for word in words))
    assert (done.exit_code, done.stdout) == (3, "")
    assert message.format(**places) in done.stderr
    assert "trying again" not in done.stderr


def test_what_another_collector_has_is_left_to_it(run, monkeypatch):
    def refuse(_self):
        raise BusyError("held by another collector")

    monkeypatch.setattr(DeviceLock, "acquire", refuse)
    done = run("solaredge", "monitor", f"listen://127.0.0.1:{free_port()}")
    assert (done.exit_code, done.stderr) == (4, "Error: held by another collector\n")


@pytest.mark.slow
def test_units_are_not_told_that_it_was_taken_when_it_was_not(start):
    port = free_port()
    process = start("solaredge", "monitor", f"listen://127.0.0.1:{port}", "-o", "/dev/full")
    with connected(port) as (one, _):
        one.sendall(assemble(POSTS[0]))
        assert one.recv(100) == b""
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "/dev/full cannot be written: No space left on device" in stderr


@contextlib.contextmanager
def serial_port():
    """A descriptor, and the name of the port that it is the other end of."""
    library("serial")
    far, near = os.openpty()
    tty.setraw(near)
    try:
        yield far, os.ttyname(near)
    finally:
        os.close(near)
        os.close(far)


def is_taken(name):
    """Whether somebody has a port for himself: it was opened, and what comes now is heard."""
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_NOCTTY)
    except OSError as error:  # it is kept from all but root
        return error.errno == errno.EBUSY
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def frames_of(descriptor):
    """Frames that come out of a port."""
    reader = FrameReader()
    while True:
        yield from reader.feed(os.read(descriptor, 100))


@pytest.mark.slow
def test_units_on_a_bus_are_granted_it_and_answered(start):
    with serial_port() as (far, name):
        process = start("solaredge", "monitor", "-t", "4", "-m", "-s", f"{UNIT:X}", name)
        heard = frames_of(far)
        grant = next(heard)
        assert (grant.function, grant.destination) == (functions.GRANT, UNIT)
        os.write(far, assemble(POSTS[0]))
        assert assemble(next(heard)) == ACKS[0]
        os.write(far, assemble(Frame(grant.sequence, UNIT, SERVER, functions.RELEASE)))
        assert powers(process.stdout.readline()) == [1.0]
        again = next(heard)
        assert (again.function, again.destination) == (functions.GRANT, UNIT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["2", "4"])
def test_others_are_listened_to_without_a_word(start, kind):
    with serial_port() as (far, name):
        process = start("solaredge", "monitor", "-t", kind, name)
        wait_for(lambda: is_taken(name))
        os.write(far, WIRE)
        assert [powers(process.stdout.readline()) for _ in POSTS] == [[1.0], [2.0], [3.0]]
        assert not select.select([far], [], [], 0)[0]


def test_other_addresses_are_refused(run):
    done = run("solaredge", "monitor", "usb://0665:5161")
    assert done.exit_code == 2
    assert "not usb://" in done.stderr


@contextlib.contextmanager
def connected(port):
    """Two connections, as soon as somebody listens."""
    wait_for(lambda: listening(port))
    with (
        socket.create_connection(("127.0.0.1", port), 60) as one,
        socket.create_connection(("127.0.0.1", port), 60) as other,
    ):
        yield one, other


# -- cost --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_memory_does_not_grow_with_the_input(desk, call):
    data = wire(post(inverter(), *(packed(n) for n in range(10)), event()))

    def read(times):
        desk.stdout = b""
        desk.recorded = (Run(0, None, data) for _ in range(times))
        call("monitor", "-o", "out")
        desk.files.clear()

    class Nowhere:
        def write(self, data):
            pass

    desk.output = lambda *_args, **_more: contextlib.nullcontext(Nowhere())
    read(10)
    assert peak(read, 2000) < 2 * peak(read, 200) + 100_000
