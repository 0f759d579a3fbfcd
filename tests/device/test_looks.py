"""Where many devices are looked at together: requests of one look keep their distance."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise

import pytest

from rct_collector.device.polling.exchange import Exchange
from tests.bench import in_memory

GAP_S = 0.06


class Slow(in_memory.Network):
    """A network to send over which takes its time, and each time another one.

    Attributes:
        times: Line → when something was sent over it.
    """

    def __init__(self, loop, family, times, chance):
        super().__init__(loop, family)
        self.times, self._chance = times, chance

    def send(self, line, data):
        super().send(line, data)
        self._loop.now += self._chance.uniform(0.0, 0.001)
        self.times.setdefault(line, []).append(self._loop.now)


@pytest.fixture
def sent(monkeypatch):
    """Runs devices for a while; when each of their lines has sent something."""

    def sent(count, seconds):
        times, chance = {}, random.Random(count)
        family = in_memory.FAMILIES["rct"]
        monkeypatch.setattr(family, "network", lambda loop, _: Slow(loop, family, times, chance))

        async def main(loop):
            work = in_memory.Work(loop, family, count)
            await asyncio.sleep(seconds)
            await work.end()
            return work.done

        with in_memory.looking_loop(count) as loop:
            done = loop.run_until_complete(main(loop))
        return times.values(), done

    return sent


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 40])
def test_requests_to_a_unit_keep_their_distance_however_long_a_look_takes(sent, count):
    """Of one device, and of many, whose requests of one look take up to 40 ms to be sent."""
    found, done = sent(count, 120)
    gaps = [later - earlier for times in found for earlier, later in pairwise(times)]
    assert len(found) == count
    assert min(gaps) >= GAP_S - 1e-9
    assert done.samples > 500 * count, "all goes on"


@pytest.mark.slow
def test_most_leave_at_the_end_of_the_look_in_which_they_are_decided_upon(sent, monkeypatch):
    waited = []
    transmit = Exchange._transmit

    def noted(self):
        was_prepared = bool(self._prepared)
        transmit(self)
        if was_prepared:
            waited.append(bool(self._prepared))

    monkeypatch.setattr(Exchange, "_transmit", noted)
    sent(40, 120)
    assert len(waited) > 10_000
    assert waited.count(True) < 0.05 * len(waited)
