"""An exchange that goes as usual takes a short way, which comes to the same as the long one."""

from __future__ import annotations

import random

import pytest

from rct_collector.device.polling.exchange import Exchange
from rct_collector.device.polling.poller import Poller
from rct_collector.drivers.rct.simulator.profiles import PROFILES, faults
from rct_collector.lines.conversation import Conversation
from tests import virtual
from tests.faulty import World
from tests.virtual import collect

SECONDS = 1200


def told(profiles, seed):
    """All that a device tells of a unit with some faults: times, series, values, in order."""

    async def main(loop):
        random.seed(seed)  # the pauses before repeats
        world = World(loop, "sunny", faults(profiles, seed))
        found = []
        device = world.connect(lambda batch: found.append((batch.time_ns, batch.values)))
        await collect(device, SECONDS)
        world.inverter.hub().close()
        return found

    with virtual.untraced():
        return virtual.run(main)


@pytest.fixture
def on_the_long_way(monkeypatch):
    """Runs something with every exchange on the long way."""

    def on_the_long_way(call):
        with monkeypatch.context() as patch:
            asks = Conversation.asks
            patch.setattr(Conversation, "asks", lambda self, now, _: asks(self, now, None))
            patch.setattr(Poller, "usual", lambda _self, _now: None)
            patch.setattr(Poller, "answered_usual", lambda _self, _query, _now: None)
            return call()

    return on_the_long_way


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["", *sorted(PROFILES)])
def test_both_ways_tell_the_same(profile, on_the_long_way):
    """Whatever happens on the line, and whoever else is on it."""
    profiles = [profile] if profile else []
    short = told(profiles, 7)
    long = on_the_long_way(lambda: told(profiles, 7))
    assert len(short) > 100
    assert short == long


def test_most_take_the_short_way(monkeypatch):
    taken = []
    hear = Exchange._hear_expected

    def noted(self, answer, size, now):
        taken.append(hear(self, answer, size, now))
        return taken[-1]

    monkeypatch.setattr(Exchange, "_hear_expected", noted)
    found = told([], 7)
    (answers,) = {
        value for series, value in found[-1][1] if series.name == "inverter_collector.answers_total"
    }
    assert taken.count(True) > 0.7 * answers


def test_the_turn_is_kept_while_a_second_request_is_out(monkeypatch):
    """Else somebody else asks meanwhile, and one of the answers may be lost."""
    held = []
    hear = Exchange._hear_expected

    def noted(self, answer, size, now):
        found = hear(self, answer, size, now)
        if self.poller.pending and self._over is not None:
            held.append(self.port.conversation.turns.holder is self.port._party)
        return found

    monkeypatch.setattr(Exchange, "_hear_expected", noted)
    told([], 7)
    assert len(held) > 100
    assert all(held)
