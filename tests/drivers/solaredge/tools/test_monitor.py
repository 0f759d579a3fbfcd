"""Recorded lines into JSON lines."""

import contextlib
import json

import pytest

from rct_collector.drivers.solaredge.request import acknowledge
from rct_collector.drivers.tools import Run
from rct_collector.errors import CaptureError
from tests.drivers.solaredge.tools.suite import event, inverter, packed, post, wire
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
