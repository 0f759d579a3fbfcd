"""``replay``, and ``decode`` of captures: what was on a line, as text and as a device."""

from __future__ import annotations

import json
import signal
import socket
import struct
from random import Random

import pytest

from rct_collector.cli import trace
from rct_collector.cli.trace import read_trace
from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.tools.dissect import DISSECTOR
from rct_collector.drivers.rct.tools.recorded import replay
from tests.captures import enhanced, gzipped, interface, patched, section, simple
from tests.cli.captured import START_NS, capture, packets, talk
from tests.cli.test_decode import RECORDING, SOC, STATE, answer, broken
from tests.cli.test_simulate import ADDRESS

ASK = frame.assemble(frame.READ, SOC.oid)
HALF, QUARTER = (answer(SOC, wire.encode(SOC.type, value)) for value in (0.5, 0.25))


@pytest.fixture
def save(tmp_path):
    def write(content):
        path = tmp_path / "line.pcap"
        path.write_bytes(content)
        return path

    return write


# -- as text -----------------------------------------------------------------------------------


def test_a_capture_looks_as_accepted(run, golden, save):
    path = save(capture(talk(RECORDING)))
    results = [run("replay", "--print", path), run("decode", path)]
    results.append(run("decode", "-", stdin=path.read_bytes()))

    assert {(result.exit_code, result.stderr) for result in results} == {(0, "")}
    assert len({result.stdout for result in results}) == 1
    golden("replay.txt", results[0].stdout)


TALK = packets(capture([(True, ASK), (False, HALF)], end=False))


@pytest.mark.parametrize("resolution", [0, 3, 6, 9, 127, 0x80, 0xFF])
@pytest.mark.parametrize("offset", [0, -(2**63), 2**63 - 1, -1_782_036_003])
@pytest.mark.parametrize("ticks", [0, 1, 2**64 - 1])
def test_no_date_of_a_file_is_too_much(run, save, resolution, offset, ticks):
    """Some that come near to it: years of twelve digits, and before the calendar began."""
    first = max(0, ticks - len(TALK))
    blocks = (enhanced(data, first + n) for n, data in enumerate(TALK))
    path = save(section() + interface(101, resolution, offset) + b"".join(blocks))
    commands = (("decode",), ("decode", "-f", "json"), ("replay", "--print"))
    results = [run(*command, path) for command in commands]

    assert {(result.exit_code, result.stderr) for result in results} == {(0, "")}
    assert [len(result.stdout.splitlines()) > 4 for result in results] == [True] * 3
    with path.open("rb") as file:
        found = read_trace(file, "test", DISSECTOR)
    unit = replay(found.items, 1.0)
    unit.receive(unit.connect(), ASK, 0.0)
    assert unit.pull(float("inf")) == [HALF]


def test_times_of_the_interface_that_a_packet_came_from(run, save):
    begin = section() + interface(1, 6) + interface(101, 9)
    blocks = (enhanced(data, START_NS + n * 1000, 1) for n, data in enumerate(TALK))
    lines = run("decode", save(begin + b"".join(blocks))).stdout.splitlines()

    assert ", 2026-06-21 10:00:03 … 2026-06-21 10:00:03 UTC, 2 frames, 0 bad" in lines[0]
    assert [line.split()[0] for line in lines[3:]] == ["10:00:03.500003", "10:00:03.500004"]


def test_packets_without_times_have_numbers(run, save):
    path = save(section() + interface() + b"".join(map(simple, TALK)))
    lines = run("decode", path).stdout.splitlines()

    assert "packet 4 … packet 5, 2 frames, 0 bad" in lines[0]
    assert [line.split()[0] for line in lines[2:]] == ["packet", "4", "5"]
    assert "1970" not in "".join(lines)
    numbered = json.loads(run("decode", path, "-f", "json").stdout)
    assert [(item["time_ns"], item["packet"]) for item in numbered] == [(None, 4), (None, 5)]


