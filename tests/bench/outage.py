"""``make bench-faults``: what is left of an outage, once the collector is back.

Usage: python -m tests.bench.outage [--page FILE | PROFILE …] [--jobs N]

The collector was down for 24 hours. From its return on it is measured how many of the five-minute
values of all signals come with their own times, and how soon; whether any is not what the unit
remembers; and whether live values are missed meanwhile. Beside it, on the same unit, a reader of
the logger on rctclient's own API. The table is Markdown. Exit status 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rct_collector.device.coverage import SETTLED_S, SLOT_S, SlotRange, SlotRanges, floor
from rct_collector.device.state import VERSION, WRITER
from rct_collector.drivers import driver
from rct_collector.drivers.rct.simulator import profiles as rct
from rct_collector.model import GapOrder, PollClass
from tests import virtual
from tests.bench.report import keep, markdown
from tests.bench.timeseries import Timeseries
from tests.faulty import SETTLING_S, Account, World

#: How long the collector was down.
DOWN_S = 24 * 3600

#: Profile → simulated hours after its return, and minutes within which the goal is to be reached.
PROFILES = {"none": (1.0, 30.0), "app": (1.0, 180.0), "portal": (1.0, 180.0), "harsh": (1.5, 180.0)}

#: From a start to the second tick, in seconds: only then rounds are as regular as they are due.
START_S = 15.0

#: Share of the values that is to be restored, and of the live ones that is to be in time.
RESTORED, LIVE = 0.99, 0.999

PLACE = "measured-outage"
MEMORY = driver("rct").history
FIVE_MINUTES = tuple(q for q, kept in MEMORY.kept.items() if kept.resolution_s == SLOT_S)


@dataclass
class Result:
    """One run.

    Attributes:
        profile: Name of the profile.
        client: Who restored.
        due: Values that the unit remembers of the outage.
        restored: Those that came, by then.
        false: Values that the unit does not remember so.
        again: Values that came more than once.
        minutes: From the return until enough was restored; None for never.
        requests: Questions to the logger.
        account: What became of the live values.
        others: Other clients' requests: (answered, asked).
    """

    profile: str
    client: str
    due: int = 0
    restored: int = 0
    false: int = 0
    again: int = 0
    minutes: float | None = None
    requests: int = 0
    account: Account = field(default_factory=Account)
    others: tuple[int, int] = (0, 0)

    @property
    def share(self):
        """What was restored of what was due."""
        return self.restored / self.due

    def missed_goals(self):
        """Words for each goal that this run of ours misses."""
        _, within = PROFILES[self.profile]
        if self.minutes is None or self.minutes > within:
            yield f"{self.share:.2%} restored, goal {RESTORED:.0%} within {within:.0f} minutes"
        if self.false or self.account.false:
            yield f"{self.false} false values of the past, {self.account.wrong} of the present"
        if self.again:
            yield f"{self.again} values came twice"
        if self.account.completeness < LIVE:
            yield f"{self.account.completeness:.3%} of the live values in time, goal {LIVE:.1%}"


def remembered(world, start, end):
    """(query, Unix seconds) → raw value of what the unit remembers between two times."""
    unit = world.inverter.unit
    found = {}
    for query in FIVE_MINUTES:
        if not unit.scenario.has(query.condition):
            continue
        before = end
        while before > start:
            payload = unit.history(query.oid, before, world.clock.wall())
            rows = list(struct.iter_unpack(">If", payload[4:]))
            found.update({(query, at): value for at, value in rows if start <= at < end})
            before = min((at for at, _ in rows), default=start)
    return found


class Tally:
    """Holds what was restored to what the unit remembers.

    Times of the unit are those of this host, which is in UTC here or has no change of its clock.
    """

    def __init__(self, result, loop, due):
        self.result, self._loop, self.due = result, loop, due
        self._seen = set()
        self._since = loop.time()
        result.due = len(due)

    def __call__(self, query, at, value):
        """A value came."""
        result = self.result
        if self.due.get((query, at)) != value:
            result.false += 1
            return
        result.again += (query, at) in self._seen
        self._seen.add((query, at))
        result.restored = len(self._seen)
        if result.minutes is None and result.share >= RESTORED:
            result.minutes = (self._loop.time() - self._since) / 60


async def _ours(world, result, loop, folder, hours, down_s):
    """Our collector, which has settled before it was down."""
    ledger = world.ledger(world.plan())
    series = {
        one: (query, binding)
        for query in FIVE_MINUTES
        for binding in MEMORY.kept[query].bindings
        for one in binding.series
    }
    tallies = []
    start = floor(world.clock.wall() + SETTLING_S - SETTLED_S)

    def take(batch):
        past = [pair for pair in batch.values if pair[0].metric.poll is PollClass.HISTORY]
        if not past:
            ledger(batch)
        for one, value in past:
            if one in series and batch.time_ns < start * 10**9:
                query, binding = series[one]
                at = batch.time_ns // 10**9
                raw = tallies[0].due.get((query, at)) if tallies else None
                same = raw is not None and binding.convert(raw, None) == [value]
                tallies[0](query, at, raw if same else None)

    device = world.connect(take, state_dir=folder, restore=GapOrder.NEWEST)
    file = folder / "roof+coverage.json"
    _cover(file, SlotRange(0, floor(world.clock.wall())))

    async def main():
        before = asyncio.create_task(device.run())
        await asyncio.sleep(SETTLING_S)
        before.cancel()
        await asyncio.gather(before, return_exceptions=True)
        WRITER.finish(10.0)
        # It was down in this round, and the first one after a start is in no tick.
        world.outages.append((loop.time() - 1.0, loop.time() + START_S))
        due = remembered(world, start - down_s, start)
        tallies.append(Tally(result, loop, due))
        _cover(file, SlotRange(0, start - down_s), SlotRange(start, floor(world.clock.wall())))
        await device.run()

    result.account = await world.run(ledger, main, hours + SETTLING_S / 3600)
    result.requests = world.requests


def _cover(file, *ranges):
    """Say in a file what is covered."""
    content = {"covered": list(SlotRanges(ranges)), "version": VERSION, "driver": "rct"}
    file.write_text(json.dumps(content))


async def _timeseries(world, result, loop, hours, down_s):
    """The way of rctclient."""
    end = floor(world.clock.wall())
    tally = Tally(result, loop, remembered(world, end - down_s, end))
    queries = [q for q in FIVE_MINUTES if world.inverter.unit.scenario.has(q.condition)]
    client = Timeseries(world, queries, end - down_s, end, tally)
    await world.run(world.ledger(world.plan()), client.run, hours)
    result.requests = client.requests


def measure(profile, client, seed=1):
    """Run one client; made to be called in another process."""
    names = [] if profile == "none" else [profile]
    result = measured(names, client, hours=PROFILES[profile][0], down_s=DOWN_S, seed=seed)
    result.profile = profile
    return result


def measured(names, client, *, hours, down_s, seed):
    """The same on any line, after an outage of any length.

    Args:
        names: Profiles of the line.
        client: Who restores.
        hours: How long it is watched.
        down_s: How long it was down, in seconds.
        seed: Of the unit and its faults.
    """
    result = Result("+".join(names), client)

    async def main(loop):
        made = rct.faults(names, seed)
        options = {"history": {"since": "2d", "signals": ["*"], "events": False}}
        world = World(loop, faults=made, seed=seed, options=options)
        if client == "ours":
            with tempfile.TemporaryDirectory() as folder:
                await _ours(world, result, loop, Path(folder), hours, down_s)
        else:
            await _timeseries(world, result, loop, hours, down_s)
        records = [fault.record for fault in made if isinstance(fault, rct.Other)]
        result.others = sum(r.answered for r in records), sum(r.asked for r in records)

    virtual.run(main)
    return result


HEAD = (
    *("line", "restored by", "restored", f"{RESTORED:.0%} after", "false", "came twice"),
    *("live in time meanwhile", "others' requests answered"),
)


def _time(minutes):
    if minutes is None:
        return "never"
    return f"{minutes:.0f} min" if minutes >= 2 else f"{60 * minutes:.0f} s"


def row(result):
    """The cells of one line of the table."""
    answered, asked = result.others
    ours = result.client == "ours"
    return (
        result.profile,
        result.client,
        f"{result.share:.2%}",
        _time(result.minutes),
        f"{result.false} of {result.due}",
        f"{result.again}",
        f"{result.account.completeness:.3%}" if ours else "none",
        f"{answered / asked:.2%}" if asked else "",
    )


def main():
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--page", type=Path, help="Markdown file that keeps the whole table")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("profiles", nargs="*", metavar="PROFILE", choices=[*PROFILES, []])
    options = parser.parse_args()
    if options.page and options.profiles:
        parser.error("--page keeps the whole table, with all profiles")
    began = time.monotonic()
    runs = [(p, c) for p in options.profiles or PROFILES for c in ("ours", "rctclient")]
    results = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for result in pool.map(measure, *zip(*runs, strict=True)):
            results.append(result)
            told = f"{result.profile}, {result.client}: {result.share:.2%} restored"
            print(f"{time.monotonic() - began:5.0f} s  {told}", file=sys.stderr, flush=True)
    table = markdown(HEAD, map(row, results))
    print(table)
    missed = [
        f"{r.profile}: {words}" for r in results if r.client == "ours" for words in r.missed_goals()
    ]
    for words in missed:
        print(f"goal missed: {words}", file=sys.stderr)
    if options.page:
        keep(options.page, PLACE, table)
        print(f"written: {options.page}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
