"""Simulated units to be examined in virtual time, and what can be wrong with their lines."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

from rct_collector.config import DeviceConfig
from rct_collector.doctor.checkup import Checkup
from rct_collector.doctor.diagnosis import diagnose
from rct_collector.drivers.rct import frame
from rct_collector.drivers.rct.simulator import Bridge, Faults, RctUnit, Segment
from tests.addresses import tcp
from tests.scripted import BY_NAME
from tests.virtual import START, Plug, options, run


def device(name="roof", **more):
    """A configured device."""
    more.setdefault("timezone", ZoneInfo("UTC"))
    return DeviceConfig(name=name, driver="rct", address=tcp("192.0.2.10"), **more)


class Loses(Faults):
    """Loses a share of all requests, whatever the pace."""

    def __init__(self, share, seed=1):
        self.share, self.random = share, random.Random(seed)

    def on_request(self, request, now):
        return None if self.random.random() < self.share else request


class LosesHasty(Loses):
    """Loses a share of the requests that follow others closely."""

    def __init__(self, share, gap, seed=1):
        super().__init__(share, seed)
        self.gap, self.last = gap, -1e9

    def on_request(self, request, now):
        hasty, self.last = now - self.last < self.gap, now
        return super().on_request(request, now) if hasty else request


class Says(Faults):
    """Puts bytes on the line, again and again."""

    def __init__(self, *pieces, every=1.0):
        self.pieces, self.every, self.due = pieces, every, None

    def next_due(self):
        return self.due

    def on_bytes(self, data, now):
        if self.due is None:
            self.due = now
        return data

    def on_time(self, now):
        said = []
        while self.due is not None and self.due <= now:
            said += [Segment(self.due, piece) for piece in self.pieces]
            self.due += self.every
        return said


class Echoes(Faults):
    """Sends each n-th request back."""

    def __init__(self, nth=10):
        self.nth, self.count, self.due = nth, 0, []

    def on_request(self, request, now):
        self.count += 1
        if self.count % self.nth == 0:
            self.due.append(Segment(now + 0.001, frame.assemble(frame.READ, request.oid)))
        return request

    def next_due(self):
        return self.due[0].due if self.due else None

    def on_time(self, now):
        due, self.due = self.due, []
        return due


class Cuts(Faults):
    """Cuts a share of the payloads; the checksum is that of the stump."""

    def __init__(self, share, seed=1):
        self.share, self.random = share, random.Random(seed)

    def on_payload(self, request, payload, now):
        return payload[:-1] if self.random.random() < self.share else payload


class Jitters(Faults):
    """Holds up a share of the answers for a while, as Wi-Fi does."""

    def __init__(self, share, seconds, seed=1):
        self.share, self.seconds, self.random = share, seconds, random.Random(seed)

    def on_answer(self, request, segments, now):
        extra = self.seconds if self.random.random() < self.share else 0.0
        return [segment._replace(due=segment.due + extra) for segment in segments]


class Twice(Faults):
    """Sends every answer a second time."""

    def on_answer(self, request, segments, now):
        return segments + [s._replace(due=s.due + 0.03) for s in segments]


class Cutting(Faults):
    """Cuts the line at given requests."""

    def __init__(self, *at):
        self.at, self.count, self.plug = at, 0, None

    def on_request(self, request, now):
        self.count += 1
        if self.count in self.at:
            self.plug.cut()
        return request


def answer_of(name, payload):
    """The frame of an answer that somebody else asked for."""
    return b"\0" + frame.assemble(frame.RESPONSE, BY_NAME[name].oid, payload)


class Visit:
    """One examination, and all that came of it."""

    def __init__(
        self, scenario="sunny", faults=(), *, config=None, seconds=60.0, plug=None, **more
    ):
        self.config = config or device()
        self.sent: list[float] = []
        world = {key: more.pop(key) for key in ("zone", "firmware", "start") if key in more}
        unit = RctUnit(scenario, **{"start": START, **world})
        self.bridge = Bridge(unit, now0=1000.0, faults=faults, **more)
        self.plug = plug or Plug(None)
        self.plug.bridge = self.bridge
        for fault in faults:
            if isinstance(fault, Cutting):
                fault.plug = self.plug
        run(lambda loop: self._examine(loop, seconds))

    async def _examine(self, loop, seconds):
        receive = self.bridge.receive

        def note(client, data, now):
            self.sent.append(now)
            receive(client, data, now)

        self.bridge.receive = note
        self.begun = loop.time()
        self.checkup = Checkup(self.config, seconds, options(loop, self.plug))
        examiner = self.checkup._examiner
        self.decisions = self.segments = 0
        examiner.next = self._counting("decisions", examiner.next)
        examiner.listen = self._counting("segments", examiner.listen)
        await self.checkup.run()
        self.took = loop.time() - self.begun
        self.figures = self.checkup.figures()
        self.diagnosis = diagnose(self.figures, self.config)

    def _counting(self, name, function):
        def call(*arguments):
            setattr(self, name, getattr(self, name) + 1)
            return function(*arguments)

        return call

    @property
    def found(self):
        """Keys of the findings, but for what is known of the firmware."""
        return {finding.key for finding in self.diagnosis.findings} - {"firmware"}

    def finding(self, key):
        return next(f for f in self.diagnosis.findings if f.key == key)

    @property
    def requests(self):
        return self.diagnosis.recommendation.requests

    @property
    def intervals(self):
        return self.diagnosis.recommendation.intervals
