"""The event loop, tuned for many devices.

With many devices something happens every other millisecond, and a process that wakes up for each
single answer spends most of its time on waking up. So the loop looks around at fixed, short
intervals instead and finds several answers at a time, as a network driver does under load. One
or a few devices are served at once.

Names are looked up in threads that nobody waits for: a resolver that is silent for half a minute
must not keep an agent from stopping.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

#: From so many devices on, the loop works in batches.
MANY = 10

#: Seconds from one look to the next; a third of the least gap between requests.
BATCH_S = 0.02


class BatchingSelector(selectors.DefaultSelector):
    """Looks for events and timers every :data:`BATCH_S`, and then finds several of them."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait as asked, but not for less than one nap, unless there is work at hand."""
        if timeout is None or timeout > 0:
            time.sleep(BATCH_S)
            timeout = None if timeout is None else max(0.0, timeout - BATCH_S)
        return super().select(timeout)


class DaemonThreads(ThreadPoolExecutor):
    """Runs each call in a daemon thread of its own; neither loop nor interpreter waits for it."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a call."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=run, name="look-up", daemon=True).start()
        return future


def new_event_loop(devices: int) -> asyncio.AbstractEventLoop:
    """Make the loop for so many devices."""
    if devices < MANY:
        loop = asyncio.new_event_loop()
    else:
        loop = asyncio.SelectorEventLoop(BatchingSelector())
    loop.set_default_executor(DaemonThreads())
    return loop
