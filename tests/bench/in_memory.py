"""What our own code costs, from bytes to lines: devices in memory, virtual time, no kernel.

::

    python -m tests.bench.in_memory                             # RCT, 1 and 100 devices: 10 s
    python -m tests.bench.in_memory rct --devices 1 100 1000    # half a minute
    python -m tests.bench.in_memory voltronic --devices 1 200
    python -m tests.bench.in_memory solaredge --devices 1 1000  # inverters that call one device
    python -m tests.bench.in_memory rct --devices 5 --count     # instructions, by valgrind
    python -m cProfile -s tottime -m tests.bench.in_memory rct --devices 100 --here

For each number of devices it prints the processor time per published sample and per exchange (of
SolarEdge: per record), and with ``--count`` the instructions, which no other program on the machine
changes. The least of a few runs (``--times``) is what counts of the times.

All that is ours between a line and the pipe is run as the shim runs it: sessions, polling, judging,
publishing, line protocol. Answers are made once and kept, and arrive 20 ms (RCT) after the request;
where the real loop looks for answers at intervals, so does this one. Every run does the same: the
same units, the same simulated time, the same hashes (``PYTHONHASHSEED=0``), each in a process of
its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import operator
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections import deque
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from rct_collector.adapter.lineprotocol import LineProtocol, chunks
from rct_collector.beat import EVERY_S, Beat
from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.device.options import Options
from rct_collector.loop import MANY
from tests.bench.report import markdown
from tests.virtual import START, VirtualClock, VirtualLoop

ROOT = Path(__file__).parents[2]

#: What a pipe takes at once.
ATOMIC = 4096


class Span(NamedTuple):
    """Simulated seconds before it is measured, and while it is."""

    warm_up: float
    measured: float


class Done(NamedTuple):
    """What was done while it was measured.

    Attributes:
        exchanges: Answers, or records of units that are not asked.
        samples: Published values.
        seconds: Processor time, of user and system.
    """

    exchanges: int
    samples: int
    seconds: float


class Line:
    """A line to a unit in memory; see :class:`rct_collector.transport.base.Line`."""

    def __init__(self, network, receive):
        self._network = network
        self.receive = receive

    def send(self, data):
        self._network.send(self, data)

    def pause(self):
        raise AssertionError("nothing here is so fast that it must wait")

    resume = pause

    def close(self):
        self.receive = lambda _data: None


class Network:
    """Units that answer after a fixed time, whatever is asked, each as of the same moment.

    Attributes:
        exchanges: Answers so far.
    """

    def __init__(self, loop, family):
        self.exchanges = 0
        self._loop = loop
        self._family, self._latency = family, family.latency
        self._due = deque()

    async def __call__(self, _address, receive, _lost, _timeout):
        await asyncio.sleep(0.005)
        return Line(self, receive)

    def send(self, line, data):
        answer = self._family.answers.get(data)
        if answer is None:
            answer = self._family.answers[data] = self._family.unit(data)
        if not answer:
            return
        if not self._due:
            self._loop.call_later(self._latency, self._deliver)
        self._due.append((self._loop.now + self._latency, line, answer))

    def _deliver(self):
        # A loop calls what is due within a hair, and would call this for ever.
        now, due = self._loop.now + 1e-8, self._due
        while due and due[0][0] <= now:
            _, line, answer = due[0]
            self.exchanges += 1
            line.receive(answer)  # by which more may be sent
            due.popleft()
        if due:
            self._loop.call_at(due[0][0], self._deliver)


class Polled:
    """A family whose units are asked.

    Attributes:
        latency: Seconds from a request to its answer.
        answers: Request → answer, as far as it was worked out.
    """

    def __init__(self, name, made, latency):
        self._name, self._made, self.latency = name, made, latency
        self.answers = {}

    @cached_property
    def unit(self):
        """What answers a request: bytes → bytes."""
        return self._made()

    def span(self, count):
        """Long enough for all that is learnt at the start, and for rounds of all kinds."""
        return Span(100, 300) if count <= 20 else Span(60, 20)

    def devices(self, count):
        return [
            {
                "name": f"unit{n}",
                "driver": self._name,
                "address": f"tcp://unit{n}.test:8899",
            }
            for n in range(count)
        ]

    def network(self, loop, _count):
        return Network(loop, self)


class Plant:
    """Inverters that call, each with a post of records every few seconds; no unit is asked.

    Attributes:
        exchanges: Records so far.
    """

    #: Seconds from one post of an inverter to its next.
    EVERY_S = 20.0

    def __init__(self, loop, count, seconds):
        from rct_collector.drivers.solaredge.frame import assemble
        from tests.bench.callers import OPTIMIZERS, post

        self.exchanges = 0
        self._loop, self._count, self._records = loop, count, 1 + OPTIMIZERS
        posts, began = round(seconds / self.EVERY_S) + 1, int(START) - 10_000
        self._posts = [
            [assemble(post(number, said, began)) for said in range(posts)]
            for number in range(count)
        ]

    def send(self, _line, _data):
        """An acknowledgement."""

    async def listen(self, _address, accept):
        for n in range(self._count):
            line = Line(self, None)
            line.receive, _ = accept(line)
            self._loop.call_later(self.EVERY_S * n / self._count, self._say, n, line, 0)
        return self

    def close(self):
        """Nobody calls any more."""

    def _say(self, number, line, said):
        self.exchanges += self._records
        line.receive(self._posts[number][said])
        self._loop.call_later(self.EVERY_S, self._say, number, line, said + 1)


class Called:
    """A family whose inverters call one device."""

    answers = MappingProxyType({})

    def span(self, count):
        return Span(60, 600) if count <= 20 else Span(60, 100)

    def devices(self, _count):
        return [{"name": "plant", "driver": "solaredge", "address": "listen://127.0.0.1:1"}]

    def network(self, loop, count):
        return Plant(loop, count, sum(self.span(count)))


def rct():
    """What answers a request of RCT Power: bytes → bytes."""
    from rct_collector.drivers.rct import frame
    from rct_collector.drivers.rct.simulator import RctUnit

    unit = RctUnit(sun=11.0)

    def answer(data):
        (asked,) = frame.FrameReader().feed(data)
        payload = unit.read(asked.oid, unit.start)
        if payload is None:
            return b""
        kind = frame.RESPONSE if len(payload) <= frame.LONGEST_SHORT else frame.LONG_RESPONSE
        return b"\0" + frame.assemble(kind, asked.oid, payload)

    return answer


def voltronic():
    """The same of Voltronic."""
    from rct_collector.drivers.voltronic.simulator import VoltronicUnit, framing

    unit = VoltronicUnit("sbu")
    return lambda data: framing.frame(unit.hear(data[:-1], unit.start).answer.text)


FAMILIES = {
    "rct": Polled("rct", rct, 0.02),
    "voltronic": Polled("voltronic", voltronic, 0.1),
    "solaredge": Called(),
}


class LookingLoop(VirtualLoop):
    """A virtual loop that looks for events and timers as the real one does with many devices."""

    def __init__(self, devices):
        super().__init__()
        if devices >= MANY:
            self.every = EVERY_S
            self.beat = Beat(self, pace=partial(setattr, self, "every"))
            select = self._selector.select
            self._selector.select = lambda timeout=None: select(
                self._until_a_point(timeout) if timeout else timeout
            )

    def _until_a_point(self, timeout):
        return math.ceil((self.now + timeout) / self.every - 1e-9) * self.every - self.now


class Sink:
    """Takes batches as the shim does, up to the pieces that go into the pipe.

    Attributes:
        samples: Values so far.
    """

    def __init__(self):
        self.samples = 0
        self._written = LineProtocol()

    def __call__(self, batch):
        self.samples += len(batch.values)
        chunks(self._written.lines(batch), ATOMIC)
        if batch.receipt is not None:
            batch.receipt.hold()
            batch.receipt.settle(True)  # noqa: FBT003


@contextlib.contextmanager
def looking_loop(count):
    """A virtual loop as it is for so many devices, closed at the end."""
    loop = LookingLoop(count)
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


class Work:
    """A collector at work, until it is ended.

    Attributes:
        devices: What it collects from.
    """

    def __init__(self, loop, family, count, start=START):
        """Begin as soon as the loop runs.

        Args:
            loop: The virtual loop.
            family: One of :data:`FAMILIES`.
            count: Units.
            start: Unix time at the start.
        """
        self._network, self._sink = family.network(loop, count), Sink()
        options = Options(
            clock=VirtualClock(loop, start),
            opener=self._network,
            listen=getattr(self._network, "listen", None),
            lock=False,
        )
        config = Config.parse({"devices": family.devices(count)})
        collector = Collector(config, self._sink, options)
        self.devices = collector.devices
        self._task = loop.create_task(collector.run())

    @property
    def done(self):
        """What was done so far."""
        return Done(self._network.exchanges, self._sink.samples, time.process_time())

    async def end(self):
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task


async def collect(loop, family, count, mark, start):
    """Let a collector run for a while.

    Args:
        loop: The virtual loop.
        family: One of :data:`FAMILIES`.
        count: Units.
        mark: Called when the measurement begins, and when it ends.
        start: Unix time at the start.

    Returns:
        What was done between.
    """
    span, work = family.span(count), Work(loop, family, count, start)
    await asyncio.sleep(span.warm_up)
    mark()
    before = work.done
    await asyncio.sleep(span.measured)
    after = work.done
    mark()
    await work.end()
    return Done(*map(operator.sub, after, before))


def once(name, count, mark=lambda: None, start=START):
    """One run in this process; see :func:`collect`."""
    with looking_loop(count) as loop:
        return loop.run_until_complete(collect(loop, FAMILIES[name], count, mark, start))


# ---------------------------------------------------------------- in a process of its own


def started(name, count):
    """A run in a process of its own, in which nothing depends on chance.

    Args:
        name: One of :data:`FAMILIES`.
        count: Units.

    Returns:
        What was done.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    return Done(*map(float, spoken([sys.executable], name, "--devices", str(count)).split()))


