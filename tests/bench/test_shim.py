"""What the shim costs: processor time per sample, memory, and how soon it is there."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time

import pytest

from tests.bench.in_memory import started
from tests.bench.report import report
from tests.bench.shim import end, memory_mb
from tests.plugins.agent import SHIM
from tests.scripted import ScriptedUnit

pytestmark = pytest.mark.bench

DEVICES = 100


class Tally:
    """Reads the shim's lines and counts samples, without parsing at the shim's expense."""

    def __init__(self, pipe):
        self.samples = 0
        self._pipe = os.fdopen(os.dup(pipe.fileno()), "rb")
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while line := self._pipe.readline():
            self.samples += line.split(b" ", 2)[1].count(b"=")
        self._pipe.close()


def test_cpu_of_the_code_alone():
    """The same path, from bytes to lines, on a processor that does nothing else meanwhile."""
    done = min((started("rct", DEVICES) for _ in range(3)), key=lambda one: one.seconds)
    cost = 1e6 * done.seconds / done.samples
    report(
        f"CPU of our code alone per published sample, {DEVICES} devices in memory",
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
    report(name, f"{memory:.1f} MB", goal="≤ 22 MB", reached=memory <= 22)
