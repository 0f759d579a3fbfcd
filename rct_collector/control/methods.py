"""What can be asked at a door, and the answers.

What few ask for is loaded when somebody does, since a collector runs for years.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rct_collector import __version__
from rct_collector.control.batches import can_be_told
from rct_collector.control.broker import Broker, Latest, Line, Topic, program
from rct_collector.control.messages import Call, Code, line_of, notification
from rct_collector.control.params import Params, RpcCaller
from rct_collector.control.subscriptions import Subscriptions, Wish
from rct_collector.device.polling.plan import Choice
from rct_collector.errors import ConfigError, RpcError
from rct_collector.model import Health

if TYPE_CHECKING:
    from rct_collector.control.changing import Changes

#: Takes who asks, and its params; returns what JSON has, now or later.
Method = Callable[[RpcCaller, Params], Any | Coroutine[Any, Any, Any]]


class Methods:
    """What is answered at the door of one line."""

    def __init__(self, broker: Broker, line: Line) -> None:
        """Prepare.

        Args:
            broker: Of the process.
            line: Which of its lines.
        """
        self._broker = broker
        self._line = line
        self._changes: Changes | None = None
        self._methods: dict[str, tuple[Method, tuple[str, ...]]] = {
            "status": (self._status, ("source",)),
            "values": (self._values, ("source", "series")),
            "subscribe": (
                self._subscribe,
                ("source", "series", "include", "exclude", "cells"),
            ),
            "history": (self._history, ("source", "from", "to", "resolution", "series")),
            "read": (self._read, ("source", "query")),
            "settings": (self._settings, ("source", "read")),
            "set": (self._set, ("source", "name", "value", "expect", "dry")),
            "reload": (self._reload, ()),
        }

    def call(self, caller: RpcCaller, call: Call) -> Any:  # noqa: ANN401 - anything that JSON has
        """Do what is asked.

        Returns:
            The answer, or a coroutine that returns it.

        Raises:
            RpcError: It cannot be done.
        """
        found = self._methods.get(call.method)
        if found is None:
            known = ", ".join(self._methods)
            text = f"there is no method {call.method!r}; there are: {known}"
            raise RpcError(Code.UNKNOWN, text)
        method, names = found
        return method(caller, Params(call.params, names))

    def _member(self, params: Params) -> Topic:
        """The device that is meant."""
        source = params.text("source")
        topics = {topic.device.name: topic for topic in self._broker.on(self._line)}
        if source is None and len(topics) == 1:
            return next(iter(topics.values()))
        known = ", ".join(topics) or "none"
        if source is None:
            raise RpcError(Code.PARAMS, f"source is missing; there are: {known}")
        if source not in topics:
            raise RpcError(Code.PARAMS, f"there is no source {source!r}; there are: {known}")
        return topics[source]

    # -- reading ---------------------------------------------------------------------------

    def _status(self, _caller: RpcCaller, params: Params) -> dict[str, Any]:
        one = params.text("source") is not None
        topics = [self._member(params)] if one else self._broker.on(self._line)
        return {
            "collector": {
                "version": __version__,
                "pid": os.getpid(),
                "program": program(),
                "since": self._broker.since,
                "clients": self._broker.clients,
            },
            "devices": [_status_of(topic) for topic in topics],
        }

    def _values(self, _caller: RpcCaller, params: Params) -> dict[str, Any]:
        wish, topic = Wish(params.globs("series")), self._member(params)
        return {
            "source": topic.device.name,
            "units": [
                {"unit": unit, **_health_of(latest.health), "values": _values_of(latest, wish)}
                for unit, latest in topic.units.items()
            ],
        }

    def _subscribe(self, caller: RpcCaller, params: Params) -> dict[str, Any]:
        topic, choice = self._member(params), None
        include, exclude = params.globs("include"), params.globs("exclude")
        cells = params.flag("cells")
        if include or exclude or cells is not None:
            enabled = frozenset({"cells"}) if cells else frozenset[str]()
            choice = Choice(enabled, include, exclude)
        if topic.feed is None:
            topic.feed = Subscriptions(topic.device.listen)
        topic.feed.add(caller, Wish(params.globs("series"), choice))
        caller.follows.add(topic)
        wider = choice is not None and topic.device.wants_more(choice)
        return {"subscribed": topic.device.name, "wider": wider}

    def _history(self, caller: RpcCaller, params: Params) -> Coroutine[Any, Any, Any]:
        from rct_collector.control import reading

        return reading.history(caller, self._member(params), params)

    def _read(self, _caller: RpcCaller, params: Params) -> Coroutine[Any, Any, Any]:
        from rct_collector.control import reading

        return reading.read(self._member(params), params)

    # -- changing --------------------------------------------------------------------------

    async def _settings(self, _caller: RpcCaller, params: Params) -> dict[str, Any]:
        gate = self._member(params).device.settings
        if gate is None:
            return {"settings": []}
        if params.flag("read"):
            await gate.refresh()
        return {"settings": gate.describe()}

    def _set(self, caller: RpcCaller, params: Params) -> dict[str, Any]:
        if self._changes is None:
            from rct_collector.control.changing import Changes

            self._changes = Changes(self._broker.keep)
        return self._changes.set(caller, self._member(params), params)

    async def _reload(self, caller: RpcCaller, _params: Params) -> Any:  # noqa: ANN401 - JSON
        if not caller.rights.governs:
            text = "only root and the user of this process may have the configuration read again"
            raise RpcError(Code.NOT_PERMITTED, text)
        if self._broker.reload is None:
            raise RpcError(Code.NOT_ENABLED, "this process has no configuration to read again")
        # It may close the very door that it was asked for at, and is not to stop in the middle.
        caller.stays = True
        self._tell_followers()
        again = self._broker.keep(self._broker.reload(), "reload")
        try:
            return await asyncio.shield(again)
        except ConfigError as error:
            text = f"nothing has changed: {'; '.join(error.problems)}"
            raise RpcError(Code.REFUSED, text, list(error.problems)) from None

    def _tell_followers(self) -> None:
        """Have those read theirs again, too, who take devices over from here: nobody finds them."""
        line = line_of(notification("reload", {}))
        for topic in self._broker.topics.values():
            if topic.feed is not None:
                topic.feed.tell(line)


def _status_of(topic: Topic) -> dict[str, Any]:
    device = topic.device
    config = device.config
    latest = max((latest.time_ns for latest in topic.units.values()), default=0)
    return {
        "source": device.name,
        "driver": config.driver,
        "vendor": device.driver.vendor,
        "address": str(config.address),
        "line_unit": config.unit,
        "asking": device.polling.asking,
        **_health_of(device.health),
        "time": latest / 1e9 if latest else None,
        "interval": device.interval_s,
        "intervals": asdict(config.intervals),
        "rounds": device.rounds,
        "labels": dict(config.labels),
        "units": sorted(unit for unit in topic.units if unit),
        "writes": list(config.options.permission.names),
        "totals": dict(device.stats.totals),
        "subscribers_cut": topic.cut,
    }


def _health_of(health: Health) -> dict[str, Any]:
    found = health._asdict()
    del found["removed"]
    return found


def _values_of(latest: Latest, wish: Wish) -> dict[str, dict[str, Any]]:
    return {
        series.name: {"value": value, "time": time_ns / 1e9, "time_ns": time_ns}
        for series, value, time_ns in latest
        if wish.takes(series) and can_be_told(value)
    }