def test_gzipped_captures_are_read(run, save):
    path = save(gzipped(capture([(True, ASK), (False, HALF)])))

    assert "2 frames, 0 bad" in run("decode", path).stdout
    assert run("replay", "--print", path).stdout == run("decode", path).stdout


def test_captures_of_fritzbox_are_read(run, save):
    path = save(patched(map(bytes, TALK), "<"))

    assert "2 frames, 0 bad" in run("decode", path).stdout


def test_a_frame_on_both_sides_of_a_hole_is_told_as_it_is(run, save):
    line = [(False, HALF[:9]), (False, HALF[9:12]), (False, HALF[12:] + QUARTER)]
    file = capture(line, end=False)
    size = 16 + 40 + 3
    start = len(file) - (16 + 40 + len(HALF[12:] + QUARTER)) - size
    path = save(file[:start] + file[start + size :])
    pieces = json.loads(run("decode", path, "-f", "json").stdout)

    assert [piece["check"] for piece in pieces] == ["incomplete", "skipped", "ok"]
    assert [piece["offset"] for piece in pieces] == [1, 12, 15]


def test_the_first_frames_are_told_and_that_there_are_more(run, save, monkeypatch):
    monkeypatch.setattr(trace, "MOST_PIECES", 3)
    path = save(capture([(True, ASK), (False, HALF)] * 3, [(True, ASK)]))
    result = run("decode", path)

    assert "3 frames, 0 bad" in result.stdout
    assert f"{path}: what follows the first 3 frames was left out" in result.stderr


def test_json_tells_times_and_ends(run, save):
    path = save(capture([(True, ASK), (False, HALF)]))
    asked, answered = json.loads(run("replay", path, "--print", "-f", "json").stdout)

    assert asked["time_ns"] == START_NS + 10_000_000
    assert answered["time_ns"] == START_NS + 20_000_000
    assert (answered["client"], answered["device"]) == ("192.0.2.1:49152", "192.0.2.10:8899")
    assert (answered["object"], answered["value"]) == ("battery.soc", 0.5)
    assert (asked["direction"], answered["direction"]) == ("to device", "from device")


def test_connections_are_numbered(run, save):
    path = save(capture([(True, ASK), (False, HALF)], [(True, ASK), (False, broken(HALF))]))
    lines = run("decode", path).stdout.splitlines()

    assert lines[0].endswith("2 frames, 0 bad")
    assert lines[1].startswith("2. 192.0.2.1:49153 to device 192.0.2.10:8899, 2026-06-21 10:00:03")
    assert lines[1].endswith("2 frames, 1 bad")
    assert lines[3].split() == ["time", "line", "device", "frame", "object", "value", "check"]
    assert [line.split()[1] for line in lines[4:]] == ["1", "1", "2", "2"]
    assert lines[-1].endswith("checksum wrong")


def test_a_write_of_the_device_is_told_from_one_to_it(run, save):
    package = frame.assemble(frame.WRITE, 0x3AA565FC, bytes(36))
    (found,) = json.loads(run("decode", save(capture([(False, package)])), "-f", "json").stdout)

    assert (found["command"], found["direction"]) == ("write", "from device")


def test_other_connections_are_left_out(run, save):
    path = save(capture([(True, b"GET / HTTP/1.0\r\n"), (False, b"+OK")], [(False, HALF)]))
    lines = run("decode", path).stdout.splitlines()

    assert lines[0].startswith("1. 192.0.2.1:49153")
    assert len(lines) == 4


def test_a_file_cut_short_is_printed_as_far_as_it_goes(run, save):
    path = save(capture([(True, ASK), (False, HALF), (False, QUARTER)], end=False)[:-3])
    result = run("decode", path)

    assert result.exit_code == 0
    assert "0.5 = 50.0 %" in result.stdout
    assert "0.25" not in result.stdout
    assert result.stderr == (
        f"Warning: {path} is cut short behind TCP packet 5; what came before was read\n"
    )


