"""Whatever happens on the line: what is published is what the unit said, in time and to that."""

from __future__ import annotations

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from rct_collector.drivers.voltronic.command import DIALECTS
from rct_collector.drivers.voltronic.simulator import SCENARIOS
from rct_collector.drivers.voltronic.simulator.profiles import PROFILES, faults
from tests import virtual
from tests.faulty_voltronic import VoltronicWorld
from tests.voltronic_line import VoltronicHouse

pytestmark = pytest.mark.slow

#: Ten minutes of anything, in hours.
A_WHILE = 1 / 6

#: What the units of these dialects say of themselves does not tell them from others.
NAMED = ("pi41", "pi30revo")

mixtures = st.lists(st.sampled_from(sorted(PROFILES)), min_size=1, max_size=4, unique=True)


def lived(hours, **more):
    """The verdict on some hours, and what was seen on the line."""

    async def main(loop):
        house = VoltronicHouse(loop, **more)
        return await house.run(hours), house.observed

    with virtual.untraced():
        return virtual.run(main)


def is_harmless(observed):
    """Nothing was sent that changes a unit or that a UPS obeys; it may be asked for its name."""
    return not observed.writes and observed.offences.keys() <= {"M"}


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_leaves_values_and_only_the_truth(profile):
    verdict, observed = lived(A_WHILE, faults=[profile])
    assert verdict.false == []
    assert verdict.disordered == set()
    assert verdict.published > 700
    assert is_harmless(observed)


@settings(deadline=None, max_examples=12, phases=[Phase.explicit, Phase.generate])
@given(mixtures, st.sampled_from(DIALECTS), st.sampled_from(sorted(SCENARIOS)), st.integers(0, 999))
@example(["unplug", "cut", "bad-crc"], "pi17", "island", 433)
@example(["cut", "night"], "pi18", "island", 245)  # damaged so often that a UPS is thought of
def test_any_mixture_of_faults_leaves_only_the_truth(profiles, dialect, scenario, seed):
    verdict, observed = lived(
        A_WHILE,
        faults=profiles,
        dialect=dialect,
        scenario=scenario,
        seed=seed,
        options={"dialect": dialect},
    )
    assert verdict.false == []
    assert verdict.disordered == set()
    assert is_harmless(observed)


@pytest.mark.parametrize("profile", ["late", "lost", "cut", "bad-crc", "harsh"])
def test_bad_lines_cost_next_to_nothing(profile):
    """What is due comes in time, though one answer of ten does not come well, or one of five."""

    async def main(loop):
        world = VoltronicWorld(loop, faults=faults([profile], 1), seed=1)
        return await world.run(*world.collector(), 1.0)

    with virtual.untraced():
        account = virtual.run(main)
    assert account.false == []
    assert account.completeness >= 0.99


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_read_by_one_question_at_a_time(dialect):
    options = {"dialect": dialect} if dialect in NAMED else {}
    verdict, observed = lived(A_WHILE, dialect=dialect, options=options)
    assert verdict.false == []
    assert verdict.published > 1000
    assert is_harmless(observed)
    assert not observed.offences
    assert observed.most_outstanding == 1
    assert observed.least_gap >= 0.1 - 1e-6


def test_a_day_is_read_with_all_that_happens_in_it():
    intervals = {"fast": "2m", "medium": "5m", "slow": "15m"}
    verdict, observed = lived(24.0, scenario="ill", options={"intervals": intervals})
    assert verdict.false == []
    assert verdict.disordered == set()
    assert is_harmless(observed)
    modes = verdict.values["inverter_status.state_code"]
    assert len(modes) == 3, "line, battery and fault"
    assert max(verdict.values["inverter_status.fault_word_0"]) > 0
    days = {request for request in observed.requests if request.startswith("QED")}
    assert days == {"QED20260621", "QED20260622"}
    assert observed.requests["QED20260621"] >= 12


def test_units_in_parallel_are_all_read_at_one_of_them():
    verdict, observed = lived(A_WHILE, scenario="parallel")
    assert verdict.false == []
    assert {observed.requests[f"QPGS{number}"] > 10 for number in range(3)} == {True}
    assert observed.requests["QPGS4"] == 0
    units = {name for name in verdict.series if "unit=" in name}
    assert {name.partition("unit=")[2][0] for name in units} == {"0", "1", "2"}
