"""A goal that is missed is said in its row, and fails the run at its end."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.bench import report as module
from tests.bench.conftest import pytest_sessionfinish


@pytest.fixture
def rows(monkeypatch):
    """What is reported, apart from what a run measures."""
    found = []
    monkeypatch.setattr(module, "ROWS", found)
    return found


@pytest.mark.parametrize("reached", [True, False])
def test_a_goal_that_is_missed_fails_the_run(monkeypatch, rows, reached):
    missed = []
    monkeypatch.setattr(module, "MISSED", missed)
    monkeypatch.setattr("tests.bench.conftest.MISSED", missed)
    module.report("answer", "4 µs", goal="≤ 3 µs", reached=reached)
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    pytest_sessionfinish(session)
    assert rows == [("answer", "4 µs", "", "", "≤ 3 µs" if reached else "≤ 3 µs, not reached")]
    assert missed == ([] if reached else ["answer"])
    assert session.exitstatus is pytest.ExitCode["OK" if reached else "TESTS_FAILED"]


def test_what_failed_otherwise_stays_so(monkeypatch):
    monkeypatch.setattr("tests.bench.conftest.MISSED", ["answer"])
    session = SimpleNamespace(exitstatus=pytest.ExitCode.INTERRUPTED)
    pytest_sessionfinish(session)
    assert session.exitstatus is pytest.ExitCode.INTERRUPTED
