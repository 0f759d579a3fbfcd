"""Print the table of all benchmarks at the end of the run."""

from __future__ import annotations

from tests.bench.report import ROWS, table


def pytest_terminal_summary(terminalreporter):
    """Show the table."""
    if ROWS:
        terminalreporter.write_sep("=", "measured")
        terminalreporter.write_line(table())
