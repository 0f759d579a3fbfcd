"""What an answer costs, from its request to its value: counted, since seconds tell little."""

from __future__ import annotations

import pytest

from tests.device.test_device import bench
from tests.work import calls

#: Calls for each answer of a unit that answers everything, all that goes on around it included:
#: the loop, the unit, planning, publishing. A hop more on the way of each answer is 1.
CALLS = 257


#: The same while all is learnt, and until that has been asked once.
CALLS_OF_A_START = 430


def calls_per_answer(warm_up, seconds):
    """Calls for each answer while a unit is asked for so long, and how many answers there were."""
    bench(warm_up)  # what is done once
    made = []
    count = calls(lambda: made.append(bench(seconds)))
    answers = made[0].device.stats.totals["answers"]
    return count / answers, answers


@pytest.mark.slow
def test_an_answer_costs_no_more_calls_than_it_did():
    count, answers = calls_per_answer(20, 300)
    assert answers > 1000
    assert count < CALLS


def test_an_answer_that_something_is_learnt_from_costs_no_more_calls_than_it_did():
    count, answers = calls_per_answer(4, 4)
    assert answers > 50
    assert count < CALLS_OF_A_START
