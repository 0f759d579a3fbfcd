"""What is old, was kept, or was here before is refused; whatever clocks do."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.bridge.commands import Message, SetCommand
from rct_collector.bridge.judge import (
    AHEAD_S,
    LOOK_S,
    MOST,
    OLDEST_S,
    Attention,
    Remembered,
    objection,
)

NOW = 1782036003.0
PLAIN = SetCommand("roof", "buzzer", "on")


def order(time=NOW, key="7f", source="roof"):
    return SetCommand(source, "buzzer", True, key, time)


def rule(command, *, seen=None, now=NOW, waited=0.0, **flags):
    """The rule that stands against a command; None for none."""
    message = Message("inverter/roof/set", b"", **flags)
    found = objection(message, command, seen or Remembered(), now, waited)
    return found and (found.data or {}).get("rule", found.message)


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, None), (OLDEST_S, None), (OLDEST_S + 0.1, "age"), (86400, "age"), (-AHEAD_S, None),
     (-AHEAD_S - 0.1, "age"), (-1e9, "age")],
)  # fmt: skip
def test_a_command_in_json_is_judged_by_its_time(age, expected):
    assert rule(order(NOW - age)) == expected


def test_what_was_retained_is_refused():
    assert rule(order(), retained=True) == "retained"
    assert rule(PLAIN, retained=True) == "retained"


def test_a_plain_value_that_is_delivered_again_is_refused():
    assert rule(PLAIN) is None
    assert rule(PLAIN, repeated=True) == "replay"
    assert rule(order(), repeated=True) is None  # it has an id, which tells better


def test_what_has_waited_for_too_long_is_refused():
    assert rule(PLAIN, waited=OLDEST_S) is None
    assert rule(PLAIN, waited=OLDEST_S + 1) == "age"
    assert rule(order(), waited=OLDEST_S + 1) == "age"


def test_an_id_counts_once():
    seen = Remembered()
    assert rule(order(), seen=seen) is None
    seen.add(order())

    assert rule(order(), seen=seen) == "replay"
    assert rule(order(NOW + 1), seen=seen, now=NOW + 1) == "replay"
    assert rule(order(key=7), seen=seen) is None
    assert rule(order(source="barn"), seen=seen) is None
    seen.add(order(key="7"))
    assert rule(order(key=7), seen=seen) is None


def test_what_is_forgotten_is_too_old_even_if_the_clock_is_set_back():
    seen = Remembered()
    seen.add(order())
    assert rule(order(NOW + 100, "8"), seen=seen, now=NOW + 100) is None  # forgets the first

    assert rule(order(), seen=seen, now=NOW) == "replay"
    assert rule(order(NOW + 0.1, "9"), seen=seen, now=NOW) is None


def test_a_clock_that_was_years_ahead_stops_nothing_for_ever():
    seen = Remembered()
    ahead = NOW + 10 * 365 * 86400
    seen.add(order(ahead))
    assert rule(order(ahead + 100, "8"), seen=seen, now=ahead + 100) is None

    assert rule(order(), seen=seen, now=NOW) is None


def test_no_number_of_ids_fills_the_memory():
    seen = Remembered()
    for number in range(MOST):
        assert rule(order(key=number), seen=seen) is None
        seen.add(order(key=number))

    assert rule(order(key="more"), seen=seen) == f"{MOST} commands a minute are enough"
    assert rule(order(NOW + 61, "later"), seen=seen, now=NOW + 61) is None
    assert len(seen.to_json()["times"]) == 0


def test_it_outlives_the_process():
    seen = Remembered()
    seen.add(order())
    again = Remembered.from_json(json.loads(json.dumps(seen.to_json())))

    assert rule(order(), seen=again) == "replay"
    assert rule(order(key="8"), seen=again) is None


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.integers(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["times", "floor", "x"]), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_any_file_can_be_read(said):
    assert rule(order(), seen=Remembered.from_json(said)) in (None, "replay")


def test_a_lapse_is_noticed_once():
    now = 0.0
    attention = Attention(lambda: now)
    now += LOOK_S
    assert not attention.lapsed()
    now += 3 * LOOK_S
    assert attention.lapsed()
    assert not attention.lapsed()
