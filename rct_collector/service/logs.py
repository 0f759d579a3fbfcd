"""Where the log of the service goes: by its option ``logging``, else to standard error.

Standard error is mostly the journal, which takes the priority of a line from its beginning.

Source: sd-daemon(3), and ``$JOURNAL_STREAM`` in systemd.exec(5).
"""

from __future__ import annotations

import logging
import logging.config
import os
import re
import sys
from collections.abc import Mapping
from typing import Any

from rct_collector.config import Config
from rct_collector.errors import ConfigError

#: The least level of logging → priority of syslog, highest first.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)

_HANDLER = "stderr"

#: What the standard library says of what it cannot set up.
_FAILED = re.compile(r"Unable to configure (?:(handler|formatter|filter|logger) '(.*)'|root)", re.S)


class JournalFormatter(logging.Formatter):
    """Each line with its priority in front, of which a traceback has many."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        priority = next(number for level, number in _PRIORITIES if record.levelno >= level)
        lines = super().format(record).splitlines() or [""]
        return "\n".join(f"<{priority}>{line}" for line in lines)


class StderrHandler(logging.StreamHandler[Any]):
    """Standard error, as whoever reads it wants it: with priorities if that is the journal."""

    def __init__(self) -> None:
        """Find out who reads it."""
        super().__init__(sys.stderr)
        plain = logging.Formatter("%(levelname)s: %(message)s")
        self.setFormatter(JournalFormatter() if _is_journal() else plain)


def _is_journal() -> bool:
    """Whether standard error leads to the journal: the environment names the stream."""
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Logs:
    """Sets the log up, as often as the configuration changes."""

    def __init__(self, origin: str, level: str | None = None) -> None:
        """Change nothing yet.

        Args:
            origin: The configuration's file, for messages.
            level: What the command line says; counts more than the file.
        """
        self._origin = origin
        self._level = level
        self._current: dict[str, Any] = {}

    def apply(self, config: Config) -> None:
        """Log as a configuration says.

        Raises:
            ConfigError: It cannot be done; the log goes on as before.
        """
        wanted = self._wanted(config)
        if wanted == self._current:
            return
        try:
            logging.config.dictConfig(wanted)
        except Exception as error:  # whatever a class that the user names may raise
            if self._current:
                logging.config.dictConfig(self._current)
            raise ConfigError([f"{self._origin}: {_in_words(error)}"]) from error
        self._current = wanted

    def _wanted(self, config: Config) -> dict[str, Any]:
        """All that the standard library is to be told."""
        level = (self._level or config.log_level).upper()
        said: Mapping[str, Any] = config.logging
        stderr = {_HANDLER: {"class": f"{__name__}.{StderrHandler.__name__}"}}
        root = {"level": level, "handlers": [_HANDLER], **said.get("root", {})}
        if self._level:
            root["level"] = level
        return {
            "version": 1,
            # Ours are all there by now, and whoever configures a log wants to read it.
            "disable_existing_loggers": False,
            **said,
            "handlers": {**stderr, **said.get("handlers", {})},
            "root": root,
        }


def _in_words(error: BaseException) -> str:
    """Which key it is that cannot be done, and why."""
    place = ["logging"]
    while match := _FAILED.match(str(error)):
        place += [f"{match[1]}s", match[2]] if match[1] else ["root"]
        if error.__cause__ is None:
            break
        error = error.__cause__
    reason = getattr(error, "strerror", None)
    text = f"{error.filename}: {reason}" if isinstance(error, OSError) and reason else str(error)
    return f"{'.'.join(place)}: cannot be set up: {text or type(error).__name__}"
