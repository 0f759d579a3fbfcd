"""The family's commands, run with files in memory."""

from __future__ import annotations

from importlib import import_module

import click
import pytest

from tests.cli.conftest import run, start  # noqa: F401 - fixtures
from tests.outside import Desk


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def call(desk):
    """Run a command; what a user did wrong is raised."""

    def run_with_desk(name, *arguments):
        command = import_module(f"rct_collector.drivers.solaredge.tools.{name}").command
        command.main([*map(str, arguments)], name, obj=desk, standalone_mode=False)

    return run_with_desk


@pytest.fixture
def usage(call):
    """Run a command that refuses; the reason."""

    def run_with_desk(name, *arguments):
        with pytest.raises(click.UsageError) as info:
            call(name, *arguments)
        return info.value.format_message()

    return run_with_desk
