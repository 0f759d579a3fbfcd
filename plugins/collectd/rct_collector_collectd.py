"""collectd plugin: solar inverter metrics through collectd's Python plugin.

The collector runs in one thread, which the init callback starts and the shutdown callback ends;
threads would not survive the fork before init. The read callback takes some of what there is,
without ever waiting. (The collector's thread could dispatch values itself, a little sooner; but a
writer that has something to complain of looks for the interval of the thread that a value is
from, and in a thread that is not collectd's that makes an error of every complaint.) Nothing
raises into collectd: while it reads its configuration that would end the daemon, and later it
would make it ask ever less often.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections import deque
from collections.abc import Callable, Iterable
from math import ceil
from typing import NamedTuple, ParamSpec

import collectd

P = ParamSpec("P")

NAME = "rct_collector_collectd"

#: Seconds from one look for values to the next. What waits when collectd is stopped is lost, since
#: writers end before plugins are told.
READ_S = 0.1

#: A callback is to give collectd its thread back within a millisecond: it hands over so many
#: values, the rest in the next ones; of more than a hundred a fifth each time.
MOST_VALUES = 20
MOST_CALLS = 5

#: Values that may wait here; more wait in the collector, which counts what it must leave out.
MOST_WAITING = 100_000

#: End of the plugin's name for what is of the past, which would be refused among what is of now.
HISTORY = "_history"

#: Seconds that the thread may take to begin and to end.
START_S = 5.0
STOP_S = 1.5

#: Bytes of a log line, of which collectd cuts off the rest.
LONGEST_LOG_LINE = 1000

_told: set[str] = set()


def _tell(problems: Iterable[str]) -> None:
    for text in problems:
        collectd.error(f"{NAME}: {text}")


def _once(text: str, say: Callable[[str], None] = collectd.error) -> None:
    """Log something that would otherwise come again and again."""
    if text not in _told:
        _told.add(text)
        say(f"{NAME}: {text}")


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
    import rct_collector

    # Loaded when first used: what is missing shall be missed here.
    _ = (rct_collector.Background, rct_collector.Gauges, rct_collector.Alerts)
    _devices = rct_collector.DeviceList("collectd")
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
    """Where the values of one unit go.

    Attributes:
        plugin: First part of collectd's identifier.
        instance: Second part.
        labels: The user's own, as meta data of each value.
        gauges: Turns batches into what collectd can take.
        alerts: Finds in batches what is worth a notification.
        values: What was dispatched so far, ready for the next time.
    """

    plugin: str
    instance: str
    labels: dict[str, str]
    gauges: rct_collector.Gauges
    alerts: rct_collector.Alerts
    values: dict[tuple[rct_collector.CollectdId, bool], collectd.Values]


class Plugin:
    """The collector between collectd's callbacks."""

    def __init__(self) -> None:
        self._configured = False
        self._targets: dict[tuple[str, str], Target] = {}
        self._waiting: deque[tuple[Target, float, rct_collector.Gauge | rct_collector.Alert]] = (
            deque()
        )
        self._share = 0
        self._members: dict[str, tuple[rct_collector.DeviceConfig, str, str]] = {}
        self._background: rct_collector.Background | None = None

    @_guarded
    def config(self, node: collectd.Config) -> None:
        """Take one block ``<Module rct_collector_collectd>``."""
        self._configured = True
        if _broken:
            _once(_broken)
            return
        _tell(_devices.add_blocks(node.children, f"<Module {NAME}>"))

    @_guarded
    def init(self) -> None:
        """Start the collector."""
        if _broken:
            _once(_broken)
            return
        if not self._configured:
            _tell(_devices.add_file())
        if not _devices.members:
            if not _told:
                _tell(["there is no device to read"])
            return
        self._members = dict(_devices.members)
        for name in self._members:
            self._target(name)
        logger = logging.getLogger("rct_collector")
        logger.handlers[:] = [LogHandler()]
        logger.propagate = False
        logger.setLevel(_devices.log_level.upper())
        self._background = rct_collector.Background(
            _devices.configs,
            agent="collectd",
            restore=rct_collector.GapOrder.OLDEST,
            again=self._again,
        )
        collectd.register_read(self.read, READ_S, name=NAME)
        self._background.start(START_S)

    def _again(self) -> list[rct_collector.Config]:
        """Read all files again; called in another thread.

        Raises:
            ConfigError: There is a mistake in them, and so nothing is to change.
        """
        fresh, problems = _devices.again()
        if problems:
            raise rct_collector.ConfigError(problems)
        logging.getLogger("rct_collector").setLevel(fresh.log_level.upper())
        # Of those who are removed something may still come.
        self._members = {**self._members, **fresh.members}
        return fresh.configs

    @_guarded
    def shutdown(self) -> None:
        """End the collector."""
        if self._background is not None and not self._background.stop(STOP_S):
            _tell(["the collector does not end; leaving it behind"])

    @_guarded
    def read(self) -> None:
        """Dispatch some of what has come."""
        assert self._background is not None  # noqa: S101 - registered with it
        waiting = self._waiting
        before = len(waiting)
        for batch in self._background.take():
            self._take(batch, self._target(batch.source, batch.unit))
            if len(waiting) > MOST_WAITING:
                break
        if len(waiting) > before:
            self._share = max(MOST_VALUES, ceil(len(waiting) / MOST_CALLS))
        for _ in range(min(len(waiting), self._share)):
            target, when, item = waiting.popleft()
            if isinstance(item, rct_collector.Gauge):
                self._dispatch(target, when, item)
            else:
                self._notify(target, when, item)

    def _target(self, name: str, unit: str = "") -> Target:
        """Where the values of a unit go; made anew for one that was removed and is back."""
        if (name, unit) not in self._targets:
            config, prefix, instance = self._members[name]
            if unit:
                instance = rct_collector.unit_name(instance, unit)
            parts = rct_collector.Gauges(config), rct_collector.Alerts(config, unit=unit)
            self._targets[name, unit] = Target(prefix, instance, dict(config.labels), *parts, {})
        return self._targets[name, unit]

    def _take(self, batch: rct_collector.Batch, target: Target) -> None:
        gauges = target.gauges
        stale, late, when = gauges.stale, gauges.late, batch.time_ns / 1e9
        self._waiting.extend((target, when, gauge) for gauge in gauges.take(batch))
        self._waiting.extend((target, when, alert) for alert in target.alerts.take(batch))
        if batch.health.removed:
            del self._targets[batch.source, batch.unit]
        if gauges.stale > stale:
            _once(
                f"{batch.source}: the clock of this host was set back; collectd takes no values"
                " that are older than the last, so there are none until it has caught up"
            )
        if gauges.late > late:
            _once(
                f"{batch.source}: values came late, and collectd takes none that are older than the"
                " last; those are left out, and counted in collector_samples_dropped_total",
                collectd.warning,
            )
        if left_out := gauges.stale + gauges.late - stale - late:
            assert self._background is not None  # noqa: S101 - the batch is from there
            self._background.dropped(batch.source, left_out)

    def _dispatch(self, target: Target, when: float, gauge: rct_collector.Gauge) -> None:
        place, value, interval, history = gauge
        try:
            values = target.values.get((place, history)) or self._values(place, target, history)
            values.dispatch(values=(value,), time=when, interval=interval)
        except (RuntimeError, TypeError) as error:  # a types.db of somebody's own
            _once(
                f"collectd does not know the type {place.type!r} as one value ({error}); name its"
                " types.db with TypesDB"
            )

    def _values(
        self,
        place: rct_collector.CollectdId,
        target: Target,
        history: bool,  # noqa: FBT001 - called with each new value
    ) -> collectd.Values:
        """All of a value that stays; made once, since that costs as much as to dispatch it."""
        found = target.values[place, history] = collectd.Values(
            type=place.type,
            type_instance=place.type_instance,
            plugin=target.plugin + HISTORY if history else target.plugin,
            plugin_instance=target.instance,
            meta=target.labels,
        )
        return found

    def _notify(self, target: Target, when: float, alert: rct_collector.Alert) -> None:
        (kind, instance), severity, text, facts = alert
        try:
            collectd.Notification(type=kind).dispatch(
                plugin=target.plugin,
                plugin_instance=target.instance,
                type_instance=instance,
                time=when,
                severity=getattr(collectd, f"NOTIF_{severity.name}"),
                message=text,
                meta={**target.labels, **facts},
            )
        except (RuntimeError, TypeError):  # nobody takes notifications, or not of that type
            return


_plugin = Plugin()
collectd.register_config(_plugin.config, name=NAME)
collectd.register_init(_plugin.init, name=NAME)
collectd.register_shutdown(_plugin.shutdown, name=NAME)
