"""``simulate``, ``demo`` and ``completion``."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket

import pytest
from line_protocol_parser import parse_line

from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.simulator import SCENARIOS
from rct_collector.drivers.rct.simulator.profiles import PROFILES
from tests.cli.conftest import read_until
from tests.scripted import BY_NAME

ADDRESS = re.compile(r"tcp://([\d.]+):(\d+)")


@pytest.mark.slow
def test_it_says_where_it_listens_and_answers_there_until_ctrl_c(start):
    process = start("simulate", "rct", "--port", 0, "--scenario", "two-towers", "--sun", 12)
    line = process.stdout.readline()
    host, port = ADDRESS.search(line).groups()
    item = BY_NAME["power_mng.n_batteries"]
    with socket.create_connection((host, int(port)), timeout=60) as sock:
        sock.sendall(frame.assemble(frame.READ, item.oid))
        (answer,) = frame.FrameReader().feed(sock.recv(100))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert "'two-towers'" in line
    assert answer.payload == b"\2"
    assert process.returncode == 0
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_a_terminal_gets_a_status_line(start):
    parent, child = pty.openpty()
    process = start("simulate", "rct", "--port", 0, stdout=child, env={"TERM": "xterm"})
    os.close(child)
    seen = read_until(parent, "no client yet")
    with socket.create_connection(("127.0.0.1", int(ADDRESS.search(seen)[2])), timeout=60):
        read_until(parent, "1 client, 0.0 requests/s, 0 so far")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    os.close(parent)

    assert process.returncode == 0


def test_scenarios_and_fault_profiles_are_listed(run):
    lines = run("simulate", "rct", "--list").stdout.splitlines()

    words = [line.split()[0] for line in lines]
    assert words == ["--scenario:", *SCENARIOS, "--faults:", *PROFILES]
    rows = {**SCENARIOS, **PROFILES}
    assert all(line.endswith(".") for line in lines if line.split()[0] in rows)
    assert max(map(len, lines)) <= 100


@pytest.mark.slow
def test_faults_can_be_switched_on(start):
    """Of a plant's traffic something comes by itself."""
    process = start("simulate", "rct", "--port", 0, "--faults", "plant, app", "--seed", 3)
    line = process.stdout.readline()
    host, port = ADDRESS.search(line).groups()
    with socket.create_connection((host, int(port)), timeout=60) as sock:
        reader, found = frame.FrameReader(), []
        while not any(item.command == frame.WRITE for item in found):
            found += reader.feed(sock.recv(1000))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert "'sunny' with plant, app at tcp://" in line
    assert process.returncode == 0


def test_unknown_fault_profiles_are_told_with_those_there_are(run):
    result = run("simulate", "rct", "--faults", "app,sabotage")

    assert result.exit_code == 2
    known = ", ".join(PROFILES)
    assert f"'--faults': 'sabotage' is no fault profile; known: {known}" in result.stderr


def test_a_port_that_is_taken_is_told(run, listener):
    port = listener.getsockname()[1]
    result = run("simulate", "rct", "--port", port)

    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1:{port}: address already in use" in result.stderr


@pytest.mark.parametrize(
    "arguments", [("--scenario", "moon"), ("--sun", "25"), ("--speed", "0"), ("--port", "70000")]
)
def test_mistakes(run, arguments):
    result = run("simulate", "rct", *arguments)

    assert result.exit_code == 2
    assert arguments[0] in result.stderr


# -- demo --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demonstration_has_two_parts_and_says_what_to_do_next(run):
    result = run("demo", "--for", "300ms")

    assert result.exit_code == 0
    live, protocol, after = re.split(r"\n(?:2\. One round|What to do next).*\n", result.stdout)
    assert live.startswith("\n1. The live view of a simulated inverter")
    lines = [parse_line(line) for line in protocol.splitlines() if line]
    assert {"inverter_power", "inverter_collector"} <= {line["measurement"] for line in lines}
    assert "read --address tcp://192.0.2.10:8899 " in after
    assert "config sample > config.yaml " in after


@pytest.mark.slow
def test_the_demonstration_shows_a_real_inverter_too(run, serve):
    address = serve().address
    result = run("demo", "--address", address, "--for", "100ms")

    assert result.exit_code == 0
    assert f"1. The live view of the inverter at {address}" in result.stdout
    assert f"read --address {address} --format influx" in result.stdout


def test_the_demonstration_ends_when_there_is_nothing_to_show(run, nobody):
    result = run("demo", "--address", nobody)

    assert result.exit_code == 3
    assert "2. One round" not in result.stdout


@pytest.mark.slow
def test_ctrl_c_goes_on_to_the_second_part(start):
    parent, child = pty.openpty()
    process = start("demo", stdout=child, env={"TERM": "xterm"})
    os.close(child)
    read_until(parent, "charging")
    process.send_signal(signal.SIGINT)
    seen = read_until(parent, "What to do next", "feed your monitoring.")
    process.communicate(timeout=60)
    os.close(parent)

    assert process.returncode == 0
    assert "inverter_power,source=simulated,vendor=rct" in seen


# -- completion --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --no")]
)
def test_every_shell_gets_its_script(run, shell, word):
    result = run("completion", shell)

    assert word in result.stdout
    assert "_RCT_COLLECTOR_COMPLETE" in result.stdout


def test_the_shell_is_guessed(run, monkeypatch):
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "fish" in run("completion").stdout

    monkeypatch.setenv("SHELL", "/bin/dash")
    result = run("completion")
    assert result.exit_code == 2
    assert "name the shell: bash, zsh, fish" in result.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("rct-collector re", {"read", "record", "reload", "replay"}),
        ("rct-collector record --device roof --re", {"--redact"}),
        ("rct-collector replay --p", {"--print", "--port", "--path"}),
        ("rct-collector read --simulate every", {"everything"}),
        ("rct-collector simulate rct --scenario no", {"no-backup"}),
        ("rct-collector simulate rct --faults po", {"portal"}),
        ("rct-collector simulate rct --faults plant,p", {"plant,portal"}),
        ("rct-collector read --driver ", {"rct", "voltronic", "solaredge"}),
        ("rct-collector read --format j", {"json"}),
        ("rct-collector metrics --assume sing", {"single-tower"}),
    ],
)
def test_words_are_completed(run, monkeypatch, words, expected):
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    monkeypatch.setenv("_RCT_COLLECTOR_COMPLETE", "bash_complete")
    result = run()

    assert expected == {line.partition(",")[2] for line in result.stdout.splitlines()}
