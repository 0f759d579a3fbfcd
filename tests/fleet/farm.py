"""Simulated units in a process of their own, which note who has said something to them, and when.

Usage: python -m tests.fleet.farm COUNT FOLDER

Prints a port a line, then serves until its input ends. ``FOLDER/heard`` gets a line for each piece
that a unit hears: the moment (CLOCK_MONOTONIC), the number of the unit, and the process at the
other end. ``FOLDER/late`` gets by how much a timer of this process was late, and when: what a busy
machine adds to everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

from rct_collector.simulator import SimulatedInverter
from rct_collector.simulator.hub import Hub
from rct_collector.simulator.server import HubClient

#: So often a process is looked for at a time, as long as it is not known.
_LOOKS = 5

#: Seconds from one look at the clock to the next.
TICK_S = 0.05


class Noting(HubClient):
    """A connection of a unit."""

    def __init__(self, hub, unit, notes, pids):
        super().__init__(hub)
        self._unit, self._notes, self._pids = unit, notes, pids
        self._who = 0

    def connection_made(self, transport):
        self._ends = [transport.get_extra_info(end) for end in ("peername", "sockname")]
        self._look()
        super().connection_made(transport)

    def _look(self):
        """Look who it is; the kernel's list of sockets may lack one while others come and go."""
        for _ in range(_LOOKS):
            self._who = self._who or owner_of(*self._ends, self._pids())

    def data_received(self, data):
        self._look()
        self._notes.write(f"{time.monotonic():.6f} {self._unit} {self._who}\n")
        super().data_received(data)


def owner_of(peer, here, pids):
    """The process that has the other end of a connection within this host; 0 if nobody known.

    Both ends tell which connection it is: one port of ours may lead to several others at a time.
    """
    wanted = [place(peer), place(here)]
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    sockets = {f"socket:[{row[9]}]" for row in rows if row[1:3] == wanted}
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(link.readlink()) in sockets:
                        return pid
    return 0


def place(address):
    """An IPv4 address and a port as the kernel's list has them."""
    host, port = address[:2]
    return "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{port:04X}"


async def tick(late):
    """Note how late this process is."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_S
        await asyncio.sleep(TICK_S)
        late.write(f"{time.monotonic():.6f} {loop.time() - due:.6f}\n")


async def main(count, folder):
    with (folder / "heard").open("w", 1) as notes, (folder / "late").open("w", 1) as late:
        path = folder / "pids"

        def pids():
            return list(map(int, path.read_text().split())) if path.exists() else []

        loop = asyncio.get_running_loop()
        servers = []
        for unit in range(count):
            # One seed for all: the world is worked out once.
            hub = Hub(SimulatedInverter("sunny", sun=11.0).bridge)
            made = await loop.create_server(
                lambda hub=hub, unit=unit: Noting(hub, unit, notes, pids), "127.0.0.1", 0
            )
            servers.append(made)
        print("\n".join(str(made.sockets[0].getsockname()[1]) for made in servers), flush=True)
        ticking = asyncio.create_task(tick(late))
        await asyncio.to_thread(sys.stdin.read)
        ticking.cancel()
        os._exit(0)  # who still asks is not to be told


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
