"""What can happen to a fleet, done to real processes and a real etcd of three members.

Units note who asks them; so what counts is what they have heard, not what anybody says of himself.
The bounds are those of the documentation, plus what a busy machine adds to everything: the units'
process notes by how much its own timers are late.

With ``-s`` the figures are printed as a table.
"""

from __future__ import annotations

import contextlib
import math
import signal
import time

import pytest

from tests.fleet.hosts import INTERVAL_S, FleetOfHosts, Relay, Units
from tests.needs import library
from tests.processes import free_port, wait_for
from tests.servers.etcd import Cluster

library("aiohttp")

pytestmark = [pytest.mark.servers, pytest.mark.slow]

#: Seconds.
TTL = 3.0
MARGIN = 0.5

UNITS, SHARDS = 60, 64

#: Seconds. A round comes a second after the last one, and is asked a little sooner or later.
USUAL_GAP = 2 * INTERVAL_S

#: What a busy machine adds, as a multiple of how late a single timer of it was: several processes
#: have a part in everything, one after the other.
LATE = 3

#: Seconds. On a machine that is later than that, times are only printed, and not judged.
TOO_LATE_S = 1.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("etcd")) as found:
        yield found


@pytest.fixture(scope="module")
def relay(cluster):
    """The network between the host "two" and etcd."""
    with Relay(cluster.endpoints) as found:
        yield found


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, cluster):
    folder = tmp_path_factory.mktemp("fleet")
    with Units(UNITS, folder / "units") as units:
        found = FleetOfHosts(folder, cluster, units, ttl=TTL, shards=SHARDS)
        try:
            yield found
        finally:
            found.close()


@pytest.fixture(scope="module")
def hosts(fleet, relay):
    return {
        "one": fleet.host("one"),
        "two": fleet.host("two", relay.endpoints),
        "three": fleet.host("three"),
    }


@pytest.fixture(scope="module")
def table():
    """What was measured: case → words; printed at the end."""
    rows = {}
    yield rows
    print(f"\n\n{UNITS} devices, {SHARDS} shards, TTL {TTL:g} s")
    for case, words in rows.items():
        print(f"| {case} | {words} |")


@pytest.fixture
def two(fleet, hosts):
    """Two hosts that share all units, whatever was before."""
    fleet.settle(hosts["one"], hosts["two"])
    return hosts["one"], hosts["two"]


def spread(values):
    return f"{min(values):.1f}–{max(values):.1f} s"


def bound(fleet, goal, since):
    """A goal, and what the machine adds to it; none where that says more of the machine."""
    late = fleet.units.late(since)
    if late > TOO_LATE_S:
        print(f"not judged against {goal:g} s: timers of this machine were {late:.1f} s late")
        return math.inf
    return goal + LATE * late


def all_taken_over(fleet, units, pid, since):
    """Unit → seconds after a moment until another process has asked it; of all of them."""
    done = wait_for(
        lambda: len(found := fleet.taken_over(units, pid, since)) == len(units) and found, 30
    )
    assert done, fleet.trouble()
    return done


def test_etcd_is_away_at_the_start(fleet):
    """It is told where it was looked for; nobody need wait for it when the process is to end."""
    endpoint = f"http://127.0.0.1:{free_port()}"
    host = fleet.host("early", [endpoint]).start()
    said = f"WARNING: fleet: {endpoint} cannot be reached: "
    assert wait_for(lambda: said in host.log.read_text()), host.log.read_text()
    assert "no device is asked before it answers" in host.log.read_text()
    host.end()
    assert host.process.returncode == 0


def test_a_process_that_is_killed(fleet, two, table):
    one, other = two
    units = fleet.of(other)
    assert len(units) > UNITS / 4
    at = other.end(signal.SIGKILL)
    found = all_taken_over(fleet, units, other.pid, at)
    table["`kill -9`"] = f"taken over after {spread(found.values())}"
    assert max(found.values()) <= bound(fleet, TTL + 1, at)
    rest = set(range(UNITS)) - units
    assert max(fleet.gaps(at)[unit] for unit in rest) <= bound(fleet, USUAL_GAP, at)
    assert set(fleet.whose().values()) == {one.pid}


def test_a_process_that_is_told_to_end(fleet, two, table):
    _, other = two
    units = fleet.of(other)
    at = other.send(signal.SIGTERM)
    found = all_taken_over(fleet, units, other.pid, at)
    assert other.process.wait(30) == 0
    table["`SIGTERM`"] = f"taken over after {spread(found.values())}"
    assert max(found.values()) <= bound(fleet, 1.5, at)


