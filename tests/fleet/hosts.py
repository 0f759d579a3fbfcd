"""A fleet of real processes, each on a host of its own, and what their units have heard of it.

The law: no unit ever hears a request of a lower fencing token after one of a higher. Units know no
tokens; etcd has kept who was given which, and units know who asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from rct_collector.config.fleet import FleetOptions
from rct_collector.fleet.keys import FleetKeys, number_of
from rct_collector.fleet.overview import look
from rct_collector.fleet.sharding import shard_of
from tests.processes import free_port, unmeasured, wait_for

ROOT = Path(__file__).parents[2]

#: Seconds from one round to the next: the shortest that there is.
INTERVAL_S = 1.0

#: What is asked of a unit: two values a round.
_DEVICE = (
    "{{name: {name}, driver: rct, address: 'tcp://127.0.0.1:{port}', exclude: ['*'],"
    " include: [inverter_power.grid_watts, inverter_power.load_watts],"
    " intervals: {{fast: 1s}}, history: {{backfill: off, events: false}}}}"
)


class Heard(NamedTuple):
    """A request.

    Attributes:
        at: When, in seconds of CLOCK_MONOTONIC.
        unit: Number of the unit.
        pid: Of the process that sent it.
    """

    at: float
    unit: int
    pid: int


class Units:
    """Simulated units in a process of their own, while the block runs."""

    def __init__(self, count, folder):
        self.count = count
        self.folder = folder
        self.pids = []
        folder.mkdir(parents=True)

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.farm", str(self.count), str(self.folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=unmeasured(),
        )  # fmt: skip
        self.ports = [int(self._process.stdout.readline()) for _ in range(self.count)]
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def know(self, pid):
        """Tell them of a process."""
        self.pids.append(pid)
        (self.folder / "new").write_text(" ".join(map(str, self.pids)))
        (self.folder / "new").rename(self.folder / "pids")

    @property
    def device_list(self):
        """A file with all of them."""
        rows = [_DEVICE.format(name=f"u{n}", port=port) for n, port in enumerate(self.ports)]
        return "\n".join(["devices:", *(f"- {row}" for row in rows)])

    def heard(self, since=0.0):
        """All requests, by time."""
        lines = (self.folder / "heard").read_text().splitlines()
        words = (line.split() for line in lines if line.count(" ") == 2)
        found = [Heard(float(at), int(unit), int(pid)) for at, unit, pid in words]
        return found[bisect_left(found, since, key=lambda heard: heard.at) :]

    def last(self, seconds=2.5):
        """Unit → who asked it last, of those that were asked lately."""
        return {item.unit: item.pid for item in self.heard(time.monotonic() - seconds)}

    def late(self, since):
        """By how much the farm itself was late at most, in seconds."""
        rows = [line.split() for line in (self.folder / "late").read_text().splitlines()]
        return max((float(row[1]) for row in rows if len(row) == 2 and float(row[0]) >= since),
                   default=0.0)  # fmt: skip


class Host:
    """A collector on a host of its own."""

    def __init__(self, fleet, name, endpoints):
        self.name = name
        self.folder = fleet.folder / name
        self.folder.mkdir(exist_ok=True)
        self._fleet = fleet
        self._config = self.folder / "config.yaml"
        etcd = f"etcd: [{', '.join(endpoints)}], ttl: {fleet.ttl:g}s, prefix: {fleet.prefix}"
        self._config.write_text(f"fleet: {{{etcd}}}\nstate_dir: {self.folder}\n")
        self._starts = 0
        self.process = None

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        self._starts += 1
        self.log = self.folder / f"log{self._starts}"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fleet.host", self.name, "--log-level", "info",
                 "daemon", "-c", str(self._config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, env=unmeasured(),
            )  # fmt: skip
        self._fleet.units.know(self.pid)
        self._fleet.names[self.pid] = self.name
        return self

    def send(self, number):
        """Send a signal; the moment at which."""
        os.kill(self.pid, number)
        return time.monotonic()

    def end(self, number=signal.SIGTERM):
        at = self.send(number)
        self.process.wait(30)
        return at

    @property
    def is_up(self):
        return self.process is not None and self.process.poll() is None


class FleetOfHosts:
    """Units, and the hosts that share them.

    Attributes:
        names: Process → its host.
    """

    prefix = "/rct-collector/v1"

    def __init__(self, folder, etcd, units, *, ttl, shards):
        self.folder = folder
        self.units = units
        self.ttl = ttl
        self.shard_of_unit = [shard_of(f"tcp/127.0.0.1/{port}", shards) for port in units.ports]
        self.names = {}
        self.wrong = None
        self._hosts = []
        self._etcd = etcd
        devices, config = folder / "devices.yaml", folder / "apply.yaml"
        devices.write_text(units.device_list)
        config.write_text(f"fleet: {{etcd: [{', '.join(etcd.endpoints)}]}}")
        command = [sys.executable, "-m", "rct_collector", "fleet", "apply", str(devices), "-c",
                   str(config), "--shards", str(shards)]  # fmt: skip
        subprocess.run(command, check=True, cwd=ROOT, env=unmeasured(), stdout=subprocess.DEVNULL)

    def host(self, name, endpoints=None):
        """A host, not started yet."""
        found = Host(self, name, endpoints or self._etcd.endpoints)
        self._hosts.append(found)
        return found

    def close(self):
        for host in self._hosts:
            if host.is_up:
                host.send(signal.SIGCONT)
                host.end(signal.SIGKILL)

    def ask(self, call):
        """Have the engine do something."""
        from rct_collector.fleet.etcd import Etcd

        async def main():
            etcd = Etcd(FleetOptions(etcd=self._etcd.endpoints))
            try:
                return await asyncio.wait_for(call(etcd), 60)
            finally:
                await etcd.close()

        return asyncio.run(main())

    def overview(self):
        return self.ask(lambda etcd: look(etcd, self.prefix))

    def settled(self, *hosts):
        """Whether exactly these are there, each has what it should, and asks all units of it."""
        fleet = self.overview()
        self.wrong = None
        here = sorted(member.host for member in fleet.members.values())
        if here != sorted(host.name for host in hosts) or fleet.orphaned or fleet.moving:
            return False
        pids = {host.name: host.pid for host in hosts}
        owners = [fleet.holders[shard] for shard in self.shard_of_unit]
        should = {unit: pids[fleet.members[who].host] for unit, who in enumerate(owners)}
        asked = self.units.last()
        self.wrong = {n: (pid, asked.get(n)) for n, pid in should.items() if asked.get(n) != pid}
        return not self.wrong

    def settle(self, *hosts):
        """Wait for that; start those that are not up."""
        for host in hosts:
            if not host.is_up:
                host.start()
        assert wait_for(lambda: self.settled(*hosts), 60), self.trouble()

    def trouble(self):
        """For messages: how the fleet stands, and the last words of all hosts."""
        logs = [f"{host.log}: {host.log.read_text()[-2000:]}" for host in self._hosts if host.is_up]
        wrong = f"unit: (who should ask it, who does): {self.wrong}; processes: {self.names}"
        return "\n".join([str(self.overview()), wrong, *logs])

    def whose(self):
        """Unit → process that asked it last."""
        return self.units.last()

    def of(self, host):
        """The units of a host."""
        return {unit for unit, pid in self.whose().items() if pid == host.pid}

    def taken_over(self, units, pid, since):
        """Unit → seconds after a moment until another process has asked it, as far as any has."""
        found = {}
        for item in self.units.heard(since):
            if item.unit in units and item.pid not in (0, pid):
                found.setdefault(item.unit, item.at - since)
        return found

    def gaps(self, since, until=None):
        """Unit → longest time without a request, from a moment on."""
        until = until or time.monotonic()
        last = dict.fromkeys(range(self.units.count), since)
        longest = dict.fromkeys(last, 0.0)
        ends = [Heard(until, unit, 0) for unit in last]
        for item in [*(h for h in self.units.heard(since) if h.at < until), *ends]:
            longest[item.unit] = max(longest[item.unit], item.at - last[item.unit])
            last[item.unit] = item.at
        return longest

    # -- the law -----------------------------------------------------------------------------

    def holders(self):
        """Shard → (token, process that has got its key), in the order of the tokens."""
        keys = FleetKeys(self.prefix)

        async def read(etcd):
            # Several keys may have been created at one revision, so all come before this one.
            last = await etcd.put(f"{self.prefix}/end", b"")
            changes = []
            watch = etcd.watch(self.prefix, 1)
            while not changes or changes[-1].revision < last:
                changes.append(await anext(watch))
            await watch.aclose()
            return changes

        found = defaultdict(list)
        for change in self.ask(read):
            entry = change.entry
            if entry is None:
                continue
            if change.key.startswith(keys.shards) and entry.create_revision == entry.mod_revision:
                found[number_of(change.key, keys.shards)].append(
                    (entry.create_revision, entry.value.decode())
                )
        return {
            # Its identifier is the name of the host, the number of the process, and chance.
            shard: [(token, int(who.rsplit("-", 2)[1])) for token, who in sorted(tokens)]
            for shard, tokens in found.items()
        }

    def violations(self):
        """Requests that broke the law; how many were judged; and how many of nobody knows whom.

        Of the last the kernel did not tell who had sent them, which is no process's fault.
        """
        holders = self.holders()
        place = dict.fromkeys(range(self.units.count), 0)
        broken = []
        everything = self.units.heard()
        heard = [item for item in everything if item.pid]
        for item in heard:
            tokens = holders.get(self.shard_of_unit[item.unit], [])
            name = self.names.get(item.pid, "nobody")
            # The lowest token under which it may have been sent, and which is not too low.
            later = range(place[item.unit], len(tokens))
            found = next((n for n in later if tokens[n][1] == item.pid), None)
            if found is None:
                broken.append((item, name, tokens))
            else:
                place[item.unit] = found
        return broken, len(heard), len(everything) - len(heard)


class Relay:
    """A network of its own between a host and etcd, while the block runs."""

    def __init__(self, endpoints):
        self._there = [int(endpoint.rpartition(":")[2]) for endpoint in endpoints]
        self._here = [free_port() for _ in endpoints]
        self.endpoints = tuple(f"http://127.0.0.1:{port}" for port in self._here)

    def __enter__(self):
        pairs = [f"{here}:{there}" for here, there in zip(self._here, self._there, strict=True)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fleet.relay", *pairs],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=unmeasured(),
        )  # fmt: skip
        self._process.stdout.readline()
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    @contextlib.contextmanager
    def cut(self):
        """Nothing passes while the block runs."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)
