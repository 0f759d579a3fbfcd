"""Units on a bus, byte by byte: they speak when they are let, and wait to be acknowledged."""

from __future__ import annotations

from collections import deque

from rct_collector.drivers.solaredge import functions, records
from rct_collector.drivers.solaredge.frame import Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.records import LAYOUTS, RawRecord, join
from rct_collector.drivers.solaredge.request import SERVER, TOOL


def power(unit, time, watts):
    """The payload of a post with one record of an inverter."""
    body = LAYOUTS[records.INVERTER].encode({"time": time, "power": float(watts)}, 124)
    return join([RawRecord(records.INVERTER, unit, body)])


class Slave:
    """A unit: what it has to say, and what was acknowledged of it.

    Attributes:
        posts: Payloads that wait.
        acknowledged: Payloads that were taken, in order.
        told: Answers to its question for the time.
        silent: It sleeps.
        deaf: Acknowledgements that it does not hear.
        asks: It asks for the time next.
    """

    def __init__(self, address, *posts, delay=0.05):
        self.address = address
        self.posts = deque(posts)
        self.acknowledged, self.told, self.grants = [], [], 0
        self.silent, self.deaf, self.asks = False, 0, False
        self._delay = delay
        self._grant = self._waits = None
        self._sequence = 100

    def hear(self, frame):
        """What it says, with the seconds after which it does."""
        if frame.destination != self.address or self.silent:
            return []
        if frame.function == functions.GRANT:
            self.grants += 1
            self._grant = frame.sequence
            return self._next()
        if self._waits is None or frame.sequence != self._waits[0]:
            return []
        if frame.function == functions.ACK:
            if self.deaf:
                self.deaf -= 1
                return []
            self.acknowledged.append(self._waits[1])
            self.posts.popleft()
            return self._next()
        if frame.function == functions.TIME:
            self.told.append(frame.payload)
            self.asks = False
            return self._next()
        return []

    def _next(self):
        self._waits = None
        if self.asks or self.posts:
            self._sequence += 1
            payload = b"" if self.asks else self.posts[0]
            self._waits = self._sequence, payload
            function = functions.ASK_TIME if self.asks else functions.POST
            return [self._frame(self._sequence, function, payload)]
        return [self._frame(self._grant, functions.RELEASE)]

    def _frame(self, sequence, function, payload=b""):
        return self._delay, assemble(Frame(sequence, self.address, SERVER, function, payload))


class Bus:
    """All who are on it, as the far end of a line; what is said comes in pieces.

    Attributes:
        heard: (seconds, frame) of what the collector has said.
        echo: Our own words come back, as from adapters that hear themselves.
    """

    def __init__(self, *slaves, echo=False, piece=7):
        self.slaves, self.heard, self.echo = slaves, [], echo
        self._reader, self._due, self._piece = FrameReader(), [], piece
        self.noise = b""

    def say(self, data, at):
        """Put bytes on the bus at a time."""
        for start in range(0, len(data), self._piece):
            self._due.append((at + start * 1e-5, data[start : start + self._piece]))
        self._due.sort(key=lambda entry: entry[0])

    def connect(self):
        self._reader.reset()
        return 1

    def disconnect(self, client):
        pass

    def receive(self, _client, data, now):
        if self.echo:
            self.say(data, now)
        for frame in self._reader.feed(data):
            self.heard.append((now, frame))
            for slave in self.slaves:
                for delay, said in slave.hear(frame):
                    self.say(said + self.noise, now + delay)

    def next_due(self):
        return self._due[0][0] if self._due else None

    def pull(self, now):
        ready = [data for at, data in self._due if at <= now]
        self._due = [entry for entry in self._due if entry[0] > now]
        return ready

    def said(self, function):
        return [frame for _, frame in self.heard if frame.function == function]


__all__ = ["SERVER", "TOOL", "Bus", "Slave", "power"]
