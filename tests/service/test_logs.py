"""Where the log of the service goes, and what cannot be set up."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from rct_collector.config import Config
from rct_collector.errors import ConfigError
from rct_collector.service.logs import JournalFormatter, Logs

DEVICE = {"name": "roof", "driver": "rct", "address": "tcp://192.0.2.1"}


@pytest.fixture(autouse=True)
def restored():
    """The log as it was before."""
    root, ours = logging.getLogger(), logging.getLogger("rct_collector")
    before = root.level, root.handlers[:], ours.level, ours.handlers[:], ours.propagate
    yield
    for handler in {*root.handlers, *ours.handlers} - {*before[1], *before[3]}:
        handler.close()
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    ours.setLevel(before[2])
    ours.handlers[:], ours.propagate = before[3:]


def config(logging=None, **more):
    return Config.parse({"devices": [DEVICE], "logging": logging, **more})


def say(level, text):
    logging.getLogger("rct_collector.somewhere").log(level, text)


def test_usually_it_goes_to_standard_error_from_a_level_on(capsys):
    Logs("file").apply(config(log_level="warning"))
    say(logging.INFO, "quiet")
    say(logging.WARNING, "loud")
    assert capsys.readouterr().err == "WARNING: loud\n"


def test_the_command_line_counts_more_than_the_file(capsys):
    Logs("file", "debug").apply(config({"root": {"level": "ERROR"}}))
    say(logging.DEBUG, "detail")
    assert capsys.readouterr().err == "DEBUG: detail\n"


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4),
        (logging.INFO, 6), (logging.DEBUG, 7), (5, 7), (35, 4),
    ],
)  # fmt: skip
def test_the_journal_gets_a_priority_with_each_line(level, priority):
    record = logging.LogRecord("x", level, "", 0, "two\nlines", (), None)
    assert JournalFormatter().format(record) == f"<{priority}>two\n<{priority}>lines"


@pytest.mark.slow
@pytest.mark.parametrize("is_journal", [True, False])
def test_whether_it_is_the_journal_is_found_out(tmp_path, is_journal):
    code = (
        "import logging; from rct_collector.service.logs import StderrHandler as H;"
        "logging.basicConfig(handlers=[H()]); logging.error('oh')"
    )
    with (tmp_path / "stream").open("w+") as stream:
        status = os.fstat(stream.fileno())
        number = status.st_ino if is_journal else status.st_ino + 1
        environment = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{number}"}
        subprocess.run([sys.executable, "-c", code], check=True, stderr=stream, env=environment)
        stream.seek(0)
        assert stream.read() == ("<3>oh\n" if is_journal else "ERROR: oh\n")


def test_the_option_is_what_the_standard_library_takes(tmp_path, capsys):
    path = tmp_path / "log"
    wanted = {
        "version": 1,
        "formatters": {"short": {"format": "%(levelname)s|%(message)s"}},
        "handlers": {
            "file": {"class": "logging.FileHandler", "filename": str(path), "formatter": "short"}
        },
        "loggers": {"rct_collector": {"level": "DEBUG", "handlers": ["file"], "propagate": False}},
    }
    Logs("file").apply(config(wanted))
    say(logging.DEBUG, "detail")
    logging.getLogger("elsewhere").warning("other")
    assert path.read_text() == "DEBUG|detail\n"
    assert capsys.readouterr().err == "WARNING: other\n", "without root it is as usual"


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (
            {"handlers": {"f": {"class": "logging.FileHandler", "filename": "/nowhere/at/all"}}},
            "logging.handlers.f: cannot be set up: /nowhere/at/all: No such file or directory",
        ),
        (
            {"handlers": {"f": {"class": "logging.Nope"}}},
            "logging.handlers.f: cannot be set up: Cannot resolve 'logging.Nope': No module named"
            " 'logging.Nope'",
        ),
        (
            {"handlers": {"f": {"class": "logging.StreamHandler", "colour": "red"}}},
            "logging.handlers.f: cannot be set up: StreamHandler.__init__() got an unexpected"
            " keyword argument 'colour'",
        ),
        (
            {"formatters": {"f": {"format": "%(x"}}},
            "logging.formatters.f: cannot be set up: Invalid format '%(x' for '%' style",
        ),
    ],
)
def test_what_cannot_be_set_up_is_told_with_its_key_and_changes_nothing(wanted, told, capsys):
    logs = Logs("config.yaml")
    logs.apply(config())
    with pytest.raises(ConfigError) as error:
        logs.apply(config(wanted))
    (problem,) = error.value.problems
    assert problem == f"config.yaml: {told}"
    say(logging.WARNING, "still")
    assert capsys.readouterr().err == "WARNING: still\n"


def test_what_stays_the_same_is_not_set_up_again():
    logs = Logs("file")
    logs.apply(config())
    handlers = logging.getLogger().handlers[:]
    logs.apply(config(prefix="solar"))
    assert logging.getLogger().handlers == handlers