def spoken(python, *words, path=""):
    """What a run says.

    Args:
        python: The interpreter, with what is put before it.
        words: Arguments of the run.
        path: Where the interpreter looks for modules besides.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    command = [*python, "-m", "tests.bench.in_memory", *words, "--here"]
    clean = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "TZ": "UTC", "PYTHONPATH": path}
    run = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT, env=clean
    )
    return run.stdout


def row(name, count, times, *, counted):
    """Cells of a table: the least of some runs, or what valgrind counts."""
    if counted:
        done, number = count_instructions([sys.executable], [name], count)[name]
        costs = [f"{number / done.samples:,.0f}", f"{number / done.exchanges:,.0f}"]
    else:
        done = min((started(name, count) for _ in range(times)), key=lambda one: one.seconds)
        costs = [
            f"{1e6 * done.seconds / done.samples:.1f} µs",
            f"{1e6 * done.seconds / done.exchanges:.1f} µs",
        ]
    return [f"{count:,}", f"{done.samples:,.0f}", f"{done.exchanges:,.0f}", *costs]


# ---------------------------------------------------------------- under valgrind

#: Counts every instruction, wherever it runs, and simulates no caches.
VALGRIND = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "-q")


def count_instructions(python, names, count, *, path=""):
    """What runs take, all of them in one process, whose start counts for none.

    Args:
        python: The interpreter, with what is put before it.
        names: Of :data:`FAMILIES`.
        count: Units of each.
        path: Where the interpreter looks for modules besides.

    Returns:
        Name → what was done, and its instructions.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    words = [*names, "--devices", str(count), "--answers"]
    with tempfile.TemporaryDirectory() as folder:
        answers, totals = Path(folder, "answers"), Path(folder, "totals")
        totals.mkdir()
        # To work out what units say takes longer than all else, so that is done beforehand.
        spoken(python, *words, answers, path=path)
        counting = [*VALGRIND, f"--cachegrind-out-file={totals}/%p"]
        said = spoken([*counting, *python], *words, answers, "--leave-counts", path=path)
        found = sorted(map(total, totals.iterdir()))
    done = [Done(*map(float, line.split())) for line in said.splitlines()]
    spans = [end - begin for begin, end in zip(found[0:-1:2], found[1::2], strict=True)]
    return dict(zip(names, zip(done, spans, strict=True), strict=True))


