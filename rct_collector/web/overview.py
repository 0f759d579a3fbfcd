"""One subscription for each device, whoever looks on, and what becomes of it for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rct_collector.control.batches import from_json
from rct_collector.control.client import Client
from rct_collector.control.doors import Door, doors
from rct_collector.control.messages import Code, line_of, notification
from rct_collector.errors import CollectorError, RpcError
from rct_collector.model import Origin
from rct_collector.web.past import KEPT, STEP_S
from rct_collector.web.state import REMEMBERED, DeviceState, UnitState

log = logging.getLogger(__name__)

#: Seconds from one look for collectors to the next: so soon a device is followed to who takes it
#: over.
LOOK_S = 1.0

#: Seconds from one question of how a collector does to the next.
ASK_S = 10.0

#: Seconds after which the curves of the last hours are told anew.
CURVES_S = 60.0

#: Seconds within which a collector that is there is to answer.
ANSWER_S = 30.0

#: Seconds within which a setting comes to its end: those of a unit in which it shows late.
SET_S = 180.0

#: Settings whose end is kept for who may still ask.
MOST_TICKETS = 64

#: Methods that a browser or a program may call → whether they set something.
METHODS = {"status": False, "values": False, "settings": False, "set": True}


class Overview:
    """What all browsers look at.

    Attributes:
        devices: By name.
    """

    def __init__(
        self,
        find: Callable[[], Iterable[Door]] = doors,
        *,
        cells: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Do nothing yet.

        Args:
            find: Looks for the doors of this host.
            cells: Have the voltages of single cells read, even where nobody else wants them.
            clock: Tells the time in Unix seconds.
        """
        self.devices: dict[str, DeviceState] = {}
        self._find = find
        self._cells = cells
        self._clock = clock
        self._links: dict[bytes, asyncio.Task[None]] = {}
        self._clients: dict[str, Client] = {}
        self._listeners: set[Callable[[str], None]] = set()
        self._state: str | None = None
        self._left_out: set[str] = set()  # it is said once
        self._troubles: dict[bytes, str] = {}
        self._tickets: dict[str, asyncio.Future[dict[str, Any]]] = {}

    # -- for whoever looks on --------------------------------------------------------------

    @contextlib.contextmanager
    def listening(self, listener: Callable[[str], None]) -> Any:
        """Tell somebody of all changes while the context lasts, as lines of JSON-RPC."""
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)

    def state_text(self) -> str:
        """The notification that tells :meth:`state`, the same for all who begin at a time."""
        if self._state is None:
            self._state = text_of(notification("state", self.state()))
        return self._state

    def state(self) -> dict[str, Any]:
        """Everything that is known, for who begins to look on."""
        now = self._clock()
        return {
            "now": now,
            "troubles": self._told_troubles(),
            "devices": [device.to_json(now) for _, device in sorted(self.devices.items())],
        }

    async def call(self, method: str, params: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Ask whoever collects from a device.

        Args:
            method: One of :data:`METHODS`.
            params: Its parameters; ``source`` may be left out where there is one device, and by
                ``status``, which tells all of them then.

        Raises:
            RpcError: It was refused, or there is nobody to ask.
        """
        if method == "status" and "source" not in params:
            return await self._status()
        source = params.get("source", next(iter(self.devices), None))
        if "source" not in params and len(self.devices) > 1:
            raise RpcError(
                Code.PARAMS, f"source is missing: one of {', '.join(sorted(self.devices))}"
            )
        client = self._clients.get(source) if isinstance(source, str) else None
        if client is None:
            known = ", ".join(sorted(self._clients)) or "none"
            raise RpcError(Code.AWAY, f"nobody collects from {source!r} now; known: {known}")
        return await client.call(method, {**params, "source": source}, timeout=ANSWER_S)

    async def _status(self) -> dict[str, Any]:
        """How all devices do, each with who collects from it, as the command ``status`` has it."""
        clients = tuple(set(self._clients.values()))
        jobs = (client.call("status", timeout=ANSWER_S) for client in clients)
        answers = await asyncio.gather(*jobs, return_exceptions=True)
        found: dict[str, dict[str, Any]] = {}
        for client, answer in zip(clients, answers, strict=True):
            if isinstance(answer, CollectorError):
                log.debug("a collector does not tell how it does: %s", answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for told in answer["devices"]:
                    if self._clients.get(told["source"]) is client:
                        found[told["source"]] = {**told, "collector": answer["collector"]}
        missing = ((name, self.devices[name]) for name in self.devices.keys() - found.keys())
        found.update((name, _away(device)) for name, device in missing)
        return {"devices": [found[name] for name in sorted(found)]}

    async def outcome(self, ticket: str) -> dict[str, Any]:
        """What became of a setting that was accepted.

        Raises:
            RpcError: It is not known in time.
        """
        waiting = self._end(ticket)
        try:
            async with asyncio.timeout(SET_S):
                return await asyncio.shield(waiting)
        except TimeoutError:
            raise RpcError(Code.AWAY, f"nothing was heard of the setting in {SET_S:g} s") from None
        finally:
            self._tickets.pop(ticket, None)

    def _end(self, ticket: str) -> asyncio.Future[dict[str, Any]]:
        """What a setting comes to, whether that is known before somebody waits for it or after."""
        if ticket not in self._tickets:
            while len(self._tickets) >= MOST_TICKETS:
                del self._tickets[next(iter(self._tickets))]
            self._tickets[ticket] = asyncio.get_running_loop().create_future()
        return self._tickets[ticket]

    def _publish(self, method: str, params: Mapping[str, Any]) -> None:
        self._state = None  # it is not the same any more
        if not self._listeners:
            return
        text = text_of(notification(method, dict(params)))
        for listener in tuple(self._listeners):
            listener(text)

    # -- the doors -------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow all collectors of this host, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._tend())
            while True:
                self._look(group)
                await asyncio.sleep(LOOK_S)

    def _look(self, group: asyncio.TaskGroup) -> None:
        self._links = {name: task for name, task in self._links.items() if not task.done()}
        try:
            found = {door.name for door in self._find()}
        except OSError as error:
            log.error("the collectors of this host cannot be looked for: %s", error)
            return
        for name in self._troubles.keys() - found:
            self._trouble(name, "")
        for name in found - self._links.keys():
            self._links[name] = group.create_task(self._follow(name))

    async def _follow(self, name: bytes) -> None:
        """Follow one collector until it ends."""
        sources: list[str] = []
        why = "its collector has ended"
        try:
            client = await Client.connect(name)
        except CollectorError as error:
            log.debug("%s: %s", name, error)
            return
        try:
            await self._attend(client, name, sources)
        except CollectorError as error:
            why = str(error)
            self._trouble(name, f"{client.owner}: {why}")
        except (KeyError, TypeError, ValueError) as error:  # it may be of another version
            log.debug("%s", client.owner, exc_info=error)
            text = "what it tells is not understood; if it is of another version, restart it"
            self._trouble(name, f"{client.owner}: {text} ({error!r})")
        finally:
            await client.close()
            self._lost(client, sources, why)
        if not sources:  # the second door of a line, or none for us: it is not to be stormed
            await asyncio.sleep(ASK_S)

    def _trouble(self, name: bytes, why: str) -> None:
        """Say once, in the log and to those who look, why nothing is had of a collector.

        Args:
            name: Of its door.
            why: In words; "" when there is no trouble any more.
        """
        if self._troubles.get(name, "") == why:
            return
        self._troubles.pop(name, None)
        if why:
            self._troubles[name] = why
            log.error("%s", why)
        self._publish("troubles", {"troubles": self._told_troubles()})

    def _told_troubles(self) -> list[str]:
        return sorted(set(self._troubles.values()))

    async def _attend(self, client: Client, name: bytes, sources: list[str]) -> None:
        status = await client.call("status")
        for told in status["devices"]:
            await self._begin(client, told, status["collector"], sources)
        if not sources:
            return
        self._trouble(name, "")
        asking = asyncio.create_task(self._ask(client, _what(status)))
        # Of those who were followed before, by way of another collector, the curves are there.
        new = [source for source in sources if self.devices[source].is_new]
        pasts = [asyncio.create_task(self._restore(client, source)) for source in new]
        try:
            async for method, params in client.notifications:
                self._take(method, params)
                if asking.done():
                    return
        finally:
            for task in (asking, *pasts):
                task.cancel()
            await asyncio.gather(asking, *pasts, return_exceptions=True)

    async def _begin(
        self,
        client: Client,
        told: Mapping[str, Any],
        collector: Mapping[str, Any],
        sources: list[str],
    ) -> None:
        """Begin with a device."""
        source = str(told["source"])
        if source in self._clients:
            if self.devices[source].collector["pid"] != collector["pid"]:
                self._leave_out(source)
            return
        device = DeviceState(told, collector, self._known(told))
        self._clients[source], self.devices[source] = client, device
        sources.append(source)
        more = {"cells": True} if self._cells else {}
        await client.call("subscribe", {"source": source, **more})
        device.start(told, await client.call("values", {"source": source}))
        self._publish("device", device.to_json(self._clock()))

    def _leave_out(self, source: str) -> None:
        if source not in self._left_out:
            self._left_out.add(source)
            log.error("there are two devices called %s on this host; one is left out", source)

    def _known(self, told: Mapping[str, Any]) -> dict[str, UnitState]:
        """The units of a device that was known before.

        By its address, since who takes it over may have another name for it.
        """
        for source, device in tuple(self.devices.items()):
            if device.address == told["address"] and source not in self._clients:
                del self.devices[source]
                if source != told["source"]:
                    self._publish("removed", {"source": source})
                return device.units
        return {}

    def _lost(self, client: Client, sources: list[str], why: str) -> None:
        """Nobody tells of these devices any more."""
        for source in sources:
            del self._clients[source]
            if device := self.devices.get(source):
                for unit in device.units.values():
                    unit.lose(self._clock(), why)
                self._publish("device", device.to_json(self._clock()))

    async def _ask(self, client: Client, before: Any) -> None:  # noqa: ANN401
        """Ask now and then how a collector does; ends, and closes, when it has other devices."""
        with contextlib.suppress(CollectorError):
            while before == _what(await client.call("status")):
                await asyncio.sleep(ASK_S)
        await client.close()

    async def _restore(self, client: Client, source: str) -> None:
        """Have the unit's own memory fill the curves, where it has one."""
        now = self._clock()
        parts = (name for curve in REMEMBERED.values() for name in curve)
        params = {
            "source": source,
            "from": int(now) - (KEPT - 1) * STEP_S,
            "to": int(now),
            "resolution": "5m",
            "series": list(parts),
        }
        try:
            await client.call("history", params, timeout=600.0)
        except CollectorError as error:
            log.debug("%s: no past: %s", source, error)
        else:
            self._tell_past([self.devices[source]])

    def _take(self, method: str, params: Mapping[str, Any]) -> None:
        """Take what a door tells."""
        if method == "setting":
            end = self._end(str(params["ticket"]))
            if not end.done():
                end.set_result(dict(params))
            self._publish(method, params)
            return
        device = self.devices.get(str(params.get("source")))
        if device is None:
            return
        if method == "past":
            device.unit(str(params["unit"])).remember(from_json(params))
        elif method == "update":
            device.take(from_json(params), self._clock())
            if params["origin"] != Origin.HISTORY:
                self._publish(method, params)

    # -- time ------------------------------------------------------------------------------

    async def _tend(self) -> None:
        """Let go of what is too old, and tell that time goes on."""
        told = self._clock()
        while True:
            self._expire()
            now = self._clock()
            self._publish("tick", {"now": now})
            if now - told >= CURVES_S:
                told = now
                self._tell_past(self.devices.values())
            await asyncio.sleep(ASK_S)

    def _expire(self) -> None:
        """Let go of values, of which each has its time, and of devices after a day."""
        for device in tuple(self.devices.values()):
            if device.source not in self._clients and device.is_forgotten(self._clock()):
                del self.devices[device.source]
                self._publish("removed", {"source": device.source})
            for unit in device.units.values():
                if old := unit.expire(self._clock(), device.intervals):
                    names = [series.name for series in old]
                    params = {"source": device.source, "unit": unit.name, "series": names}
                    self._publish("expired", params)

    def _tell_past(self, devices: Iterable[DeviceState]) -> None:
        if not self._listeners:  # who comes later gets them with the state
            self._state = None
            return
        now = self._clock()
        for device in devices:
            for unit in device.units.values():
                params = {"source": device.source, "unit": unit.name}
                self._publish("past", {**params, "past": unit.past.to_json(now)})

    def expired(self) -> Iterable[DeviceState]:
        """All devices, without what is too old at this moment."""
        self._expire()
        return self.devices.values()


def text_of(message: Any) -> str:  # noqa: ANN401 - anything that JSON has
    """A message as it is sent to a browser."""
    return line_of(message).decode().rstrip()


def _what(status: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """What a page needs to know anew where it has changed."""
    return [(d["source"], d["address"], d["writes"]) for d in status["devices"]]


def _away(device: DeviceState) -> dict[str, Any]:
    """How a device does from which nobody collects at present, as ``status`` tells it."""
    health = [unit.health() for unit in device.units.values()][:1] or [{"up": False}]
    named = {name: getattr(device, name) for name in ("source", "driver", "vendor", "address")}
    return {**named, **health[0], "writes": device.writes, "collector": None}
