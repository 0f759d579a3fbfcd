"""A device that another process on this host collects from: what that one gets is handed over here.

::

    busy ──► door of the owner ──► subscribed ──► its batches, under our own name and labels
     ▲                                │
     └──── the owner has ended ◄──────┘   whoever is first takes the device, the others follow it

So several agents have one unit at the same time, over one connection: same values, same times. The
owner asks the unit also for what only others want. What cannot be followed, since whoever has the
device is a command or of an older version, keeps its rounds, which bring nothing, and is tried
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from rct_collector.control.batches import from_json, series_named
from rct_collector.control.borrowing import device_in
from rct_collector.control.client import Client
from rct_collector.device.device import Device
from rct_collector.errors import BusyError, NobodyError, RpcError, TransportError
from rct_collector.model import Batch, Health, Series, Value
from rct_collector.reports import Reports

log = logging.getLogger(__name__)

#: Rounds that are tried alone, and bring nothing, until an owner who cannot be followed is asked
#: once more.
ALONE = 2

#: An owner who hangs up at once may be about to end: so often in a row the lock is tried again
#: soon, after this many seconds and each time as many more.
HASTY, SOON_S = 5, 0.05

#: Who was followed for fewer seconds has hung up at once.
BRIEF_S = 1.0

#: Seconds that an answer of the owner is waited for.
ANSWER_S = 5.0

#: Nothing was told for so many intervals, or at least so many seconds: is anybody there?
SILENT_ROUNDS, SILENT_S = 3, 10.0

#: A value is good for so many intervals.
GOOD = 1.5

#: Told in an hour of one device, of each kind.
MOST_TOLD = 3

#: What is said of an owner who hangs: who it is, and how that was noticed.
NO_ANSWER = "%s, and it does not answer: %s"

Connect = Callable[..., Awaitable[Client]]


class OwnerLink:
    """One connection to a process that collects, for all devices of this one that are there.

    Attributes:
        over: Set when the owner has hung up.
        users: Devices that use it.
    """

    def __init__(self, door: bytes, connect: Connect, reload: Callable[[], None]) -> None:
        """Connect later.

        Args:
            door: Name of the owner's socket.
            connect: As :meth:`.client.Client.connect`.
            reload: As for :class:`Owners`.
        """
        self.over = asyncio.Event()
        self.users = 0
        self._door = door
        self._connect = connect
        self._reload = reload
        self._connecting = asyncio.Lock()
        self._client: Client | None = None
        self._hearing: asyncio.Task[None] | None = None
        self._takers: dict[str, Callable[[Any], None]] = {}

    async def client(self) -> Client:
        """The connection.

        Raises:
            NobodyError: The owner has gone.
            TransportError: It does not take us in.
        """
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect(self._door, timeout=ANSWER_S)
                self._hearing = asyncio.create_task(self._hear(self._client), name="owner")
        return self._client

    def tell(self, source: str, take: Callable[[Any], None]) -> None:
        """Have somebody told what the owner says of one of its devices."""
        self._takers[source] = take

    async def _hear(self, client: Client) -> None:
        try:
            async for method, said in client.notifications:
                take = self._takers.get(said.get("source", ""))
                if method == "update" and take is not None:
                    take(said)
                elif method == "reload":
                    self._reload()
        finally:
            self.over.set()

    async def close(self) -> None:
        """Hang up."""
        if self._hearing is not None:
            self._hearing.cancel()
            await asyncio.gather(self._hearing, return_exceptions=True)
        if self._client is not None:
            await self._client.close()


class Owners:
    """The processes that have devices of this one."""

    def __init__(
        self, connect: Connect = Client.connect, *, reload: Callable[[], None] = lambda: None
    ) -> None:
        """Begin without any.

        Args:
            connect: As :meth:`.client.Client.connect`.
            reload: An owner has its configuration read again: does so with ours; must not wait.
        """
        self._connect = connect
        self._reload = reload
        self._links: dict[bytes, OwnerLink] = {}

    @asynccontextmanager
    async def at(self, door: bytes) -> AsyncIterator[OwnerLink]:
        """The connection to an owner while the block runs; the last one closes it.

        Args:
            door: Name of its socket.
        """
        link = self._links.get(door)
        if link is None or link.over.is_set():
            link = self._links[door] = OwnerLink(door, self._connect, self._reload)
        link.users += 1
        try:
            yield link
        finally:
            link.users -= 1
            if not link.users:
                if self._links.get(door) is link:
                    del self._links[door]
                await link.close()


class Following:
    """One device that others may have.

    Attributes:
        early: The owner's first round was not over when it was met: it knew little yet.
        known: Set while an owner is followed, once what it knew already was handed over.
        trouble: Why an owner could not be followed the last time, in words.
        wider: The owner asks the unit for more than before.
        health: How the unit did by then.
    """

    def __init__(self, device: Device, owners: Owners) -> None:
        """Follow nobody yet.

        Args:
            device: What its owner tells of it goes out as if it were its own.
            owners: Connections, which the devices of a process share.
        """
        self._device = device
        self._owners = owners
        self._reports = Reports(device.name)
        self.known = asyncio.Event()
        self.early = False
        self.wider = False
        self.trouble = ""
        self._client: Client | None = None
        self._source = ""
        self.health = Health()
        self._hasty = 0
        self._last_ns = 0
        self._heard_at = -math.inf
        self._held: list[Batch] | None = None

    async def run(self, busy: BusyError) -> int:
        """Follow whoever has the device, until that ends.

        Args:
            busy: Says who has it.

        Returns:
            How many rounds the device is to try alone, see :meth:`.device.device.Device.run`: none
            where it is likely to be had now.
        """
        self.known.clear()
        if not busy.door:
            return self._alone(str(busy))
        begun = asyncio.get_running_loop().time()
        try:
            async with self._owners.at(busy.door) as owner:
                await self._follow(owner, busy)
        except NobodyError:
            return await self._soon(busy)
        except TransportError as error:
            if error.kind != "timeout":
                return await self._soon(busy)
            return self._alone(NO_ANSWER, busy, error)
        except RpcError as error:
            return self._alone("%s, and it does not share it: %s", busy, error)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return self._alone("%s, and its answer cannot be understood: %r", busy, error)
        finally:
            self._reports.sum_up()
        if asyncio.get_running_loop().time() - begun < BRIEF_S:
            return await self._soon(busy)
        self._hasty = 0
        return 0

    async def _soon(self, busy: BusyError) -> int:
        """It has hung up: as a rule because it ends, or it answers nobody at all."""
        self._hasty += 1
        if self._hasty > HASTY:
            self._hasty = 0
            return self._alone(str(busy))
        await asyncio.sleep(SOON_S * self._hasty)
        return 0

    def _alone(self, why: str, *details: object) -> int:
        """It cannot be followed; that somebody has the device, its rounds will tell."""
        if details:
            self._reports.say(log, logging.WARNING, "alone", why, *details, most=1)
        self.trouble = why % details if details else why
        self._device.left_to(self.trouble)
        return ALONE

    async def _follow(self, link: OwnerLink, busy: BusyError) -> None:
        """Subscribe, and hand over what is told until the owner ends.

        Raises:
            RpcError: It does not share the device.
            TransportError: It has gone before that, or does not answer (``timeout``).
        """
        self._client = client = await link.client()
        config = self._device.config
        status = device_in(await client.call("status", timeout=ANSWER_S), config)
        self._source = source = str(status["source"])
        self.health = _health(status)
        self.early = not status["rounds"]
        choice = {"include": list(config.include), "exclude": list(config.exclude)}
        self._held = []
        link.tell(source, self._told)
        try:
            wanted = {**choice, "cells": "cells" in config.enabled}
            found = await client.call("subscribe", {"source": source, **wanted}, timeout=ANSWER_S)
            self.wider = bool(found["wider"])
            known = await client.call("values", {"source": source}, timeout=ANSWER_S)
            text = "collected by %s, from which all values are taken over"
            self._reports.say(log, logging.INFO, "follow", text, client.owner, most=MOST_TOLD)
            self._begin(known)
            self.known.set()
            self._device.settled.set()
            await self._watch(link, client, busy)
            text = "%s has hung up; the device is taken from here, unless another is quicker"
            self._reports.say(log, logging.INFO, "end", text, client.owner, most=MOST_TOLD)
        finally:
            link.tell(source, _nothing)

    async def asking(self) -> int:
        """How much the owner has not asked the unit for yet of what only others want.

        Raises:
            TransportError: The owner has gone, or does not answer.
        """
        assert self._client is not None  # noqa: S101 - it is followed
        status = await self._client.call("status", {"source": self._source}, timeout=ANSWER_S)
        return int(status["devices"][0]["asking"])

    async def _watch(self, link: OwnerLink, client: Client, busy: BusyError) -> None:
        """Wait for the owner's end; one who says nothing for long is asked whether it is there.

        While it hangs its rounds bring nothing, and it is not left: should it end, that is noticed
        at once, and should it go on, it tells again.

        Raises:
            RpcError: It does not collect from the device any more.
            TransportError: It has gone.
        """
        loop = asyncio.get_running_loop()
        interval = self._device.interval_s
        patience = max(SILENT_ROUNDS * interval, SILENT_S)
        self._heard_at, hangs = loop.time(), ""
        while not link.over.is_set():
            until = loop.time() + interval if hangs else self._heard_at + patience
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await link.over.wait()
            if link.over.is_set() or loop.time() - self._heard_at < patience:
                hangs = ""
                continue
            hangs = hangs or await self._hangs(client, busy)
            if hangs:
                self._device.tell_silent(hangs)
            else:
                self._heard_at = loop.time()

    async def _hangs(self, client: Client, busy: BusyError) -> str:
        """Why the owner tells nothing; "" if it only has nothing to tell."""
        try:
            await client.call("status", {"source": self._source}, timeout=ANSWER_S)
        except TransportError as error:
            if error.kind != "timeout":
                raise
            why = NO_ANSWER % (busy, error)
            self._reports.say(log, logging.WARNING, "hangs", "%s", why, most=MOST_TOLD)
            return why
        return ""

    # -- what is told ----------------------------------------------------------------------

    def _told(self, said: Any) -> None:  # noqa: ANN401 - it came from another process
        self._heard_at = asyncio.get_running_loop().time()
        try:
            batch = from_json(said)
        except ValueError as error:
            text = "what its owner tells cannot be understood, and is left out: %s"
            self._reports.say(log, logging.WARNING, "strange", text, error, most=1)
            return
        if left_out := len(said["values"]) - len(batch.values):
            text = "%d series that its owner tells are not known to this version, and left out"
            self._reports.say(log, logging.WARNING, "unknown", text, left_out, most=1)
        if self._held is not None:
            self._held.append(batch)
        else:
            self._hand_over(batch)

    def _begin(self, known: Any) -> None:  # noqa: ANN401
        """Hand over what was told before, as far as it is good still, and what came meanwhile.

        Raises:
            KeyError, TypeError, ValueError: It cannot be understood.
        """
        held, self._held = self._held or [], None
        there = {(b.unit, s, b.time_ns) for b in held for s, _ in b.values}
        for batch in self._known(known):
            values = tuple(
                (series, value)
                for series, value in batch.values
                if (batch.unit, series, batch.time_ns) not in there
            )
            if values:
                self._hand_over(batch._replace(values=values))
        for batch in held:
            self._hand_over(batch)

    def _known(self, known: Any) -> Iterator[Batch]:  # noqa: ANN401
        """The last values of all units, those of one time together, the oldest first."""
        device = self._device
        now_ns = device.wall_ns()
        found: dict[tuple[int, str], list[tuple[Series, Value]]] = {}
        health = {}
        for unit in known["units"]:
            name = str(unit["unit"])
            health[name] = _health(unit)
            for word, item in unit["values"].items():
                series, time_ns = series_named(word), int(item["time_ns"])
                if series is not None and self._is_news(series, time_ns, now_ns):
                    value = series.metric.value_type(item["value"])
                    found.setdefault((time_ns, name), []).append((series, value))
        for (time_ns, name), values in sorted(found.items(), key=lambda item: item[0]):
            yield Batch(
                device.name, "", (), time_ns, tuple(values), device.interval_s,
                health=health[name], unit=name,
            )  # fmt: skip

    def _is_news(self, series: Series, time_ns: int, now_ns: int) -> bool:
        """Whether a value is good still, and newer than all that was handed over."""
        device = self._device
        good_ns = GOOD * device.seconds(series) * 1e9
        return device.wants(series) and time_ns > max(self._last_ns, now_ns - good_ns)

    def _hand_over(self, batch: Batch) -> None:
        """As if it were our own."""
        self._last_ns = max(self._last_ns, batch.time_ns)
        self._device.relay(batch)


def _health(said: dict[str, Any]) -> Health:
    """How a unit does, as its owner tells.

    Raises:
        KeyError, TypeError, ValueError: It does not.
    """
    return Health(
        bool(said["up"]), float(said["since"]), int(said["missed"]), str(said["error"] or "")
    )


def _nothing(_said: Any) -> None:  # noqa: ANN401
    """Nobody is interested any more."""
