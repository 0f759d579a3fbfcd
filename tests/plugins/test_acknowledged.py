"""Units that call the shim lose nothing: what they are told was taken is in Telegraf's pipe."""

from __future__ import annotations

import contextlib
import fcntl
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.processes import wait_for
from tests.toys.shim import SHIM_WITH_TOYS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

#: Only a test that fails waits this long, in seconds.
PATIENCE_S = 60.0

PIPE_BYTES = 4096


class Plant:
    """A shim that units call, and what it has written.

    Attributes:
        lines: Of the units, in order, from all its processes.
    """

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._config = folder / "config.yaml"
        self._config.write_text(
            f"state_dir: {folder}/state\n"
            f"devices: [{{name: roof, driver: plant, address: 'listen://127.0.0.1:{self.port}'}}]\n"
        )
        self.lines = []
        self.process = None

    def start(self, *, reads=True):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SHIM_WITH_TOYS, str(self._config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout,))
        if reads:
            self.read()
        assert wait_for(self._answers)

    def read(self):
        """Begin to read what it writes."""
        self._reader.start()

    def kill(self):
        """End it as a crash does; what it has written can still be read."""
        self.process.kill()
        self.end()

    def end(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        self.process.stdout.close()

    def _answers(self):
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", self.port)) == 0

    def _read(self, pipe):
        for line in pipe:
            if line.startswith(b"inverter_power,"):
                self.lines.append(line)


class Caller:
    """A unit that keeps each record until it is acknowledged, and says it again until then.

    Attributes:
        acknowledged: Numbers of the records.
    """

    def __init__(self, port):
        self._port, self._line, self.acknowledged = port, None, []
        self._begun = int(time.time()) - 10_000

    def deliver(self, number):
        """Have a record taken, however often it takes."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError):
                if self._line is None:
                    self._line = socket.create_connection(("127.0.0.1", self._port), 1.0)
                self._line.sendall(self.record(number))
                if self._line.recv(100) == f"A1 ACK {number}\n".encode():
                    self.acknowledged.append(number)
                    return
            self.hang_up()
            time.sleep(0.05)
        raise AssertionError(f"record {number} was never acknowledged")

    def record(self, number):
        return f"{number};A1;inverter;{self._begun + number};{number}\n".encode()

    def hang_up(self):
        if self._line is not None:
            self._line.close()
        self._line = None


@pytest.fixture
def plant(tmp_path):
    made = Plant(tmp_path)
    yield made
    if made.process.poll() is None:
        made.kill()


def numbers(lines):
    """Those of the records that lines are about."""
    return [int(float(line.split(b"load_watts=")[1].split()[0])) for line in lines]


def test_nothing_is_lost_when_the_collector_is_killed(plant):
    caller = Caller(plant.port)
    plant.start()
    for number in range(150):
        if number == 50:
            plant.kill()
            assert set(numbers(plant.lines)) >= set(range(50)), "what was acknowledged was written"
            plant.start()
        if number == 100:
            again = threading.Timer(0.02, lambda: (plant.kill(), plant.start()))
            again.start()  # in the middle of whatever it does by then
        caller.deliver(number)
    again.join()
    caller.hang_up()
    plant.end()
    assert set(numbers(plant.lines)) == set(range(150))
    assert len(set(plant.lines)) == 150, "what is written twice is written alike"


def test_what_cannot_be_written_is_not_acknowledged(plant):
    plant.start(reads=False)
    caller = Caller(plant.port)
    said = b"".join(map(caller.record, range(300)))
    with socket.create_connection(("127.0.0.1", plant.port)) as line:
        line.sendall(said)
        line.settimeout(2.0)
        early = b""
        with contextlib.suppress(TimeoutError):
            while True:
                early += line.recv(4096)
        count = early.count(b"ACK")
        assert 0 < count * 80 <= 2 * PIPE_BYTES, "no more than the pipe can hold"
        line.settimeout(PATIENCE_S)
        plant.read()
        late = early
        while late.count(b"\n") < 300:
            late += line.recv(4096)
    assert late.split() == f"{' '.join(f'A1 ACK {n}' for n in range(300))}".encode().split()
    plant.end()
    assert numbers(plant.lines) == list(range(300))
