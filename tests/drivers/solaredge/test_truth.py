"""The law: each record that a unit sends is published once, whatever happens on the way.

It may be said again and with other numbers, acknowledgements may get lost, the collector may be
killed at any time and know nothing of what was, and the agent may be slow or fail. What had been
written when nobody had told the unit yet may come once more, with the same time.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.device.receiving import Receiving
from rct_collector.drivers.solaredge.simulator import SCENARIOS
from rct_collector.drivers.solaredge.simulator.profiles import PROFILES, faults
from tests import faulty_solaredge, virtual
from tests.faulty_solaredge import World

pytestmark = pytest.mark.slow

names = st.lists(st.sampled_from(sorted(PROFILES)), min_size=0, max_size=4, unique=True)


def collected(profiles=(), *, hours=2.0, seed=1, crash_every=None, **more):
    """The account of our collector."""

    async def main(loop):
        world = World(loop, faults=lambda line: faults(profiles, seed), seed=seed, **more)
        return await world.run(hours, crash_every=crash_every)

    return virtual.run(main)


def obeys(account):
    """Nothing false, nothing twice, nothing missing, and nothing left behind."""
    assert account.false == []
    assert account.twice == []
    assert account.missing == []
    assert account.unheard == []
    return account


@pytest.mark.parametrize("crash_every", [None, 600.0])
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile(profile, crash_every):
    account = obeys(collected([profile], optimizers=4, crash_every=crash_every))
    assert account.told > 100
    assert account.published > 500


@settings(deadline=None, max_examples=25)
@given(
    profiles=names,
    scenario=st.sampled_from(sorted(SCENARIOS)),
    seed=st.integers(0, 2**32),
    encrypt=st.booleans(),
    crash_every=st.sampled_from([None, 300.0, 1500.0]),
    sun=st.sampled_from([5.9, 11.0, 18.0]),
)
@example(  # a battery that has no voltage, but a number
    profiles=["clock", "sentinel"],
    scenario="battery",
    seed=0,
    encrypt=False,
    crash_every=None,
    sun=5.9,
)
def test_any_mixture(profiles, scenario, seed, encrypt, crash_every, sun):
    obeys(
        collected(
            profiles,
            hours=1.5,
            seed=seed,
            scenario=scenario,
            encrypt=encrypt,
            crash_every=crash_every,
            sun=sun,
            optimizers=3,
        )
    )


@pytest.mark.parametrize("encrypt", [False, True])
def test_several_inverters_at_once(encrypt):
    account = obeys(
        collected(["harsh"], inverters=3, optimizers=4, crash_every=900.0, encrypt=encrypt)
    )
    assert account.crashes > 3


def test_the_battery_of_a_house_and_the_sum_of_all():
    account = obeys(collected(scenario="battery", optimizers=2, crash_every=1500.0))
    assert account.sums > 10


def test_what_was_written_and_not_acknowledged_comes_again():
    account = obeys(collected(optimizers=4, crash_every=300.0))
    assert account.again > 0


# -- on a bus ------------------------------------------------------------------------------------

#: Faults of a bus: there are no connections to be lost, and nobody who asks for the time.
ON_A_BUS = sorted(set(PROFILES) - {"reset", "outage", "clock"})


@pytest.mark.parametrize("crash_every", [None, 600.0])
@pytest.mark.parametrize("profile", ON_A_BUS)
def test_every_profile_under_our_master(profile, crash_every):
    account = obeys(
        collected([profile], way="rs485", inverters=2, optimizers=2, crash_every=crash_every)
    )
    assert account.told > 100
    assert account.published > 500


@settings(deadline=None, max_examples=10)
@given(
    profiles=st.lists(st.sampled_from(ON_A_BUS), max_size=4, unique=True),
    scenario=st.sampled_from(sorted(SCENARIOS)),
    inverters=st.integers(1, 3),
    seed=st.integers(0, 2**32),
    encrypt=st.booleans(),
    crash_every=st.sampled_from([None, 300.0, 1500.0]),
)
def test_any_mixture_under_our_master(profiles, **more):
    obeys(collected(profiles, hours=1.0, way="rs485", optimizers=2, **more))


@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("crash_every", [None, 600.0])
@pytest.mark.parametrize("profile", ["collision", "lost-ack", "harsh"])
def test_who_listens_says_nothing_false_and_nothing_twice(profile, crash_every, encrypt, tmp_path):
    """What is lost is not told again to him: another one has acknowledged it.

    Sessions are known after a crash: who only listens cannot have the next one begin.
    """
    more = {"inverters": 2, "optimizers": 2, "crash_every": crash_every, "encrypt": encrypt}
    account = collected([profile], way="passive", state_dir=tmp_path, **more)
    assert account.false == account.twice == []
    assert account.published > 500


def test_a_master_that_answers_before_all_is_written_loses_records(monkeypatch):
    monkeypatch.setattr(faulty_solaredge.Agent, "waits", False)
    assert collected(way="rs485", optimizers=4, crash_every=300.0).missing


def test_a_master_that_forgets_what_came_tells_it_twice(monkeypatch):
    monkeypatch.setattr(Receiving, "_is_new", lambda self, *_: True, raising=True)
    assert collected(["lost-ack"], way="rs485", optimizers=4).twice


# -- the law can be broken -----------------------------------------------------------------------


def test_who_acknowledges_before_all_is_written_loses_records(monkeypatch):
    monkeypatch.setattr(faulty_solaredge.Agent, "waits", False)
    account = collected(optimizers=4, crash_every=300.0)
    assert account.missing


def test_who_forgets_what_came_tells_it_twice(monkeypatch):
    monkeypatch.setattr(Receiving, "_is_new", lambda self, *_: True, raising=True)
    account = collected(["lost-ack"], optimizers=4)
    assert account.twice


def test_who_confuses_units_says_what_is_false(monkeypatch):
    monkeypatch.setattr(faulty_solaredge, "means", _of_another_unit(faulty_solaredge.means))
    account = collected(optimizers=4)
    assert account.false


def _of_another_unit(means):
    def confused(told):
        return [record._replace(unit="7F000000") for record in means(told)]

    return confused
