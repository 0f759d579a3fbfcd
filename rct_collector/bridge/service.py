"""The bridge as a whole, from its start to its end."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

from rct_collector.bridge.broker import MqttBroker, MqttSession
from rct_collector.bridge.commands import TopicNames
from rct_collector.bridge.journal import CommandJournal, claimed
from rct_collector.bridge.judge import LOOK_S
from rct_collector.bridge.mirror import LOOK_S as MIRROR_S
from rct_collector.bridge.mirror import Mirror
from rct_collector.bridge.relay import Relay
from rct_collector.control.client import Client
from rct_collector.control.doors import Door, Seen, survey
from rct_collector.control.messages import Code
from rct_collector.errors import RpcError
from rct_collector.reports import Reports
from rct_collector.tasks import first_of, keep_running

log = logging.getLogger(__name__)

#: Of what is said about commands and the broker, so much in an hour is shown.
_MOST = 60


class HouseDoors:
    """Finds the door of a device, wherever on this host it is collected from."""

    def __init__(self) -> None:
        """Know none yet."""
        self._known: dict[str, bytes] = {}

    @asynccontextmanager
    async def opened(self, source: str) -> AsyncIterator[Client]:
        """The door of a device.

        Args:
            source: Name of the device.

        Raises:
            RpcError: There is none, or more than one device of that name.
            TransportError: It does not take us in.
        """
        async with await Client.connect(await self._find(source)) as door:
            yield door

    async def _find(self, source: str) -> bytes:
        """Name of the door, where it was before if it is still there: others may be slow."""
        known, trouble = self._known.pop(source, None), ""
        for doors in ([Door(known, 0, 0)] if known else [], None):
            asked = await survey(doors)
            trouble = next((seen.trouble for seen in asked if seen.status is None), "")
            found = [seen.door.name for seen in asked if _has(seen, source)]
            if len(found) > 1:
                text = f"{len(found)} processes on this host collect from a device {source}"
                told = {"rule": "one device of a name", "right": "other names"}
                raise RpcError(Code.REFUSED, text, told)
            if found:
                self._known[source] = found[0]
                return found[0]
        text = f"nobody on this host collects from {source}"
        raise RpcError(Code.AWAY, text + (f", or does not tell: {trouble}" if trouble else ""))


def _has(seen: Seen, source: str) -> bool:
    """Whether a door is that of a device."""
    status = seen.status
    return status is not None and any(item["source"] == source for item in status["devices"])


async def run(broker: MqttBroker, topics: TopicNames, folder: Path) -> None:
    """Serve until the process is told to end.

    Args:
        broker: Where commands come from.
        topics: How they are called.
        folder: Where is kept what outlives the process.

    Raises:
        BusyError: Another bridge has the folder.
        ConfigError: A file with certificates cannot be used, or the folder.
    """
    with claimed(folder):
        await _serve(broker, topics, folder)


async def _serve(broker: MqttBroker, topics: TopicNames, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    reports = Reports("bridge")

    def say(level: int, kind: str, text: str) -> None:
        reports.say(log, level, kind, "%s", text, most=_MOST)

    session = MqttSession(broker, topics, lambda message: relay.take(message), say)

    def renew() -> int:
        session.renew()
        return session.number

    mirror = Mirror(topics, partial(session.publish, retain=True), loop.time)

    async def reflect() -> NoReturn:
        while True:
            if session.number:
                await mirror.refresh(session.number)
            await asyncio.sleep(MIRROR_S if session.number else 1.0)

    relay = Relay(
        topics=topics,
        journal=CommandJournal(folder, time.time),
        opened=HouseDoors().opened,
        publish=session.publish,
        renew=renew,
        say=say,
        show=mirror.show,
        wall=time.time,
        awake=_awake,
    )
    session.start()
    relay.take_up()
    try:
        await first_of(
            stop.wait(),
            _look_after(relay, reports),
            keep_running(reflect, pause=LOOK_S, what="the showing of settings"),
        )
    finally:
        await relay.stop()
        await session.stop()


async def _look_after(relay: Relay, reports: Reports) -> NoReturn:
    """See whether we are at work all the time."""
    while True:
        await asyncio.sleep(LOOK_S)
        relay.look()
        reports.sum_up()


def _awake() -> float:
    """Seconds that go on while the system is asleep, where that can be had."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
