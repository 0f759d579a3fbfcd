"""The unit's end of a line that answers what a test says, for what asks beside the rounds."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager

from rct_collector.device.inquiry import Inquiry
from rct_collector.drivers.base import Answer, Refused
from rct_collector.errors import TransportError

REFUSES = object()


class Answering:
    """Answers each request by a function of the test.

    Attributes:
        asked: (time, query name, argument) of every request.
        abandoned: What nobody waits for any more.
        lost: The line is gone, and why.
        late: Answers that came when nobody waited.
    """

    unit = ""

    def __init__(self, answer, *, timeout=2.0, latency=0.1):
        self.answer = answer
        self.latency = latency
        self.asked = []
        self.abandoned = []
        self.late = []
        self.lost = ""
        self.busy = False
        self.opened = 1
        self.before = None
        self.heard_at = -math.inf
        self.inquiry = Inquiry(self, timeout)

    @property
    def is_open(self):
        return not self.lost

    @property
    def last_error(self):
        return self.lost

    @asynccontextmanager
    async def turn(self):
        assert not self.busy, "two turns at a time"
        if self.lost:
            raise TransportError(self.lost)
        self.busy = True
        try:
            yield
        finally:
            self.busy = False

    def confuses(self, query):
        """As a line on which answers do not name what they answer."""
        before = self.before
        if before is None or query.shape is None:
            return False
        return before is not query and before.shape == query.shape

    def ask(self, ask, now):
        assert self.busy, "asked out of turn"
        self.before = ask.query
        loop = asyncio.get_running_loop()
        self.asked.append((now, ask.query.name, ask.argument))
        value = self.answer(ask.query, ask.argument)
        if value is None:
            return
        event = Refused(ask.query) if value is REFUSES else Answer(ask.query, value)
        loop.call_later(self.latency, self._arrive, event)

    def _arrive(self, event):
        if not self.inquiry.take(event):
            self.late.append(event)

    def abandon(self, ask):
        self.abandoned.append(ask.query.name)
