"""The configuration of a process, read again while its collectors run.

What becomes of the devices is for :meth:`rct_collector.collector.Collector.apply`. Around that,
here: one reload after the other, a file with a mistake changes nothing, and all of it is told.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from rct_collector.collector import Applied
from rct_collector.config import Config
from rct_collector.errors import ConfigError

log = logging.getLogger(__name__)

#: Options that only count at the start, and why.
FIXED = {
    "prefix": "measurements are not renamed while somebody takes them in",
    "processes": "each has its share of the devices from its start on",
    "home_assistant": "units tell their serial numbers when they are first read",
}

#: Names of devices that are told, of one kind of change.
MOST_NAMED = 8


class Applying(Protocol):
    """What takes another configuration: a collector, or a fleet around one."""

    @property
    def config(self) -> Config:
        """What was applied last."""

    async def apply(self, config: Config) -> Applied:
        """Go on with another one; see :meth:`rct_collector.collector.Collector.apply`."""


class Reloading:
    """Reads everything again and applies it, when it is called; see :meth:`__call__`."""

    def __init__(
        self,
        read: Callable[[], Sequence[Config]],
        collectors: Callable[[], Sequence[Applying]],
    ) -> None:
        """Prepare.

        Args:
            read: Reads the configurations anew, in a thread of its own; also makes use of what is
                none of the collectors', such as the level of the log. Raises ConfigError where
                anything is wrong, and has changed nothing then.
            collectors: The collectors at that time, in the order of the configurations.
        """
        self._read = read
        self._collectors = collectors
        self._busy = asyncio.Lock()
        self._next: asyncio.Task[Applied] | None = None
        self._begun: set[asyncio.Task[Applied]] = set()

    async def __call__(self) -> Applied:
        """Do it, and log what has come of it; who gives up waiting does not stop it.

        Returns:
            What has changed.

        Raises:
            ConfigError: There is a mistake in the configuration; nothing has changed.
        """
        return await asyncio.shield(self.begin())

    def begin(self) -> asyncio.Task[Applied]:
        """Do it without waiting; what comes of it is in the log."""
        if self._next is None:  # else what has not begun is soon enough for all who ask
            self._next = asyncio.create_task(self._reload(), name="reload")
            self._begun.add(self._next)
            self._next.add_done_callback(self._end)
        return self._next

    def _end(self, task: asyncio.Task[Applied]) -> None:
        """Let nobody else complain of what went wrong."""
        self._begun.discard(task)
        if not task.cancelled():
            task.exception()

    async def _reload(self) -> Applied:
        async with self._busy:
            self._next = None
            try:
                configs = await asyncio.get_running_loop().run_in_executor(None, self._read)
            except ConfigError as error:
                for problem in error.problems:
                    log.error("%s", problem)
                log.error("the configuration is wrong; going on with the one before")
                raise
            found = []
            for collector, config in zip(self._collectors(), configs, strict=True):
                fixed, told = _but_what_stays(config, collector.config)
                found.append((await collector.apply(fixed))._replace(later=told))
            applied = _sum(found)
        for text in applied.later:
            log.warning("%s", text)
        log.info("the configuration was read again: %s", in_words(applied))
        return applied


def _but_what_stays(new: Config, old: Config) -> tuple[Config, tuple[str, ...]]:
    """A configuration with what cannot change as it was; and what that was, in words."""
    if not old.devices and old.fleet is None:
        return new, ()
    if (new.fleet is None) != (old.fleet is None):
        text = "fleet: counts from the next start on, since devices are one process's or many's"
        return old, (text,)
    differing = [name for name in FIXED if getattr(new, name) != getattr(old, name)]
    told = tuple(
        f"{name}: {_shown(getattr(new, name))} counts from the next start on, since {FIXED[name]}"
        for name in differing
    )
    return dataclasses.replace(new, **{name: getattr(old, name) for name in differing}), told


def _shown(value: object) -> str:
    """A value as it is written in the file."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sum(parts: Sequence[Applied]) -> Applied:
    """What several collectors have done."""

    def all_of(name: str) -> tuple[str, ...]:
        return tuple(item for part in parts for item in getattr(part, name))

    names = ("added", "removed", "changed", "unchanged", "later")
    refused = {name: why for part in parts for name, why in part.refused.items()}
    return Applied(refused=refused, **{name: all_of(name) for name in names})


def in_words(applied: Applied) -> str:
    """``1 device added (barn), 2 unchanged``."""
    found: list[str] = []
    for word in ("added", "removed", "changed", "refused", "unchanged"):
        names = tuple(getattr(applied, word))
        if names:
            what = "" if found else f" device{'s' if len(names) > 1 else ''}"
            which = "" if word == "unchanged" else f" ({_listed(names)})"
            found.append(f"{len(names)}{what} {word}{which}")
    return ", ".join(found) or "no device"


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = [f"{len(known) - MOST_NAMED} more"] if len(known) > MOST_NAMED else []
    return ", ".join([*known[:MOST_NAMED], *more])


class Version:
    """Whether a file was changed since it was looked at; a pipe never is."""

    def __init__(self, path: Path) -> None:
        """Look at it now; whoever reads it does so after that, to miss nothing."""
        self._path = path
        self._seen = self._look()

    def has_changed(self) -> bool:
        """Look again; each change is told once."""
        found = self._look()
        changed = found is not None and found != self._seen
        self._seen = found or self._seen
        return changed

    def _look(self) -> tuple[int, ...] | None:
        """What differs where a file was written or replaced; None where there is none."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
