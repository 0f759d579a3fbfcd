"""The event loop, tuned for many devices.

With many devices something happens every other millisecond, and a process that wakes up for each
single answer spends most of its time on waking up. So the loop looks around at fixed, short
intervals instead and finds several answers at a time, as a network driver does under load. One
or a few devices are served at once.
"""

from __future__ import annotations

import asyncio
import selectors
import time

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


def new_event_loop(devices: int) -> asyncio.AbstractEventLoop:
    """Make the loop for so many devices."""
    if devices < MANY:
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(BatchingSelector())
