"""Collectors in a thread of their own, for an agent that comes and takes what there is.

The agent's threads never wait for a device, nor the collectors for the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from rct_collector.collector import Collector
from rct_collector.config import Config
from rct_collector.loop import new_event_loop
from rct_collector.model import Batch

log = logging.getLogger(__name__)

#: Batches that may wait while the agent does not come; a device brings about five in 10 s.
MOST_WAITING = 2000


class Background:
    """Collects between :meth:`start` and :meth:`stop`.

    No thread is there before: an agent may fork until it begins its work, which threads do not
    survive. The thread is a daemon, so that whatever happens no interpreter waits for it.
    """

    def __init__(self, configs: Sequence[Config], most_waiting: int = MOST_WAITING) -> None:
        """Prepare; nothing is started yet.

        Args:
            configs: Checked configurations, whose devices differ.
            most_waiting: Batches that may wait; then the oldest go, and are counted.
        """
        self._configs = configs
        self._most_waiting = most_waiting
        self._waiting: deque[Batch] = deque()
        self._collectors: list[Collector] = []
        self._ready = threading.Event()
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="rct_collector", daemon=True)

    def start(self, timeout: float) -> None:
        """Begin; returns as soon as :meth:`stop` would be heard, or after ``timeout`` seconds."""
        self._thread.start()
        self._ready.wait(timeout)

    def take(self) -> Iterator[Batch]:
        """What has come since the last time, oldest first."""
        while self._waiting:
            yield self._waiting.popleft()

    def stop(self, timeout: float) -> bool:
        """End.

        Args:
            timeout: Seconds that it may take.

        Returns:
            False when the thread is still there after that time.
        """
        self._stop()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        devices = sum(len(config.devices) for config in self._configs)
        try:
            with asyncio.Runner(loop_factory=lambda: new_event_loop(devices)) as runner:
                runner.run(self._collect())
        except Exception:
            log.exception("bug: the collection has ended")

    async def _collect(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is gone already
                loop.call_soon_threadsafe(stop.set)

        self._stop = tell
        self._ready.set()
        self._collectors += [Collector(config, self._emit) for config in self._configs]
        running = [asyncio.create_task(collector.run()) for collector in self._collectors]
        await stop.wait()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _emit(self, batch: Batch) -> None:
        with contextlib.suppress(IndexError):  # the agent has come in this very moment
            while len(self._waiting) >= self._most_waiting:
                oldest = self._waiting.popleft()
                for collector in self._collectors:
                    collector.dropped(oldest.source, len(oldest.values))
        self._waiting.append(batch)
