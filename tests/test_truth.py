"""Whatever happens on the line: what is published is what the unit said, and said in time."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rct_collector.drivers.rct.simulator import SCENARIOS
from rct_collector.drivers.rct.simulator.profiles import PROFILES, faults
from tests import virtual
from tests.faulty import World

pytestmark = pytest.mark.slow

names = st.lists(st.sampled_from(sorted(PROFILES)), min_size=1, max_size=4, unique=True)


def collected(profiles, *, hours, scenario="sunny", seed=1, **more):
    """The account of our collector."""

    async def main(loop):
        world = World(loop, scenario, faults(profiles, seed), seed=seed, **more)
        return await world.run(*world.collector(), hours)

    return virtual.run(main)


@settings(deadline=None, max_examples=40)
@given(names, st.sampled_from(sorted(SCENARIOS)), st.integers(0, 2**32))
@example(["portal", "harsh", "plant", "app"], "old-firmware", 1356299920)  # 18 s of standstill
@example(["harsh", "app", "portal", "night"], "no-backup", 1695134336)  # late within the round
@example(["new-firmware", "changes", "harsh"], "inverter-only", 3626593116)  # cut, then torn
def test_any_mixture_of_faults_leaves_only_the_truth(profiles, scenario, seed):
    """Each sample equals a value of a valid, complete answer; types stay, times increase."""
    account = collected(profiles, hours=0.1, scenario=scenario, seed=seed)
    assert account.false == []
    assert account.disordered == set()


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_leaves_values_and_only_the_truth(profile):
    account = collected([profile], hours=0.5)
    assert account.published > 1000
    assert account.false == []
    assert account.disordered == set()


@pytest.mark.parametrize("profile", ["app", "portal", "plant", "new-firmware"])
def test_other_clients_and_plants_cost_no_value(profile):
    account = collected([profile], hours=0.75)
    assert account.completeness == 1.0


def test_a_quarter_of_bad_answers_costs_next_to_nothing():
    account = collected(["harsh"], hours=1.0)
    assert account.completeness >= 0.995


def test_what_a_firmware_does_not_know_costs_no_other_value():
    account = collected([], hours=1.0, scenario="old-firmware")
    assert account.completeness == 1.0
