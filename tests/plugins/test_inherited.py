"""What the commands inherit from whoever starts them does no harm."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from line_protocol_parser import parse_line

from rct_collector import process
from tests.processes import nobody

pytestmark = pytest.mark.slow

SHIM = Path(sys.executable).parent / "rct-collector-telegraf"
MODULE = [sys.executable, "-m", "rct_collector"]

CONFIG = f"devices: [{{name: roof, driver: rct, address: '{nobody()}'}}]\n"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\n{CONFIG}")
    return path


def started(command, **more):
    """Run a command to its end; (status, stdout, stderr)."""
    done = subprocess.run(
        [str(word) for word in command],
        **{"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60, **more},
        check=False,
    )
    return done.returncode, (done.stdout or b"").decode(), (done.stderr or b"").decode()


# -- closed, full and broken streams -----------------------------------------------------------

#: What each prints that can be had without a device.
PRINTING = [
    ["--help"],
    ["--version"],
    ["read", "--help"],
    ["metrics"],
    ["config", "sample"],
    ["completion", "bash"],
    ["decode", "2b 04"],
    ["read", "--simulate", "--only", "inverter_power.*"],
    ["read", "--simulate", "--only", "inverter_power.*", "--format", "json"],
    ["watch", "--simulate"],
    ["simulate", "rct", "--port", "0"],
]


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_output_that_finds_no_room_has_a_status_and_a_message(arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        status, _, err = started(
            [*MODULE, *arguments], stdout=full, stderr=subprocess.PIPE, capture_output=False
        )
    assert status == 6
    assert err == "Error: standard output cannot be written: No space left on device\n"


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_output_that_nobody_reads_has_a_status_that_shells_know(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        status, _, err = started(
            [*MODULE, *arguments], stdout=writer, stderr=subprocess.PIPE, capture_output=False
        )
    finally:
        os.close(writer)
    assert (status, err) == (141, "")


def test_completion_asked_by_a_shell_tells_it_too():
    environment = {
        **os.environ,
        "COMP_WORDS": "rct-collector re",
        "COMP_CWORD": "1",
        "_RCT_COLLECTOR_COMPLETE": "bash_complete",
    }
    with open("/dev/full", "w") as full:  # noqa: PTH123
        status, _, err = started(
            MODULE, stdout=full, stderr=subprocess.PIPE, capture_output=False, env=environment
        )
    assert status == 6
    assert "No space left" in err


def redirected(command, redirection):
    """A command line for a shell that closes streams."""
    return ["sh", "-c", f'exec "$@" {redirection}', "sh", *map(str, command)]


@pytest.mark.parametrize(
    ("redirection", "expected", "words"),
    [
        (">&-", 6, "Error: standard output cannot be written: Bad file descriptor\n"),
        ("<&- >&-", 6, "Error: standard output cannot be written: Bad file descriptor\n"),
        ("2>&-", 0, ""),
        ("<&- 2>&-", 0, ""),
        ("2>/dev/full", 0, ""),
        ("<&- >&- 2>&-", 6, ""),
    ],
)
def test_a_command_without_some_of_its_streams(redirection, expected, words):
    status, out, err = started(redirected([*MODULE, "config", "sample"], redirection))
    assert (status, err) == (expected, words)
    assert bool(out) == (expected == 0)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_an_error_that_cannot_be_told_has_its_status_all_the_same(redirection):
    command = [*MODULE, "config", "check", "/nonexistent"]
    assert started(redirected(command, redirection))[0] == 2


def test_input_that_is_closed_is_at_its_end():
    status, _, err = started(redirected([*MODULE, "decode", "-"], "<&-"))
    assert "Traceback" not in err
    assert status == started([*MODULE, "decode", "-"])[0]


# -- the shim ----------------------------------------------------------------------------------


@pytest.mark.parametrize("redirection", ["2>&-", "<&- 2>&-", "2>/dev/full"])
def test_no_log_line_gets_among_the_metrics(config, redirection):
    """The device is refused, which is logged; a pipe that takes the place of stderr gets that."""
    config.write_text("log_level: debug\n" + config.read_text())
    status, out, _ = started(redirected([SHIM, "--config", config], redirection))
    assert status == 0
    lines = out.splitlines()
    assert lines
    for line in lines:
        parse_line(line)


@pytest.mark.parametrize("arguments", [["--once"], ["--help"], ["--version"]], ids=" ".join)
@pytest.mark.parametrize(
    ("redirection", "words"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_metrics_that_cannot_be_written_are_no_clean_end(config, arguments, redirection, words):
    status, _, err = started(redirected([SHIM, "--config", config, *arguments], redirection))
    assert status == 1
    assert f"E! stdout cannot be written to: {words}\n" in err


def test_the_status_of_a_shim_whose_reader_is_gone_is_the_one_that_its_help_tells(config):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        status, _, err = started(
            [SHIM, "--config", config], stdout=writer, stderr=subprocess.PIPE, capture_output=False
        )
    finally:
        os.close(writer)
    assert status == 1
    assert err.endswith("E! stdout cannot be written to: Broken pipe\n")
    assert "1 stdout cannot be written to" in " ".join(started([SHIM, "--help"])[1].split())


@contextlib.contextmanager
def running(command, **more):
    """A process that does not outlive the block."""
    process = subprocess.Popen(
        [str(word) for word in command],
        **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_signals_that_the_parent_has_blocked_are_heard(config):
    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1})

    with running([SHIM, "--config", config], preexec_fn=block) as shim:  # noqa: PLW1509
        assert shim.stdout.readline()
        shim.send_signal(signal.SIGTERM)
        assert shim.wait(30) == 0


def test_input_that_somebody_made_non_blocking_is_not_at_its_end(config):
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    config.write_text(config.read_text().replace("}]", ", intervals: {fast: 1s}}]"))
    with running([SHIM, "--config", config], stdin=reader) as shim:
        os.close(reader)
        rounds = 0
        while rounds < 3:  # without input it would be one
            rounds += b"polls_total" in shim.stdout.readline()
        os.close(writer)
        shim.stdout.read()
        assert shim.wait(30) == 0


def test_output_that_somebody_made_non_blocking_arrives_whole():
    """More than the pipe holds, before anybody reads."""
    whole = started([*MODULE, "metrics"])[1]
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    os.set_blocking(writer, False)
    with running([*MODULE, "metrics"], stdout=writer) as command:
        os.close(writer)
        pieces = []
        while piece := os.read(reader, 1000):
            pieces.append(piece)
        os.close(reader)
        assert command.wait(60) == 0
        assert command.stderr.read() == b""
    assert b"".join(pieces).decode() == whole
    assert len(whole) > 4096


def test_input_comes_whole_from_a_pipe_that_somebody_made_non_blocking():
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    stream = io.BufferedReader(process.Stream(reader, "r"))

    def feed():
        for _ in range(50):
            os.write(writer, b"x" * 100)
        os.close(writer)

    thread = threading.Thread(target=feed)
    thread.start()
    assert stream.read() == b"x" * 5000
    thread.join()
    stream.detach()
    os.close(reader)


def test_a_stream_that_has_failed_says_so_once():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        raw = process.Stream(full.fileno(), "w")
        with pytest.raises(OSError, match="No space left"):
            raw.write(b"x")
        assert raw.write(b"xyz") == 3
        assert "No space left" in raw.error.strerror


# -- limits ------------------------------------------------------------------------------------


def limited(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def besides_slowness(err):
    """The messages of `--once` without the one of a busy machine, which is no matter of limits."""
    late = "W! not all devices, or not all metrics, could be brought to an end in time\n"
    return err.replace(late, "")


@contextlib.contextmanager
def crowd(tmp_path, count):
    """A configuration with so many devices, and the addresses at which each was called."""
    called = set()

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connections.append(connection)
                called.add(connection.getsockname()[0])

    connections = []
    with socket.create_server(("0.0.0.0", 0), backlog=count) as server:
        port = server.getsockname()[1]
        path = tmp_path / "crowd.yaml"
        devices = "".join(
            f"  - {{name: unit{n}, driver: rct, address: 'tcp://127.0.0.{n + 1}:{port}'}}\n"
            for n in range(count)
        )
        path.write_text(f"state_dir: {tmp_path}/state\ndevices:\n{devices}")
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield path, called
        server.shutdown(socket.SHUT_RDWR)
    thread.join(60)
    for connection in connections:
        connection.close()


def test_the_soft_limit_of_open_files_is_raised(tmp_path):
    with crowd(tmp_path, 30) as (path, called):
        status, out, err = started(
            [SHIM, "--config", path],
            preexec_fn=limited(40, 1000),  # noqa: PLW1509
        )
        assert (status, besides_slowness(err)) == (0, "")
        assert len(called) == 30
    assert len({parse_line(line)["tags"]["source"] for line in out.splitlines()}) == 30


def test_devices_that_do_not_fit_are_left_out_with_one_message(tmp_path):
    with crowd(tmp_path, 30) as (path, called):
        status, out, err = started(
            [SHIM, "--config", path],
            preexec_fn=limited(40, 40),  # noqa: PLW1509
        )
    assert status == 0
    (line,) = besides_slowness(err).splitlines()
    found = re.fullmatch(
        r"E! (\d+) of 30 devices are left out, unit(\d+) and what follows: this process may have 40"
        r" open files and needs (\d+) for 30 devices; raise that with LimitNOFILE=(\d+) in its"
        r" systemd service, or ulimit -n (\d+) where it is started",
        line,
    )
    left_out, first, needed, *again = map(int, found.groups())
    assert again == [needed, needed]
    assert first == 30 - left_out
    assert called == {f"127.0.0.{n + 1}" for n in range(first)}
    sources = {parse_line(line)["tags"]["source"] for line in out.splitlines()}
    assert sources == {f"unit{n}" for n in range(first)}
    assert first, "and some fit"
    with crowd(tmp_path, 30) as (path, called):
        status, _, err = started(
            [SHIM, "--config", path],
            preexec_fn=limited(needed, needed),  # noqa: PLW1509
        )
        assert (status, besides_slowness(err)) == (0, "")
        assert len(called) == 30, "the number that it names does"


@pytest.mark.parametrize("command", ["read", "watch"])
def test_a_command_with_too_many_devices_says_so_once(tmp_path, command):
    with crowd(tmp_path, 30) as (path, called):
        status, out, err = started(
            [*MODULE, command, "--config", path],
            preexec_fn=limited(40, 40),  # noqa: PLW1509
        )
    assert (status, out, called) == (2, "", set())
    (line,) = err.splitlines()
    assert line.startswith("Error: this process may have 40 open files and needs ")
    assert line.endswith("; or choose some of them with --device")


def test_the_limit_is_told_together_with_what_is_open():
    used, limit = process.descriptors()
    with open("/dev/null") as one:  # noqa: PTH123
        assert process.descriptors() == (used + 1, limit)
        assert one
    assert limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_limit_that_the_system_does_not_grant_is_left_alone(monkeypatch):
    def refuse(*_):
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (40, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    process.raise_limit()
