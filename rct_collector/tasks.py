"""Tasks that somebody looks after: none of them ends unnoticed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class Flag:
    """Like :class:`asyncio.Event`, in a tenth of its memory: a device has several."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self) -> None:
        """It has not happened yet."""
        self._is_set = False
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """It has happened: all who wait for it go on."""
        self._is_set = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def clear(self) -> None:
        """It has not happened again yet."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it has happened."""
        if self._is_set:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting = (*self._waiting, future)
        try:
            await future
        finally:
            self._waiting = tuple(other for other in self._waiting if other is not future)


def cancelled() -> bool:
    """Whether the present task was told to end.

    A ``CancelledError`` may also come out of something awaited that was cancelled by itself, such
    as a look-up in an executor that is shut down; taken for an order, it would end the task
    without anybody's will or knowledge.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def sleep_until(at: float) -> None:
    """Sleep until a time of the loop; all who do until the same one go on together."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    timer = loop.call_at(at, over.set_result, None)
    try:
        await over
    finally:
        timer.cancel()


async def keep_running(
    job: Callable[[], Coroutine[Any, Any, Any]],
    name: str = "",
    *,
    pause: float,
    what: str = "the collection",
) -> None:
    """Run something that is not to end, until cancelled; where it ends, it begins anew.

    Args:
        job: Makes the coroutine.
        name: What is collected from, for the log; by default everything.
        pause: Seconds until it begins anew.
        what: What it is, for the log, where nothing is collected.
    """
    text = f"bug: {what} has ended; it begins anew"
    if name:
        text = f"{name}: bug; its collection begins anew"
    while True:
        try:
            await job()
            log.error(text)
        except asyncio.CancelledError:
            if cancelled():
                raise
            log.exception(text)
        except Exception:
            log.exception(text)
        await asyncio.sleep(pause)


async def first_of(*jobs: Coroutine[Any, Any, T]) -> T:
    """Run jobs until the first of them ends; returns what it returns, or raises what it raises."""
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
