"""What ours is measured beside on real sockets: simulated units, and clients that do the least.

Units are a program in C, on one core; who asks them is on another, where there are two.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench import in_memory
from tests.needs import lacking

ROOT = Path(__file__).parents[2]
SOURCES = Path(__file__).parent / "floor"
BUILT = ROOT / "build" / "bench"

#: The core of the units, and of all else that is none of the client's; and that of the client.
FARM, CLIENT = (sorted(os.sched_getaffinity(0)) * 2)[:2]

LATENCY_MS = 20

#: What every client is asked to look for answers at, in ms; 0 has it wake up for each.
AT_ONCE, LOOK = 0, 65


def program(name):
    """A program of the folder ``floor``, compiled if need be."""
    source, built = SOURCES / f"{name}.c", BUILT / name
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc") or shutil.which("gcc") or lacking("gcc, see tools/servers.py")
        BUILT.mkdir(parents=True, exist_ok=True)
        flags = "-std=gnu11", "-O2", "-Wall", "-Wextra"
        with tempfile.TemporaryDirectory(dir=BUILT) as folder:  # others may compile it as well
            subprocess.run([compiler, *flags, "-o", f"{folder}/{name}", source], check=True)
            Path(folder, name).replace(built)
    return built


def on(core):
    """What is put before a command that is to run on one core."""
    return ["taskset", "-c", str(core)]


class Heard(NamedTuple):
    """What units have noticed of whoever asked them.

    Attributes:
        requests: How many came.
        unknown: How many of them no unit knows.
        shortest_us: Shortest time between two requests of one connection, in microseconds.
        close_together: How many followed the one before sooner than after the gap.
    """

    requests: int
    unknown: int
    shortest_us: int
    close_together: int


class Farm:
    """Simulated units of one family.

    Attributes:
        ports: Where each listens, on loopback.
        heard: What they have noticed, once they are closed.
    """

    def __init__(self, family, count, folder, *, gap_ms=0.0):
        """Start them.

        Args:
            family: One of :data:`tests.bench.in_memory.FAMILIES` whose units are asked.
            count: How many.
            folder: For the table of what they answer.
            gap_ms: Least time between two requests that they are to stand.
        """
        table = Path(folder) / f"{family}.table"
        entries = answers(family).items()
        table.write_text("".join(f"{a.hex()} {b.hex() or '-'}\n" for a, b in entries))
        words = map(str, (program("farm"), count, LATENCY_MS, gap_ms, table))
        self._process = subprocess.Popen(
            [*on(FARM), *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ports = [int(self._process.stdout.readline()) for _ in range(count)]
        self.heard = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        with self._process.stdout as told:
            words = told.read().split()
        self._process.wait(10)
        self.heard = Heard(*map(int, words))


def answers(family):
    """Request → answer, of all that is asked in a while from now on, such as of today's energy."""
    found = in_memory.FAMILIES[family].answers
    if not found:
        in_memory.once(family, 1, start=time.time())
    return found


def floor(client, family, rate, ports, look_ms, *, seconds=5.0, least=0.5):
    """What a client that does the least spends on an exchange, in µs: user and system time.

    Args:
        client: ``c``, or a kind of :mod:`tests.bench.bare`.
        family: Whose units they are.
        rate: Requests per second and unit.
        ports: Where they listen.
        look_ms: :data:`AT_ONCE`, or how often it looks.
        seconds: How long it goes on.
        least: Share of what is asked that has to be answered.
    """
    command = [program("client")] if client == "c" else [sys.executable, "-m", "tests.bench.bare"]
    kind = [] if client == "c" else [client]
    request = next(asked for asked, answer in answers(family).items() if answer)
    words = map(str, (rate, seconds, look_ms, request.hex(), *ports))
    run = subprocess.run(
        [*on(CLIENT), *command, *kind, *words],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
    )
    user, system, count = map(float, run.stdout.split())
    assert count > least * rate * seconds * len(ports), "enough of what was asked was answered"
    return 1e6 * user / count, 1e6 * system / count
