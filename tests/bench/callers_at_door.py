"""Clients that ask at a door all the time: ``python -m … NAME COUNT``, until stdin ends.

Each subscribes to everything, and asks for state and values, two things at a time.
"""

from __future__ import annotations

import asyncio
import sys

from rct_collector.control.client import Client
from rct_collector.errors import CollectorError

#: Seconds between two questions of one client.
PAUSE_S = 0.25


async def caller(name: bytes) -> None:
    async with await Client.connect(name) as client:
        await client.call("subscribe")

        async def take() -> None:
            async for _ in client.notifications:
                pass

        taking = asyncio.create_task(take())
        try:
            while True:
                await asyncio.gather(client.call("status"), client.call("values"))
                await client.call("status")
                await asyncio.sleep(PAUSE_S)
        finally:
            taking.cancel()


async def main() -> None:
    name, count = b"\0" + sys.argv[1].encode(), int(sys.argv[2])
    tasks = [asyncio.create_task(caller(name)) for _ in range(count)]
    await asyncio.sleep(1)
    print("calling", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, CollectorError):
            raise result


if __name__ == "__main__":
    asyncio.run(main())
