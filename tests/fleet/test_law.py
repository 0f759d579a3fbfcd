"""The law of a fleet: no unit ever hears a request of a lower fencing token after a higher one.

And what it is for: when the trouble is over, each unit is asked again, by the one who should.
"""

import math

import pytest

from rct_collector.fleet import membership
from rct_collector.fleet.membership import Membership
from tests.fleet import world
from tests.fleet.world import Process, World, play

pytestmark = pytest.mark.slow

SCHEDULES = 1000


def unserved(found: World) -> list[str]:
    """What is not in order: shards that nobody has, or not the one who should."""
    owners = {
        shard: [process.name for process in found.alive() if shard in process.open]
        for shard in range(found.shards)
    }
    wrong = [f"shard {n} is with {names}" for n, names in owners.items() if len(names) != 1]
    wrong += [
        f"{process.name} has {process.membership.open_shards}, not {process.membership.mine}"
        for process in found.alive()
        if not process.membership.is_settled
    ]
    return wrong


@pytest.mark.parametrize("part", range(4))
def test_a_unit_hears_nobody_who_was_relieved_and_is_not_forgotten(part):
    size = SCHEDULES // 4
    for seed in range(part * size, (part + 1) * size):
        found = play(seed)
        assert found.broken == [], seed
        assert not found.alive() or unserved(found) == [], seed
        assert found.requests > 100, seed


@pytest.mark.parametrize("fault", world.FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_each_fault_by_itself_is_survived(fault):
    for seed in range(4):
        found = play(seed, faults=[fault])
        assert found.broken == [], seed
        assert unserved(found) == [], seed


# -- what the law stands on, each left out once --------------------------------------------------


def is_noticed(faults, seeds=range(150)):
    """Whether any schedule breaks the law, or leaves a unit to nobody."""
    found = (play(seed, faults=faults) for seed in seeds)
    return any(item.broken or (item.alive() and unserved(item)) for item in found)


STOPS = [world._pause]
CUTS = [world._partition]
LOSSES = [world._lose_answers, world._join, world._restart]


def test_without_the_deadline_the_law_is_broken(monkeypatch):
    monkeypatch.setattr(Process, "may_send", lambda self: True)

    assert is_noticed(STOPS)


def test_counting_from_the_answer_breaks_the_law(monkeypatch):
    """The answer may be late, or be read late: the lease was prolonged before."""
    kept = Membership.kept

    def counted_from_now(self, sent_at, ttl):
        kept(self, self.told_at, ttl)

    def step(self, now, before=Membership.step):
        self.told_at = now
        return before(self, now)

    monkeypatch.setattr(Membership, "told_at", 0.0, raising=False)
    monkeypatch.setattr(Membership, "step", step)
    monkeypatch.setattr(Membership, "kept", counted_from_now)

    assert is_noticed([world._pause, world._slow_down])


def test_without_a_margin_the_law_is_broken(monkeypatch):
    monkeypatch.setattr(membership, "MARGIN_S", 0.0)

    assert is_noticed(CUTS)


def test_giving_back_before_lines_are_closed_breaks_the_law(monkeypatch):
    def close(self, shard, token):
        def end():
            if self.open.get(shard) == token:
                del self.open[shard]

        self.world.after(1.0, end)
        self.membership.closed(shard, token)

    monkeypatch.setattr(Process, "close", close)
    monkeypatch.setattr(Process, "expect_closed", lambda self, shard: None)

    assert is_noticed([world._join, world._restart])


def test_believing_that_an_unanswered_claim_came_to_nothing_leaves_units_to_nobody(monkeypatch):
    def unclear(self, now, lease, shard):
        item = self._back(lease, shard)
        if item is not None:
            self._put_off(shard, now + membership.AGAIN_S)

    monkeypatch.setattr(Membership, "unclear", unclear)

    assert is_noticed(LOSSES)


def test_taking_a_lost_watch_for_news_leaves_units_to_nobody(monkeypatch):
    monkeypatch.setattr(Process, "lose_watch", lambda self: setattr(self, "watching", False))

    assert is_noticed([world._lose_watch, world._join])


def test_a_clock_at_infinity_is_none():
    """The fence begins closed, and stays so without a lease."""
    lone = World(1)
    process = lone.start()

    assert process.membership.deadline == -math.inf
    assert not process.may_send()
