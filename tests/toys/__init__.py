"""Families made for tests, and the way to let everybody know them for a while."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from rct_collector.drivers import BUILTIN


@pytest.fixture
def register(monkeypatch):
    """Let a driver be found by its name, as long as the test lasts."""

    def known(driver):
        module = ModuleType(f"tests.toys.registered_{driver.name}")
        module.DRIVER = driver
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(BUILTIN, driver.name, module.__name__)
        return driver

    return known
