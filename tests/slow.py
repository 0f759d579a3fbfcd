"""Parameters of a test that are left to the slow ones, but for one."""

from __future__ import annotations

import pytest


def slow_but(quick, values):
    """All values, those other than ``quick`` marked as slow."""
    slow = pytest.mark.slow
    return [value if value == quick else pytest.param(value, marks=slow) for value in values]
