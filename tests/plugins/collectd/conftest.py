"""What the tests of the collectd plugin share."""

from __future__ import annotations

import os

import pytest

from tests.needs import lacking
from tests.plugins.collectd.daemon import COLLECTD, PLUGIN, ROOT, Daemon


@pytest.fixture(scope="session")
def packages():
    """Libraries for collectd's Python, or a skip; on a build server that is a failure."""
    found = os.environ.get("COLLECTD_PACKAGES")
    if found and COLLECTD.exists():
        return found
    return lacking("collectd and COLLECTD_PACKAGES, see tools/collectd_env.py")


@pytest.fixture
def collectd(packages, tmp_path):
    """Make daemons that do not outlive the test."""
    made = []

    def make(*modules, extra="", paths=(packages, ROOT, PLUGIN)):
        made.append(Daemon(tmp_path, paths, modules, extra))
        return made[-1]

    yield make
    for one in made:
        one.kill()
