"""Print the table of all benchmarks at the end of the run, and keep it if it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.bench.report import MISSED, ROWS, TABLES, keep, table

#: Names the page that keeps the table; ``make bench`` sets it unless it measures a part only.
PAGE = "RCT_COLLECTOR_BENCH_PAGE"


def pytest_sessionfinish(session):
    """A goal that was not reached fails the run."""
    if MISSED and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Show the table."""
    found = {"measured": table()} if ROWS else {}
    found |= {f"measured-{one.name}": str(one) for one in TABLES if one.rows}
    if not found:
        return
    for name, text in found.items():
        terminalreporter.write_sep("=", name)
        terminalreporter.write_line(text)
    for name in MISSED:
        terminalreporter.write_line(f"goal not reached: {name}", red=True)
    page = os.environ.get(PAGE)
    if not page:
        return
    if any(terminalreporter.stats.get(kind) for kind in ("failed", "error", "skipped")):
        terminalreporter.write_line(f"{page} stays as it is: not everything was measured")
        return
    for name, text in found.items():
        keep(Path(page), name, text)
    terminalreporter.write_line(f"written: {page}")
