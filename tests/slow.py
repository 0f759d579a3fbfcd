"""Parameters of a test that are left to the slow ones."""

from __future__ import annotations

import pytest


def slow_but(quick, values):
    """All values, those other than ``quick`` marked as slow."""
    return slow_among(values, *(value for value in values if value != quick))


def slow_among(values, *slow):
    """All values, some of them marked as slow."""
    mark = pytest.mark.slow
    return [pytest.param(value, marks=mark) if value in slow else value for value in values]
