"""What a device costs beside many others: on real sockets, beside clients that do the least.

``make bench PYTEST_ARGS=tests/bench/test_devices.py`` measures this alone; ``-k 'rct and 300'`` one
line of it. Each is measured over :data:`SECONDS`, after all was learnt: units of RCT Power are
asked more often until then. The warm-up that comes first and the time can be set, for a rough look,
by ``RCT_COLLECTOR_BENCH_SECONDS=warm-up,measured``.
"""

from __future__ import annotations

import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from rct_collector.loop import MANY
from tests.bench import in_memory
from tests.bench.callers import OPTIMIZERS
from tests.bench.floors import AT_ONCE, CLIENT, FARM, LOOK, ROOT, Farm, floor, on
from tests.bench.report import Table, report
from tests.bench.shim import Measured, Spent
from tests.processes import free_port, wait_for

pytestmark = pytest.mark.bench

#: Seconds before it is measured, in which devices learn what units have; and while it is.
WARM_UP_S, SECONDS = map(float, os.environ.get("RCT_COLLECTOR_BENCH_SECONDS", "55,20").split(","))

#: Least time between two requests to one unit of RCT Power, as it is configured, in ms; and how
#: much less it may be on the wire: a process may be kept waiting between its clock and its send.
GAP_MS, JITTER_MS = 60.0, 1.0

#: Answers a second of each unit of RCT Power by which all is learnt: five are usual.
LEARNT = 5.5

#: Where it is looked at whether all is learnt, in seconds: each time, and all of them together.
LOOK_S, LONGEST_S = 10, 240

#: Goals: units → µs of processor time per sample.
GOALS = {10: 65, 100: 27, 1000: 18}

#: What RctMon was seen to spend on a sample, where it cannot be installed, in µs.
RCTMON_US = 230

COSTS = Table(
    "devices",
    (
        "RCT Power units", "CPU per sample (user + system)", "per exchange", "samples/s",
        "of a core", "RSS", "missed ticks", "latest sample", "late by > 1 s", "shortest gap",
        "first line (of all)",
    ),
)  # fmt: skip
FLOORS = Table(
    "floors",
    (
        "RCT Power units", "rct-collector", "our code alone, in memory", "C, epoll, at once",
        "C, epoll, looks", "Python, epoll, looks", "asyncio Protocol, looks",
        "asyncio BufferedProtocol and `send`, looks",
        "what is left for cold caches and waking up",
    ),
)  # fmt: skip
FAMILIES = Table(
    "families",
    (
        "units", "CPU per sample (user + system)", "per exchange or record",
        "beside BufferedProtocol", "of a core", "RSS", "missed ticks", "latest sample",
    ),
)  # fmt: skip