def leave_count():
    """Have valgrind write down what it has counted so far: a child does so at its end."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def total(file):
    """Instructions in a file of cachegrind."""
    (line,) = (x for x in file.read_text().splitlines() if x.startswith("summary:"))
    return int(line.split()[1])


# ---------------------------------------------------------------- the command


def keep_answers(file):
    """Take from a file what units say, or write it there if there is none."""
    known = {name: family.answers for name, family in FAMILIES.items()}
    if file.exists():
        for name, answers in pickle.loads(file.read_bytes()).items():  # noqa: S301 - our own
            known[name].update(answers)
    else:
        file.write_bytes(
            pickle.dumps({name: answers for name, answers in known.items() if answers})
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("families", nargs="*", metavar="family", help=", ".join(FAMILIES))
    parser.add_argument("--devices", nargs="+", type=int, default=[1, 100])
    parser.add_argument("--times", type=int, default=2, help="runs, of which the least counts")
    parser.add_argument("--count", action="store_true", help="count instructions, by valgrind")
    parser.add_argument("--here", action="store_true", help="one run in this process; bare numbers")
    parser.add_argument("--leave-counts", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--answers", type=Path, help=argparse.SUPPRESS)
    words = parser.parse_args()
    if strange := {*words.families} - {*FAMILIES}:
        parser.error(f"{', '.join(strange)}: families are {', '.join(FAMILIES)}")
    families = words.families or ["rct"]
    if words.here:
        here(families, words)
        return
    what = "instructions" if words.count else "CPU"
    for name in families:
        each = "record" if name == "solaredge" else "exchange"
        head = [name, "samples", f"{each}s", f"{what} per sample", f"{what} per {each}"]
        rows = (row(name, n, words.times, counted=words.count) for n in words.devices)
        print(markdown(head, rows), end="\n\n")


def here(families, words):
    """Runs in this process."""
    mark = leave_count if words.leave_counts else lambda: None
    is_known = words.answers is not None and words.answers.exists()
    if is_known:
        keep_answers(words.answers)
    for name in families:
        for count in words.devices:
            print(*once(name, count, mark))
    if words.answers is not None and not is_known:
        keep_answers(words.answers)


if __name__ == "__main__":
    main()
