"""``make bench-faults``: how complete and how true the collector is on bad lines.

Usage: python -m tests.bench.faults [--page FILE | [--hours N] [PROFILE …]] [--jobs N]

Every profile of the simulator runs for some simulated hours with our collector, and with a
sequential client of rctclient's for comparison; those with the vendor's app on the line also
without any collector, to see how much the app suffers. The table is Markdown. Exit status 1 if a
goal is missed.

A unit that floods has two good ones beside it, in the same process, and what is in time is that of
the good ones. The processor time that is spent on what the three send passes in simulated time,
too, as it would on a real event loop, so the share depends on how fast this computer is.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from rct_collector.device.polling.plan import plan_for
from rct_collector.drivers import driver
from rct_collector.drivers.rct.simulator.profiles import PROFILES, Other, faults
from tests import virtual
from tests.bench.report import keep, markdown
from tests.bench.sequential import Sequential
from tests.faulty import Account, World

#: Profile → least share of what was due that must be published in time.
GOALS = {"none": 0.9999, "app": 0.999, "harsh": 0.995, "flood": 1.0}

#: Longest time until there are values again after an outage, in seconds, and log lines per hour.
RECOVERY_S = 60.0
LINES_PER_HOUR = 10.0

#: Simulated hours of each run.
HOURS = 8.0

#: A night takes more than the usual time, in hours.
LONGER = {"night": 26.0}

#: Mixtures that tell more than their parts: the app suffers where requests disturb each other.
TOGETHER = ("app+new-firmware", "app+harsh")

CLIENTS = ("ours", "rctclient", "nobody")

#: Profile whose unit has neighbours, which show what it costs others.
CROWDED = "flood"
NEIGHBOURS = ("shed", "barn")


@dataclass
class Result:
    """One run.

    Attributes:
        profile: Name of the profile.
        client: Who collected.
        account: What became of everything.
        rate: Requests per second.
        others: What became of other clients' requests: (answered, asked).
    """

    profile: str
    client: str
    account: Account = field(default_factory=Account)
    rate: float = 0.0
    others: tuple[int, int] = (0, 0)

    def missed_goals(self):
        """Words for each goal that this run of ours misses."""
        account, found = self.account, []
        if account.completeness < GOALS.get(self.profile, 0.0):
            found.append(f"{account.completeness:.3%} in time, goal {GOALS[self.profile]:.2%}")
        if account.false:
            found.append(f"{len(account.false)} false samples: {account.false[0]}")
        if max(account.recoveries, default=0.0) > RECOVERY_S:
            found.append(f"{max(account.recoveries):.0f} s to recover, goal {RECOVERY_S:.0f} s")
        if account.lines_per_hour > LINES_PER_HOUR:
            found.append(f"{account.lines_per_hour:.1f} log lines per hour of outage")
        return found


def measure_neighbours(hours, seed=1):
    """Run our client on a line that floods, and on two good ones beside it."""

    async def main(loop):
        flooding = World(loop, "sunny", faults([CROWDED], seed), seed=seed)
        good = [
            World(loop, "sunny", seed=seed + 1 + n, name=name) for n, name in enumerate(NEIGHBOURS)
        ]
        runs = []
        for world in (flooding, *good):
            world.plug = virtual.Charged(loop, world.plug)
            ledger, work = world.collector()
            runs.append(world.run(ledger, work, hours))
        account, *others = await asyncio.gather(*runs)
        account.due = sum(other.due for other in others)
        account.in_time = sum(other.in_time for other in others)
        for other in others:
            account.published += other.published
            account.wrong += other.wrong
            account.false += other.false
            account.answers += other.answers
        result = Result(CROWDED, "ours", account)
        result.rate = flooding.device.stats.totals["requests"] / account.seconds
        return result

    return virtual.run(main)


def measure(profile, client, hours, seed=1):
    """Run one client on one line; made to be called in another process."""
    if profile == CROWDED:
        return measure_neighbours(hours, seed)

    async def main(loop):
        made = faults([] if profile == "none" else profile.split("+"), seed)
        world = World(loop, "sunny", made, seed=seed)
        result = Result(profile, client)
        if client == "ours":
            ledger, work = world.collector()
        else:
            plan = plan_for(driver("rct"), world.config)
            ledger = world.ledger(plan)
            sequential = Sequential(world, plan, ledger)
            work = sequential.run if client == "rctclient" else world.idle
        result.account = await world.run(ledger, work, hours)
        if client == "ours":
            result.rate = world.device.stats.totals["requests"] / result.account.seconds
        elif client == "rctclient":
            result.rate = sequential.requests / result.account.seconds
        records = [fault.record for fault in made if isinstance(fault, Other)]
        result.others = sum(r.answered for r in records), sum(r.asked for r in records)
        return result

    return virtual.run(main)


def row(result):
    """The cells of one line of the table."""
    account = result.account
    answered, asked = result.others
    seen = result.client != "nobody"
    recovery = f"{max(account.recoveries):.0f} s" if account.recoveries else ""
    return (
        result.profile,
        result.client,
        f"{account.completeness:.3%}" if seen else "",
        f"{account.wrong} of {account.published}" if seen else "",
        recovery if seen else "",
        f"{result.rate:.2f}" if seen else "",
        f"{account.lines_per_hour:.1f}" if account.outage and result.client == "ours" else "",
        f"{answered / asked:.2%}" if asked else "",
    )


def _is_of_use(client, profile):
    """Whether a run says anything."""
    if profile == CROWDED:
        return client == "ours"
    return client != "nobody" or {"app", "portal"} & {*profile.split("+")}


HEAD = (
    *("line", "collector", "in time", "false samples", "longest recovery"),
    *("requests/s", "log lines per hour of outage", "others' requests answered"),
)


def main():
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--hours", type=float, default=HOURS, help="simulated hours of each run (8)"
    )
    parser.add_argument("--page", type=Path, help="Markdown file that keeps the whole table")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    names = ["none", *PROFILES]
    parser.add_argument(
        "profiles", nargs="*", metavar="PROFILE", help=f"of {', '.join(names)}; a+b is both"
    )
    options = parser.parse_args()
    profiles = options.profiles or [*names, *TOGETHER]
    unknown = {part for name in profiles for part in name.split("+")} - {*names}
    if unknown:
        parser.error(f"no such profile: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    if options.page and (options.profiles or options.hours != HOURS):
        parser.error("--page keeps the whole table, with all profiles and the usual hours")
    began = time.monotonic()
    results = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        jobs = [
            pool.submit(measure, profile, client, max(options.hours, LONGER.get(profile, 0.0)))
            for profile in profiles
            for client in CLIENTS
            if _is_of_use(client, profile)
        ]
        for done, job in enumerate(as_completed(jobs), 1):
            result = job.result()
            results[result.profile, result.client] = result
            print(
                f"{time.monotonic() - began:5.0f} s  {done}/{len(jobs)}  {result.profile},"
                f" {result.client}: {result.account.completeness:.3%} in time",
                file=sys.stderr,
                flush=True,
            )
    ordered = [results[p, c] for p in profiles for c in CLIENTS if (p, c) in results]
    ours = [result for result in ordered if result.client == "ours"]
    wrong, answers = (sum(getattr(r.account, what) for r in ours) for what in ("wrong", "answers"))
    table = markdown(HEAD, map(row, ordered))
    table += f"\n\nOurs: {wrong} false samples in {answers} good answers."
    print(table)
    missed = [f"{r.profile}: {words}" for r in ours for words in r.missed_goals()]
    for words in missed:
        print(f"goal missed: {words}", file=sys.stderr)
    if options.page:
        keep(options.page, "measured-faults", table)
        print(f"written: {options.page}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
