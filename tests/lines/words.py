"""A session of words and a device that notes what it is told, for the tests of lines."""

from __future__ import annotations

from rct_collector.drivers.base import Answer, Fault, Garbled, Query, Refused, Reply, Unfit
from rct_collector.errors import BusyError

POWER = Query("power", "always")


class Words:
    """A session whose lines are words.

    ``unit=value``, ``unit!`` for a refusal, ``?`` or ``unit?`` for a call,
    ``UPS`` for what belongs elsewhere.

    Attributes:
        resets: How often half an answer was forgotten.
        received: Bytes that came.
        times: When bytes came.
        abandoned: Units whose answers are not waited for any more.
    """

    def __init__(self):
        self.resets, self.received, self.times, self._half = 0, 0, [], b""
        self.abandoned = []

    def request(self, ask):
        return f"{ask.unit}?\n".encode()

    def abandon(self, ask):
        self.abandoned.append(ask.unit)

    def receive(self, data, wall_ns):
        self.times.append(wall_ns)
        self.received += len(data)
        *lines, self._half = (self._half + data).split(b"\n")
        return [self._event(line.decode()) for line in lines]

    def reset(self):
        self.resets, self._half = self.resets + 1, b""

    def _event(self, line):
        unit, equals, value = line.partition("=")
        if equals:
            return Answer(POWER, int(value), unit)
        if line.endswith("!"):
            return Refused(POWER, line[:-1])
        if line.endswith("?"):
            return Reply(b"ack\n", line[:-1])
        if line == "UPS":
            return Unfit("a UPS, which is none of ours")
        return Garbled(Fault.NOISE, None, len(line), "" if line == "noise" else line)


class Attached:
    """A device that notes what it is told, or fails."""

    def __init__(self, line, unit="", *, name=""):
        self.name = name or f"device {unit}"
        self.told, self.errors, self.fails = [], [], False
        self.port = line.attach(unit, self)

    def line_opened(self):
        self._note("opened")

    def line_lost(self):
        self._note("lost")

    def turn_came(self):
        self._note("turn")

    def hear(self, events, now, *, stale, receipt=None):
        self._note([event[1] if type(event) is Answer else event[0] for event in events])

    def failed(self, error):
        self.errors.append(error)

    def open(self, timeout=1.0):
        return self.port.line.open(self.port, timeout)

    def heard(self):
        """Values, refused queries and kinds of faults."""
        return [item for told in self.told if isinstance(told, list) for item in told]

    def _note(self, what):
        if self.fails:
            raise ZeroDivisionError("a defect")
        self.told.append(what)


class Lock:
    """A lock that notes what is done with it."""

    def __init__(self):
        self.done, self.refusal, self.busy = [], None, False

    def acquire(self):
        self._do("acquire")

    def confirm(self, ends):
        self.done.append("confirm")

    def tend(self):
        self._do("tend")

    def release(self):
        self.done.append("release")

    def _do(self, what):
        self.done.append(what)
        if self.busy:
            self.refusal = BusyError("already collected by process 7")
            raise self.refusal
