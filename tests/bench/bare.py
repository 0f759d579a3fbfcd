"""The least that any Python client spends: the same exchange, with nothing done about it.

Usage: python -m tests.bench.bare REQUESTS_PER_SECOND SECONDS PORT …
Prints the processor seconds of the process and the number of answers.
"""

from __future__ import annotations

import asyncio
import sys
import time

from rct_collector.loop import new_event_loop

#: READ g_sync.p_ac_grid_sum_lp.
REQUEST = bytes.fromhex("2b010491617c58480f")


class Bare(asyncio.Protocol):
    """Sends a request at fixed intervals, counts segments."""

    answers = 0

    def __init__(self, interval: float) -> None:
        self._interval = interval

    def connection_made(self, transport):
        self._transport = transport
        self._send()

    def data_received(self, data):
        Bare.answers += 1

    def _send(self):
        self._transport.write(REQUEST)
        asyncio.get_running_loop().call_later(self._interval, self._send)


async def main(rate: float, seconds: float, ports: list[int]) -> None:
    """Exchange for some time."""
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_connection(lambda: Bare(1 / rate), "127.0.0.1", port)
    await asyncio.sleep(2)
    cpu, answers = time.process_time(), Bare.answers
    await asyncio.sleep(seconds)
    print(time.process_time() - cpu, Bare.answers - answers)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=lambda: new_event_loop(len(sys.argv) - 3)) as runner:
        runner.run(main(float(sys.argv[1]), float(sys.argv[2]), [int(p) for p in sys.argv[3:]]))
