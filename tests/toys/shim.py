"""The shim in a process of its own, with a family of toys beside those that are built in."""

from __future__ import annotations

#: To be run with the path of a configuration, without what the package of toys loads for tests.
SHIM_WITH_TOYS = """
import sys, types
sys.modules["tests.toys"] = toys = types.ModuleType("tests.toys")
toys.__path__ = ["tests/toys"]
from rct_collector.drivers import BUILTIN
BUILTIN["plant"] = "tests.toys.plant"
import rct_collector_telegraf
sys.exit(rct_collector_telegraf.main(["--config", sys.argv[1]]))
"""
