"""``record``: the wire as a file, while a real command collects, and what is said about it."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import stat

import pytest

from rct_collector.capture.conversations import read_capture
from rct_collector.capture.source import Source
from rct_collector.cli.trace import read_trace
from rct_collector.drivers.rct.tools.dissect import DISSECTOR
from rct_collector.drivers.solaredge.frame import assemble
from rct_collector.drivers.solaredge.request import acknowledge
from tests.cli.conftest import address_of, read_until
from tests.cli.test_simulate import ADDRESS
from tests.drivers.solaredge.tools.suite import inverter, post
from tests.processes import free_port, listening, wait_for

SOME = ("--only", "inverter_power.*", "--only", "inverter_energy.*", "--only", "inverter.*")


def connections(path):
    """Number of connections that a file holds by now."""
    if not path.exists() or path.stat().st_size < 24:
        return 0
    with path.open("rb") as file:
        capture = read_capture(Source(file, str(path)))
    assert capture.trouble == ""
    return len(capture.conversations)


def record_first_round(start, path, *arguments, end=signal.SIGINT):
    """Record until the second connection, which comes behind the first round of everything."""
    process = start("record", *arguments, path)
    wait_for(lambda: connections(path) == 2 or process.poll() is not None)
    process.send_signal(end)
    stdout, stderr = process.communicate(timeout=60)
    assert "Traceback" not in stderr
    return process.returncode, stdout, stderr


def values(run, address):
    """What a device says, without the times and what concerns the collector."""
    (device,) = json.loads(run("read", "-a", address, *SOME, "-f", "json").stdout)
    return [{k: v for k, v in value.items() if k != "time_ns"} for value in device["values"]]


def items(path):
    with path.open("rb") as file:
        return read_trace(file, str(path), DISSECTOR).items


@pytest.mark.slow
def test_what_was_recorded_reads_like_the_device_itself(run, start, serve, config_file, tmp_path):
    device, path = serve(speed=1e-9), tmp_path / "roof.pcap"
    config = config_file(roof=device.address, barn="tcp://192.0.2.1")
    status, stdout, _ = record_first_round(start, path, "-c", config, "--device", "roof", *SOME)
    replay = start("replay", "--port", 0, path)
    address = "tcp://{}:{}".format(*ADDRESS.search(replay.stdout.readline()).groups())
    again = values(run, address)

    assert status == 0
    assert again == values(run, device.address)
    assert {"watt_hours_total", "pv_watts", "serial"} <= {value["field"] for value in again}
    begin, end, hint = stdout.splitlines()
    assert begin == f"recording roof into {path}; end with Ctrl-C"
    assert end.startswith(f"{path}: ")
    assert end.endswith(" frames, 0 bad, 2 connections")
    assert "--redact" in hint


@pytest.mark.slow
def test_redacted_it_holds_no_serial_number_and_no_address(start, serve, tmp_path):
    path = tmp_path / "roof.pcap"
    device = serve(serial="SECRETSERIAL", firmware="2.3.4567")
    status, stdout, _ = record_first_round(start, path, "-a", device.address, *SOME, "--redact")
    found = items(path)

    assert status == 0
    assert "--redact" not in stdout
    assert b"SECRET" not in path.read_bytes()
    assert bytes((127, 0, 0, 1)) not in path.read_bytes()
    assert all(item.piece.valid for item in found)
    texts = {p.piece.name: p.piece.shown for p in found if p.piece.value is not None}
    assert texts["inverter_sn"].startswith("xxxxxxxx")
    assert texts["svnversion"] == "2.3.4567"


@pytest.mark.slow
def test_a_recorder_that_is_killed_leaves_a_file_that_can_be_read(start, serve, tmp_path):
    path = tmp_path / "roof.pcap"
    record_first_round(start, path, "-a", serve().address, *SOME[:2], end=signal.SIGKILL)

    assert connections(path) == 2
    assert all(item.piece.valid for item in items(path))


@pytest.mark.slow
def test_it_ends_after_the_given_time(run, serve, tmp_path):
    path = tmp_path / "roof.pcap"
    result = run("record", "-a", serve().address, "--duration", "300ms", path)

    assert result.exit_code == 0
    assert items(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.slow
def test_a_terminal_gets_to_see_how_far_it_has_come(start, serve, tmp_path):
    path = tmp_path / "roof.pcap"
    parent, child = pty.openpty()
    process = start(
        "record", "-a", serve().address, path, stderr=child, stdout=child, env={"TERM": "xterm"}
    )
    os.close(child)
    read_until(parent, "bytes received", "frames", "0 bad")
    process.send_signal(signal.SIGINT)
    read_until(parent, "connection", "--redact")
    process.communicate(timeout=60)
    os.close(parent)

    assert process.returncode == 0


@pytest.mark.slow
def test_a_file_that_is_there_is_only_replaced_on_demand(run, serve, tmp_path):
    path = tmp_path / "roof.pcap"
    path.write_text("precious")
    arguments = ("record", "-a", serve().address, "--duration", "2s", path)
    result = run(*arguments)

    assert result.exit_code == 2
    assert f"{path} is there already; --force replaces it" in result.stderr
    assert path.read_text() == "precious"
    assert run(*arguments, "--force").exit_code == 0
    assert connections(path)


@pytest.mark.slow
def test_what_is_replaced_is_readable_by_nobody_else_whatever_it_was(run, serve, tmp_path):
    path = tmp_path / "roof.pcap"
    path.write_text("precious")
    path.chmod(0o644)
    before = path.open()
    run("record", "-a", serve().address, "--duration", "2s", "--force", path)

    assert items(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with before:  # who had it open does not get to see what is recorded
        assert before.read() == "precious"
    assert [item.name for item in tmp_path.glob(".*")] == []


def test_an_old_recording_stays_when_the_device_is_not_there(run, nobody, tmp_path):
    path = tmp_path / "roof.pcap"
    path.write_text("precious")
    result = run("record", "-a", nobody, "--force", path)

    assert result.exit_code == 3
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_recording_stays_when_the_device_says_nothing(run, listener, tmp_path, monkeypatch):
    monkeypatch.setattr("rct_collector.cli.collect.SILENCE_S", 0.2)
    path = tmp_path / "roof.pcap"
    path.write_text("precious")
    result = run("record", "-a", address_of(listener), "--force", path)

    assert result.exit_code == 3
    assert f"{path} stays as it was, for the device has sent nothing" in result.stdout
    assert path.read_text() == "precious"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_refused(run, nobody, tmp_path, force, there):
    path, target = tmp_path / "roof.pcap", tmp_path / "target"
    path.symlink_to(target)
    if there:
        target.write_text("precious")
    result = run("record", "-a", nobody, path, *["--force"] * force)

    assert result.exit_code == 2
    words = "is a link, and is not followed" if force else "is there already"
    assert f"{path} {words}" in result.stderr
    assert path.is_symlink()
    assert target.exists() == there
    assert not there or target.read_text() == "precious"


def test_a_pipe_that_nobody_reads_is_told(run, nobody, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    result = run("record", "-a", nobody, "--force", path)

    assert result.exit_code == 2
    assert f"{path} cannot be written" in result.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing/roof.pcap", "cannot be written: No such file or directory"),
        (".", "is there already"),
        ("", "is no file that could be replaced"),
        ("/dev/full", "/dev/full cannot be written: No space left on device"),
    ],
)
def test_a_file_that_cannot_be_written_is_told(run, serve, tmp_path, name, words):
    force = ["--force"] if name in ("/dev/full", "") else []
    served = serve()
    result = run("record", "-a", served.address, tmp_path / name, *force)

    assert result.exit_code == 2
    assert words in result.stderr
    if name == "/dev/full":  # the unit hears of the end a moment later; it has to be there then
        bridge = served.inverter.bridge
        assert wait_for(lambda: bridge._next_client and not bridge.clients)


def test_a_device_that_is_not_there_leaves_no_file(run, nobody, tmp_path):
    path = tmp_path / "roof.pcap"
    result = run("record", "-a", nobody, path)

    assert result.exit_code == 3
    assert "cannot connect" in result.stderr
    assert not path.exists()


def test_a_device_that_says_nothing_is_told(run, listener, tmp_path, monkeypatch):
    monkeypatch.setattr("rct_collector.cli.collect.SILENCE_S", 0.2)
    path = tmp_path / "roof.pcap"
    result = run("record", "-a", address_of(listener), path)

    assert result.exit_code == 3
    assert "nothing is answered" in result.stderr
    assert connections(path) == 1


def test_only_one_device_is_recorded(run, config_file, tmp_path):
    config = config_file(roof="tcp://192.0.2.1", barn="tcp://192.0.2.2")
    result = run("record", "-c", config, tmp_path / "x.pcap")

    assert result.exit_code == 2
    assert "only one device can be recorded; --device chooses: roof, barn" in result.stderr


@pytest.mark.slow
def test_devices_that_dial_in_are_recorded(run, start, tmp_path):
    port, path = free_port(), tmp_path / "roof.pcap"
    address = f"listen://127.0.0.1:{port}"
    process = start("record", "--driver", "solaredge", "--address", address, path)
    wait_for(lambda: listening(port))
    frame = post(inverter())
    with socket.create_connection(("127.0.0.1", port), 60) as unit:
        unit.sendall(assemble(frame))
        assert unit.recv(100) == acknowledge(frame)
        process.send_signal(signal.SIGINT)
        stdout, _ = process.communicate(timeout=60)
    assert "134 bytes received, 22 sent, 1 frames, 0 bad, " in stdout
    assert run("solaredge", "monitor", path).stdout.count("7F101234") == 2
