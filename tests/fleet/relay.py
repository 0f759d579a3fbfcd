"""A network between a process and etcd, which can be taken away by stopping this process.

Usage: python -m tests.fleet.relay PORT:PORT...

Passes what comes at the first port of each pair on to the second; ends with its input.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys


async def pump(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def passing(port):
    async def passed(reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, back), pump(there, writer))

    return passed


async def main(pairs):
    for pair in pairs:
        here, there = map(int, pair.split(":"))
        await asyncio.start_server(passing(there), "127.0.0.1", here)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
