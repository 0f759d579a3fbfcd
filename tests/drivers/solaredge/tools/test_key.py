"""The key of a unit, of four answers."""

import json

import pytest

from rct_collector.drivers.solaredge.tools.key import key_of
from rct_collector.errors import CaptureError


def answers(*values):
    return b"".join(
        json.dumps({"command": 18, "data": {"type": 0, "value": value}, "response": 144}).encode()
        + b"\n"
        for value in values
    )


VALUES = (0x03020100, 0x07060504, 0x0B0A0908, 0x0F0E0D0C)
KEY = b"000102030405060708090a0b0c0d0e0f"


def test_a_key_is_printed_without_anything_else(desk, call):
    desk.stdin = answers(*VALUES)
    call("key")

    assert desk.stdout == KEY
    assert desk.said == []


def test_a_key_file_is_for_its_owner_only(desk, call):
    desk.files["answers.json"] = answers(*VALUES)
    call("key", "-o", "unit.key", "answers.json")

    assert desk.files["unit.key"] == KEY
    assert desk.private == {"unit.key"}
    assert desk.stdout == b""


def test_other_lines_do_not_matter(desk, call):
    desk.stdin = b'{"data": "", "response": 128}\nno JSON\n' + answers(*VALUES)
    call("key", "-")

    assert desk.stdout == KEY
    assert desk.said == [
        "Warning: standard input: 1 of 6 lines are no JSON objects, and were left out; the first is"
        " line 2: b'no JSON'"
    ]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "made of 4 answers.*: 0 lines have a value"),
        ([1, 2, 3], "3 lines have a value"),
        ([1, 2, 3, 4, 5], "5 lines have a value"),
        ([1, 2, 3, 1 << 32], "whole numbers of 32 bits"),
        ([1, 2, 3, -1], "whole numbers of 32 bits"),
        ([1, 2, 3, 4.0], "whole numbers of 32 bits"),
        ([1, 2, 3, True], "whole numbers of 32 bits"),
        ([0, 0, 0, 0], "does not give its key away"),
    ],
)
def test_what_is_no_key_is_refused(values, message):
    with pytest.raises(CaptureError, match=message):
        key_of(values)
