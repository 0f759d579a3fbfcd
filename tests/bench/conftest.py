"""Print the table of all benchmarks at the end of the run, and keep it if it is whole."""

from __future__ import annotations

import os
from pathlib import Path

from tests.bench.report import ROWS, keep, table

#: Names the page that keeps the table; ``make bench`` sets it unless it measures a part only.
PAGE = "RCT_COLLECTOR_BENCH_PAGE"


def pytest_terminal_summary(terminalreporter, exitstatus):
    """Show the table."""
    if not ROWS:
        return
    terminalreporter.write_sep("=", "measured")
    terminalreporter.write_line(table())
    page = os.environ.get(PAGE)
    if not page:
        return
    if exitstatus or terminalreporter.stats.get("skipped"):
        terminalreporter.write_line(f"{page} stays as it is: not everything was measured")
        return
    keep(Path(page), "measured", table())
    terminalreporter.write_line(f"written: {page}")
