"""What an answer costs, from its request to its value: counted, since seconds tell little."""

from __future__ import annotations

import pytest

from tests.device.test_device import bench
from tests.work import calls

#: Calls for each answer of a unit that answers everything, all that goes on around it included:
#: the loop, the unit, planning, publishing. A hop more on the way of each answer is 1.
CALLS = 257


@pytest.mark.slow
def test_an_answer_costs_no_more_calls_than_it_did():
    bench(20)  # what is done once
    made = []
    count = calls(lambda: made.append(bench(300)))
    answers = made[0].device.stats.totals["answers"]
    assert answers > 1000
    assert count / answers < CALLS


#: The same while all is learnt, and until that has been asked once.
CALLS_OF_A_START = 430


def test_an_answer_that_something_is_learnt_from_costs_no_more_calls_than_it_did():
    bench(4)  # what is done once
    made = []
    count = calls(lambda: made.append(bench(4)))
    answers = made[0].device.stats.totals["answers"]
    assert answers > 50
    assert count / answers < CALLS_OF_A_START
