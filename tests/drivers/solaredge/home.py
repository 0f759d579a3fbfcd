"""What simulated inverters call in tests: a server that answers as the vendor's does."""

from __future__ import annotations

from itertools import count

from rct_collector.drivers.solaredge import request
from rct_collector.drivers.solaredge.crypto import Tunnel, UnitKey
from rct_collector.drivers.solaredge.frame import Bad, Frame, FrameReader, assemble
from rct_collector.drivers.solaredge.functions import ASK_TIME, ENCRYPTED, SESSION_KEY
from rct_collector.drivers.solaredge.simulator import (
    SCENARIOS,
    Outbox,
    SolarEdgeCaller,
    SolarEdgeUnit,
    SolarEdgeWitness,
    SolarEdgeWorld,
)
from tests.virtual import START


class Portal:
    """Acknowledges all that it understands.

    Attributes:
        frames: What came, also from within others.
        bad: What was no frame.
        ahead: Seconds by which its clock is ahead.
    """

    def __init__(self, secret=None, ahead=0):
        self.frames, self.bad, self.ahead = [], [], ahead
        self._reader, self._secret, self._tunnel = FrameReader(), secret, None

    def receive(self, data, unix):
        """The answers to some bytes."""
        answers = []
        for item in self._reader.feed(data):
            if isinstance(item, Bad):
                self.bad.append(item)
            else:
                answers += self._heard(item, unix)
        return answers

    def _heard(self, frame, unix):
        if frame.function == ENCRYPTED:
            inner = self._tunnel.open(frame.payload) if self._tunnel else None
            found = FrameReader().feed(inner) if inner else []
            return [self._sealed(answer) for item in found for answer in self._heard(item, unix)]
        self.frames.append(frame)
        if frame.function == ASK_TIME:
            return [request.tell_time(frame, int(unix + self.ahead), 3600)]
        answer = request.acknowledge(frame)
        if frame.function == SESSION_KEY:
            self._tunnel = Tunnel(UnitKey(self._secret).session(frame.payload))
            return [self._sealed(answer)]
        return [answer]

    def _sealed(self, answer):
        counter, payload = self._tunnel.seal(answer)
        return assemble(Frame(counter, 0xFFFFFFFD, 0xFFFFFFFF, ENCRYPTED, payload))


def caller(scenario="roofs", faults=(), *, number=0, seed=1, sun=10.5, encrypt=False, **more):
    """A unit that calls, and its witness."""
    chosen = SCENARIOS[scenario].changed(None, more.pop("optimizers", 5))
    world = SolarEdgeWorld(chosen, seed=seed, start=START, sun=sun)
    witness = SolarEdgeWitness()
    outbox = Outbox(
        SolarEdgeUnit(world, number),
        seed=seed,
        start=START,
        now0=0.0,
        faults=faults,
        witness=witness,
    )
    secret = world.secret(number) if encrypt else None
    return SolarEdgeCaller(outbox, seed=seed, secret=secret), witness


def live(unit, portal, until, *, now=0.0, reconnects=True, answers=lambda _now: True):
    """Let a unit talk to a portal; what it says arrives at once. Gives the times of its calls."""
    unit.start(now)
    client, calls = None, []
    for _ in count():
        if client is None and reconnects and unit.access(now).name == "OPEN":
            client = unit.connect()
            calls.append(now)
        due = unit.next_due()
        if due is None or due > until:
            return calls
        now = max(now, due) + 1e-6
        for segment in unit.pull(now):
            for answer in portal.receive(segment, START + now):
                if client is not None and answers(now):
                    unit.receive(client, answer, now)
        if unit.take_cut() is not None and client is not None:
            unit.disconnect(client)
            client = None
    return calls
