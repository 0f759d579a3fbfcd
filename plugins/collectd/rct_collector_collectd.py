"""collectd plugin: solar inverter metrics through collectd's Python plugin.

The collector runs in one thread, which the init callback starts and the shutdown callback ends;
threads would not survive the fork before init. It leaves what it reads in a queue, from which
the read callback takes it without ever waiting. Nothing raises into collectd: while it reads its
configuration that would end the daemon, and later it would make it ask ever less often.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import re
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec

import collectd

P = ParamSpec("P")

NAME = "rct_collector_collectd"

#: Seconds from one look at the queue to the next, and so the most that a value waits in it.
READ_S = 0.5

#: Batches that may wait while collectd does not read; a device brings about five in 10 s.
QUEUE_LIMIT = 2000

#: Seconds that the thread may take to begin and to end.
START_S = 5.0
STOP_S = 1.5

#: Bytes of a log line, of which collectd cuts off the rest.
LONGEST_LOG_LINE = 1000

_told: set[str] = set()


def _once(text: str) -> None:
    """Log an error that would otherwise come again and again."""
    if text not in _told:
        _told.add(text)
        collectd.error(f"{NAME}: {text}")


def _guarded(callback: Callable[P, None]) -> Callable[P, None]:
    """Keep every exception from collectd, and say once what happened."""

    @functools.wraps(callback)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            callback(*args, **kwargs)
        except ImportError as error:
            _once(_missing(error))
        except BaseException as error:
            _once(f"bug in {callback.__name__}: {type(error).__name__}: {error}")

    return call


def _missing(error: ImportError) -> str:
    version = "{}.{}".format(*sys.version_info[:2])
    return (
        f"disabled: {error}. collectd's Python is {version}; install rct-collector with what it"
        f" needs for a Python {version}, and name its site-packages folder with ModulePath"
    )


try:
    import asyncio

    import rct_collector

    # Loaded when first used: what is missing shall be missed here.
    _ = (rct_collector.Collector, rct_collector.Gauges, rct_collector.from_blocks)
    _broken = ""
except ImportError as _error:
    _broken = _missing(_error)
except BaseException as _error:
    _broken = f"disabled by a bug: {_error!r}"


class LogHandler(logging.Handler):
    """Log lines of the collector in collectd's log: one line each, never too long."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record."""
        text = self.format(record).replace("\n", " | ").replace("\0", "")
        text = text.encode("utf-8", "backslashreplace")[:LONGEST_LOG_LINE].decode("utf-8", "ignore")
        # Most builds of collectd are deaf to debug(); who sets log_level wants to read it.
        say = collectd.info
        if record.levelno >= logging.WARNING:
            say = collectd.error if record.levelno >= logging.ERROR else collectd.warning
        say(f"rct_collector: {text}")


class Target(NamedTuple):
    """Where the values of one device go.

    Attributes:
        config: The device's options.
        plugin: First part of collectd's identifier.
        instance: Second part: the name of the device in letters that hurt no writer.
        gauges: Turns batches into what collectd can take.
        alerts: Finds in batches what is worth a notification.
    """

    config: rct_collector.DeviceConfig
    plugin: str
    instance: str
    gauges: rct_collector.Gauges
    alerts: rct_collector.Alerts


