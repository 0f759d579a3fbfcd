"""Units that dial in, without sockets: for the tests of lines in virtual time."""

from __future__ import annotations

from rct_collector.errors import TransportError
from rct_collector.transport.base import Ends


class Call:
    """A connection that a test has made to the collector.

    Attributes:
        sent: What the collector has sent over it.
        is_open: Nobody has hung up.
    """

    def __init__(self, number, accept):
        self.sent, self.is_open, self.is_paused = [], True, False
        self.ends = Ends(("192.0.2.1", 22222), (f"198.51.100.{number % 250}", 40000 + number))
        self._receive, self._lost = accept(self)

    def say(self, data):
        """Let the unit say something, unless it was hung up on."""
        if self.is_open:
            self._receive(data)

    def hang_up(self, reason="the device closed the connection"):
        if self.is_open:
            self.is_open = False
            self._lost(reason)

    def send(self, data):
        self.sent.append(data)

    def pause(self):
        self.is_paused = True

    def resume(self):
        self.is_paused = False

    def close(self):
        self.is_open = False


class Doors:
    """Listens in place of a transport; a test calls.

    Attributes:
        refuse: Why nobody can be listened to; "" lets them.
        calls: All calls so far.
    """

    def __init__(self):
        self.refuse, self.calls, self._accept = "", [], None

    async def __call__(self, _address, accept):
        if self.refuse:
            raise TransportError(self.refuse)
        self._accept = accept
        return self

    def call(self):
        """Make a call; None if nobody listens."""
        if self._accept is None:
            return None
        self.calls.append(Call(len(self.calls), self._accept))
        return self.calls[-1]

    def close(self):
        self._accept = None

    @property
    def is_open(self):
        """Whether anybody listens."""
        return self._accept is not None

    @property
    def held(self):
        """How many calls are not hung up."""
        return sum(call.is_open for call in self.calls)
