"""A reader of the logger as rctclient's users write it: series by series, with a time that sinks.

What it does is what rctclient's tool for time series does, by its documentation: ask for what lies
before a time, take what comes for that object within two seconds, go on with the smallest time in
it, and ask the same again when nothing usable came. It is started by hand after an outage, and
collects nothing else.
"""

from __future__ import annotations

import asyncio
import calendar
import contextlib
import struct

from rctclient.exceptions import RctClientException
from rctclient.frame import make_frame
from rctclient.types import Command, DataType
from rctclient.utils import decode_value, encode_value

from rct_collector.errors import TransportError
from tests.bench.peer import connect, payload_for

ANSWER_S = 2.0


class Timeseries:
    """The client.

    Attributes:
        requests: Requests sent so far.
    """

    def __init__(self, world, queries, start, end, found):
        """Prepare.

        Args:
            world: The simulated surroundings, see :mod:`tests.faulty`.
            queries: The series.
            start: The unit's wall clock as if it were UTC, seconds: the first that is wanted.
            end: The same, up to which it is wanted.
            found: Takes a query, the unit's time, and the value as it came.
        """
        self.requests = 0
        self._world, self._queries, self._found = world, queries, found
        self._start, self._end = start, end

    async def run(self):
        """Read everything, then wait until cancelled."""
        received = asyncio.Queue()
        line = None
        for query in self._queries:
            before = self._end
            while before > self._start:
                if line is None:
                    with contextlib.suppress(TransportError):
                        line = await connect(self._world, received)
                    if line is None:
                        await asyncio.sleep(ANSWER_S)
                        continue
                try:
                    before = await self._ask(line, query, before, received)
                except ConnectionResetError:
                    line = None
        if line is not None:
            line.close()
        await asyncio.Event().wait()

    async def _ask(self, line, query, before, received):
        """Ask once; the time to go on with."""
        self.requests += 1
        payload = encode_value(DataType.INT32, before)
        line.send(make_frame(command=Command.WRITE, id=query.oid, payload=payload))
        for at, value in (await self._answer(query, received)).items():
            stamp = calendar.timegm(at.timetuple())
            if self._start <= stamp < self._end:
                self._found(query, stamp, value)
            before = min(before, stamp)
        return before

    async def _answer(self, query, received):
        try:
            payload = await payload_for(query.oid, received, ANSWER_S)
            return decode_value(DataType.TIMESERIES, payload)[1]
        except (TimeoutError, RctClientException, AssertionError, ValueError, struct.error):
            return {}
