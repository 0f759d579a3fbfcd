"""The command line, in this process and as a process of its own, and units to talk to."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from rct_collector.cli import collect, targets
from rct_collector.cli.main import PROGRAM, application
from rct_collector.device import inquiry
from rct_collector.drivers.rct.options import RctRequests
from tests.inverter import running_inverter

ROOT = Path(__file__).parents[2]
#: Asked without any pause, for the tests; as options of a device in a file.
QUICK = {"per_second": 50, "gap": "1ms"}
#: On a machine with too much to do an answer may take a while all the same.
_QUICKEST = RctRequests(per_second=1e5, gap=1e-5, timeout=0.25)


@pytest.fixture
def run(monkeypatch):
    """Run a command in this process; no user's configuration, a simulator without pauses."""
    monkeypatch.delenv("RCT_COLLECTOR_CONFIG", raising=False)
    monkeypatch.setattr(targets, "SIMULATED_PER_SECOND", _QUICKEST.per_second)
    monkeypatch.setattr(targets, "SIMULATED_GAP_S", _QUICKEST.gap)
    monkeypatch.setattr(inquiry, "LONGEST_S", _QUICKEST.timeout)
    monkeypatch.setattr(collect, "hurried", lambda device: replace(device, requests=_QUICKEST))
    monkeypatch.setattr(targets, "SIMULATED_LATENCY", (0.0, 0.0))
    monkeypatch.setattr(targets, "SIMULATED_RATE", 1e9)

    def invoke(*arguments, stdin=None):
        result = _runner().invoke(
            application, [str(a) for a in arguments], input=stdin, prog_name=PROGRAM
        )
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return invoke


def _runner():
    """One that keeps the two outputs apart, which newer versions of click always do."""
    try:
        return CliRunner(mix_stderr=False)
    except TypeError:
        return CliRunner()


@pytest.fixture
def start(tmp_path):
    """Start a command as a process of its own; it is gone when the test is."""
    running = []

    def popen(*arguments, **more):
        environment = {k: v for k, v in os.environ.items() if k not in _FORCING}
        environment |= {"PYTHONUNBUFFERED": "1", "HOME": str(tmp_path), **more.pop("env", {})}
        process = subprocess.Popen(
            [sys.executable, "-m", "rct_collector", *map(str, arguments)],
            **{
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "stdin": subprocess.DEVNULL,
                "text": True,
                **more,
            },
            env=environment,
            cwd=ROOT,
        )
        running.append(process)
        return process

    yield popen
    for process in running:
        process.kill()
        process.communicate()


#: What makes rich and click colour their output, or not, whatever they write to.
_FORCING = ("FORCE_COLOR", "NO_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "RCT_COLLECTOR_CONFIG")


@pytest.fixture
def serve():
    """Serve simulated inverters whose line takes no time."""
    with ExitStack() as stack:
        yield lambda scenario="sunny", **more: stack.enter_context(
            running_inverter(scenario, **{"latency": (0.0, 0.0), "rate": 1e9, **more})
        )


@pytest.fixture
def config_file(tmp_path):
    """Write a configuration with the named devices, asked without pauses."""
    import yaml

    def write(**addresses):
        devices = [
            {
                "name": name,
                "driver": "rct",
                "address": address,
                "requests": QUICK,
                "intervals": {"fast": "1s"},
            }
            for name, address in addresses.items()
        ]
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({"devices": devices}), encoding="utf-8")
        return path

    return write


@pytest.fixture
def nobody():
    """An address where nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
def listener():
    """A listening socket that says nothing; its accept() tells that somebody has come."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(60)
        yield sock


def address_of(sock):
    return f"tcp://127.0.0.1:{sock.getsockname()[1]}"


def read_all(descriptor):
    """Everything that a terminal gets to see."""
    pieces = []
    while select.select([descriptor], [], [], 60)[0]:
        try:
            data = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not data:
            break
        pieces.append(data)
    os.close(descriptor)
    return b"".join(pieces).decode()


def read_until(descriptor, *words):
    """Read what a terminal gets to see until all words were there."""
    seen = ""
    while not all(word in seen for word in words):
        seen += os.read(descriptor, 65536).decode(errors="replace")
    return seen
