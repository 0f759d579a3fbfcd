"""Answers of every command in every dialect, and of no other command."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rct_collector.drivers.voltronic.command import DIALECTS
from rct_collector.drivers.voltronic.conditions import CONDITIONS
from rct_collector.drivers.voltronic.table import BY_NAME, COMMANDS, of_dialect
from tests.voltronic_answers import ANSWERS

CAPTURES = Path(os.environ.get("RCT_COLLECTOR_CAPTURES", "../shared/captures")) / "voltronic"


def kind(item):
    """The name without the number of a unit; what is asked of a system is asked of one unit."""
    name = re.sub(r"^(3-strings|pi41) (?=QPIGS2)", "", item.name)
    name = re.sub(r"^(pi\d\d)?-?system ", lambda found: f"{found[1]} " if found[1] else "", name)
    return name if name.endswith("QPIGS2") else re.sub(r"(?<=GS)\d$", "", name)


def test_every_command_has_an_answer_and_every_answer_a_command():
    assert set(ANSWERS) == {kind(item) for item in COMMANDS}


@pytest.mark.parametrize("item", COMMANDS, ids=lambda item: item.name)
def test_every_command_takes_its_answers(item):
    for answer in ANSWERS[kind(item)]:
        assert item.decode(answer), answer


@pytest.mark.parametrize("dialect", DIALECTS)
def test_who_takes_the_answer_to_another_one_has_the_same_shape(dialect):
    """Else a late answer would be taken for that to the next question."""
    items = {kind(item): item for item in of_dialect(dialect)}
    for name, item in items.items():
        for other, asked in items.items():
            if name == other or item.shape is not None and item.shape == asked.shape:
                continue
            for answer in ANSWERS[other]:
                assert item.decode(answer) is None, (name, other, answer)


def test_what_has_the_same_shape_is_alike_indeed():
    for item in COMMANDS:
        friends = [
            other
            for other in COMMANDS
            if item.shape is not None
            and other is not item
            and other.shape == item.shape
            and other.dialects & item.dialects
        ]
        assert item.shape is None or any(
            one.decode(answer)
            for other in friends
            for one, asked in ((item, other), (other, item))
            for answer in ANSWERS[kind(asked)]
        ), item.name


@pytest.mark.slow
@given(st.text(st.characters(max_codepoint=0xFF), max_size=200))
def test_whatever_comes_is_an_answer_or_none(answer):
    for item in COMMANDS:
        parts = item.decode(answer)
        assert parts is None or all(isinstance(name, str) for name in parts)


@pytest.mark.slow
@given(st.sampled_from(COMMANDS), st.data())
def test_a_damaged_answer_is_an_answer_or_none(item, data):
    """Checksums let one in 65536 damaged frames pass: what is left of it must not be a bug."""
    answer = data.draw(st.sampled_from(ANSWERS[kind(item)]))
    place = data.draw(st.integers(0, len(answer) - 1))
    char = data.draw(st.characters(max_codepoint=0xFF))
    for damaged in (answer[:place], answer[:place] + char + answer[place + 1 :]):
        parts = item.decode(damaged)
        if parts is not None:
            item.fact(parts)


def test_names_are_distinct_and_end_in_what_is_sent():
    assert len(BY_NAME) == len(COMMANDS)
    for item in COMMANDS:
        assert item.text
        assert item.name.split(" ")[-1] == item.text
        assert item.dialects <= set(DIALECTS)
        assert item.dialects


def test_lengths_are_those_of_the_answers():
    """As the budget of the line takes them."""
    for item in COMMANDS:
        shortest, *_, longest = sorted(map(len, ANSWERS[kind(item)] * 2))
        frame = 8 if item.dialects & {"pi17", "pi18"} else 4
        assert 0.7 * shortest <= item.reply_bytes - frame <= 1.2 * longest + 3, item.name


def test_dates_are_asked_of_a_unit_with_a_clock_only():
    for item in COMMANDS:
        assert bool(item.date) == item.condition.endswith("-clock"), item.name


def test_conditions_exist_and_are_used():
    assert {item.condition for item in COMMANDS} == set(CONDITIONS)


def test_dialects_are_those_that_can_be_configured():
    with pytest.raises(KeyError):
        of_dialect("pi34")
    assert all(of_dialect(dialect) for dialect in DIALECTS)


# -- what others have published ----------------------------------------------------------------


def vectors():
    """Frames of real units, where they are at hand."""
    for name in ("vectors.json", "field-cases.json"):
        path = CAPTURES / name
        if path.exists():
            for number, item in enumerate(json.loads(path.read_text(encoding="utf-8"))):
                expected = item.get("expected", {})
                if expected and not expected.keys() & {"error", "ack"}:
                    yield pytest.param(item, id=f"{name}-{number}-{item['command']}")


def inside(frame):
    """The text of an answer without its frame."""
    body = frame.rstrip(b"\r\n")[:-2]
    return (body[1:] if body.startswith(b"(") else body[5:]).decode("ascii")


@pytest.mark.skipif(not CAPTURES.exists(), reason=f"no published frames in {CAPTURES}")
@pytest.mark.parametrize("item", list(vectors()))
def test_published_frames_say_what_they_are_known_to_say(item):
    text = re.sub(r"(?<=[A-Z])\d{4,8}$", "", item["command"])
    dialect = item["protocol"].lower()
    asked = [c for c in COMMANDS if c.text == text and (dialect in c.dialects or text == "QLITH0")]
    answers = [
        parts for c in asked if (parts := c.decode(inside(bytes.fromhex(item["response_hex"]))))
    ]
    assert any(parts | item["expected"] == parts for parts in answers), (answers, item["expected"])
