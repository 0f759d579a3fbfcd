"""A device that another process on this host has, for somebody who wants a few things of it.

The owner asks the unit beside its rounds, and tells; see :mod:`.reading`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from rct_collector.config import DeviceConfig
from rct_collector.control.batches import from_json
from rct_collector.control.client import Client
from rct_collector.errors import BusyError, RpcError, TransportError
from rct_collector.model import Batch

#: Seconds that an answer of the owner is waited for, which asks the unit for it.
ANSWER_S = 60.0

#: Seconds that a range of the memory may take: thousands of pages, one a second.
MEMORY_S = 4 * 3600.0


class ToldRange(NamedTuple):
    """What was told of a range of the memory.

    Attributes:
        batches: In the order in which they were told.
        pages: Questions that it took.
        left_out: Values of which nobody can tell the time, or that cannot be.
        why: Why it is not all, in words; "" if it is.
    """

    batches: list[Batch]
    pages: int
    left_out: int
    why: str


class Borrowed:
    """The device, as its owner lets it be asked."""

    def __init__(self, client: Client, source: str) -> None:
        """Ask nothing yet.

        Args:
            client: Connected to the owner.
            source: What the owner calls the device.
        """
        self._client = client
        self._source = source
        self._past: list[Batch] = []
        self._values = 0
        self._more = asyncio.Event()

    async def read(self, word: str) -> dict[str, Any]:
        """One thing by name or id, as :meth:`.device.objects.Objects.as_mapping` tells it.

        Raises:
            RpcError: It is not had.
            TransportError: The owner has gone.
        """
        params = {"source": self._source, "query": word}
        found: dict[str, Any] = await self._client.call("read", params, timeout=ANSWER_S)
        return found

    async def remembered(
        self, start_ns: int, end_ns: int, resolution: str, series: list[str]
    ) -> ToldRange:
        """A range of the unit's memory.

        Args:
            start_ns: First time, nanoseconds since the epoch, a whole second.
            end_ns: Time before which it ends, alike.
            resolution: What one value covers, such as ``5m``; or ``events``.
            series: Globs of what is wanted.

        Raises:
            RpcError: It cannot be read.
            TransportError: The owner has gone.
        """
        self._past, self._values = [], 0
        span = {"from": start_ns // 10**9, "to": end_ns // 10**9, "resolution": resolution}
        params = {"source": self._source, "series": series, **span}
        result = await self._client.call("history", params, timeout=MEMORY_S)
        try:
            async with asyncio.timeout(ANSWER_S):
                while self._values < result["values"]:  # told before that, but not heard yet
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise TransportError("not all that was told of the memory has come") from None
        why = "" if result["complete"] else str(result["why"]) or "it is not complete"
        return ToldRange(self._past, int(result["pages"]), int(result["left_out"]), why)

    async def hear(self) -> None:
        """Take what is told, until the owner ends."""
        async for method, said in self._client.notifications:
            if method == "past":
                self._values += len(said["values"])
                self._past.append(from_json(said))
                self._more.set()


@asynccontextmanager
async def borrowed(config: DeviceConfig, busy: BusyError) -> AsyncIterator[Borrowed]:
    """Ask the owner of a device while the block runs.

    Args:
        config: The device.
        busy: Says who has it.

    Raises:
        BusyError: Whoever has it does not share it; with the reason.
        TransportError: The owner has gone, or does not answer.
    """
    if not busy.door:
        raise busy
    try:
        client = await Client.connect(busy.door)
    except TransportError:
        raise busy from None
    async with client:
        try:
            status = await client.call("status", timeout=ANSWER_S)
            source = str(device_in(status, config)["source"])
        except RpcError as error:
            raise BusyError(f"{busy}, and it does not share it: {error}") from None
        except TransportError:  # nobody answers there
            raise busy from None
        found = Borrowed(client, source)
        hearing = asyncio.create_task(found.hear(), name="memory")
        try:
            yield found
        finally:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)


def device_in(status: Any, config: DeviceConfig) -> dict[str, Any]:  # noqa: ANN401 - from outside
    """What an owner tells of a device.

    Args:
        status: All that it tells of the line.
        config: The device, under whatever name.

    Raises:
        RpcError: It does not collect from it, though from others on the same line.
        KeyError, TypeError: It has no such answer.
    """
    for device in status["devices"]:
        if (device["driver"], device["line_unit"]) == (config.driver, config.unit):
            found: dict[str, Any] = device
            return found
    others = ", ".join(str(device["source"]) for device in status["devices"]) or "nothing"
    unit = f"the unit {config.unit}" if config.unit else "this device"
    raise RpcError(0, f"it collects {others} there, and not {unit}")
