"""What some tests need that a host may not have: without it they are skipped, and say so.

A build server has all of it, and there a test that finds something missing fails.
"""

from __future__ import annotations

import importlib
import os
from typing import NoReturn

import pytest


def lacking(what) -> NoReturn:
    """Skip the test, or all of the module that is being imported; on a build server, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, and there is no {what}")
    pytest.skip(f"needs {what}", allow_module_level=True)


def library(name):
    """A module that is no part of Python."""
    try:
        return importlib.import_module(name)
    except ImportError:
        lacking(f"module {name}, see [project.optional-dependencies]")