def test_a_third_process_joins(fleet, two, hosts, table):
    before = fleet.whose()
    third = hosts["three"]
    at = time.monotonic()
    fleet.settle(*two, third)
    moved = {unit for unit, pid in fleet.whose().items() if pid != before[unit]}
    assert moved == fleet.of(third)
    assert moved
    gaps = fleet.gaps(at)
    table["a third process joins"] = (
        f"{len(moved)} of {UNITS} devices move, all to it; longest gap"
        f" {max(gaps[unit] for unit in moved):.1f} s"
    )
    assert max(gaps[unit] for unit in moved) <= bound(fleet, USUAL_GAP + 1.5, at)
    assert max(gaps[unit] for unit in gaps.keys() - moved) <= bound(fleet, USUAL_GAP, at)
    third.end()
    fleet.settle(*two)


def test_the_leader_of_etcd_is_lost(fleet, two, cluster, table):
    before = fleet.whose()
    leader = cluster.leader
    at = time.monotonic()
    leader.kill()
    lasting = time.monotonic() + TTL + 2
    assert wait_for(lambda: time.monotonic() > lasting, 30)
    gaps = fleet.gaps(at)
    table["leader of three etcd nodes killed"] = f"longest gap {max(gaps.values()):.1f} s"
    leader.__enter__()
    assert wait_for(leader.healthy)
    assert max(gaps.values()) <= bound(fleet, USUAL_GAP, at)
    assert fleet.whose() == before


def silence(cluster, seconds):
    """Have etcd be silent for a while; the moments of its begin and its end."""
    at = time.monotonic()
    with contextlib.ExitStack() as stack:
        for member in cluster.members:
            stack.enter_context(member.silent())
        assert wait_for(lambda: time.monotonic() >= at + seconds, 60)
    return at, time.monotonic()


def test_etcd_is_silent_for_less_than_the_time_to_live(fleet, two, cluster, table):
    """Keepalives come each third of it: so much of it may have passed before."""
    before = fleet.whose()
    at, back = silence(cluster, 0.3 * TTL)
    lasting = back + USUAL_GAP
    assert wait_for(lambda: time.monotonic() > lasting, 30)
    gaps = fleet.gaps(at)
    table[f"etcd silent for {0.3 * TTL:g} s"] = f"longest gap {max(gaps.values()):.1f} s"
    assert max(gaps.values()) <= bound(fleet, USUAL_GAP, at)
    assert fleet.whose() == before


def test_etcd_is_silent_for_longer(fleet, two, cluster, table):
    at, back = silence(cluster, TTL + 3)
    found = wait_for(
        lambda: len(again := fleet.taken_over(range(UNITS), 0, back)) == UNITS and again, 30
    )
    assert found, fleet.trouble()
    last = max(item.at for item in fleet.units.heard(at) if item.at < back) - at
    table[f"etcd silent for {TTL + 3:g} s"] = (
        f"last request after {last:.1f} s; back {spread(found.values())} after its return"
    )
    # Asked is only before the deadline, which a process may know of no earlier than at its begin.
    assert last <= TTL - MARGIN + LATE * fleet.units.late(at), "however busy the machine is"
    assert max(found.values()) <= bound(fleet, 2.0, back)


def test_a_process_that_is_stopped_and_goes_on(fleet, two, table):
    one, other = two
    units = fleet.of(other)
    at = other.send(signal.SIGSTOP)
    found = all_taken_over(fleet, units, other.pid, at)
    other.send(signal.SIGCONT)
    fleet.settle(one, other)
    table["process stopped beyond its TTL"] = f"taken over after {spread(found.values())}"
    assert max(found.values()) <= bound(fleet, TTL + 1, at)


def test_a_process_without_a_network_to_etcd(fleet, two, relay, table):
    """Its devices it could reach: it stops by itself, and only then does another one begin."""
    one, other = two
    units = fleet.of(other)
    at = time.monotonic()
    with relay.cut():
        found = all_taken_over(fleet, units, other.pid, at)
        last = max(h.at for h in fleet.units.heard(at) if h.pid == other.pid) - at
    fleet.settle(one, other)
    table["process cut off from etcd"] = (
        f"stops after {last:.1f} s at the latest; taken over after {spread(found.values())}"
    )
    assert last <= TTL - MARGIN + LATE * fleet.units.late(at), "however busy the machine is"
    assert max(found.values()) <= bound(fleet, TTL + 1, at)


def test_all_are_restarted_one_after_the_other(fleet, two, table):
    at = time.monotonic()
    for host in two:
        host.end()
        fleet.settle(*two)
    gaps = fleet.gaps(at)
    table["rolling restart"] = f"longest gap {max(gaps.values()):.1f} s"
    assert max(gaps.values()) <= bound(fleet, USUAL_GAP + 1.5, at)


def test_the_law(fleet, two, table):
    """Over all that has happened here: see :mod:`tests.fleet.hosts`."""
    assert wait_for(lambda: len(fleet.units.heard()) > 1100, 60), fleet.trouble()
    broken, total, unknown = fleet.violations()
    table["requests under a token after a higher one"] = (
        f"{len(broken)} of {total:,}; {unknown} more of nobody knows whom"
    )
    assert total > 1000
    assert unknown < total / 100
    assert broken == []
