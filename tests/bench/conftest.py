"""Print the table of all benchmarks at the end of the run, and keep it if it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.bench.report import MISSED, ROWS, keep, table

#: Names the page that keeps the table; ``make bench`` sets it unless it measures a part only.
PAGE = "RCT_COLLECTOR_BENCH_PAGE"


def pytest_sessionfinish(session):
    """A goal that was not reached fails the run."""
    if MISSED and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Show the table."""
    if not ROWS:
        return
    terminalreporter.write_sep("=", "measured")
    terminalreporter.write_line(table())
    for name in MISSED:
        terminalreporter.write_line(f"goal not reached: {name}", red=True)
    page = os.environ.get(PAGE)
    if not page:
        return
    if any(terminalreporter.stats.get(kind) for kind in ("failed", "error", "skipped")):
        terminalreporter.write_line(f"{page} stays as it is: not everything was measured")
        return
    keep(Path(page), "measured", table())
    terminalreporter.write_line(f"written: {page}")
