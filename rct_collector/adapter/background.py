"""Collectors in a thread of their own, for an agent that comes and takes what there is.

The agent's threads never wait for a device, nor the collectors for the agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from rct_collector.collector import RESERVE, RESTART_S, Collector
from rct_collector.config import Config
from rct_collector.loop import new_event_loop
from rct_collector.model import Batch, GapOrder
from rct_collector.reloading import Reloading
from rct_collector.tasks import first_of, keep_running

log = logging.getLogger(__name__)

#: Batches that may wait while the agent does not come; a device brings about five in 10 s.
MOST_WAITING = 2000

#: File descriptors that no device takes, beside those that the agent has when it starts us: its
#: threads open files and lines at any time, and without any it cannot even end in order.
AGENTS_RESERVE = RESERVE + 8


class Background:
    """Collects between :meth:`start` and :meth:`stop`.

    No thread is there before: an agent may fork until it begins its work, which threads do not
    survive. The thread is a daemon, so that whatever happens no interpreter waits for it.
    """

    def __init__(
        self,
        configs: Sequence[Config],
        most_waiting: int = MOST_WAITING,
        *,
        agent: str = "this process",
        restore: GapOrder | None = None,
        again: Callable[[], Sequence[Config]] | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            configs: Checked configurations, whose devices differ.
            most_waiting: Batches that may wait; then the oldest go, and are counted.
            agent: Whose process this is, for messages.
            restore: As for :class:`rct_collector.collector.Collector`.
            again: Reads the configurations anew, as many in the same order, in another thread;
                raises ConfigError. None where that cannot be.
        """
        self._configs = configs
        self._again = again
        self._restore = restore
        self._most_waiting = most_waiting
        self._agent = agent
        self._waiting: deque[Batch] = deque()
        self._collectors: dict[int, Collector] = {}
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], None] = lambda: None
        self._thread = threading.Thread(target=self._run, name="rct_collector", daemon=True)

    def start(self, timeout: float) -> None:
        """Begin; returns as soon as :meth:`stop` would be heard, or after ``timeout`` seconds."""
        self._thread.start()
        self._ready.wait(timeout)

    def take(self) -> Iterator[Batch]:
        """What has come since the last time, oldest first."""
        while self._waiting:
            batch = self._waiting.popleft()
            if batch.receipt is not None:
                self._call(functools.partial(batch.receipt.settle, True))  # noqa: FBT003
            yield batch

    def dropped(self, source: str, samples: int) -> None:
        """Count samples that the agent does not take; from any thread."""

        def count() -> None:
            for collector in self._collectors.values():
                collector.dropped(source, samples)

        self._call(count)

    def stop(self, timeout: float) -> bool:
        """End.

        Args:
            timeout: Seconds that it may take.

        Returns:
            False when the thread is still there after that time.
        """
        self._stopped.set()
        self._stop()
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        devices = sum(len(config.devices) for config in self._configs)
        while not self._stopped.is_set():
            try:
                with asyncio.Runner(loop_factory=lambda: new_event_loop(devices)) as runner:
                    runner.run(self._collect())
            except Exception:
                log.exception("bug: the collection has ended; it begins anew")
                self._ready.set()
                self._stopped.wait(RESTART_S)

    async def _collect(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()

        def hear() -> None:
            for collector in self._collectors.values():
                collector.hang_up()
            stop.set()

        self._loop = loop
        self._stop = lambda: self._call(hear)
        if self._stopped.is_set():
            return
        self._ready.set()
        self._configs = Collector.fitting(self._configs, reserve=AGENTS_RESERVE, who=self._agent)
        reload = self._reloading()
        running = (
            keep_running(functools.partial(self._run_one, number, reload), pause=RESTART_S)
            for number in range(len(self._configs))
        )
        await first_of(stop.wait(), *running)

    def _call(self, callback: Callable[[], None]) -> None:
        """Call something in the thread of the collectors, if it runs."""
        with contextlib.suppress(RuntimeError):  # the loop is gone already
            if self._loop is not None:
                self._loop.call_soon_threadsafe(callback)

    def _reloading(self) -> Reloading | None:
        """What has all configurations read anew, if that can be."""
        again = self._again
        if again is None:
            return None

        def read() -> Sequence[Config]:
            self._configs = again()
            return self._configs

        def collectors() -> Sequence[Collector]:
            return [self._collectors[number] for number in range(len(self._configs))]

        return Reloading(read, collectors)

    async def _run_one(self, number: int, reload: Reloading | None) -> None:
        """Collect from the devices of one configuration."""
        config = self._configs[number]
        collector = Collector(config, self._emit, restore=self._restore, reload=reload)
        self._collectors[number] = collector
        await collector.run()

    def _emit(self, batch: Batch) -> None:
        if batch.receipt is not None:
            batch.receipt.hold()
        with contextlib.suppress(IndexError):  # the agent has come in this very moment
            while len(self._waiting) >= self._most_waiting:
                oldest = self._waiting.popleft()
                if oldest.receipt is not None:
                    oldest.receipt.settle(False)  # noqa: FBT003
                for collector in self._collectors.values():
                    collector.dropped(oldest.source, len(oldest.values))
        self._waiting.append(batch)
