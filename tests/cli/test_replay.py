"""``replay``, and ``decode`` of captures: what was on a line, as text and as a device."""

from __future__ import annotations

import builtins
import json
import signal
import socket

import pytest

from rct_collector.cli.passages import read_passages
from rct_collector.cli.replay import feed
from rct_collector.drivers.rct import frame, wire
from rct_collector.drivers.rct.simulator.replay import Replay
from tests.cli.captured import START_NS, capture, talk
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
    ],
)
def test_mistakes(run, save, command, content, words):
    result = run(*command, save(content))

    assert result.exit_code == 2
    assert words in result.stderr


def test_how_to_install_what_is_missing_is_told(run, save, monkeypatch):
    really = builtins.__import__

    def without(name, *arguments, **more):
        if name == "dpkt":
            raise ImportError(name)
        return really(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = run("decode", save(capture([(False, HALF)])))

    assert result.exit_code == 2
    assert "pip install 'rct-collector[pcap]'" in result.stderr


# -- as a device -------------------------------------------------------------------------------


def test_a_file_in_which_nothing_was_answered_is_told(run, save):
    result = run("replay", save(capture([(True, ASK)])))

    assert result.exit_code == 2
    assert "nothing in it was asked for and answered" in result.stderr


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
        found = read_passages(file, "test")
    unit = Replay()
    feed(unit, found.passages)
    unit.receive(unit.connect(), ASK, 0.0)

    assert unit.pull(60.0) == [HALF]
