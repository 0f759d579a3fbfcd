"""Inverters that call a collector over real sockets, and note how soon they are acknowledged.

::

    python -m tests.bench.callers PORT INVERTERS SECONDS EVERY

Each inverter posts a record of its own and some of its optimizers every so many seconds, all spread
over that time, and waits for the acknowledgement. At the end one line tells how many posts there
were, how many of them were not acknowledged, and half, 99 % and all of the times in seconds.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import defaultdict

from rct_collector.drivers.solaredge import request
from rct_collector.drivers.solaredge.frame import Frame, assemble
from rct_collector.drivers.solaredge.functions import POST
from rct_collector.drivers.solaredge.simulator import bodies

#: Optimizers in each post.
OPTIMIZERS = 5

#: At the end, an acknowledgement that is under way is waited for so many seconds.
PATIENCE_S = 30.0

#: Seconds in which all connect.
CONNECT_S = 5.0

_BEGAN = int(time.time()) - 10_000
_ACKNOWLEDGED = len(request.acknowledge(Frame(0, 0, request.SERVER, POST)))


def post(number: int, count: int, began: int = _BEGAN) -> Frame:
    """What an inverter posts: its present power, and that of its optimizers.

    Args:
        number: Of the inverter.
        count: Posts that it has made so far.
        began: Unix time of the records of its first one.
    """
    device, when = 0x7E000000 + number, began + count  # each is another one, however late it is
    own = defaultdict(lambda: 1.0, power=1000.0 + count, energy_total=1e6 + count)
    panel = defaultdict(lambda: 1.0, input_voltage=30.0, input_current=5.0)
    records = [bodies.inverter(device | bodies.BOARD, when, own)]
    first = 0x20000000 + OPTIMIZERS * number
    records += [bodies.packed(first + n, when, panel) for n in range(OPTIMIZERS)]
    payload = b"".join(record.data for record in records)
    return Frame(count & 0xFFFF, device, request.SERVER, POST, payload)


async def call(number: int, port: int, seconds: float, every: float, begin: float) -> list[float]:
    """One inverter; the time of each acknowledgement, infinite for one that did not come."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times: list[float] = []
    due = begin + every * number / 1000 % every
    while due < begin + seconds:
        await asyncio.sleep(due - loop.time())
        due += every
        # Each post is of another second; those that come faster are of the past.
        began = int(time.time()) - len(times) if every >= 2 else _BEGAN
        frame = post(number, len(times), began)
        said = loop.time()
        writer.write(assemble(frame))
        try:
            answer = await asyncio.wait_for(reader.readexactly(_ACKNOWLEDGED), PATIENCE_S)
        except (TimeoutError, asyncio.IncompleteReadError):
            answer = b""
        right = answer == request.acknowledge(frame)
        times.append(loop.time() - said if right else float("inf"))
    writer.close()
    return times


async def main(port: int, inverters: int, seconds: float, every: float) -> None:
    """All of them."""
    begin = asyncio.get_running_loop().time() + CONNECT_S
    calls = [call(number, port, seconds, every, begin) for number in range(inverters)]
    times = [one for found in await asyncio.gather(*calls) for one in found]
    lost = times.count(float("inf"))
    cuts = statistics.quantiles([one for one in times if one < float("inf")], n=100)
    print(len(times), lost, cuts[49], cuts[98], max(times))


if __name__ == "__main__":
    _, *_arguments = sys.argv
    asyncio.run(main(*map(int, _arguments[:2]), *map(float, _arguments[2:])))
