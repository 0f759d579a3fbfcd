"""After an outage, on troubled lines: the past is the unit's memory, the present is as ever."""

from __future__ import annotations

import pytest

from tests.bench.outage import measured

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("names", "least"), [(["app", "portal"], 0.999), (["harsh"], 0.995)])
def test_what_was_missed_comes_back_and_live_values_do_not_suffer(names, least):
    """Others read the same logger at other times, and a quarter of all answers is bad."""
    result = measured(names, "ours", hours=0.4, down_s=7200, seed=7)
    assert result.restored == result.due > 500
    assert (result.false, result.again) == (0, 0)
    assert result.account.false == []
    assert result.account.completeness >= least
    answered, asked = result.others
    assert answered >= 0.999 * asked
