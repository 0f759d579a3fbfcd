"""``make bench-faults``: how complete and how true the collector is on bad lines.

Usage: python -m tests.bench.faults [--driver FAMILY] [--page FILE | [--hours N] [PROFILE …]]
    [--jobs N]

Every profile of a family's simulator runs for some simulated hours with our collector, and for
comparison with a sequential client of rctclient's, or of mpp-solar's; those with the vendor's app
on the line also without any collector, to see how much the app suffers. The table is Markdown. Exit
status 1 if a goal is missed.

A unit that floods has two good ones beside it, in the same process, and what is in time is that of
the good ones. The processor time that is spent on what the three send passes in simulated time,
too, as it would on a real event loop, so the share depends on how fast this computer is.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rct_collector.drivers.rct.simulator import profiles as rct
from rct_collector.drivers.voltronic.simulator import profiles as voltronic
from tests import virtual
from tests.bench.mpp_solar import MppSolar
from tests.bench.report import keep, markdown
from tests.bench.sequential import Sequential
from tests.faulty import Account, World
from tests.faulty_voltronic import VoltronicWorld

#: Log lines per hour of an outage.
LINES_PER_HOUR = 10.0

#: Simulated hours of each run.
HOURS = 8.0

#: A night takes more than the usual time, in hours.
LONGER = {"night": 26.0}


@dataclass(frozen=True)
class Family:
    """What is measured of one.

    Attributes:
        world: Its simulated surroundings.
        profiles: Names of its profiles.
        faults: Names of profiles, seed → faults.
        goals: Profile → least share of what was due that must be published in time.
        goal: The same of all others.
        recovery_s: Longest time until there are values again after an outage.
        place: Name of its table on the page.
        peer: The client to compare with.
        together: Mixtures that tell more than their parts.
    """

    world: type[World]
    profiles: Iterable[str]
    faults: Callable[..., Any]
    goals: Mapping[str, float]
    goal: float
    recovery_s: float
    place: str
    peer: str
    together: tuple[str, ...] = ()


FAMILIES = {
    "rct": Family(
        World,
        rct.PROFILES,
        rct.faults,
        {"none": 0.9999, "app": 0.999, "harsh": 0.995, "flood": 1.0},
        0.0,
        60.0,
        "measured-faults",
        "rctclient",
        # The app suffers where requests disturb each other.
        ("app+new-firmware", "app+harsh"),
    ),
    "voltronic": Family(
        VoltronicWorld,
        voltronic.PROFILES,
        voltronic.faults,
        {"none": 1.0},
        0.99,
        30.0,
        "measured-faults-voltronic",
        "mpp-solar",
    ),
}

#: Profile whose unit has neighbours, which show what it costs others.
CROWDED = "flood"
NEIGHBOURS = ("shed", "barn")


@dataclass
class Result:
    """One run.

    Attributes:
        family: The family.
        profile: Name of the profile.
        client: Who collected.
        account: What became of everything.
        rate: Requests per second.
        others: What became of other clients' requests: (answered, asked).
    """

    family: str
    profile: str
    client: str
    account: Account = field(default_factory=Account)
    rate: float = 0.0
    others: tuple[int, int] = (0, 0)

    def missed_goals(self):
        """Words for each goal that this run of ours misses."""
        account, family, found = self.account, FAMILIES[self.family], []
        goal = family.goals.get(self.profile, family.goal)
        if account.completeness < goal:
            found.append(f"{account.completeness:.3%} in time, goal {goal:.2%}")
        if account.false:
            found.append(f"{len(account.false)} false samples: {account.false[0]}")
        if max(account.recoveries, default=0.0) > family.recovery_s:
            longest = max(account.recoveries)
            found.append(f"{longest:.0f} s to recover, goal {family.recovery_s:.0f} s")
        if account.lines_per_hour > LINES_PER_HOUR:
            found.append(f"{account.lines_per_hour:.1f} log lines per hour of outage")
        return found


def measure_neighbours(hours, seed=1):
    """Run our client on a line that floods, and on two good ones beside it."""

    async def main(loop):
        flooding = World(loop, faults=rct.faults([CROWDED], seed), seed=seed)
        good = [World(loop, seed=seed + 1 + n, name=name) for n, name in enumerate(NEIGHBOURS)]
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
        result = Result("rct", CROWDED, "ours", account)
        result.rate = flooding.device.stats.totals["requests"] / account.seconds
        return result

    return virtual.run(main)


def measure(name, profile, client, hours, seed=1):
    """Run one client on one line of a family; made to be called in another process."""
    if profile == CROWDED:
        return measure_neighbours(hours, seed)
    family = FAMILIES[name]

    async def main(loop):
        made = family.faults([] if profile == "none" else profile.split("+"), seed)
        world = family.world(loop, faults=made, seed=seed)
        result = Result(name, profile, client)
        peer = None
        if client == "ours":
            ledger, work = world.collector()
        elif client == "mpp-solar":
            ledger = peer = MppSolar(world)
            work = peer.run
        else:
            ledger = world.ledger(world.plan())
            peer = Sequential(world, world.plan(), ledger)
            work = peer.run if client == "rctclient" else world.idle
        result.account = await world.run(ledger, work, hours)
        if client == "ours":
            result.rate = world.requests / result.account.seconds
        elif client != "nobody":
            result.rate = peer.requests / result.account.seconds
        records = [fault.record for fault in made if isinstance(fault, rct.Other)]
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
    parser.add_argument(
        "--driver", choices=FAMILIES, default="rct", help="the family that is measured (rct)"
    )
    parser.add_argument("--page", type=Path, help="Markdown file that keeps the whole table")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument(
        "profiles", nargs="*", metavar="PROFILE", help="of the family; a+b is both, none is none"
    )
    options = parser.parse_args()
    family = FAMILIES[options.driver]
    names = ["none", *family.profiles]
    profiles = options.profiles or [*names, *family.together]
    clients = ("ours", family.peer, "nobody")
    unknown = {part for name in profiles for part in name.split("+")} - {*names}
    if unknown:
        parser.error(f"no such profile: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    if options.page and (options.profiles or options.hours != HOURS):
        parser.error("--page keeps the whole table, with all profiles and the usual hours")
    began = time.monotonic()
    results = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        jobs = [
            pool.submit(
                measure,
                options.driver,
                profile,
                client,
                max(options.hours, LONGER.get(profile, 0.0)),
            )
            for profile in profiles
            for client in clients
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
    ordered = [results[p, c] for p in profiles for c in clients if (p, c) in results]
    ours = [result for result in ordered if result.client == "ours"]
    wrong, answers = (sum(getattr(r.account, what) for r in ours) for what in ("wrong", "answers"))
    table = markdown(HEAD, map(row, ordered))
    table += f"\n\nOurs: {wrong} false samples in {answers} good answers."
    print(table)
    missed = [f"{r.profile}: {words}" for r in ours for words in r.missed_goals()]
    for words in missed:
        print(f"goal missed: {words}", file=sys.stderr)
    if options.page:
        keep(options.page, family.place, table)
        print(f"written: {options.page}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
