"""Families made for tests, and the way to let everybody know them for a while."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest

from rct_collector.drivers import BUILTIN


@pytest.fixture
def register(monkeypatch):
    """Let a driver be found by its name, with its class of tools, as long as the test lasts."""

    def known(driver, tools=None):
        module = ModuleType(f"tests.toys.registered_{driver.name}")
        if tools:
            driver = replace(driver, toolbox=module.__name__)
        module.DRIVER, module.Tools = driver, tools
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(BUILTIN, driver.name, module.__name__)
        return driver

    return known
