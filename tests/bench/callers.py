"""Units that call a collector over real sockets, and note how soon they are acknowledged.

::

    python -m tests.bench.callers PORT CALLERS SECONDS EVERY

Each of the callers says one record of the family of :mod:`tests.toys.plant` every so many seconds,
one behind the other, and waits for its acknowledgement. At the end one line tells how many were
said, how many of them were not acknowledged, and half, 99 % and all of the times in seconds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

#: At the end, an acknowledgement that is under way is waited for so many seconds.
PATIENCE_S = 30.0


async def call(number: int, port: int, seconds: float, every: float, begin: float) -> list[float]:
    """One unit; the time of each acknowledgement, infinite for one that did not come."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times: list[float] = []
    due = begin + every * number / 1000 % every
    while due < begin + seconds:
        await asyncio.sleep(due - loop.time())
        due += every
        count, now = len(times), int(time.time())
        said = loop.time()
        writer.write(f"{count};U{number};inverter;{now};{count}\n".encode())
        try:
            answer = await asyncio.wait_for(reader.readline(), PATIENCE_S)
        except TimeoutError:
            answer = b""
        right = answer == f"U{number} ACK {count}\n".encode()
        times.append(loop.time() - said if right else float("inf"))
    writer.close()
    return times


async def main(port: int, callers: int, seconds: float, every: float) -> None:
    """All of them."""
    begin = asyncio.get_running_loop().time() + 3.0  # the time to connect is none of theirs
    calls = [call(number, port, seconds, every, begin) for number in range(callers)]
    times = [one for found in await asyncio.gather(*calls) for one in found]
    lost = times.count(float("inf"))
    cuts = statistics.quantiles([one for one in times if one < float("inf")], n=100)
    print(len(times), lost, cuts[49], cuts[98], max(times))


if __name__ == "__main__":
    _, *_arguments = sys.argv
    asyncio.run(main(*map(int, _arguments[:2]), *map(float, _arguments[2:])))
