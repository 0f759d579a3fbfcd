"""A client as other collectors are built: one request after the other, on rctclient's own API.

What it does is what the Home Assistant integration does, as described in the project's notes on
it: a new connection for each refresh; a request, then bytes one by one into ``ReceiveFrame``
until a frame for that object is complete; frames for others are skipped, a wrong checksum or a
payload that cannot be decoded makes the value unavailable; 2 s for an object, 20 s for the whole
refresh, after which all of it is thrown away. It refreshes the classes at our intervals.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

from rctclient.exceptions import RctClientException
from rctclient.frame import make_frame
from rctclient.types import Command
from rctclient.utils import decode_value

from rct_collector.device.polling.schedule import Schedule
from rct_collector.errors import TransportError
from rct_collector.model import Batch, PollClass
from tests.bench.peer import connect, payload_for

ANSWER_S = 2.0
REFRESH_S = 20.0


class Sequential:
    """The client.

    Attributes:
        requests: Requests sent so far.
    """

    def __init__(self, world, plan, emit):
        """Prepare.

        Args:
            world: The simulated surroundings, see :mod:`tests.faulty`.
            plan: What to ask for, the same as our own collector.
            emit: Takes the batches.
        """
        self.requests = 0
        self._world, self._plan, self._emit = world, plan, emit
        config = world.config
        self._schedule = Schedule(
            config.name, {p: config.intervals.seconds(p) for p in PollClass.POLLED}
        )
        has = world.inverter.unit.scenario.has
        self._queries = {
            poll: [q for q in plan.queries(poll) if has(q.condition) and plan.takes[q]]
            for poll in PollClass.POLLED
        }

    async def run(self):
        """Refresh until cancelled."""
        clock = self._world.clock
        while True:
            begun = clock.wall()
            due = self._schedule.begin(begun)
            queries = [q for poll in PollClass.POLLED if poll in due for q in self._queries[poll]]
            with contextlib.suppress(TimeoutError, OSError, TransportError):
                async with asyncio.timeout(REFRESH_S):
                    await self._refresh(queries)
            tick, _ = self._schedule.advance(clock.wall())
            await asyncio.sleep(tick - clock.wall())

    async def _refresh(self, queries):
        begun_ns = self._world.clock.wall_ns()
        received = asyncio.Queue()
        line = await connect(self._world, received)
        values = []
        try:
            for query in queries:
                self.requests += 1
                line.send(make_frame(command=Command.READ, id=query.oid))
                values += self._samples(query, await self._answer(query, received))
        finally:
            line.close()
        if values:
            self._emit(Batch("roof", "rct", (), begun_ns, tuple(values), 10.0))

    async def _answer(self, query, received):
        """The decoded value, None for "unavailable"."""
        try:
            return decode_value(query.type, await payload_for(query.oid, received, ANSWER_S))
        except (TimeoutError, RctClientException, ValueError, struct.error):
            return None

    def _samples(self, query, raw):
        if not isinstance(raw, bool | int | float | str):
            return []
        found = []
        for binding in self._plan.takes[query]:
            if binding.scalar is not None:
                found.append((binding.series[0], binding.scalar(raw)))
            else:
                values = binding.convert(raw, None)
                pairs = zip(binding.series, values, strict=True)
                found += [(series, value) for series, value in pairs if value is not None]
        return found
