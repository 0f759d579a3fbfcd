"""What has grown is told."""

from __future__ import annotations

import pytest

from tests.bench.growth import grown, simulated
from tests.bench.shim import Reading, Spent


def part(us, at=0.0):
    """A part of ten seconds with a thousand samples of so many µs."""
    before = Reading(at, 0.0, 0.0, 0, 0, 0)
    return Spent.between(before, Reading(at + 10, 1e-3 * us, 0.0, 1000, 500, 0))


@pytest.mark.parametrize(
    ("last", "memory", "words"),
    [
        (20.9, 62.9, ""),
        (10.0, 30.0, ""),
        (22.1, 60.0, "a sample takes 22 µs, at first 20"),
        (20.0, 64.0, "memory is 64 MB, at first 60"),
        (40.0, 90.0, "a sample takes 40 µs, at first 20; memory is 90 MB, at first 60"),
    ],
)
def test_the_last_part_is_held_against_the_first(last, memory, words):
    found = [(part(20.0), 60.0), (part(99.0), 99.0), (part(last), memory)]
    assert grown(found) == words


def test_what_was_spent_is_of_the_time_between():
    spent = part(20.0)
    assert spent.sample == pytest.approx(20.0)
    assert spent.exchange == pytest.approx(40.0)
    assert (spent.samples, spent.answers) == (100.0, 50.0)
    assert spent.core == pytest.approx(0.002)


@pytest.mark.slow
def test_parts_of_a_simulated_time():
    parts = [spent for spent, _ in simulated(2, 30, 60, 3)]
    assert [spent.missed for spent in parts] == [0, 0, 0]
    assert all(spent.samples > 10 and 2 < spent.answers < 20 for spent in parts)
