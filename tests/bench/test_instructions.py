"""The collector does no more for an exchange, or a record, than is written down."""

from __future__ import annotations

import pytest

from tests.bench import instructions
from tests.needs import lacking
from tests.processes import program

RIGHT = {"rct": 100_000, "solaredge": 50_000}


@pytest.mark.slow
@pytest.mark.timeout(900)  # a quarter of a minute alone; counts do not suffer from company
@pytest.mark.servers
def test_an_exchange_takes_as_many_instructions_as_are_kept():
    program("valgrind")
    name = instructions.build() or lacking(f"Python of Debian as {instructions.PYTHON}")
    right = instructions.kept().get(name) or lacking(
        f"number for {name} in {instructions.KEPT.name}:"
        " python -m tests.bench.instructions --keep writes one"
    )
    wrong = [*instructions.differences(instructions.counted(), right)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"rct": 104_999, "solaredge": 47_501}, []),
        (
            {"rct": 105_001},
            ["rct: 105,001 instructions per exchange, +5.0% of the 100,000", "dear"],
        ),
        ({"rct": 94_999}, ["rct: 94,999 instructions per exchange, -5.0% of the 100,000", "cheap"]),
        ({"solaredge": 60_000}, ["solaredge: 60,000 instructions per record, +20.0%", "dearer"]),
        ({"new": 1}, ["new: 1 instructions; no number is kept"]),
    ],
)
def test_what_is_off_is_told_with_what_to_do(found, words):
    told = "\n".join(instructions.differences(found, RIGHT))
    assert bool(told) == bool(words)
    assert all(word in told for word in words)
    assert not words or "python -m tests.bench.instructions --keep" in told


def test_what_is_kept_is_kept_beside_what_other_interpreters_count(tmp_path, monkeypatch):
    monkeypatch.setattr(instructions, "KEPT", tmp_path / "kept.json")
    instructions.KEPT.write_text('{"other": {"rct": 1}, "this": {"rct": 2}}')
    instructions.keep("this", RIGHT)
    assert instructions.kept() == {"other": {"rct": 1}, "this": RIGHT}
