"""Clocks that differ, of a host and of inverters that call it: who is wrong, and what is lost."""

from __future__ import annotations

import pytest

from rct_collector.device.clock import UNSET_S, Doubt
from tests import virtual
from tests.faulty_solaredge import World

HOUR = 3600.0

pytestmark = pytest.mark.slow


def lived(hours, *, behind_s=0.0, set_after_s=None, ahead_s=0.0):
    """The account of a host that was just started, whose clock nobody keeps right.

    Args:
        hours: How long.
        behind_s: Its clock is behind by so many seconds.
        set_after_s: It is set after so many.
        ahead_s: Clocks of inverters are ahead by so many.
    """

    async def main(loop):
        world = World(loop, inverters=2, optimizers=3)
        world.clock.kept = False
        world.clock.step(-behind_s)

        def set_clock():
            world.clock.step(behind_s)
            world.clock.kept = True

        for inverter in world.inverters:
            inverter.unit.clock = ahead_s
        if set_after_s is not None:
            loop.call_later(set_after_s, set_clock)
        account = await world.run(hours)
        return world, account

    return virtual.run(main)


@pytest.mark.parametrize("behind_s", [2 * HOUR, 3 * 365 * 24 * HOUR])
def test_nothing_is_lost_to_a_host_whose_clock_is_set_late(behind_s):
    world, account = lived(2.0, behind_s=behind_s, set_after_s=HOUR)
    assert account.missing == account.false == account.unheard == account.twice == []
    assert account.told == account.acknowledged > 100
    early = [told for told in world.witness.told if told.made_at < virtual.START + HOUR - 60]
    assert len(early) > 50
    assert all(told.acknowledged - 1000.0 >= HOUR for told in early)
    for inverter in world.inverters:
        assert abs(inverter.unit.clock) < 5, "no clock was set by one that was wrong"


def test_an_inverter_whose_clock_is_ahead_is_not_kept_waiting_for_ever():
    world, account = lived(UNSET_S / HOUR + 2.0, ahead_s=10 * 365 * 24 * HOUR)
    assert account.missing == account.false == account.unheard == []
    assert account.published > 100, "its clock was set at last"
    first = min(told.acknowledged for told in world.witness.told if told.acknowledged)
    assert first - 1000.0 == pytest.approx(UNSET_S, abs=HOUR)


def test_who_believes_such_a_clock_loses_records(monkeypatch):
    monkeypatch.setattr(Doubt, "is_ours", lambda _self: False)
    _, account = lived(2.0, behind_s=2 * HOUR, set_after_s=HOUR)
    assert account.missing