@pytest.fixture(autouse=True)
def beside_the_units():
    """Whoever reads the lines is on the core of the units, and in nobody's way."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {FARM})
    yield
    os.sched_setaffinity(0, before)


def device(family, number, address, **more):
    return {"name": f"{family}{number}", "driver": family, "address": address, **more}


def polled(family, ports):
    """Configurations of units that are asked."""
    # A week would take hours to restore.
    more = {"history": {"backfill": "off", "events": False}} if family == "rct" else {}
    return [device(family, n, f"tcp://127.0.0.1:{port}", **more) for n, port in enumerate(ports)]


def written(folder, devices, shard=""):
    """The path of a configuration."""
    path, more = folder / "config.yaml", {"shard": shard} if shard else {}
    # JSON is YAML, too.
    path.write_text(json.dumps({"state_dir": str(folder / "state"), "devices": devices, **more}))
    return path


class Seen(NamedTuple):
    """What came of a run.

    Attributes:
        spent: What it cost.
        memory_mb: At its end.
        first_line, last_first_line: Seconds until there was one line, and one of each device.
        latest: Longest time from a sample's own to us, in seconds.
        late: Samples that came a second after their interval, or later.
        devices: How many have had lines.
    """

    spent: Spent
    memory_mb: float
    first_line: float
    last_first_line: float
    latest: float
    late: int
    devices: int


class Run(NamedTuple):
    """What is to be seen.

    Attributes:
        folder: For its configuration and its state.
        devices: What is configured.
        around: Makes what goes on meanwhile.
        warm_up_s: Seconds before it is measured.
        most: Answers a second of each device by which all is learnt.
        shard: Which share of the devices is its own; "" for all.
        core: Where it runs.
    """

    folder: Path
    devices: list
    around: Callable = nullcontext
    warm_up_s: float = WARM_UP_S
    most: float = math.inf
    shard: str = ""
    core: int = CLIENT


def seen(*runs):
    """Let shims run, all at once."""
    with ExitStack() as stack:
        shims = []
        for run in runs:
            config = written(run.folder, run.devices, run.shard)
            shims.append(stack.enter_context(Measured(config, run.core)))
            stack.enter_context(run.around())
        time.sleep(max(run.warm_up_s for run in runs))
        for run, shim in zip(runs, shims, strict=True):
            if run.most < math.inf:
                wait_until_learnt(shim, run.most * shim.devices)
        before = [shim.begin() for shim in shims]
        time.sleep(SECONDS)
        after = [(shim.reading(), shim.memory_mb, shim.latest, shim.late) for shim in shims]
    return [
        Seen(
            Spent.between(begun, reading),
            memory,
            shim.first_line,
            shim.last_first_line,
            latest,
            late,
            shim.devices,
        )
        for shim, begun, (reading, memory, latest, late) in zip(shims, before, after, strict=True)
    ]


def wait_until_learnt(shim, most):
    """Wait until units are asked as often as they always will be, which the warm-up may not do.

    Args:
        shim: Who asks them.
        most: Answers a second by which all is learnt.
    """
    for _ in range(0, LONGEST_S, LOOK_S):
        before = shim.reading()
        time.sleep(LOOK_S)
        if Spent.between(before, shim.reading()).answers <= most:
            return
    raise AssertionError(f"{shim.devices} units are asked too often after {LONGEST_S} s")


# One or a few units need so little that none is in the way of the other.
@pytest.mark.parametrize(
    "counts", [(1, 10), (100,), (300,), (1000,)], ids=lambda counts: "-".join(map(str, counts))
)
def test_rct(counts, tmp_path):
    with ExitStack() as stack:
        farms, runs = [], []
        for count in counts:
            folder = tmp_path / str(count)
            folder.mkdir()
            farm = Farm("rct", count, folder, gap_ms=GAP_MS - JITTER_MS)
            farms.append(stack.enter_context(farm))
            runs.append(Run(folder, polled("rct", farm.ports), most=LEARNT))
        found = seen(*runs)
    for count, one, farm in zip(counts, found, farms, strict=True):
        show(count, one, farm.heard, tmp_path)


@cache
def alone(count):
    """The same in memory: what was done, in which time; with more units it is the same work."""
    return in_memory.started("rct", count)


def show(count, found, heard, folder):
    """Add what was seen to all tables."""
    spent = found.spent
    assert heard.unknown == 0, "units know all that they are asked"
    assert found.devices == count, "all of them have lines"
    least = floors("rct", count, spent.answers / count, folder)
    done = alone(min(count, 100))
    alone_us = 1e6 * done.seconds / done.exchanges
    COSTS.add(
        f"{count:,}", two(spent), f"{spent.exchange:.0f} µs", f"{spent.samples:.0f}",
        f"{spent.core:.1%}", f"{found.memory_mb:.0f} MB", f"{spent.missed}",
        f"{found.latest:.1f} s", f"{found.late}", f"{heard.shortest_us / 1000:.0f} ms",
        f"{found.first_line:.1f} s ({found.last_first_line:.1f} s)",
    )  # fmt: skip
    FLOORS.add(
        f"{count:,}", f"{spent.exchange:.0f} µs", f"{alone_us:.0f} µs",
        *(f"{us:.0f} µs" for us in least.values()),
        f"{spent.exchange - alone_us - least[BUFFERED]:.0f} µs",
    )  # fmt: skip
    if count in GOALS:
        judge(count, found, least[BUFFERED], done)
    if count == max(GOALS):
        judge_all_else(count, found, heard)


def test_processes(tmp_path):
    """Twice as many as are meant for one, in two processes by shard, each on a core."""
    count, runs = 2000, []
    with Farm("rct", count, tmp_path, gap_ms=GAP_MS - JITTER_MS) as farm:
        for n, core in enumerate((CLIENT, FARM)):
            folder = tmp_path / str(n)
            folder.mkdir()
            devices = polled("rct", farm.ports)
            runs.append(Run(folder, devices, most=LEARNT, shard=f"{n}/2", core=core))
        found = seen(*runs)
    spent = [one.spent for one in found]
    assert sum(one.devices for one in found) == count, "each by one of them"
    report(
        f"CPU per published sample, {count:,} RCT Power units in two processes by shard, which have"
        f" a core each, one of them with the units; {sum(one.samples for one in spent):.0f}"
        f" samples/s",
        " and ".join(f"{one.sample:.0f} µs" for one in spent)
        + f", {' and '.join(f'{one.core:.0%}' for one in spent)} of a core,"
        f" {' and '.join(f'{one.memory_mb:.0f}' for one in found)} MB",
    )
    wrong = (
        sum(one.missed for one in spent),
        sum(one.late for one in found),
        farm.heard.close_together,
    )
    report(
        "rounds that they missed, samples late by more than 1 s, gaps that are too short",
        ", ".join(map(str, wrong)),
        goal="0, 0, 0",
        reached=not any(wrong),
    )


def judge(count, found, least, done):
    """Hold what a sample costs, and an exchange, against their goals."""
    spent, goal = found.spent, GOALS[count]
    per_exchange = spent.samples / spent.answers
    report(
        f"CPU per published sample, {count:,} RCT Power units, {spent.samples:.0f} samples/s",
        f"{spent.sample:.0f} µs",
        f"asyncio with BufferedProtocol: {least / per_exchange:.0f} µs;"
        f" our code alone: {1e6 * done.seconds / done.samples:.0f} µs;"
        f" RctMon, as known: {RCTMON_US} µs",
        f"{least / per_exchange / spent.sample:.2f}",
        f"≤ {goal} µs",
        reached=spent.sample <= goal,
    )
    report(
        f"the same per exchange, {count:,} units",
        f"{spent.exchange:.0f} µs",
        f"asyncio with BufferedProtocol: {least:.0f} µs",
        f"{least / spent.exchange:.2f}",
        "≤ 3 × that",
        reached=spent.exchange <= 3 * least,
    )


def judge_all_else(count, found, heard):
    """Hold memory, what was missed or late, and gaps against their goals."""
    report(
        f"memory of the shim with {count:,} units (RSS)",
        f"{found.memory_mb:.0f} MB",
        goal="≤ 60 MB",
        reached=found.memory_mb <= 60,
    )
    wrong = found.spent.missed, found.late, heard.close_together
    report(
        f"rounds missed, samples late by more than 1 s, gaps shorter than {GAP_MS:.0f} ms by more"
        f" than {JITTER_MS:.0f}, {count:,} units, {SECONDS:.0f} s",
        ", ".join(map(str, wrong)),
        goal="0, 0, 0",
        reached=not any(wrong),
    )
    first = found.last_first_line
    report(
        f"first line of the last of {count:,} units after the start",
        f"{first:.1f} s",
        goal="≤ 2 s",
        reached=first <= 2,
    )


BUFFERED = "buffered"


def floors(family, count, rate, folder):
    """Client → µs of processor time per exchange, at the rate at which ours asks.

    A client of a few units wakes up for each answer, as ours does, since that is cheaper there.
    """
    look = LOOK if count >= MANY else AT_ONCE
    with Farm(family, count, folder) as farm:
        return {
            name: sum(floor(client, family, rate, farm.ports, every, seconds=SECONDS / 6))
            for name, client, every in (
                ("c at once", "c", AT_ONCE), ("c", "c", look), ("epoll", "epoll", look),
                ("protocol", "protocol", look), (BUFFERED, BUFFERED, look),
            )
        }  # fmt: skip


def two(spent):
    return f"{spent.sample:.0f} µs ({spent.user:.0f} + {spent.system:.0f})"


# ---------------------------------------------------------------- other families


def beside(name, found, least):
    """Add a row of other families."""
    spent = found.spent
    FAMILIES.add(
        name, two(spent), f"{spent.exchange:.0f} µs", f"{least:.0f} µs" if least else "",
        f"{spent.core:.1%}", f"{found.memory_mb:.0f} MB", f"{spent.missed}",
        f"{found.latest:.1f} s",
    )  # fmt: skip


VOLTRONIC, CALLERS = 200, 1000


def test_voltronic(tmp_path):
    with Farm("voltronic", VOLTRONIC, tmp_path) as farm:
        devices = polled("voltronic", farm.ports)
        (found,) = seen(Run(tmp_path, devices, warm_up_s=WARM_UP_S / 2))
    assert farm.heard.unknown == 0, "units know all that they are asked"
    rate = found.spent.answers / VOLTRONIC
    with Farm("voltronic", VOLTRONIC, tmp_path) as farm:
        least = sum(floor(BUFFERED, "voltronic", rate, farm.ports, LOOK))
    beside(f"{VOLTRONIC} of Voltronic, at TCP", found, least)


def is_open(port):
    """Whether somebody listens there."""
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def calling(port, count):
    """Inverters of SolarEdge that call; each posts every 20 s."""
    assert wait_for(lambda: is_open(port), 30)
    command = "tests.bench.callers", str(port), str(count), "3600", "20"
    process = subprocess.Popen(
        [*on(FARM), "prlimit", "--nofile=4096:", sys.executable, "-m", *command], cwd=ROOT
    )
    try:
        yield
        assert process.poll() is None, "inverters went on calling"
    finally:
        process.kill()
        process.wait(10)


def test_solaredge(tmp_path):
    port = free_port()
    plant = device("solaredge", 0, f"listen://127.0.0.1:{port}")
    (found,) = seen(Run(tmp_path, [plant], lambda: calling(port, CALLERS), WARM_UP_S / 2))
    records = CALLERS / 20 * (1 + OPTIMIZERS)
    # What was answered is of no meaning here: what counts is records.
    spent = found.spent
    spent = spent._replace(exchange=1e6 * spent.core / records, answers=records)
    beside(f"{CALLERS:,} of SolarEdge that call one device", found._replace(spent=spent), 0)


def test_three_families(tmp_path):
    port, few = free_port(), 100
    with Farm("rct", few, tmp_path) as rct, Farm("voltronic", few, tmp_path) as voltronic:
        plant = device("solaredge", 0, f"listen://127.0.0.1:{port}")
        devices = [*polled("rct", rct.ports), *polled("voltronic", voltronic.ports), plant]
        (found,) = seen(Run(tmp_path, devices, lambda: calling(port, few)))
    assert rct.heard.unknown == voltronic.heard.unknown == 0, "units know all that they are asked"
    spent = found.spent
    records = few / 20 * (1 + OPTIMIZERS)
    both = spent.answers + records
    spent = spent._replace(exchange=spent.exchange * spent.answers / both, answers=both)
    beside(f"{few} of each of the three families in one process", found._replace(spent=spent), 0)