class Plugin:
    """The collector between collectd's callbacks."""

    def __init__(self) -> None:
        self._configured = False
        self._configs: list[rct_collector.Config] = []
        self._targets: dict[str, Target] = {}
        self._queue: deque[rct_collector.Batch] = deque()
        self._collectors: list[rct_collector.Collector] = []
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None

    # -- configuration -----------------------------------------------------------------------

    @_guarded
    def config(self, node: collectd.Config) -> None:
        """Take one block ``<Module rct_collector_collectd>``."""
        self._configured = True
        if _broken:
            _once(_broken)
            return
        files = [child for child in node.children if child.key.lower() == "config"]
        rest = [child for child in node.children if child.key.lower() != "config"]
        for child in files:
            for value in child.values:
                self._file(Path(str(value)))
        if files and rest:
            keys = ", ".join(sorted({child.key for child in rest}))
            collectd.error(f"{NAME}: ignored beside Config: {keys}; they belong into that file")
        elif rest:
            self._take(rct_collector.from_blocks(rest), f"<Module {NAME}>")
        elif not files:
            self._file(rct_collector.default_path())

    def _file(self, path: Path) -> None:
        try:
            self._take(rct_collector.read(path), str(path))
        except rct_collector.ConfigError as error:
            for problem in error.problems:
                collectd.error(f"{NAME}: {problem}")

    def _take(self, value: Any, origin: str) -> None:
        """Keep what can be used; the devices of all blocks and files must differ."""
        config, problems = rct_collector.salvage(value, origin)
        for problem in problems:
            collectd.error(f"{NAME}: {problem}")
        if config is None:
            return
        self._configs.append(config)
        for device in config.devices:
            instance = re.sub(r"[^A-Za-z0-9_]", "_", device.name)[:127]
            others = self._targets.values()
            if any(instance == other.instance for other in others):
                reason = f"another device is called {instance!r} in collectd"
            elif any(device.address == other.config.address for other in others):
                reason = f"{device.address} is asked by another one"
            else:
                parts = rct_collector.Gauges(device), rct_collector.Alerts(device)
                self._targets[device.name] = Target(device, config.prefix, instance, *parts)
                continue
            collectd.error(f"{NAME}: {origin}: {device.name} is left out: {reason}")

    # -- life --------------------------------------------------------------------------------

    @_guarded
    def init(self) -> None:
        """Start the collector."""
        if _broken:
            _once(_broken)
            return
        if not self._configured:
            self._file(rct_collector.default_path())
        if not self._targets:
            if not _told:
                collectd.error(f"{NAME}: there is no device to read")
            return
        logger = logging.getLogger("rct_collector")
        logger.handlers[:] = [LogHandler()]
        logger.propagate = False
        logger.setLevel(min(logging.getLevelName(c.log_level.upper()) for c in self._configs))
        collectd.register_read(self.read, READ_S, name=NAME)
        self._thread = threading.Thread(target=self._run, name=NAME, daemon=True)
        self._thread.start()
        self._ready.wait(START_S)

    @_guarded
    def shutdown(self) -> None:
        """End the collector."""
        if self._thread is None:
            return
        self._stop()
        self._thread.join(STOP_S)
        if self._thread.is_alive():
            collectd.error(f"{NAME}: the collector does not end; leaving it behind")

    @_guarded
    def _run(self) -> None:
        devices = len(self._targets)
        with asyncio.Runner(loop_factory=lambda: rct_collector.new_event_loop(devices)) as runner:
            runner.run(self._collect())

    async def _collect(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        self._stop = lambda: _tell(loop, stop.set)
        self._ready.set()
        for config in self._configs:
            own = tuple(d for d in config.devices if self._owner(d.name) is d)
            if own:
                chosen = dataclasses.replace(config, devices=own)
                self._collectors.append(rct_collector.Collector(chosen, self._emit))
        running = [asyncio.create_task(collector.run()) for collector in self._collectors]
        await stop.wait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _owner(self, name: str) -> rct_collector.DeviceConfig | None:
        """The device that has a name; another block may have given it away first."""
        target = self._targets.get(name)
        return target.config if target else None

    def _emit(self, batch: rct_collector.Batch) -> None:
        """Queue what a device has to say; when collectd does not read, the oldest goes."""
        if len(self._queue) >= QUEUE_LIMIT:
            oldest = self._queue.popleft()
            for collector in self._collectors:
                collector.dropped(oldest.source, len(oldest.values))
        self._queue.append(batch)

    # -- values ------------------------------------------------------------------------------

    @_guarded
    def read(self) -> None:
        """Dispatch what has come since the last time."""
        while self._queue:
            batch = self._queue.popleft()
            target = self._targets[batch.source]
            self._publish(batch, target)
            self._notify(batch, target)

    def _publish(self, batch: rct_collector.Batch, target: Target) -> None:
        values = collectd.Values()
        common: dict[str, Any] = {"plugin": target.plugin, "plugin_instance": target.instance}
        common["time"] = batch.time_ns / 1e9
        if batch.labels:
            common["meta"] = dict(batch.labels)
        stale = target.gauges.stale
        for (kind, instance), value, interval in target.gauges.take(batch):
            try:
                values.dispatch(
                    type=kind, type_instance=instance, values=(value,), interval=interval, **common
                )
            except TypeError:  # a types.db of somebody's own in place of collectd's
                _once(f"collectd does not know the type {kind!r}; name its types.db with TypesDB")
        if target.gauges.stale > stale:
            _once(
                f"{batch.source}: the clock of this host was set back; collectd takes no values"
                " that are older than the last, so there are none until it has caught up"
            )

    def _notify(self, batch: rct_collector.Batch, target: Target) -> None:
        for (kind, instance), bad, text in target.alerts.take(batch):
            try:
                collectd.Notification(type=kind).dispatch(
                    plugin=target.plugin,
                    plugin_instance=target.instance,
                    type_instance=instance,
                    time=batch.time_ns / 1e9,
                    severity=collectd.NOTIF_FAILURE if bad else collectd.NOTIF_OKAY,
                    message=text,
                )
            except RuntimeError:  # no plugin is loaded that takes notifications
                return


def _tell(loop: Any, callback: Callable[[], None]) -> None:
    """Call something on the loop from another thread, unless the loop is gone."""
    try:
        loop.call_soon_threadsafe(callback)
    except RuntimeError:
        return


_plugin = Plugin()
collectd.register_config(_plugin.config, name=NAME)
collectd.register_init(_plugin.init, name=NAME)
collectd.register_shutdown(_plugin.shutdown, name=NAME)
