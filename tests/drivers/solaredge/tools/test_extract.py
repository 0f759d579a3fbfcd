"""Captures of a network into files of frames."""

import os
import subprocess

import pytest

from rct_collector.drivers.tools import Run
from tests.capture.test_conversations import opening, pcap, segment
from tests.drivers.solaredge.tools.suite import inverter, packed, post, wire
from tests.drivers.solaredge.tools.test_monitor import ACKS, POSTS

UNIT, SERVER = ("192.0.2.1", 49152), ("192.0.2.10", 22222)


def torn(data, step=40):
    """Segments of a connection, out of order and with repetitions."""
    parts = [
        segment(data[start : start + step], 1 + start, source=UNIT, target=SERVER)
        for start in range(0, len(data), step)
    ]
    parts[0:3] = [parts[1], parts[0], parts[1], parts[2]]
    return [opening(source=UNIT, target=SERVER), *parts]


def back(data):
    return segment(data, 1, source=SERVER, target=UNIT)


DATA = wire(*POSTS)


def test_frames_are_put_together(run, tmp_path):
    (tmp_path / "day.pcap").write_bytes(pcap([*torn(DATA), back(b"".join(ACKS))]))
    done = run("solaredge", "extract", "-v", "-o", tmp_path / "a.rec", tmp_path / "day.pcap")

    assert (done.exit_code, done.output) == (0, "6 frames\n")
    assert (tmp_path / "a.rec").read_bytes() == DATA + b"".join(ACKS)


def test_one_direction_only(run, tmp_path):
    (tmp_path / "day.pcap").write_bytes(pcap([*torn(DATA), back(b"".join(ACKS))]))
    for host, expected in (("192.0.2.10", DATA), ("192.0.2.1", b"".join(ACKS))):
        arguments = ("-s", host, "-o", tmp_path / "a.rec", tmp_path / "day.pcap")
        assert run("solaredge", "extract", *arguments).exit_code == 0
        assert (tmp_path / "a.rec").read_bytes() == expected

    done = run("solaredge", "extract", "-s", "192.0.2.99", tmp_path / "day.pcap")
    assert done.exit_code == 2
    assert "none of those goes to 192.0.2.99, port 80, 22221, 22222" in done.stderr


def test_all_files_of_a_folder(run, tmp_path):
    folder = tmp_path / "captures"
    folder.mkdir()
    for n, frame in enumerate(POSTS):
        path = folder / f"{n}.pcap"
        path.write_bytes(pcap(torn(wire(frame))))
        os.utime(path, (1000 + n, 1000 + n))
    done = run("solaredge", "extract", "-o", tmp_path / "a.rec", folder)

    assert (done.exit_code, done.output) == (0, "")
    assert (tmp_path / "a.rec").read_bytes() == DATA


def test_monitor_reads_what_was_extracted_and_the_capture_itself(run, tmp_path):
    (tmp_path / "day.pcap").write_bytes(pcap(torn(DATA)))
    run("solaredge", "extract", "-o", tmp_path / "a.rec", tmp_path / "day.pcap")
    of_frames = run("solaredge", "monitor", tmp_path / "a.rec")
    of_capture = run("solaredge", "monitor", tmp_path / "day.pcap")

    assert of_frames.exit_code == of_capture.exit_code == 0
    assert of_frames.stdout == of_capture.stdout
    assert of_frames.stdout.count("\n") == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"just some text, and nothing else", "is no capture (pcap or pcapng)"),
        (pcap([segment(b"GET / HTTP/1.1", source=UNIT, target=("192.0.2.9", 8080))]),
         "are of TCP, and none of those goes to port 80, 22221, 22222"),
        (b"\x1f\x8b\x08" + b"x" * 30, "file holds too few bytes"),
        (b"%PDF-1.4 ....", "is a PDF document"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["extract", "monitor"])
def test_other_files_are_refused(run, tmp_path, content, words, command):
    path = tmp_path / "file"
    path.write_bytes(content)
    done = run("solaredge", command, path)

    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stdout == ""


def test_what_is_no_frame_is_told(desk, call):
    data = wire(post(inverter(), packed()))
    desk.recorded = [Run(0, 1, data + b"xyz", to_server=True), Run(0, 2, data[:-1], to_server=True),
                     Run(0, 3, b"", over=True)]  # fmt: skip
    call("extract")

    assert desk.stdout == data
    assert desk.said == ["Warning: there were 1 broken frame and 3 bytes of no frame"]


@pytest.mark.slow
def test_standard_input_is_read_as_it_comes(start):
    process = start("solaredge", "monitor", stdin=subprocess.PIPE, text=False, bufsize=0)
    process.stdin.write(wire(POSTS[0]))
    process.stdin.flush()
    assert process.stdout.readline().startswith(b'{"events": {}, "inverters": {"7F101234"')
    process.stdin.write(wire(POSTS[1]))
    process.stdin.flush()
    assert process.stdout.readline().startswith(b'{"events": {}, "inverters": {"7F101234"')
    assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 0
