"""What it costs to be called by a plant: how soon each unit is acknowledged, and memory."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.bench.callers import OPTIMIZERS
from tests.bench.report import report
from tests.bench.shim import memory_mb
from tests.plugins.agent import SHIM

pytestmark = pytest.mark.bench

ROOT = Path(__file__).parents[2]
CALLERS = 1000
SECONDS = 40

#: As often as an inverter that has something to say.
EVERY_S = 20


class Lines:
    """Reads the shim's lines as Telegraf does, and counts those of optimizers."""

    def __init__(self, pipe):
        self.values = 0
        self._pipe = pipe
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        for line in self._pipe:
            self.values += line.startswith(b"inverter_optimizer,")

    def wait(self):
        self._thread.join(30)
        return self.values


@pytest.fixture
def called(tmp_path):
    """A shim that waits for callers: its process, its port, and what it writes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "config.yaml"
    config.write_text(
        f"state_dir: {tmp_path}/state\n"
        f"devices: [{{name: plant, driver: solaredge, address: 'listen://127.0.0.1:{port}'}}]\n"
    )
    process = subprocess.Popen(
        ["prlimit", "--nofile=4096", str(SHIM), "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    lines = Lines(process.stdout)
    yield process, port, lines
    process.stdin.close()
    process.wait(30)
    lines.wait()
    process.stdout.close()


def calling(port, callers, seconds, every):
    """Said, not acknowledged, and half, 99 % and all of the times in seconds."""
    numbers = map(str, (port, callers, seconds, every))
    found = subprocess.run(
        ["prlimit", "--nofile=4096", sys.executable, "-m", "tests.bench.callers", *numbers],
        capture_output=True,
        check=True,
        cwd=ROOT,
    )
    said, lost, *times = found.stdout.split()
    return int(said), int(lost), *map(float, times)


def test_a_plant_is_acknowledged_in_time_and_nothing_of_it_is_lost(called):
    process, port, lines = called
    said, lost, half, most, longest = calling(port, CALLERS, SECONDS, EVERY_S)
    memory = memory_mb(process.pid)
    process.stdin.close()
    written = lines.wait()
    report(
        f"acknowledgement of a post once it is written, {CALLERS} inverters that call one device,"
        f" {said * (1 + OPTIMIZERS) / SECONDS:.0f} records/s, {memory:.0f} MB"
        f" (half of them: {1000 * half:.0f} ms, longest: {1000 * longest:.0f} ms), 99 % within",
        f"{1000 * most:.0f} ms",
        goal="≤ 200 ms, none lost",
        reached=most <= 0.2 and lost == 0,
    )
    assert said >= CALLERS * SECONDS / EVERY_S
    assert lost == 0
    assert written == OPTIMIZERS * said, "each once"


def test_memory_with_one_caller(called):
    process, port, _ = called
    _, lost, *_ = calling(port, 1, 5, 1)
    memory = memory_mb(process.pid)
    report(
        "memory of the shim with one inverter that calls (RSS)",
        f"{memory:.1f} MB",
        goal="≤ 30 MB",
        reached=memory <= 30,
    )
    assert lost == 0
