"""What the shim costs: processor time per sample, memory, and how soon it is there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.bench.in_memory import started
from tests.bench.report import report
from tests.plugins.agent import SHIM
from tests.scripted import ScriptedUnit

pytestmark = pytest.mark.bench

ROOT = Path(__file__).parents[2]
DEVICES = 100
WARM_UP_S = 120
MEASURE_S = 50
TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process so far."""
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(parts[11]) + int(parts[12])) / TICK


def memory_mb(pid):
    """Resident memory in MB (10**6 bytes)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError("no VmRSS")


def end(process):
    """Close stdin, which is the signal to end, and wait."""
    if process.poll() is None:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


class Tally:
    """Reads the shim's lines and counts samples, without parsing at the shim's expense."""

    def __init__(self, pipe):
        self.samples = 0
        self._answers = {}
        self._pipe = os.fdopen(os.dup(pipe.fileno()), "rb")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def answers(self):
        """Answers of all devices so far, by the collector's own count."""
        return sum(self._answers.values())

    def _run(self):
        while line := self._pipe.readline():
            head, fields, _ = line.split(b" ", 2)
            self.samples += fields.count(b"=")
            if b",answers_total=" in fields:
                count = fields.partition(b",answers_total=")[2].partition(b"i")[0]
                self._answers[head] = int(count)
        self._pipe.close()


def test_cpu_per_published_sample(tmp_path):
    """At a hundred devices, beside a client that makes the same exchanges and nothing of them.

    On a virtual machine that is idle nine tenths of the time most of it is waking up, for the
    bare client as for us, so it is judged by the ratio of the two. What the code itself takes is
    judged below, by the goal.
    """
    farm = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.farm", str(DEVICES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    ports = [int(farm.stdout.readline()) for _ in range(DEVICES)]
    devices = "".join(
        f"  - {{name: unit{n}, driver: rct, address: 'tcp://127.0.0.1:{port}',"
        " history: {backfill: off, events: false}}\n"  # a week would take hours to restore
        for n, port in enumerate(ports)
    )
    config = tmp_path / "config.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\ndevices:\n{devices}")
    shim = subprocess.Popen(
        [SHIM, "--config", config], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        tally = Tally(shim.stdout)
        time.sleep(WARM_UP_S)  # discovery is over, and all classes have had their turn
        cpu, samples, answers = cpu_seconds(shim.pid), tally.samples, tally.answers()
        time.sleep(MEASURE_S)
        cpu = cpu_seconds(shim.pid) - cpu
        samples, answers = tally.samples - samples, tally.answers() - answers
        memory = memory_mb(shim.pid)
        end(shim)
        bare = subprocess.run(
            [
                sys.executable,
                "-m",
                "tests.bench.bare",
                str(answers / MEASURE_S / DEVICES),
                "20",
                *map(str, ports),
            ],
            capture_output=True,
            check=True,
            cwd=ROOT,
        )
    finally:
        for process in (shim, farm):
            end(process)
    bare_cpu, bare_answers = map(float, bare.stdout.split())
    ours = 1e6 * cpu / samples
    floor = 1e6 * bare_cpu / bare_answers * answers / samples
    report(
        f"CPU per published sample, {DEVICES} devices, {samples / MEASURE_S:.0f} samples/s,"
        f" {memory:.0f} MB",
        f"{ours:.0f} µs",
        f"bare asyncio exchange: {floor:.0f} µs",
        f"{ours / floor:.1f}",
        "≤ 20 µs",
        reached=ours <= 20,
    )
    # The goal is shown above; this keeps what was reached from getting lost.
    assert ours <= 3 * floor


def test_cpu_of_the_code_alone():
    """The same path, from bytes to lines, on a processor that does nothing else meanwhile."""
    done = min((started("rct", DEVICES) for _ in range(3)), key=lambda one: one.seconds)
    cost = 1e6 * done.seconds / done.samples
    report(
        f"the same without kernel and waiting, {DEVICES} devices in memory",
        f"{cost:.1f} µs",
        goal="≤ 12 µs",
        reached=cost <= 12,
    )


class TimedUnit(ScriptedUnit):
    """A unit on a socket that notes when it was first asked and when it last answered."""

    first_asked = 0.0
    last_answered = 0.0


def test_memory_and_start(tmp_path):
    """One device: memory after some rounds, first request after the start, first lines."""
    unit = TimedUnit()
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]

    def serve():
        client, _ = server.accept()
        number = unit.connect()
        with client:
            while data := client.recv(4096):
                now = time.monotonic()
                unit.first_asked = unit.first_asked or now
                unit.receive(number, data, now)
                for segment in unit.pull(now + 1):
                    client.sendall(segment)
                    unit.last_answered = time.monotonic()

    threading.Thread(target=serve, daemon=True).start()
    config = tmp_path / "config.yaml"
    config.write_text(
        f"state_dir: {tmp_path}/state\n"
        f"devices:\n  - {{name: roof, driver: rct, address: 'tcp://127.0.0.1:{port}',\n"
        # The unit remembers nothing: it only answers what is read of the present.
        "      history: {backfill: off}}\n"
    )
    started = time.monotonic()
    shim = subprocess.Popen(
        [SHIM, "--config", config], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        first = shim.stdout.readline()
        at = time.monotonic()
        lag = at - unit.last_answered
        begun = unit.first_asked - started
        tally = Tally(shim.stdout)
        time.sleep(45)
        memory = memory_mb(shim.pid)
    finally:
        end(shim)
        server.close()
    assert first.startswith(b"inverter_")
    assert tally.samples > 100
    begin = "first request on the wire after the start"
    report(begin, f"{begun:.2f} s", goal="≤ 0.3 s", reached=begun <= 0.3)
    first_lines = "first lines after the last answer of the fast round"
    report(first_lines, f"{lag:.3f} s", goal="≤ 0.1 s", reached=lag <= 0.1)
    name = "memory of the shim with one device (RSS)"
    report(name, f"{memory:.1f} MB", goal="≤ 26 MB", reached=memory <= 26)
