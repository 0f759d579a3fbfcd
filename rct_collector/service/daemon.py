"""The service: a collector that belongs to no agent, between signals and systemd.

What it collects is for those who ask at the doors of its devices; it hands nothing over itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from rct_collector.collector import Applied, Collector, Owning
from rct_collector.config import Config
from rct_collector.device.device import Device
from rct_collector.device.options import Options
from rct_collector.errors import ConfigError
from rct_collector.model import Batch, Health
from rct_collector.process import settle, unsettle
from rct_collector.reloading import Applying, Reloading
from rct_collector.service.logs import Logs
from rct_collector.service.notify import Notifier
from rct_collector.service.watchdog import Watchdog

log = logging.getLogger(__name__)

#: Seconds from one look at the devices to the next, at most.
LOOK_S = 5.0

#: Devices that the status names.
MOST_NAMED = 3

_ENDING = (signal.SIGTERM, signal.SIGINT)


class TakingPart(Owning, Applying, Protocol):
    """A fleet that the daemon may take part in."""

    async def run(self, collector: Collector, until: Coroutine[Any, Any, Any]) -> None:
        """Have a collector take part until something else has ended."""


class Daemon:
    """Collects until it is told to end.

    Attributes:
        collector: Has the devices.
    """

    def __init__(
        self,
        config: Config,
        path: Path,
        notifier: Notifier,
        logs: Logs,
        *,
        options: Options | None = None,
        fleet: TakingPart | None = None,
    ) -> None:
        """Prepare; to be made and run on one event loop.

        Args:
            config: A checked configuration.
            path: Its file, which is read again when a signal says so.
            notifier: Tells systemd.
            logs: The log that was set up for the configuration.
            options: For tests; by default what the configuration says.
            fleet: Tells which devices there are; None where the configuration does.
        """
        self._fleet = fleet
        self._path = path
        self._notifier = notifier
        self._logs = logs
        self._health: dict[str, Health] = {}
        self._status = ""
        self._reloading = Reloading(self._read, lambda: [fleet or self.collector])
        self._attempts: set[asyncio.Task[object]] = set()
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.collector = Collector(config, self._emit, options, reload=self.reload, fleet=fleet)

    async def run(self) -> None:
        """Collect until a signal, or :meth:`stop`, says to end."""
        with self._hearing():
            settle(self._loop)
            look = asyncio.create_task(self._look())
            try:
                until: Coroutine[Any, Any, Any] = self._stop.wait()
                if self._fleet is not None:
                    until = self._fleet.run(self.collector, until)
                await self.collector.run_until(until)
            finally:
                look.cancel()
                self._notifier.stopping()
                await asyncio.gather(look, return_exceptions=True)

    def stop(self) -> None:
        """End :meth:`run`."""
        self._stop.set()

    async def reload(self) -> Applied:
        """Read the configuration again; see :class:`rct_collector.reloading.Reloading`.

        Raises:
            ConfigError: There is a mistake in it; nothing has changed.
        """
        self._notifier.reloading()
        try:
            return await self._reloading()
        finally:
            self._tell_ready()

    def _attempt(self) -> None:
        """Do so for a signal; mistakes are in the log."""

        async def attempt() -> None:
            with contextlib.suppress(ConfigError):
                await self.reload()

        task = asyncio.create_task(attempt())
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)

    def _read(self) -> Sequence[Config]:
        config = Config.load(self._path)
        self._logs.apply(config)
        unsettle(self._loop)
        return [config]

    @contextlib.contextmanager
    def _hearing(self) -> Iterator[None]:
        """Hear signals while the block runs."""
        loop = asyncio.get_running_loop()
        callbacks: dict[signal.Signals, Callable[[], None]] = dict.fromkeys(_ENDING, self.stop)
        callbacks[signal.SIGHUP] = self._attempt
        for number, callback in callbacks.items():
            loop.add_signal_handler(number, callback)
        try:
            yield
        finally:
            for number in callbacks:
                loop.remove_signal_handler(number)

    async def _look(self) -> None:
        """Tell the manager how the devices do, and that all is well as long as it is."""
        notifier, loop = self._notifier, asyncio.get_running_loop()
        limit = notifier.watchdog_s
        pause = min(LOOK_S, limit / 3) if limit else LOOK_S
        watchdog = Watchdog(pause)
        told: list[str] = []
        self._tell_ready()
        while True:
            stalled = watchdog.stalled(self._at_work(), loop.time())
            if stalled and stalled != told:
                log.critical("bug: no round of %s ends any more", ", ".join(stalled))
            told = stalled
            if not stalled and limit:
                notifier.alive()
            status = self._in_words()
            if status != self._status:
                self._status = status
                notifier.status(status)
            await asyncio.sleep(pause)

    def _at_work(self) -> list[Device]:
        """Devices that are collected from here; of others the rounds are another process's."""
        return [item for item in self.collector.devices if item.port.line.refusal is None]

    def _tell_ready(self) -> None:
        self._status = self._in_words()
        self._notifier.ready(self._status)

    def _emit(self, batch: Batch) -> None:
        """Remember how a device does."""
        if batch.unit:
            return
        if batch.health.removed:
            self._health.pop(batch.source, None)
        else:
            self._health[batch.source] = batch.health

    def _in_words(self) -> str:
        """``2 of 3 devices are up; barn away since 10:02 (no route to host)``."""
        names = [device.name for device in self.collector.devices]
        known = {name: self._health[name] for name in names if name in self._health}
        up = sum(health.up for health in known.values())
        found = [f"{up} of {len(names)} device{'s' if len(names) != 1 else ''} up"]
        away = [(name, health) for name, health in known.items() if health.missed]
        for name, health in away[:MOST_NAMED]:
            found.append(f"{name} away since {_clock(health.since)} ({health.error})")
        if len(away) > MOST_NAMED:
            found.append(f"and {len(away) - MOST_NAMED} more")
        return "; ".join(found)


def _clock(at: float) -> str:
    """A time of today, or of another day, in the time of this host."""
    then, today = time.localtime(at), time.localtime()
    return time.strftime("%H:%M" if then[:3] == today[:3] else "%Y-%m-%d %H:%M", then)
