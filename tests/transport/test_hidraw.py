"""USB devices that pass reports: at a socket of packets, which has the same code on this side."""

from __future__ import annotations

import asyncio
import errno
import grp
import os
import struct
import subprocess
import sys
import tempfile
import tty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.errors import TransportError
from rct_collector.transport import hidraw, open_line, parse_address
from tests.hid import Hid, reports, said
from tests.virtual import run

WAYS = {"hidraw": {}}
QPIGS2 = b"QPIGS2\x68\x2d\r"


def at(path):
    return parse_address(f"hidraw://{path}", WAYS)


class Ends:
    """Takes what a line brings."""

    def __init__(self):
        self.received, self.lost = [], []

    async def open(self, path):
        return await open_line(at(path), self.received.append, self.lost.append, 5.0)


async def settled(reports=20):
    for _ in range(reports + 5):  # one at a time, without any time passing
        await asyncio.sleep(0)


@pytest.fixture
def device(tmp_path):
    with Hid(tmp_path / "hidraw0") as device:
        yield device


def test_what_is_sent_goes_in_reports_that_wait_for_each_other(device):
    async def main(loop):
        line = await Ends().open(device.path)
        began, found = loop.time(), []
        line.send(QPIGS2)
        line.send(b"QPI\xbe\xac\r")
        for _ in range(4):
            found += [(round(loop.time() - began, 3), report) for report in device.hear()]
            await asyncio.sleep(hidraw.SPACING_S)
        line.close()
        return found

    assert run(main) == [
        (0.0, b"\0QPIGS2\x68\x2d"),
        (0.04, b"\0\r" + bytes(7)),
        (0.08, b"\0QPI\xbe\xac\r\0\0"),
    ]
    assert 0.02 <= hidraw.SPACING_S <= 0.05


def test_reports_wait_for_each_other_from_one_request_to_the_next(device):
    async def main(loop):
        line = await Ends().open(device.path)
        line.send(b"a")
        await asyncio.sleep(0.03)
        line.send(b"b")
        early = len(device.hear())
        await asyncio.sleep(0.02)
        late = len(device.hear())
        await asyncio.sleep(1)
        line.send(b"c")
        at_once = len(device.hear())
        line.close()
        return early, late, at_once

    assert run(main) == (1, 1, 1)


