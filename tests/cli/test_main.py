"""What all commands share: help, version, speed, status."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest

from rct_collector import __version__
from rct_collector.cli import main
from rct_collector.errors import BusyError, CollectorError, ConfigError, TransportError
from rct_collector.exits import MEANINGS, Exit
from tests.cli.conftest import ROOT


def test_help_names_every_command_and_every_status(run):
    result = run("--help")

    assert result.exit_code == 0
    for name in main.COMMANDS:
        assert f"\n  {name} " in result.stdout
    for status, meaning in MEANINGS.items():
        assert f"{status.value:>5}  {meaning}" in result.stdout
    assert set(MEANINGS) == set(Exit)


def every_command():
    """Names of all commands and subcommands."""
    for name in main.application.list_commands(None):
        found = main.application.get_command(None, name)
        yield (name,)
        if isinstance(found, click.Group):
            yield from ((name, sub) for sub in found.list_commands(None))


@pytest.mark.parametrize("names", list(every_command()), ids=" ".join)
def test_every_command_explains_itself(run, names):
    result = run(*names, "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: rct-collector {' '.join(names)} ")
    assert all(len(line) <= 100 for line in result.stdout.splitlines())


def test_version(run):
    assert run("--version").stdout == f"rct-collector, version {__version__}\n"


def test_an_unknown_command_is_a_mistake_of_the_user(run):
    result = run("raed")

    assert result.exit_code == 2
    assert "No such command 'raed'" in result.stderr


HEAVY = (
    "asyncio",
    "rich",
    "rctclient",
    "tenacity",
    "yaml",
    "rct_collector.catalog",
    "rct_collector.drivers.base",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"ARGUMENTS": '["--help"]'},
        {"ARGUMENTS": '["read", "--help"]'},
        {
            "ARGUMENTS": "[]",
            "COMP_WORDS": "rct-collector re",
            "COMP_CWORD": "1",
            "_RCT_COLLECTOR_COMPLETE": "bash_complete",
        },
    ],
    ids=["help", "help of a command", "completion"],
)
def test_help_and_completion_load_nothing_heavy(environment):
    code = (
        "import atexit, json, os, sys\n"
        "from rct_collector.cli.main import main\n"
        "sys.argv[1:] = json.loads(os.environ['ARGUMENTS'])\n"
        f"atexit.register(lambda: print(json.dumps([m for m in {HEAVY} if m in sys.modules])))\n"
        "sys.argv[0] = 'rct-collector'\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.slow
def test_the_module_is_the_command(start):
    process = start("--version")
    stdout, _ = process.communicate(timeout=60)

    assert stdout == f"rct-collector, version {__version__}\n"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError(["a", "b"]), Exit.USAGE),
        (BusyError("held"), Exit.BUSY),
        (TransportError("gone"), Exit.UNREACHABLE),
        (CollectorError("what"), Exit.BUG),
    ],
)
def test_every_error_has_a_status_and_one_line_per_problem(monkeypatch, run, error, status):
    @click.command("read")
    def fails():
        raise error

    monkeypatch.setattr(main.Application, "get_command", lambda *_: fails)
    result = run("read")

    assert result.exit_code == status
    assert result.stderr.splitlines() == [f"Error: {line}" for line in str(error).splitlines()]


def test_a_keyboard_interrupt_has_the_status_that_shells_know(monkeypatch, run):
    @click.command("read")
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(main.Application, "get_command", lambda *_: interrupted)

    assert run("read").exit_code == 130


@pytest.mark.slow
def test_help_into_a_closed_pipe_is_silent(start):
    process = start("metrics")
    process.stdout.close()
    _, stderr = process.communicate(timeout=60)

    assert (process.returncode, stderr) == (141, "")


@pytest.mark.slow
def test_a_terminal_without_unicode_gets_question_marks(start):
    process = start(
        "metrics", "inverter_temperature.*", env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    stdout, stderr = process.communicate(timeout=60)

    assert (process.returncode, stderr) == (0, "")
    assert "?C" in stdout


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_program_gets_utf8_whatever_the_locale_is(start, serve, config_file, encoding):
    path = config_file(roof=serve().address)
    text = path.read_text()
    path.write_text(text.replace("driver: rct", "driver: rct\n  labels: {site: dächle}"))
    bare = {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    for arguments, found in (
        (["metrics", "inverter_temperature.*", "--format", "json"], '"unit": "°C"'),
        (["read", "--config", path, "--format", "influx"], ",site=dächle,"),
        (["read", "--config", path, "--format", "json"], '"site": "dächle"'),
    ):
        stdout, stderr = start(*arguments, env=bare).communicate(timeout=60)
        assert found in stdout, stderr
