"""Many simulated inverters in a process of their own, so that their work is not ours.

Usage: python -m tests.bench.farm COUNT
Prints one port per line, then serves until stdin ends.
"""

from __future__ import annotations

import asyncio
import sys

from rct_collector.simulator import SimulatedInverter


async def main(count: int) -> None:
    """Serve ``count`` inverters."""
    servers = []
    for _ in range(count):
        # One seed for all: the world is worked out once.
        servers.append(await SimulatedInverter("sunny", sun=11.0).serve())
    for server in servers:
        print(server.port)
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