@given(st.lists(st.binary(max_size=60).filter(lambda d: b"\0" not in d), max_size=5))
def test_whatever_is_sent_arrives_in_reports_of_eight_bytes(tmp_path_factory, requests):
    path = tmp_path_factory.getbasetemp() / "hid-sent"
    with Hid(path) as device:

        async def main(loop):
            line = await Ends().open(path)
            for data in requests:
                line.send(data)
            await asyncio.sleep(hidraw.SPACING_S * (sum(map(len, requests)) + 1))
            heard = device.hear()
            line.close()
            return heard

        heard = run(main)
    assert said(heard) == b"".join(requests)
    assert len(heard) == sum(-(-len(data) // 8) for data in requests)


#: What a frame may be: only the two bytes of its checksum may be NUL, and CR ends it.
frames = st.builds(
    lambda text, checksum: b"(" + text + checksum + b"\r",
    st.binary(max_size=40).map(lambda text: text.replace(b"\0", b"0").replace(b"\r", b"1")),
    st.sampled_from([b"\0\0", b"\0a", b"a\0", b"ab", b"\r\0", b"\0\r"]),
)


@given(st.lists(frames, max_size=4))
def test_nothing_of_a_frame_is_lost_and_little_of_what_fills_reports_up_is_left(
    tmp_path_factory, answers
):
    path = tmp_path_factory.getbasetemp() / "hid-read"
    with Hid(path) as device:

        async def main(loop):
            ends = Ends()
            line = await ends.open(path)
            for answer in answers:
                device.say(answer)
            await settled(4 * 6)
            line.close()
            return ends.received

        received = b"".join(run(main))
    for answer in answers:
        assert received.startswith(answer)
        rest = received.removeprefix(answer)
        received = rest.lstrip(b"\0")
        assert len(rest) - len(received) <= 2
    assert not received


@pytest.mark.parametrize(
    ("report", "read"),
    [
        (b"(PI30\x9a\x0b\r", b"(PI30\x9a\x0b\r"),
        (b"0\x8b\r\0\0\0\0\0", b"0\x8b\r"),
        (b"\r\0\0\0\0\0\0\0", b"\r"),
        (b"abcdef\0\0", b"abcdef\0\0"),  # a checksum of which CR follows, or what fills up
        (b"abcdef\r\0", b"abcdef\r\0"),
        (b"abcde\0\0\0", b"abcde"),
        (b"abcd\0\0\r\0", b"abcd\0\0\r\0"),
        (b"\0\r\0\0\0\0\0\0", b"\0\r"),
        (b"\0\0\r\0\0\0\0\0", b"\0\0\r"),
        (bytes(8), b""),
        (b"\0\0", b"\0\0"),
    ],
)
def test_only_what_is_never_part_of_a_frame_is_dropped(device, report, read):
    async def main(loop):
        ends = Ends()
        line = await ends.open(device.path)
        device.report(report)
        await settled()
        line.close()
        return b"".join(ends.received), ends.lost

    assert run(main) == (read, [])


def test_a_device_that_sends_what_it_has_is_understood(device):
    """None of its reports is full; all that fills them up is more than a checksum could be."""

    async def main(loop):
        ends = Ends()
        line = await ends.open(device.path)
        device.say(b"(230.0 50.0\x12\x34\r", full=False)
        await settled()
        line.close()
        return b"".join(ends.received)

    assert run(main) == b"(230.0 50.0\x12\x34\r"


def test_a_device_that_is_pulled_out_ends_the_line_once_and_is_opened_again(tmp_path):
    path = tmp_path / "hidraw0"

    async def main(loop):
        ends = Ends()
        with Hid(path) as device:
            line = await ends.open(path)
            device.say(b"(PI30")
            await settled()
        await settled()
        line.send(b"into the void")
        line.pause()
        line.resume()
        line.close()
        with pytest.raises(TransportError, match="the device may not be plugged in"):
            await ends.open(path)
        with Hid(path) as device:
            line = await ends.open(path)
            device.say(b"\x9a\x0b\r")
            await settled()
            line.close()
        return b"".join(ends.received).replace(b"\0", b""), ends.lost

    received, lost = run(main)
    assert received == b"(PI30\x9a\x0b\r"
    assert lost == ["the USB device is gone"]


def test_sending_to_a_device_that_is_gone_tells_of_the_loss_later(tmp_path):
    async def main(loop):
        ends = Ends()
        with Hid(tmp_path / "hidraw0") as device:
            line = await ends.open(device.path)
            device.hear()
            line.pause()
        line.send(QPIGS2)
        before = list(ends.lost)
        await asyncio.sleep(1)
        return before, ends.lost

    before, after = run(main)
    assert before == []
    assert after == ["the USB device is gone: broken pipe"]


def test_a_device_that_takes_nothing_is_given_up(device):
    """What it does not take is tried again, and not for ever."""

    async def main(loop):
        ends = Ends()
        line = await ends.open(device.path)
        for _ in range(5000):
            line.send(QPIGS2)
            await asyncio.sleep(0.1)
            if ends.lost:
                break
        return ends.lost

    assert run(main) == ["the USB device does not take what is sent"]


def test_nothing_is_read_while_paused(device):
    async def main(loop):
        ends = Ends()
        line = await ends.open(device.path)
        line.pause()
        line.pause()
        device.say(QPIGS2)
        await settled()
        paused = list(ends.received)
        line.resume()
        line.resume()
        await settled()
        line.close()
        return paused, b"".join(ends.received)

    assert run(main) == ([], QPIGS2)


# -- nodes that are real, as far as they can be without a device -------------------------------


@pytest.fixture
def node(monkeypatch):
    """The far end of a node, which says that it is of 0665:5161, and its path."""
    info = struct.pack("=IHH", 3, 0x0665, 0x5161)
    monkeypatch.setattr(hidraw.fcntl, "ioctl", lambda *_: info)
    far, near = os.openpty()
    for end in (far, near):
        tty.setraw(end)
    os.set_blocking(far, False)
    yield far, os.ttyname(near)
    os.close(near)
    os.close(far)


def test_bytes_pass_through_a_node_which_is_locked_meanwhile(node):
    far, path = node

    async def main():
        ends = Ends()
        line = await ends.open(path)
        line.send(b"QPI\xbe\xac\r")
        heard = os.read(far, 100)
        with pytest.raises(TransportError, match="this process has it open already, for another"):
            await ends.open(path)
        os.write(far, b"(PI30\x9a\x0b\r")
        async with asyncio.timeout(30):
            while not ends.received:
                await asyncio.sleep(0.001)
        line.close()
        (await ends.open(path)).close()
        return heard, line.peer.key, ends.received, ends.lost

    assert asyncio.run(main()) == (
        b"\0QPI\xbe\xac\r\0\0",
        f"hidraw{path}",
        [b"(PI30\x9a\x0b\r"],
        [],
    )


def test_a_device_that_is_another_one_by_now_is_not_asked(node):
    """The numbers of nodes are given anew between finding one and opening it."""
    _, path = node
    with pytest.raises(TransportError) as told:
        hidraw.open_reports(path, at(path), print, print, "04d8:00df", "1-1.4")
    assert str(told.value) == (
        f"cannot open the USB device {path} (04d8:00df at 1-1.4): it is 0665:5161 by now; another"
        " one was plugged in"
    )


def test_a_device_that_hangs_is_told_from_one_that_is_gone(device, monkeypatch):
    def write(*_):
        raise TimeoutError(errno.ETIMEDOUT, "Connection timed out")

    async def main(loop):
        ends = Ends()
        line = await ends.open(device.path)
        monkeypatch.setattr(hidraw.os, "write", write)
        line.send(QPIGS2)
        await asyncio.sleep(1)
        monkeypatch.undo()
        return ends.lost

    assert run(main) == ["the USB device does not take what is sent"]


# -- what is no such node ----------------------------------------------------------------------


def refusal(path):
    with pytest.raises(TransportError) as told:
        asyncio.run(Ends().open(path))
    return str(told.value)


def test_what_is_no_node_is_refused_with_what_is_wrong(tmp_path):
    missing = tmp_path / "hidraw0"
    begin = "cannot open the USB device"
    assert refusal(missing) == (
        f"{begin} {missing}: nothing is there; the device may not be plugged in"
    )
    assert not missing.exists(), "a file in its place would keep the device away"
    plain = tmp_path / "plain"
    plain.write_text("kept")
    assert refusal(plain) == (
        f"{begin} {plain}: it is no node of a device, but a plain file, which keeps the device"
        " away: remove it, or correct the address"
    )
    assert plain.read_text() == "kept"
    assert refusal(tmp_path) == f"{begin} {tmp_path}: it is no node of a device, but a folder"
    assert refusal("/dev/null") == (
        f"{begin} /dev/null: it is a node of something else, and not of hidraw"
    )
    with Hid(tmp_path / "left") as device:
        device.refuse()
        assert refusal(device.path) == (
            f"{begin} {device.path}: it is a socket, and nobody answers there"
        )


FORBIDDEN = """
import asyncio, os, sys
from rct_collector.errors import TransportError
from rct_collector.transport import open_line, parse_address
address = parse_address(sys.argv[1], {"hidraw": {}})  # loads what another user may not read
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    asyncio.run(open_line(address, print, print, 5.0))
except TransportError as error:
    print(error)
"""


@pytest.fixture
def forbidden_node():
    """A node that a user without rights gets to see; pytest keeps its own folders from others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        node = Path(folder, "hidraw0")
        node.touch()
        node.chmod(0o000)
        yield node


def _said_to_nobody(node):
    script = [sys.executable, "-c", FORBIDDEN, f"hidraw://{node}"]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout.rstrip("\n")


@pytest.mark.slow
def test_a_node_that_is_not_for_this_user_names_a_rule(forbidden_node):
    assert _said_to_nobody(forbidden_node) == (
        f"cannot open the USB device {forbidden_node}: this user may not open it, nor may any"
        ' group; a rule of udev lets one, such as a line SUBSYSTEM=="hidraw",'
        ' GROUP="rct-collector", MODE="0660" in /etc/udev/rules.d/60-rct-collector.rules'
    )


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to another group")
def test_a_node_that_is_for_a_group_names_it(forbidden_node):
    group = next(group for group in grp.getgrall() if group.gr_gid not in (0, 65534))
    os.chown(forbidden_node, 0, group.gr_gid)
    forbidden_node.chmod(0o660)
    assert _said_to_nobody(forbidden_node) == (
        f"cannot open the USB device {forbidden_node}: this user may not open it; make it a member"
        f" of the group {group.gr_name}, which may"
    )


def test_the_helper_of_tests_fills_reports_up():
    assert reports(QPIGS2) == [b"QPIGS2\x68\x2d", b"\r" + bytes(7)]
    assert reports(b"abcde", full=False) == [b"abcd" + bytes(4), b"e" + bytes(7)]
    with pytest.raises(AssertionError, match="the kernel wants nine bytes"):
        said([b"QPI"])
