"""What a process knows of its devices for those who call.

This is all that a process has of the door while nobody calls; what speaks to callers, with JSON and
all that, is loaded when the first one does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from math import isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rct_collector.device.device import Device
from rct_collector.device.publisher import Emit
from rct_collector.model import Batch, Health, Origin, Series, Value
from rct_collector.reports import Reports

if TYPE_CHECKING:
    from rct_collector.control.door import Workload
    from rct_collector.control.subscriptions import Subscriptions

T = TypeVar("T")

log = logging.getLogger(__name__)

#: Before all times, in nanoseconds since the epoch.
_NEVER = -(1 << 63)

#: Integers up to this one are numbers that a float holds exactly.
_EXACT = 1 << 53

#: What devices have in common that share a line; see :attr:`DeviceConfig.line`.
Line = tuple[str, str]


#: Series → where its value is; of units of one kind it is one for all of them.
Places = dict[Series, int]


class Latest:
    """What one unit has said last.

    Each process keeps that of all its units, for somebody who may never ask: what is the same for
    many is kept once, and of each value only itself and its time, in eight bytes each.

    Attributes:
        health: How the unit does.
        time_ns: Of the last values that were of now; 0 before the first.
    """

    __slots__ = ("_numbers", "_others", "_places", "_times", "health", "time_ns")

    def __init__(self, health: Health, places: Places) -> None:
        """Nothing was said yet.

        Args:
            health: How the unit does.
            places: What is known of where values are, to which this may add.
        """
        self._places = places
        self._numbers = array("d")  # nan for what is in _others
        self._others: dict[int, Value] = {}  # texts, and integers that no float holds
        self._times = array("q")  # nanoseconds since the epoch; of no value before all others
        self.health = health
        self.time_ns = 0

    def __iter__(self) -> Iterator[tuple[Series, Value, int]]:
        """Each series with its last value, and of when that is, in nanoseconds since the epoch."""
        for series, place in self._places.items():
            if place < len(self._times) and self._times[place] != _NEVER:
                yield series, self._value(series, place), self._times[place]

    def _value(self, series: Series, place: int) -> Value:
        number = self._numbers[place]
        if isnan(number):
            return self._others.get(place, number)
        return int(number) if series.metric.value_type is int else number

    def take(self, batch: Batch) -> None:
        """Keep what is new, whenever it comes."""
        time_ns, places, numbers, times = batch.time_ns, self._places, self._numbers, self._times
        if batch.origin is Origin.LIVE:
            self.health = batch.health
            if batch.values and batch.health.up:  # of a unit that is away, figures of ours come
                self.time_ns = max(self.time_ns, time_ns)
        for series, value in batch.values:
            try:
                place = places[series]
                if times[place] > time_ns:
                    continue
            except LookupError:
                place = self._reach(series)
            times[place] = time_ns
            if type(value) is float or type(value) is int and -_EXACT <= value <= _EXACT:
                numbers[place] = value
            else:
                numbers[place], self._others[place] = nan, value

    def _reach(self, series: Series) -> int:
        """Make room for a series of which nothing was said yet."""
        place = self._places.setdefault(series, len(self._places))
        missing = place + 1 - len(self._times)
        self._numbers.extend([nan] * missing)
        self._times.extend([_NEVER] * missing)
        return place


class Topic:
    """One device of the process.

    Attributes:
        device: What collects from it.
        units: Unit → what it has said last; "" of a device that is a unit itself.
        feed: Those who are told what is new; None while nobody was.
        cut: Subscribers that were cut off, since they did not read.
    """

    def __init__(self, device: Device, places: Places) -> None:
        """Nothing was said yet.

        Args:
            device: What collects.
            places: Those of a device that is a unit itself; of many units each has its own.
        """
        self.device = device
        self._places = places
        self.units: dict[str, Latest] = {}
        self.feed: Subscriptions | None = None
        self.cut = 0

    def take(self, batch: Batch) -> None:
        """Remember what is told, and tell it."""
        if batch.health.removed:
            self.units.pop(batch.unit, None)
        elif batch.origin is not Origin.HISTORY:
            latest = self.units.get(batch.unit)
            if latest is None:
                places: Places = {} if batch.unit else self._places
                latest = self.units[batch.unit] = Latest(batch.health, places)
            latest.take(batch)
        if self.feed is not None:
            self.feed.take(batch)


class Broker:
    """The devices of one process, as others see them.

    Attributes:
        topics: Name → device.
        since: Unix seconds at which the process began.
        clients: Those who are connected to any of its doors.
        reload: Reads the configuration again, and returns what has changed, for JSON; None where
            there is none to be read.
        workload: What is to be answered; None before anybody has asked.
    """

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        """Begin without devices.

        Args:
            wall: Tells the time, in Unix seconds.
        """
        self.topics: dict[str, Topic] = {}
        self.since = wall()
        self.clients = 0
        self.reload: Callable[[], Coroutine[Any, Any, Any]] | None = None
        self.workload: Workload | None = None
        self._places: defaultdict[str, Places] = defaultdict(dict)  # by driver
        self._reports = Reports("door")
        self._tasks: set[asyncio.Task[Any]] = set()

    def join(self, device: Device) -> Device:
        """One more is there; one of the same name is not any more."""
        self.topics[device.name] = Topic(device, self._places[device.config.driver])
        return device

    def leave(self, name: str) -> None:
        """A device is there no more."""
        self.topics.pop(name, None)

    def through(self, emit: Emit) -> Emit:
        """Takes the batches of devices for somebody, and for those who call.

        Args:
            emit: Takes them first; what it raises is the caller's.
        """

        def both(batch: Batch) -> None:
            emit(batch)
            self.take(batch)

        return both

    def take(self, batch: Batch) -> None:
        """Remember what a device has said, and tell those who want to know. Never raises."""
        topic = self.topics.get(batch.source)
        if topic is None:
            return
        try:
            topic.take(batch)
        except Exception as error:
            text = "bug: what %s says could not be told to those who have called"
            self._reports.say(log, logging.ERROR, "feed", text, batch.source, exc_info=error)
        if batch.ends_round:
            self._reports.sum_up()

    def keep(self, job: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Have something done to its end, whoever has asked for it may have gone.

        Args:
            job: What.
            name: Of its task.
        """
        task = asyncio.create_task(job, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def on(self, line: Line) -> list[Topic]:
        """The devices on a line."""
        return [topic for topic in self.topics.values() if topic.device.config.line == line]


def program() -> str:
    """What this process is called, as far as it can be told."""
    words = [Path(word).name for word in getattr(sys, "argv", [])[:2]]
    name = words[0].removesuffix(".py").replace("_", "-") if words else ""
    if name in ("", "-c", "-m"):
        with contextlib.suppress(OSError):  # a daemon that has taken us in
            name = Path("/proc/self/comm").read_text(encoding="utf-8", errors="replace").strip()
    if name == "--main--":
        name = "rct-collector"
    command = words[1] if name == "rct-collector" and len(words) > 1 else ""
    return f"{name} {command}".strip() or f"process {os.getpid()}"
