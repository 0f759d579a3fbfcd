"""What a unit is asked for somebody at a door, beside its rounds: its memory, and single things."""

from __future__ import annotations

import time
from typing import Any

from rct_collector.control.batches import can_be_told
from rct_collector.control.broker import Topic
from rct_collector.control.messages import Code
from rct_collector.control.params import Params, RpcCaller
from rct_collector.control.subscriptions import Wish, updates
from rct_collector.device.objects import Asked, Objects
from rct_collector.device.reading import Progress
from rct_collector.drivers.base import History, Kept, Query
from rct_collector.errors import MissingToolError, RefusedFrameError, RpcError, TransportError
from rct_collector.model import Batch, Origin, Series, Value
from rct_collector.receipt import Receipt

#: In place of a resolution: what happened.
EVENTS = "events"


async def read(topic: Topic, params: Params) -> dict[str, Any]:
    """One thing of the unit, by name or id; the answer is as ``read --object`` has it.

    Raises:
        RpcError: There is no such thing, or it is not had.
    """
    device = topic.device
    try:
        objects = Objects(device.config)
        item = objects.find(params.needed_text("query"))
    except (MissingToolError, ValueError) as error:
        raise RpcError(Code.PARAMS, str(error)) from None
    reply = Asked(item)
    ask = device.exchange.inquiry.insist
    try:
        await objects.ask(reply, await objects.facts(ask), ask)
    except TransportError as error:
        raise RpcError(Code.AWAY, str(error)) from None
    except RefusedFrameError as error:
        raise RpcError(Code.REFUSED, str(error)) from None
    if reply.trouble:
        raise RpcError(Code.AWAY, reply.trouble)
    return objects.as_mapping(reply)


async def history(caller: RpcCaller, topic: Topic, params: Params) -> dict[str, Any]:
    """A range of the unit's memory, told to the caller page by page, while the rounds go on.

    Raises:
        RpcError: It has no such memory.
    """
    device, wish = topic.device, Wish(params.globs("series"))
    memory = device.driver.history
    if memory is None:
        text = f"{device.driver.title} units have no memory that can be read"
        raise RpcError(Code.PARAMS, text)
    start, end = params.moment("from"), params.moment("to", time.time())
    if start >= end:
        raise RpcError(Code.PARAMS, "from is before to")
    chosen = _chosen(memory, params.needed_text("resolution"), wish)
    told = _Telling(caller, topic, wish)
    total = Progress(complete=True)
    for query, kept in chosen:
        told.resolution_s = kept.resolution_s
        progress = await device.reader(told.send, told.takes).read(
            query, round(start * 1e9), round(end * 1e9)
        )
        total.pages += progress.pages
        total.rows += progress.rows
        total.left_out += progress.left_out
        if not progress.complete:
            total.complete, total.why = False, progress.why
            break
    return {
        "source": device.name,
        "pages": total.pages,
        "rows": total.rows,
        "values": told.values,
        "left_out": total.left_out,
        "complete": total.complete,
        "why": total.why,
    }


class _Telling:
    """Tells the past to whoever has asked for it."""

    def __init__(self, caller: RpcCaller, topic: Topic, wish: Wish) -> None:
        self._caller = caller
        self._device = topic.device
        self._labels = tuple(sorted(topic.device.config.labels.items()))
        self._wish = wish
        self.resolution_s = 0.0
        self.values = 0

    def takes(self, series: Series) -> bool:
        """Whether a series is wanted: one of those named, else one that is on by default."""
        return self._wish.takes(series) if self._wish.series else series.metric.default

    def send(
        self,
        time_ns: int,
        values: list[tuple[Series, Value]],
        origin: Origin,
        _receipt: Receipt | None = None,
    ) -> None:
        """Tell the values of one time."""
        device = self._device
        batch = Batch(
            source=device.name,
            vendor=device.driver.vendor,
            labels=self._labels,
            time_ns=time_ns,
            values=tuple(values),
            interval_s=self.resolution_s,
            origin=origin,
            health=device.health,
        )
        self.values += sum(can_be_told(value) for _, value in values)
        self._caller.send(b"".join(updates(batch, "past")))


def _chosen(memory: History, resolution: str, wish: Wish) -> list[tuple[Query, Kept]]:
    """What is read of a memory.

    Raises:
        RpcError: There is nothing of the kind.
    """
    kinds = {query: _kind(kept) for query, kept in memory.kept.items()}
    known = ", ".join(dict.fromkeys(filter(None, kinds.values())))
    if resolution not in kinds.values() or not resolution:
        raise RpcError(Code.PARAMS, f"resolution is one of {known}, not {resolution!r}")
    chosen = [
        (query, kept)
        for query, kept in memory.kept.items()
        if kinds[query] == resolution and (kept.events or _is_wanted(kept, wish))
    ]
    if not chosen:
        raise RpcError(Code.PARAMS, f"nothing of {resolution} matches {', '.join(wish.series)}")
    return chosen


def _kind(kept: Kept) -> str:
    """What one value covers, such as ``5m``."""
    if kept.events:
        return EVENTS
    return next((dict(series.tags).get("resolution", "") for series in kept.series), "")


def _is_wanted(kept: Kept, wish: Wish) -> bool:
    if wish.series:
        return any(map(wish.takes, kept.series))
    return any(series.metric.default for series in kept.series)