def test_what_a_capture_lacks_is_told(run, save):
    whole = capture([(False, HALF), (False, QUARTER), (False, HALF)], end=False)
    size = 16 + 40 + len(HALF)
    result = run("decode", save(whole[: -2 * size] + whole[-size:]))

    assert f"lacks {len(QUARTER)} bytes of connection 1" in result.stderr
    assert result.stdout.count("50.0 %") == 2


@pytest.mark.parametrize("command", [("decode",), ("replay", "--print"), ("replay",)])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (capture([(True, b"hello")]), "no RCT frame in 1 connections"),
        (capture([]), "no RCT frame in 1 connections"),
        (bytes.fromhex("0a0d0d0a") + bytes(40), "is no pcap file that can be read"),
        (bytes.fromhex("d4c3b2a1"), "cut short"),
        (capture([])[:24] + struct.pack("<4I", 1, 1, 2**32 - 1, 2**32 - 1) + bytes(99),
         "is damaged (a packet of 4294967295 bytes) behind TCP packet 0"),
        (capture([])[:24] + bytes(16) * 9, "no RCT frame in 0 connections"),
        (gzipped(capture([(True, ASK)]))[:50], "is cut short"),
        (gzipped(b"snoop\0\0\0" + ASK * 9), "is a snoop capture; 'editcap -F pcap'"),
        (b"\x28\xb5\x2f\xfd" + ASK * 9, "is compressed with Zstandard; unpack it first"),
        (b"\x89PNG\r\n\x1a\n" + ASK * 9, "is a PNG picture"),
        (bytes(4096), "is no "),
        (Random(1).randbytes(4096), "is no "),
        (b"\xff\xfe" + "Grüße".encode("utf-16-le"), "is no "),
    ],
)  # fmt: skip
def test_mistakes(run, save, command, content, words):
    result = run(*command, save(content))

    assert result.exit_code == 2
    assert words in result.stderr


# -- as a device -------------------------------------------------------------------------------


def test_a_file_in_which_nothing_was_answered_is_told(run, save):
    result = run("replay", save(capture([(True, ASK)])))

    assert result.exit_code == 2
    assert "nothing in it was asked for and answered" in result.stderr


@pytest.mark.slow
def test_it_answers_as_recorded_until_ctrl_c(start, save):
    state = frame.assemble(frame.READ, STATE.oid)
    path = save(capture([(True, ASK), (False, HALF), (True, ASK), (False, broken(QUARTER))]))
    process = start("replay", "--port", 0, "--speed", 10, path)
    host, port = ADDRESS.search(process.stdout.readline()).groups()
    with socket.create_connection((host, int(port)), timeout=60) as sock:
        for expected in (HALF, broken(QUARTER), HALF):
            sock.sendall(state + ASK)  # the first of the two was never recorded
            assert sock.recv(1000) == expected
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 0
    assert "Traceback" not in stderr


def test_a_port_that_is_taken_is_told(run, listener, save):
    port = listener.getsockname()[1]
    result = run("replay", "--port", port, save(capture([(True, ASK), (False, HALF)])))

    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in result.stderr


def test_what_the_bridge_sent_to_two_clients_is_said_once(save):
    """Two overlapping connections; each got the answer that one of them had asked for."""
    talks = [[(True, ASK), (False, HALF)], [(False, HALF)]]
    with save(capture(*talks)).open("rb") as file:
        found = read_trace(file, "test", DISSECTOR)
    unit = replay(found.items, 1.0)
    unit.receive(unit.connect(), ASK, 0.0)

    assert unit.pull(60.0) == [HALF]


def test_who_does_not_call_is_told_to_call_nobody(run, save):
    path = save(capture([(True, ASK), (False, HALF)]))
    result = run("replay", path, "--to", "tcp://127.0.0.1:1")

    assert result.exit_code == 2
    assert "--to: devices of this family do not call, but are called" in result.stderr
