"""Runs in memory that costs are measured on: they do what they say, and always the same."""

from __future__ import annotations

import pytest

from tests.bench import in_memory

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("family", "count", "exchanges", "samples"),
    [("rct", 1, 4, 8), ("voltronic", 1, 0.3, 6), ("solaredge", 3, 0.9, 5)],
)
def test_everything_is_read_and_published(family, count, exchanges, samples):
    """At least so many in a simulated second."""
    marks = []
    done = in_memory.once(family, count, lambda: marks.append(None))
    seconds = in_memory.FAMILIES[family].span(count).measured
    assert len(marks) == 2
    assert done.exchanges >= exchanges * seconds
    assert done.samples >= samples * seconds
    assert in_memory.once(family, count)[:2] == done[:2]
