"""What the door costs: a call, the rounds of the device behind it, and memory."""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from rct_collector.control.client import Client
from rct_collector.control.door import MOST_CLIENTS
from rct_collector.control.doors import doors
from tests.bench.report import report
from tests.bench.shim import end, memory_mb
from tests.inverter import running_inverter
from tests.plugins.agent import SHIM

pytestmark = pytest.mark.bench

ROOT = Path(__file__).parents[2]
CALLS = 500
ROUND_S = 2
ROUNDS = 20


class Collecting:
    """A shim, its door, and when its rounds brought their first values.

    Attributes:
        process: The shim.
        times: Of which time the power flows are, in Unix seconds, in the order in which they came.
    """

    def __init__(self, folder, address):
        config = folder / "config.yaml"
        config.write_text(
            f"state_dir: {folder}/state\nphase: aligned\ndevices:\n"
            f"  - {{name: roof, driver: rct, address: '{address}',\n"
            f"     intervals: {{fast: {ROUND_S}s}}, history: {{backfill: off}}}}\n"
        )
        self.process = subprocess.Popen(
            [SHIM, "--config", config], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.times = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith(b"inverter_power,"):
                self.times.append(int(line.rsplit(b" ", 1)[1]) / 1e9)

    @property
    def door(self):
        while True:
            for door in doors():
                if door.pid == self.process.pid:
                    return door
            time.sleep(0.1)

    def lateness(self):
        """Seconds from the begin of each of the next rounds to the time of its first values."""
        time.sleep(1.5 * ROUND_S)  # until what was begun before is over
        begin = len(self.times)
        time.sleep(ROUNDS * ROUND_S)
        firsts = {}
        for at in self.times[begin:]:
            firsts.setdefault(at // ROUND_S, at % ROUND_S)
        return list(firsts.values())


@contextmanager
def called(name):
    """As many clients as there may be ask all the time."""
    words = [sys.executable, "-m", "tests.bench.callers_at_door", name[1:].decode()]
    process = subprocess.Popen(
        [*words, str(MOST_CLIENTS - 1)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    with process:
        assert process.stdout.readline() == b"calling\n"
        yield
        process.stdin.close()
        assert process.wait(10) == 0


def test_door_of_the_shim(tmp_path):
    """One device behind a shim of its own; the eighth client is the one that measures."""
    with running_inverter() as unit:
        collecting = Collecting(tmp_path, unit.address)
        try:
            door = collecting.door
            time.sleep(30)  # discovery is over
            alone = memory_mb(collecting.process.pid)
            quiet = collecting.lateness()
            call = asyncio.run(_call_ms(door.name))
            asked = memory_mb(collecting.process.pid)
            with called(door.name):
                busy = collecting.lateness()
        finally:
            end(collecting.process)
    report("status call at the door", f"{call:.2f} ms", goal="≤ 1 ms", reached=call <= 1)
    later = 1000 * (statistics.median(busy) - statistics.median(quiet))
    report(
        f"rounds later by, {MOST_CLIENTS - 1} clients that ask and listen all the time, median of"
        f" {ROUNDS} (longest: {1000 * (max(busy) - max(quiet)):.1f} ms)",
        f"{later:.1f} ms",
        goal="≤ 5 ms",
        reached=later <= 5,
    )
    report(
        f"memory of the shim with one device and a door that was asked (before: {alone:.1f} MB)",
        f"{asked:.1f} MB",
        goal="≤ 26 MB",
        reached=asked <= 26,
    )


async def _call_ms(name):
    async with await Client.connect(name) as client:
        times = []
        for _ in range(CALLS):
            begun = time.perf_counter()
            await client.call("status")
            times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)
