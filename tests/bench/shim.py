"""The shim as a process that is measured: what it spends, what it writes, and when."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench.floors import CLIENT, on
from tests.plugins.agent import SHIM

TICK = os.sysconf("SC_CLK_TCK")


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


def cpu_seconds(pid):
    """User and system time of a process so far.

    The system splits it by the hundredth of a second, and tells the sum by the nanosecond.
    """
    parts = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    user, system = int(parts[11]) / TICK, int(parts[12]) / TICK
    tasks = Path(f"/proc/{pid}/task").iterdir()
    exact = sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9
    share = user / (user + system) if user + system else 0.5
    return exact * share, exact * (1 - share)


class Reading(NamedTuple):
    """How things stand at one moment; two of them make a :class:`Spent`.

    Attributes:
        at: Monotonic time.
        user, system: Processor time so far, in seconds.
        samples: Values written so far.
        answers: Valid answers so far, by the collector's own count.
        missed: Rounds that did not take place, by the same.
    """

    at: float
    user: float
    system: float
    samples: int
    answers: int
    missed: int


class Measured:
    """A shim at work, on the core of clients, and whoever reads its lines.

    Attributes:
        first_line: Seconds from the start until there was one line, None until then.
        latest: The longest time that a sample took from its own time to us, in seconds, since
            :meth:`begin`.
        late: Samples since then that took longer than their interval and a second.
    """

    #: Seconds from one round to the next; what comes a second after the next one begins is late.
    INTERVAL_S = 10.0

    def __init__(self, config, core=CLIENT):
        """Start it.

        Args:
            config: Path of its configuration.
            core: Where it runs.
        """
        self.first_line, self.latest, self.late = None, 0.0, 0
        self._samples, self._counts, self._sources = 0, {}, {}
        self._started = time.monotonic()
        # The limit of open files is raised for a shim that does not do so itself.
        self.process = subprocess.Popen(
            [*on(core), "prlimit", "--nofile=8192:8192", str(SHIM), "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.pid = self.process.pid  # both only make way for it
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(30)
        self._thread.join(30)
        self.process.stdout.close()

    def begin(self):
        """Measure from now on."""
        self.latest, self.late = 0.0, 0
        return self.reading()

    def reading(self):
        """How things stand."""
        user, system = cpu_seconds(self.pid)
        counts = [*self._counts.values()]
        answers, missed = (sum(count[place] for count in counts) for place in (0, 1))
        return Reading(time.monotonic(), user, system, self._samples, answers, missed)

    @property
    def devices(self):
        """How many devices have had a line."""
        return len(self._sources)

    @property
    def last_first_line(self):
        """Seconds from the start until the last of them had its first."""
        return max(self._sources.values())

    @property
    def memory_mb(self):
        return memory_mb(self.pid)

    def _read(self):
        for line in self.process.stdout:
            now = time.monotonic() - self._started
            self.first_line = self.first_line or now
            rest, _, stamp = line.rpartition(b" ")
            head, _, fields = rest.partition(b" ")
            count = fields.count(b"=")
            self._samples += count
            took = time.time() - int(stamp) / 1e9
            self.latest = max(self.latest, took)
            if took > self.INTERVAL_S + 1:
                self.late += count
            if b",answers_total=" in fields:
                self._counts[head] = number(fields, b"answers"), number(fields, b"ticks_missed")
            source = head.partition(b",source=")[2].partition(b",")[0]
            if source not in self._sources:
                self._sources[source] = now


def number(fields, name):
    """A counter among the fields of a line; 0 if it is not there."""
    return int(fields.partition(name + b"_total=")[2].partition(b"i")[0] or 0)


class Spent(NamedTuple):
    """What was spent between two readings.

    Attributes:
        user, system: Microseconds per sample.
        exchange: Microseconds per answer.
        samples, answers: How many of each per second.
        core: Share of a core.
        missed: Rounds that did not take place.
    """

    user: float
    system: float
    exchange: float
    samples: float
    answers: float
    core: float
    missed: int

    @classmethod
    def between(cls, before, after):
        seconds = after.at - before.at
        # The system's shares may go back a little where there is little to be shared.
        user, system = max(after.user - before.user, 0), max(after.system - before.system, 0)
        samples, answers = after.samples - before.samples, after.answers - before.answers
        return cls(
            1e6 * user / samples,
            1e6 * system / samples,
            1e6 * (user + system) / max(answers, 1),
            samples / seconds,
            answers / seconds,
            (user + system) / seconds,
            after.missed - before.missed,
        )

    @property
    def sample(self):
        """Microseconds per sample, of both kinds."""
        return self.user + self.system
