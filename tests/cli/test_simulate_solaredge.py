"""``simulate`` and ``demo`` of inverters that call: they dial, and who listens hears of them."""

from __future__ import annotations

import io
import re
import signal
import socket

import pytest

from rct_collector.capture.packets import PacketReader
from rct_collector.capture.source import Source
from rct_collector.drivers import driver
from rct_collector.drivers.solaredge.crypto import UnitKey
from rct_collector.drivers.solaredge.frame import FrameReader
from rct_collector.drivers.solaredge.functions import POST, SESSION_KEY
from rct_collector.drivers.solaredge.simulator import SCENARIOS
from rct_collector.drivers.solaredge.simulator.profiles import PROFILES


def first_frames(sock, count=1):
    """What calls says first."""
    reader, found = FrameReader(), []
    while len(found) < count:
        found += reader.feed(sock.recv(4096))
    return found


@pytest.fixture
def called():
    """A port at which units can call."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        yield server


@pytest.mark.slow
def test_each_inverter_calls_by_itself_and_posts(start, called):
    port = called.getsockname()[1]
    process = start(
        "simulate", "solaredge", "--to", f"tcp://127.0.0.1:{port}", "--inverters", 2,
        "--optimizers", 3, "--sun", 12, "--seed", 7,
    )  # fmt: skip
    said = [process.stdout.readline() for _ in range(2)]
    callers = set()
    for _ in range(2):
        sock, _ = called.accept()
        with sock:
            sock.settimeout(60)
            callers.add(first_frames(sock)[0].source)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert len(callers) == 2
    assert all(f"'roofs' calls tcp://127.0.0.1:{port}" in line for line in said)
    assert process.returncode == 0
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_the_keys_of_those_that_encrypt_are_shown_as_the_configuration_takes_them(start, called):
    port = called.getsockname()[1]
    process = start(
        "simulate", "solaredge", "--to", f"tcp://127.0.0.1:{port}", "--inverters", 1, "--encrypt"
    )  # fmt: skip
    lines = [process.stdout.readline() for _ in range(3)]
    sock, _ = called.accept()
    with sock:
        sock.settimeout(60)
        (offer,) = first_frames(sock)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert lines[1] == "keys:\n"
    unit, key = re.fullmatch(r"  ([0-9A-F]{8}): ([0-9a-f]{32})\n", lines[2]).groups()
    assert (offer.function, f"{offer.source:08X}") == (SESSION_KEY, unit)
    assert UnitKey(bytes.fromhex(key)).session(offer.payload).agrees(offer.payload)


@pytest.mark.slow
def test_who_does_not_listen_yet_is_called_later(start, called):
    host, port = called.getsockname()
    called.close()
    process = start("simulate", "solaredge", "--to", f"{host}:{port}", "--inverters", 1)
    process.stdout.readline()
    with socket.create_server((host, port)) as server:
        server.settimeout(60)
        sock, _ = server.accept()
        with sock:
            sock.settimeout(60)
            assert first_frames(sock)[0].function in (POST, 0x0501)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)


@pytest.mark.slow
def test_a_bus_is_read_at_the_address_that_is_told(start, run, tmp_path):
    process = start(
        "simulate", "solaredge", "--way", "rs485", "--transport", "pty",
        "--path", tmp_path / "bus", "--inverters", 2, "--optimizers", 2, "--sun", 12,
    )  # fmt: skip
    place = re.search(r" at (serial://\S+); ", process.stdout.readline())[1]
    told = re.search(r"ends with: (\?\S+)", process.stdout.readline())[1]
    result = run("read", "--driver", "solaredge", "--address", place + told, "--format", "influx")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    units = told.partition("units=")[2].split(",")
    assert len(units) == 2
    assert f"unit={units[0]}" in result.stdout
    assert "inverter_optimizer,optimizer=" in result.stdout


def test_help_ends_with_the_address_at_which_these_units_are_read(run):
    said = run("simulate", "solaredge", "--help").stdout
    assert "rct-collector watch --driver solaredge --address listen://127.0.0.1:22222\n" in said


def test_scenarios_and_fault_profiles_are_listed(run):
    lines = run("simulate", "solaredge", "--list").stdout.splitlines()
    words = [line.split()[0] for line in lines]
    assert words == ["--scenario:", *SCENARIOS, "--faults:", *PROFILES]
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "serial:///dev/ttyUSB0"], "--to: found 'serial:///dev/ttyUSB0', expected"),
        (["--to", "tcp://:::1"], "--to: found"),
        (["--inverters", "0"], "--inverters"),
        (["--optimizers", "61"], "--optimizers"),
        (["--faults", "sabotage"], "'sabotage' is no fault profile"),
        (["--port", "4711"], "--port means nothing here: these units call, and --to says whom"),
        (["--host", "0.0.0.0"], "--host means nothing here: these units call"),
        (["--path", "x"], "--path means nothing here: these units call"),
        (["--transport", "pty"], "--transport means nothing here: these units call"),
        (
            ["--way", "rs485", "--to", "tcp://127.0.0.1:1"],
            "--to means nothing here: these units are",
        ),
        (
            ["--way", "pcap", "--path", "x", "--port", "1"],
            "--port means nothing here: these are wri",
        ),
        (["--way", "pcap"], "--path is to name the capture file"),
        (["--way", "pcap", "--path", "x", "--hours", "0"], "--hours"),
    ],
)
def test_mistakes(run, arguments, message):
    result = run("simulate", "solaredge", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("chosen", "hints"),
    [
        ({}, []),
        ({"way": "rs485"}, ["the address ends with: ?mode=master&units=7F100000,7F100001"]),
        ({"way": "passive", "encrypt": True}, ["the address ends with: ?mode=passive", "keys:"]),
        ({"encrypt": True}, ["keys:"]),
    ],
)
def test_what_the_configuration_needs_is_shown(chosen, hints):
    simulator = driver("solaredge").tools().simulator()
    said = simulator.hints("roofs", seed=0, inverters=2, **chosen)
    assert [line for line in said if not line.startswith("  ")] == hints
    assert sum(line.startswith("  ") for line in said) == (2 if chosen.get("encrypt") else 0)


def test_a_capture_file_has_as_many_hours_as_are_wanted(run, tmp_path):
    lengths = []
    for hours in (1, 3):
        path = tmp_path / f"{hours}.pcap"
        result = run(
            "simulate", "solaredge", "--way", "pcap", "--hours", hours, "--path", path,
            "--inverters", 1, "--optimizers", 2,
        )  # fmt: skip
        assert result.stdout == f"{hours} h of simulated inverters 'roofs' in {path}\n"
        packets = PacketReader(Source(io.BytesIO(path.read_bytes()), path.name))
        times = [packet.time_ns for packet in packets]
        lengths.append((max(times) - min(times)) / 3600e9)
    assert lengths == pytest.approx([1, 3], abs=0.3)


@pytest.mark.slow
def test_the_demonstration_shows_optimizers(run):
    result = run("demo", "--driver", "solaredge", "--for", "2s")
    advice = "rct-collector doctor --driver solaredge --address listen://0.0.0.0:22222 "
    assert advice in result.stdout, "who calls has no address of its own"
    assert result.exit_code == 0
    assert "inverter_optimizer,optimizer=" in result.stdout
    assert "rct-collector read --simulate --driver solaredge --format influx" in result.stdout
