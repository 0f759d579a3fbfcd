"""Whether the shim grows: what a sample costs, and memory, over a long time.

::

    python -m tests.bench.growth                        # 1,000 units of RCT Power, an hour
    python -m tests.bench.growth --simulated            # the same in memory, in 15 minutes
    python -m tests.bench.growth --devices 100 --minutes 5 --parts 5
    python -m tests.bench.growth --page docs/performance.md

It prints a row for each part of the time, and fails when the last of them is not as cheap as the
first: the processor time by more than a tenth, or memory by more than a twentieth.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import in_memory
from tests.bench.floors import Farm
from tests.bench.report import keep, markdown
from tests.bench.shim import Measured, Reading, Spent, memory_mb
from tests.bench.test_devices import polled, written

HEAD = ("after", "CPU per sample (user + system)", "of a core", "RSS", "missed ticks", "samples/s")

#: Share by which the last part may be dearer than the first, in time and in memory.
DEARER, LARGER = 0.10, 0.05


def measured(count, warm_up_s, part_s, parts):
    """What each part of the time cost: what was spent, and memory at its end in MB.

    Args:
        count: Units.
        warm_up_s: Seconds before the first part.
        part_s: Seconds of each.
        parts: How many.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        Farm("rct", count, folder) as farm,
        Measured(written(Path(folder), polled("rct", farm.ports))) as shim,
    ):
        time.sleep(warm_up_s)
        reading = shim.begin()
        for _ in range(parts):
            time.sleep(part_s)
            before, reading = reading, shim.reading()
            yield Spent.between(before, reading), shim.memory_mb


def simulated(count, warm_up_s, part_s, parts):
    """The same without sockets: units in memory, and an hour that lasts as long as its work.

    No other program on the machine can change it by much.
    """
    with in_memory.looking_loop(count) as loop:
        work = in_memory.Work(loop, in_memory.FAMILIES["rct"], count)

        def reading():
            done = work.done
            missed = sum(device.stats.totals["ticks_missed"] for device in work.devices)
            return Reading(loop.time(), done.seconds, 0.0, done.samples, done.exchanges, missed)

        loop.run_until_complete(asyncio.sleep(warm_up_s))
        now = reading()
        for _ in range(parts):
            loop.run_until_complete(asyncio.sleep(part_s))
            before, now = now, reading()
            yield Spent.between(before, now), memory_mb(os.getpid())
        loop.run_until_complete(work.end())


def grown(found):
    """What has grown, in words; "" for nothing.

    Args:
        found: As :func:`measured` has it.
    """
    (first, early_mb), *_, (last, late_mb) = found
    words = []
    if last.sample > first.sample * (1 + DEARER):
        words.append(f"a sample takes {last.sample:.0f} µs, at first {first.sample:.0f}")
    if late_mb > early_mb * (1 + LARGER):
        words.append(f"memory is {late_mb:.0f} MB, at first {early_mb:.0f}")
    return "; ".join(words)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--parts", type=int, default=6)
    parser.add_argument("--warm-up", type=float, default=360.0, help="seconds before that")
    parser.add_argument("--simulated", action="store_true", help="in memory, as fast as it goes")
    parser.add_argument("--page", type=Path, help="page that keeps the table")
    words = parser.parse_args()
    part_s, found, rows = 60 * words.minutes / words.parts, [], []
    run = simulated if words.simulated else measured
    for spent, memory in run(words.devices, words.warm_up, part_s, words.parts):
        found.append((spent, memory))
        rows.append(
            (
                f"{len(found) * part_s / 60:.0f} min",
                f"{spent.sample:.1f} µs ({spent.user:.1f} + {spent.system:.1f})",
                f"{spent.core:.1%}", f"{memory:.1f} MB", f"{spent.missed}", f"{spent.samples:.0f}",
            )
        )  # fmt: skip
        print(*rows[-1], sep="\t", flush=True)
    trouble = grown(found)
    judged = f"It has grown: {trouble}." if trouble else "Nothing has grown."
    where = ", in memory and in simulated time" if words.simulated else ""
    table = f"{words.devices:,} units of RCT Power{where}:\n\n{markdown(HEAD, rows)}\n\n{judged}"
    print(table)
    if words.page:
        keep(words.page, "measured-growth", table)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
