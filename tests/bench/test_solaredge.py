"""Recorded posts of SolarEdge into lines of both kinds: speed, and memory over a gigabyte."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import threading
from time import process_time

import pytest
from click.testing import CliRunner

from rct_collector.cli.main import application
from rct_collector.drivers.solaredge.request import acknowledge
from rct_collector.drivers.solaredge.tools.monitor import Monitor
from rct_collector.drivers.solaredge.tools.reader import found_in
from rct_collector.drivers.tools import Run
from tests.bench.report import report
from tests.bench.shim import memory_mb
from tests.drivers.solaredge.tools.suite import NOON, UNIT, packed, post, record, wire

pytestmark = pytest.mark.bench

#: Messages per second that the suite reached on such input, of a two-core machine.
SUITE = 8700

PIECE = 1 << 16


def synthetic(posts):
    """What an inverter of three phases with ten optimizers says: of ten posts one has records."""
    parts, sequence = [], 0
    for n in range(posts):
        utc = NOON + 300 * n
        words = struct.pack("<3I61f", utc, 100 + n, 300, *(20.5 + (n % 97) + w for w in range(61)))
        records = [record(0x11, UNIT | 0x00800000, words + bytes(2))] + [
            packed(0x100F0000 + m, utc + m, volts=(3 * n) % 1024, output=(n + m) % 1024,
                   current=(13 * n + m) % 4096, day=(n + m) % 65536)
            for m in range(10)
        ]  # fmt: skip
        for k in range(10):
            sequence = sequence % 0xFFFF + 1
            frame = post(*(records if k == 0 else []), sequence=sequence)
            parts += wire(frame), acknowledge(frame)
    return b"".join(parts)


class Nowhere:
    """Takes lines and keeps none."""

    def write(self, data):
        pass


def runs_of(data):
    return (Run(0, None, data[n : n + PIECE]) for n in range(0, len(data), PIECE))


def test_json_lines():
    """Frames in, lines out: processor time, the best of some."""
    data = synthetic(4000)
    best = None
    for _ in range(5):
        monitor = Monitor(Nowhere(), None)
        begin = process_time()
        monitor.read(found_in(runs_of(data)))
        seconds = process_time() - begin
        best = min(seconds, best or seconds)
    assert (monitor.tally.frames, monitor.lines, monitor.trouble()) == (80_000, 4000, "")
    rate = monitor.tally.frames / best
    report(
        "SolarEdge messages of a file into JSON lines",
        f"{rate:,.0f} / s",
        f"{SUITE:,} / s (semonitor, as known)",
        f"{rate / SUITE:.1f}",
        "≥ 100,000 / s",
        reached=rate >= 100_000,
    )


def test_line_protocol(tmp_path):
    """A file in, lines out, all of the command: processor time, the best of some."""
    path, posts = tmp_path / "roof.rec", 4000
    path.write_bytes(synthetic(posts))
    best = None
    for _ in range(5):
        begin = process_time()
        result = CliRunner().invoke(application, ["read", "--format", "influx", str(path)])
        seconds = process_time() - begin
        best = min(seconds, best or seconds)
    assert result.exit_code == 0
    assert result.stdout.count("inverter_optimizer,") == 10 * posts
    assert result.stdout.count("inverter_power,") == posts
    rate = 20 * posts / best
    report(
        "SolarEdge messages of a file into line protocol",
        f"{rate:,.0f} / s",
        goal="≥ 40,000 / s",
        reached=rate >= 40_000,
    )


def test_memory():
    """A gigabyte through the command: what it holds at the end, beside what it held early on."""
    data = synthetic(2000)
    process = subprocess.Popen(
        [sys.executable, "-m", "rct_collector", "solaredge", "monitor", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    def swallow():
        while process.stdout.read(PIECE):
            pass

    read = threading.Thread(target=swallow)
    read.start()
    early = total = 0
    with contextlib.closing(process.stdin):
        while total < 10**9:
            process.stdin.write(data)
            total += len(data)
            if not early and total > 5 * 10**7:
                early = memory_mb(process.pid)
        process.stdin.flush()
        late = memory_mb(process.pid)
    read.join()
    process.stdout.close()
    assert process.wait(60) == 0
    report(
        "memory of `solaredge monitor` after 1 GB",
        f"{late:.1f} MB",
        goal="as after 50 MB, ± 1 MB",
        reached=abs(late - early) < 1,
    )
